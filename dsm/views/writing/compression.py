"""Zstandard for shards: the same bytes for the same input, whatever pieces it comes in.

The compressor is fed pieces of one size, by one thread, at one level; so only another release of
the library can change what comes out, and `library` names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsm.views.selection.payloads import Write

LEVEL = 3
PIECE_BYTES = 1 << 20


def library() -> str:
    """Returns the release of the Zstandard library, such as "1.5.7"."""
    import zstandard

    return ".".join(map(str, zstandard.ZSTD_VERSION))


def zstd_release(compression: str) -> dict[str, str]:
    """Returns what decides the bytes of a compressed file: the library's release, by name."""
    return {"zstd": library()} if compression == "zstd" else {}


class Compressed:
    """Passes on, compressed, what is written to it; `finish` ends the frame."""

    def __init__(self, write: Write):
        import zstandard

        self._write = write
        self._compress = zstandard.ZstdCompressor(
            level=LEVEL, threads=0, write_checksum=True, write_content_size=False
        ).compressobj()
        self._held = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        """Takes bytes of any number."""
        self._held += data
        whole = len(self._held) // PIECE_BYTES * PIECE_BYTES
        if whole:
            view = memoryview(self._held)
            for at in range(0, whole, PIECE_BYTES):
                self._pass(self._compress.compress(view[at : at + PIECE_BYTES]))
            view.release()
            del self._held[:whole]

    def finish(self) -> None:
        """Writes the rest."""
        self._pass(self._compress.compress(bytes(self._held)))
        self._pass(self._compress.flush())
        self._held.clear()

    def _pass(self, data: bytes) -> None:
        if data:
            self._write(data)
