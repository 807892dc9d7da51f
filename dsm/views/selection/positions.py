"""Where the objects of a table lie in the store, as far as can be told without reading them."""

from __future__ import annotations

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
    starts = range(0, table.num_rows, ROWS)
    parts = (table.slice(first, ROWS) for first in starts)
    return Positions(
        store, ((hashes(part.column("object")), sizes(part.column("size"))) for part in parts)
    )
