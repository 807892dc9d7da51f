"""The arguments that commands about remotes share."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.suggestions import remote_names

_ANY = "Name of the remote, else the default one"

Remote = Annotated[
    str | None, typer.Argument(metavar="REMOTE", autocompletion=remote_names, help=_ANY)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
Jobs = Annotated[
    int | None,
    typer.Option("-j", "--jobs", metavar="N", help="Transfers at a time (16; of packs 3)"),
]
