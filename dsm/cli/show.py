"""dsm show: show one changeset and what it did."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.changes import change_fields, change_line, folder_rows, name_status, stat_lines
from dsm.cli.history import changeset_fields, entry, tags_by_number
from dsm.cli.output import listed, print_json
from dsm.cli.session import Session
from dsm.cli.suggestions import changeset_names

CHANGES_MAX = 100


def command(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(
            metavar="[N]",
            autocompletion=changeset_names,
            help="Number, tag, id, head or head~1 (default: head)",
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
        changeset = s.dataset.changeset(ref)
        changes = s.dataset.changes(changeset.number).changes
        if as_json:
            rows = (change_fields(change) for change in changes)
            print_json(changeset_fields(changeset), "changes", rows)
            return
        print("\n".join(entry(changeset, tags_by_number(s.dataset), s.paint)))
        print()
        if stat:
            print("\n".join(stat_lines(folder_rows(changes))))
        elif name_status_only:
            for change in changes:
                print(name_status(change))
        else:
            lines = listed([change_line(change, s.paint) for change in changes], CHANGES_MAX)
            if len(lines) > CHANGES_MAX:
                lines[-1] += f" (`dsm show {changeset.number} --name-status` lists all)"
            for line in lines:
                print(line)
