"""dsm import: stage data from an address, without files here."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.imports import import_answer
from dsm.cli import add_options
from dsm.cli import remote_options as options
from dsm.cli.output import LISTED_MAX, count_text, listed, message, print_json, size_text
from dsm.cli.session import Session
from dsm.model.names import printable
from dsm.remotes.import_run import ImportReport


def command(
    ctx: typer.Context,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="A folder, s3://…, a file, or a tar or zip archive")
    ],
    into: Annotated[
        str,
        typer.Option("--into", metavar="FOLDER", help="Folder of the dataset that it goes below"),
    ] = "",
    labels: add_options.Labels = None,
    pattern: add_options.Pattern = None,
    label_file: add_options.LabelFile = None,
    label_format: add_options.LabelFormat = None,
    strict: add_options.Strict = False,
    reference: Annotated[
        bool,
        typer.Option(
            "--reference",
            help="Leave the bytes there: read once, record where they are, and read them there",
        ),
    ] = False,
    dry_run: add_options.DryRun = False,
    jobs: options.Jobs = None,
    as_json: options.Json = False,
) -> None:
    """Stage data from an address, without files here

    Reads what lies below an address into the store and stages it; no file is written to the work
    tree. Members of a tar or zip archive become examples. Files with the size and the ETag (else
    the time) that they had at the last import are not read again, so an interrupted import goes on
    when you run it again. Hidden files, and names that cannot be paths, are left out and listed.

    With --reference files are hashed and not kept: the data stays at the address, is read there
    when an example is read, and is verified every time; what was changed or is gone is named.

    \b
    Examples:
      dsm import s3://lab-bucket/scans --into scans
      dsm import /mnt/camera/2026-05 --into may --label outdoor
      dsm import gs://public/birds.tar --into birds --pattern 'birds/{label}/{_}'
      dsm import --reference s3://lab-bucket/scans --into scans
    """
    with Session(ctx) as s:
        report = s.repo.import_from(
            url, into, labels=labels, pattern=pattern, label_file=label_file,
            label_format=label_format, strict=strict, reference=reference, dry_run=dry_run,
            jobs=jobs, dataset=s.dataset.name, progress=s.progress(),
        )  # fmt: skip
        if as_json:
            print_json(import_answer(report))
        else:
            tell(s, report)


def tell(s: Session, report: ImportReport) -> None:
    """Says what came of one import."""
    left = [f"left out: {printable(e.path)}: {printable(e.reason)}" for e in report.skipped]
    for line in listed(left, LISTED_MAX):
        message(line)
    for line in listed([f"gone there: {printable(name)}" for name in report.vanished], LISTED_MAX):
        s.say(line)
    would = "would read" if report.dry_run else "read"
    stays = "; their bytes stay there" if report.reference else ""
    s.say(
        f"{would} {report.fetched:,} of {count_text(report.files, 'file')} at"
        f" {printable(report.url)}, {size_text(report.size)}: {report.added:,} added,"
        f" {report.modified:,} modified{stays}"
    )
