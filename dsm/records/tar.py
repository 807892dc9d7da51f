"""Reading tars: each file in one is an example, and the tar is a list of their contents and of what
is between them. So a picture that is loose somewhere, too, is stored once.

A compressed tar is stored as it is, its members beside it. Nothing is unpacked to the disk.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from blake3 import blake3

from dsm.format import chunk_list
from dsm.model.names import printable
from dsm.records.compressed import Decompressed, compression_of
from dsm.records.gathering import Gathering, Read, RecordsInvalid
from dsm.records.groups import GroupStore
from dsm.records.samples import Member, Samples, may_say
from dsm.records.settings import RecordSettings
from dsm.records.whole import is_still, store_whole
from dsm.store.chunks import readinto_of

# What is read at once of what is between contents: headers, of which none is longer.
_PIECE = 256 << 10
_HEADER_MAX = 1 << 20
_BLOCK = 512


class _Forward:
    """A file that is read once, from its beginning to its end, as `tarfile` needs it.

    What is read is hashed; what is no content of a member is handed on as `between`.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self._last = b""
        self._again = False
        self.header = b""  # what was read as one, last
        self.whole = blake3()
        self.at = 0
        self.between: list[bytes] = []

    def tell(self) -> int:
        return self.at - self._again

    def read(self, size: int) -> bytes:
        """Returns bytes of headers. Raises ValueError for more than any has."""
        if size > _HEADER_MAX:
            raise ValueError(f"a header of {size:,} bytes")
        if self._again and size:
            self._again = False
            return self._last + self.read(size - 1)
        self.header = data = self.take(size)
        self.between.append(data)
        return data

    def seek(self, target: int) -> None:
        """Goes forward; what lies between is read."""
        self._again = target == self.at - 1
        while self.at < target and (data := self.take(min(_PIECE, target - self.at))):
            self.between.append(data)

    def take(self, size: int) -> bytes:
        """Reads, without a bound, and without taking it for what is between."""
        parts, left = [], size
        while left and (data := self._file.read(min(left, _PIECE))):
            parts.append(data)
            left -= len(data)
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self.whole.update(data)
        self.at += len(data)
        self._last = data[-1:] or self._last
        return data


class _Content:
    """The content of one member, as a file that ends with it."""

    def __init__(self, file: _Forward, size: int, keep: bool):
        self._file, self.left = file, size
        self.kept: list[bytes] | None = [] if keep else None

    def read(self, size: int) -> bytes:
        data = self._file.take(min(size, self.left))
        self.left -= len(data)
        if self.kept is not None:
            self.kept.append(data)
        return data


class TarReader:
    """Reads tars, compressed ones too; see `RecordReader`."""

    def read(
        self, file: BinaryIO, name: str, settings: RecordSettings, store: GroupStore | None = None
    ) -> Read:
        """See `RecordReader.read`."""
        compression = compression_of(file)
        if compression is None:
            return _Tar(file, name, settings, store, listed=True).read()
        oid, size = store_whole(file, name, store)
        inner = cast(BinaryIO, Decompressed(file, name, compression))
        read = _Tar(inner, name, settings, store, listed=False).read()
        read.oid, read.size = oid, size if is_still(file, oid) else -1
        return read

    def fields(self, data: bytes, settings: RecordSettings) -> dict[str, Any]:
        """See `RecordReader.fields`: what is said of a member stands in others."""
        raise ValueError("its fields are said beside it")


class _Tar:
    """One tar; `listed` is whether the file is made a list of its pieces."""

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        settings: RecordSettings,
        store: GroupStore | None,
        *,
        listed: bool,
    ):
        self._file = _Forward(file)
        self._name, self._store, self._listed = name, store, listed
        self._gathered = Gathering(name, settings, "member")
        self._samples = Samples(self._gathered, getattr(store, "say", None))
        self._contents: dict[str, tuple[bytes, int]] = {}
        self._rows: list[bytes] = []

    def read(self) -> Read:
        number = 0
        try:
            for number, info in enumerate(self._infos(), 1):
                self._member(info, number)
        except (tarfile.TarError, ValueError, OSError, EOFError) as error:
            if isinstance(error, RecordsInvalid):
                raise
            raise RecordsInvalid(
                f"{printable(self._name)} cannot be read as tar behind member {number:,}:"
                f" {printable(str(error)[:200])}",
                items=(self._name,),
            ) from None
        self._samples.close()
        file = self._file
        while data := file.take(_PIECE):  # behind the end of the archive
            file.between.append(data)
            self._put_between()
        self._put_between()
        oid = file.whole.digest()
        if self._store is not None and self._listed:
            if not file.at:
                self._store.put(b"", ".tar")
            elif len(self._rows) > 1:
                self._store.put_list(oid, file.at, b"".join(self._rows))
        return self._gathered.finish(oid, file.at)

    def _infos(self) -> Iterator[tarfile.TarInfo]:
        """Yields the headers. Raises TarError where what follows is neither one nor an end."""
        file = self._file
        with tarfile.open(
            fileobj=cast(BinaryIO, file), mode="r:", encoding="utf-8", errors="strict"
        ) as tar:
            while (info := tar.next()) is not None:
                cast(Any, tar).members = []  # it would keep all of them
                yield info
        # `tarfile` takes anything that is no header for the end.
        if len(file.header) < _BLOCK:
            raise tarfile.ReadError("it is cut off: it has no end")
        if file.header.strip(b"\0"):
            raise tarfile.ReadError("what follows is no header")

    def _member(self, info: tarfile.TarInfo, number: int) -> None:
        self._put_between()
        if not (info.isfile() or info.islnk()):
            return  # folders, links and devices are kept in the file, and are no examples
        name = self._samples.checked(info.name, number)
        if info.issparse():
            raise self._gathered.wrong(
                number, f"('{printable(name)}') is sparse, which dsm does not read",
                "pack it again without --sparse",
            )  # fmt: skip
        if info.islnk():
            target = info.linkname.removeprefix("./")
            if target not in self._contents:
                raise self._gathered.wrong(
                    number, f"('{printable(name)}') is a link to '{printable(target[:200])}', which"
                    " no member before it is",
                )  # fmt: skip
            oid, size = self._contents[target]
            held = None
        else:
            oid, size, held = self._store_content(info, name)
        self._contents[name] = (oid, size)
        self._samples.add(Member(name, number, oid, size, held))

    def _store_content(self, info: tarfile.TarInfo, name: str) -> tuple[bytes, int, bytes | None]:
        self._file.seek(info.offset_data)
        self._put_between()
        content = _Content(self._file, info.size, may_say(name, info.size))
        suffix = os.path.splitext(name)[1].lower()
        if self._store is None:
            whole, size = blake3(), 0
            while data := content.read(_PIECE):
                whole.update(data)
                size += len(data)
            oid: bytes = whole.digest()
        else:
            pieces: list[bytes] = []
            reading = readinto_of(cast(BinaryIO, content))
            oid, size = self._store.put_stream(reading, suffix, pieces)
            self._rows += pieces
        if content.left:
            raise tarfile.ReadError("it is cut off")
        return oid, size, None if content.kept is None else b"".join(content.kept)

    def _put_between(self) -> None:
        """Stores what was read since the last content, as a piece of the file."""
        data = b"".join(self._file.between)
        self._file.between.clear()
        if not data or self._store is None or not self._listed:
            return
        oid = self._store.put(data, ".tar")
        self._rows.append(chunk_list.row(oid, len(data)))


READER = TarReader()
