"""Columns of a snapshot as rules need them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def one_array(column: Any) -> Any:
    """Returns a column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def repeated(table: pa.Table) -> pa.Table:
    """Returns the rows whose content another row has, too, with the column `group`: one number
    for each content."""
    indices = one_array(one_array(table.column("object")).dictionary_encode()).indices
    indices = indices.cast(pa.int64())
    counts = pc.value_counts(indices)
    often = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    mask = pc.is_in(indices, value_set=often)
    return table.filter(mask).append_column("group", indices.filter(mask))


def joined(labels: Any, separator: str = "\n") -> pa.Array:
    """Returns the labels of each row as one text; no label holds a line feed."""
    return pc.binary_join(one_array(labels).cast(pa.list_(pa.string())), separator)
