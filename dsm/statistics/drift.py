"""Which columns of two tables drifted: the measures of `two_samples.py` for each, and a verdict.

With many examples the least difference is certain, and with few a large one may be chance. So a
column drifts when its difference is both unlikely by chance (a p-value, corrected for the number of
tests) and large (the population stability index).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict, Unpack

import pyarrow as pa

from dsm.errors import InvalidInput
from dsm.model.keywords import refuse_unknown
from dsm.model.names import printable
from dsm.statistics.probability import benjamini_hochberg, holm
from dsm.statistics.samples import (
    CATEGORY,
    TIME,
    Columns,
    both_looked_at,
    categories_of,
    even_edges,
    kind_of,
    known_column,
    names_in,
    numbers_of,
    sample_of,
    without_value,
)
from dsm.statistics.two_samples import (
    Counts,
    Measure,
    bin_edges,
    binned,
    both_tests,
    chi_square,
    jensen_shannon,
    median,
    population_stability,
)

LEVEL = 0.05
# The custom of the field: below 0.1 a distribution is called stable.
PSI_MIN = 0.1
_CORRECTIONS = {"holm": holm, "benjamini-hochberg": benjamini_hochberg}
CORRECTIONS = tuple(_CORRECTIONS)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a column drifts, and which columns decide.

    Its corrected p-value is below `level`, its population stability index at least `psi`, and its
    Jensen-Shannon distance at least `js`. Without `columns` all decide but the time (new examples
    are newer, which is no fault), those to `ignore`, and those that both sides were `selected` on,
    each in its own way: they differ because somebody asked for that.

    Raises InvalidInput for numbers that mean nothing.
    """

    level: float = LEVEL
    psi: float = PSI_MIN
    js: float = 0.0
    correction: str = "holm"
    columns: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    selected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.level <= 1:
            raise InvalidInput(f"the level is above 0 and at most 1, not {self.level:g}")
        if not 0 <= self.psi < float("inf"):
            raise InvalidInput(f"the least PSI is a number from 0, not {self.psi:g}")
        if not 0 <= self.js <= 1:
            raise InvalidInput(f"the least Jensen-Shannon distance is 0 to 1, not {self.js:g}")
        _require_correction(self.correction)

    def decides(self, column: str) -> bool:
        """Tells whether a column counts for the verdict."""
        if column in self.ignore:
            return False
        if self.columns is not None:
            return column in self.columns
        return column != TIME and column not in self.selected


class DriftAsked(TypedDict, total=False):
    """What is asked of a comparison; see `Thresholds`."""

    level: float
    psi: float
    js: float
    correction: str
    columns: Iterable[str] | None
    ignore: Iterable[str]


def thresholds(selected: tuple[str, ...] = (), **asked: Unpack[DriftAsked]) -> Thresholds:
    """Returns what was asked for as thresholds. Raises InvalidInput."""
    refuse_unknown("drift", asked, [*DriftAsked.__annotations__, "fields", "content"])
    columns = asked.get("columns")
    return Thresholds(
        level=asked.get("level", LEVEL), psi=asked.get("psi", PSI_MIN), js=asked.get("js", 0.0),
        correction=asked.get("correction", "holm"),
        columns=None if columns is None else _listed(columns),
        ignore=_listed(asked.get("ignore", ())), selected=selected,
    )  # fmt: skip


