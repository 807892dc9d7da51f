"""dsm commit: record what is staged as the next changeset."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from dsm.cli.history import recorded
from dsm.cli.output import message, print_json
from dsm.cli.session import Session

if TYPE_CHECKING:
    import typer

    from dsm.model.reports import AddReport, MassDeletion


def command(
    ctx: typer.Context,
    messages: Annotated[
        list[str] | None,
        typer.Option(
            "-m", "--message", metavar="M", help="What it is about; repeat it for more paragraphs"
        ),
    ] = None,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help="Stage and commit these alone, in one step"),
    ] = None,
    stage_all: Annotated[
        bool, typer.Option("-a", "--all", help="Stage changes and deletions of known files first")
    ] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Record a changeset that changes nothing")
    ] = False,
    allow_mass_delete: Annotated[
        bool,
        typer.Option(
            "--allow-mass-delete", help="Let -a remove most of the examples, or all of a folder"
        ),
    ] = False,
    author: Annotated[
        str | None,
        typer.Option(
            "--author",
            metavar="NAME",
            help="Who made the change (default: DSM_AUTHOR, else user.name and user.email)",
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="URI", help="Where the data came from")
    ] = None,
    note: Annotated[
        str | None, typer.Option("--note", metavar="TEXT", help="How the data was made")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Record what is staged as the next changeset

    Without -m, the editor that DSM_EDITOR, VISUAL or EDITOR names is opened on a terminal. With
    PATHs, what is staged otherwise stays staged. Exit status 1 when there is nothing to commit, or
    no message was written, 5 when somebody else has committed changes of the same examples
    meanwhile, 6 when -a (or . as a PATH) would remove more than half of the examples or all of a
    folder.

    \b
    Examples:
      dsm commit -m "first import"
      dsm commit -a -m "fix labels" --author "Ada <ada@example.org>"
      dsm commit -m "night shots" images/night --source s3://camera/2026-01
    """  # fmt: skip
    with Session(ctx) as s:
        changeset = s.dataset.commit(
            _message(messages), paths=paths or None, all=stage_all, allow_empty=allow_empty,
            author=author, source=source, note=note, progress=s.progress(), tell=partial(_tell, s),
            allow_mass_delete=allow_mass_delete,
        )  # fmt: skip
        if as_json:
            from dsm.answers.changesets import changeset_answer

            print_json(changeset_answer(s.dataset.name, changeset))
        elif not s.settings.quiet:
            print(recorded(s.dataset.name, changeset))


def _message(paragraphs: list[str] | None) -> str:
    if paragraphs:
        return "\n\n".join(paragraphs)
    from dsm.cli.editor import written_message

    return written_message()


def _tell(s: Session, found: AddReport | MassDeletion) -> None:
    """Prints what a commit of paths met on the way, and that much of the dataset goes."""
    from dsm.model.reports import MassDeletion

    if isinstance(found, MassDeletion):
        message(f"warning: this commit removes {found.text}")
    else:
        s.warn_of(found)
        s.say_left_out(found)
