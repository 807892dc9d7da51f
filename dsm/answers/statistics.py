"""Figures: what `dsm stats` and `dsm drift` answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

from dsm.model.timespec import format_time
from dsm.statistics.samples import TIME
from dsm.statistics.summary import NAMES

if TYPE_CHECKING:
    from dsm.example_sets import ExampleSet
    from dsm.statistics.drift import ColumnDrift, Drift, Side
    from dsm.statistics.summary import ColumnSummary, Numbers, Summary
    from dsm.statistics.two_samples import Measure


def set_fields(found: ExampleSet) -> dict[str, Any]:
    """Returns what a word of the command line named."""
    return {
        "name": found.word,
        "kind": found.kind,
        "dataset": found.dataset,
        "changeset": found.number,
        "after": found.after,
        "version": found.view.version if found.kind == "view" and found.view else None,
    }


def stats_answer(of: ExampleSet, found: Summary) -> dict[str, Any]:
    """Returns what `dsm stats` answers."""
    return {
        "of": set_fields(of),
        "examples": found.examples,
        "columns": [_summary_fields(each) for each in found.columns],
    }


def _summary_fields(column: ColumnSummary) -> dict[str, Any]:
    return {
        "column": column.column,
        "kind": column.kind,
        "examples": column.examples,
        "missing": column.missing,
        "distinct": column.distinct,
        "values": [{"value": value, "examples": count} for value, count in column.counts],
        "rest": column.rest,
        "numbers": None if column.numbers is None else _numbers(column.numbers, column.kind),
    }


def _numbers(numbers: Numbers, kind: str) -> dict[str, Any]:
    values = zip(NAMES, numbers.quantiles, strict=True)
    return {
        **{name: value_of(value, kind) for name, value in values},
        "mean": numbers.mean,
        "deviation": numbers.deviation,
        "bins": _bins(numbers.edges, numbers.counts, kind),
    }


def _bins(edges: Iterable[float], counts: Iterable[int], kind: str) -> list[dict[str, Any]]:
    ends = [*(value_of(edge, kind) for edge in edges), None]
    return [{"upto": end, "examples": n} for end, n in zip(ends, counts, strict=True)]


def value_of(value: Any, kind: str) -> Any:
    """Returns a number of a column as JSON has it: a time as such, null where it is infinite."""
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return None
    return format_time(int(value)) if kind == TIME else value


def drift_answer(a: ExampleSet, b: ExampleSet, found: Drift) -> dict[str, Any]:
    """Returns what `dsm drift` answers."""
    at = found.thresholds
    return {
        "a": {**set_fields(a), "examples": found.examples[0]},
        "b": {**set_fields(b), "examples": found.examples[1]},
        "drifted": found.drifted,
        "moved": [each.column for each in found.moved],
        "level": at.level,
        "psi": at.psi,
        "js": at.js,
        "correction": at.correction,
        "selected": list(at.selected),
        "columns": [_column_fields(each, found) for each in found.columns],
    }


def _column_fields(column: ColumnDrift, found: Drift) -> dict[str, Any]:
    return {
        "column": column.column,
        "kind": column.kind,
        "decides": found.thresholds.decides(column.column),
        "drifted": column.drifted(found.thresholds),
        "values_drifted": column.values_drifted(found.thresholds),
        "missing_drifted": column.presence_drifted(found.thresholds),
        "corrected": column.corrected,
        "corrected_missing": column.corrected_presence,
        "measures": _measures(column.measures),
        "missing_measures": _measures(column.presence),
        "a": _side(column, column.a),
        "b": _side(column, column.b),
    }


def _measures(measures: Mapping[str, Measure]) -> list[dict[str, Any]]:
    return [
        {
            "measure": name,
            "statistic": each.statistic,
            "p_value": each.p_value,
            "reason": each.reason,
        }
        for name, each in measures.items()
    ]


def _side(column: ColumnDrift, side: Side) -> dict[str, Any]:
    values = [] if side.distinct is None else side.counts.items()
    return {
        "missing": side.missing,
        "median": value_of(side.middle, column.kind),
        "bins": []
        if side.distinct is not None
        else _bins(column.edges, side.counts.values(), column.kind),
        "distinct": side.distinct,
        "values": [{"value": value, "examples": count} for value, count in values],
        "rest": side.rest,
    }
