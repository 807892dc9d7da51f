"""dsm commit: record what is staged as the next changeset."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dsm.cli.history import recorded
from dsm.cli.output import count_text, message, print_json
from dsm.cli.session import Session
from dsm.errors import AnswerIsNo

if TYPE_CHECKING:
    import typer

    from dsm.cli import commit_options as options
    from dsm.model.removal_reports import MassDeletion
    from dsm.model.reports import AddReport


# Where the types of the options are: they need typer, which the fast path leaves out.
OPTIONS = "dsm.cli.commit_options"


def command(
    ctx: typer.Context,
    messages: options.Messages = None,
    paths: options.Paths = None,
    stage_all: options.StageAll = False,
    allow_empty: options.AllowEmpty = False,
    allow_mass_delete: options.AllowMassDelete = False,
    author: options.Author = None,
    source: options.Source = None,
    note: options.Note = None,
    trailers: options.Trailers = None,
    derived_from: options.DerivedFrom = None,
    no_verify: options.NoVerify = False,
    no_alert: options.NoAlert = False,
    as_json: options.AsJson = False,
) -> None:
    """Record what is staged as the next changeset

    Without -m, the editor that DSM_EDITOR, VISUAL or EDITOR names is opened on a terminal. With
    PATHs, what is staged otherwise stays staged. Exit status 1 when there is nothing to commit, no
    message was written or a rule for commits in dsm.toml finds an error, 5 when somebody else has
    committed changes of the same examples meanwhile, 6 when -a (or . as a PATH) would remove more
    than half of the examples or all of a folder.

    \b
    Examples:
      dsm commit -m "first import"
      dsm commit -a -m "fix labels" --author "Ada <ada@example.org>"
      dsm commit -m "night shots" images/night --source s3://camera/2026-01
      dsm commit -m "second pass" --trailer ticket=A-17 --trailer annotator=ada
      dsm commit -m "smaller pictures" --derived-from photos@12
    """  # fmt: skip
    with Session(ctx) as s:
        hooks = s.has_hooks()
        text = _message(messages)
        if hooks and not no_verify:
            from dsm.cli.own_hooks import before

            staged = len(s.dataset.tree.stage.load().where)
            before(s, "pre-commit", {"head": s.dataset.head, "message": text, "staged": staged})
        try:
            changeset = s.dataset.commit(
                text, paths=paths or None, all=stage_all, allow_empty=allow_empty,
                author=author, source=source, note=note, trailers=trailers,
                derived_from=derived_from, progress=s.progress(), tell=partial(_tell, s),
                allow_mass_delete=allow_mass_delete, verify=not no_verify,
            )  # fmt: skip
        except AnswerIsNo as error:
            if error.code == "checks-failed" and not no_alert:
                _tell_others(s, error)
            raise
        if as_json:
            from dsm.answers.changesets import changeset_answer

            print_json(changeset_answer(s.dataset.name, changeset))
        elif not s.settings.quiet:
            print(recorded(s.dataset.name, changeset))
        if changeset.verdict is not None and changeset.verdict.warnings:
            found = count_text(changeset.verdict.warnings, "warning")
            message(f"warning: the contract has {found}: `dsm check {changeset.number}` lists them")
        if hooks:
            from dsm.cli.own_hooks import after

            after(s, "post-commit", {"changeset": changeset.number, "id": changeset.id})


def _tell_others(s: Session, error: AnswerIsNo) -> None:
    """Tells those whom the user's settings name that the contract stopped a commit."""
    from dsm.alerts.message import failed_commit
    from dsm.checks.gate import ChecksFailed
    from dsm.cli.alert import tell

    assert isinstance(error, ChecksFailed)
    found = error
    tell(s, lambda: failed_commit(s.dataset.name, found))


def _message(paragraphs: list[str] | None) -> str:
    if paragraphs:
        return "\n\n".join(paragraphs)
    from dsm.cli.editor import written_message

    return written_message()


def _tell(s: Session, found: AddReport | MassDeletion) -> None:
    """Prints what a commit of paths met on the way, and that much of the dataset goes."""
    from dsm.model.removal_reports import MassDeletion

    if isinstance(found, MassDeletion):
        message(f"warning: this commit removes {found.text}")
    else:
        s.warn_of(found)
        s.say_left_out(found)
