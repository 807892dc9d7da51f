"""What `dsm revert` and `dsm rollback` share: options, and how they tell what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.changesets import changeset_answer
from dsm.cli.changes import change_line, query_line
from dsm.cli.history import recorded
from dsm.cli.output import count_text, message, print_json
from dsm.cli.record_lines import by_file

if TYPE_CHECKING:
    from dsm.cli.session import Session
    from dsm.model.changeset import Changeset
    from dsm.model.restore_reports import RevertReport

DryRun = Annotated[
    bool, typer.Option("-n", "--dry-run", help="Show what would change, change nothing")
]
KeepFiles = Annotated[bool, typer.Option("--keep-files", help="Leave the files here as they are")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document")]


def print_recorded(s: Session, changeset: Changeset, as_json: bool) -> None:
    """Prints the changeset that was made."""
    if as_json:
        print_json(changeset_answer(s.dataset.name, changeset))
    elif not s.settings.quiet:
        print(recorded(s.dataset.name, changeset))
    if changeset.verdict is not None and changeset.verdict.errors:
        found = count_text(changeset.verdict.errors, "error")
        span = f"{changeset.number - 1}..{changeset.number}"
        message(f"warning: the contract finds {found} in it: `dsm check {span}` lists them")


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
