"""What a split makes of a snapshot: its parts by size and label, who moved, and what leaks.

Column by column; no Python object is made for an example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dsm.near.sides import NearRows, across
from dsm.views.filters.filter import Stored
from dsm.views.filters.label_counts import counts
from dsm.views.filters.split_definition import NOT, HashSplit, Split, filter_of

if TYPE_CHECKING:
    from dsm.near.find import Near

LEAKS_MAX = 1000


@dataclass(frozen=True, slots=True)
class PartFigures:
    """A part of a split in a snapshot: `share` is what it is to have, None where time decides."""

    name: str
    share: Fraction | None
    examples: int
    size: int
    labels: dict[str, int]


@dataclass(frozen=True, slots=True)
class Leak:
    """One object that lies on several sides: `places` are (part, path), the first few of them."""

    object: str
    examples: int
    places: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NearLeak:
    """An example, and one in another part that is nearly the same, by (part, path).

    `likeness` is at most 1.
    """

    one: tuple[str, str]
    other: tuple[str, str]
    likeness: float


@dataclass(frozen=True, slots=True)
class NearLeakage:
    """Examples with a near-duplicate in another part: how many, the first of them.

    `unknown` is the number of objects that are neither pictures nor texts.
    """

    examples: int
    leaks: tuple[NearLeak, ...]
    unknown: int


@dataclass(frozen=True, slots=True)
class Leakage:
    """Objects with examples in several parts: how many, how many examples, the first of them.

    `near` tells of near-duplicates where these were asked for.
    """

    objects: int
    examples: int
    leaks: tuple[Leak, ...]
    near: NearLeakage | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing of what was looked for lies in several parts."""
        return not self.objects and (self.near is None or not self.near.examples)


@dataclass(frozen=True, slots=True)
class Partition:
    """A split of the snapshot of changeset `number`.

    `outside` are in no part; `alone` lack the attribute that groups, so that each is drawn by its
    path. `labels` are those of the whole snapshot.
    """

    number: int
    parts: tuple[PartFigures, ...]
    examples: int
    outside: int
    alone: int
    labels: dict[str, int]


def assigned(split: Split, name: str, stored: Stored, table: pa.Table) -> pa.Array:
    """Returns for each row the place of its part among those of the split; null for none."""
    found = pa.nulls(table.num_rows, pa.int32())
    for place, part in enumerate(split.names):
        mask = _in_part(split, name, part, stored, table)
        found = pc.if_else(mask, pa.scalar(place, pa.int32()), found)
    return found


def fold_positions(
    split: Split, name: str, stored: Stored, table: pa.Table
) -> Iterator[tuple[pa.Array, pa.Array]]:
    """Yields for each part the rows to train on, which are not in it, and those of the part."""
    for part in split.names:
        masks = (_in_part(split, name, each, stored, table) for each in (f"{NOT}{part}", part))
        train, test = (pc.indices_nonzero(mask).cast(pa.int64()) for mask in masks)
        yield train, test


def _in_part(split: Split, name: str, part: str, stored: Stored, table: pa.Table) -> pa.Array:
    """Returns the mask of the rows in a part."""
    asked = filter_of(split, name, part)
    if asked is None:
        return pa.repeat(pa.scalar(True), table.num_rows)
    first, *rest = asked.bound(stored).clauses()
    mask = first.mask(table)
    for clause in rest:
        mask = pc.and_(mask, clause.mask(table))
    return mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask


def partition(split: Split, name: str, stored: Stored, table: pa.Table, number: int) -> Partition:
    """Returns what a split makes of the rows of a snapshot."""
    places = assigned(split, name, stored, table)
    shares = split.shares() if isinstance(split, HashSplit) else {}
    parts = []
    for place, part in enumerate(split.names):
        rows = table.select(["size", "labels"]).filter(pc.equal(places, place))
        size = pc.sum(rows.column("size")).as_py() or 0
        parts.append(PartFigures(part, shares.get(part), rows.num_rows, size, counts(rows)))
    alone = 0
    if isinstance(split, HashSplit) and split.by.startswith("attr."):
        known = split.by in table.column_names
        alone = table.column(split.by).null_count if known else table.num_rows
    return Partition(
        number, tuple(parts), table.num_rows, places.null_count, alone, counts(table)
    )  # fmt: skip


def moved(
    split: Split, name: str, stored: Stored, before: pa.Table, after: pa.Table
) -> dict[tuple[str, str], int]:
    """Counts the examples of two snapshots that went from one part to another one, by the two."""
    old, new = (assigned(split, name, stored, table) for table in (before, after))
    at = pc.index_in(before.column("path"), value_set=after.column("path").combine_chunks())
    at = at.combine_chunks()
    there = pc.is_valid(at)
    pairs = pa.table({"old": old.filter(there), "new": new.take(at.filter(there))})
    found = pairs.filter(pc.not_equal(pairs.column("old"), pairs.column("new")))
    told = found.group_by(["old", "new"]).aggregate([([], "count_all")]).to_pylist()
    return {
        (split.names[row["old"]], split.names[row["new"]]): row["count_all"]
        for row in sorted(told, key=lambda row: (row["old"], row["new"]))
    }


def leakage(split: Split, name: str, stored: Stored, table: pa.Table) -> Leakage:
    """Finds the objects that examples of several parts have."""
    places = assigned(split, name, stored, table)
    rows = table.select(["object", "path"]).append_column("part", places)
    rows = rows.filter(pc.is_valid(places)).set_column(
        0, "object", rows.filter(pc.is_valid(places)).column("object").cast(pa.binary())
    )
    each = rows.group_by("object").aggregate([("part", "min"), ("part", "max")])
    leaking = each.filter(pc.not_equal(each.column("part_min"), each.column("part_max")))
    wanted = leaking.column("object").combine_chunks()
    found = rows.filter(pc.is_in(rows.column("object"), value_set=wanted))
    found = found.take(pc.sort_indices(found, [("object", "ascending"), ("path", "ascending")]))
    leaks: list[Leak] = []
    places_of: dict[bytes, list[tuple[str, str]]] = {}
    for row in found.slice(0, 10 * LEAKS_MAX).to_pylist():
        places_of.setdefault(row["object"], []).append((split.names[row["part"]], row["path"]))
    for oid, told in list(places_of.items())[:LEAKS_MAX]:
        leaks.append(Leak(oid.hex(), len(told), tuple(told[:10])))
    return Leakage(len(wanted), found.num_rows, tuple(leaks))


def _each_pair_once(found: list[NearRows]) -> list[NearRows]:
    pairs = {(each.row, each.other) for each in found}
    return [each for each in found if each.row < each.other or (each.other, each.row) not in pairs]


def near_leakage(
    split: Split, name: str, stored: Stored, table: pa.Table, find: Callable[[pa.Array], Near]
) -> NearLeakage:
    """Finds the examples that have a near-duplicate in another part; `find` finds near objects."""
    places = assigned(split, name, stored, table)
    rows = table.select(["object", "path"]).filter(pc.is_valid(places))
    parts = [split.names[place] for place in places.drop_null().to_pylist()]
    encoded = rows.column("object").combine_chunks().dictionary_encode()
    near = find(encoded.dictionary)
    found = across(near, encoded.indices.to_pylist(), parts)
    paths = rows.column("path")
    leaks = tuple(
        NearLeak(
            (parts[each.row], paths[each.row].as_py()),
            (parts[each.other], paths[each.other].as_py()),
            each.likeness,
        )
        for each in _each_pair_once(found)[:LEAKS_MAX]
    )
    return NearLeakage(len(found), leaks, near.without)
