"""dsm push: upload changesets to a remote."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.remotes import push_answer
from dsm.cli import remote_options as options
from dsm.cli.output import count_text, print_json, size_text
from dsm.cli.session import Session
from dsm.remotes.reports import DatasetPushed, PushReport


def command(
    ctx: typer.Context,
    remote: options.Remote = None,
    every: Annotated[bool, typer.Option("--all", help="Push all datasets")] = False,
    tags: Annotated[bool, typer.Option("--tags", help="Push tags as well")] = False,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Only say what would go up")
    ] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not run the hook pre-push")
    ] = False,
    recreate: Annotated[
        bool, typer.Option("--recreate", help="Put all of it again to a place that was emptied")
    ] = False,
    jobs: options.Jobs = None,
    as_json: options.Json = False,
) -> None:
    """Upload changesets to a remote

    Sends the changesets of the current dataset that the remote lacks: their content, in few large
    files, then what they say. Views, splits, segments and settings of the dataset go along. When
    the remote has changesets that are not here, nothing is pushed: `dsm pull` first.

    \b
    Examples:
      dsm push
      dsm push -n
      dsm push backup --all --tags
      dsm push backup --all --recreate
    """
    with Session(ctx) as s:
        names = s.repo.datasets() if every else [s.dataset.name]
        if s.has_hooks() and not (dry_run or no_verify):
            from dsm.cli.own_hooks import before

            before(s, "pre-push", {"remote": s.repo.remotes.find(remote).name, "datasets": names})
        report = s.repo.push(
            remote, datasets=names, tags=tags, dry_run=dry_run, recreate=recreate, jobs=jobs,
            progress=s.progress(),
        )  # fmt: skip
        if as_json:
            print_json(push_answer(report))
            return
        for each in report.datasets:
            s.say(_line(each, report))
            for name in each.differing:
                s.say(f"note: {name} is another one on {report.remote}, and stays as it is there")
        if report.changesets:
            packs = count_text(report.transfer.packs, "pack")
            done = "would upload" if dry_run else "uploaded"
            s.say(
                f"{done} {size_text(report.transfer.size)} in {packs}"
                + ("" if dry_run else f", by {count_text(report.transfer.requests, 'request')}")
            )
            if report.references:
                s.say(
                    f"note: {count_text(report.references, 'reference')} went up, and no bytes of"
                    " theirs: those stay where they are"
                )


def _line(each: DatasetPushed, report: PushReport) -> str:
    if not each.last:
        more = f"; tags, views and settings: {each.documents:,} uploaded" if each.documents else ""
        return f"{each.dataset}: {report.remote} has all changesets{more}"
    what = f"changeset {each.last}"
    if each.first != each.last:
        what = f"changesets {each.first} to {each.last}"
    done = "would push" if report.dry_run else "pushed"
    return f"{each.dataset}: {done} {what} to {report.remote}"
