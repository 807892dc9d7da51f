"""A window over the rows of a table, handed out as examples.

A column of a window is decoded when the first example is asked for it, and bytes are read ahead in
the order they lie on disk: little Python work for each example, memory bounded by the window. Every
byte that is handed out has been verified.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from dsm.format.manifest import ATTRIBUTE
from dsm.model.record_path import parts_of
from dsm.store.batch import read_batch
from dsm.store.positions import Positions
from dsm.views.reading.beside import said_beside
from dsm.views.reading.example import ViewExample
from dsm.views.selection.classes import NO_CLASS, ClassList
from dsm.views.selection.columns import filled, hashes, label_tuples, sizes, whole
from dsm.views.selection.read_as import objects_of, read_as, settings_of

if TYPE_CHECKING:
    from dsm.store.objects import ObjectStore

Classes = Callable[[], ClassList]
WINDOW = 1024
# Read at once: a few when they lie one after the other, so that they stay in the processor's cache;
# many when they are scattered, so that they can be read in the order they lie on disk.
AHEAD, AHEAD_SCATTERED = 64, 512
AHEAD_BYTES = 32 << 20
# Scattered examples of less than so many bytes lie many to a compressed frame: windows of them grow
# up to so many rows, so that a frame is read for more than one.
SMALL_BYTES, WINDOW_MAX = 4 << 10, 64 << 10


def window_rows(table: pa.Table, number: int) -> int:
    """Returns how many rows the window with this number, from 0, has when rows are scattered.

    The first is small, so that its examples come soon.
    """
    count = table.num_rows
    mean = (pc.sum(table.column("size")).as_py() or 0) / max(1, count)
    if not number or mean >= SMALL_BYTES:
        return WINDOW
    return max(WINDOW, min(WINDOW << min(number, 16), WINDOW_MAX, int(AHEAD_BYTES / max(1, mean))))


class Window:
    """A window of a view's rows: those at `indices`, or all of the table; decoded when needed.

    Bytes are read ahead for `ahead` rows, fewer when they are large; no example is larger than
    `largest` (then their sizes need not be looked at), or nothing is known about it. `positions`
    are those of all rows of the table, for `indices` into it; `classes` gives the classes when the
    first example is asked for its own; `announce` is called before bytes are read.
    """

    def __init__(
        self,
        store: ObjectStore,
        table: pa.Table,
        indices: pa.Array | None = None,
        ahead: int = AHEAD,
        largest: int = AHEAD_BYTES,
        positions: Positions | None = None,
        classes: Classes = ClassList,
        announce: Callable[[], None] | None = None,
    ):
        self._store = store
        self._classes = classes
        self._announce = announce
        self._positions = positions
        self._largest = largest
        self._table = table
        self._indices = indices
        self._count = table.num_rows if indices is None else len(indices)
        # What was read ahead of being asked for, by row.
        self.ahead: list[bytes | None] = [None] * self._count
        self._step = ahead
        self._expected = 0

    def __len__(self) -> int:
        return self._count

    def examples(self) -> Iterator[ViewExample]:
        """Yields the examples of the window, in its order."""
        return map(partial(ViewExample, self), range(self._count))

    # --- columns ---

    def _column(self, name: str) -> pa.Array:
        column = self._table.column(name)
        if self._indices is not None:
            column = column.take(self._indices)
        return whole(column)

    @cached_property
    def oids(self) -> list[bytes]:
        return hashes(self._column("object"))

    @cached_property
    def paths(self) -> list[str]:
        return self._column("path").to_pylist()  # type: ignore[no-any-return]

    @cached_property
    def sizes(self) -> list[int]:
        return sizes(self._column("size"))

    @cached_property
    def times(self) -> list[int]:
        return filled(self._column("time").cast(pa.int64())).to_pylist()  # type: ignore[no-any-return]

    @cached_property
    def labels(self) -> list[tuple[str, ...]]:
        return label_tuples(self._column("labels"))

    @cached_property
    def annotations(self) -> list[str | None]:
        return self._column("annotation").to_pylist()  # type: ignore[no-any-return]

    @cached_property
    def changesets(self) -> list[int]:
        return self._column("changeset").to_pylist()  # type: ignore[no-any-return]

    @cached_property
    def targets(self) -> list[int]:
        classes = self._classes()
        if classes.column not in self._table.column_names:
            return [NO_CLASS] * self._count
        rows = self._table.select([classes.column])
        return classes.of(rows if self._indices is None else rows.take(self._indices))

    @cached_property
    def attributes(self) -> dict[str, list[Any]]:
        return {
            name[len(ATTRIBUTE) :]: self._column(name).to_pylist()
            for name in self._table.column_names if name.startswith(ATTRIBUTE)
        }  # fmt: skip

    @cached_property
    def read_as(self) -> Mapping[str, str]:
        """How the files of records were read, by path, where the records are not JSON."""
        return read_as(self._table)

    def beside(self, row: int) -> bytes | None:
        """Returns the fields of a file in an archive, as JSON; None where its bytes have them."""
        file, key = parts_of(self.paths[row])
        text = self.read_as.get(file)
        if text is None or not settings_of(text).row().said_beside:
            return None
        return said_beside(self._store, objects_of(self._table)[file], file, text).get(key)

    # --- bytes ---

    def read(self, row: int) -> bytes:
        """Returns the bytes of a row; reads ahead while rows are asked for one after the other."""
        end = row + 1
        if row == self._expected:
            end = self._reach(row)
        self._expected = end
        self.ahead[row:end] = self._read(row, end)
        data, self.ahead[row] = self.ahead[row], None
        return self._store.read(self.oids[row]) if data is None else data

    def _read(self, row: int, end: int) -> list[bytes | None]:
        if self._announce is not None:
            self._announce()
        oids = self.oids[row:end]
        if self._indices is None:
            return read_batch(self._store, oids, self.sizes[row:end] if end - row > 1 else None)
        if self._positions is None:  # in another order they do not lie side by side
            return read_batch(self._store, oids)
        return self._positions.read(self._numbers[row:end], oids, self.sizes[row:end])

    @cached_property
    def _numbers(self) -> list[int]:
        """The rows' numbers in the table."""
        assert self._indices is not None
        return self._indices.to_pylist()  # type: ignore[no-any-return]

    def reach(self) -> int:
        """How many rows from the first are not too many bytes to hold at once; one at least."""
        return self._reach(0)

    def _reach(self, row: int) -> int:
        """Where to stop reading ahead: after so many rows, or before too many bytes."""
        end = min(row + self._step, self._count)
        if self._largest * (end - row) <= AHEAD_BYTES:
            return end
        ends = self._ends
        at_most = AHEAD_BYTES + (ends[row - 1] if row else 0)
        return max(row + 1, bisect_right(ends, at_most, row, end))

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(self.sizes))

    def open(self, row: int) -> BinaryIO:
        """Opens the object of a row."""
        return self._store.open(self.oids[row])


def largest_of(table: pa.Table) -> int:
    """Returns the size in bytes of a table's largest example."""
    return pc.max(table.column("size")).as_py() or 0
