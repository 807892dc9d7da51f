"""The options of `dsm log`."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.suggestions import changeset_names

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[N | A..B] [-- PATH...]",
        autocompletion=changeset_names,
        help="From N back, or those after A up to B; only those that touch PATHs",
    ),
]
OneLine = Annotated[bool, typer.Option("--oneline", help="One line a changeset")]
Limit = Annotated[
    int | None,
    typer.Option("-n", "--max-count", metavar="N", min=0, help="At most N; also -N"),
]
Patch = Annotated[bool, typer.Option("-p", "--patch", help="List the changes of each, too")]
Stat = Annotated[bool, typer.Option("--stat", help="Count the changes in each folder, too")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="T", help="Only those of this time or later")
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="T", help="Only those of before this time")
]
Author = Annotated[
    list[str] | None,
    typer.Option("--author", metavar="TEXT", help="Only those whose author holds this text"),
]
Grep = Annotated[
    list[str] | None,
    typer.Option("--grep", metavar="TEXT", help="Only those whose message holds this text"),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="COND", help="Only those with such trailers: 'ticket=A-17', 'k in a,b'"
    ),
]
Reverse = Annotated[bool, typer.Option("--reverse", help="Show the same ones, oldest first")]
NoFollow = Annotated[
    bool, typer.Option("--no-follow", help="Do not go on with the old path of what was renamed")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
