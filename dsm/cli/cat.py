"""dsm cat: write the content of examples to standard output."""

from __future__ import annotations

from typing import Annotated, BinaryIO

import typer

from dsm.cli.output import write_bytes
from dsm.cli.session import Session
from dsm.errors import NotFound

PIECE = 1 << 20


def command(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(metavar="[N:]PATH...", help="Example, and its changeset or tag"),
    ],
) -> None:
    """Write the content of examples to standard output

    A PATH alone counts from the current folder, after N: from the dataset's root.

    \b
    Examples:
      dsm cat train/cat/0001.jpg > now.jpg
      dsm cat 3:train/cat/0001.jpg > then.jpg
      dsm cat v1:notes.txt
    """
    with Session(ctx) as s:
        for name in names:
            with _opened(s, name) as file:
                while piece := file.read(PIECE):
                    write_bytes(piece)


def _opened(s: Session, name: str) -> BinaryIO:
    """Opens N:PATH; where that names no example, the colon may belong to the path."""
    ref, colon, path = name.partition(":")
    if not colon:
        return s.dataset.open(s.below_root(name))
    try:
        return s.dataset.open(path, s.dataset.resolve(ref or "head"))
    except NotFound as unknown:
        try:
            return s.dataset.open(s.below_root(name))
        except NotFound:
            raise unknown from None
