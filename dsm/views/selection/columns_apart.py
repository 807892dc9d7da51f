"""Columns of a selection for figures: one is taken out when it is asked for, and not kept.

A table of a million examples has paths, hashes and all attributes at once; figures look at one
column after the other, and at no path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dsm.format.manifest import ATTRIBUTE

if TYPE_CHECKING:
    from dsm.views.selection.evaluate import Evaluation

OWN = ("labels", "size", "time")


class ColumnsApart:
    """Labels, size, time and attributes of the selected examples, in any one order.

    With `after`, only of those that a later changeset put. It has what figures ask of a table.
    """

    def __init__(self, evaluation: Evaluation, after: int | None = None):
        self._parts = []
        self.num_rows = 0
        for layer, selected in zip(evaluation.layers, evaluation.masks, strict=True):
            mask = selected
            if after is not None:
                put = pc.greater(layer.table.column("changeset"), after)
                mask = put if mask is None else pc.and_(mask, put)
            self._parts.append((layer.table, mask))
            self.num_rows += layer.table.num_rows if mask is None else pc.sum(mask).as_py() or 0
        known = evaluation.layers[0].table.schema
        self.schema = pa.schema(
            [field for field in known if field.name in OWN or field.name.startswith(ATTRIBUTE)]
        )

    @property
    def column_names(self) -> list[str]:
        return list(self.schema.names)

    def column(self, name: str) -> pa.ChunkedArray:
        """Returns a column, taken out anew. Raises KeyError for one that there is not."""
        chunks: list[pa.Array] = []
        for table, mask in self._parts:
            column = table.column(name)
            chunks += (column if mask is None else column.filter(mask)).chunks
        return pa.chunked_array(chunks, self.schema.field(name).type)
