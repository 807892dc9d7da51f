"""dsm import: stage data from an address, without files here."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.imports import import_answer
from dsm.cli import add_options
from dsm.cli import remote_options as options
from dsm.cli.add import character, refuse_lists
from dsm.cli.output import LISTED_MAX, count_text, listed, message, print_json, size_text
from dsm.cli.record_lines import records_lines
from dsm.cli.session import Session
from dsm.cli.standard_input import standard_input
from dsm.model.names import printable
from dsm.remotes.import_run import ImportReport
from dsm.worktree.request import ImportAsked

Url = Annotated[
    str, typer.Argument(metavar="URL", help="A folder, s3://…, a file, or a tar or zip archive")
]
Into = Annotated[
    str,
    typer.Option("--into", metavar="FOLDER", help="Folder of the dataset that it goes below"),
]
Reference = Annotated[
    bool,
    typer.Option(
        "--reference",
        help="Leave the bytes there: read once, record where they are, and read them there",
    ),
]

Hub = Annotated[
    bool | None,
    typer.Option(
        "--hf/--no-hf",
        help="Each row of Parquet or Arrow tables is an example, as of a Hugging Face dataset"
        " (default: of hf://)",
    ),
]

Members = Annotated[
    bool,
    typer.Option("--members", help="Files in archives of a folder are examples, not the archives"),
]


def command(
    ctx: typer.Context,
    url: Url,
    into: Into = "",
    labels: add_options.Labels = None, pattern: add_options.Pattern = None,
    label_file: add_options.LabelFile = None, label_format: add_options.LabelFormat = None,
    strict: add_options.Strict = False,
    records: add_options.Records = False, records_format: add_options.RecordsFormat = None,
    key_field: add_options.KeyField = None, label_field: add_options.LabelField = None,
    time_field: add_options.TimeField = None, attr_field: add_options.AttrField = None,
    columns: add_options.Columns = None, delimiter: add_options.Delimiter = None,
    quote: add_options.Quote = None, encoding: add_options.Encoding = None,
    label_sep: add_options.LabelSep = None,
    reference: Reference = False, hub: Hub = None, members: Members = False,
    dry_run: add_options.DryRun = False,
    jobs: options.Jobs = None,
    as_json: options.Json = False,
) -> None:  # fmt: skip
    """Stage data from an address, without files here

    Reads what lies below an address into the store and stages it; no file is written to the work
    tree. Members of a tar or zip archive become examples. Files with the size and the ETag (else
    the time) that they had at the last import are not read again, so an interrupted import goes on
    when you run it again. Hidden files, and names that cannot be paths, are left out and listed.

    With --records, each line or row of a file is an example, as for `dsm add`; so it is where the
    dataset's settings say so of its place.

    With --hf, and of hf:// by itself, each row of Parquet or Arrow tables is an example, as for
    `dsm add --hf`.

    With --reference files are hashed and not kept: the data stays at the address, is read there
    when an example is read, and is verified every time; what was changed or is gone is named.

    \b
    Examples:
      dsm import s3://lab-bucket/scans --into scans
      dsm import /mnt/camera/2026-05 --into may --label outdoor
      dsm import gs://public/birds.tar --into birds --pattern 'birds/{label}/{_}'
      dsm import s3://lab-bucket/shards --members --into shards
      dsm import https://example.org/reviews.csv --records --label-field stars
      dsm import hf://datasets/lab/birds --into birds
      dsm import --reference s3://lab-bucket/scans --into scans
    """
    asked: ImportAsked = {
        "labels": labels, "pattern": pattern, "label_file": label_file, "strict": strict,
        "label_format": label_format, "records": records_format or records,
        "key_field": key_field or None, "label_field": label_field, "time_field": time_field,
        "attr_field": attr_field or None, "columns": columns, "delimiter": character(delimiter),
        "quote": quote, "encoding": encoding, "label_sep": label_sep,
    }  # fmt: skip
    refuse_lists(labels)
    if label_file == "-":
        asked["label_file"] = standard_input()
    with Session(ctx) as s:
        report = s.repo.import_from(
            url, into, reference=reference, hub=hub, members=members, dry_run=dry_run,
            jobs=jobs, dataset=s.dataset.name, progress=s.progress(), **asked,
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
    for told in report.records:
        for line in records_lines(told, dry_run=False):
            s.say(line)
    s.warn("warning", report.warnings)
    would = "would read" if report.dry_run else "read"
    stays = "; their bytes stay there" if report.reference else ""
    if report.dry_run and report.record_files:
        stays = f"; what {count_text(report.record_files, 'records file')} would add is not known"
    counts = [f"{report.added:,} added", f"{report.modified:,} modified"]
    more = (report.relabelled, "relabelled"), (report.deleted, "deleted")
    counts += [f"{number:,} {word}" for number, word in more if number]
    # Of an archive, its members are read: more of them than files.
    members = "members " if report.fetched > report.files else ""
    s.say(
        f"{would} {report.fetched:,} {members}of {count_text(report.files, 'file')} at"
        f" {printable(report.url)}, {size_text(report.size)}: {', '.join(counts)}{stays}"
    )
