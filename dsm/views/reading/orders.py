"""Windows over the rows of a table in any order: sorted, by a list of indices, or shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dsm.store.batch import expect
from dsm.store.positions import Positions
from dsm.views.reading.shuffle import shuffled
from dsm.views.reading.window import AHEAD, AHEAD_SCATTERED, WINDOW, Classes, Window, largest_of
from dsm.views.selection.columns import integers
from dsm.views.selection.positions import positions_of

if TYPE_CHECKING:
    from dsm.store.objects import ObjectStore


def in_windows(
    store: ObjectStore,
    table: pa.Table,
    order: Iterable[int] | None,
    seed: int | None,
    epoch: int,
    known: Callable[[], Positions] | None = None,
    *,
    classes: Classes,
) -> Iterator[Window]:
    """Yields windows over the rows of a table, in order, in that of `order`, or shuffled.

    `known` gives the positions of the rows, where they are kept, `classes` their classes.
    """
    largest = largest_of(table)
    if seed is not None:
        order = shuffled(table.num_rows, seed, epoch)
    if order is not None:
        positions = None
        for number, indices in enumerate(_windows(order)):
            if number == 1:  # who reads on so far will read on
                positions = positions_of(store, table) if known is None else known()
            _check(indices, table.num_rows)
            yield Window(
                store, table, indices, ahead=AHEAD_SCATTERED, largest=largest,
                positions=positions, classes=classes,
            )  # fmt: skip
        return
    for first in range(0, table.num_rows, WINDOW):
        if first == WINDOW:
            expect(store, table.num_rows - first, in_order=True)
        yield Window(store, table.slice(first, WINDOW), None, AHEAD, largest, classes=classes)


def _check(indices: pa.Array, count: int) -> None:
    """Raises IndexError when an index is not 0 to count - 1."""
    if len(indices):
        ends = pc.min_max(indices).as_py()
        if indices.null_count or ends["min"] < 0 or ends["max"] >= count:
            wrong = ends["min" if ends["min"] < 0 else "max"]
            raise IndexError(f"a view of {count} examples has no index {wrong}")


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
