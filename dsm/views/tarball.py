"""One tar with the original paths, and an index of where each payload lies in it.

The bytes depend on paths and contents alone. Specified in docs/format/materialised.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from dsm.model.names import check_path
from dsm.views import tar
from dsm.views.payloads import Collected, Counted, Write, all_batches, uncounted
from dsm.views.sidecar import Sidecar

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.store.objects import ObjectStore


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

    The first header comes `at` bytes after the beginning of the tar. Raises DamagedData,
    WriteFailed, InvalidInput for a path that leads elsewhere.
    """
    out = Collected(write)
    sidecar = Sidecar(classes)
    for payloads, rows, content in all_batches(store, tables):
        paths, sizes = rows.column("path").to_pylist(), rows.column("size").to_pylist()
        offsets = []
        for number, (path, size, data) in enumerate(zip(paths, sizes, content, strict=True)):
            header = tar.header(check_path(path), size)
            padding = tar.padding(size)
            offsets.append(at + len(header))
            at += len(header) + size + len(padding)
            if data is not None:
                out.add((header, data, padding), size + len(header))
                continue
            out.add((header,), len(header))
            for piece in payloads.pieces(rows.column("object")[number].as_py(), path, size):
                out.add((piece,), len(piece))
            out.add((padding,), len(padding))
        if write_index is not None:
            write_index("".join(f"{line}\n" for line in sidecar.lines(rows, offsets)).encode())
        counted(rows.num_rows, sum(sizes))
    out.add((tar.END,), len(tar.END))
    out.flush()
