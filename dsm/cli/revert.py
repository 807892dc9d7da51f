"""dsm revert: undo one changeset by a new one."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.changesets import revert_plan_answer
from dsm.cli import undo_options as options
from dsm.cli.output import print_json
from dsm.cli.session import Session
from dsm.cli.suggestions import changeset_names


def command(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(metavar="N", autocompletion=changeset_names, help="Changeset to undo"),
    ],
    dry_run: options.DryRun = False,
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
    keep_files: options.KeepFiles = False,
    as_json: options.Json = False,
) -> None:
    """Undo one changeset by a new one

    History stays as it is; the new changeset puts back what N replaced or removed and removes
    what it added. Refused, with the list, when later changesets touched the same examples. Rules of
    dsm.toml for commits judge it and stop nothing: what comes back may break them.

    \b
    Examples:
      dsm revert 7
      dsm revert -n 7
      dsm revert v2 -m "labels of batch 2 were wrong"
    """
    with Session(ctx) as s:
        if dry_run:
            planned = s.dataset.plan_revert(ref, force=force, keep_files=keep_files)
            if as_json:
                print_json(revert_plan_answer(s.dataset.name, planned))
                return
            options.print_planned(s, planned)
            s.say(f"would revert changeset {planned.number}: {options.planned_text(planned)}")
            return
        changeset = s.dataset.revert(
            ref, force=force, message=message, author=author, keep_files=keep_files
        )
        options.print_recorded(s, changeset, as_json)
