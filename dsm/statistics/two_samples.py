"""How far two samples differ: five measures of the field.

Samples are Arrow columns. Nulls and NaN are left out of every measure; `missing` counts them. A
measure that cannot be told has no statistic and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import exp, inf, log, log2, nextafter, sqrt
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.statistics.probability import (
    chi_square_tail,
    kolmogorov_tail,
    paths_that_leave,
    quadratic_fit,
)

# Up to this product of both sizes the p-value of Kolmogorov-Smirnov is exact; above it that of the
# limit is off by less than people read.
EXACT_PRODUCT_MAX = 250_000
BINS = 10
PIECE = 1 << 18  # distinct values that are looked at at once
# A share of nothing would make the index infinite; this one is the custom of the field.
SHARE_MIN = 1e-4
_LEVELS = (0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001)
# Scholz and Stephens 1987, table 2: factors of 1, 1 / sqrt(k - 1) and 1 / (k - 1) at each level.
_CRITICAL = (
    (0.675, -0.245, -0.105), (1.281, 0.25, -0.305), (1.645, 0.678, -0.362), (1.96, 1.149, -0.391),
    (2.326, 1.822, -0.396), (2.573, 2.364, -0.345), (3.085, 3.615, -0.154),
)  # fmt: skip

Column = Any  # pa.Array | pa.ChunkedArray
Counts = Mapping[Any, int]


@dataclass(frozen=True, slots=True)
class Measure:
    """A statistic and its p-value; distances have no p-value. `reason` says why one is missing."""

    statistic: float | None
    p_value: float | None = None
    reason: str | None = None


def missing(column: Column) -> int:
    """Returns how many values are null or NaN."""
    return len(column) - len(_present(column))


def kolmogorov_smirnov(a: Column, b: Column) -> Measure:
    """Returns the greatest distance of two distribution functions, and its two-sided p-value,
    which is exact for small samples."""
    return _kolmogorov_smirnov(_Merged([a, b]))


def anderson_darling(*columns: Column) -> Measure:
    """Returns the normalised statistic of two or more samples, ties at their middle rank.

    The p-value comes from a table that reaches from 0.001 to 0.25; beyond it is the nearer end.
    Raises ValueError for less than two samples.
    """
    if len(columns) < 2:
        raise ValueError("Anderson-Darling compares two samples or more")
    return _anderson_darling(_Merged(columns))


def both_tests(a: Column, b: Column) -> tuple[Measure, Measure]:
    """Returns Kolmogorov-Smirnov and Anderson-Darling of two samples, which are sorted once."""
    merged = _Merged([a, b])
    return _kolmogorov_smirnov(merged), _anderson_darling(merged)


class _Merged:
    """Samples in one order: `cumulated` says how many values of each are at most each distinct
    value, `upto` how many of all. `reason` says why there is no order."""

    def __init__(self, columns: Sequence[Column]):
        samples = _comparable(columns)
        self.sizes = [len(each) for each in samples]
        self.reason = None if all(self.sizes) else "a side has no values"
        if self.reason is None:
            self.cumulated, self.upto = _cumulated(samples)


def _kolmogorov_smirnov(merged: _Merged) -> Measure:
    if merged.reason is not None:
        return Measure(None, reason=merged.reason)
    n, m = merged.sizes
    gap = 0
    for at in range(0, len(merged.upto), PIECE):
        of_a, of_b = (each.slice(at, PIECE).cast(pa.int64()) for each in merged.cumulated)
        gaps = pc.abs(pc.subtract(pc.multiply(of_a, m), pc.multiply(of_b, n)))
        gap = max(gap, int(pc.max(gaps).as_py()))
    distance = gap / (n * m)
    if n * m <= EXACT_PRODUCT_MAX:
        return Measure(distance, paths_that_leave(n, m, gap))
    return Measure(distance, kolmogorov_tail(distance * sqrt(n * m / (n + m))))


def _anderson_darling(merged: _Merged) -> Measure:
    if merged.reason is not None:
        return Measure(None, reason=merged.reason)
    sizes, upto = merged.sizes, merged.upto
    total = sum(sizes)
    if len(upto) < 2:
        return Measure(None, reason="all values are the same")
    if total < 4:
        return Measure(None, reason="less than four values")
    statistic = 0.0
    for at in range(0, len(upto), PIECE):
        often, middle = _middle(upto, at)
        below = pc.subtract(
            pc.multiply(middle, pc.subtract(float(total), middle)), pc.multiply(often, total / 4)
        )
        for size, counts in zip(sizes, merged.cumulated, strict=True):
            _, own = _middle(counts, at)
            off = pc.subtract(pc.multiply(own, float(total)), pc.multiply(middle, float(size)))
            terms = pc.divide(pc.multiply(often, pc.multiply(off, off)), below)
            statistic += pc.sum(terms).as_py() / total / size
    statistic *= (total - 1) / total
    degrees = len(sizes) - 1
    normal = (statistic - degrees) / sqrt(_variance(tuple(sizes)))
    return Measure(normal, _anderson_p(normal, degrees))


def chi_square(a: Counts, b: Counts) -> Measure:
    """Returns Pearson's statistic of the counts of categories, without a continuity correction."""
    n, m = sum(a.values()), sum(b.values())
    if not n or not m:
        return Measure(None, reason="a side has no values")
    names = [name for name in _names(a, b) if a.get(name, 0) + b.get(name, 0)]
    if len(names) < 2:
        return Measure(0.0, 1.0)
    statistic = 0.0
    for name in names:
        both = a.get(name, 0) + b.get(name, 0)
        for counts, size in ((a, n), (b, m)):
            expected = both * size / (n + m)
            statistic += (counts.get(name, 0) - expected) ** 2 / expected
    return Measure(statistic, chi_square_tail(statistic, len(names) - 1))


