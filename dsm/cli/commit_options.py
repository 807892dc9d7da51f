"""The options of `dsm commit`."""

from __future__ import annotations

from typing import Annotated

import typer

Messages = Annotated[
    list[str] | None,
    typer.Option(
        "-m", "--message", metavar="M", help="What it is about; repeat it for more paragraphs"
    ),
]
Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH...", help="Stage and commit these alone, in one step"),
]
StageAll = Annotated[
    bool, typer.Option("-a", "--all", help="Stage changes and deletions of known files first")
]
AllowEmpty = Annotated[
    bool, typer.Option("--allow-empty", help="Record a changeset that changes nothing")
]
AllowMassDelete = Annotated[
    bool,
    typer.Option(
        "--allow-mass-delete", help="Let -a remove most of the examples, or all of a folder"
    ),
]
Author = Annotated[
    str | None,
    typer.Option(
        "--author",
        metavar="NAME",
        help="Who made the change (default: DSM_AUTHOR, else user.name and user.email)",
    ),
]
Source = Annotated[
    str | None, typer.Option("--source", metavar="URI", help="Where the data came from")
]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="How the data was made")]
Trailers = Annotated[
    list[str] | None,
    typer.Option(
        "--trailer", metavar="K=V", help="Say more of it by keys: ticket=A-17; repeatable"
    ),
]
DerivedFrom = Annotated[
    list[str] | None,
    typer.Option(
        "--derived-from",
        metavar="X",
        help="What it was made of: DATASET@N, a run's id, an address; repeatable",
    ),
]
NoVerify = Annotated[
    bool,
    typer.Option("--no-verify", help="Ask no rule of the contract; the changeset says so"),
]
NoAlert = Annotated[
    bool, typer.Option("--no-alert", help="Tell nobody elsewhere when the contract stops it")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
