"""What differs between the examples of two views, column by column.

Of one history, a row of a snapshot is known by its path and the changeset that put it, so only
paths whose changesets differ are looked at closely. No Python object is made for an example that
both views hold unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import InvalidInput
from dsm.format.manifest import ATTRIBUTE
from dsm.model.queries import QueryChange, query_changes
from dsm.views.selection.selection import Selection

# What can differ in an example that both views hold, the gravest first.
ASPECTS = ("content", "labels", "attributes", "time", "annotation")


@dataclass(frozen=True, slots=True)
class ViewDiff:
    """What turns view `a` into view `b`; every table is sorted by path.

    `added` are rows of `b`, `dropped` rows of `a`; `before` and `after` are the rows of the changed
    examples, one beside the other, and `changed` says for each aspect in which of them it differs.
    """

    a: Selection
    b: Selection
    added: pa.Table
    dropped: pa.Table
    before: pa.Table
    after: pa.Table
    changed: dict[str, pa.ChunkedArray]

    @property
    def counts(self) -> dict[str, int]:
        """How many examples are added, dropped and changed."""
        return {
            "added": self.added.num_rows, "dropped": self.dropped.num_rows,
            "changed": self.before.num_rows,
        }  # fmt: skip

    @property
    def queries(self) -> list[QueryChange]:
        """What happened to the queries that the views read."""
        before, after = (
            {each.query.name: each.query.to_json() for each in view.queries}
            for view in (self.a, self.b)
        )
        return query_changes(before, after)

    @property
    def same(self) -> bool:
        """Whether stored examples and queries are the same; rows may differ all the same."""
        return not any(self.counts.values()) and not self.queries

    def aspects(self, start: int = 0, stop: int | None = None) -> list[tuple[str, ...]]:
        """Returns, for each changed example of a range, the aspects in which it differs."""
        columns = [
            self.changed[aspect][start:stop].to_pylist() if self.before.num_rows else []
            for aspect in ASPECTS
        ]
        return [
            tuple(aspect for aspect, differs in zip(ASPECTS, row, strict=True) if differs)
            for row in zip(*columns, strict=True)
        ]


def compare(a: Selection, b: Selection) -> ViewDiff:
    """Compares the examples of two views of one dataset, by path. Raises InvalidInput."""
    if a.query.dataset != b.query.dataset:
        raise InvalidInput(
            f"the views are of two datasets, {a.dataset} and {b.dataset}",
            hint="views of one dataset can be compared; `dsm view list` lists them",
        )
    first, second = a.table(), b.table()
    if a.version == b.version:
        second = first
    # Where each example of A stands in B.
    found = pc.index_in(first.column("path"), value_set=one_array(second.column("path")))
    shared = pc.is_valid(found)
    dropped = first.filter(pc.invert(shared))
    both = first.num_rows - dropped.num_rows
    added = second.slice(0, 0)
    if both < second.num_rows:
        known = pc.is_in(second.column("path"), value_set=one_array(first.column("path")))
        added = second.filter(pc.invert(known))
    # The same changeset put the same row.
    numbers = second.column("changeset").take(found)
    other = pc.not_equal(numbers, first.column("changeset")).fill_null(False)
    before, after = first.filter(other), second.take(found.filter(other))
    changed = _changed(before, after)
    any_ = changed[ASPECTS[0]]
    for aspect in ASPECTS[1:]:
        any_ = pc.or_(any_, changed[aspect])
    return ViewDiff(
        a=a,
        b=b,
        added=added,
        dropped=dropped,
        before=before.filter(any_),
        after=after.filter(any_),
        changed={aspect: mask.filter(any_) for aspect, mask in changed.items()},
    )


def _changed(before: pa.Table, after: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Tells for each aspect in which rows it differs."""
    attributes = pa.chunked_array([pa.repeat(False, before.num_rows)])
    names = {n for t in (before, after) for n in t.column_names if n.startswith(ATTRIBUTE)}
    for name in sorted(names):
        attributes = pc.or_(attributes, _differs(_column(before, name), _column(after, name)))
    return {
        "content": _differs(before.column("object"), after.column("object")),
        "labels": _differs(_joined(before), _joined(after)),
        "attributes": attributes,
        "time": _differs(before.column("time"), after.column("time")),
        "annotation": _differs(before.column("annotation"), after.column("annotation")),
    }


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """An attribute's values; nulls when no example of the table's changesets has it."""
    if name in table.column_names:
        return table.column(name)
    return pa.chunked_array([pa.nulls(table.num_rows)])


def _joined(table: pa.Table) -> pa.ChunkedArray:
    """The labels of each row as one text; no label holds the character between them."""
    lists = table.column("labels").cast(pa.list_(pa.string()))
    return pc.binary_join(lists, "\n").fill_null("")


def _differs(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_null(left.type) or pa.types.is_null(right.type):
        return pc.not_equal(pc.is_null(left), pc.is_null(right))
    if left.type != right.type:  # an attribute that was widened from int to float
        left, right = (c.cast(pa.float64(), safe=False) for c in (left, right))
    same = pc.equal(left, right).fill_null(False)
    return pc.invert(pc.or_(same, pc.and_(pc.is_null(left), pc.is_null(right))))


def one_array(column: pa.ChunkedArray) -> Any:
    """Returns a column as one array, to look values up in."""
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
