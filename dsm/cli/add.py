"""dsm add: stage new and changed files for the next changeset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from dsm.cli.changes import counts_text, name_status
from dsm.cli.output import count_text, size_text
from dsm.cli.session import Session
from dsm.model.names import printable

if TYPE_CHECKING:
    import typer

    from dsm.model.reports import AddReport


def command(
    ctx: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files and folders")],
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="List what would be staged, stage nothing")
    ] = False,
    deletions: Annotated[
        bool, typer.Option("-A", "--all", help="Stage files that are gone as deleted, too")
    ] = False,
    labels: Annotated[
        list[str] | None, typer.Option("-l", "--label", metavar="L", help="Label of all of them")
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(
            "--pattern",
            metavar="P",
            help="Take labels and attributes from paths, such as "
            "'{split}/{label}/{name}.jpg' (default: the dataset's own)",
        ),
    ] = None,
    label_file: Annotated[
        str | None,
        typer.Option(
            "--labels",
            metavar="FILE",
            help="CSV, JSONL or Parquet file with a path and labels, attributes, … in each row",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse files that the pattern does not match")
    ] = False,
    follow_symlinks: Annotated[
        bool, typer.Option("--follow-symlinks", help="Go into folders behind symbolic links")
    ] = False,
    keep_going: Annotated[
        bool,
        typer.Option("--keep-going", help="Stage the rest when files cannot be read; exit 1"),
    ] = False,
) -> int:
    """Stage new and changed files for the next changeset

    Files that have not changed are not read again; .dsmignore (written like .gitignore) names
    files to leave out. When a file cannot be read nothing is staged, unless --keep-going is given.

    \b
    Examples:
      dsm add .
      dsm add images --label cat --label night
      dsm add train --pattern 'train/{label}/{name}.jpg' --strict
      dsm add audio --labels transcripts.csv
    """  # fmt: skip
    with Session(ctx) as s:
        report = s.dataset.add(
            paths, labels=labels or (), pattern=pattern, label_file=label_file, strict=strict,
            deletions=deletions, dry_run=dry_run, follow_symlinks=follow_symlinks,
            keep_going=keep_going, progress=s.progress(),
        )  # fmt: skip
        for change in report.changes:
            print(name_status(change))
        s.warn("warning", report.warnings)
        s.warn("skipped", report.skipped)
        s.warn("failed", report.failed)
        s.say(summary(report, dry_run))
        if report.unlabelled and report.pattern is not None:
            unmatched = count_text(report.unlabelled, "file")
            s.say(f"{unmatched} unlabelled: not matched by {printable(report.pattern)}")
    return 1 if report.failed else 0


def summary(report: AddReport, dry_run: bool) -> str:
    """Returns the report in one line."""
    if not report.counts.rows:
        return f"nothing to stage: {count_text(report.unchanged, 'file')} unchanged"
    done = "would stage" if dry_run else "staged"
    counts = counts_text(report.counts)
    text = f"{done} {count_text(report.counts.rows, 'example')} ({counts})"
    if dry_run:
        return text
    return f"{text}, {size_text(report.size)} read, {size_text(report.stored)} stored"
