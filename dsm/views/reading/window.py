"""Reading the examples of a view: in order, in any given order, shuffled, or one by its index.

Examples are handed out window by window. A column of a window is decoded when the first example is
asked for it, and bytes are read ahead in the order they lie on disk: little Python work for each
example, memory bounded by the window. Every byte that is handed out has been verified.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import accumulate, chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import InvalidInput
from dsm.format.manifest import ATTRIBUTE
from dsm.model.example import Attributes
from dsm.store.batch import expect, read_batch
from dsm.store.positions import Positions
from dsm.views.reading.shuffle import shuffled
from dsm.views.selection.columns import hashes, integers, label_tuples, whole
from dsm.views.selection.payloads import CONTENT

if TYPE_CHECKING:
    from dsm.store.objects import ObjectStore
    from dsm.views.view import View

Content = bytes  # an example has a property of that name
CONTENT_FIELD = pa.field(CONTENT, pa.large_binary(), nullable=False)
WINDOW = 1024
# Read at once: a few when they lie one after the other, so that they stay in the processor's cache;
# many when they are scattered, so that they can be read in the order they lie on disk.
AHEAD, AHEAD_SCATTERED = 64, 512
AHEAD_BYTES = 32 << 20


class ViewExample:
    """One example of a view, read when it is asked for.

    `oid` is the BLAKE3 of its bytes (32 bytes), `size` is in bytes, `time` in microseconds since
    1970 in UTC, `annotation` is JSON text or None, `changeset` the number of the changeset that
    last put it. It can be pickled: its bytes go along.
    """

    __slots__ = ("_row", "_rows")

    def __init__(self, rows: Window | _Detached, row: int):
        self._rows = rows
        self._row = row

    @property
    def bytes(self) -> Content:
        """Its bytes, verified; not kept: asked for again, they are read again.

        Raises ObjectMissing or ObjectDamaged.
        """
        rows, row = self._rows, self._row
        data = rows.ahead[row]
        if data is None:
            return rows.read(row)
        rows.ahead[row] = None
        return data

    def open(self) -> BinaryIO:
        """Opens it as a binary file that is read in bounded memory, verified as it is read."""
        return self._rows.open(self._row)

    @property
    def path(self) -> str:
        path: str = self._rows.paths[self._row]
        return path

    @property
    def oid(self) -> Content:
        return self._rows.oids[self._row]

    @property
    def size(self) -> int:
        return self._rows.sizes[self._row]

    @property
    def time(self) -> int:
        time: int = self._rows.times[self._row]
        return time

    @property
    def labels(self) -> tuple[str, ...]:
        return self._rows.labels[self._row]

    @property
    def annotation(self) -> str | None:
        annotation: str | None = self._rows.annotations[self._row]
        return annotation

    @property
    def changeset(self) -> int:
        changeset: int = self._rows.changesets[self._row]
        return changeset

    @property
    def attributes(self) -> Attributes:
        """The attributes that it has, by name."""
        columns = self._rows.attributes
        row = self._row
        return {name: values[row] for name, values in columns.items() if values[row] is not None}

    def __repr__(self) -> str:
        return f"<example {self.path!r} {self.labels} {self.size} bytes>"

    def __reduce__(self) -> tuple[Any, ...]:
        fields = (
            self.path, self.oid, self.size, self.time, self.labels, self.attributes,
            self.annotation, self.changeset,
        )  # fmt: skip
        return _detached, (fields, self.bytes)


class Window:
    """A window of a view's rows: those at `indices`, or all of the table; decoded when needed.

    Bytes are read ahead for `ahead` rows, fewer when they are large; no example is larger than
    `largest` (then their sizes need not be looked at), or nothing is known about it. `positions`
    are those of all rows of the table, for `indices` into it.
    """

    def __init__(
        self,
        store: ObjectStore,
        table: pa.Table,
        indices: pa.Array | None = None,
        ahead: int = AHEAD,
        largest: int = AHEAD_BYTES,
        positions: Positions | None = None,
    ):
        self._store = store
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
        column = _filled(self._column("size"))
        if not len(column):
            return []
        first = 8 * column.offset
        return memoryview(column.buffers()[1])[first : first + 8 * len(column)].cast("q").tolist()

    @cached_property
    def times(self) -> list[int]:
        return _filled(self._column("time").cast(pa.int64())).to_pylist()  # type: ignore[no-any-return]

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
    def attributes(self) -> dict[str, list[Any]]:
        return {
            name[len(ATTRIBUTE) :]: self._column(name).to_pylist()
            for name in self._table.column_names if name.startswith(ATTRIBUTE)
        }  # fmt: skip

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


def _filled(column: pa.Array) -> pa.Array:
    # Asked only when there is need: Arrow imports pandas, where there is one, to make a scalar.
    return column.fill_null(0) if column.null_count else column


class _Detached:
    """What an example knew, without its view."""

    def __init__(self, fields: tuple[Any, ...], data: bytes):
        path, oid, size, time, labels, attributes, annotation, changeset = fields
        self.paths: list[str] = [path]
        self.oids: list[bytes] = [oid]
        self.sizes: list[int] = [size]
        self.times: list[int] = [time]
        self.labels: list[tuple[str, ...]] = [labels]
        self.annotations: list[str | None] = [annotation]
        self.changesets: list[int] = [changeset]
        self.attributes = {name: [value] for name, value in attributes.items()}
        self.ahead: list[bytes | None] = [None]
        self._bytes = data

    def read(self, row: int) -> bytes:
        return self._bytes

    def open(self, row: int) -> BinaryIO:
        return io.BytesIO(self._bytes)


def _detached(fields: tuple[Any, ...], data: bytes) -> ViewExample:
    return ViewExample(_Detached(fields, data), 0)


# --- orders ---------------------------------------------------------------------------------------


def batches(view: View) -> Iterator[pa.RecordBatch]:
    """Yields the examples of a view as Arrow, with their bytes in the column `content`."""
    reading = None
    if view.queries:
        from dsm.views.source_rows.reader import SourceRowReader

        reading = SourceRowReader(view, "iterate", objects=False)
    table = view.table() if reading is None else reading.stored()
    store, largest = view.repository.store, largest_of(table)
    first = 0
    while first < table.num_rows:
        rows = Window(store, table.slice(first, WINDOW), None, WINDOW, largest)
        count = rows.reach()
        content = pa.array([rows.read(row) for row in range(count)], pa.large_binary())
        part = table.slice(first, count).combine_chunks()
        yield part.append_column(CONTENT_FIELD, content).to_batches()[0]
        first += count
    if reading is not None:
        yield from reading.batches()


def iterate(
    view: View,
    order: Iterable[int] | None = None,
    *,
    seed: int | None = None,
    epoch: int = 0,
) -> Iterator[ViewExample]:
    """Yields the examples sorted by path, or in the `order` of these indices, or shuffled.

    `order` may name an index never or several times, and may be endless. `seed` gives the order of
    `dsm.views.reading.shuffle`. Raises IndexError for an index that there is not.
    """
    if order is not None and seed is not None:
        raise InvalidInput("give an order or a seed, not both")
    if view.queries:
        from dsm.views.reading.mixing import mixed

        return mixed(view, order, seed, epoch)
    windows = in_windows(
        view.repository.store, view.table(), order, seed, epoch, lambda: view.positions
    )
    return chain.from_iterable(rows.examples() for rows in windows)


def in_windows(
    store: ObjectStore,
    table: pa.Table,
    order: Iterable[int] | None,
    seed: int | None,
    epoch: int,
    known: Callable[[], Positions] | None = None,
) -> Iterator[Window]:
    """Yields windows over the rows of a table, in order, in that of `order`, or shuffled.

    `known` gives the positions of the rows, where they are kept.
    """
    largest = largest_of(table)
    if seed is not None:
        order = shuffled(table.num_rows, seed, epoch)
    if order is not None:
        positions = None
        for number, indices in enumerate(_windows(order)):
            if number == 1:  # who reads on so far will read on
                positions = positions_of(store, table) if known is None else known()
            check(indices, table.num_rows)
            yield Window(store, table, indices, AHEAD_SCATTERED, largest, positions)
        return
    for first in range(0, table.num_rows, WINDOW):
        if first == WINDOW:
            expect(store, table.num_rows - first, in_order=True)
        yield Window(store, table.slice(first, WINDOW), None, AHEAD, largest)


def positions_of(store: ObjectStore, table: pa.Table) -> Positions:
    """Returns where the objects of a table probably lie, for reading them in any order."""
    expect(store, table.num_rows, in_order=True)
    starts = range(0, table.num_rows, WINDOW)
    windows = (Window(store, table.slice(first, WINDOW)) for first in starts)
    return Positions(store, ((rows.oids, rows.sizes) for rows in windows))


def largest_of(table: pa.Table) -> int:
    """Returns the size in bytes of a table's largest example."""
    return pc.max(table.column("size")).as_py() or 0


