"""dsm ls: list the examples of a snapshot."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.examples import ls_answer
from dsm.cli.output import print_json, quoted, size_text
from dsm.cli.prepare_options import At
from dsm.cli.session import Session
from dsm.model.names import printable
from dsm.model.timespec import format_time


def command(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help="Examples and folders (default: all)"),
    ] = None,
    at: At = None,
    long: Annotated[
        bool, typer.Option("-l", "--long", help="Show size, time and labels, too")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """List the examples of a snapshot

    Names that hold quotes, backslashes or control characters are quoted as in C.

    \b
    Examples:
      dsm ls
      dsm ls --long train/cat
      dsm ls --at v1 --json
    """  # fmt: skip
    with Session(ctx) as s:
        examples = s.dataset.ls(paths or None, at)
        if as_json:
            print_json(ls_answer(s.dataset.name, examples))
            return
        for example in examples:
            if long:
                labels = printable(",".join(example.labels)) or "-"
                when = format_time(example.time - example.time % 1_000_000)
                size = size_text(example.size)
                print(f"{size:>9}  {when}  {labels:12}  {quoted(example.path)}")
            else:
                print(quoted(example.path))