def _listed(names: Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a column: examples, those without a value, and how the others spread.

    `counts` are by bin or by value; `rest` are rare values, `distinct` how many values there are.
    Of numbers `middle` is the median, the lower one of two.
    """

    examples: int
    missing: int
    counts: Counts
    rest: int = 0
    distinct: int | None = None
    middle: Any = None
    histogram: tuple[int, ...] = ()

    @property
    def presence(self) -> Counts:
        """How many examples have a value, and how many have none."""
        return {True: self.examples - self.missing, False: self.missing}


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """How a column differs between two sides.

    `kind` is "number", "time", "category", or "text", of which the lengths are compared. Numbers
    are counted by bins whose upper ends are `edges` (all but the last bin have one): tenths of A.
    For looking at, `histogram` of each side counts them by even bins with the ends
    `histogram_edges`. `measures` are by name; the first one decides, and `corrected` is its p-value
    with regard to all columns: None when it has none. `presence` has the measures of how many
    examples have a value, `corrected_presence` their p-value.
    """

    column: str
    kind: str
    a: Side
    b: Side
    edges: tuple[float, ...]
    measures: Mapping[str, Measure]
    corrected: float | None = None
    presence: Mapping[str, Measure] = field(default_factory=dict)
    corrected_presence: float | None = None
    histogram_edges: tuple[float, ...] = ()

    def drifted(self, at: Thresholds | None = None) -> bool:
        """Tells whether its values, or how many there are, differ by more than the thresholds."""
        return self.values_drifted(at) or self.presence_drifted(at)

    def values_drifted(self, at: Thresholds | None = None) -> bool:
        """Tells whether its values differ by more than the thresholds."""
        return _beyond(self.corrected, self.measures, at or Thresholds())

    def presence_drifted(self, at: Thresholds | None = None) -> bool:
        """Tells whether the share of examples without a value differs by more than those."""
        return _beyond(self.corrected_presence, self.presence, at or Thresholds())


@dataclass(frozen=True, slots=True)
class Drift:
    """What a comparison of two tables found; `columns` are labels, size, time, attributes."""

    columns: tuple[ColumnDrift, ...]
    thresholds: Thresholds
    examples: tuple[int, int]

    @property
    def moved(self) -> tuple[ColumnDrift, ...]:
        """The columns that drifted, whether they decide or not."""
        return tuple(each for each in self.columns if each.drifted(self.thresholds))

    @property
    def drifted(self) -> bool:
        """Whether a column drifted that counts for the verdict."""
        return any(self.thresholds.decides(each.column) for each in self.moved)


def judged(a: Columns, b: Columns, at: Thresholds | None = None) -> Drift:
    """Compares two tables, A the reference, and judges them by thresholds.

    Raises NotFound for a column that neither has.
    """
    at = at or Thresholds()
    a, b = both_looked_at(a, b)
    known = names_in(a, b)
    at = replace(
        at,
        ignore=tuple(known_column(name, known) for name in at.ignore),
        selected=tuple(full for name in at.selected for full in (name, f"attr.{name}")
                       if full in known),
    )  # fmt: skip
    if at.columns is not None:
        at = replace(at, columns=tuple(known_column(name, known) for name in at.columns))
    return Drift(tuple(drift(a, b, at.correction)), at, (a.num_rows, b.num_rows))


def _require_correction(correction: str) -> None:
    if correction not in _CORRECTIONS:
        raise InvalidInput(f"{printable(correction)} is no correction: {', '.join(_CORRECTIONS)}")


def drift(a: Columns, b: Columns, correction: str = "holm") -> list[ColumnDrift]:
    """Compares two tables of examples: labels, sizes, times, and attributes and fields of either.

    A is the reference: its tenths are the bins. An example with two labels counts once for each of
    them. Raises InvalidInput for a correction that is neither "holm" nor "benjamini-hochberg".
    """
    _require_correction(correction)

    def compared(name: str) -> ColumnDrift:
        return _compared(name, sample_of(a, name), sample_of(b, name))

    # Sorting is nearly all of the work, and Arrow lets other threads run meanwhile.
    with ThreadPoolExecutor(min(4, pa.cpu_count())) as pool:
        found = list(pool.map(compared, names_in(a, b)))
    return _corrected(found, correction)


def _corrected(found: Sequence[ColumnDrift], correction: str) -> list[ColumnDrift]:
    """Corrects the p-values of all columns together: of their values and of their presence."""
    raw = [_p_value(each.measures) for each in found] + [_p_value(each.presence) for each in found]
    known = [p_value for p_value in raw if p_value is not None]
    corrected = iter(_CORRECTIONS[correction](known))
    told = [None if p_value is None else next(corrected) for p_value in raw]
    pairs = zip(found, told[: len(found)], told[len(found) :], strict=True)
    return [
        replace(each, corrected=values, corrected_presence=presence)
        for each, values, presence in pairs
    ]


def _p_value(measures: Mapping[str, Measure]) -> float | None:
    return next((each.p_value for each in measures.values()), None)


def _beyond(corrected: float | None, measures: Mapping[str, Measure], at: Thresholds) -> bool:
    if corrected is None or corrected >= at.level:
        return False
    return _at_least(measures["psi"], at.psi) and _at_least(measures["jensen_shannon"], at.js)


def _at_least(measure: Measure, least: float) -> bool:
    return measure.statistic is not None and measure.statistic >= least


def _compared(name: str, a: Any, b: Any) -> ColumnDrift:
    kind = kind_of(a, b)
    found = _categories(name, a, b) if kind == CATEGORY else _numbers(name, kind, a, b)
    if not (found.a.missing or found.b.missing):
        return found
    return replace(found, presence=_counts_compared(found.a.presence, found.b.presence))


def _numbers(name: str, kind: str, a: Any, b: Any) -> ColumnDrift:
    numbers = [numbers_of(column, kind) for column in (a, b)]
    edges, even = tuple(bin_edges(numbers[0])), tuple(even_edges(*numbers))
    sides = [
        Side(
            len(column), without_value(column), binned(column, edges), middle=median(column),
            histogram=tuple(binned(column, even).values()),
        )
        for column in numbers
    ]  # fmt: skip
    first, second = (side.counts for side in sides)
    smirnov, darling = both_tests(*numbers)
    measures = {
        "kolmogorov_smirnov": smirnov,
        "anderson_darling": darling,
        "jensen_shannon": jensen_shannon(first, second),
        "psi": population_stability(first, second),
    }
    return ColumnDrift(
        column=name, kind=kind, a=sides[0], b=sides[1], edges=edges, measures=measures,
        histogram_edges=even,
    )  # fmt: skip


def _categories(name: str, a: Any, b: Any) -> ColumnDrift:
    counted = categories_of(a, b)
    sides = [
        Side(len(column), without_value(column), found.counts, found.rest, found.distinct)
        for column, found in zip((a, b), counted, strict=True)
    ]
    # The rare values are one category, under a key that no value has.
    first, second = ({**side.counts, **({None: side.rest} if side.rest else {})} for side in sides)
    return ColumnDrift(
        column=name, kind=CATEGORY, a=sides[0], b=sides[1], edges=(),
        measures=_counts_compared(first, second),
    )  # fmt: skip


def _counts_compared(a: Counts, b: Counts) -> dict[str, Measure]:
    return {
        "chi_square": chi_square(a, b),
        "jensen_shannon": jensen_shannon(a, b),
        "psi": population_stability(a, b),
    }
