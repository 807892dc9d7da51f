"""What `dsm fsck` and `dsm gc` answer; all sizes are in bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsm.maintenance.reports import FsckReport, GcPlan
    from dsm.maintenance.spill import SpillReport

Hit = tuple[str, int, str]  # dataset, changeset number, path


def fsck_answer(report: FsckReport) -> dict[str, Any]:
    """Returns what `dsm fsck` answers."""
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
                "examples": _hits(finding.examples),
            }
            for finding in report.findings
        ],
        "notes": list(report.notes),
        "strays": list(report.strays),
        "references": report.references,
        "references_sound": report.references_sound,
    }


def spill_answer(report: SpillReport, texts: int) -> dict[str, Any]:
    """Returns what `dsm fsck --no-spill` answers; `texts` is how many were looked for."""
    return {
        "texts": texts,
        "files": report.files,
        "size": report.size,
        "objects": report.objects,
        "found": [
            {
                "kind": spill.kind,
                "where": spill.where,
                "lines": list(spill.lines),
                "examples": _hits(spill.examples),
            }
            for spill in report.spills
        ],
        "not_searched": list(report.unread),
    }


def _hits(hits: Iterable[Hit]) -> list[dict[str, Any]]:
    return [{"dataset": name, "changeset": number, "path": path} for name, number, path in hits]


def gc_answer(plan: GcPlan, *, pruned: bool) -> dict[str, Any]:
    """Returns what `dsm gc` answers; `pruned` when the plan was carried out."""
    return {
        "pruned": pruned,
        "reclaimable": plan.reclaimable,
        "size": plan.size,
        "objects": plan.objects,
        "live_objects": plan.live_objects,
        "packs": [{"pack": name, "size": size} for name, size in plan.packs],
        "repack": [
            {"pack": name, "size": size, "stays": stays} for name, size, stays in plan.repack
        ],
        "files": [{"file": name, "size": size} for name, size in plan.files],
        "kept_for_writers": plan.kept_for_writers,
        "notes": list(plan.notes),
    }


def kept_by_answer(id: str, reasons: Sequence[str]) -> dict[str, Any]:
    """Returns what `dsm gc --explain` answers: what keeps an object."""
    return {"object": id, "kept_by": list(reasons)}
