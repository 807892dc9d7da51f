"""What is long is shown by a pager where somebody sits at a terminal, as git does.

The pager is what the user's environment names, never what a repository says, and it is started
without a shell. Both streams go to it while a command runs; what fails is told afterwards, on the
terminal.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable

from dsm.cli import color
from dsm.cli.output import message
from dsm.model.names import printable

VARIABLES = ("DSM_PAGER", "PAGER")
DEFAULT = "less"
# Quit when all fits on one screen, pass colours on, leave the screen as it was: as git has it.
DEFAULT_OPTIONS = {"LESS": "FRX", "LV": "-c"}
INTERRUPTED = 130


def paged(work: Callable[[], int]) -> int:
    """Runs a command with its output in a pager; without one where none is wanted.

    Returns the status of the command: 0 when its reader has had enough of it, 130 after Ctrl-C.
    """
    pager = _started()
    if pager is None:
        return work()
    if color.wanted(sys.stdout):
        color.choose(color.ALWAYS)  # the terminal is behind the pager now
    assert pager.stdin is not None
    streams = [1, 2] if sys.stderr is not None and sys.stderr.isatty() else [1]
    kept = {fd: os.dup(fd) for fd in streams}
    for fd in streams:
        os.dup2(pager.stdin.fileno(), fd)
    pager.stdin.close()
    try:
        status = work()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        # Ctrl-C is for the pager to answer now.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        _hand_back(kept)
        pager.wait()
        signal.signal(signal.SIGINT, before)


def _started() -> subprocess.Popen[bytes] | None:
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return None
    found = next((name for name in VARIABLES if name in os.environ), None)
    pager = DEFAULT if found is None else os.environ[found]
    if pager.strip() in ("", "cat"):
        return None
    sys.stdout.flush()
    try:
        return subprocess.Popen(
            shlex.split(pager), stdin=subprocess.PIPE, env={**DEFAULT_OPTIONS, **os.environ}
        )
    except (OSError, ValueError) as error:
        if found is not None:
            reason = getattr(error, "strerror", None) or error
            message(f"warning: the pager {printable(pager)} ({found}) cannot be started: {reason}")
        return None


def _hand_back(kept: dict[int, int]) -> None:
    """Gives the terminal back, and the pager the end of its input."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, 1)
    os.close(null)
    # What a pager that has gone did not take must not follow on the terminal.
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    for fd, terminal in kept.items():
        os.dup2(terminal, fd)
        os.close(terminal)
