"""What commands answer that stage changes or bring files back: `dsm add`, `rm`, `mv`, `restore`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dsm.model.reports import AddReport, LabelReport, Problem, RecordsReport
from dsm.model.restore_reports import AppliedRecords, RestoreReport


def added_answer(dataset: str, report: AddReport, *, dry_run: bool) -> dict[str, Any]:
    """Returns what `dsm add` answers for files."""
    counts = report.counts
    return {
        "dataset": dataset,
        "dry_run": dry_run,
        "added": counts.added,
        "modified": counts.modified,
        "relabelled": counts.relabelled,
        "deleted": counts.deleted,
        "unchanged": report.unchanged,
        "unlabelled": report.unlabelled,
        "left_out": report.left_out,
        "carried": report.carried,
        "files": report.files,
        "size": report.size,
        "stored": report.stored,
        "warnings": _problems(report.warnings),
        "skipped": _problems(report.skipped),
        "failed": _problems(report.failed),
        "ignored": _problems(report.ignored),
        "changes": [
            {"kind": each.kind, "path": each.path, "renamed_from": each.renamed_from}
            for each in report.changes
        ],
        "records": [_records(each) for each in report.records],
    }


def _records(report: RecordsReport) -> dict[str, Any]:
    counts = ("added", "modified", "relabelled", "deleted")
    return {
        "path": report.path,
        "format": report.format,
        "written": report.written,
        "records": report.records,
        **{kind: report.counts.get(kind, 0) for kind in counts},
        "fields": dict(report.fields),
        "key": list(report.key),
        "label": report.label,
        "time": report.time,
        "attributes": list(report.attributes),
        "samples": list(report.samples),
    }


def _problems(problems: Iterable[Problem]) -> list[dict[str, str]]:
    return [{"path": problem.path, "reason": problem.reason} for problem in problems]


def labelled_answer(dataset: str, report: LabelReport) -> dict[str, Any]:
    """Returns what `dsm label` answers."""
    return {
        "dataset": dataset,
        "added": report.added,
        "modified": report.modified,
        "relabelled": report.relabelled,
        "unused_rows": report.unused,
        "warnings": _problems(report.warnings),
    }


def removed_answer(
    dataset: str, paths: Iterable[str], queries: Iterable[str], *, dry_run: bool
) -> dict[str, Any]:
    """Returns what `dsm rm` answers."""
    return {
        "dataset": dataset, "dry_run": dry_run, "removed": list(paths), "queries": list(queries)
    }  # fmt: skip


def renamed_answer(
    dataset: str, renamed: Iterable[tuple[str, str]], *, dry_run: bool
) -> dict[str, Any]:
    """Returns what `dsm mv` answers."""
    rows = [{"from": old, "to": new} for old, new in renamed]
    return {"dataset": dataset, "dry_run": dry_run, "renamed": rows}


def restored_answer(dataset: str, report: RestoreReport, *, dry_run: bool) -> dict[str, Any]:
    """Returns what `dsm restore` answers."""
    return {
        "dataset": dataset,
        "dry_run": dry_run,
        "path": report.target,
        "written": report.written,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "size": report.size,
        "paths": list(report.paths),
    }


def applied_answer(
    dataset: str, files: Sequence[AppliedRecords], *, dry_run: bool
) -> dict[str, Any]:
    """Returns what `dsm restore --apply` answers."""
    return {
        "dataset": dataset,
        "dry_run": dry_run,
        "files": [
            {"path": e.path, "removed": e.removed, "changed": e.changed, "added": e.added}
            for e in files
        ],
    }


def locked_answer(restored: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns what `dsm restore --locked` answers, of what `restored_answer` says of each."""
    return {"datasets": list(restored)}


def unstaged_answer(dataset: str, count: int) -> dict[str, Any]:
    """Returns what `dsm restore --staged` answers."""
    return {"dataset": dataset, "unstaged": count}
