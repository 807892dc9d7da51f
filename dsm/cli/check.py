"""dsm check: test that the dataset can be trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.queries import check_answer
from dsm.cli.output import message, print_json
from dsm.cli.prepare_options import At
from dsm.cli.session import Session
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.sources.checking import QueryCheck


def command(
    ctx: typer.Context,
    at: At = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> int:
    """Test that the dataset can be trained on

    Every source is asked for the columns of the dataset's queries; no row is read. Exit status 1
    when a source cannot be reached, refuses, or has other columns than were recorded.

    \b
    Examples:
      dsm check
      dsm check --at v1 --json
    """
    with Session(ctx) as s:
        from dsm.sources.checking import check_queries

        found = check_queries(s.repo, s.dataset.queries(at))
        if as_json:
            print_json(check_answer(s.dataset.name, found))
        else:
            for each in found:
                print("\n".join(check_lines(each)))
            if not found:
                s.say("the dataset has no query to test")
    failed = sum(each.problem is not None for each in found)
    if failed:
        message(f"{failed} of {len(found)} queries cannot be run as recorded")
    return 1 if failed else 0


def check_lines(check: QueryCheck) -> list[str]:
    """Returns a check as lines for people."""
    head = f"query {check.name}, source {check.source}: "
    if check.problem is None:
        return [head + "runs as recorded"]
    lines = [head + printable(check.problem)]
    lines += [f"  {printable(change)}" for change in check.changes]
    return lines if check.hint is None else [*lines, f"  hint: {check.hint}"]
