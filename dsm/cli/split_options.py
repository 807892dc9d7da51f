"""The options of `dsm split create`."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.suggestions import changeset_names

Parts = Annotated[
    str | None,
    typer.Option("--parts", metavar="A=80%,B=20%", help="Parts and their shares, of 100% all"),
]
Folds = Annotated[
    int | None, typer.Option("--folds", metavar="K", help="K equal parts: fold1, fold2, …")
]
Time = Annotated[
    str | None,
    typer.Option(
        "--time", metavar="A=..T,B=T..", help="Parts by time: ranges, or shares of the order"
    ),
]
TimeFolds = Annotated[
    int | None,
    typer.Option("--time-folds", metavar="K", help="K parts by time, each after what it trains on"),
]
Gap = Annotated[
    str | None,
    typer.Option("--gap", metavar="7d", help="Leave this out before each part of --time-folds"),
]
Group = Annotated[
    str | None,
    typer.Option("--group", metavar="ATTR", help="Keep all of one attribute value together"),
]
ByContent = Annotated[
    bool, typer.Option("--by-content", help="Keep examples of the same content together")
]
Stratify = Annotated[
    str | None,
    typer.Option("--stratify", metavar="label|ATTR", help="Give each part its share of each"),
]
Exact = Annotated[bool, typer.Option("--exact", help="Make the shares exact in the changeset --at")]
Seed = Annotated[
    str | None, typer.Option("--seed", metavar="S", help="What to draw by (default: the name)")
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="N",
        autocompletion=changeset_names,
        help="Changeset that exact shares and times are taken from (default: head)",
    ),
]
Description = Annotated[
    str, typer.Option("--description", metavar="TEXT", help="What the split is for")
]
