"""The way in: `dsm` and `python -m dsm`.

Hides how little is imported: `--version` needs nothing, everyday command lines skip typer
(`dsm.cli.fast`), and what deals with failures is imported after one. Nothing escapes as a
traceback; what a command answers becomes the exit status. Until the search for modules is safe,
only what the interpreter has loaded itself is imported (dsm/imports.py).
"""

import os
import sys

from dsm import imports
from dsm.version import __version__


def main(arguments: list[str] | None = None) -> int:
    """Runs one command line and returns its exit status.

    Without `arguments` it runs the line of this process and, having nothing left to do, ends it.
    """
    if arguments is not None:
        return _run(arguments)
    imports.keep_out_of_data()
    _keep_spare()
    _read_names_as_utf8()
    _own_the_process()
    status = _run(sys.argv[1:])
    if _debugging():
        return status
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    # Taking a finished process apart object by object costs as much as half of its start.
    os._exit(status)


def _run(words: list[str]) -> int:
    try:
        if words in (["--version"], ["-V"]):
            print(f"dsm {__version__}")
            status = 0
        else:
            from dsm.cli.dispatch import run

            status = run(words)
        if sys.stdout is not None:
            # Now, while a full disk can still be reported as a failure of this command.
            sys.stdout.flush()
        return status
    except (Exception, KeyboardInterrupt) as error:
        _use_spare()
        from dsm.cli.failure import report

        return report(error, words)


_spare: list[int] = []


def _keep_spare() -> None:
    """Holds a descriptor, so that a failure can be told when the process has no other one left."""
    try:
        fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    _spare.append(fd)


def _use_spare() -> None:
    while _spare:
        os.close(_spare.pop())


def _read_names_as_utf8() -> None:
    """Starts anew in Python's UTF-8 mode where the locale says otherwise.

    Names of files are bytes, and those of a dataset are UTF-8 wherever they are read: as Latin-1, a
    name would be recorded as another, and every file taken for a new one.
    """
    if sys.getfilesystemencoding() != "utf-8" and sys.executable and not sys.flags.utf8_mode:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def _own_the_process() -> None:
    import gc

    # A command lives for moments and makes few cycles, but holds a row per example: looking for
    # cycles among those costs up to a third of its time and frees nothing.
    gc.disable()
    # Arrow's own allocator keeps what it frees; a command that ends soon had rather give it back.
    if "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
        os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
        imports.added_variables.append("ARROW_DEFAULT_MEMORY_POOL")
    imports.leave_out_numpy()
    # A terminal that cannot show a character gets its escape rather than a failure.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _debugging() -> bool:
    return os.environ.get("DSM_DEBUG", "") not in ("", "0")


if __name__ == "__main__":
    sys.exit(main())
