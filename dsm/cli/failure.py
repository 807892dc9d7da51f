"""Every way in which a command can fail, turned into one line, a hint and an exit status.

The table is docs/reference/errors.md. Invariant: no traceback unless DSM_DEBUG=1 asks for it, and
no name of a file printed raw.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from contextlib import suppress

from dsm.cli import color
from dsm.cli.commands import COMMANDS
from dsm.errors import AnswerIsNo, DsmError
from dsm.model.names import printable

INTERRUPTED, BROKEN_PIPE, BUG, STORAGE = 130, 141, 70, 8
ITEMS_MAX = 10

# What Ctrl-C leaves, where it is more than "as before".
_AFTER_INTERRUPT = {
    "add": "nothing was lost and nothing is half staged; running it again is safe",
    "commit": "nothing was lost; `dsm log` shows whether it was done, and running it again is safe",
    "revert": "nothing was lost; `dsm log` shows whether it was done, `dsm status` what is left",
    "import": "nothing is half staged; what was staged stays, run it again to go on",
    "update-import": "nothing is half staged; what was staged stays, run it again to go on",
    "restore": "nothing was lost; some files may be back already, run it again for the rest",
    "get": "nothing was lost; run it again to go on",
    "push": "nothing was lost; what went up is kept, run it again to go on",
    "fetch": "nothing here has changed; run it again to go on",
    "pull": "nothing was lost; run it again to go on, or go back by `dsm pull --abort`",
    "clone": "nothing was lost; run it again to go on where it ended",
    "gc": "nothing that is needed was removed; running it again is safe",
}


def report(error: BaseException, words: list[str]) -> int:
    """Says on standard error what happened and returns the exit status."""
    if os.environ.get("DSM_DEBUG") not in (None, "", "0"):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, DsmError) and error.exit_status != BUG:
        return _expected(error)
    if isinstance(error, KeyboardInterrupt):
        command = next((word for word in words if word in COMMANDS), "")
        default = "nothing was lost; the repository is as it was before this command"
        _say("interrupted: " + _AFTER_INTERRUPT.get(command, default))
        return INTERRUPTED
    if isinstance(error, BrokenPipeError) and _reader_has_gone():
        return BROKEN_PIPE
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, MemoryError):
        _say("error: there is not enough memory")
        return STORAGE
    return _bug(error, words)


def _of_the_system(error: OSError) -> int:
    """Names what was tried; the library's writes have an error of their own, so it was to read."""
    from dsm.store.write_failed import hint_for

    reason, name = error.strerror or type(error).__name__, error.filename
    if not isinstance(name, str | bytes):
        _say(f"error: {reason}")
        return STORAGE
    folder = error.errno != errno.EISDIR and os.path.isdir(name)
    _say(f"error: cannot {'list' if folder else 'open'} {os.fsdecode(name)}: {reason}")
    hint = hint_for(error.errno)
    if hint is not None:
        _say(f"hint: {hint}")
    return STORAGE


def _expected(error: DsmError) -> int:
    _say(error.message if isinstance(error, AnswerIsNo) else f"error: {error.message}")
    # An item that the message names already would only be said twice.
    items = [i for i in error.items if len(error.items) > 1 or not _names(error.message, i)]
    for item in items[:ITEMS_MAX]:
        _say(f"  {item}")
    if len(items) > ITEMS_MAX:
        _say(f"  … and {len(items) - ITEMS_MAX:,} more")
    if error.hint:
        _say(f"hint: {error.hint}")
    return error.exit_status


def _names(message: str, item: str) -> bool:
    """Whether a message has an item as a word of its own, and not as the number it begins with."""
    words = re.sub(r"^[0-9,]+ ", "", message)
    return re.search(rf"(?<![\w./]){re.escape(printable(item))}(?![\w/])", words) is not None


def _bug(error: BaseException, words: list[str]) -> int:
    """Names kind and place; the message may hold names of files, or what is in them."""
    from dsm.cli.crash_log import write_crash_log
    from dsm.defects import kind_of, place_of
    from dsm.version import __version__

    place = place_of(error)
    python = ".".join(map(str, sys.version_info[:3]))
    _say(
        f"bug: {kind_of(error)}{f' in {place}' if place else ''}"
        f" (dsm {__version__}, Python {python})"
    )
    try:
        log = write_crash_log(error, words)
    except Exception:  # a second defect must not hide the first
        log = None
    if log is None:
        _say("hint: run it again with DSM_DEBUG=1 for the traceback, and please report that")
    else:
        _say(f"hint: please report it with {log}, which holds no names of files and no data")
    return BUG


def _reader_has_gone() -> bool:
    """Whether what reads our output was closed, as by `| head`; then silences the streams."""
    import select

    gone = False
    for fd in (1, 2):
        poll = select.poll()
        poll.register(fd, 0)
        if any(event & select.POLLERR for _, event in poll.poll(0)):
            gone = True
            # What is still in the buffer would raise again when Python exits.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, fd)
            os.close(null)
    return gone


def _say(text: str) -> None:
    # What was printed comes first, also where both streams go to one file.
    with suppress(OSError, ValueError):
        if sys.stdout is not None:
            sys.stdout.flush()
    if sys.stderr is not None:
        print(color.headed(printable(text), sys.stderr), file=sys.stderr)
