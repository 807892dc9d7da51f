"""dsm fetch: look at what a remote has, without changing anything here."""

from __future__ import annotations

import typer

from dsm.answers.remotes import fetch_answer
from dsm.cli import remote_options as options
from dsm.cli.output import count_text, print_json
from dsm.cli.session import Session
from dsm.remotes.reports import DatasetFetched


def command(
    ctx: typer.Context,
    remote: options.Remote = None,
    jobs: options.Jobs = None,
    as_json: options.Json = False,
) -> None:
    """Look at what a remote has; nothing here changes

    Changesets that are not here are fetched, verified and kept apart, so that `dsm status` can say
    how far this copy is behind. `dsm pull` takes them in.

    \b
    Examples:
      dsm fetch
      dsm fetch backup --json
    """
    with Session(ctx) as s:
        report = s.repo.fetch(remote, jobs=jobs, progress=s.progress())
        if as_json:
            print_json(fetch_answer(report))
            return
        for each in report.datasets:
            s.say(f"{each.dataset}: {_told(each, report.remote)}")
        if not report.datasets:
            s.say(f"{report.remote} has no dataset yet; `dsm push` uploads one")


def _told(each: DatasetFetched, remote: str) -> str:
    if each.new:
        return f"new on {remote}, with {count_text(each.head, 'changeset')}"
    if each.ahead and each.behind:
        return f"diverged: {each.ahead} only here, {each.behind} only on {remote}"
    if each.behind:
        return f"behind {remote} by {count_text(each.behind, 'changeset')}"
    if each.ahead:
        return f"ahead of {remote} by {count_text(each.ahead, 'changeset')}"
    return f"the same as on {remote}"
