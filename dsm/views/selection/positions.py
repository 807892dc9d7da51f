"""Where the objects of a table lie in the store, as far as can be told without reading them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from dsm.store.batch import expect
from dsm.store.positions import Positions
from dsm.views.selection.columns import hashes, sizes

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.store.objects import ObjectStore

ROWS = 1024  # looked up at once


def positions_of(store: ObjectStore, table: pa.Table) -> Positions:
    """Returns where the objects of a table probably lie, for reading them in any order."""
    expect(store, table.num_rows, in_order=True)
    return Positions(store, _parts(table))


def announcer(store: ObjectStore, table: pa.Table) -> Callable[[], None] | None:
    """Returns what says that all objects of a table are being read; None for a store that has all.

    It is called before each read: of several views that are read in turn, the last one counts.
    """
    if store.elsewhere is None:
        return None
    return partial(store.elsewhere.expect, partial(_parts, table))


def _parts(table: pa.Table) -> Iterator[tuple[list[bytes], list[int]]]:
    for first in range(0, table.num_rows, ROWS):
        part = table.slice(first, ROWS)
        yield hashes(part.column("object")), sizes(part.column("size"))