def jensen_shannon(a: Counts, b: Counts) -> Measure:
    """Returns the distance of two distributions of categories: 0 the same, 1 nothing shared."""

    def divergence(p: float, q: float) -> float:
        half = (p + q) / 2
        return sum(x * log2(x / half) for x in (p, q) if x) / 2

    found = _over_shares(a, b, divergence)
    if found.statistic is None:
        return found
    return Measure(sqrt(min(1.0, max(0.0, found.statistic))))


def population_stability(a: Counts, b: Counts) -> Measure:
    """Returns the population stability index; shares below 0.0001 count as that."""

    def term(p: float, q: float) -> float:
        p, q = max(p, SHARE_MIN), max(q, SHARE_MIN)
        return (q - p) * log(q / p)

    return _over_shares(a, b, term)


def counts_of(column: Column) -> dict[Any, int]:
    """Returns how often each value occurs; nulls and NaN are left out."""
    found = pc.value_counts(_present(column))
    values, counts = found.field("values").to_pylist(), found.field("counts").to_pylist()
    return dict(zip(values, counts, strict=True))


def bin_edges(reference: Column, bins: int = BINS) -> list[float]:
    """Returns the upper ends of the lower bins, by quantiles of a sample: less for few values.

    A value that fills a whole bin or more has one of its own: what lies below it is told apart.
    """
    values = _present(reference)
    if not len(values):
        return []
    shares = [i / bins for i in range(bins + 1)]
    ends = pc.quantile(values, shares, interpolation="lower").to_pylist()
    often = {one for one, two in pairwise(ends) if one == two}
    return sorted({*ends[1:-1], *(_just_below(value) for value in often)})


def _just_below(value: float | int) -> float | int:
    return value - 1 if isinstance(value, int) else nextafter(value, -inf)


def median(column: Column) -> Any:
    """Returns the median, the lower one of two; None without values."""
    values = _present(column)
    if not len(values):
        return None
    return pc.quantile(values, 0.5, interpolation="lower")[0].as_py()


def binned(column: Column, edges: Sequence[float]) -> dict[int, int]:
    """Returns how many values lie in each bin; one at an edge is in the bin that ends there."""
    values = _present(column)
    upto = [pc.sum(pc.less_equal(values, edge)).as_py() or 0 for edge in edges]
    ends = [0, *upto, len(values)]
    return {i: ends[i + 1] - ends[i] for i in range(len(edges) + 1)}


def _present(column: Column) -> Column:
    found = column.drop_null()
    return found.filter(pc.invert(pc.is_nan(found))) if pa.types.is_floating(found.type) else found


