"""One tar with the original paths, and an index of where each payload lies in it.

The bytes depend on paths and contents alone, whoever lays out which run of the rows. Specified in
docs/format/materialised.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dsm.model.names import check_path, check_paths
from dsm.store import disk
from dsm.store.batch import read_into
from dsm.views import tar
from dsm.views.columns import hashes
from dsm.views.payloads import CONTENT, Counted, Payloads, Write, uncounted
from dsm.views.sidecar import Sidecar

if TYPE_CHECKING:
    from dsm.store.objects import ObjectStore

RUN_BYTES = 8 << 20  # whole pages
RUN_ROWS = 2048
_ZEROS = bytes(tar.BLOCK)


@dataclass(frozen=True, slots=True)
class Run:
    """Rows that follow each other, the bytes of their payloads, and where their first header begins
    in the tar.

    `size` is how much of the tar they are. What is more than `RUN_BYTES` is one row.
    """

    first: int
    end: int
    at: int
    size: int
    payload: int


def runs_of(payloads: Payloads, at: int = 0) -> Iterator[Run]:
    """Cuts the rows of a tar, whose first header begins at `at`, into runs."""
    paths = payloads.table.column("path")
    long = set(pc.indices_nonzero(pc.greater(pc.binary_length(paths), tar.NAME_BYTES)).to_pylist())
    first = held = payload = row = 0
    for row, size in enumerate(payloads.sizes):
        head = tar.BLOCK
        if row in long or size >= tar.OCTAL_SIZE_MAX:
            head = len(tar.header(paths[row].as_py(), size))
        weight = head + size + -size % tar.BLOCK
        if row > first and (held + weight > RUN_BYTES or row - first >= RUN_ROWS):
            yield Run(first, row, at, held, payload)
            first, at, held, payload = row, at + held, 0, 0
        held += weight
        payload += size
    if held:
        yield Run(first, row + 1, at, held, payload)


def lay_out(payloads: Payloads, sidecar: Sidecar | None, memory: memoryview, at: int) -> bytes:
    """Lays the members of a run out in memory; returns their lines of the index, if a sidecar
    writes them.

    The first header begins `at` bytes after the beginning of the tar. Raises DamagedData, and
    InvalidInput for a path that leads elsewhere.
    """
    paths = payloads.table.column("path").to_pylist()
    check_paths(paths)
    places: list[memoryview] = []
    offsets: list[int] = []
    end = 0
    for path, size in zip(paths, payloads.sizes, strict=True):
        header = tar.header(path, size)
        begin = end + len(header)
        memory[end:begin] = header
        offsets.append(at + begin)
        end = begin + size
        places.append(memory[begin:end])
        padding = -size % tar.BLOCK
        memory[end : end + padding] = _ZEROS[:padding]
        end += padding
    if CONTENT in payloads.table.column_names:
        contents = payloads.table.column(CONTENT).to_pylist()
        for place, content in zip(places, contents, strict=True):
            place[:] = content
    else:
        oids = hashes(payloads.table.column("object"))
        for number in read_into(payloads.store, oids, places):
            place = places[number]
            for piece in payloads.pieces(oids[number], paths[number], payloads.sizes[number]):
                place[: len(piece)] = piece
                place = place[len(piece) :]
    return b"" if sidecar is None else sidecar.text(payloads.table, offsets)


def write_large(payloads: Payloads, sidecar: Sidecar | None, write: Write, at: int) -> bytes:
    """Writes the member of a run that is too large for memory, piece by piece; see `lay_out`."""
    rows = payloads.table
    path, size = rows.column("path")[0].as_py(), payloads.sizes[0]
    header = tar.header(check_path(path), size)
    write(header)
    if CONTENT in rows.column_names:
        write(rows.column(CONTENT)[0].as_py())
    else:
        for piece in payloads.pieces(rows.column("object")[0].as_py(), path, size):
            write(piece)
    write(tar.padding(size))
    return b"" if sidecar is None else sidecar.text(rows, [at + len(header)])


def write_tar(
    store: ObjectStore,
    tables: Iterable[pa.Table],
    classes: Mapping[str, int],
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
    sidecar = None if write_index is None else Sidecar(classes)
    memory = disk.page_buffer(RUN_BYTES)
    for table in tables:
        payloads = Payloads(store, table)
        for run in runs_of(payloads, at):
            part = payloads.part(run.first, run.end)
            if run.size > RUN_BYTES:
                lines = write_large(part, sidecar, write, run.at)
            else:
                lines = lay_out(part, sidecar, memory, run.at)
                write(memory[: run.size])
            if write_index is not None:
                write_index(lines)
            counted(run.end - run.first, run.payload)
            at = run.at + run.size
    write(tar.END)
