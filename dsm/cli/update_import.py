"""dsm update-import: stage what is new where data was imported from."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.imports import update_answer
from dsm.cli import add_options
from dsm.cli import remote_options as options
from dsm.cli.import_data import tell
from dsm.cli.output import print_json
from dsm.cli.session import Session


def command(
    ctx: typer.Context,
    url: Annotated[
        str | None, typer.Argument(metavar="URL", help="One address (default: all of this copy)")
    ] = None,
    dry_run: add_options.DryRun = False,
    jobs: options.Jobs = None,
    as_json: options.Json = False,
) -> None:
    """Stage what is new where data was imported from

    Lists the addresses that this copy imported from, with the labels and the pattern of then, and
    reads what is new or has another size, ETag or time. What is gone there stays here, and is
    listed; so does what you removed here.

    \b
    Examples:
      dsm update-import
      dsm update-import s3://lab-bucket/scans -n
    """
    with Session(ctx) as s:
        reports = s.repo.update_imports(
            url, dry_run=dry_run, jobs=jobs, dataset=s.dataset.name, progress=s.progress()
        )
        if as_json:
            print_json(update_answer(reports))
            return
        for report in reports:
            tell(s, report)
