"""dsm rollback: go back to a changeset by a new one."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.changesets import rollback_plan_answer
from dsm.cli import undo_options as options
from dsm.cli.output import print_json
from dsm.cli.session import Session
from dsm.cli.suggestions import changeset_names


def command(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(metavar="N", autocompletion=changeset_names, help="Changeset to go back to"),
    ],
    dry_run: options.DryRun = False,
    message: Annotated[
        str | None, typer.Option("-m", "--message", metavar="M", help="Why you go back")
    ] = None,
    author: Annotated[
        str | None, typer.Option("--author", metavar="NAME", help="Who goes back")
    ] = None,
    keep_files: options.KeepFiles = False,
    as_json: options.Json = False,
) -> None:
    """Go back to a changeset by a new one

    After it the dataset is as it was after changeset N: content, labels, attributes and queries,
    and what was added since is gone. History stays as it is, so that you can go forward again.
    Files here follow, unless they hold something else or changes of theirs are staged.

    \b
    Examples:
      dsm rollback 7
      dsm rollback -n 7
      dsm rollback v2 -m "batch 3 was labelled wrong"
    """
    with Session(ctx) as s:
        if dry_run:
            planned = s.dataset.plan_rollback(ref, keep_files=keep_files)
            if as_json:
                print_json(rollback_plan_answer(s.dataset.name, planned))
                return
            options.print_planned(s, planned)
            s.say(f"would go back to changeset {planned.number}: {options.planned_text(planned)}")
            return
        changeset = s.dataset.rollback(ref, message=message, author=author, keep_files=keep_files)
        options.print_recorded(s, changeset, as_json)
