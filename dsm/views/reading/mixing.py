"""Reading a view with queries as examples: stored ones and rows of sources, in order or mixed.

The invariant: a row is held only until it is handed out, and of all rows no more at once than the
buffer that shuffles them.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cache, cached_property
from itertools import chain
from random import Random
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
from blake3 import blake3

from dsm.errors import InvalidInput
from dsm.views.reading.example import ViewExample
from dsm.views.reading.orders import in_windows
from dsm.views.reading.window import Classes, Window
from dsm.views.selection.classes import ClassList
from dsm.views.selection.columns import integers
from dsm.views.selection.payloads import CONTENT
from dsm.views.source_rows.reader import SourceRowReader, classes_of

if TYPE_CHECKING:
    from dsm.views.selection.selection import Selection

# The buffer through which rows are shuffled ends at the first of these.
BUFFER_ROWS, BUFFER_BYTES = 8_192, 64 << 20


class SourceWindow(Window):
    """A batch of rows of a source as a window of examples; their bytes are in the batch."""

    def __init__(self, rows: pa.Table, classes: Classes):
        # No store takes part: bytes are never looked up.
        super().__init__(None, rows, classes=classes)  # type: ignore[arg-type]
        self._content = self._column(CONTENT)

    @cached_property
    def oids(self) -> list[bytes]:
        """The hashes of the bytes, made when the first is asked for."""
        return [blake3(data).digest() for data in self._content.to_pylist()]

    def read(self, row: int) -> bytes:
        """Returns the bytes of a row."""
        data: bytes = self._content[row].as_py()
        return data

    def open(self, row: int) -> BinaryIO:
        """Opens the bytes of a row as a file."""
        return io.BytesIO(self.read(row))


def mixed(
    selection: Selection, order: Iterable[int] | None, seed: int | None, epoch: int
) -> Iterator[ViewExample]:
    """Yields the examples of a view with queries: stored ones and then rows, or with a seed mixed.

    Mixed, stored ones come in the order of `dsm.views.reading.shuffle` and rows through a shuffling
    buffer, by turns at random until one of them ends. The order is the same for the same answers
    of the sources. Raises InvalidInput for an order: rows have no index.
    """
    if order is not None:
        raise InvalidInput(
            "a view with queries cannot be read in an order of indices: rows have none",
            hint="shuffle it with a seed, or take without_sources()",
        )
    return _mixed(selection, seed, epoch)


def _mixed(selection: Selection, seed: int | None, epoch: int) -> Iterator[ViewExample]:
    reading = SourceRowReader(selection, "iterate", objects=False)

    @cache
    def classes() -> ClassList:
        return classes_of(selection)

    store = selection.repository.store
    windows = in_windows(store, reading.stored(), None, seed, epoch, classes=classes)
    stored = chain.from_iterable(rows.examples() for rows in windows)
    with closing(reading.batches()) as batches:
        if seed is None:
            yield from stored
            for batch in batches:
                yield from SourceWindow(pa.Table.from_batches([batch]), classes).examples()
        else:
            random = Random(f"{seed}/{epoch}")
            shuffled = (rows.examples() for rows in shuffled_batches(batches, random, classes))
            yield from _by_turns(stored, chain.from_iterable(shuffled), random)


def _by_turns(
    one: Iterator[ViewExample], other: Iterator[ViewExample], random: Random
) -> Iterator[ViewExample]:
    """Yields from both, at random which next, until both have ended."""
    both = [one, other]
    while len(both) > 1:
        chosen = random.randrange(2)
        example = next(both[chosen], None)
        if example is None:
            del both[chosen]
        else:
            yield example
    yield from both[0]


def shuffled_batches(
    batches: Iterable[pa.RecordBatch], random: Random, classes: Classes
) -> Iterator[SourceWindow]:
    """Yields the rows of batches shuffled: of each, and of what was held back, some at random."""
    held: pa.Table | None = None
    for batch in batches:
        part = pa.Table.from_batches([batch])
        rows = part if held is None else pa.concat_tables([held, part])
        order = list(range(rows.num_rows))
        random.shuffle(order)
        keep = min(BUFFER_ROWS, rows.num_rows * BUFFER_BYTES // max(1, rows.nbytes))
        out, back = order[: max(0, len(order) - keep)], order[max(0, len(order) - keep) :]
        if out:
            yield SourceWindow(rows.take(integers(out)), classes)
        # Taken, so that what is held back does not keep its whole batch in memory.
        held = rows.take(integers(back))
    if held is not None:
        yield SourceWindow(held, classes)
