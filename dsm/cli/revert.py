"""dsm revert: undo one changeset by a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.changesets import changeset_answer, revert_plan_answer
from dsm.cli.changes import change_line, query_line
from dsm.cli.history import recorded
from dsm.cli.output import count_text, print_json
from dsm.cli.record_lines import by_file
from dsm.cli.session import Session
from dsm.cli.suggestions import changeset_names

if TYPE_CHECKING:
    from dsm.model.reports import RevertReport


def command(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(metavar="N", autocompletion=changeset_names, help="Changeset to undo"),
    ],
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Show what would change, change nothing")
    ] = False,
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
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Undo one changeset by a new one

    History stays as it is; the new changeset puts back what N replaced or removed and removes
    what it added. Refused, with the list, when later changesets touched the same examples.

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
            print_planned(s, planned)
            s.say(f"would revert changeset {planned.number}: {planned_text(planned)}")
            return
        changeset = s.dataset.revert(
            ref, force=force, message=message, author=author, keep_files=keep_files
        )
        if as_json:
            print_json(changeset_answer(s.dataset.name, changeset))
        elif not s.settings.quiet:
            print(recorded(s.dataset.name, changeset))


def print_planned(s: Session, planned: RevertReport) -> None:
    """Prints the changes that the new changeset would hold."""
    for change in by_file(planned.changes):
        print(change_line(change, s.paint))
    for moved in planned.queries:
        print(query_line(moved, s.paint))


def planned_text(planned: RevertReport) -> str:
    """Returns how much would change, and become of files here."""
    text = count_text(len(planned.changes) + len(planned.queries), "change")
    text += f"; {count_text(len(planned.written), 'file')} written"
    text += f", {len(planned.removed):,} removed"
    if planned.kept:
        text += f"; {count_text(len(planned.kept), 'example')} changed later and kept"
    return text
