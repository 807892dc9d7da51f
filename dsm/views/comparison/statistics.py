"""A view's classes, sizes and times at a glance, summed up column by column."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dsm.model.timespec import EARLIEST_US, format_time, parse_instant
from dsm.views.selection.classes import NO_CLASS

if TYPE_CHECKING:
    from dsm.views.selection.classes import ClassList

BINS_MAX = 16
_SECOND = 1_000_000
_HOUR, _DAY = 3600 * _SECOND, 86_400 * _SECOND
# Widths of bins that people read: unit, how many of it, and its length in microseconds; months and
# years, whose length differs, in months.
_EVEN = (
    ("second", 1, _SECOND), ("second", 10, _SECOND), ("minute", 1, 60 * _SECOND),
    ("minute", 10, 60 * _SECOND), ("hour", 1, _HOUR), ("hour", 6, _HOUR), ("day", 1, _DAY),
    ("week", 1, 7 * _DAY),
)  # fmt: skip
_UNEVEN = (
    ("month", 1, 1), ("month", 3, 1), ("year", 1, 12), ("year", 10, 12), ("year", 100, 12),
    ("year", 1000, 12),
)  # fmt: skip
_DIGITS = {"second": 19, "minute": 16, "hour": 16, "day": 10, "week": 10, "month": 7, "year": 4}


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """How many examples each class has; `without` have none, or several.

    `names` are in the order of their indices.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    without: int

    @property
    def weights(self) -> tuple[float, ...]:
        """The weight of each class in a loss: n / (k * count), with which all k count alike.

        n examples have one of the k classes that have examples; a class without any has 0.0.
        As `class_weight="balanced"` of scikit-learn, after King and Zeng, "Logistic Regression in
        Rare Events Data" (2001).
        """
        total, present = sum(self.counts), sum(count > 0 for count in self.counts)
        return tuple(total / (present * count) if count else 0.0 for count in self.counts)


def class_figures(table: pa.Table, classes: ClassList) -> ClassFigures:
    """Returns how the examples of a table are spread over classes."""
    found = Counter(classes.of(table))
    without = found.pop(NO_CLASS, 0)
    counts = tuple(found[index] for index in range(len(classes.names)))
    return ClassFigures(classes.names, counts, without)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of examples in bytes; `median` is the lower one of two."""

    least: int
    median: int
    greatest: int
    total: int


@dataclass(frozen=True, slots=True)
class Bin:
    """How many examples have a time from `start` on (microseconds UTC) until the next bin."""

    start: int
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Examples by time, empty bins too; a bin is `width` `unit`s of the calendar, in UTC."""

    width: int
    unit: str
    bins: tuple[Bin, ...]


def sizes(table: pa.Table) -> Sizes | None:
    """Returns the sizes of a view's examples; None when it has none."""
    column = table.column("size")
    if not len(column):
        return None
    ends = pc.min_max(column).as_py()
    median = pc.quantile(column, 0.5, interpolation="lower")[0].as_py()
    return Sizes(ends["min"], int(median), ends["max"], pc.sum(column).as_py())


def times(table: pa.Table, bins_max: int = BINS_MAX) -> Histogram | None:
    """Counts a view's examples by time in at most so many bins; None when it has none."""
    column = table.column("time").cast(pa.int64())
    if not len(column):
        return None
    # Counted from the first day of all, a Monday, nothing is negative.
    since_first = pc.subtract(column, EARLIEST_US)
    local = column.cast(pa.timestamp("us"))  # without a zone, which Arrow would have to look up
    months = pc.add(pc.multiply(pc.year(local), 12), pc.subtract(pc.month(local), 1))
    for values, widths in ((since_first, _EVEN), (months, _UNEVEN)):
        ends = pc.min_max(values).as_py()
        for unit, number, length in widths:
            step = number * length
            first, last = ends["min"] // step, ends["max"] // step
            if last - first < bins_max:
                counts = _counted(pc.divide(values, step))
                bins = (
                    Bin(
                        start := _start(unit, index * step),
                        _label(unit, start),
                        counts.get(index, 0),
                    )
                    for index in range(first, last + 1)
                )
                return Histogram(number, unit, tuple(bins))
    raise ValueError(f"{bins_max} bins are too few")


def _counted(column: pa.ChunkedArray) -> dict[int, int]:
    found = pc.value_counts(column)
    values, counts = found.field("values").to_pylist(), found.field("counts").to_pylist()
    return dict(zip(values, counts, strict=True))


def _start(unit: str, value: int) -> int:
    if unit in ("month", "year"):
        year, month = divmod(value, 12)
        # The first years of all are of the decade 0.
        return parse_instant(f"{max(year, 1):04}-{month + 1:02}")
    return EARLIEST_US + value


def _label(unit: str, start: int) -> str:
    """Returns "2026-01", "2026-01-31 08:00": no more digits than the unit needs."""
    return format_time(start)[: _DIGITS[unit]].replace("T", " ")
