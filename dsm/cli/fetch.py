"""dsm fetch: look at what a remote has, without changing anything here."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.remotes import fetch_answer, objects_answer
from dsm.cli import remote_options as options
from dsm.cli.output import count_text, print_json, size_text
from dsm.cli.revisions import told_apart
from dsm.cli.session import Session
from dsm.cli.suggestions import remote_names
from dsm.errors import InvalidInput, NotFound
from dsm.model.names import printable
from dsm.remotes.reports import DatasetFetched


def command(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="REMOTE",
            autocompletion=remote_names,
            help="Name of the remote, else the default one; with --objects a view, a"
            " changeset, or paths",
        ),
    ] = None,
    objects: Annotated[
        bool,
        typer.Option("--objects", help="Bring what examples hold, of a copy without objects"),
    ] = False,
    jobs: options.Jobs = None,
    as_json: options.Json = False,
) -> None:
    """Look at what a remote has; nothing here changes

    Changesets that are not here are fetched, verified and kept apart, so that `dsm status` can say
    how far this copy is behind. `dsm pull` takes them in.

    With --objects, in a copy made by `dsm clone --no-objects`, what examples hold is brought here
    to stay: of a view, a changeset, or paths, and of the newest changeset when none is named.

    \b
    Examples:
      dsm fetch
      dsm fetch backup --json
      dsm fetch --objects baseline
      dsm fetch --objects train/cat
    """
    with Session(ctx) as s:
        if objects:
            _bring(s, words or [], as_json=as_json)
            return
        if words and len(words) > 1:
            raise InvalidInput("a fetch is from one remote", hint="--objects takes several paths")
        report = s.repo.fetch(words[0] if words else None, jobs=jobs, progress=s.progress())
        if as_json:
            print_json(fetch_answer(report))
            return
        for each in report.datasets:
            s.say(f"{each.dataset}: {_told(each, report.remote)}")
        if not report.datasets:
            s.say(f"{report.remote} has no dataset yet; `dsm push` uploads one")


def _bring(s: Session, words: list[str], *, as_json: bool) -> None:
    """Brings the objects of a view, or of a changeset and paths in it."""
    progress = s.progress()
    if len(words) == 1 and _is_view(s, words[0]):
        report = s.repo.objects.fetch(view=words[0], progress=progress)
    else:
        found = told_apart(s, words, 1)
        if found.range is not None:
            raise InvalidInput("objects are fetched of one changeset, not of a range")
        report = s.repo.objects.fetch(
            found.paths, at=found.changesets[0] if found.changesets else None,
            dataset=s.dataset.name, progress=progress,
        )  # fmt: skip
    if as_json:
        print_json(objects_answer(report))
        return
    are = "is" if report.objects == 1 else "are"
    said = f"{count_text(report.objects, 'object')} {are} here to stay"
    s.say(f"{said}: {report.fetched:,} fetched, {size_text(report.transfer.size)}")


def _is_view(s: Session, word: str) -> bool:
    """Whether a word is a view. Raises InvalidInput for one that is a path as well."""
    try:
        s.repo.view(word)
    except (NotFound, InvalidInput):
        return False
    if s.dataset.has_path(s.below_root(word)):
        shown = printable(word)
        raise InvalidInput(f"{shown} is a view and a path", hint=f"write ./{shown} for the path")
    return True


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
