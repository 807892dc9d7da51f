"""Rows of tables as one table again: their cells, under a header of all columns.

Specified in docs/format/materialised.md.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dsm.errors import InvalidInput
from dsm.history.fold import records_mask
from dsm.model.names import printable
from dsm.model.record_path import parts_of
from dsm.records.reader import fields_of
from dsm.views.selection.payloads import Collected, Counted, Write, all_batches
from dsm.views.selection.read_as import read_as, settings_of
from dsm.views.writing.format import FormatWriter, Recipe, compressed, require_all

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.store.objects import ObjectStore

_TABLES = ("csv", "tsv", "text")


class CsvWriter(FormatWriter):
    """Writes shards of rows, each with the header."""

    def with_columns(self, table: pa.Table, *, alone: bool = True) -> pa.Table:
        """Returns the table as it is. Raises InvalidInput when not all of it are rows of tables."""
        import pyarrow.compute as pc

        files = {path: settings_of(text) for path, text in read_as(table).items()}
        paths = table.column("path")
        fit = pc.and_(
            records_mask(table),
            pc.is_in(
                pc.replace_substring_regex(paths, r"(?s)#[^#]*$", ""),
                value_set=_strings(p for p, each in files.items() if each.format in _TABLES),
            ),
        )
        return require_all(
            table, fit, "row of a table",
            "choose the rows with --path FILE, or another format; jsonl writes lines of JSON",
        )  # fmt: skip

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
        with compressed(recipe.compression, write) as compressor:
            out = Collected(compressor)
            header: list[str] = []
            for _, rows, content in all_batches(store, tables):
                files = {path: settings_of(text) for path, text in read_as(rows).items()}
                if not header:
                    header = _header(rows)
                    out.add((_line(header),), 0)
                for path, data in zip(rows.column("path").to_pylist(), content, strict=True):
                    settings = files[parts_of(path)[0]]
                    try:
                        fields = fields_of(data or b"", settings)  # a record is never large
                    except ValueError as error:
                        raise InvalidInput(f"{printable(path)}: {error}", items=(path,)) from None
                    line = _line([fields.get(name, "") for name in header])
                    out.add((line,), len(line))
                counted(rows.num_rows, sum(rows.column("size").to_pylist()))
            out.flush()


def _header(rows: pa.Table) -> list[str]:
    """Returns the columns of all files of the view, in the order in which they are met."""
    found: dict[str, None] = {}
    for text in read_as(rows).values():
        settings = settings_of(text)
        columns = settings.columns or settings.found.columns
        found.update(dict.fromkeys(columns if settings.format != "text" else ("text",)))
    return list(found)


def _line(cells: list[str]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue().encode()


def _strings(values: Iterable[str]) -> pa.Array:
    import pyarrow as pa

    return pa.array(list(values), pa.string())


WRITER = CsvWriter()
