"""Parquet by its footer: it comes last, so what is cut off shows. No data is decoded."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from dsm.checks.probes.probe import Content, Facts, told

FOOTER_BYTES_MAX = 64 << 20


def examine(content: Content, kind: str) -> Facts:
    """Reads the footer: `rows` and `columns`, and whether its groups lie within the file."""
    facts: dict[str, Any] = {"type": kind}
    content.file.seek(-min(8, content.size), io.SEEK_END)
    end = content.file.read(8)
    size = int.from_bytes(end[:4], "little")
    if end[4:] != b"PAR1" or size + 12 > content.size:
        return {**facts, "problem": "it is cut off"}
    if size > FOOTER_BYTES_MAX:
        return {**facts, "problem": "its footer has too many bytes to be read"}
    # The footer alone, as a file: no reader gets further than that.
    content.file.seek(-(size + 8), io.SEEK_END)
    footer = b"PAR1" + content.file.read(size + 8)
    try:
        metadata = parquet.read_metadata(pa.BufferReader(footer))
        groups = (metadata.row_group(n) for n in range(metadata.num_row_groups))
        chunks = (group.column(n) for group in groups for n in range(group.num_columns))
        last = max(map(_end, chunks), default=0)
    except MemoryError:
        return {**facts, "problem": "it does not fit into memory"}
    except Exception as error:  # whatever is in the footer
        return {**facts, "problem": told(error)}
    if last > content.size:
        return {**facts, "problem": "its footer names data that is not there"}
    return {**facts, "rows": metadata.num_rows, "columns": metadata.num_columns}


def _end(chunk: Any) -> int:
    """Returns where the data of a column in a group ends; its dictionary may come first."""
    begins = (chunk.dictionary_page_offset, chunk.data_page_offset)
    return int(min(at for at in begins if at) + chunk.total_compressed_size)
