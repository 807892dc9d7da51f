"""Examples and their changes, in one form for every answer: `dsm ls`, `dsm diff`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dsm.answers.queries import query_change_fields
from dsm.model.example import Change, Example, kinds_by_records_file
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.model.difference_report import Diff


def example_fields(example: Example) -> dict[str, Any]:
    """Returns an example: the object in hex, the time in RFC 3339."""
    return {
        "path": example.path,
        "object": example.oid.hex(),
        "size": example.size,
        "time": format_time(example.time),
        "labels": list(example.labels),
        "attributes": dict(example.attributes),
        "annotation": None if example.annotation is None else json.loads(example.annotation),
    }


def change_fields(change: Change) -> dict[str, Any]:
    """Returns a change with the example before and after it."""
    return {
        "kind": change.kind,
        "path": change.path,
        "renamed_from": change.renamed_from,
        "before": None if change.before is None else example_fields(change.before),
        "after": None if change.after is None else example_fields(change.after),
    }


def ls_answer(dataset: str, examples: Iterable[Example]) -> dict[str, Any]:
    """Returns what `dsm ls` answers; examples are taken as they are asked for."""
    return {"dataset": dataset, "examples": map(example_fields, examples)}


# Of so many records `dsm diff --records --json` reads the fields: they are all in memory.
FIELDS_MAX = 100_000


def record_fields_answer(diff: Diff, most: int) -> dict[str, Any]:
    """Returns what `dsm diff --records` answers, the fields of at most so many records."""
    return {
        "before": diff.before,
        "after": diff.after,
        "complete": len(diff.records) <= most,
        "records": (
            {
                "path": each.change.path,
                "kind": each.change.kind,
                "labels": None if each.change.after is None else list(each.change.after.labels),
                "labels_before": (
                    None if each.change.before is None else list(each.change.before.labels)
                ),
                "fields": {
                    name: {"before": _finite(was), "after": _finite(now)}
                    for name, (was, now) in each.fields.items()
                },
            }
            for each in diff.records[:most]
        ),
    }


def _finite(value: Any) -> Any:
    """Returns a value of a field with numbers that JSON has not as texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return {n: _finite(each) for n, each in value.items()} if isinstance(value, dict) else value


def diff_answer(diff: Diff) -> dict[str, Any]:
    """Returns what `dsm diff` answers."""
    return {
        "before": diff.before,
        "after": diff.after,
        "queries": [query_change_fields(change) for change in diff.queries],
        "records_files": records_files_fields(diff.changes),
        "changes": map(change_fields, diff.changes),
    }


def records_files_fields(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Returns how many records of each file changed, by kind: what text says in a line a file."""
    return [{"path": path, **kinds} for path, kinds in kinds_by_records_file(changes).items()]
