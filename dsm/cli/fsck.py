"""dsm fsck: check that nothing in the repository is damaged."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.output import LISTED_MAX, count_text, listed, message, print_json
from dsm.cli.session import Session
from dsm.errors import DamagedData
from dsm.model.names import printable
from dsm.model.reports import Finding, FsckReport


def command(
    ctx: typer.Context,
    full: Annotated[
        bool, typer.Option("--full", help="Read and verify every byte, not only the structure")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> int:
    """Check that nothing in the repository is damaged

    Names each damaged object with the examples and changesets that it hits, and repairs nothing.
    Exit status 7 when there is damage.

    \b
    Examples:
      dsm fsck
      dsm fsck --full
      dsm fsck --full --json > report.json
    """
    from dsm.upkeep.fsck import fsck

    with Session(ctx) as s:
        report = fsck(s.repo, full=full, progress=s.progress())
        if as_json:
            print_json(report_fields(report))
        else:
            for finding in report.findings:
                print("\n".join(_lines(finding)))
        for note in report.notes:
            s.say(f"note: {note}")
        s.say(_summary(report))
        if report.findings and s.settings.quiet:
            message(printable(_summary(report)))
    return DamagedData.exit_status if report.findings else 0


def report_fields(report: FsckReport) -> dict[str, object]:
    """Returns the report as JSON has it."""
    return {
        "full": report.full,
        "packs": report.packs,
        "objects": report.objects,
        "changesets": report.changesets,
        "findings": [
            {
                "kind": finding.kind,
                "where": finding.where,
                "what": finding.what,
                "examples": [
                    {"dataset": dataset, "changeset": number, "path": path}
                    for dataset, number, path in finding.examples
                ],
            }
            for finding in report.findings
        ],
        "notes": list(report.notes),
    }


def _lines(finding: Finding) -> list[str]:
    hit = [f"    {name}@{number}: {printable(path)}" for name, number, path in finding.examples]
    head = f"damaged {finding.kind}: {printable(finding.where)}: {printable(finding.what)}"
    return [head, *listed(hit, LISTED_MAX)]


def _summary(report: FsckReport) -> str:
    looked = (
        f"{count_text(report.packs, 'pack')}, {count_text(report.objects, 'object')}, "
        f"{count_text(report.changesets, 'changeset')}"
    )
    depth = "every byte read" if report.full else "structure only, --full reads every byte"
    if report.findings:
        return f"{count_text(len(report.findings), 'problem')} in {looked} ({depth})"
    return f"no problem in {looked} ({depth})"
