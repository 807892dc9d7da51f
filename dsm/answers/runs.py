"""Runs: what `dsm runs` answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dsm.model.timespec import format_time
from dsm.runs.run import number_text

if TYPE_CHECKING:
    from dsm.runs.attribution import Move
    from dsm.runs.comparison import Difference, RunsCompared
    from dsm.runs.curves import Curve
    from dsm.runs.exported import Exported
    from dsm.runs.run import Run


def number(value: float) -> float | str:
    """Returns a metric for JSON, which has no NaN and no infinity: those as text."""
    return value if math.isfinite(value) else number_text(value)


def runs_answer(runs: Iterable[Run]) -> dict[str, Any]:
    """Returns what `dsm runs list` and `dsm runs rm` answer."""
    return {"runs": [_run_fields(run) for run in runs]}


def run_answer(run: Run) -> dict[str, Any]:
    """Returns what `dsm runs show` answers."""
    start, end = run.start, run.end
    return {
        **_run_fields(run),
        "author": start.author,
        "commit": start.commit,
        "clean": start.clean,
        "python": start.python,
        "packages": start.packages,
        "tracking": start.tracking,
        "host": start.host,
        "views": [
            {
                "version": view.version, "dataset": view.dataset, "digest": view.digest,
                "examples": view.examples, "time": format_time(view.time),
            }
            for view in run.views
        ],
        "outputs": [
            {"path": each.path, "size": each.size, "blake3": each.blake3}
            for each in (end.outputs if end else ())
        ],
    }  # fmt: skip


def exported_answer(found: Iterable[Exported]) -> dict[str, Any]:
    """Returns what `dsm runs export` answers."""
    return {
        "runs": [
            {
                "id": each.run.id, "name": each.run.start.name, "mlflow": each.mlflow_id,
                "new": each.new,
            }
            for each in found
        ]
    }  # fmt: skip


def curves_answer(metric: str, runs: Sequence[Run], curves: Sequence[Curve]) -> dict[str, Any]:
    """Returns what `dsm runs plot` answers: the curves in the order of their runs."""
    return {
        "metric": metric,
        "curves": [
            {
                "run": run.id, "name": run.start.name, "left_out": each.left_out,
                "steps": [step for step, _ in each.points],
                "values": [value for _, value in each.points],
            }
            for run, each in zip(runs, curves, strict=True)
        ],
    }  # fmt: skip


def moves_answer(metric: str, found: Sequence[Move]) -> dict[str, Any]:
    """Returns what `dsm attribute` answers."""
    return {
        "metric": metric,
        "moves": [
            {
                "dataset": each.dataset, "first": each.first, "last": each.last,
                "before": each.before, "after": each.after, "change": each.change,
                "run_before": each.run_before, "run_after": each.run_after,
            }
            for each in found
        ],
    }  # fmt: skip


def bisection_answer(
    view: str,
    over: str,
    *,
    ends: tuple[int | None, int | None] = (None, None),
    trial: tuple[str, int | None, Sequence[str]] | None = None,
    first_bad: int | None = None,
    candidates: Sequence[str] = (),
    enough: Sequence[str] = (),
    culprit: str | None = None,
    counts: tuple[int, int] = (0, 0),
) -> dict[str, Any]:
    """Returns what the commands of `dsm bisect` answer.

    `trial` is the view to try next: its version, its changeset, and what it is without; `counts`
    are runs made and used again.
    """
    version, number, dropped = trial or (None, None, ())
    return {
        "view": view, "over": over, "good": ends[0], "bad": ends[1], "next": number,
        "next_without": list(dropped), "next_view": version, "first_bad": first_bad,
        "candidates": list(candidates), "good_without": list(enough), "culprit": culprit,
        "trained": counts[0], "reused": counts[1],
    }  # fmt: skip


def compared_answer(found: RunsCompared, data: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns what `dsm runs compare` answers; `data` are explanations of pairs of views."""
    return {
        "before": found.a.id,
        "after": found.b.id,
        "parameters": [_difference(each) for each in found.parameters],
        "metrics": [
            {"name": name, "before": _maybe(before), "after": _maybe(after)}
            for name, before, after in found.metrics
        ],
        "environment": [_difference(each) for each in found.environment],
        "data": [{**each, "examples": list(each["examples"])} for each in data],
        "views_only_before": [view.version for view in found.only_a],
        "views_only_after": [view.version for view in found.only_b],
    }


def _maybe(value: float | None) -> float | str | None:
    return None if value is None else number(value)


def _difference(found: Difference) -> dict[str, Any]:
    return {"name": found.name, "before": found.before, "after": found.after}


def _run_fields(run: Run) -> dict[str, Any]:
    start, end = run.start, run.end
    return {
        "id": run.id,
        "name": start.name,
        "state": run.state,
        "status": end.status if end else None,
        "command": start.command,
        "start": format_time(start.time),
        "end": format_time(end.time) if end else None,
        "duration": end.duration / 1_000_000 if end else None,
        "parameters": run.parameters,
        "metrics": {name: number(value) for name, value in run.metrics.items()},
    }
