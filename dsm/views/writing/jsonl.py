"""Records as lines of JSON, in the order of their paths: the bytes that each had in its file.

Of rows of tables and of plain text they are the fields as an object.

Specified in docs/format/materialised.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from dsm.model.record_path import parts_of
from dsm.store.lines import read_lines
from dsm.views.selection.columns import hash_bytes, size_items
from dsm.views.selection.payloads import CONTENT, Collected, Counted, Write, all_batches
from dsm.views.selection.read_as import read_as
from dsm.views.selection.record_types import has_fields
from dsm.views.writing.format import FormatWriter, Recipe, compressed, no_fields
from dsm.views.writing.record_fields import record_fields

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.store.objects import ObjectStore


_COLUMNS = ("path", "object", "size", CONTENT)


class JsonlWriter(FormatWriter):
    """Writes shards of lines."""

    def with_columns(self, table: pa.Table, *, alone: bool = True) -> pa.Table:
        """Returns what `write` needs of the table: workers are sent it.

        Raises InvalidInput when not all rows are records with fields.
        """
        if table.num_rows and not has_fields(table):
            raise no_fields(table)
        return table.select([name for name in table.column_names if name in _COLUMNS])

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
            for table in tables:
                for rows, text in _texts(store, table):
                    if text is None:
                        _write_each(store, rows, out, counted)
                        continue
                    out.add((text,), len(text))
                    counted(rows.num_rows, len(text) - rows.num_rows)
            out.flush()


def _texts(store: ObjectStore, table: pa.Table) -> Iterator[tuple[pa.Table, bytes | None]]:
    """Yields rows and their lines; None where they are to be read one by one."""
    if CONTENT in table.column_names or read_as(table):
        yield table, None
        return
    oids, sizes = hash_bytes(table.column("object")), size_items(table.column("size"))
    for first, end, text in read_lines(store, oids, sizes):
        yield table.slice(first, end - first), text


def _write_each(store: ObjectStore, table: pa.Table, out: Collected, counted: Counted) -> None:
    for _, rows, content in all_batches(store, [table]):
        # A record is never large, so all of them are there.
        lines: Sequence[bytes] = content  # type: ignore[assignment]
        if read_as(rows):
            lines = list(_lines(rows, lines))
        out.add((b"\n".join(lines), b"\n"), sum(map(len, lines)) + len(lines))
        counted(rows.num_rows, sum(rows.column("size").to_pylist()))


def _lines(rows: pa.Table, content: Sequence[bytes]) -> Iterator[bytes]:
    """Yields the bytes of each record if it is JSON, else its fields as JSON."""
    files = read_as(rows)
    paths = rows.column("path").to_pylist()
    others = [n for n, path in enumerate(paths) if parts_of(path)[0] in files]
    fields = iter(record_fields(rows.take(others), [content[n] for n in others]))
    taken = set(others)
    for number, data in enumerate(content):
        if number not in taken:
            yield data
            continue
        yield json.dumps(next(fields), ensure_ascii=False, separators=(",", ":")).encode()


WRITER = JsonlWriter()
