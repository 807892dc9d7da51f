"""dsm ls: list the examples of a snapshot."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.examples import ls_answer
from dsm.cli import prepare_options as options
from dsm.cli import suggestions
from dsm.cli.output import print_json, quoted, size_text
from dsm.cli.session import Session
from dsm.model.names import printable
from dsm.model.timespec import format_time


def command(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help="Examples, folders and globs (default: all)"),
    ] = None,
    at: options.At = None,
    view: Annotated[
        str | None,
        typer.Option(
            "--view",
            metavar="VIEW",
            autocompletion=suggestions.view_names,
            help="List what this view holds, by name or version",
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="L",
            autocompletion=suggestions.labels,
            help="Only examples with this label",
        ),
    ] = None,
    all_labels: options.AllLabels = False,
    exclude: options.Excluded = None,
    where: options.Where = None,
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
      dsm ls --label cat --where 'width>=512' 'train/**/*.jpg'
      dsm ls --view baseline
    """  # fmt: skip
    with Session(ctx) as s:
        dataset = s.dataset_of_view(view)
        examples = dataset.ls(
            paths or None, at, view=view, labels=labels or None, all_labels=all_labels,
            exclude=exclude or None, where=where or None,
        )  # fmt: skip
        if as_json:
            print_json(ls_answer(dataset.name, examples))
            return
        for example in examples:
            if long:
                told = printable(",".join(example.labels)) or "-"
                when = format_time(example.time - example.time % 1_000_000)
                size = size_text(example.size)
                print(f"{size:>9}  {when}  {told:12}  {quoted(example.path)}")
            else:
                print(quoted(example.path))
