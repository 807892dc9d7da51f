"""Predictions: what `dsm predictions` answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.evaluation.book import Added, Stored


def predictions_answer(run: str, found: Iterable[Stored]) -> dict[str, Any]:
    """Returns what `dsm predictions list` and `rm` answer."""
    return {"run": run, "predictions": [stored_fields(each) for each in found]}


def added_predictions_answer(added: Added) -> dict[str, Any]:
    """Returns what `dsm predictions add` answers."""
    return {
        "run": added.run, **stored_fields(added.stored), "unknown_paths": list(added.unknown_paths),
    }  # fmt: skip


def stored_fields(found: Stored) -> dict[str, Any]:
    """Returns the members of predictions for one view."""
    return {
        "view": found.view,
        "object": found.object,
        "size": found.size,
        "examples": found.examples,
        "predicted": found.predicted,
        "missing": found.missing,
        "unknown": found.unknown,
        "classes": found.classes,
        "time": format_time(found.time),
    }
