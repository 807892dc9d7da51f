"""dsm log: show the changesets, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from dsm.cli.changes import stat_lines
from dsm.cli.history import entry, one_line, tags_by_number
from dsm.cli.output import print_json
from dsm.cli.session import Session

if TYPE_CHECKING:
    import typer


def command(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- PATH...]", help="Only changesets that touch these"),
    ] = None,
    oneline: Annotated[bool, typer.Option("--oneline", help="One line a changeset")] = False,
    limit: Annotated[
        int | None, typer.Option("-n", "--max-count", metavar="N", min=0, help="At most so many")
    ] = None,
    stat: Annotated[
        bool, typer.Option("--stat", help="Count the changes in each folder, too")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Show the changesets, newest first

    \b
    Examples:
      dsm log
      dsm log --oneline -n 5
      dsm log --stat -- train/cat
      dsm log --json | jq '.changesets[].message'
    """
    with Session(ctx) as s:
        found = s.dataset.log(limit, paths or None)
        if as_json:
            from dsm.answers.changesets import log_answer

            print_json(log_answer(s.dataset, found, stat=stat))
            return
        tags, first = tags_by_number(s.dataset), True
        for changeset in found:
            if oneline:
                print(one_line(changeset, tags, s.paint))
            else:
                print("" if first else "\n", end="")
                print("\n".join(entry(changeset, tags, s.paint)))
            if stat:
                diff = s.dataset.changes(changeset.number)
                print("\n".join(stat_lines(diff.changes, diff.queries)))
            first = False
        if first and limit != 0:
            s.say("there is no changeset" + (" that touches these" if paths else " yet"))
