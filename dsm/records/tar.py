"""Reading tars: each file in one is an example, and the tar is a list of their contents and of what
is between them. So a picture that is loose somewhere, too, is stored once.

A compressed tar is stored as it is, its members beside it. Nothing is unpacked to the disk.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from dsm.model.names import printable
from dsm.records.compressed import PACK_AGAIN, Decompressed, compression_of
from dsm.records.gathering import Gathering, Read, RecordsInvalid
from dsm.records.groups import GroupStore
from dsm.records.samples import SAID_BYTES_MAX, Member, Samples, may_say
from dsm.records.settings import RecordSettings
from dsm.records.tar_headers import BLOCK, PIECE, Forward, plain_file
from dsm.records.whole import hash_of, is_still, store_whole
from dsm.store.chunks import readinto_of

# What may be said of others is among these.
_SMALL = SAID_BYTES_MAX
# What `tarfile` says of what it takes for the first header, in words of dsm.
_SAID = {
    "empty file": "it is empty",
    "truncated header": "it is cut off within a header",
    "invalid header": "it does not begin with a header",
    "bad checksum": "a header is damaged: it does not fit its checksum",
}


class _Content:
    """The content of one member, as a file that ends with it."""

    def __init__(self, file: Forward, size: int):
        self._file, self.left = file, size

    def read(self, size: int) -> bytes:
        data = self._file.take(min(size, self.left, PIECE))
        self.left -= len(data)
        return data


def _explained(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"the name of what follows is not UTF-8: {error.object[:200]!r}"
    if isinstance(error, tarfile.ReadError) and str(error) in _SAID:
        return _SAID[str(error)]
    return printable(str(error)[:200])


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
        self._file = Forward(file)
        self._name, self._store, self._listed = name, store, listed
        self._gathered = Gathering(name, settings, "member")
        self._samples = Samples(self._gathered, getattr(store, "say", None))
        self._contents: dict[str, tuple[bytes, int]] = {}
        self._rows: list[bytes] = []

    def read(self) -> Read:
        number = 0
        try:
            for number, (name, size, info) in enumerate(self._headers(), 1):
                self._put_between()
                if info is None or info.isreg():
                    self._store_content(self._checked(name, number, info), size, number)
                elif info.islnk():
                    self._link(self._samples.checked(name, number), info.linkname, number)
                # Folders, other links and devices are kept in the file, and are no examples.
        except (tarfile.TarError, ValueError, OSError, EOFError) as error:
            if isinstance(error, RecordsInvalid):
                raise
            where = f" behind member {number:,}" if number else ""
            raise RecordsInvalid(
                f"{printable(self._name)} cannot be read as tar{where}: {_explained(error)}",
                hint=PACK_AGAIN,
                items=(self._name,),
            ) from None
        self._samples.close()
        file = self._file
        self._take_rest()
        self._put_between()
        oid = file.whole.digest()
        if self._store is not None and self._listed:
            if not file.at:
                self._store.put(b"", ".tar")
            elif len(self._rows) > 1:
                self._store.put_list(oid, file.at, b"".join(self._rows))
        return self._gathered.finish(oid, file.at)

    def _take_rest(self) -> None:
        """Takes what stands behind the end. Raises RecordsInvalid for another tar there, whose
        files nobody would see."""
        file, blank = self._file, True
        while data := file.take(PIECE):
            if blank and (found := len(data) - len(data.lstrip(b"\0"))) < len(data):
                blank, start = False, file.at - len(data)
                first = found - (start + found) % BLOCK
                if data[first + 257 : first + 262] == b"ustar":
                    raise RecordsInvalid(
                        f"{printable(self._name)} has another tar behind its end, which is not"
                        " read",
                        hint="join them by `tar --concatenate`, or add each as a file",
                        items=(self._name,),
                    )
            file.between.append(data)
            self._put_between()

    # --- headers ---

    def _headers(self) -> Iterator[tuple[str, int, tarfile.TarInfo | None]]:
        """Yields (name, bytes, what `tarfile` read of it, unless it is plain) of each member, with
        the file where its content begins.

        Raises TarError where what follows is neither a header nor an end.
        """
        file = self._file
        tar: Any = None
        while True:
            # What a header for all says is known to `tarfile` alone.
            plain = None if tar is not None and tar.pax_headers else plain_file(file)
            if plain is not None:
                name, size, length = plain
                file.between.append(file.take(length))
                end = file.at + size + -size % BLOCK
                yield name, size, None
            else:
                if tar is None:
                    tar = self._opened()
                    info = tar.firstmember and tar.next()
                else:
                    tar.offset = file.tell()
                    info = tar.next()
                if info is None:
                    break
                tar.members = []  # it would keep all of them
                end = tar.offset
                file.seek(info.offset_data)
                yield info.name, info.size, info
            while end - file.at > PIECE:  # the content of what is no file
                file.seek(file.at + PIECE)
                self._put_between()
            file.seek(end)
            if file.at < end:
                raise tarfile.ReadError("it is cut off")
        # `tarfile` takes anything that is no header for the end.
        if len(file.header) < BLOCK:
            raise tarfile.ReadError("it is cut off: it has no end")
        if file.header.strip(b"\0"):
            raise tarfile.ReadError("what follows is no header")

    def _opened(self) -> tarfile.TarFile:
        """Opens the tar from here on, which reads a header."""
        return tarfile.open(
            fileobj=cast(BinaryIO, self._file), mode="r:", encoding="utf-8", errors="strict"
        )

    def _checked(self, name: str, number: int, info: tarfile.TarInfo | None) -> str:
        name = self._samples.checked(name, number)
        if info is not None and info.issparse():
            raise self._gathered.wrong(
                number, f"('{printable(name)}') is sparse, which dsm does not read",
                "pack it again without --sparse",
            )  # fmt: skip
        return name

    # --- contents ---

    def _link(self, name: str, linked: str, number: int) -> None:
        """Takes a link to a member before it, which is its content again."""
        target = linked.removeprefix("./")
        if target not in self._contents:
            raise self._gathered.wrong(
                number, f"('{printable(name)}') is a link to '{printable(target[:200])}', which"
                " no member before it is", "pack it again with what it links to, and that first",
            )  # fmt: skip
        oid, size = self._contents[name] = self._contents[target]
        self._samples.add(Member(name, number, oid, size, None))

    def _store_content(self, name: str, size: int, number: int) -> None:
        file = self._file
        data = file.take(size) if size <= _SMALL else b""
        suffix = os.path.splitext(name)[1].lower()
        if data and self._store is not None:
            # As it is: through the buffer that streams are cut in it would be copied twice.
            oid, got = self._store.put(data, suffix, self._rows), len(data)
        else:
            content = cast(BinaryIO, io.BytesIO(data) if size <= _SMALL else _Content(file, size))
            if self._store is None:
                oid, got = hash_of(content)
            else:
                oid, got = self._store.put_stream(readinto_of(content), suffix, self._rows)
        if got < size:
            raise tarfile.ReadError("it is cut off")
        self._contents[name] = (oid, size)
        held = data if may_say(name, size) else None
        self._samples.add(Member(name, number, oid, size, held))

    def _put_between(self) -> None:
        """Stores what was read since the last content, as a piece of the file."""
        data = b"".join(self._file.between)
        self._file.between.clear()
        if not data or self._store is None or not self._listed:
            return
        self._store.put(data, ".tar", self._rows)  # large ones are cut


READER = TarReader()
