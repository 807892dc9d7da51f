"""Materialising a view: the same bytes wherever and whenever.

A file appears under its name only when it is whole.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING

from dsm.errors import Conflict, DamagedData, InvalidInput
from dsm.model.example import Example
from dsm.model.names import check_path
from dsm.progress import SILENT, Progress
from dsm.store import disk
from dsm.views import tar

if TYPE_CHECKING:
    from dsm.views.view import View

BATCH_BYTES = 64 << 20
BATCH_EXAMPLES = 4096
WRITE_BYTES = 1 << 20


def path_in(view: View, folder: str) -> str:
    """Returns where `get` puts the tar."""
    return os.path.join(folder, f"{view.dataset}-{view.version[:16]}.tar")


def get(
    view: View, out: str, *, format: str = "tar", force: bool = False, progress: Progress = SILENT
) -> str:
    """Materialises the view as one tar in folder `out` ("-": to stdout); returns its path.

    A finished tar that is there already is compared and left alone. Raises Conflict when the
    file there is another one (`force` replaces it).
    """
    if format != "tar":
        raise InvalidInput(f"there is no format {format!r}", hint="tar is the format there is")
    progress.start("writing", len(view), view.size)
    if out == "-":
        sink = sys.stdout.buffer
        _write(view, sink.write, progress)
        sink.flush()
        return out
    disk.make_dirs(out, durable=False)
    path = path_in(view, out)
    if os.path.lexists(path) and not force:
        with open(path, "rb") as present:
            _write(view, _same_as(present, path), progress)
            if present.read(1):
                raise _differs(path)
        progress.finish()
        return path
    temporary = os.path.join(out, f".{view.dataset}-{os.urandom(6).hex()}.tmp")
    fd = disk.open_new(temporary)
    try:
        _write(view, lambda data: disk.write_all(fd, data, path), progress)
        disk.sync_file(fd, path)
        disk.close(fd, path)
        disk.replace(temporary, path)
        disk.sync_dir(out)
    except BaseException:
        disk.discard(temporary)
        raise
    progress.finish()
    return path


def _write(view: View, write: Callable[[bytes], object], progress: Progress) -> None:
    parts: list[bytes] = []
    size = 0
    for example, data in _contents(view):
        pieces = (data,) if data is not None else view.repository.store.stream(example.oid)
        parts.append(tar.header(check_path(example.path), example.size))
        left = example.size
        for piece in pieces:
            parts.append(piece)
            left -= len(piece)
            size += len(piece)
            if size >= WRITE_BYTES:
                write(b"".join(parts))
                parts, size = [], 0
        if left:
            raise DamagedData(f"{example.path} has not the {example.size} bytes that it should")
        parts.append(tar.padding(example.size))
        size += 2 * tar.BLOCK
        progress.advance(1, example.size)
    parts.append(tar.END)
    write(b"".join(parts))


def _contents(view: View) -> Iterator[tuple[Example, bytes | None]]:
    """Yields the examples in order, read a batch at a time in the order they lie on disk."""
    batch: list[Example] = []
    size = 0
    for example in view:
        batch.append(example)
        size += example.size
        if len(batch) >= BATCH_EXAMPLES or size >= BATCH_BYTES:
            yield from _read(view, batch)
            batch, size = [], 0
    yield from _read(view, batch)


def _read(view: View, batch: list[Example]) -> Iterator[tuple[Example, bytes | None]]:
    content = dict(view.repository.store.read_many(example.oid for example in batch))
    for example in batch:
        data = content[example.oid]
        yield example, data


def _same_as(present: IO[bytes], path: str) -> Callable[[bytes], object]:
    def check(data: bytes) -> None:
        if present.read(len(data)) != data:
            raise _differs(path)

    return check


def _differs(path: str) -> Conflict:
    return Conflict(f"{path} exists and is not this view", hint="--force replaces it")
