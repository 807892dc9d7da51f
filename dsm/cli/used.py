"""dsm used: list every view and every run that had an example."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.lineage import used_answer
from dsm.cli.output import print_json
from dsm.cli.session import Session
from dsm.model.names import printable

SHORT = 12


def command(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The example, also a deleted one")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """List every view and every run that had an example

    The first time each view is evaluated; what it has is remembered, so later it takes no time.

    \b
    Examples:
      dsm used cat/1.jpg
      dsm used cat/1.jpg --json
    """
    with Session(ctx) as s:
        found = s.repo.used(s.below_root(path), dataset=s.settings.dataset)
        if as_json:
            print_json(used_answer(found))
            return
        for record in found.views:
            names = printable(", ".join(record.names)) or "-"
            print(f"view  {s.paint(record.version[:SHORT], 'id')}  {names}")
        for run, _ in found.runs:
            name = printable(run.start.name or "-")
            print(f"run   {run.id[:SHORT]}  {name}  {run.state}")
        if not found.views:
            s.say("no prepared view has it")
