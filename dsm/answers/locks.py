"""Locks: what `dsm lock` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsm.repo.lock_file import LockReport


def lock_answer(report: LockReport) -> dict[str, Any]:
    """Returns what `dsm lock` answers."""
    return {
        "path": report.path,
        "dry_run": report.dry_run,
        "up_to_date": not report.changes,
        "changes": list(report.changes),
        "datasets": [
            {
                "name": each.name,
                "id": each.id,
                "changeset": each.number,
                "changeset_id": each.changeset or None,
                "views": [
                    {"name": name, "version": view.version, "digest": view.digest}
                    for name, view in sorted(each.views.items())
                ],
            }
            for each in report.datasets
        ],
    }
