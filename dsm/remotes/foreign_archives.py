"""Members of tar and zip archives at an address, a few at a time; nothing is unpacked to disk.

Only plain files are members; links and devices are passed over. What an archive expands to is
bounded by its own size, and so is each of its headers.
"""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, BinaryIO, cast

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.remotes.backend import ENTRIES_MAX, Backend, Entry

TAR, ZIP = "tar", "zip"
_ENDINGS = {".tar": TAR, ".tar.gz": TAR, ".tgz": TAR, ".tar.bz2": TAR, ".tar.xz": TAR, ".zip": ZIP}
BATCH_FILES, BATCH_BYTES = 2_000, 64 << 20
# Of what is not random a good compressor makes a thousandth; more than this is a bomb.
EXPANDED_MOST, EXPANDED_FREE = 1_000, 1 << 30
_BLOCK = 1 << 20
_HEADER_MAX = 1 << 20
_LOCAL = struct.Struct("<4s22xHH")  # a header of a zip before its member
_BEFORE_OTHERS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its name, bytes or a stream of them, its time (µs UTC), the CRC that a
    zip has of it, and where it begins in the archive, if its bytes lie there as they are."""

    name: str
    size: int
    content: Any
    time: int | None
    crc: int | None = None
    start: int | None = None


Wanted = Callable[[Member], bool]


def archive_kind(name: str) -> str | None:
    """Returns whether a file is a tar or a zip, by its name; None for neither."""
    lowered = name.lower()
    return next((kind for ending, kind in _ENDINGS.items() if lowered.endswith(ending)), None)


def members_of(where: str, entry: Entry, file: BinaryIO, wanted: Wanted) -> Iterator[list[Member]]:
    """Yields the files of an archive that are `wanted`, by what is known before they are read, in
    batches, each to be read before the next is asked for.

    Raises InvalidInput for what is no archive, or expands to far more than it has.
    """
    try:
        if archive_kind(entry.name) == TAR:
            yield from _batches(_tar(file), entry, wanted)
        else:
            with zipfile.ZipFile(file) as archive:
                yield from _batches(_zip(archive, file), entry, wanted)
    except (
        tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError,
        NotImplementedError, struct.error, UnicodeDecodeError,
    ) as error:  # fmt: skip
        raise InvalidInput(
            f"{printable(entry.name)} at {where} is damaged, or no archive:"
            f" {printable(str(error)[:200])}",
            hint="what was read of it until there is staged",
        ) from None


class _Header(tarfile.TarInfo):
    """A header of a tar; one that is damaged, or has no end, is an error, and no end of the tar."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        try:
            found = super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from None
        if found.type in _BEFORE_OTHERS and found.size > _HEADER_MAX:
            raise tarfile.ReadError(f"a header of {found.size:,} bytes")
        return found


def _tar(file: BinaryIO) -> Iterator[Member]:
    magic = file.read(6)
    file.seek(0)
    is_plain = not magic.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ"))
    with tarfile.open(fileobj=file, mode="r|*", tarinfo=_Header, bufsize=_BLOCK) as archive:
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # it would keep all of them
            if member.isreg():
                at = member.offset_data if is_plain and not member.issparse() else None
                yield Member(
                    member.name.removeprefix("./"), member.size, archive.extractfile(member),
                    int(member.mtime * 1_000_000), start=at,
                )  # fmt: skip


def _zip(archive: zipfile.ZipFile, file: BinaryIO) -> Iterator[Member]:
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
        yield Member(
            member.filename, member.file_size, _Opened(archive, member), time, member.CRC,
            _stored_at(member, file),
        )  # fmt: skip


class _Opened:
    """A member of a zip that is opened when it is read."""

    def __init__(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo):
        self._archive, self._member = archive, member
        self._file: IO[bytes] | None = None

    def read(self, size: int = -1) -> bytes:
        if self._file is None:
            self._file = self._archive.open(self._member)
        return self._file.read(size)


def _stored_at(member: zipfile.ZipInfo, file: BinaryIO) -> int | None:
    """Returns where the bytes of a member lie; None where they are compressed."""
    if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
        return None
    return member.header_offset


def start_of(member: Member, file: BinaryIO, name: str) -> int | None:
    """Returns where the bytes of a member begin in its archive, which is read for a zip; None where
    they do not lie there as they are."""
    if member.start is None or archive_kind(name) == TAR:
        return member.start
    file.seek(member.start)
    magic, names, extra = _LOCAL.unpack(file.read(_LOCAL.size))
    return member.start + _LOCAL.size + names + extra if magic == b"PK\x03\x04" else None


def _batches(members: Iterator[Member], entry: Entry, wanted: Wanted) -> Iterator[list[Member]]:
    most = entry.size * EXPANDED_MOST + EXPANDED_FREE
    batch: dict[str, Member] = {}
    held = total = 0
    for number, member in enumerate(members):
        total += member.size
        if total > most or number >= ENTRIES_MAX:
            raise InvalidInput(
                f"{printable(entry.name)} expands to more than {most:,} bytes, or"
                f" {ENTRIES_MAX:,} files: that is no data set"
            )
        if not wanted(member):
            continue
        # Of several members of one name the last counts, as for tar and unzip.
        if batch and (member.size > BATCH_BYTES or member.name in batch):
            yield list(batch.values())
            batch, held = {}, 0
        if member.size > BATCH_BYTES:
            yield [member]
            continue
        data = member.content.read(member.size + 1)
        if len(data) != member.size:
            raise InvalidInput(
                f"{printable(member.name)} has another size than its archive says, or is cut short"
            )
        batch[member.name] = Member(
            member.name, member.size, data, member.time, member.crc, member.start
        )
        held += member.size
        if len(batch) >= BATCH_FILES or held >= BATCH_BYTES:
            yield list(batch.values())
            batch, held = {}, 0
    if batch:
        yield list(batch.values())


def at_the_address(backend: Backend, entry: Entry) -> BinaryIO:
    """Returns a file of an address that can be read anywhere, by blocks; the last few are kept."""
    return cast(BinaryIO, io.BufferedReader(_Seekable(backend, entry), _BLOCK))


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
