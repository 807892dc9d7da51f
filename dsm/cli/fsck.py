"""dsm fsck: check that nothing in the repository is damaged."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.maintenance import Hit, fsck_answer, spill_answer
from dsm.cli import remote_options as options
from dsm.cli.output import LISTED_MAX, count_text, listed, message, print_json, size_text
from dsm.cli.session import Session
from dsm.errors import AnswerIsNo, DamagedData, InvalidInput, NotFound
from dsm.maintenance.reports import PICKED, PREDICTED, Finding, FsckReport
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.maintenance.spill import Spill

STRAYS_SHOWN = 5

References = Annotated[
    bool, typer.Option("--references", help="Look also at the addresses that examples refer to")
]
Repair = Annotated[
    bool,
    typer.Option("--repair", help="Bring back what is damaged or lost, from the other side"),
]
NoSpill = Annotated[
    str | None,
    typer.Option(
        "--no-spill", metavar="FILE", help="Search for the texts in FILE (-: standard input)"
    ),
]


def command(
    ctx: typer.Context,
    full: Annotated[
        bool, typer.Option("--full", help="Read and verify every byte, not only the structure")
    ] = False,
    references: References = False,
    no_spill: NoSpill = None,
    on_remote: Annotated[
        bool,
        typer.Option("--remote", help="Check a remote instead, the default one without REMOTE"),
    ] = False,
    sample: Annotated[
        str | None,
        typer.Option(
            "--sample", metavar="P%", help="Of a remote: download and verify so much of it"
        ),
    ] = None,
    repair: Repair = False,
    remote: options.Remote = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> int:
    """Check that nothing in the repository is damaged

    Names each damaged object with the examples and changesets that it hits. Exit status 7 when
    there is damage. Nothing is repaired without --repair, which brings back from a remote what is
    damaged or lost here; damaged packs are put aside, in .dsm/local/damaged.

    With --references, looks also whether what examples refer to (`dsm import --reference`) is at
    its address, with the size and the ETag or time that it had; what has others is read, and with
    --full everything. A place that you have not trusted is named and not asked.

    With --remote, checks what lies on a remote: all of its structure, and with --sample a share of
    its packs, drawn at random. With --repair as well, puts there what it lost and this copy has.

    Files in .dsm that dsm did not write (.DS_Store, lost+found, conflicted copies) are listed as a
    note and are no damage.

    With --no-spill, looks for texts that must not have been kept instead: FILE has one a line, of 4
    bytes or more. All of .dsm is searched, as it lies and decompressed, and so are your own files
    in $TMPDIR (else /tmp) and ~/.cache/dsm, as they lie; the work tree is not. A text is looked for
    as UTF-8 and as JSON writes it; not in base64, hex or UTF-16. It is told by the number of its
    line, never shown. Exit status 1 when one is found, 7 when a part of .dsm cannot be read.

    \b
    Examples:
      dsm fsck
      dsm fsck --full
      dsm fsck --full --json > report.json
      dsm fsck --remote --sample 5%
      dsm fsck --repair
      dsm fsck --references
      dsm fsck --no-spill canaries.txt
    """
    _refuse(no_spill, sample, remote, full=full, on_remote=on_remote, repair=repair)
    if references and (no_spill is not None or on_remote or repair):
        raise InvalidInput("--references goes with a check of this copy")
    if no_spill is not None:
        return _search(ctx, no_spill, as_json)
    with Session(ctx) as s:
        if on_remote or repair:
            from dsm.cli import fsck_remote

            share = fsck_remote.share_of(sample, full=full)
            if on_remote:
                return fsck_remote.check(s, remote, share, repair=repair, as_json=as_json)
            fsck_remote.mend(s, remote, as_json=as_json)
            return 0
        return _check(s, full=full, references=references, as_json=as_json)


def _refuse(
    no_spill: str | None, sample: str | None, remote: str | None,
    *, full: bool, on_remote: bool, repair: bool,
) -> None:  # fmt: skip
    """Raises InvalidInput for options that do not go together."""
    if no_spill is not None and (on_remote or repair):
        raise InvalidInput("--no-spill searches this copy alone, and repairs nothing")
    if no_spill is not None and full:
        raise InvalidInput("--no-spill searches everything, with and without --full")
    if sample is not None and not on_remote:
        raise InvalidInput("--sample is for --remote")
    if remote is not None and not (on_remote or repair):
        raise InvalidInput("a remote is named with --remote or --repair only")


def _check(s: Session, *, full: bool, references: bool, as_json: bool) -> int:
    from dsm.maintenance.fsck import fsck

    report = fsck(s.repo, full=full, references=references, progress=s.progress())
    if as_json:
        print_json(fsck_answer(report))
    else:
        for finding in report.findings:
            print("\n".join(_lines(finding)))
    for note in report.notes:
        s.say(f"note: {note}")
    if report.strays:
        s.say(_strays(report.strays))
    s.say(_summary(report))
    if report.findings and s.settings.quiet:
        message(printable(_summary(report)))
    return DamagedData.exit_status if report.findings else 0


def _example_lines(hit: Iterable[Hit]) -> list[str]:
    return [
        f"    {name}: {printable(path)}, which picks by it"
        if number == PICKED
        else f"    {path}: its predictions"
        if number == PREDICTED
        else f"    {name}@{number}: {printable(path)}"
        for name, number, path in hit
    ]


def _lines(finding: Finding) -> list[str]:
    head = f"damaged {finding.kind}: {printable(finding.where)}: {printable(finding.what)}"
    return [head, *listed(_example_lines(finding.examples), LISTED_MAX)]


def _strays(paths: tuple[str, ...]) -> str:
    which = "1 file" if len(paths) == 1 else f"{len(paths)} files"
    shown = ", ".join(listed([printable(path) for path in paths], STRAYS_SHOWN))
    return f"note: {which} in .dsm not written by dsm (no damage): {shown}"


def _summary(report: FsckReport) -> str:
    looked = (
        f"{count_text(report.packs, 'pack')}, {count_text(report.objects, 'object')}, "
        f"{count_text(report.changesets, 'changeset')}"
    )
    depth = "every byte read" if report.full else "structure only, --full reads every byte"
    if report.references_sound is not None:
        depth += f"; {report.references_sound:,} of {report.references:,} references as they were"
    if report.findings:
        return f"{count_text(len(report.findings), 'problem')} in {looked} ({depth})"
    return f"no problem in {looked} ({depth})"


# --- texts that must not be kept -----------------------------------------------------------------


def _search(ctx: typer.Context, name: str, as_json: bool) -> int:
    from dsm.maintenance.spill import find_spills
    from dsm.maintenance.texts import read_texts

    with Session(ctx) as s:
        data, identity = _content(name)
        texts = read_texts(data, "standard input" if name == "-" else printable(name))
        folders = [os.environ.get("TMPDIR") or "/tmp", os.path.expanduser("~/.cache/dsm")]
        report = find_spills(s.repo, texts, folders=folders, skip=[identity], progress=s.progress())
        if as_json:
            print_json(spill_answer(report, texts.count))
        else:
            for spill in report.spills:
                print("\n".join(_spill_lines(spill)))
        for each in report.unread:
            message(printable(f"not searched: {each}"))
        found = len({line for spill in report.spills for line in spill.lines})
        looked = (
            f"{count_text(report.files, 'file')} ({size_text(report.size)}) and"
            f" {count_text(report.objects, 'object')}"
        )
        s.say(f"{found or 'none'} of {count_text(texts.count, 'text')} found in {looked}")
    if report.spills:
        return AnswerIsNo.exit_status
    return DamagedData.exit_status if report.unread else 0


def _content(name: str) -> tuple[bytes, tuple[int, int]]:
    """Returns the bytes of a file, or of standard input, and its device and inode."""
    try:
        with open(0 if name == "-" else name, "rb", closefd=name != "-") as file:
            status = os.fstat(file.fileno())
            return file.read(), (status.st_dev, status.st_ino)
    except OSError as error:
        raise NotFound(f"cannot read {printable(name)}: {error.strerror}") from error


def _spill_lines(spill: Spill) -> list[str]:
    lines = [str(line) for line in spill.lines]
    numbers = ", ".join(listed(lines, LISTED_MAX))
    what = "line" if len(lines) == 1 else "lines"
    head = f"found {what} {numbers} in {spill.kind} {printable(spill.where)}"
    return [head, *listed(_example_lines(spill.examples), LISTED_MAX)]
