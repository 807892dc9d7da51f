"""Runs one command line: the fast path where it applies, else typer."""

from __future__ import annotations

import sys
from importlib import import_module

from dsm.cli import fast
from dsm.cli.commands import COMMANDS, PAGED


def run(words: list[str]) -> int:
    """Runs a command line and returns its exit status. Raises what the command raises."""
    words = _spelt_out(words)
    plain = fast.parse(words)
    if plain is None:
        from dsm.cli.group import run_with_typer

        return run_with_typer(words)
    command, settings, arguments = plain
    settings.enter()
    module = import_module(COMMANDS[command][0])
    context = fast.FastContext(settings)
    if command in PAGED and settings.pager and _on_a_terminal():
        from dsm.cli.pager import paged

        return paged(lambda: module.command(context, **arguments) or 0)
    status: int | None = module.command(context, **arguments)
    return status or 0


def _on_a_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _spelt_out(words: list[str]) -> list[str]:
    """Gives the value of `--records=jsonl` an option of its own: no other flag may have one."""
    end = words.index("--") if "--" in words else len(words)
    flag, option = "--records=", "--records-format="
    return [
        option + word.removeprefix(flag) if at < end and word.startswith(flag) else word
        for at, word in enumerate(words)
    ]
