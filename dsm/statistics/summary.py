"""What a table of examples holds, column by column: counts, quantiles and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.statistics.samples import (
    CATEGORY,
    Columns,
    categories_of,
    even_edges,
    kind_of,
    known_column,
    looked_at,
    names_in,
    numbers_of,
    sample_of,
    without_value,
)
from dsm.statistics.two_samples import binned

SHARES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
NAMES = ("min", "p1", "p5", "p25", "median", "p75", "p95", "p99", "max")


@dataclass(frozen=True, slots=True)
class Numbers:
    """How numbers spread: by quantiles (each a value that occurs) and by even bins.

    `edges` are the upper ends of all bins but the last; the first and the last bin are open. Of
    times, numbers are microseconds UTC; of texts, characters. `mean` and `deviation` (that of a
    sample: divided by n - 1) are None of times, and where they are no finite numbers.
    """

    quantiles: tuple[Any, ...]
    mean: float | None
    deviation: float | None
    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One column: `examples`, how many of these have no value, and how the others spread.

    `kind` is "number", "time", "category" or "text". Categories have `counts`, the most frequent
    value first, `rest` for rare values beyond 1,000, and `distinct`; all others have `numbers`,
    None when no example has a value.
    """

    column: str
    kind: str
    examples: int
    missing: int
    distinct: int | None = None
    counts: tuple[tuple[str, int], ...] = ()
    rest: int = 0
    numbers: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The columns of a table: labels, size, time, then attributes and fields of records."""

    examples: int
    columns: tuple[ColumnSummary, ...]

    def __getitem__(self, name: str) -> ColumnSummary:
        """Returns a column by its name, such as "attr.width". Raises KeyError."""
        for each in self.columns:
            if each.column == name:
                return each
        raise KeyError(name)


def summarised(table: Columns, columns: Sequence[str] | None = None) -> Summary:
    """Returns what each column of a table of examples holds, or some; "width" is "attr.width".

    Raises NotFound for a column that it has not.
    """
    table = looked_at(table)
    names = names_in(table)
    if columns is not None:
        names = [known_column(name, names) for name in columns]
    return Summary(table.num_rows, tuple(_summary(table, name) for name in names))


def _summary(table: Columns, name: str) -> ColumnSummary:
    column = sample_of(table, name)
    kind = kind_of(column)
    missing = without_value(column)
    if kind == CATEGORY:
        (found,) = categories_of(column)
        ranked = sorted(found.counts.items(), key=lambda item: (-item[1], item[0]))
        return ColumnSummary(
            column=name, kind=kind, examples=table.num_rows, missing=missing,
            distinct=found.distinct, counts=tuple(ranked), rest=found.rest,
        )  # fmt: skip
    numbers = _numbers(numbers_of(column, kind), with_mean=kind != "time")
    return ColumnSummary(name, kind, table.num_rows, missing, numbers=numbers)


def _numbers(column: Any, *, with_mean: bool) -> Numbers | None:
    values = column.drop_null()
    if pa.types.is_floating(values.type):
        values = values.filter(pc.invert(pc.is_nan(values)))
    if not len(values):
        return None
    quantiles = pc.quantile(values, list(SHARES), interpolation="lower").to_pylist()
    mean = deviation = None
    if with_mean:
        mean = _finite(pc.mean(values).as_py())
        deviation = _finite(pc.stddev(values, ddof=1).as_py())
    edges = tuple(even_edges(values))
    counts = tuple(binned(values, edges).values())
    return Numbers(tuple(quantiles), mean, deviation, edges, counts)


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < float("inf") else None
