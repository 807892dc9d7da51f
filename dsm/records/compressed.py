"""What is compressed is read in bounded memory, as far as it is no bomb.

A compressed file is stored as a file, as it is. Its records are objects of groups of the text in
it, as if that were the file; nothing is a list of those groups.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.records.gathering import RecordsInvalid

_XZ = b"\xfd7zXZ\0"
_MAGIC = {
    "gzip": b"\x1f\x8b",
    "zstd": b"\x28\xb5\x2f\xfd",
    "bzip2": b"BZh",
    "xz": _XZ,
}
# A megabyte of packed bytes unpacks to so many, and to so many lines; more is no text of people.
_EXPANDS, _SPARED = 200, 64 << 20
_LINES_A_BYTE, _LINES_SPARED = 4, 1 << 20
_PACKED_BYTES = 64 << 10
_ZSTD_BYTES = 1 << 10  # 128 KiB may come of four bytes, and it has no bound of its own
_PIECE = 1 << 20
PACK_AGAIN = "get the file again, or pack it again"


def compression_of(file: BinaryIO) -> str | None:
    """Returns how a file is compressed, by its first bytes, and leaves it at its beginning."""
    head = file.read(6) or b""
    file.seek(0)
    if (
        head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5
    ):  # a frame that says nothing, as pzstd has
        return "zstd"
    return next((name for name, magic in _MAGIC.items() if head.startswith(magic)), None)


class Budget:
    """How much may come of a file, by how much of it was read: a bomb makes more."""

    def __init__(self, name: str):
        self._name = name
        self._bytes = self._records = 0

    def spend(self, packed: int, size: int, records: int) -> None:
        """Counts what came of `packed` bytes so far. Raises RecordsInvalid for a bomb."""
        self._bytes += size
        self._records += records
        if (
            self._bytes > _SPARED + _EXPANDS * packed
            or self._records > _LINES_SPARED + _LINES_A_BYTE * packed
        ):
            raise RecordsInvalid(
                f"{printable(self._name)} unpacks to more than {_EXPANDS} times its size, or to"
                " more lines or rows than such a file has",
                hint="unpack it yourself, if you trust it, and add what comes of it",
                items=(self._name,),
            )


class Decompressed:
    """A compressed file as one that is read forward; of several streams behind each other all.

    `read` raises RecordsInvalid for a stream that is cut off, damaged or a bomb.
    """

    def __init__(self, file: BinaryIO, name: str, compression: str):
        self._file, self._name, self._compression = file, name, compression
        self._packed = b""  # read of the file, and not used yet
        self._out: list[bytes] = []
        self._held = 0
        self._stream: Any = None
        self._ended = False
        self._budget = Budget(name)
        self._in = self._streams = self._begun = 0

    def read(self, size: int) -> bytes:
        """Returns so many bytes, fewer at the end alone."""
        while self._held < size and not self._ended:
            try:
                piece = self._next()
            except RecordsInvalid:
                raise
            except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError):
                raise self._damaged() from None
            except Exception as error:
                if type(error).__module__.partition(".")[0] != "zstandard":
                    raise
                raise self._damaged() from None
            self._count(piece)
        data = b"".join(self._out)
        self._out = [data[size:]] if len(data) > size else []
        self._held = max(0, len(data) - size)
        return data[:size]

    def _next(self) -> bytes:
        if not self._packed:
            self._packed = self._file.read(_PACKED_BYTES) or b""
            self._in += len(self._packed)
        if self._stream is None:
            if self._streams and not self._packed.strip(b"\0"):  # padding, as tapes have it
                self._ended = not self._packed
                self._packed = b""
                return b""
            # `lzma` takes a few bytes for the beginning of a stream, whatever they are.
            begins = self._packed[: len(_XZ)] == _XZ[: len(self._packed)]
            if self._streams and self._compression == "xz" and not begins:
                self._begun = self._in - len(self._packed)
                self._streams += 1
                raise self._damaged()
            self._stream = _OPENED[self._compression]()
            self._streams += 1
            self._begun = self._in - len(self._packed)
        if not self._packed and getattr(self._stream, "needs_input", True):
            raise self._wrong(f"is cut off: its {self._compression} stream has no end")
        piece, self._packed, ended = self._stream.unpack(self._packed)
        if ended:
            self._stream = None
        found: bytes = piece
        return found

    def _count(self, piece: bytes) -> None:
        if not piece:
            return
        self._out.append(piece)
        self._held += len(piece)
        self._budget.spend(self._in, len(piece), piece.count(b"\n"))

    def _damaged(self) -> InvalidInput:
        # What the libraries say names numbers of their own, and no place.
        begin = self._in - len(self._packed)
        if self._streams > 1 and self._begun == begin:
            return self._wrong(
                f"is damaged: what follows its {self._compression} stream, from byte {begin:,} on,"
                " is no other one"
            )
        return self._wrong(
            f"is damaged: its {self._compression} stream cannot be unpacked from byte {begin:,} on"
        )

    def _wrong(self, reason: str) -> InvalidInput:
        return RecordsInvalid(
            f"{printable(self._name)} {reason}", hint=PACK_AGAIN, items=(self._name,)
        )


class _Bounded:
    """A stream of `zlib`, `bz2` or `lzma`, each of which gives out so much at a time."""

    def __init__(self, stream: Any):
        self._stream = stream
        self.needs_input = True

    def unpack(self, data: bytes) -> tuple[bytes, bytes, bool]:
        """Returns (bytes, what of the data is left, whether the stream has ended)."""
        stream = self._stream
        piece = (
            stream.decompress(data, _PIECE) if hasattr(stream, "unconsumed_tail")
            else stream.decompress(data, max_length=_PIECE)
        )  # fmt: skip
        rest = getattr(stream, "unconsumed_tail", b"")
        self.needs_input = getattr(stream, "needs_input", len(piece) < _PIECE)
        return piece, stream.unused_data if stream.eof else rest, stream.eof


class _Zstd:
    """A frame of Zstandard, given little at a time."""

    needs_input = True

    def __init__(self) -> None:
        import zstandard

        self._stream = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()

    def unpack(self, data: bytes) -> tuple[bytes, bytes, bool]:
        """See `_Bounded.unpack`."""
        piece = self._stream.decompress(data[:_ZSTD_BYTES])
        ended = self._stream.eof
        unused = self._stream.unused_data if ended else b""
        return piece, unused + data[_ZSTD_BYTES:], ended


_OPENED: dict[str, Callable[[], Any]] = {
    "gzip": lambda: _Bounded(zlib.decompressobj(wbits=31)),
    "zstd": _Zstd,
    "bzip2": lambda: _Bounded(bz2.BZ2Decompressor()),
    "xz": lambda: _Bounded(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=256 << 20)),
}
