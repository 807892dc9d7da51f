"""The bytes of many examples, in the order of their rows, in bounded memory.

A batch is read in the order it lies on disk and handed out in the order of the rows. Invariant:
what is handed out is what the object's name says, and as long as the row says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from dsm.errors import DamagedData
from dsm.model.names import printable
from dsm.store.batch import NEIGHBOURS, expect, is_scattered, read_batch

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.store.objects import ObjectStore

CONTENT = "content"
BATCH_BYTES = 16 << 20
BATCH_EXAMPLES = 2048
# The same where each example lies in a compressed frame of its own, for whom of the next ones lie
# in the same frames.
SCATTERED_BYTES, SCATTERED_EXAMPLES = 64 << 20, 1 << 17
# What a writer collects before it hands it on.
WRITE_BYTES = 1 << 20

# The buffer that it is given is used again when it has returned: it must not keep it.
Write = Callable[[bytes | memoryview], object]
Counted = Callable[[int, int], object]


def uncounted(_examples: int, _size: int) -> None:
    """Counts nothing."""


def batches(sizes: Sequence[int], *, scattered: bool = False) -> Iterator[tuple[int, int]]:
    """Yields (first, past the last) row of batches that may be held in memory at once."""
    first = held = 0
    most, examples = (
        (SCATTERED_BYTES, SCATTERED_EXAMPLES) if scattered else (BATCH_BYTES, BATCH_EXAMPLES)
    )
    for row, size in enumerate(sizes):
        if row > first and (held + size > most or row - first >= examples):
            yield first, row
            first, held = row, 0
        held += size
    if first < len(sizes):
        yield first, len(sizes)


class Payloads:
    """The payloads of a table's rows; columns path, object and size.

    Rows that are not of the store bring their bytes along, in the column `content`.
    """

    def __init__(self, store: ObjectStore, table: pa.Table):
        self.store = store
        self.table = table
        self.sizes: list[int] = table.column("size").to_pylist()

    def part(self, first: int, end: int) -> Payloads:
        """Returns the payloads of some of the rows."""
        return Payloads(self.store, self.table.slice(first, end - first))

    def batches(self) -> Iterator[tuple[int, pa.Table, list[bytes | None]]]:
        """Yields (number of the first row, rows, their bytes); None stands for a large object."""
        brought = CONTENT in self.table.column_names
        scattered = not brought and len(self.sizes) > BATCH_EXAMPLES and self._scattered()
        for first, end in batches(self.sizes, scattered=scattered):
            rows = self.table.slice(first, end - first)
            if brought:
                yield first, rows, rows.column(CONTENT).to_pylist()
                continue
            sizes = self.sizes[first:end]
            content = read_batch(self.store, _hashes(rows), sizes)
            lengths = (
                [*map(len, content)]  # type: ignore[arg-type]
                if None not in content
                else [len(d) if d is not None else s for d, s in zip(content, sizes, strict=True)]
            )
            if lengths != sizes:
                row = next(n for n, d in enumerate(content) if d is not None and len(d) != sizes[n])
                raise _wrong_size(rows.column("path")[row].as_py(), sizes[row])
            yield first, rows, content

    def _scattered(self) -> bool:
        return is_scattered(self.store, _hashes(self.table.slice(0, NEIGHBOURS)))


def _hashes(rows: pa.Table) -> list[bytes]:
    from dsm.views.selection.columns import hashes  # loads Arrow, which a layout does without

    return hashes(rows.column("object"))


def pieces(store: ObjectStore, oid: bytes, path: str, size: int) -> Iterator[bytes]:
    """Yields the bytes of a large object piece by piece; they are as many as its row says."""
    left = size
    for piece in store.stream(oid):
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise _wrong_size(path, size)


def all_batches(
    store: ObjectStore, tables: Iterable[pa.Table]
) -> Iterator[tuple[Payloads, pa.Table, list[bytes | None]]]:
    """Yields (payloads of its table, rows, their bytes) of tables, one after the other."""
    for table in tables:
        payloads = Payloads(store, table)
        expect(store, table.num_rows, in_order=True)
        for _, rows, content in payloads.batches():
            yield payloads, rows, content


def _wrong_size(path: str, size: int) -> DamagedData:
    return DamagedData(f"{printable(path)} has not the {size} bytes that its changeset says")


class Collected:
    """Joins small pieces before they are written."""

    def __init__(self, write: Write):
        self._write = write
        self._parts: list[bytes] = []
        self._held = 0

    def add(self, parts: Sequence[bytes], size: int) -> None:
        """Appends pieces of `size` bytes together."""
        self._parts += parts
        self._held += size
        if self._held >= WRITE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what was collected."""
        if self._parts:
            self._write(b"".join(self._parts))
            self._parts, self._held = [], 0
