"""dsm lock: write dsm.lock, which names the data that belongs to the code."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.output import count_text, print_json
from dsm.cli.session import Session
from dsm.errors import AnswerIsNo


def command(
    ctx: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Say what differs, write nothing")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 1 when dsm.lock was not up to date")
    ] = False,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Write it whatever the two sides of a merge name")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> int:
    """Write dsm.lock, which names the data that belongs to your code

    It lies beside .dsm and names the newest changeset of each dataset, and the version and digest
    of each named view. Keep it in git: a commit of your code then says which data it was made
    with, and `dsm restore --locked` brings that back. Both sides of a merge are compared with the
    history here; what is not here has to be pulled first.

    \b
    Examples:
      dsm lock && git add dsm.lock
      dsm lock -n --exit-code
      dsm restore --locked
    """
    with Session(ctx) as s:
        report = s.repo.lock(dry_run=dry_run, force=force)
        if as_json:
            from dsm.answers.locks import lock_answer

            print_json(lock_answer(report))
        elif not report.changes:
            s.say(f"{report.path} is up to date")
        else:
            for text in report.changes:
                s.say(text)
            done = "would write" if dry_run else "wrote"
            s.say(f"{done} {report.path} ({count_text(len(report.datasets), 'dataset')})")
        return AnswerIsNo.exit_status if exit_code and report.changes else 0
