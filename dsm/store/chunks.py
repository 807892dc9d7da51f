"""Cutting large files at content-defined boundaries, so that an edit stores only what is near it.

The algorithm is FastCDC (Xia et al., 2016; the 2020 variant) by the pyfastcdc package. Its parameters
are part of a repository's identity (`repo.json`): other boundaries would share nothing with the
chunks already stored, though every object would stay readable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

KB, MB = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True)
class Chunking:
    """Chunk sizes in bytes; files of at least `from_size` bytes are cut."""

    smallest: int = 16 * KB
    average: int = 64 * KB
    largest: int = 256 * KB
    from_size: int = 1 * MB

    def to_json(self) -> dict[str, object]:
        return {
            "algorithm": "fastcdc-2020",
            "min": self.smallest,
            "average": self.average,
            "max": self.largest,
            "from": self.from_size,
        }


class Cutter:
    """Cuts a stream that arrives in blocks; memory is bounded by one block and one chunk."""

    def __init__(self, chunking: Chunking):
        from pyfastcdc import FastCDC

        self._cut = FastCDC(
            avg_size=chunking.average, min_size=chunking.smallest, max_size=chunking.largest
        ).cut_buf

    def cut(self, read: Callable[[int], bytes], block: int = 8 * MB) -> Iterator[memoryview]:
        """Yields the chunks in order; `read(n)` returns up to n bytes, and none at the end."""
        rest = b""
        while True:
            more = read(block)
            if not more:
                break
            data = memoryview(rest + more if rest else more)
            chunks = list(self._cut(data))
            # The last chunk ends at the block, not at a boundary: carry it over.
            for chunk in chunks[:-1]:
                yield data[chunk.offset : chunk.offset + chunk.length]
            rest = bytes(data[chunks[-1].offset :])
        if rest:
            data = memoryview(rest)
            for chunk in self._cut(data):
                yield data[chunk.offset : chunk.offset + chunk.length]


def compiled() -> bool:
    """Whether the fast form of the cutter is the one in use (a wheel, not the pure fallback)."""
    import pyfastcdc

    return "cy" in pyfastcdc.FastCDC.__module__.split(".")
