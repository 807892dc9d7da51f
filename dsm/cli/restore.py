"""dsm restore: bring files back from a changeset, or unstage changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.staging import applied_answer, locked_answer, restored_answer, unstaged_answer
from dsm.cli.output import count_text, print_json, quoted, size_text
from dsm.cli.record_lines import records_text
from dsm.cli.session import Session
from dsm.cli.suggestions import changeset_names
from dsm.errors import InvalidInput, NotFound
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.model.restore_reports import RestoreReport

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document")]


def command(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help="Examples and folders (default: all)"),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="N",
            autocompletion=changeset_names,
            help="Changeset or tag to take them from (default: what is staged, else head)",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="DIR", help="Write below this folder instead"),
    ] = None,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Overwrite files with unsaved changes")
    ] = False,
    staged: Annotated[
        bool, typer.Option("--staged", help="Unstage changes; the files stay as they are")
    ] = False,
    locked: Annotated[
        bool, typer.Option("--locked", help="Bring all files to what dsm.lock names")
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Rewrite records files as their records are now")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="List what would be written, write nothing")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring files back from a changeset, or unstage changes

    Changes that are stored nowhere are never overwritten: the command is refused with the list of
    them, unless --force is given. --locked also removes files that other changesets brought here,
    so that exactly the data of dsm.lock is left. --apply writes files of records without those that
    were withdrawn, and stages that.

    \b
    Examples:
      dsm restore train/cat
      dsm restore --source 3 --to ../as-of-3
      dsm restore --force images/0001.jpg
      dsm restore --staged images
      dsm restore --apply train.jsonl
      git checkout v1.2 && dsm restore --locked
    """  # fmt: skip
    with Session(ctx) as s:
        if staged:
            _refuse("--staged goes with paths alone", source, to, force, dry_run, apply, locked)
            return _unstage(s, paths, as_json)
        if apply:
            _refuse("--apply goes with paths and -n alone", source, to, force, locked)
            return _apply(s, paths, dry_run=dry_run, as_json=as_json)
        if locked:
            _refuse("--locked takes no paths, --source or --to", source, to, paths)
            restore_locked(s, force=force, dry_run=dry_run, as_json=as_json)
            return
        report = s.dataset.restore(
            paths or None, source=source, to=to, force=force, dry_run=dry_run,
            progress=s.progress(),
        )  # fmt: skip
        _after(s, {s.dataset.name: source}, dry_run=dry_run)
        _print(s, report, dry_run=dry_run, as_json=as_json)


def _refuse(reason: str, *given: object) -> None:
    if any(each not in (None, False, []) for each in given):
        raise InvalidInput(reason)


def _unstage(s: Session, paths: list[str] | None, as_json: bool) -> None:
    count = s.dataset.unstage(paths or None)
    if as_json:
        print_json(unstaged_answer(s.dataset.name, count))
    s.say(f"unstaged {count_text(count, 'change')}")


def _apply(s: Session, paths: list[str] | None, *, dry_run: bool, as_json: bool) -> None:
    """Rewrites records files, and says which and what of them."""
    files = s.dataset.apply_records(paths or None, dry_run=dry_run)
    if as_json:
        print_json(applied_answer(s.dataset.name, files, dry_run=dry_run))
    done = "would rewrite" if dry_run else "rewrote"
    for each in files:
        kinds = {"deleted": each.removed, "modified": each.changed, "added": each.added}
        s.say(f"{done} {printable(each.path)}: {records_text(kinds)}")
    if not files:
        s.say("nothing to rewrite: files are as their records")
    elif not dry_run:
        s.say("staged their new states: `dsm commit` records them")


def restore_locked(s: Session, *, force: bool, dry_run: bool, as_json: bool) -> None:
    """Brings the files of all datasets to what dsm.lock names; with `-d` those of that one."""
    named = s.settings.dataset or os.environ.get("DSM_DATASET")
    numbers = s.repo.locked()
    if named and named not in numbers:
        raise NotFound(f"dsm.lock names no changeset of dataset {printable(named)}")
    told = []
    for name in [named] if named else sorted(numbers):
        report = s.repo.dataset(name).restore(
            source=numbers[name], exact=True, force=force, dry_run=dry_run, progress=s.progress()
        )
        told.append(restored_answer(name, report, dry_run=dry_run))
        if not as_json:
            _print(s, report, dry_run=dry_run)
    _after(s, {name: str(number) for name, number in numbers.items()}, dry_run=dry_run)
    if as_json:
        print_json(locked_answer(told))


def _after(s: Session, sources: Mapping[str, str | None], *, dry_run: bool) -> None:
    """Tells the hook of the repository which datasets were restored, from where."""
    if s.has_hooks() and not dry_run:
        from dsm.cli.own_hooks import after

        after(s, "post-checkout", {"sources": sources})


def _print(s: Session, report: RestoreReport, *, dry_run: bool, as_json: bool = False) -> None:
    if as_json:
        print_json(restored_answer(s.dataset.name, report, dry_run=dry_run))
        return
    for path in report.paths:
        print(quoted(path))
    done = "would restore" if dry_run else "restored"
    text = f"{done} {count_text(report.written, 'file')} ({size_text(report.size)})"
    if report.removed:
        text += f", {'remove' if dry_run else 'removed'} {report.removed:,}"
    if report.unchanged:
        text += f", {report.unchanged:,} unchanged"
    s.say(f"{text} in {report.target}")
