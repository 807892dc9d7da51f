"""`--from-file`: more paths for a command, from a file or standard input."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.standard_input import standard_input
from dsm.errors import NotFound, StorageFailed
from dsm.model.names import printable

FromFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Read more paths, one a line; '-' is standard input"),
]


def listed_paths(name: str | None) -> list[str]:
    """Returns paths, one a line, or parted by NUL as `find -print0` writes them; none without FILE.

    Raises NotFound, StorageFailed.
    """
    if name is None:
        return []
    try:
        if name == "-":
            data = standard_input().read()
        else:
            with open(name, "rb") as file:
                data = file.read()
    except FileNotFoundError:
        raise NotFound(f"there is no file {printable(name)}") from None
    except OSError as error:
        raise StorageFailed(f"cannot read {printable(name)}: {error.strerror}") from error
    text = data.decode("utf-8", "surrogateescape")
    parts = text.split("\0") if "\0" in text else text.replace("\r\n", "\n").split("\n")
    return [part for part in parts if part]
