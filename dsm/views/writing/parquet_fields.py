"""Records in Parquet: a column for each field, in the order of the fields, then those of dsm.

Rows of Parquet and Arrow files have the types that their columns had; of other records the types
are learnt from all values first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.views.selection.payloads import all_batches
from dsm.views.selection.record_types import columns_of, declared_schema, learnt_schema
from dsm.views.writing.record_fields import record_fields

if TYPE_CHECKING:
    from dsm.store.objects import ObjectStore

_FIELDS = b"dsm.fields"
PREFIX = "dsm."


def schema_with_fields(store: ObjectStore, table: pa.Table, own: pa.Schema) -> pa.Schema:
    """Returns the fields of all records, and then the columns `own`, their names behind `dsm.`.

    Raises InvalidInput for a record that has no fields.
    """
    fields, complete = declared_schema(store, table) or (None, False)
    if fields is None or not complete:
        read = (record_fields(rows, data) for _, rows, data in all_batches(store, [table]))
        fields = learnt_schema(read, fields)
    prefix = PREFIX
    while any(name.startswith(prefix) for name in fields.names):
        prefix += PREFIX
    told = [each.with_name(prefix + each.name) for each in own]
    return pa.schema([*fields, *told], metadata={_FIELDS: b"%d" % len(fields)})


def fields_in(schema: pa.Schema) -> int | None:
    """Returns how many columns of a schema are fields; None where the rows are no records."""
    text = (schema.metadata or {}).get(_FIELDS)
    return None if text is None else int(text)


def lead_of(schema: pa.Schema) -> str:
    """Returns what stands before the names of dsm's own columns: "" where they are alone."""
    count = fields_in(schema)
    return "" if count is None else schema.field(count).name.removesuffix("label")


def field_columns(
    rows: pa.Table, data: Sequence[bytes | None], schema: pa.Schema
) -> list[pa.Array]:
    """Returns the columns of the fields of some records. Raises InvalidInput."""
    fields = pa.schema([schema.field(number) for number in range(fields_in(schema) or 0)])
    try:
        return columns_of(record_fields(rows, data), fields)
    except (pa.ArrowException, ValueError, OverflowError, TypeError) as error:
        raise InvalidInput(
            f"the fields of {printable(rows.column('path')[0].as_py())} and of what follows do not"
            f" fit their columns: {printable(str(error)[:200])}",
            hint="--format jsonl writes records as they are",
        ) from None
