"""Members of tar and zip archives at an address, a few at a time; nothing is unpacked to disk.

Only plain files are members; links and devices are passed over. What an archive expands to is
bounded by its own size.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.remotes.backend import Backend, Entry

TAR, ZIP = "tar", "zip"
_ENDINGS = {".tar": TAR, ".tar.gz": TAR, ".tgz": TAR, ".tar.bz2": TAR, ".tar.xz": TAR, ".zip": ZIP}
BATCH_FILES, BATCH_BYTES = 2_000, 64 << 20
# Of what is not random a good compressor makes a thousandth; more than this is a bomb.
EXPANDED_MOST, EXPANDED_FREE = 1_000, 1 << 30
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its name, its bytes or a stream of them, and its time (µs UTC)."""

    name: str
    size: int
    content: Any
    time: int | None


def archive_kind(name: str) -> str | None:
    """Returns whether a file is a tar or a zip, by its name; None for neither."""
    lowered = name.lower()
    return next((kind for ending, kind in _ENDINGS.items() if lowered.endswith(ending)), None)


def members_of(backend: Backend, entry: Entry, stream: io.RawIOBase) -> Iterator[list[Member]]:
    """Yields the files of an archive in batches, each to be read before the next is asked for.

    Raises InvalidInput for what is no archive, or expands to far more than it has.
    """
    most = entry.size * EXPANDED_MOST + EXPANDED_FREE
    try:
        if archive_kind(entry.name) == TAR:
            yield from _batches(_tar(stream), entry, most)
        else:
            with zipfile.ZipFile(_Seekable(backend, entry)) as archive:
                yield from _batches(_zip(archive), entry, most)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise InvalidInput(
            f"{printable(entry.name)} at {backend.url} is damaged, or no archive: {error}",
            hint="what was read of it until there is staged",
        ) from None


def _tar(stream: io.RawIOBase) -> Iterator[tuple[str, int, int | None, Any]]:
    with tarfile.open(fileobj=io.BufferedReader(stream, _BLOCK), mode="r|*") as archive:
        for member in archive:
            if member.isreg():
                yield (
                    member.name.removeprefix("./"), member.size, int(member.mtime * 1_000_000),
                    archive.extractfile(member),
                )  # fmt: skip


def _zip(archive: zipfile.ZipFile) -> Iterator[tuple[str, int, int | None, Any]]:
    for member in archive.infolist():
        kind = member.external_attr >> 28  # of Unix; 10 is a link
        if member.is_dir() or kind not in (0, 8):
            continue
        if member.flag_bits & 1:
            raise InvalidInput(f"{printable(member.filename)} is encrypted")
        try:
            time = int(datetime(*member.date_time, tzinfo=UTC).timestamp() * 1_000_000)
        except ValueError:
            time = None
        yield member.filename, member.file_size, time, archive.open(member)


def _batches(
    members: Iterator[tuple[str, int, int | None, IO[bytes]]], entry: Entry, most: int
) -> Iterator[list[Member]]:
    batch: list[Member] = []
    held = total = 0
    for name, size, time, stream in members:
        total += size
        if total > most:
            raise InvalidInput(
                f"{printable(entry.name)} expands to more than {most:,} bytes: that is no data set"
            )
        if size > BATCH_BYTES:
            if batch:
                yield batch
                batch, held = [], 0
            yield [Member(name, size, stream, time)]
            continue
        data = stream.read(size + 1)
        if len(data) != size:
            raise InvalidInput(f"{printable(name)} has another size than its archive says")
        batch.append(Member(name, size, data, time))
        held += size
        if len(batch) >= BATCH_FILES or held >= BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


class _Seekable(io.RawIOBase):
    """A file of an address that can be read anywhere, by blocks; the last few are kept."""

    def __init__(self, backend: Backend, entry: Entry):
        self._backend, self._entry = backend, entry
        self._at = 0
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._entry.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, target: Any) -> int:
        view = memoryview(target)
        number, skip = divmod(self._at, _BLOCK)
        part = self._block(number)[skip : skip + len(view)]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            start = number * _BLOCK
            size = min(_BLOCK, self._entry.size - start)
            if size <= 0:
                return b""
            while len(self._blocks) >= 8:
                del self._blocks[next(iter(self._blocks))]
            self._blocks[number] = self._backend.get(self._entry.name, _BLOCK, start, size)
        return self._blocks[number]
