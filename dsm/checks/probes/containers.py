"""Files whose parts are listed: Parquet by its footer, MP4 by its boxes. None is decoded.

What is cut off shows: the footer of Parquet comes last, and boxes of MP4 say how long they are.
"""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from dsm.checks.probes.probe import Content, Facts, told

FOOTER_BYTES_MAX = 64 << 20
_BOXES_MAX = 100_000


def examine_parquet(content: Content, kind: str) -> Facts:
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


def examine_mp4(content: Content, kind: str) -> Facts:
    """Walks over the boxes at the top: they end where the file ends, and one describes it."""
    at, seen = 0, set()
    for _ in range(_BOXES_MAX):
        if at == content.size:
            break
        content.file.seek(at)
        head = content.file.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1 and len(head) == 16:
            size = int.from_bytes(head[8:], "big")
        if len(head) < 8 or (size and (size < 8 or at + size > content.size)):
            return {"type": kind, "problem": "it is cut off"}
        seen.add(head[4:8])
        at = at + size if size else content.size  # 0: up to the end
    else:
        return {"type": kind, "problem": f"it has more than {_BOXES_MAX:,} parts"}
    return {"type": kind} if b"moov" in seen else {"type": kind, "problem": "nothing describes it"}
