"""Which columns of two tables drifted: the measures of `two_samples.py` for each, corrected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.statistics.probability import benjamini_hochberg, holm
from dsm.statistics.two_samples import (
    Counts,
    Measure,
    bin_edges,
    binned,
    both_tests,
    chi_square,
    counts_of,
    jensen_shannon,
    missing,
    population_stability,
)

LEVEL = 0.05
ATTRIBUTE = "attr."
_CORRECTIONS = {"holm": holm, "benjamini-hochberg": benjamini_hochberg}


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a column: examples, those without a value, and how the others spread."""

    examples: int
    missing: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """How a column differs between two sides.

    `kind` is "number" or "category"; numbers are counted by bins whose upper ends are `edges`
    (all but the last bin have one), categories by value. `measures` are by name; the first one
    decides, and `corrected` is its p-value with regard to all columns: None when it has none.
    """

    column: str
    kind: str
    a: Side
    b: Side
    edges: tuple[float, ...]
    measures: Mapping[str, Measure]
    corrected: float | None = None

    def drifted(self, level: float = LEVEL) -> bool:
        """Tells whether so much difference is less likely than `level` by chance."""
        return self.corrected is not None and self.corrected < level


def drift(a: pa.Table, b: pa.Table, correction: str = "holm") -> list[ColumnDrift]:
    """Compares two tables of views: labels, sizes, times, and the attributes of either.

    A is the reference: its tenths are the bins. An example with two labels counts once for each of
    them. Raises ValueError for a correction that is neither "holm" nor "benjamini-hochberg".
    """
    if correction not in _CORRECTIONS:
        raise ValueError(f"{correction} is no correction: {', '.join(_CORRECTIONS)}")
    names = {name for t in (a, b) for name in t.column_names if name.startswith(ATTRIBUTE)}
    found = [
        _compared(name, _column(a, name), _column(b, name))
        for name in ("labels", "size", "time", *sorted(names))
    ]
    tested = [i for i, each in enumerate(found) if _p_value(each) is not None]
    corrected = _CORRECTIONS[correction]([_p_value(found[i]) or 0.0 for i in tested])
    for i, p_value in zip(tested, corrected, strict=True):
        found[i] = replace(found[i], corrected=p_value)
    return found


def _p_value(column: ColumnDrift) -> float | None:
    return next(iter(column.measures.values())).p_value


def _column(table: pa.Table, name: str) -> Any:
    """A column in a form that is compared; nulls for an attribute that no example here has."""
    if name not in table.column_names:
        return pa.nulls(table.num_rows)
    column = table.column(name)
    return column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column


def _compared(name: str, a: Any, b: Any) -> ColumnDrift:
    if all(_is_number(column.type) or pa.types.is_null(column.type) for column in (a, b)):
        return _numbers(name, *(_typed(column) for column in (a, b)))
    return _categories(name, a, b)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _typed(column: Any) -> Any:
    return column.cast(pa.int64()) if pa.types.is_null(column.type) else column


def _numbers(name: str, a: Any, b: Any) -> ColumnDrift:
    edges = tuple(bin_edges(a))
    sides = [Side(len(column), missing(column), binned(column, edges)) for column in (a, b)]
    first, second = (side.counts for side in sides)
    smirnov, darling = both_tests(a, b)
    measures = {
        "kolmogorov_smirnov": smirnov,
        "anderson_darling": darling,
        "jensen_shannon": jensen_shannon(first, second),
        "psi": population_stability(first, second),
    }
    return ColumnDrift(
        column=name, kind="number", a=sides[0], b=sides[1], edges=edges, measures=measures
    )


def _categories(name: str, a: Any, b: Any) -> ColumnDrift:
    sides = [_categories_of(column) for column in (a, b)]
    first, second = (side.counts for side in sides)
    measures = {
        "chi_square": chi_square(first, second),
        "jensen_shannon": jensen_shannon(first, second),
        "psi": population_stability(first, second),
    }
    return ColumnDrift(
        column=name, kind="category", a=sides[0], b=sides[1], edges=(), measures=measures
    )


def _categories_of(column: Any) -> Side:
    """Counts texts, truth values and labels; what is a number on the other side only, as text."""
    if pa.types.is_list(column.type):
        without = len(column) - (pc.sum(pc.greater(pc.list_value_length(column), 0)).as_py() or 0)
        return Side(len(column), without, counts_of(pc.list_flatten(column)))
    counts = {} if pa.types.is_null(column.type) else counts_of(column)
    return Side(len(column), missing(column), {_text(v): n for v, n in counts.items()})


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
