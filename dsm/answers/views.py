"""Views: what `dsm prepare`, `dsm get`, `dsm view list` and `dsm view show` answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dsm.model.timespec import format_time
from dsm.views.query.describe import describe

if TYPE_CHECKING:
    from dsm.sources.receipts import Receipt
    from dsm.views.comparison.statistics import ClassFigures, Histogram, Sizes
    from dsm.views.selection.live_queries import LiveQuery
    from dsm.views.selection.prepared import Record
    from dsm.views.series import Step
    from dsm.views.view import View
    from dsm.views.writing.options import GetReport

Runs = list[tuple["LiveQuery", tuple["Receipt", ...]]]


def prepare_answer(view: View) -> dict[str, Any]:
    """Returns what `dsm prepare` answers."""
    ties = view.ties
    return {
        "version": view.version,
        "dataset": view.dataset,
        "query": view.query.to_json(),
        "digest": view.digest,
        "examples": view.content.examples,
        "size": view.size,
        "labels": dict(view.labels),
        "queries": [each.query.name for each in view.queries],
        "ties": None if ties is None else {"examples": ties[0], "taken": ties[1]},
    }


def class_figures_answer(view: View, found: ClassFigures) -> dict[str, Any]:
    """Returns what `dsm view stats` answers."""
    rows = zip(found.names, found.counts, found.weights, strict=True)
    return {
        "view": view.version,
        "dataset": view.dataset,
        "classes": [
            {"class": name, "index": index, "examples": count, "weight": weight}
            for index, (name, count, weight) in enumerate(rows)
        ],
        "without_class": found.without,
    }


def series_answer(view: View, by: str, steps: Iterable[Step]) -> dict[str, Any]:
    """Returns what `dsm sweep` and `dsm ablate` answer; a step without a view has nothing left."""
    return {
        "view": view.version,
        "dataset": view.dataset,
        "by": by,
        "steps": [
            {
                "what": step.what,
                "version": None if step.view is None else step.view.version,
                "digest": None if step.view is None else step.view.digest,
                "examples": 0 if step.view is None else step.view.content.examples,
                "size": 0 if step.view is None else step.view.size,
                "same": step.same,
            }
            for step in steps
        ],
    }


def get_answer(report: GetReport, version: str) -> dict[str, Any]:
    """Returns what `dsm get` answers."""
    return {
        "path": report.path,
        "format": report.format,
        "shards": report.shards,
        "examples": report.examples,
        "bytes": report.bytes,
        "fresh": report.fresh,
        "kept": report.kept,
        "without_class": report.without_class,
        "version": version,
    }


def views_answer(
    dataset: str, records: Iterable[Record], queries: Iterable[Sequence[str]]
) -> dict[str, Any]:
    """Returns what `dsm view list` answers; `queries` are the names of those each view runs."""
    rows = zip(records, queries, strict=True)
    fields = ({**_record_fields(record), "queries": list(names)} for record, names in rows)
    return {"dataset": dataset, "views": fields}


def forgotten_answer(records: Iterable[Record]) -> dict[str, Any]:
    """Returns what `dsm view rm` answers: the views that it forgot."""
    return {"forgotten": map(_record_fields, records)}


def named_view_answer(record: Record) -> dict[str, Any]:
    """Returns what `dsm view name`, `unname` and `rename` answer: the view, with its names now."""
    return _record_fields(record)


def view_answer(
    record: Record, sizes: Sizes | None, times: Histogram | None, runs: Runs
) -> dict[str, Any]:
    """Returns what `dsm view show` answers; `runs` are the last two of each of its queries."""
    return {
        **_record_fields(record),
        "query": record.query.to_json(),
        "labels": dict(record.content.labels),
        "sizes": None if sizes is None else sizes_fields(sizes),
        "times": None if times is None else times_fields(times),
        "queries": [_runs_fields(query, last) for query, last in runs],
    }


def _record_fields(record: Record) -> dict[str, Any]:
    return {
        "version": record.version,
        "names": list(record.names),
        "dataset": record.dataset,
        "changeset": record.query.at,
        "examples": record.content.examples,
        "size": record.content.size,
        "digest": record.content.digest,
        "asks": describe(record.query),
    }


def sizes_fields(sizes: Sizes) -> dict[str, Any]:
    """Returns the sizes of examples, in bytes."""
    return {
        "min": sizes.least,
        "median": sizes.median,
        "max": sizes.greatest,
        "total": sizes.total,
    }


def times_fields(times: Histogram) -> dict[str, Any]:
    """Returns how many examples there are of each stretch of time."""
    return {
        "unit": times.unit,
        "width": times.width,
        "bins": [{"from": format_time(bin.start), "examples": bin.count} for bin in times.bins],
    }


def _runs_fields(query: LiveQuery, runs: Sequence[Receipt]) -> dict[str, Any]:
    return {
        "name": query.query.name,
        "changeset": query.changeset.number,
        "source": query.query.source,
        "changed": len({run.digest for run in runs}) > 1,
        "runs": [
            {"time": format_time(run.time), "rows": run.rows, "bytes": run.bytes} for run in runs
        ],
    }
