"""What an interrupted run has left of a tar, so far as it is right.

Invariant: what is kept is what would be written once more; every header and every content is
compared before it counts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from blake3 import blake3

from dsm.model.names import check_path
from dsm.views.selection.payloads import WRITE_BYTES, Write, batches
from dsm.views.writing import tar_header
from dsm.views.writing.metadata import MetadataWriter

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.views.selection.classes import ClassList


def members_kept(
    path: str, table: pa.Table, classes: ClassList, write_index: Write
) -> tuple[int, int, int]:
    """Returns how many rows, from the first on, lie whole in the tar at `path`, in how many bytes
    of it, and the bytes of their payloads; their lines go to `write_index`.

    A file that is not there, or no file, holds none. Raises InvalidInput for a path that leads
    elsewhere.
    """
    metadata = MetadataWriter(classes)
    kept = at = payload = 0
    if os.path.islink(path) or not os.path.isfile(path):
        return 0, 0, 0
    with open(path, "rb", WRITE_BYTES) as file:
        for first, end in batches(table.column("size").to_pylist()):
            rows = table.slice(first, end - first)
            columns = (rows.column(name).to_pylist() for name in ("path", "size", "object"))
            offsets = []
            for name, size, oid in zip(*columns, strict=True):
                header = tar_header.header(check_path(name), size)
                if not _is_member(file, header, size, oid):
                    break
                offsets.append(at + len(header))
                at += len(header) + size + len(tar_header.padding(size))
                payload += size
            write_index(metadata.text(rows.slice(0, len(offsets)), offsets))
            kept += len(offsets)
            if kept < end:
                break
    return kept, at, payload


def _is_member(file: BinaryIO, header: bytes, size: int, oid: bytes) -> bool:
    """Whether this member comes next in the file; goes past it, or anywhere when it does not."""
    try:
        if file.read(len(header)) != header:
            return False
        hasher, left = blake3(), size
        while left:
            piece = file.read(min(left, WRITE_BYTES))
            if not piece:
                return False
            hasher.update(piece)
            left -= len(piece)
        padding = tar_header.padding(size)
        return hasher.digest() == oid and file.read(len(padding)) == padding
    except OSError:
        return False
