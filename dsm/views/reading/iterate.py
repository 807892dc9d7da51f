"""Reading the examples of a view: in order, in any given order, shuffled, or one by its index.

Examples are handed out window by window; see `dsm.views.reading.window`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import pyarrow as pa

from dsm.errors import InvalidInput, NotFound
from dsm.history.fold import place_of
from dsm.model.names import close_matches, printable
from dsm.views.reading.example import ViewExample
from dsm.views.reading.orders import in_windows
from dsm.views.reading.window import WINDOW, Window, largest_of
from dsm.views.selection.columns import integers
from dsm.views.selection.payloads import CONTENT

if TYPE_CHECKING:
    from dsm.views.selection.selection import Selection

# Of so many paths the nearest one is told.
NEAR_OF = 20_000
CONTENT_FIELD = pa.field(CONTENT, pa.large_binary(), nullable=False)


def batches(selection: Selection) -> Iterator[pa.RecordBatch]:
    """Yields the examples of a view as Arrow, with their bytes in the column `content`."""
    reading = None
    if selection.queries:
        from dsm.views.source_rows.reader import SourceRowReader

        reading = SourceRowReader(selection, "iterate", objects=False)
    table = selection.table() if reading is None else reading.stored()
    store, largest = selection.repository.store, largest_of(table)
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
    selection: Selection,
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
    if selection.queries:
        from dsm.views.reading.mixing import mixed

        return mixed(selection, order, seed, epoch)
    store = selection.repository.store
    windows = in_windows(
        store, selection.table(), order, seed, epoch, lambda: selection.positions,
        classes=lambda: selection.stored_classes,
    )  # fmt: skip
    return chain.from_iterable(rows.examples() for rows in windows)


def example_at(selection: Selection, index: int) -> ViewExample:
    """Returns one example by its index among those sorted by path; negative ones count from the
    end. Raises IndexError."""
    count = selection.table().num_rows
    at = index + count if index < 0 else index
    if not 0 <= at < count:
        raise IndexError(f"a view of {count} examples has no index {index}")
    return ViewExample(_window(selection, selection.table().slice(at, 1)), 0)


def row_of(selection: Selection, path: str) -> int | None:
    """Returns the row of the stored example of this path; None when there is none."""
    column = selection.table().column("path")
    row = place_of(column, path)
    return row if row < len(column) and column[row].as_py() == path else None


def example_of(selection: Selection, path: str) -> ViewExample:
    """Returns the stored example of this path. Raises NotFound, with near ones."""
    row = row_of(selection, path)
    if row is not None:
        return example_at(selection, row)
    near = close_matches(path, selection.table().column("path").slice(0, NEAR_OF).to_pylist())
    raise NotFound(
        f"view {selection.version[:12]} has no example {printable(path)}",
        hint=f"did you mean {printable(near[0])}?" if near else "`view.why(path)` tells why not",
    )


def examples_at(selection: Selection, part: slice) -> Sequence[ViewExample]:
    """Returns the examples of a slice."""
    table = selection.table()
    indices = integers(range(*part.indices(table.num_rows)))
    return list(_window(selection, table, indices).examples())


def _window(selection: Selection, table: pa.Table, indices: pa.Array | None = None) -> Window:
    store = selection.repository.store
    return Window(store, table, indices, classes=lambda: selection.stored_classes)
