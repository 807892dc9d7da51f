"""Tests and distances of two samples, beside SciPy."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import combinations
from typing import Any

import pyarrow as pa
import pytest
from pytest import approx

from dsm.statistics import two_samples
from dsm.statistics.probability import (
    benjamini_hochberg,
    chi_square_tail,
    holm,
    kolmogorov_tail,
    paths_that_leave,
)
from dsm.statistics.two_samples import (
    Measure,
    anderson_darling,
    bin_edges,
    binned,
    chi_square,
    counts_of,
    jensen_shannon,
    kolmogorov_smirnov,
    missing,
    population_stability,
)

stats = pytest.importorskip("scipy.stats")
NO_VALUES = Measure(None, None, "a side has no values")


def near(expected: Any) -> Any:
    return approx(float(expected), rel=1e-9, abs=1e-12)


def samples(kind: str, n: int, m: int, shift: float) -> tuple[list[float], list[float]]:
    """Two samples with a shift: without ties, or with many."""
    source = random.Random(f"{kind}{n}{m}")
    a = [source.gauss(0, 1) for _ in range(n)]
    b = [source.gauss(shift, 1) for _ in range(m)]
    return (a, b) if kind == "smooth" else ([round(x) for x in a], [round(x) for x in b])


CASES = [
    (k, n, m, s)
    for k in ("smooth", "tied")
    for n, m in ((7, 9), (60, 41), (300, 700))
    for s in (0, 0.5)
]


@pytest.mark.parametrize(("kind", "n", "m", "shift"), CASES)
def test_kolmogorov_smirnov_is_that_of_scipy(kind: str, n: int, m: int, shift: float) -> None:
    """The distance and the exact p-value agree with SciPy."""
    a, b = samples(kind, n, m, shift)
    found = kolmogorov_smirnov(pa.array(a), pa.array(b))
    expected = stats.ks_2samp(a, b, method="exact")
    assert near(expected.statistic) == found.statistic
    assert near(expected.pvalue) == found.p_value


def test_large_samples_have_the_p_value_of_the_limit() -> None:
    """Above the size for exact ones the p-value is that of Kolmogorov's distribution."""
    a, b = samples("smooth", 1000, 1500, 0.07)
    found = kolmogorov_smirnov(pa.array(a), pa.array(b))
    expected = stats.ks_2samp(a, b).statistic
    assert near(expected) == found.statistic
    assert near(stats.kstwobign.sf(expected * math.sqrt(600))) == found.p_value


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "n", "m", "shift"), CASES)
def test_anderson_darling_is_that_of_scipy(kind: str, n: int, m: int, shift: float) -> None:
    """Two and three samples agree with SciPy, ties at their middle rank."""
    a, b = samples(kind, n, m, shift)
    for given in ([a, b], [a, b, a[: n // 2]]):
        found = anderson_darling(*map(pa.array, given))
        expected = stats.anderson_ksamp(given)
        assert near(expected.statistic) == found.statistic
        assert near(expected.pvalue) == found.p_value


COUNTS = [
    ({"a": 10, "b": 20}, {"a": 15, "b": 12}),
    ({"a": 10, "b": 20, "c": 0}, {"b": 12, "d": 5}),
    ({str(i): i + 1 for i in range(300)}, {str(i): 300 - i for i in range(300)}),
    ({"a": 1000, "b": 1010}, {"a": 1005, "b": 1005}),
]


@pytest.mark.parametrize(("a", "b"), COUNTS)
def test_categories_are_compared_as_scipy_does(a: dict[str, int], b: dict[str, int]) -> None:
    """Chi-square and the distance of Jensen and Shannon agree with SciPy."""
    distance = pytest.importorskip("scipy.spatial.distance")
    names = sorted({name for name in (*a, *b) if a.get(name, 0) + b.get(name, 0)})
    rows = [[counts.get(name, 0) for name in names] for counts in (a, b)]
    expected = stats.chi2_contingency(rows, correction=False)
    found = chi_square(a, b)
    assert (near(expected.statistic), near(expected.pvalue)) == (found.statistic, found.p_value)
    assert near(distance.jensenshannon(*rows, base=2)) == jensen_shannon(a, b).statistic


@pytest.mark.parametrize("freedom", [1, 2, 5, 99, 10_000])
@pytest.mark.parametrize("times", [0.01, 0.5, 0.98, 1, 1.03, 2, 6])
def test_the_tail_of_chi_square_is_that_of_scipy(freedom: int, times: float) -> None:
    """For few and many degrees of freedom, far out and near."""
    assert near(stats.chi2.sf(freedom * times, freedom)) == chi_square_tail(
        freedom * times, freedom
    )


@pytest.mark.parametrize("value", [0.05, 0.3, 0.9, 0.999, 1, 1.3, 2, 4, 9])
def test_the_tail_of_kolmogorov_is_that_of_scipy(value: float) -> None:
    """On both sides of the point where another series is summed."""
    assert near(stats.kstwobign.sf(value)) == kolmogorov_tail(value)


def test_the_exact_share_is_that_of_all_orders() -> None:
    """Counted one by one over all orders of small samples."""
    n, m = 4, 5
    for distance in range(n * m + 2):
        far = 0
        for places in combinations(range(n + m), n):
            i = gap = 0
            for at in range(n + m):
                i += at in places
                gap = max(gap, abs(i * m - (at + 1 - i) * n))
            far += gap >= distance
        assert near(far / math.comb(n + m, n)) == paths_that_leave(n, m, distance)


def test_the_stability_index_is_its_definition() -> None:
    """The sum of differences of shares times the logarithm of their ratio; no share is 0."""
    found = population_stability({"a": 50, "b": 50}, {"a": 80, "b": 20})
    assert near(0.3 * math.log(1.6) - 0.3 * math.log(0.4)) == found.statistic
    gone = population_stability({"a": 1, "b": 1}, {"a": 1})
    expected = 0.5 * math.log(2) + (1e-4 - 0.5) * math.log(2e-4)
    assert near(expected) == gone.statistic


P_VALUES = [[], [0.04], [0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 1.0], [0.0, 1e-9, 0.2, 0.2]]


@pytest.mark.parametrize("values", P_VALUES)
def test_corrections_are_their_definitions(values: list[float]) -> None:
    """Holm's by its definition, that of Benjamini and Hochberg as in SciPy."""
    count = len(values)
    ranks = sorted(range(count), key=lambda i: values[i])
    by_holm = {
        i: min(1, max(values[ranks[k]] * (count - k) for k in range(r + 1)))
        for r, i in enumerate(ranks)
    }
    assert [near(by_holm[i]) for i in range(count)] == holm(values)
    expected = stats.false_discovery_control(values) if values else []
    assert [near(p) for p in expected] == benjamini_hochberg(values)


def test_what_cannot_be_told_says_why() -> None:
    """An empty side, one value alone and too few values have no statistic, and never raise."""
    empty, some = pa.array([], pa.float64()), pa.array([1.0, 2.0])
    for test in (kolmogorov_smirnov, anderson_darling):
        assert test(empty, some) == NO_VALUES
        assert test(some, pa.array([None, math.nan], pa.float64())) == NO_VALUES
    for measure in (chi_square, jensen_shannon, population_stability):
        assert measure({}, {"a": 1}) == NO_VALUES
    same = pa.array([3, 3, 3])
    assert Measure(0.0, 1.0) == kolmogorov_smirnov(same, same)
    assert Measure(None, None, "all values are the same") == anderson_darling(same, same)
    few = Measure(None, None, "less than four values")
    assert few == anderson_darling(some, pa.array([3.0]))
    assert Measure(0.0, 1.0) == chi_square({"a": 5}, {"a": 9})
    with pytest.raises(ValueError, match="two samples or more"):
        anderson_darling(some)


def test_missing_values_are_counted_and_left_out() -> None:
    """Nulls and NaN change no measure; infinities are values."""
    a, b = [1.0, 2.0, math.inf], [1.5, -math.inf, 2.5]
    holes = pa.chunked_array([pa.array([None, 1.0, math.nan]), pa.array(a[1:])])
    assert missing(holes) == 2
    assert kolmogorov_smirnov(pa.array(a), pa.array(b)) == kolmogorov_smirnov(holes, pa.array(b))
    assert {1.0: 1, 2.0: 1, math.inf: 1} == counts_of(holes)


def test_huge_integers_are_compared_exactly() -> None:
    """Two integers that are the same as floats are two values."""
    huge = 2**62
    found = kolmogorov_smirnov(pa.array([huge] * 9), pa.array([huge + 1] * 9))
    assert found.statistic == 1.0
    mixed = kolmogorov_smirnov(pa.array([huge] * 9), pa.array([float(huge)] * 9))
    assert mixed.statistic == 0.0


def test_bins_hold_every_value_once() -> None:
    """Bins are tenths of the reference; a constant has a bin, and what is below and above it."""
    reference = pa.array(range(1, 101))
    edges = bin_edges(reference)
    assert {i: 10 for i in range(10)} == binned(reference, edges)
    other = [-5, 10, 11, 1000]
    assert Counter({0: 2, 1: 1, 9: 1}) == Counter(binned(pa.array(other), edges))
    constant = bin_edges(pa.array([7] * 20))
    assert (constant, binned(pa.array([5, 7, 8]), constant)) == ([6, 7], {0: 1, 1: 1, 2: 1})
    assert (bin_edges(pa.array([], pa.int64())), binned(pa.array([1, 2, 3]), [])) == ([], {0: 3})


def test_pieces_of_a_comparison_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many values are compared some at a time, with the same figures."""
    draw = random.Random(3)
    for digits in (1, 3):
        a = pa.array([round(draw.gauss(0, 1), digits) for _ in range(400)])
        b = pa.array([round(draw.gauss(0.1, 1.2), digits) for _ in range(300)])
        whole = kolmogorov_smirnov(a, b), anderson_darling(a, b, a)
        for piece in (1, 7, 64):
            monkeypatch.setattr(two_samples, "PIECE", piece)
            parts = kolmogorov_smirnov(a, b), anderson_darling(a, b, a)
            assert parts[0] == whole[0]
            assert parts[1].statistic == approx(whole[1].statistic, rel=1e-12)
        monkeypatch.undo()
