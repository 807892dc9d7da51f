"""The way in: `dsm` and `python -m dsm`.

Hides how little is imported: `--version` needs nothing, everyday command lines skip typer
(`dsm.cli.fast`), and what deals with failures is imported after one. Nothing escapes as a
traceback; what a command answers becomes the exit status.
"""

from __future__ import annotations

import sys

from dsm.version import __version__


def main(arguments: list[str] | None = None) -> int:
    """Runs one command line (by default the process's own) and returns its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    status = 0
    try:
        if words in (["--version"], ["-V"]):
            print(f"dsm {__version__}")
        else:
            if arguments is None:
                _own_the_process()
            from dsm.cli.run import run

            status = run(words)
        if sys.stdout is not None:
            # Now, while a full disk can still be reported as a failure of this command.
            sys.stdout.flush()
        return status
    except (Exception, KeyboardInterrupt) as error:
        from dsm.cli.failure import report

        return report(error, words)


def _own_the_process() -> None:
    # A command lives for moments and makes few cycles, but holds a row per example: looking for
    # cycles among those costs up to a third of its time and frees nothing.
    import gc

    gc.disable()
    # A terminal that cannot show a character gets its escape rather than a failure.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
