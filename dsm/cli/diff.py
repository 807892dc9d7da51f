"""dsm diff: show changes between snapshots, the stage and the files here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.examples import FIELDS_MAX, diff_answer, record_fields_answer
from dsm.cli.changes import (
    CHANGES_MAX,
    change_line,
    name_status,
    query_line,
    query_status,
    stat_lines,
)
from dsm.cli.output import print_json
from dsm.cli.record_fields import side_by_side
from dsm.cli.record_lines import by_file
from dsm.cli.revisions import told_apart
from dsm.cli.session import Session
from dsm.cli.suggestions import changeset_names
from dsm.errors import InvalidInput

if TYPE_CHECKING:
    from dsm.model.difference_report import Diff


def command(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[A [B] | A..B] [-- PATH...]",
            autocompletion=changeset_names,
            help="Changesets or tags; only what differs at or below PATHs",
        ),
    ] = None,
    staged: Annotated[
        bool, typer.Option("--staged", "--cached", help="Show what the next commit would record")
    ] = False,
    name_status_only: Annotated[
        bool, typer.Option("--name-status", help="One letter and path a line, for programs")
    ] = False,
    stat: Annotated[bool, typer.Option("--stat", help="Count the changes in each folder")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
    records: Annotated[
        bool, typer.Option("--records", help="Show the fields of records side by side")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 1 when there are differences")
    ] = False,
) -> int:
    """Show changes between snapshots, the stage and the files here

    Without A, shows what is changed here and not staged; with A, how the files here differ from
    snapshot A; with A and B, or A..B, how snapshot B differs from A. Renames are found by content.
    The letters of --name-status are A added, M modified, L labels or attributes, D deleted,
    R renamed; a name that ends in a slash is a query's.

    \b
    Examples:
      dsm diff
      dsm diff --staged --stat
      dsm diff 3 7 --name-status
      dsm diff head^ -- train/cat
      dsm diff --records 3 4 -- train.jsonl
      dsm diff v1 head --exit-code --json
    """
    with Session(ctx) as s:
        asked = told_apart(s, words, 2)
        a, b = asked.range or (*asked.changesets, None, None)[:2]
        if records:
            if stat or name_status_only:
                raise InvalidInput("--records goes with --json, and with no other form")
            most = FIELDS_MAX if as_json else CHANGES_MAX
            diff = s.dataset.diff(a, b, staged=staged, paths=asked.paths, fields=most)
            _tell_records(diff, s, as_json)
            return 1 if exit_code and diff.records else 0
        diff = s.dataset.diff(a, b, staged=staged, paths=asked.paths)
        if as_json:
            print_json(diff_answer(diff))
        elif stat:
            print("\n".join(stat_lines(diff.changes, diff.queries)))
        else:
            if name_status_only:
                print(*map(name_status, diff.changes), sep="\n", end="\n" if diff.changes else "")
            else:
                for change in by_file(diff.changes):
                    print(change_line(change, s.paint))
            for moved in diff.queries:
                print(query_status(moved) if name_status_only else query_line(moved, s.paint))
    return 1 if exit_code and (diff.changes or diff.queries) else 0


def _tell_records(diff: Diff, s: Session, as_json: bool) -> None:
    if as_json:
        print_json(record_fields_answer(diff, FIELDS_MAX))
    elif diff.records:
        print(*side_by_side(diff.records, s.paint), sep="\n")
