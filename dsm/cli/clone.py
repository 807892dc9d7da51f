"""dsm clone: copy a remote into a new folder."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dsm.answers.remotes import clone_answer
from dsm.cli import remote_options as options
from dsm.cli.color import Paint
from dsm.cli.output import count_text, message, print_json, size_text
from dsm.cli.session import Settings
from dsm.model.names import printable
from dsm.progress import SILENT


def command(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="A folder, s3://…, or another address")],
    folder: Annotated[
        str | None,
        typer.Argument(metavar="DIR", help="New folder (default: the last part of the address)"),
    ] = None,
    no_files: Annotated[
        bool, typer.Option("--no-files", help="Leave the work tree empty, also in later pulls")
    ] = False,
    no_objects: Annotated[
        bool,
        typer.Option("--no-objects", help="Fetch what examples hold when it is read; no files"),
    ] = False,
    jobs: options.Jobs = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Copy a remote into a new folder

    Brings all changesets and their content, verified, and writes the files of the newest ones. The
    remote is called origin in the copy. With --dataset only that one comes, or several with commas
    between them. Interrupted, it goes on when you run it again.

    With --no-objects only changesets come: `log`, `show`, `diff`, `prepare` and `ls` work at once,
    and what examples hold is fetched when `get`, `cat` or a training program reads it, verified
    and kept in a cache (`dsm config cache.max_size`).

    \b
    Examples:
      dsm clone s3://team-bucket/birds
      dsm clone /mnt/share/birds work --no-files
      dsm clone s3://team-bucket/birds --no-objects
      dsm clone s3://team-bucket/all logos --dataset logos,banners
    """
    from dsm import api
    from dsm.remotes.parallel import at_once_wanted

    settings: Settings = ctx.obj
    datasets = settings.dataset.split(",") if settings.dataset else None
    bar = None
    if not settings.quiet and sys.stderr is not None and sys.stderr.isatty():
        from dsm.cli.progress_bar import Bar

        bar = Bar(color=Paint(sys.stderr).enabled)
    try:
        with at_once_wanted(jobs):
            report = api.clone(
                url, folder, datasets=datasets, files=not no_files, objects=not no_objects,
                progress=bar or SILENT,
            )  # fmt: skip
    finally:
        if bar is not None:
            bar.finish()
    if as_json:
        print_json(clone_answer(report))
        return
    if not settings.quiet:
        size = size_text(report.transfer.size)
        told = f"cloned {report.url} into {report.folder} ({size} downloaded)"
        message(printable(told))
        for each in report.datasets:
            message(f"{each.dataset}: {count_text(each.last, 'changeset')}")
