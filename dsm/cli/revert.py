"""dsm revert: undo one changeset by a new one."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.history import recorded
from dsm.cli.session import Session
from dsm.cli.suggestions import changeset_names


def command(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(metavar="N", autocompletion=changeset_names, help="Changeset to undo"),
    ],
    force: Annotated[
        bool,
        typer.Option("-f", "--force", help="Leave what later changesets touched, undo the rest"),
    ] = False,
    message: Annotated[
        str | None, typer.Option("-m", "--message", metavar="M", help="Why it is undone")
    ] = None,
    author: Annotated[
        str | None, typer.Option("--author", metavar="NAME", help="Who undoes it")
    ] = None,
    keep_files: Annotated[
        bool, typer.Option("--keep-files", help="Leave the files here as they are")
    ] = False,
) -> None:
    """Undo one changeset by a new one

    History stays as it is; the new changeset puts back what N replaced or removed and removes
    what it added. Refused, with the list, when later changesets touched the same examples.

    \b
    Examples:
      dsm revert 7
      dsm revert v2 -m "labels of batch 2 were wrong"
    """
    with Session(ctx) as s:
        changeset = s.dataset.revert(
            ref, force=force, message=message, author=author, keep_files=keep_files
        )
        if not s.settings.quiet:
            print(recorded(s.dataset.name, changeset))
