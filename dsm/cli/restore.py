"""dsm restore: bring files back from a changeset, or unstage changes."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.staging import restored_answer, unstaged_answer
from dsm.cli.output import count_text, print_json, quoted, size_text
from dsm.cli.session import Session
from dsm.cli.suggestions import changeset_names
from dsm.errors import InvalidInput


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
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="List what would be written, write nothing")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Bring files back from a changeset, or unstage changes

    Changes that are stored nowhere are never overwritten: the command is refused with the list of
    them, unless --force is given.

    \b
    Examples:
      dsm restore train/cat
      dsm restore --source 3 --to ../as-of-3
      dsm restore --force images/0001.jpg
      dsm restore --staged images
    """  # fmt: skip
    with Session(ctx) as s:
        if staged:
            if source is not None or to is not None or force or dry_run:
                raise InvalidInput("--staged goes with paths alone")
            count = s.dataset.unstage(paths or None)
            if as_json:
                print_json(unstaged_answer(s.dataset.name, count))
            s.say(f"unstaged {count_text(count, 'change')}")
            return
        report = s.dataset.restore(
            paths or None, source=source, to=to, force=force, dry_run=dry_run,
            progress=s.progress(),
        )  # fmt: skip
        if as_json:
            print_json(restored_answer(s.dataset.name, report, dry_run=dry_run))
        for path in () if as_json else report.paths:
            print(quoted(path))
        done = "would restore" if dry_run else "restored"
        text = f"{done} {count_text(report.written, 'file')} ({size_text(report.size)})"
        if report.removed:
            text += f", {'remove' if dry_run else 'removed'} {report.removed:,}"
        if report.unchanged:
            text += f", {report.unchanged:,} unchanged"
        s.say(f"{text} in {report.target}")
