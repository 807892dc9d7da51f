"""Runs one command line: the fast path where it applies, else typer."""

from __future__ import annotations

from importlib import import_module

from dsm.cli import fast
from dsm.cli.commands import COMMANDS


def run(words: list[str]) -> int:
    """Runs a command line and returns its exit status. Raises what the command raises."""
    plain = fast.parse(words)
    if plain is None:
        from dsm.cli.group import run_with_typer

        return run_with_typer(words)
    command, settings, arguments = plain
    settings.enter()
    module = import_module(COMMANDS[command][0])
    status: int | None = module.command(fast.FastContext(settings), **arguments)
    return status or 0