def _comparable(columns: Sequence[Column]) -> list[Column]:
    """The values of samples in one type: integers stay exact when all are of one type."""
    present = [_present(column) for column in columns]
    if len({column.type for column in present}) > 1:
        present = [column.cast(pa.float64(), safe=False) for column in present]
    return present


def _cumulated(samples: Sequence[Column]) -> tuple[list[pa.Array], pa.Array]:
    """Returns how many values of each sample, and of all, are at most each distinct value.

    What is large is let go as soon as it is not needed: columns are compared some at a time.
    """
    chunks = [c for s in samples for c in (s.chunks if isinstance(s, pa.ChunkedArray) else [s])]
    values = pa.concat_arrays(chunks)
    order = pc.sort_indices(values)
    ordered = values.take(order)
    del chunks, values
    last = pc.not_equal(ordered.slice(1), ordered.slice(0, len(ordered) - 1))
    del ordered
    last = pa.concat_arrays([last, pa.array([True])])
    few = pa.int32() if len(order) < 1 << 31 else pa.int64()
    cumulated, first = [], 0
    for sample in samples:
        end = first + len(sample)
        own = pc.and_(pc.greater_equal(order, first), pc.less(order, end))
        cumulated.append(pc.cumulative_sum(own.cast(few)).filter(last))
        first = end
    upto = cumulated[0]
    for counts in cumulated[1:]:
        upto = pc.add(upto, counts)
    return cumulated, upto


def _middle(upto: pa.Array, at: int) -> tuple[pa.Array, pa.Array]:
    """Returns how often each distinct value of a piece occurs, and the rank in the middle of
    those."""
    before = pa.array([float(upto[at - 1].as_py()) if at else 0.0])
    upto = upto.slice(at, PIECE).cast(pa.float64())
    before = pa.concat_arrays([before, upto.slice(0, len(upto) - 1)])
    often = pc.subtract(upto, before)
    return often, pc.subtract(upto, pc.divide(often, 2.0))


@lru_cache(maxsize=8)  # the columns of a table have one size
def _variance(sizes: tuple[int, ...]) -> float:
    """The variance of the statistic of Anderson-Darling when all samples are of one population."""
    k, n = len(sizes), sum(sizes)
    parts = sum(1 / size for size in sizes)
    numbers = pc.cumulative_sum(pa.repeat(1.0, n - 1))  # 1 to n - 1
    inverse = pc.divide(1.0, numbers)
    h = pc.sum(inverse).as_py()
    # The sum over i < j < n of 1 / ((n - i) j): the inner one is h without its first i terms.
    rest = pc.subtract(h, pc.cumulative_sum(inverse))
    g = pc.sum(pc.divide(rest, pc.subtract(float(n), numbers))).as_py()
    a = (4 * g - 6) * (k - 1) + (10 - 6 * g) * parts
    b = (2 * g - 4) * k**2 + 8 * h * k + (2 * g - 14 * h - 4) * parts - 8 * h + 4 * g - 6
    c = (6 * h + 2 * g - 2) * k**2 + (4 * h - 4 * g + 6) * k + (2 * h - 6) * parts + 4 * h
    d = (2 * h + 6) * k**2 - 4 * h * k
    return float((a * n**3 + b * n**2 + c * n + d) / ((n - 1) * (n - 2) * (n - 3)))


def _anderson_p(statistic: float, degrees: int) -> float:
    points = [x + y / sqrt(degrees) + z / degrees for x, y, z in _CRITICAL]
    if statistic < points[0]:
        return _LEVELS[0]
    if statistic > points[-1]:
        return _LEVELS[-1]
    constant, linear, square = quadratic_fit(points, [log(level) for level in _LEVELS])
    return exp(constant + linear * statistic + square * statistic**2)


def _names(a: Counts, b: Counts) -> list[Any]:
    return [*a, *(name for name in b if name not in a)]


def _over_shares(a: Counts, b: Counts, term: Callable[[float, float], float]) -> Measure:
    n, m = sum(a.values()), sum(b.values())
    if not n or not m:
        return Measure(None, reason="a side has no values")
    return Measure(sum(term(a.get(name, 0) / n, b.get(name, 0) / m) for name in _names(a, b)))
