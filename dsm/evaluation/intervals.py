"""Intervals of 95 % of shares, and of means over classes.

Of a share: Wilson's score. Precision and recall of a class are shares; its F1 is 2 J / (1 + J) of
the share J of examples that are right among those that are, or were said to be, of the class (Lam,
Gopal and Qian, 2023). A mean over classes has Wilson's interval for as many examples as would make
a share vary as much (the effective size of a sample: Korn and Graubard, 1998). How much it varies
is told by the delta method: of F1 from the confusion matrix, for an example that is wrong takes
from the F1s of two classes (Takahashi and others, 2022).
"""

from __future__ import annotations

from typing import Any

from dsm.evaluation.numeric import Array, load

Z = 1.959963984540054  # of 95 % of a normal distribution
Interval = tuple[float, float]
# Examples that are taken to be half right: a class that was never wrong is not certain.
SMOOTHING = 1.0


def wilson(right: int, count: int) -> Interval:
    """Returns the interval of a share."""
    low, high = wilsons(load().array([right]), load().array([count]))
    return float(low[0]), float(high[0])


def wilsons(right: Array, counts: Array) -> tuple[Array, Array]:
    """Returns the lower and upper ends of shares; of those of nothing 0 and 1."""
    np = load()
    some = np.maximum(counts, 1)
    low, high = _ends(right / some, some)
    return np.where(counts > 0, low, 0.0), np.where(counts > 0, high, 1.0)


def f1_ends(right: Array, truth: Array, predicted: Array) -> tuple[Array, Array]:
    """Returns the ends of the F1s of classes, by counts of each class."""
    low, high = wilsons(right, truth + predicted - right)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def of_mean_share(right: Array, counts: Array) -> Interval:
    """Returns the interval of the mean of shares, such as the recalls of classes."""
    np, some = load(), load().maximum(counts, 1)
    smooth = (right + SMOOTHING / 2) / (counts + SMOOTHING)
    varies = (smooth * (1 - smooth) / some).sum() / len(counts) ** 2
    return _of_mean((right / some).mean(), smooth.mean(), varies, np)


def of_mean_f1(matrix: Array) -> Interval:
    """Returns the interval of the mean of the F1s of classes, by their confusion matrix."""
    np, wide, count = load(), len(matrix), matrix.sum()
    right, sums = np.diagonal(matrix), matrix.sum(1) + matrix.sum(0)
    mean = (2 * right / sums).mean()
    if wide < 2:
        return _of_mean(mean, 0.5, 0.25 / count, np)
    # Each row has the half right examples: one half on the diagonal, the other half beside it.
    half = SMOOTHING / 2
    beside = half / (wide - 1)
    total = count + wide * SMOOTHING
    right, sums = (right + half) / total, (sums + 2 * SMOOTHING) / total
    f1 = 2 * right / sums
    slopes = f1 / sums
    others = (slopes @ (matrix @ slopes) + beside * (slopes.sum() ** 2 - (slopes**2).sum())
              + half * (slopes**2).sum()) / total  # fmt: skip
    varies = (sums * slopes**2).sum() + 2 * others
    varies += (right * ((2 / sums - 2 * slopes) ** 2 - 4 * slopes**2)).sum()
    return _of_mean(mean, f1.mean(), varies / count / wide**2, np)


def _of_mean(mean: Any, smooth: Any, varies: Any, np: Any) -> Interval:
    low, high = _ends(mean, smooth * (1 - smooth) / varies)
    return float(low), float(high)


def _ends(share: Any, count: Any) -> tuple[Any, Any]:
    """Returns the ends of Wilson's intervals."""
    np, spread = load(), Z * Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * np.sqrt(share * (1 - share) / count + spread / (4 * count))
    return np.maximum(0.0, middle - half), np.minimum(1.0, middle + half)
