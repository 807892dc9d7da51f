"""dsm init: make a repository, or a dataset in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dsm import api
from dsm.answers.datasets import init_answer
from dsm.cli.dataset_options import Pattern, Unmatched
from dsm.cli.output import message, print_json
from dsm.cli.session import Settings
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.catalog import Catalog


def command(
    ctx: typer.Context,
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder that holds your data")] = ".",
    org: Annotated[
        str | None,
        typer.Option("--org", metavar="NAME", help="Organisation that the data belongs to"),
    ] = None,
    pattern: Pattern = None,
    unmatched: Unmatched = None,
    git_ignore: Annotated[
        bool, typer.Option("--git-ignore", help="Add .dsm and the data to .gitignore")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Make a repository, or a dataset in it

    Makes DIR/.dsm and a first dataset, named after the folder or by --dataset. In a repository
    that is there already, --dataset adds a dataset; what is there is not changed. --git-ignore lets
    git pass over .dsm, and over the folders of datasets that have one of their own.

    New files that the pattern does not match are skipped and counted, unless --unmatched takes them
    without labels or refuses to stage anything.

    \b
    Examples:
      dsm init
      dsm init photos --dataset photos
      dsm init --git-ignore
      dsm init --pattern '{split}/{label}/{name}.jpg'
    """
    settings: Settings = ctx.obj
    repo = api.init(folder, dataset=settings.dataset, org=org, pattern=pattern, unmatched=unmatched)
    with repo:
        if git_ignore:
            from dsm.cli.git_ignore import add_lines

            added = add_lines(repo)
        if as_json:
            print_json(init_answer(repo, settings.dataset or repo.current))
        if settings.quiet:
            return
        if git_ignore:
            message(f".gitignore: added {', '.join(added)}" if added else ".gitignore has it all")
        elif repo.created or repo.added is not None:
            _offer(repo)
        path = printable(repo.path)
        if repo.added is not None:
            message(f"there is a repository in {path}; made dataset {repo.added} in it")
            message(f"next: choose it with `dsm switch {repo.added}` or -d {repo.added}")
            return
        found = "made a repository in" if repo.created else "there is a repository in"
        message(f"{found} {path} with dataset {printable(settings.dataset or repo.current)}")
        if repo.created:
            message('next: stage your data with "dsm add .", see it with "dsm status"')


def _offer(repo: Catalog) -> None:
    """Says how git is kept from what dsm keeps, where there is a git repository."""
    from dsm.cli.git_ignore import in_git, missing_lines

    if in_git(repo.root) and missing_lines(repo):
        lines = ", ".join(missing_lines(repo))
        message(f"git: `dsm init --git-ignore` adds {lines} to .gitignore")
