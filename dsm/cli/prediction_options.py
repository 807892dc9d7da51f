"""The option that names whose predictions are meant, alike in all commands that read them."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.suggestions import view_names

PredictedView = Annotated[
    str | None,
    typer.Option(
        "--view",
        metavar="VIEW",
        autocompletion=view_names,
        help="The view, where the run has predictions for several",
    ),
]
