"""Windows over the rows of a table in any order: sorted, by a list of indices, or shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import InvalidInput
from dsm.store.batch import expect, is_scattered
from dsm.store.positions import Positions
from dsm.views.reading.shuffle import shuffled
from dsm.views.reading.window import (
    AHEAD,
    AHEAD_SCATTERED,
    WINDOW,
    Classes,
    Window,
    largest_of,
    window_rows,
)
from dsm.views.selection.columns import hashes, integers
from dsm.views.selection.positions import announcer, positions_of

if TYPE_CHECKING:
    from dsm.store.objects import ObjectStore

# Of a view of so many bytes all may come with its first example, where they are fetched; of larger
# ones when somebody reads on behind the first window.
FEW_BYTES = 256 << 20


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
    announce = announcer(store, table)
    few = order is None and (pc.sum(table.column("size")).as_py() or 0) <= FEW_BYTES
    if seed is not None:
        order = shuffled(table.num_rows, seed, epoch)
    elif order is None:
        first = 0
        while first < table.num_rows:
            if first == WINDOW:
                expect(store, table.num_rows - first, in_order=True)
                ahead = table.slice(first, AHEAD)
                if is_scattered(store, hashes(ahead.column("object"))):
                    order = integers(range(first, table.num_rows))
                    break
            part = table.slice(first, WINDOW)
            yield Window(
                store, part, None, AHEAD, largest, classes=classes,
                announce=announce if few or first else None,
            )  # fmt: skip
            first += WINDOW
    if order is None:
        return
    positions = None
    for number, indices in enumerate(_windows(order, partial(window_rows, table))):
        if number == 1:  # who reads on so far will read on
            positions = positions_of(store, table) if known is None else known()
        _check(indices, table.num_rows)
        yield Window(
            store, table, indices, ahead=max(AHEAD_SCATTERED, len(indices)), largest=largest,
            positions=positions, classes=classes, announce=announce if few or number else None,
        )  # fmt: skip


def _check(indices: pa.Array, count: int) -> None:
    """Raises IndexError when an index is not 0 to count - 1."""
    if len(indices):
        ends = pc.min_max(indices).as_py()
        if indices.null_count or ends["min"] < 0 or ends["max"] >= count:
            wrong = ends["min" if ends["min"] < 0 else "max"]
            raise IndexError(f"a view of {count} examples has no index {wrong}")


def _windows(order: Iterable[int], rows: Callable[[int], int]) -> Iterator[pa.Array]:
    """Cuts an order into windows of so many `rows` by their numbers, without a Python object for
    each index where it can be helped."""
    if isinstance(order, pa.ChunkedArray):
        order = order.combine_chunks()
    if isinstance(order, pa.Array):
        at = number = 0
        while at < len(order):
            size = rows(number)
            yield order.slice(at, size)
            at, number = at + size, number + 1
        return
    rest, numbers = iter(order), count()
    while part := list(islice(rest, rows(next(numbers)))):
        yield integers(part)


def require_same(mine: dict[str, Any], state: dict[str, Any]) -> None:
    """Raises InvalidInput when a state belongs to another view, order or split."""
    other = [name for name, value in mine.items() if state.get(name) != value]
    if other:
        was = ", ".join(f"{name} was {state.get(name)!r}, is {mine[name]!r}" for name in other)
        raise InvalidInput(
            f"this state is of another run: {was}", hint="go on with the same view and options"
        )
