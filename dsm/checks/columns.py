"""Columns of a snapshot as rules need them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.history.fold import files_of, records_mask
from dsm.records.formats import archive_endings

_ARCHIVES = "({})\\z".format("|".join(each.replace(".", "\\.") for each in archive_endings()))


def one_array(column: Any) -> Any:
    """Returns a column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def names_of(table: pa.Table) -> Any:
    """Returns the name of the file that each example is in: of a record that of its records file,
    of a file in an archive its own."""
    paths = table.column("path")
    mask = records_mask(table)
    if not pc.any(mask).as_py():
        return paths
    files = files_of(paths)
    archived = pc.match_substring_regex(pc.utf8_lower(files), _ARCHIVES)
    return pc.if_else(pc.and_not(mask, archived), files, paths)


def repeated(table: pa.Table) -> pa.Table:
    """Returns the rows whose content another row has, too, with the column `group`: one number
    for each content."""
    # Few contents begin alike that differ: counting numbers is many times faster than ids.
    beginnings = _beginnings(one_array(table.column("object")))
    rows = table.filter(pc.is_in(beginnings, value_set=_several(beginnings)))
    indices = one_array(one_array(rows.column("object")).dictionary_encode()).indices
    indices = indices.cast(pa.int64())
    mask = pc.is_in(indices, value_set=_several(indices))
    return rows.filter(mask).append_column("group", indices.filter(mask))


def _several(values: pa.Array) -> pa.Array:
    """Returns the values that are there more than once."""
    counts = pc.value_counts(values)
    return counts.field("values").filter(pc.greater(counts.field("counts"), 1))


def _beginnings(objects: pa.FixedSizeBinaryArray) -> pa.Array:
    """Returns the first 8 of the 32 bytes of each id, as a number."""
    count = objects.offset + len(objects)
    words = pa.Array.from_buffers(pa.uint64(), 4 * count, [None, objects.buffers()[1]])
    each = pa.FixedSizeListArray.from_arrays(words, 4).slice(objects.offset)
    return pc.list_element(each, 0)


def joined(labels: Any, separator: str = "\n") -> pa.Array:
    """Returns the labels of each row as one text; no label holds a line feed."""
    return pc.binary_join(one_array(labels).cast(pa.list_(pa.string())), separator)
