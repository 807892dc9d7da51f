"""dsm label: stage other labels for examples, leaving their content alone."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.output import count_text
from dsm.cli.session import Session
from dsm.errors import InvalidInput


def command(
    ctx: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Examples and folders")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="L", help="Label them so and not otherwise; '' for no label"),
    ] = None,
    add: Annotated[
        list[str] | None, typer.Option("--add", metavar="L", help="Give them this label, too")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="L", help="Take this label from them")
    ] = None,
) -> None:
    """Stage other labels for examples, leaving their content alone

    Each option can be given several times. The next commit records the new labels; no file is
    read or written.

    \b
    Examples:
      dsm label images/0001.jpg --set dog
      dsm label images/night --add night --remove day
    """
    if set_ is None and not add and not remove:
        raise InvalidInput("no label is given", hint="use --set, --add or --remove")
    if set_ is not None and (add or remove):
        raise InvalidInput("--set cannot be combined with --add and --remove")
    wanted = None if set_ is None else [label for label in set_ if label]
    with Session(ctx) as s:
        counts = s.dataset.label(paths, set=wanted, add=add, remove=remove)
        what = f"staged other labels for {count_text(counts.rows, 'example')}"
        s.say(what if counts.rows else "no labels changed")
