"""Finding the objects that are nearly the same among some, by fingerprints that are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dsm.near import images, texts
from dsm.near.fingerprints import IMAGE, KINDS, NONE, fingerprint
from dsm.near.kept import SCHEMA, KeptFingerprints
from dsm.progress import SILENT, Progress
from dsm.repo.repository import Repository
from dsm.store.objects import ObjectStore

OBJECT_BYTES_MAX = 64 << 20  # a larger one has no fingerprint
_KEPT_ROWS = 1 << 15  # made before they are kept: what an interruption may cost


@dataclass(frozen=True, slots=True)
class Near:
    """Which of n objects are nearly the same.

    `leaders` has for each object the first one with the same fingerprint (itself, if no other has
    it), or -1 for one that has none. `pairs` are (leader, leader, likeness up to 1).
    """

    leaders: list[int]
    pairs: list[tuple[int, int, float]]

    @property
    def without(self) -> int:
        """How many objects have no fingerprint: they are neither text nor pictures."""
        return self.leaders.count(-1)


def find(repository: Repository, objects: pa.Array, progress: Progress = SILENT) -> Near:
    """Finds the near ones among distinct objects. Raises what reading objects raises."""
    kinds, prints = _fingerprints(repository, objects, progress)
    leaders: Any = np.full(len(objects), -1, np.int64)
    pairs: list[tuple[int, int, float]] = []
    for kind in KINDS[IMAGE:]:
        mine = np.flatnonzero(kinds == kind)
        if not len(mine):
            continue
        encoded = prints.take(_as_arrow(mine)).dictionary_encode()
        codes = _as_numpy(encoded.indices.cast(pa.int64()), np.int64)
        _, first = np.unique(codes, return_index=True)  # codes count up as they come
        heads = mine[first]
        leaders[mine] = heads[codes]
        values = _rows_of(encoded.dictionary, np.uint8 if kind == IMAGE else np.dtype("<u4"))
        if kind == IMAGE:
            shows = np.flatnonzero(~images.is_blank(values))
            one, other, alike = images.near_pairs(values[shows])
            one, other = shows[one], shows[other]
        else:
            read = _reader(repository.store, objects, heads)
            one, other, alike = texts.near_pairs(values, read)
        pairs += zip(heads[one].tolist(), heads[other].tolist(), alike.tolist(), strict=True)
    return Near(leaders.tolist(), pairs)


def _reader(store: ObjectStore, objects: pa.Array, heads: Any) -> Any:
    def read(row: int) -> bytes:
        return _whole(store, objects[int(heads[row])].as_py()) or b""

    return read


def _fingerprints(
    repository: Repository, objects: pa.Array, progress: Progress
) -> tuple[Any, pa.Array]:
    """Returns kind and fingerprint of each object; those that are not kept are made and kept."""
    kept = KeptFingerprints(repository.layout)
    known = kept.table()
    there = pc.index_in(objects, value_set=known.column("object").combine_chunks())
    unknown = objects.filter(pc.is_null(there))
    made = []
    progress.start("looking for near-duplicates", files=len(unknown))
    for table in _made(repository.store, unknown, progress):
        kept.add(table)
        made.append(table)
    progress.finish()
    if made:
        known = pa.concat_tables([known, *made])
        there = pc.index_in(objects, value_set=known.column("object").combine_chunks())
    found = known.select(["kind", "fingerprint"]).take(there)
    kinds = _as_numpy(found.column("kind").combine_chunks(), np.uint8)
    prints = found.column("fingerprint").combine_chunks()
    return kinds, prints


def _made(store: ObjectStore, objects: pa.Array, progress: Progress) -> Iterator[pa.Table]:
    """Makes the fingerprints of objects, some at a time."""
    for at in range(0, len(objects), _KEPT_ROWS):
        oids: Iterable[bytes] = objects.slice(at, _KEPT_ROWS).to_pylist()
        rows: list[tuple[bytes, int, bytes]] = []
        for oid, data in store.read_many(oids):
            whole = _large(store, oid) if data is None else data
            rows.append((oid, *((NONE, b"") if whole is None else fingerprint(whole))))
            progress.advance(files=1)
        yield pa.table(list(zip(*rows, strict=True)), schema=SCHEMA)


def _whole(store: ObjectStore, oid: bytes) -> bytes | None:
    data = store.read_small(oid)
    return _large(store, oid) if data is None else data


def _large(store: ObjectStore, oid: bytes) -> bytes | None:
    with store.open(oid) as file:
        data = file.read(OBJECT_BYTES_MAX + 1)
    return None if len(data) > OBJECT_BYTES_MAX else data


# Arrow may have been loaded without NumPy: then it makes no arrays of it, but memory is memory.


def _as_arrow(numbers: Any) -> pa.Array:
    numbers = np.ascontiguousarray(numbers, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def _as_numpy(column: pa.Array, kind: Any) -> Any:
    if not len(column):
        return np.empty(0, kind)
    return np.frombuffer(column.buffers()[1], kind)[column.offset : column.offset + len(column)]


def _rows_of(column: pa.Array, kind: Any) -> Any:
    """Returns values of equally many bytes as the rows of an array."""
    ends = _as_numpy(
        pa.Array.from_buffers(
            pa.int32(), len(column) + 1, [None, column.buffers()[1]], offset=column.offset
        ),
        np.int32,
    )
    data = np.frombuffer(column.buffers()[2], np.uint8)[ends[0] : ends[-1]]
    return data.view(kind).reshape(len(column), -1)