def check(indices: pa.Array, count: int) -> None:
    """Raises IndexError when an index is not 0 to count - 1."""
    if len(indices):
        ends = pc.min_max(indices).as_py()
        if indices.null_count or ends["min"] < 0 or ends["max"] >= count:
            wrong = ends["min" if ends["min"] < 0 else "max"]
            raise IndexError(f"a view of {count} examples has no index {wrong}")


def example_at(view: View, index: int) -> ViewExample:
    """Returns one example by its index among those sorted by path; negative ones count from the
    end. Raises IndexError."""
    count = view.table().num_rows
    at = index + count if index < 0 else index
    if not 0 <= at < count:
        raise IndexError(f"a view of {count} examples has no index {index}")
    return ViewExample(Window(view.repository.store, view.table().slice(at, 1)), 0)


def examples_at(view: View, part: slice) -> Sequence[ViewExample]:
    """Returns the examples of a slice."""
    table = view.table()
    indices = integers(range(*part.indices(table.num_rows)))
    return list(Window(view.repository.store, table, indices).examples())


def _windows(order: Iterable[int]) -> Iterator[pa.Array]:
    """Cuts an order into windows, without a Python object for each index where it can be helped."""
    if isinstance(order, pa.ChunkedArray):
        order = order.combine_chunks()
    if isinstance(order, pa.Array):
        yield from (order.slice(at, WINDOW) for at in range(0, len(order), WINDOW))
        return
    rest = iter(order)
    while part := list(islice(rest, WINDOW)):
        yield integers(part)
