"""Records as lines again: the bytes that each had in its file, in the order of their paths.

Specified in docs/format/materialised.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dsm.history.fold import records_mask
from dsm.views.selection.payloads import Collected, Counted, Write, all_batches, pieces
from dsm.views.writing.format import FormatWriter, Recipe, compressed, require_all

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.store.objects import ObjectStore


class JsonlWriter(FormatWriter):
    """Writes shards of lines."""

    def with_columns(self, table: pa.Table, *, alone: bool = True) -> pa.Table:
        """Returns the table as it is. Raises InvalidInput when not all of it are records."""
        return require_all(
            table, records_mask(table), "record, so it is no line of a file",
            "choose the records with --path FILE, or another format",
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
            for payloads, rows, content in all_batches(store, tables):
                size = sum(sizes := rows.column("size").to_pylist())
                if None not in content:
                    out.add((b"\n".join(content), b"\n"), size + len(sizes))  # type: ignore[arg-type]
                    counted(rows.num_rows, size)
                    continue
                for number, data in enumerate(content):
                    if data is not None:
                        out.add((data, b"\n"), sizes[number] + 1)
                        continue
                    path, oid = rows.column("path")[number].as_py(), rows.column("object")[number]
                    for piece in pieces(payloads.store, oid.as_py(), path, sizes[number]):
                        out.add((piece,), len(piece))
                    out.add((b"\n",), 1)
                counted(rows.num_rows, size)
            out.flush()


WRITER = JsonlWriter()
