"""Runs one command line: the fast path where it applies, else typer."""

from __future__ import annotations

import sys
from importlib import import_module

from dsm.cli import fast
from dsm.cli.commands import COMMANDS, PAGED


def run(words: list[str]) -> int:
    """Runs a command line and returns its exit status. Raises what the command raises."""
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
