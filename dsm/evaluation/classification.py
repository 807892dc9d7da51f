"""How good predicted classes are, by the definitions of scikit-learn.

The invariant: every figure is that of scikit-learn to 1e-12, on the classes that are true or
predicted somewhere; one that is not defined is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dsm.evaluation.intervals import Interval, f1_ends, of_mean_f1, of_mean_share, wilson, wilsons
from dsm.evaluation.numeric import Array, load

BINS = 10


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class against all others: `examples` have it, `predicted` were said to.

    The interval of a share of nothing is None.
    """

    name: str
    examples: int
    predicted: int
    precision: float
    recall: float
    f1: float
    auc: float | None
    precision_interval: Interval | None
    recall_interval: Interval | None
    f1_interval: Interval | None


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions of about one confidence: how sure they are on average, and how often right."""

    examples: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Classified:
    """Figures of predicted classes.

    `metrics` are by name, None where one is not defined; `intervals` are of 95 %.
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
    bins: list[Bin] = []
    if probabilities:
        metrics |= probabilistic(truth, probabilities, aucs)
    if confidence is not None and count and confidence.min() >= 0 and confidence.max() <= 1:
        bins = calibration(confidence, truth == predicted)
        metrics["ece"] = sum(
            each.examples / count * abs(each.accuracy - each.confidence) for each in bins
        )
    classes, intervals = _classes(names, matrix, used, (precision, recall, f1), aucs)
    confusion = matrix[np.ix_(used, used)].tolist()
    return Classified(count, metrics, intervals, classes, confusion, bins)


def _classes(
    names: Sequence[str],
    matrix: Array,
    used: Array,
    figures: tuple[Array, Array, Array],
    aucs: Sequence[float | None],
) -> tuple[list[ClassFigures], dict[str, Interval]]:
    """Returns the figures of each class that is used, and the intervals of those of all."""
    np = load()
    if not len(used):
        return [], {}
    matrix = matrix[np.ix_(used, used)]
    truth, predicted, right = matrix.sum(1), matrix.sum(0), np.diagonal(matrix)
    precision, recall, f1 = (each[used] for each in figures)
    of_precision, of_recall = wilsons(right, predicted), wilsons(right, truth)
    of_f1 = f1_ends(right, truth, predicted)
    intervals = {
        "accuracy": wilson(int(right.sum()), int(truth.sum())),
        "precision": of_mean_share(right, predicted), "recall": of_mean_share(right, truth),
        "f1": of_mean_f1(matrix),
    }  # fmt: skip

    def ends(found: tuple[Array, Array], at: int) -> Interval:
        return float(found[0][at]), float(found[1][at])

    classes = [
        ClassFigures(
            name=names[place], examples=int(truth[at]), predicted=int(predicted[at]),
            precision=float(precision[at]), recall=float(recall[at]), f1=float(f1[at]),
            auc=aucs[place] if aucs else None,
            precision_interval=ends(of_precision, at) if predicted[at] else None,
            recall_interval=ends(of_recall, at) if truth[at] else None, f1_interval=ends(of_f1, at),
        )
        for at, place in enumerate(used.tolist())
    ]  # fmt: skip
    return classes, intervals


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


def _share(part: Array, whole: Array) -> Array:
    np = load()
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _mean(values: Array) -> float | None:
    return float(values.mean()) if len(values) else None


def _weighted(values: Array, weights: Array) -> float | None:
    total = int(weights.sum())
    return float((values * weights).sum() / total) if total else None
