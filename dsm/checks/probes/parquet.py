"""Parquet: its footer, which comes last, so that what is cut off shows; then all of its rows."""

from __future__ import annotations

import io
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from dsm.checks.probes.probe import Content, Facts, told

FOOTER_BYTES_MAX = 64 << 20
# A file of few bytes may stand for very many values, or for very large ones: it is not decoded.
VALUES_MAX, VALUES_PER_BYTE = 100_000_000, 64
COLUMN_BYTES_MAX = 1 << 30  # of a column in one group
MEMORY_BYTES_MAX = 2 << 30
ROWS_AT_ONCE = 1000


def examine(content: Content, kind: str) -> Facts:
    """Reads it to the end: `rows` and `columns`, and what is wrong with it."""
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
        chunks = [group.column(n) for group in groups for n in range(group.num_columns)]
        last = max(map(_end, chunks), default=0)
    except MemoryError:
        return {**facts, "problem": "it does not fit into memory"}
    except Exception as error:  # whatever is in the footer
        return {**facts, "problem": told(error)}
    if last > content.size:
        return {**facts, "problem": "its footer names data that is not there"}
    facts |= {"rows": metadata.num_rows, "columns": metadata.num_columns}
    values = max(metadata.num_rows, *(chunk.num_values for chunk in chunks), 0)
    problem = (
        f"its {values:,} values in {content.size:,} bytes are too many to be decoded"
        if values > max(VALUES_MAX, VALUES_PER_BYTE * content.size)
        else "a column of a group is too large to be decoded"
        if any(chunk.total_uncompressed_size > COLUMN_BYTES_MAX for chunk in chunks)
        else _decoded(content)
    )
    return facts if problem is None else {**facts, "problem": problem}


def _decoded(content: Content) -> str | None:
    """Decodes all rows, some at a time; returns what is wrong with them."""
    content.file.seek(0)
    try:
        with memory_of_at_most(MEMORY_BYTES_MAX):
            source = parquet.ParquetFile(
                pa.PythonFile(content.file, "r"), page_checksum_verification=True
            )
            for batch in source.iter_batches(ROWS_AT_ONCE, use_threads=False):
                batch.validate(full=True)
    except MemoryError:
        return "it does not fit into memory"
    except Exception as error:  # whatever is in the file
        return told(error)
    return None


@contextmanager
def memory_of_at_most(count: int) -> Iterator[None]:
    """Lets this process take so many bytes more, for what a file claims about itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    try:
        with open("/proc/self/statm", "rb") as file:
            most = int(file.read().split()[0]) * resource.getpagesize() + count
    except OSError:  # no Linux
        yield
        return
    known = [each for each in (soft, hard) if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(most, *known) if known else most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _end(chunk: Any) -> int:
    """Returns where the data of a column in a group ends; its dictionary may come first."""
    begins = (chunk.dictionary_page_offset, chunk.data_page_offset)
    return int(min(at for at in begins if at) + chunk.total_compressed_size)
