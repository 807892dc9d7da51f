"""Cutting large files at content-defined boundaries, so that an edit stores only what is near it.

The algorithm is FastCDC (Xia et al., 2016; the 2020 variant) by the pyfastcdc package. Its
parameters are part of a repository's identity (`repo.json`): other boundaries would share nothing
with the chunks already stored, though every object would stay readable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from dsm.errors import DamagedData
from dsm.format.pack import OBJECT_BYTES_MAX

KB, MB = 1 << 10, 1 << 20
# Fills a buffer and returns how many bytes it put there, 0 at the end of the stream.
ReadInto = Callable[[memoryview], int]


@dataclass(frozen=True, slots=True)
class Chunking:
    """Chunk sizes in bytes; files of at least `from_size` bytes are cut."""

    smallest: int = 16 * KB
    average: int = 64 * KB
    largest: int = 256 * KB
    from_size: int = 1 * MB

    @classmethod
    def from_json(cls, fields: Mapping[str, object], where: str) -> Chunking:
        """Reads what `to_json` has returned. Raises DamagedData."""
        sizes = [fields.get(name) for name in ("min", "average", "max", "from")]
        if all(type(size) is int for size in sizes):
            made = cls(*sizes)  # type: ignore[arg-type]
            ordered = [64, made.smallest, made.average, made.largest, OBJECT_BYTES_MAX]
            if ordered == sorted(ordered) and 0 < made.from_size <= OBJECT_BYTES_MAX:
                return made
        raise DamagedData(f"{where} has chunk sizes that make no sense: {sizes}")

    def to_json(self) -> dict[str, object]:
        return {
            "algorithm": "fastcdc-2020",
            "min": self.smallest,
            "average": self.average,
            "max": self.largest,
            "from": self.from_size,
        }


class Cutter:
    """Cuts a stream in one reused buffer; memory is bounded by it, whatever the stream's length."""

    def __init__(self, chunking: Chunking):
        from pyfastcdc import FastCDC

        self._cut = FastCDC(
            avg_size=chunking.average, min_size=chunking.smallest, max_size=chunking.largest
        ).cut_buf
        # Small enough to stay in the processor's cache while it is cut, hashed and written.
        self._buffer = memoryview(bytearray(max(2 * MB, chunking.from_size) + chunking.largest))

    def begin(self, readinto: ReadInto) -> memoryview:
        """Reads the beginning of a stream; shorter than the buffer means that it is all of it."""
        return self._buffer[: self._fill(readinto, 0)]

    def cut(self, readinto: ReadInto, begun: int) -> Iterator[memoryview]:
        """Yields the chunks in order; `begun` bytes were read by `begin`.

        A chunk is valid until the next one is asked for.
        """
        buffer, end = self._buffer, begun
        while True:
            chunks = list(self._cut(buffer[:end])) if end else []
            ended = end < len(buffer)
            # Unless the stream has ended, the last chunk ends at the buffer and not at a boundary.
            for chunk in chunks if ended else chunks[:-1]:
                yield buffer[chunk.offset : chunk.offset + chunk.length]
            if ended:
                return
            rest = chunks[-1].length
            buffer[:rest] = bytes(buffer[end - rest : end])
            end = self._fill(readinto, rest)

    def _fill(self, readinto: ReadInto, at: int) -> int:
        while at < len(self._buffer):
            count = readinto(self._buffer[at:])
            if not count:
                break
            at += count
        return at


def readinto_of(file: BinaryIO) -> ReadInto:
    """Returns a file's `readinto`, made from `read` where it has none."""
    own = getattr(file, "readinto", None)
    if own is not None:
        return lambda view: own(view) or 0

    def readinto(view: memoryview) -> int:
        data = file.read(len(view))
        view[: len(data)] = data
        return len(data)

    return readinto


def compiled() -> bool:
    """Whether the fast form of the cutter is the one in use (a wheel, not the pure fallback)."""
    import pyfastcdc

    return "cy" in pyfastcdc.FastCDC.__module__.split(".")
