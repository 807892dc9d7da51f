"""How good predicted numbers are, by the definitions of scikit-learn."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dsm.evaluation.intervals import Interval, Z
from dsm.evaluation.numeric import Array, load


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of predicted numbers; `intervals` are of 95 %, by the spread of the errors."""

    examples: int
    metrics: dict[str, float | None]
    intervals: dict[str, Interval]


def measured(truth: Array, predicted: Array) -> Measured:
    """Compares numbers: RMSE, MAE, R² (None where all true numbers are one), and the mean error."""
    np = load()
    count = len(truth)
    names = ("rmse", "mae", "r2", "mse", "bias")
    if not count:
        return Measured(0, dict.fromkeys(names), {})
    errors = predicted - truth
    squares, sizes = errors * errors, np.abs(errors)
    mse, mae = float(squares.mean()), float(sizes.mean())
    total = float(((truth - truth.mean()) ** 2).sum())
    metrics: dict[str, float | None] = {
        "rmse": math.sqrt(mse),
        "mae": mae,
        "r2": 1 - float(squares.sum()) / total if total and count > 1 else None,
        "mse": mse,
        "bias": float(errors.mean()),
    }
    intervals = {}
    if count > 1:
        low, high = _around(mse, squares)
        intervals = {
            "rmse": (math.sqrt(max(0.0, low)), math.sqrt(high)),
            "mae": _around(mae, sizes),
        }
    return Measured(count, metrics, intervals)


def _around(mean: float, values: Array) -> Interval:
    half = Z * float(values.std(ddof=1)) / math.sqrt(len(values))
    return mean - half, mean + half
