"""The rows of a tar, cut into runs that are laid out one by one, and written in order.

The bytes depend on paths and contents alone, whoever lays out which run of the rows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dsm.model.names import check_path
from dsm.store.batch import expect
from dsm.store.memory import page_buffer
from dsm.views.selection.columns import hashes
from dsm.views.selection.payloads import CONTENT, Counted, Payloads, Write, pieces, uncounted
from dsm.views.writing import tar_header
from dsm.views.writing.metadata import MetadataWriter
from dsm.views.writing.tar_layout import Members

if TYPE_CHECKING:
    from dsm.store.objects import ObjectStore
    from dsm.views.selection.classes import ClassList

RUN_BYTES = 8 << 20  # whole pages
RUN_ROWS = 2048
_BLOCK_BITS = tar_header.BLOCK.bit_length() - 1


@dataclass(frozen=True, slots=True)
class TarRun:
    """Rows that follow each other, the bytes of their payloads, and where their first header begins
    in the tar.

    `size` is how much of the tar they are. What is more than `RUN_BYTES` is one row.
    """

    first: int
    end: int
    at: int
    size: int
    payload: int


def runs_of(payloads: Payloads, at: int = 0) -> Iterator[TarRun]:
    """Cuts the rows of a tar, whose first header begins at `at`, into runs."""
    ends = [0, *accumulate(_weights(payloads))]  # of the tar before each row, without `at`
    sizes, count, first = payloads.sizes, len(payloads.sizes), 0
    while first < count:
        fitting = bisect_right(ends, ends[first] + RUN_BYTES, first + 1, count + 1) - 1
        end = min(max(fitting, first + 1), first + RUN_ROWS)
        size = ends[end] - ends[first]
        yield TarRun(first, end, at + ends[first], size, sum(sizes[first:end]))
        first = end


def _weights(payloads: Payloads) -> list[int]:
    """Returns how many bytes of a tar each row takes."""
    paths, sizes = payloads.table.column("path"), payloads.table.column("size")
    filled = pc.shift_left(
        pc.shift_right(pc.add(sizes, tar_header.BLOCK - 1), _BLOCK_BITS), _BLOCK_BITS
    )
    found: list[int] = pc.add(filled, tar_header.BLOCK).to_pylist()
    unusual = pc.or_(
        pc.greater(pc.binary_length(paths), tar_header.NAME_BYTES),
        pc.greater_equal(sizes, tar_header.OCTAL_SIZE_MAX),
    )
    for row in pc.indices_nonzero(unusual).to_pylist():
        found[row] += (
            len(tar_header.header(paths[row].as_py(), payloads.sizes[row])) - tar_header.BLOCK
        )
    return found


def members_of(payloads: Payloads) -> Members:
    """Returns what is needed to lay the rows out, as Python values."""
    rows = payloads.table
    paths = rows.column("path").to_pylist()
    if CONTENT in rows.column_names:
        return Members(paths, payloads.sizes, (), rows.column(CONTENT).to_pylist())
    return Members(paths, payloads.sizes, hashes(rows.column("object")))


def lay_out(
    payloads: Payloads, metadata: MetadataWriter | None, memory: memoryview, at: int
) -> bytes:
    """Lays a run out in memory; returns its lines of the index, if `metadata` writes them.

    See `Members.lay_out`.
    """
    offsets = members_of(payloads).lay_out(payloads.store, memory, at)
    return b"" if metadata is None else metadata.text(payloads.table, offsets)


def write_large(
    payloads: Payloads, metadata: MetadataWriter | None, write: Write, at: int
) -> bytes:
    """Writes the member of a run that is too large for memory, piece by piece; see `lay_out`."""
    rows = payloads.table
    path, size = rows.column("path")[0].as_py(), payloads.sizes[0]
    header = tar_header.header(check_path(path), size)
    write(header)
    if CONTENT in rows.column_names:
        write(rows.column(CONTENT)[0].as_py())
    else:
        for piece in pieces(payloads.store, rows.column("object")[0].as_py(), path, size):
            write(piece)
    write(tar_header.padding(size))
    return b"" if metadata is None else metadata.text(rows, [at + len(header)])


def write_tar(
    store: ObjectStore,
    tables: Iterable[pa.Table],
    classes: ClassList,
    write: Write,
    write_index: Write | None = None,
    counted: Counted = uncounted,
    at: int = 0,
) -> None:
    """Writes all rows, table after table, as one tar; a line of JSON for each to `write_index`.

    The first header comes `at` bytes after the beginning of the tar. What `write` is given changes
    when it has returned. Raises DamagedData, WriteFailed, InvalidInput for a path that leads
    elsewhere.
    """
    metadata = None if write_index is None else MetadataWriter(classes)
    memory = page_buffer(RUN_BYTES)
    for table in tables:
        payloads = Payloads(store, table)
        expect(store, table.num_rows, in_order=True)
        for run in runs_of(payloads, at):
            part = payloads.part(run.first, run.end)
            if run.size > RUN_BYTES:
                lines = write_large(part, metadata, write, run.at)
            else:
                lines = lay_out(part, metadata, memory, run.at)
                write(memory[: run.size])
            if write_index is not None:
                write_index(lines)
            counted(run.end - run.first, run.payload)
            at = run.at + run.size
    write(tar_header.END)
