"""Tails of the distributions that the tests of `two_samples.py` need, without SciPy."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log, pi, sqrt

_TINY = 1e-300
_ENOUGH = 1e-16


def chi_square_tail(value: float, freedom: int) -> float:
    """Returns the probability that a chi-square of `freedom` >= 1 degrees is `value` or more."""
    a, x = freedom / 2, value / 2
    if x <= 0:
        return 1.0
    front = exp(a * log(x) - x - lgamma(a))
    if x < a + 1:
        return max(0.0, 1.0 - front * _lower_series(a, x))
    return min(1.0, front * _upper_fraction(a, x))


def _lower_series(a: float, x: float) -> float:
    term = total = 1 / a
    while term > total * _ENOUGH:
        a += 1
        term *= x / a
        total += term
    return total


def _upper_fraction(a: float, x: float) -> float:
    """The continued fraction of the upper incomplete gamma function, by Lentz's method."""
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    found, step, i = d, 0.0, 0
    while abs(step - 1) > 4 * _ENOUGH and i < 1_000_000:
        i += 1
        factor = -i * (i - a)
        b += 2
        d = 1 / ((factor * d + b) or _TINY)
        c = (b + factor / c) or _TINY
        step = d * c
        found *= step
    return found


def kolmogorov_tail(value: float) -> float:
    """Returns the probability that the limit of sqrt(n) times Kolmogorov's distance is `value` or
    more."""
    if value <= 0:
        return 1.0
    if value < 1:  # the alternating sum would need many terms
        unit = -(pi**2) / (8 * value**2)
        terms = (exp(unit * (2 * k - 1) ** 2) for k in range(1, 6))
        return max(0.0, 1.0 - sqrt(2 * pi) / value * sum(terms))
    return 2 * sum((1 if k % 2 else -1) * exp(-2 * (k * value) ** 2) for k in range(1, 6))


def paths_that_leave(n: int, m: int, distance: int) -> float:
    """Returns the share of orders of n and m values whose distribution functions are
    `distance` / (n m) apart somewhere, or more. Takes time of n times m."""
    if distance <= 0:
        return 1.0
    # Of all ways to have seen i and j values, the share that was so far apart at some point.
    row: list[float] = []
    for i in range(n + 1):
        before, row = row, []
        for j in range(m + 1):
            if abs(i * m - j * n) >= distance:
                share = 1.0
            elif not i or not j:
                share = row[j - 1] if j else before[j] if i else 0.0
            else:
                share = (i * before[j] + j * row[j - 1]) / (i + j)
            row.append(share)
    return row[m]


def quadratic_fit(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float, float]:
    """Returns the constant, linear and quadratic factor of the parabola of least squares."""
    powers = [sum(x**p for x in xs) for p in range(5)]
    right = [sum(y * x**p for x, y in zip(xs, ys, strict=True)) for p in range(3)]
    rows = [[powers[i + j] for j in range(3)] + [right[i]] for i in range(3)]
    for i in range(3):
        pivot = max(range(i, 3), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(3):
            if r != i:
                factor = rows[r][i] / rows[i][i]
                rows[r] = [x - factor * y for x, y in zip(rows[r], rows[i], strict=True)]
    first, second, third = (rows[i][3] / rows[i][i] for i in range(3))
    return first, second, third


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p-values corrected so that the chance of any false alarm stays at the level."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, greatest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        greatest = max(greatest, min(1.0, p_values[i] * (len(p_values) - rank)))
        corrected[i] = greatest
    return corrected


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Returns p-values corrected so that the expected share of false alarms stays at the level."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, least = [0.0] * len(p_values), 1.0
    for rank in range(len(order), 0, -1):
        i = order[rank - 1]
        least = min(least, p_values[i] * len(p_values) / rank)
        corrected[i] = least
    return corrected
