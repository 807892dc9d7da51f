"""dsm mv: stage a rename of examples, and move their files."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.staging import renamed_answer
from dsm.cli.output import count_text, print_json, quoted
from dsm.cli.session import Session


def command(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Example or folder")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="New name, or folder to go to")],
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="List what would be renamed, rename nothing")
    ] = False,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Replace examples and files that are in the way")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Stage a rename of examples, and move their files

    Labels and attributes go with them.

    \b
    Examples:
      dsm mv images/1.jpg images/0001.jpg
      dsm mv -n incoming/cats train/cat
    """
    with Session(ctx) as s:
        moved = s.dataset.move(source, target, force=force, dry_run=dry_run)
        if as_json:
            print_json(renamed_answer(s.dataset.name, moved, dry_run=dry_run))
        for old, new in moved if dry_run and not as_json else ():
            print("\t".join(["R", quoted(old), quoted(new)]))
        done = "would rename" if dry_run else "staged the rename of"
        s.say(f"{done} {count_text(len(moved), 'example')}")
