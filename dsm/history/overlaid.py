"""A snapshot with rows that are not committed yet laid over it."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from dsm.format.manifest import to_table
from dsm.history.fold import fold, numbered
from dsm.model.attributes import attribute_types
from dsm.model.rows import Rows


def overlaid(
    table: pa.Table, types: Mapping[str, str], rows: Rows, number: int
) -> tuple[pa.Table, dict[str, str]]:
    """Returns what changeset `number` would make of a snapshot with these sorted rows, and the
    types of its attributes, which were `types`."""
    if not len(rows):
        return table, dict(types)
    wider = attribute_types(rows, types)
    return fold(table, [numbered(to_table(rows, wider), number)], wider), wider
