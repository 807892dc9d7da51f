"""dsm log: show the changesets, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from dsm.cli.changes import folder_rows, query_fields, stat_lines
from dsm.cli.history import changeset_fields, entry, one_line, tags_by_number
from dsm.cli.output import print_json
from dsm.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

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

            def rows() -> Iterator[dict[str, object]]:
                for changeset in found:
                    fields = changeset_fields(changeset)
                    if stat:
                        diff = s.dataset.changes(changeset.number)
                        fields["folders"] = folder_rows(diff.changes)
                        fields["queries"] = [query_fields(change) for change in diff.queries]
                    yield fields

            print_json({"dataset": s.dataset.name}, "changesets", rows())
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
