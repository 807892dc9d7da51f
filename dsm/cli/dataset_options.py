"""Options that say what a new dataset keeps, alike in `dsm init` and `dsm dataset`."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.model.unmatched import WORDS

Pattern = Annotated[
    str | None,
    typer.Option("--pattern", metavar="P", help="Where labels and attributes stand in paths; kept"),
]
Unmatched = Annotated[
    str | None,
    typer.Option(
        "--unmatched",
        metavar="[skip|unlabelled|refuse]",
        autocompletion=lambda incomplete: [w for w in WORDS if w.startswith(incomplete)],
        help="What add does with new files that the pattern does not match",
    ),
]
