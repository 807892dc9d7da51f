"""dsm get: write the examples of a view as a tarball."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from dsm.cli.output import count_text, quoted, size_text
from dsm.cli.session import Session


def formats(incomplete: str) -> list[str]:
    """Returns the formats that begin so, for the shell to complete."""
    return [name for name in ("tar",) if name.startswith(incomplete)]


def command(
    ctx: typer.Context,
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="As printed by prepare; its beginning will do")
    ],
    out: Annotated[
        str,
        typer.Option("-o", "--output", metavar="DIR", help="Folder to write to; - prints the tar"),
    ],
    format_: Annotated[
        str,
        typer.Option("--format", metavar="tar", autocompletion=formats, help="One tarball"),
    ] = "tar",
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Replace what is there already")
    ] = False,
) -> None:
    """Write the examples of a view as a tarball

    The same version gives the same bytes on every machine. Prints where they are.

    \b
    Examples:
      dsm get 3f9a1c2b4d5e -o out
      dsm get 3f9a1c2b4d5e -o - | tar -t
    """
    with Session(ctx) as s:
        from dsm.views.materialise import path_in

        view = s.repo.view(version)
        fresh = out == "-" or force or not os.path.lexists(path_in(view, out))
        where = view.get(out, format=format_, force=force, progress=s.progress())
        if out != "-":
            print(quoted(str(where)))
        said = f"{count_text(len(view), 'example')}, {size_text(view.size)}"
        s.say(f"wrote {said}" if fresh else f"there already and the same: {said}")
