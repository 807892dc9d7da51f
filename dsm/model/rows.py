"""Rows of a manifest or of the stage, as columns: a row object per example would cost too much.

All columns have one item per row. A row either puts an example or deletes one (then `oids` holds
None and the other columns hold blanks).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from itertools import islice
from operator import lt
from typing import Any

from dsm.model.attribute_columns import AttributeColumns
from dsm.model.example import Attributes, Example
from dsm.model.ids import Ids

ADDED, MODIFIED, RELABELLED, DELETED, FORGET = "A", "M", "L", "D", "F"
KIND_NAMES = {ADDED: "added", MODIFIED: "modified", RELABELLED: "relabelled", DELETED: "deleted"}
NOTHING: Attributes = {}


_SHARED = 1 << 16


@cache
def _small() -> list[int]:
    return list(range(_SHARED))


def shared(values: Iterable[int]) -> list[int]:
    """Returns numbers, of which equal small ones are one object: millions then take less memory."""
    small = _small()
    return [small[value] if 0 <= value < _SHARED else value for value in values]


@dataclass(slots=True)
class Rows:
    """Columns. `kinds` says what a row does to the snapshot before it: A, M, L or D; in the stage
    also F, which forgets an earlier staged row. Sizes in bytes, times in microseconds UTC;
    `times_given` and `records` as an example has them, the latter also where a row deletes."""

    paths: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    oids: list[bytes | None] | Ids = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    labels: list[tuple[str, ...]] = field(default_factory=list)
    annotations: list[str | None] = field(default_factory=list)
    attributes: list[Attributes] | AttributeColumns = field(default_factory=list)
    times_given: list[bool] = field(default_factory=list)
    records: list[str | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.paths)

    def put(self, kind: str, example: Example) -> None:
        """Appends a row that puts an example."""
        self.paths.append(example.path)
        self.kinds.append(kind)
        self.oids.append(example.oid)
        self.sizes.append(example.size)
        self.times.append(example.time)
        self.labels.append(example.labels)
        self.annotations.append(example.annotation)
        self.attributes.append(example.attributes)
        self.times_given.append(example.time_given)
        self.records.append(example.records)

    def delete(self, path: str, kind: str = DELETED, records: str | None = None) -> None:
        """Appends a row that deletes an example (or, with kind F, forgets a staged row).

        `records` is that of what is deleted.
        """
        self.paths.append(path)
        self.kinds.append(kind)
        self.oids.append(None)
        self.sizes.append(0)
        self.times.append(0)
        self.labels.append(())
        self.annotations.append(None)
        self.attributes.append(NOTHING)
        self.times_given.append(False)
        self.records.append(records)

    def example(self, row: int) -> Example | None:
        """Returns the example that a row puts, or None for a row that deletes."""
        oid = self.oids[row]
        if oid is None:
            return None
        return Example(
            self.paths[row], oid, self.sizes[row], self.times[row], self.labels[row],
            self.attributes[row], self.annotations[row], self.times_given[row],
            self.records[row],
        )  # fmt: skip

    def change(self, row: int, example: Example) -> None:
        """Puts an example of the same path, in the place of what a row puts."""
        if isinstance(self.attributes, AttributeColumns):
            self.attributes = list(self.attributes)
        self.oids[row], self.sizes[row] = example.oid, example.size
        self.times[row], self.times_given[row] = example.time, example.time_given
        self.labels[row], self.annotations[row] = example.labels, example.annotation
        self.attributes[row], self.records[row] = example.attributes, example.records

    def take(self, rows: list[int]) -> Rows:
        """Returns the given rows, in that order."""
        columns: list[Any] = [
            column.take(rows)
            if isinstance(column, AttributeColumns | Ids)
            else [column[row] for row in rows]
            for column in self.columns()
        ]
        return Rows(*columns)

    def extend(self, other: Rows) -> None:
        """Appends all rows of another one."""
        if isinstance(other.oids, Ids):
            self.oids = Ids.of(self.oids)
        for mine, theirs in zip(self.columns(), other.columns(), strict=True):
            mine.extend(theirs)

    def absorb(self, other: Rows) -> None:
        """Appends all rows of another one that nobody uses any more: the first are not copied."""
        if len(self):
            self.extend(other)
            return
        for each in fields(self):
            setattr(self, each.name, getattr(other, each.name))

    def columns(self) -> tuple[Any, ...]:
        return (
            self.paths, self.kinds, self.oids, self.sizes, self.times, self.labels,
            self.annotations, self.attributes, self.times_given, self.records,
        )  # fmt: skip

    def sorted(self) -> Rows:
        """Returns the rows in the order of their paths' UTF-8 bytes."""
        paths = self.paths
        # Code point order is UTF-8 byte order, so strings compare as they are.
        if self.are_sorted():
            return self
        return self.take(sorted(range(len(paths)), key=paths.__getitem__))

    def are_sorted(self) -> bool:
        """Whether each path stands before the next one, so that none comes twice."""
        return all(map(lt, self.paths, islice(self.paths, 1, None)))

    def __iter__(self) -> Iterator[tuple[str, str, Example | None]]:
        for row, (path, kind) in enumerate(zip(self.paths, self.kinds, strict=True)):
            yield path, kind, self.example(row)
