"""dsm report: write one page about examples."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from dsm.cli.example_set_options import ExampleSetName
from dsm.cli.output import size_text, write_bytes
from dsm.cli.session import Session
from dsm.cli.suggestions import example_set_names
from dsm.errors import AlreadyExists, InvalidInput, StorageFailed
from dsm.files.typed_path import refuse_store
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.checks.report import CheckReport
    from dsm.example_sets import ExampleSet
    from dsm.report.gather import Report

Out = Annotated[
    str | None,
    typer.Option("-o", "--output", "--out", metavar="FILE", help="The page; - is stdout"),
]
Against = Annotated[
    str | None,
    typer.Option(
        "--against",
        metavar="WHAT",
        autocompletion=example_set_names,
        help="Compare with these, as dsm drift does",
    ),
]
Force = Annotated[bool, typer.Option("-f", "--force", help="Replace a file that is no report")]


def command(
    ctx: typer.Context,
    what: ExampleSetName = None,
    out: Out = None,
    against: Against = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for a pull request")
    ] = False,
    gallery: Annotated[
        int, typer.Option("--gallery", metavar="N", help="How many examples the page shows")
    ] = 1000,
    fields: Annotated[
        bool, typer.Option("--fields", help="Read records, and show their fields, too")
    ] = False,
    force: Force = False,
) -> None:
    """Write one page about examples

    What changed, classes, sizes and times, what the rules of the contract find, with --against what
    drifted, and a gallery by label. The page is one file, works offline, and no example can run a
    script in it. Pictures need Pillow (dsm-datasets[images]). Of a changeset it says what changed
    since the one before, of a range what it put, compared with the examples before it.

    \b
    Examples:
      dsm report -o report.html
      dsm report baseline --against v1 -o report.html
      dsm report v1..head --markdown >> "$GITHUB_STEP_SUMMARY"
    """
    if (out is None) != as_markdown:
        raise InvalidInput("give -o FILE or --markdown", hint="dsm report -o report.html")
    if gallery < 0:
        raise InvalidInput("--gallery is a number from 0")
    with Session(ctx) as s:
        if out not in (None, "-"):
            require_place(str(out), force)
        found = _gathered(s, what, against, 0 if as_markdown else gallery, fields)
        if as_markdown:
            from dsm.report.markdown import markdown

            print(markdown(found))
            return
        from dsm.report.page import page

        made = page(found).encode("utf-8", "backslashreplace")
        if out == "-":
            write_bytes(made)
            return
        write_page(str(out), made)
        s.say(f"wrote {out}, {size_text(len(made))}")


def _gathered(
    s: Session, what: str | None, against: str | None, gallery: int, fields: bool
) -> Report:
    from dsm.example_sets import CHANGESET, CHANGESETS
    from dsm.report.gather import gather

    name = s.dataset.name
    of = s.repo.example_set(what, dataset=name)
    other = None if against is None else s.repo.example_set(against, dataset=name)
    before = other
    if of.kind == CHANGESETS and of.after:
        before = s.repo.example_set(str(of.after), dataset=name)
        other = other or before
    elif of.kind == CHANGESET and other is None and of.number > 1:
        before = s.repo.example_set(str(of.number - 1), dataset=name)
    return gather(
        of,
        before,
        other,
        lambda: _checked(s, of),
        time=s.repo.environment.clock(),
        gallery=gallery,
        fields=fields,
    )


def _checked(s: Session, of: ExampleSet) -> CheckReport | None:
    """Asks the rules of the contract, if the dataset has some."""
    from dsm.checks.verb import contract_of
    from dsm.example_sets import CHANGESETS, VIEW

    dataset = s.repo.dataset(of.dataset)
    contract = contract_of(s.repo.root, of.dataset)
    if contract is None or not contract.rules:
        return None
    if of.kind == VIEW:
        return dataset.check(view=of.word)
    if of.kind == CHANGESETS:
        return dataset.check(of.number, after=of.after)
    return dataset.check(of.number)


def require_place(path: str, force: bool) -> None:
    """Raises AlreadyExists for a file that is there and is no report, unless it is forced."""
    from dsm.report.page import MARK

    refuse_store(path)
    if os.path.isdir(path):
        raise InvalidInput(f"{printable(path)} is a folder", hint="give a file: -o report.html")
    if force or not os.path.lexists(path):
        return
    try:
        with open(path, "rb") as file:
            if file.read(len(MARK)) == MARK.encode():
                return
    except OSError as error:
        raise StorageFailed(f"cannot read {printable(path)}: {error.strerror}") from error
    raise AlreadyExists(f"{printable(path)} is there and is no report", hint="--force replaces it")


def write_page(path: str, data: bytes) -> None:
    """Writes a file beside its place first: what is there stays whole until the new one is."""
    place = os.path.realpath(path)
    beside = f"{place}.{os.getpid()}.part"
    try:
        with open(beside, "xb") as file:
            file.write(data)
        os.replace(beside, place)
    except OSError as error:
        if os.path.lexists(beside):
            os.unlink(beside)
        raise StorageFailed(f"cannot write {printable(path)}: {error.strerror}") from error
