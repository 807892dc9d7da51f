"""What named filters make of a snapshot: how much each takes, and what none or several take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations

import pyarrow as pa
import pyarrow.compute as pc

from dsm.model.target import LABELS
from dsm.views.filters.filter import Filter, Stored
from dsm.views.filters.keyed_hash import unit_texts
from dsm.views.filters.label_counts import counts

GROWTH_STEPS = 16


@dataclass(frozen=True, slots=True)
class SegmentFigures:
    """A segment in a snapshot of `of` examples.

    `times` are those of its oldest and newest example (microseconds UTC), None when it has none.
    `growth` tells at so many changesets (their numbers) how many of its examples, as they are now,
    had been put. `values` counts its examples by a value that was asked for.
    """

    name: str
    number: int
    of: int
    examples: int
    size: int
    labels: dict[str, int]
    times: tuple[int, int] | None
    growth: tuple[tuple[int, int], ...]
    values: dict[str, int] | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How segments lie over the examples of a snapshot.

    `none` are in no segment, `several` in more than one; `overlaps` counts those of two segments,
    the largest overlap first.
    """

    number: int
    examples: int
    none: int
    several: int
    overlaps: tuple[tuple[str, str, int], ...]


def mask_of(filters: Sequence[Filter], stored: Stored, table: pa.Table) -> pa.ChunkedArray:
    """Returns which rows all of the filters take."""
    mask = None
    for each in filters:
        for clause in each.bound(stored).clauses():
            passed = clause.mask(table)
            mask = passed if mask is None else pc.and_(mask, passed)
    return pa.chunked_array([pa.repeat(True, table.num_rows)]) if mask is None else mask


def figures(
    name: str,
    filters: Sequence[Filter],
    stored: Stored,
    table: pa.Table,
    number: int,
    by: str | None = None,
) -> SegmentFigures:
    """Returns the figures of a segment; `by` is `labels` or `attr.NAME`, whose values count."""
    wanted = ["size", "labels", "time", "changeset"]
    wanted += [by] if by not in (None, LABELS) and by in table.column_names else []
    rows = table.select(wanted).filter(mask_of(filters, stored, table))
    labels = counts(rows)
    values = None if by is None else labels if by == LABELS else _values(rows, by)
    ends = pc.min_max(rows.column("time").cast(pa.int64())).as_py()
    return SegmentFigures(
        name=name, number=number, of=table.num_rows, examples=rows.num_rows,
        size=pc.sum(rows.column("size")).as_py() or 0, labels=labels,
        times=None if ends["min"] is None else (ends["min"], ends["max"]),
        growth=_growth(rows, number), values=values,
    )  # fmt: skip


def coverage(
    segments: Mapping[str, Sequence[Filter]], stored: Stored, table: pa.Table, number: int
) -> Coverage:
    """Counts the examples of a snapshot that no segment takes, and those that several take."""
    masks = {name: mask_of(filters, stored, table) for name, filters in segments.items()}
    total = pa.chunked_array([pa.repeat(pa.scalar(0, pa.int32()), table.num_rows)])
    for mask in masks.values():
        total = pc.add(total, mask.cast(pa.int32()))
    pairs = [
        (one, two, pc.sum(pc.and_(masks[one], masks[two])).as_py() or 0)
        for one, two in combinations(sorted(masks), 2)
    ]
    overlaps = sorted((pair for pair in pairs if pair[2]), key=lambda pair: (-pair[2], pair))
    none, several = pc.equal(total, 0), pc.greater(total, 1)
    return Coverage(
        number, table.num_rows, pc.sum(none).as_py() or 0, pc.sum(several).as_py() or 0,
        tuple(overlaps),
    )  # fmt: skip


def _values(rows: pa.Table, column: str) -> dict[str, int]:
    found = pc.value_counts(unit_texts(rows, column))
    names, numbers = found.field("values").to_pylist(), found.field("counts").to_pylist()
    pairs = zip(("" if name is None else name for name in names), numbers, strict=True)
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _growth(rows: pa.Table, number: int) -> tuple[tuple[int, int], ...]:
    found = pc.value_counts(rows.column("changeset"))
    put = dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(),
                   strict=True))  # fmt: skip
    running = list(accumulate(put.get(each, 0) for each in range(1, number + 1)))
    steps = min(number, GROWTH_STEPS)
    at = [-(-step * number // steps) for step in range(1, steps + 1)]
    return tuple((each, running[each - 1]) for each in at)
