"""dsm init: make a repository, or a dataset in it."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm import api
from dsm.answers.datasets import init_answer
from dsm.cli.output import message, print_json
from dsm.cli.session import Settings
from dsm.model.names import printable


def command(
    ctx: typer.Context,
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder that holds your data")] = ".",
    org: Annotated[
        str | None,
        typer.Option("--org", metavar="NAME", help="Organisation that the data belongs to"),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option("--pattern", metavar="P", help="Where labels stand in paths; kept"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Make a repository, or a dataset in it

    Makes DIR/.dsm and a first dataset, named after the folder or by --dataset. In a repository
    that is there already, --dataset adds a dataset; what is there is not changed.

    \b
    Examples:
      dsm init
      dsm init photos --dataset photos
      dsm init --pattern '{split}/{label}/{name}.jpg'
    """
    settings: Settings = ctx.obj
    repo = api.init(folder, dataset=settings.dataset, org=org, pattern=pattern)
    with repo:
        if as_json:
            print_json(init_answer(repo, settings.dataset or repo.current))
        if settings.quiet:
            return
        path = printable(repo.path)
        if repo.added is not None:
            message(f"there is a repository in {path}; made dataset {repo.added} in it")
            message(f"next: choose it with `dsm switch {repo.added}` or -d {repo.added}")
            return
        found = "made a repository in" if repo.created else "there is a repository in"
        message(f"{found} {path} with dataset {printable(settings.dataset or repo.current)}")
        if repo.created:
            message('next: stage your data with "dsm add .", see it with "dsm status"')
