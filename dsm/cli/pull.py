"""dsm pull: take in the changesets of a remote."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.remotes import aborted_answer, pull_answer
from dsm.cli import remote_options as options
from dsm.cli.output import LISTED_MAX, count_text, listed, message, print_json, size_text
from dsm.cli.session import Session
from dsm.errors import Conflict, InvalidInput
from dsm.model.names import printable
from dsm.remotes.reports import Collision, CollisionSide, DatasetPulled, PullReport

NoFiles = Annotated[bool, typer.Option("--no-files", help="Leave the files here as they are")]
Ours = Annotated[
    bool, typer.Option("--ours", help="Keep your version of examples that both changed")
]
Theirs = Annotated[
    bool, typer.Option("--theirs", help="Take the remote's version of examples that both changed")
]
OursFor = Annotated[
    list[str] | None,
    typer.Option("--ours-for", metavar="GLOB", help="Keep your version of these; repeatable"),
]
TheirsFor = Annotated[
    list[str] | None,
    typer.Option(
        "--theirs-for", metavar="GLOB", help="Take the remote's version of these; repeatable"
    ),
]
Abort = Annotated[
    bool, typer.Option("--abort", help="Give up a pull that was interrupted or refused")
]


def command(
    ctx: typer.Context,
    remote: options.Remote = None,
    no_files: NoFiles = False,
    ours: Ours = False,
    theirs: Theirs = False,
    ours_for: OursFor = None,
    theirs_for: TheirsFor = None,
    give_up: Abort = False,
    jobs: options.Jobs = None,
    as_json: options.Json = False,
) -> None:
    """Take in the changesets of a remote

    Everything is verified before it becomes part of a dataset. Files follow where they hold what
    the newest changeset here had; those that you edited stay as they are, and are listed.

    Changesets that you committed meanwhile are put on top of those of the remote, and get new
    numbers. Examples that both sides changed are listed, and nothing is done: say whose count, of
    some by globs of their paths, of the rest by --ours or --theirs.

    With --abort a pull that was stopped, or was refused, is given up: changesets, tags, views and
    files are what they were before. A pull that is complete stays.

    \b
    Examples:
      dsm pull
      dsm pull --theirs
      dsm pull --ours-for 'train/*' --theirs-for train/cat/7.png
      dsm pull --abort
      dsm pull backup --no-files
    """
    if ours and theirs:
        raise InvalidInput("--ours and --theirs do not go together")
    if give_up and (remote or no_files or ours or theirs or ours_for or theirs_for or jobs):
        raise InvalidInput("--abort stands alone")
    with Session(ctx) as s:
        if give_up:
            _abort(s, as_json=as_json)
            return
        files = False if no_files else None
        side = "ours" if ours else "theirs" if theirs else None
        try:
            report = s.repo.pull(
                remote, files=files, side=side, ours=ours_for, theirs=theirs_for, jobs=jobs,
                progress=s.progress(),
            )  # fmt: skip
        except Conflict as error:
            _list(error, as_json=as_json)
            raise
        if s.has_hooks():
            from dsm.cli.own_hooks import after

            names = [each.dataset for each in report.datasets if each.last]
            after(s, "post-merge", {"remote": report.remote, "datasets": names})
        if as_json:
            print_json(pull_answer(report))
            return
        for each in report.datasets:
            tell(s, each, report.remote)
        if not report.datasets:
            s.say(f"{report.remote} has no dataset yet; `dsm push` uploads one")


def _abort(s: Session, *, as_json: bool) -> None:
    found = s.repo.abort_pull()
    if as_json:
        print_json(aborted_answer(found))
        return
    for each in found:
        if each.waited:
            s.say(f"{each.dataset}: gave up the pull from {each.remote}; it had changed nothing")
            continue
        files = f", {count_text(each.written, 'file')} written" if each.written else ""
        gone = f", {count_text(each.removed, 'file')} removed" if each.removed else ""
        where = f"at changeset {each.number} again, as before the pull from {each.remote}"
        s.say(f"{each.dataset}: {where}{files}{gone}")
        for line in listed([f"left alone: {printable(path)}" for path in each.left], LISTED_MAX):
            message(line)


def _list(error: Conflict, *, as_json: bool) -> None:
    """Lists what both sides changed in the place of its bare paths, if that is why."""
    report: PullReport | None = getattr(error, "report", None)
    if report is None:
        return
    if as_json:
        print_json(pull_answer(report))
    left = [each for each in report.collisions if each.side is None]
    error.items = tuple(
        f"{printable(each.path)}: ours {_did(each.ours)}, theirs {_did(each.theirs)}"
        for each in left
    )


def _settled(each: Collision) -> str:
    path = printable(each.path)
    if each.side == "ours":
        return f"{path}: kept ours, {_did(each.ours)}; theirs {_did(each.theirs)}"
    return f"{path}: took theirs, {_did(each.theirs)}; ours {_did(each.ours)}"


def _did(side: CollisionSide) -> str:
    if side.nested is not None:
        return f"has {printable(side.nested)}"
    if side.change == "records":
        return "changed records of it"
    if side.object is None:
        return side.change
    labels = ", ".join(map(printable, side.labels)) or "no label"
    what = labels if side.change == "relabelled" else size_text(side.size)
    return f"{side.change} {side.object[:12]} ({what})"


def tell(s: Session, each: DatasetPulled, remote: str) -> None:
    """Says what came of one dataset."""
    if not each.last:
        more = f"; tags, views and settings: {each.documents:,} new" if each.documents else ""
        s.say(f"{each.dataset}: nothing new on {remote}{more}")
    else:
        what = f"changeset {each.last}"
        if each.first != each.last:
            what = f"changesets {each.first} to {each.last}"
        files = f", {count_text(each.written, 'file')} written" if each.written else ""
        gone = f", {count_text(each.removed, 'file')} removed" if each.removed else ""
        s.say(f"{each.dataset}: got {what}{files}{gone}")
    for moved in each.renumbered:
        s.say(f"{each.dataset}: your changeset {moved.old} is {moved.new} now")
    if each.carried:
        s.say(f"moved with them: {', '.join(each.carried)}")
    for name in each.uncarried:
        s.say(f"note: {name} could not be prepared for the new history; it is not there any more")
    for line in listed([_settled(one) for one in each.settled], LISTED_MAX):
        s.say(line)
    for name in each.differing:
        s.say(f"note: {name} is another one on {remote}; yours stays as it is")
    for line in listed([f"left alone: {printable(path)}" for path in each.left], LISTED_MAX):
        message(line)
