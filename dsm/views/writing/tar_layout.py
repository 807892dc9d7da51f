"""Members of a tar, laid out in memory that they are written from.

Without Arrow, which takes a worker longer to import than many a run to lay out.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from dsm.model.names import check_paths
from dsm.store.batch import expect, read_into
from dsm.store.memory import SharedMemory
from dsm.store.objects import ObjectStore
from dsm.views.selection.payloads import pieces
from dsm.views.writing import tar_header

if TYPE_CHECKING:
    from dsm.store.chunks import Chunking
    from dsm.store.elsewhere import Elsewhere
    from dsm.store.outside import MakeOutside

_ZEROS = bytes(tar_header.BLOCK)


@dataclass(frozen=True, slots=True)
class Members:
    """Rows of a tar: path and size of each, and the id of its object or its bytes themselves."""

    paths: Sequence[str]
    sizes: Sequence[int]
    oids: Sequence[bytes]
    contents: Sequence[bytes] | None = None

    def lay_out(self, store: ObjectStore, memory: memoryview, at: int) -> array[int]:
        """Lays the members out; returns where in the tar the bytes of each begin.

        The first header begins `at` bytes after the beginning of the tar. Raises DamagedData, and
        InvalidInput for a path that leads elsewhere.
        """
        check_paths(self.paths)
        places: list[memoryview] = []
        offsets = array("q")
        end = 0
        for path, size in zip(self.paths, self.sizes, strict=True):
            header = tar_header.header(path, size)
            begin = end + len(header)
            memory[end:begin] = header
            offsets.append(at + begin)
            end = begin + size
            places.append(memory[begin:end])
            padding = -size % tar_header.BLOCK
            if padding:
                memory[end : end + padding] = _ZEROS[:padding]
                end += padding
        if self.contents is not None:
            for place, content in zip(places, self.contents, strict=True):
                place[:] = content
            return offsets
        for number in read_into(store, self.oids, places):
            place = places[number]
            for piece in pieces(store, self.oids[number], self.paths[number], self.sizes[number]):
                place[: len(piece)] = piece
                place = place[len(piece) :]
        return offsets


@dataclass(frozen=True, slots=True)
class LayOutJob:
    """A worker's life: it is sent runs and places, and answers with where their payloads are."""

    memory: str
    own: tuple[int, int]  # the part of the memory that this worker fills
    packs: str
    scratch: str
    chunking: Chunking
    elsewhere: Elsewhere | None
    outside: MakeOutside | None
    expected: int  # members of all runs together

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        store = ObjectStore(
            self.packs, self.scratch, self.chunking, elsewhere=self.elsewhere, outside=self.outside
        )
        expect(store, self.expected, in_order=True)
        memory = SharedMemory.opened(self.memory)
        memory.use_huge_pages(*self.own)
        while (order := next_order()) is not None:
            number, begin, at, members = cast(tuple[int, int, int, Members], order)
            yield number, members.lay_out(store, memory.bytes[begin:], at)
