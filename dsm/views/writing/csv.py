"""Records as one table: their fields as cells, under a header of all of them.

Specified in docs/format/materialised.md.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dsm.history.fold import files_of
from dsm.views.selection.half_characters import is_unicode, json_text
from dsm.views.selection.payloads import Collected, Counted, Write, all_batches
from dsm.views.selection.read_as import read_as, settings_of
from dsm.views.selection.record_types import has_fields
from dsm.views.writing.format import FormatWriter, Recipe, compressed, no_fields
from dsm.views.writing.record_fields import record_fields

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.store.objects import ObjectStore
    from dsm.views.selection.classes import ClassList

_TABLES = ("csv", "tsv", "text")


class CsvWriter(FormatWriter):
    """Writes shards of rows, each with the header."""

    def with_columns(self, table: pa.Table, *, alone: bool = True) -> pa.Table:
        """Returns the table as it is. Raises InvalidInput when not all of it have fields."""
        if table.num_rows and not has_fields(table):
            raise no_fields(table)
        return table

    def schema(
        self,
        table: pa.Table,
        paths: pa.ChunkedArray,
        classes: ClassList,
        store: ObjectStore | None = None,
    ) -> pa.Schema:
        """Returns the columns of all files: of tables their own, of others those of the records."""
        import pyarrow as pa

        names: dict[str, None] = {}
        for text in read_as(table).values():
            names.update(dict.fromkeys(_columns_of(text)))
        others = self.with_columns(table).filter(_in_no_table(table))
        for _, rows, content in all_batches(store, [others]) if store is not None else ():
            for fields in record_fields(rows, content):
                names.update(dict.fromkeys(fields))
        return pa.schema([(name, pa.string()) for name in names])

    def write(
        self,
        recipe: Recipe,
        store: ObjectStore,
        tables: Iterable[pa.Table],
        write: Write,
        counted: Counted,
        write_index: Write | None = None,
        at: int = 0,
    ) -> None:
        """Writes one shard; see `FormatWriter.write`."""
        assert recipe.schema is not None
        header = recipe.schema.names
        with compressed(recipe.compression, write) as compressor:
            out = Collected(compressor)
            out.add((_line(header),), 0)
            for _, rows, content in all_batches(store, tables):
                for fields in record_fields(rows, content):
                    line = _line([_cell(fields.get(name)) for name in header])
                    out.add((line,), len(line))
                counted(rows.num_rows, sum(rows.column("size").to_pylist()))
            out.flush()


def _columns_of(text: str) -> tuple[str, ...]:
    """Returns the columns of a file that is a table."""
    settings = settings_of(text)
    if settings.format == "text":
        return ("text",)
    return settings.columns or settings.found.columns


def _in_no_table(table: pa.Table) -> pa.ChunkedArray:
    """Which rows are of files whose header is nowhere but in the records."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = [p for p, text in read_as(table).items() if settings_of(text).format in _TABLES]
    files = files_of(table.column("path"))
    return pc.invert(pc.is_in(files, value_set=pa.array(known, pa.string())))


def _cell(value: Any) -> str:
    """Returns the text of a cell: what is no text of whole characters as JSON, nothing as
    nothing."""
    if value is None or (isinstance(value, str) and is_unicode(value)):
        return value or ""
    return json_text(value)


def _line(cells: list[str]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue().encode()


WRITER = CsvWriter()
