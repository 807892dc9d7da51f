"""dsm show: show one changeset and what it did."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.changesets import show_answer
from dsm.cli.changes import (
    change_lines,
    name_status,
    query_line,
    query_status,
    stat_lines,
)
from dsm.cli.history import entry, tags_by_number
from dsm.cli.output import print_json
from dsm.cli.session import Session
from dsm.cli.suggestions import changeset_names
from dsm.errors import DsmError, NotFound
from dsm.model.names import printable
from dsm.model.queries import Document


def command(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(
            metavar="N",
            autocompletion=changeset_names,
            help="Number, tag, id, head or head~1 (default: head)",
            show_default=False,
        ),
    ] = "head",
    name_status_only: Annotated[
        bool, typer.Option("--name-status", help="List all changes, one letter and path a line")
    ] = False,
    stat: Annotated[bool, typer.Option("--stat", help="Count the changes in each folder")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Show one changeset and what it did

    \b
    Examples:
      dsm show
      dsm show 7 --stat
      dsm show v1 --json
    """  # fmt: skip
    with Session(ctx) as s:
        try:
            changeset = s.dataset.changeset(ref)
        except NotFound as error:
            raise NotFound(error.message, hint=_meant(s, ref) or error.hint) from None
        diff = s.dataset.changes(changeset.number)
        changes = diff.changes
        if as_json:
            print_json(show_answer(s.dataset.name, changeset, diff))
            return
        print("\n".join(entry(changeset, tags_by_number(s.dataset), s.paint)))
        print()
        if stat:
            print("\n".join(stat_lines(changes, diff.queries)))
        elif name_status_only:
            for change in changes:
                print(name_status(change))
            for moved in diff.queries:
                print(query_status(moved))
        else:
            for moved in diff.queries:
                print(query_line(moved, s.paint))
                if moved.after is not None:
                    print("\n".join(_told(moved.name, moved.after)))
            for line in change_lines(changeset.number, changes, s.paint):
                print(line)


def _meant(s: Session, ref: str) -> str | None:
    """Returns the command that shows something else of this name: an example, or a view."""
    if ":" in ref:
        return f"`dsm cat {ref}` writes an example of a changeset"
    from dsm.views.selection.prepared import find_record

    try:
        find_record(s.repo, ref)
    except DsmError:
        return None
    return f"{printable(ref)} is a view: `dsm view show {printable(ref)}`"


def _told(name: str, document: Document) -> list[str]:
    """Returns what a query asks, and what becomes of its columns."""
    from dsm.sources.query import SourceQuery
    from dsm.sources.recording import columns_text

    query = SourceQuery.from_json(name, document)
    lines = [f"    {printable(line)}".rstrip() for line in query.sql.strip().splitlines()]
    lines += [f"    :{printable(k)} = {printable(str(v))}" for k, v in query.parameters.items()]
    limits = [f"at most {query.max_rows:,} rows"] if query.max_rows else []
    limits += [f"at most {query.timeout:g} seconds"] if query.timeout else []
    if limits or query.purpose:
        lines.append(
            "    "
            + "; ".join([*limits, *([printable(query.purpose or "")] if query.purpose else [])])
        )
    return [*lines, *(f"      {line}" for line in columns_text(query)), ""]
