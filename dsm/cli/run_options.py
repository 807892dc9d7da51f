"""How commands name runs, and how they show one in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dsm.cli.output import LISTED_MAX, listed

if TYPE_CHECKING:
    from dsm.runs.run import Run

SHORT = 8
RUN_HELP = "Id of a run, its first 4 or more digits, or its name"

RunName = Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)]


def title(run: Run) -> str:
    """Returns name and short id of a run."""
    return f"{run.start.name} {run.id[:SHORT]}" if run.start.name else run.id[:SHORT]


def numbers(run: Run) -> str:
    """Returns the first metrics of a run with their values."""
    found = [f"{name}={value:.6g}" for name, value in run.metrics.items()]
    return " ".join(listed(found, LISTED_MAX))
