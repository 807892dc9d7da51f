"""What `dsm import` and `dsm update-import` answer; sizes are in bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsm.remotes.import_run import ImportReport


def import_answer(report: ImportReport) -> dict[str, Any]:
    """Returns what `dsm import` answers."""
    return {
        "url": report.url,
        "into": report.into,
        "dry_run": report.dry_run,
        "reference": report.reference,
        "files": report.files,
        "fetched": report.fetched,
        "size": report.size,
        "added": report.added,
        "modified": report.modified,
        "relabelled": report.relabelled,
        "deleted": report.deleted,
        "record_files": report.record_files,
        "records": [
            {"path": each.path, "format": each.format, "records": each.records}
            for each in report.records
        ],
        "skipped": [{"path": each.path, "reason": each.reason} for each in report.skipped],
        "warnings": [{"path": each.path, "reason": each.reason} for each in report.warnings],
        "vanished": list(report.vanished),
    }


def update_answer(reports: Iterable[ImportReport]) -> dict[str, Any]:
    """Returns what `dsm update-import` answers."""
    return {"imports": [import_answer(report) for report in reports]}
