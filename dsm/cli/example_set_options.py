"""The argument that names the examples to look at, alike in the commands that sum them up."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.suggestions import example_set_names

ExampleSetName = Annotated[
    str | None,
    typer.Argument(
        metavar="[N | A..B | VIEW | DATASET]",
        autocompletion=example_set_names,
        help="Whose examples (default: those of the head)",
    ),
]
