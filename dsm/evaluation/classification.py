"""How good predicted classes are, by the definitions of scikit-learn.

The invariant: every figure is that of scikit-learn to 1e-12, on the classes that are true or
predicted somewhere; one that is not defined is None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dsm.evaluation.numeric import Array, load

BINS = 10
Z = 1.959963984540054  # of 95 % of a normal distribution
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class against all others: `examples` have it, `predicted` were said to."""

    name: str
    examples: int
    predicted: int
    precision: float
    recall: float
    f1: float
    auc: float | None
    recall_interval: Interval | None


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions of about one confidence: how sure they are on average, and how often right."""

    examples: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Classified:
    """Figures of predicted classes.

    `metrics` are by name, None where one is not defined; `intervals` are of 95 % (Wilson).
    `confusion[i][j]` counts examples of class i that were said to be class j.
    """

    examples: int
    metrics: dict[str, float | None]
    intervals: dict[str, Interval]
    classes: list[ClassFigures]
    confusion: list[list[int]]
    calibration: list[Bin]


def classified(
    names: Sequence[str],
    truth: Array,
    predicted: Array,
    probabilities: Sequence[Array] = (),
    confidence: Array | None = None,
) -> Classified:
    """Compares classes; `truth` and `predicted` are places in `names`.

    `probabilities` are a column a class; `confidence` says how sure each prediction is.
    """
    np = load()
    count, wide = len(truth), len(names)
    matrix = np.bincount(truth * wide + predicted, minlength=wide * wide).reshape(wide, wide)
    right = np.diagonal(matrix)
    of_truth, of_predicted = matrix.sum(1), matrix.sum(0)
    used = np.flatnonzero(of_truth + of_predicted)
    precision, recall = _share(right, of_predicted), _share(right, of_truth)
    f1 = _share(2 * right, of_truth + of_predicted)
    aucs = [auc(column, truth == at) for at, column in enumerate(probabilities)]
    correct = int(right.sum())
    accuracy = correct / count if count else None
    metrics: dict[str, float | None] = {
        "accuracy": accuracy,
        "balanced_accuracy": _mean(recall[np.flatnonzero(of_truth)]),
        "precision": _mean(precision[used]),
        "recall": _mean(recall[used]),
        "f1": _mean(f1[used]),
        "precision_micro": accuracy,
        "recall_micro": accuracy,
        "f1_micro": accuracy,
        "precision_weighted": _weighted(precision, of_truth),
        "recall_weighted": _weighted(recall, of_truth),
        "f1_weighted": _weighted(f1, of_truth),
    }
    intervals = {"accuracy": wilson(correct, count)} if count else {}
    bins: list[Bin] = []
    if probabilities:
        metrics |= probabilistic(truth, probabilities, aucs)
    if confidence is not None and count and confidence.min() >= 0 and confidence.max() <= 1:
        bins = calibration(confidence, truth == predicted)
        metrics["ece"] = sum(
            each.examples / count * abs(each.accuracy - each.confidence) for each in bins
        )
    classes = [
        ClassFigures(
            name=names[at], examples=int(of_truth[at]), predicted=int(of_predicted[at]),
            precision=float(precision[at]), recall=float(recall[at]), f1=float(f1[at]),
            auc=aucs[at] if aucs else None,
            recall_interval=wilson(int(right[at]), int(of_truth[at])) if of_truth[at] else None,
        )
        for at in used
    ]  # fmt: skip
    confusion = matrix[np.ix_(used, used)].tolist()
    return Classified(count, metrics, intervals, classes, confusion, bins)


def probabilistic(
    truth: Array, probabilities: Sequence[Array], aucs: Sequence[float | None]
) -> dict[str, float | None]:
    """Returns what probabilities say: the area under the curve, log loss and Brier score."""
    np = load()
    count = len(truth)
    if not count:
        return {"auc": None, "log_loss": None, "brier": None}
    found = [each for each in aucs if each is not None]
    chosen, squares = np.zeros(count), np.zeros(count)
    for at, column in enumerate(probabilities):
        true = truth == at
        chosen[true] = column[true]
        squares += (column - true) ** 2
    tiny = np.finfo(np.float64).eps
    brier = float(squares.mean())
    return {
        "auc": sum(found) / len(found) if found else None,
        "log_loss": float(-np.log(np.clip(chosen, tiny, 1 - tiny)).mean()),
        "brier": brier / 2 if len(probabilities) < 3 else brier,
    }


def auc(scores: Array, positive: Array) -> float | None:
    """Returns the area under the ROC curve of one class against all others.

    It is the chance that an example of the class has the higher score; equal scores count half.
    None where one of the two sides is empty.
    """
    np = load()
    if positive.all() or not positive.any():
        return None
    # Most models say floats of 32 bits, which are sorted in half of the time.
    narrow = scores.astype(np.float32)
    scores = narrow if np.array_equal(narrow, scores) else scores
    above, below = np.sort(scores[positive]), np.sort(scores[~positive])
    less = int(np.searchsorted(below, above, "left").sum())
    most = int(np.searchsorted(below, above, "right").sum())
    return (less + most) / (2 * len(above) * len(below))


def calibration(confidence: Array, right: Array) -> list[Bin]:
    """Returns predictions in ten bins of equal width, those that are not empty."""
    np = load()
    at = np.searchsorted(np.linspace(0.0, 1.0, BINS + 1)[1:-1], confidence)
    counts = np.bincount(at, minlength=BINS)
    sure = np.bincount(at, weights=confidence, minlength=BINS)
    good = np.bincount(at, weights=right, minlength=BINS)
    return [
        Bin(int(counts[i]), float(sure[i] / counts[i]), float(good[i] / counts[i]))
        for i in range(BINS)
        if counts[i]
    ]


def wilson(right: int, count: int) -> Interval:
    """Returns the interval of 95 % of a share, by Wilson's score."""
    share, spread = right / count, Z * Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def _share(part: Array, whole: Array) -> Array:
    np = load()
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _mean(values: Array) -> float | None:
    return float(values.mean()) if len(values) else None


def _weighted(values: Array, weights: Array) -> float | None:
    total = int(weights.sum())
    return float((values * weights).sum() / total) if total else None
