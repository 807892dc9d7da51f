"""One tar written by many: workers fill pieces of memory, the parent writes them in order.

A tar is one file, and its hash goes through it from front to back; what takes time is reading and
verifying what is in it. So workers lay out runs of members in memory that they share with the
parent. Invariant: the bytes are those that `write_tar` writes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from dsm.model.names import check_path
from dsm.store import disk
from dsm.store.workers import Worker, start
from dsm.views import tar
from dsm.views.payloads import Counted, Payloads, Write
from dsm.views.sidecar import Sidecar

if TYPE_CHECKING:
    from dsm.store.chunks import Chunking

SLOT_BYTES = 16 << 20
SLOTS = 2  # of each worker: one is filled while the other is written
RUN_ROWS = 4096

WriteView = Callable[[memoryview], object]


@dataclass(frozen=True, slots=True)
class Run:
    """Rows that follow each other, and where their first header begins in the tar.

    A run that does not fit a slot has one row, and `shared` is False: it is streamed.
    """

    first: int
    end: int
    at: int
    payload: int
    shared: bool


def runs_of(sizes: Sequence[int], paths: pa.ChunkedArray, at: int = 0) -> list[Run]:
    """Cuts the rows of a tar, whose first header begins at `at`, into runs."""
    import pyarrow.compute as pc

    long = set(pc.indices_nonzero(pc.greater(pc.binary_length(paths), tar.NAME_BYTES)).to_pylist())
    runs: list[Run] = []
    first = held = payload = 0
    for row, size in enumerate(sizes):
        head = tar.BLOCK
        if row in long or size >= tar.OCTAL_SIZE_MAX:
            head = len(tar.header(paths[row].as_py(), size))
        weight = head + size + -size % tar.BLOCK
        if row > first and (held + weight > SLOT_BYTES or row - first >= RUN_ROWS):
            runs.append(Run(first, row, at, payload, held <= SLOT_BYTES))
            first, at, held, payload = row, at + held, 0, 0
        held += weight
        payload += size
    if first < len(sizes):
        runs.append(Run(first, len(sizes), at, payload, held <= SLOT_BYTES))
    return runs


def lay_out(payloads: Payloads, sidecar: Sidecar, target: memoryview, at: int) -> tuple[int, bytes]:
    """Writes members into memory; returns how many bytes, and the lines of the index."""
    end = 0
    lines: list[str] = []
    for _, rows, content in payloads.batches():
        paths, sizes = rows.column("path").to_pylist(), rows.column("size").to_pylist()
        offsets = []
        for number, (path, size, data) in enumerate(zip(paths, sizes, content, strict=True)):
            header = tar.header(check_path(path), size)
            begin = end + len(header)
            target[end:begin] = header
            offsets.append(at + begin)
            end = begin + size
            if data is not None:
                target[begin:end] = data
            else:
                for piece in payloads.pieces(rows.column("object")[number].as_py(), path, size):
                    target[begin : begin + len(piece)] = piece
                    begin += len(piece)
            padding = -size % tar.BLOCK
            if padding:
                target[end : end + padding] = bytes(padding)
                end += padding
        lines += sidecar.lines(rows, offsets)
    return end, "".join(f"{line}\n" for line in lines).encode()


@dataclass(frozen=True, slots=True)
class _LayOutJob:
    """A worker's life: it is sent runs and slots, and answers how much it has put where."""

    memory: str
    packs: str
    scratch: str
    chunking: Chunking
    classes: Mapping[str, int]

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        from dsm.store.objects import ObjectStore

        store = ObjectStore(self.packs, self.scratch, self.chunking)
        sidecar = Sidecar(self.classes)
        shared = disk.map_shared(self.memory)
        while (order := next_order()) is not None:
            slot, at, rows = cast(tuple[int, int, bytes], order)
            with pa.ipc.open_stream(rows) as reader:
                payloads = Payloads(store, reader.read_all())
            target = shared[slot * SLOT_BYTES : (slot + 1) * SLOT_BYTES]
            yield lay_out(payloads, sidecar, target, at)


class Relay:
    """Workers and the memory that they share with us. Raises OSError where that is not possible."""

    def __init__(self, payloads: Payloads, classes: Mapping[str, int], count: int):
        store = payloads.store
        self._crew: list[Worker] = []
        self._memory = disk.SharedMemory(count * SLOTS * SLOT_BYTES)
        self._payloads = payloads
        self._classes = classes
        job = _LayOutJob(self._memory.path, store.folder, store.temporary, store.chunking, classes)
        try:
            self._crew = start([job] * count)
            if not self._crew:
                raise OSError("no worker could be started")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stops the workers and gives the memory back."""
        for worker in self._crew:
            worker.end()
        self._crew = []
        self._memory.close()

    def write(self, write: WriteView, write_index: Write, counted: Counted, at: int = 0) -> None:
        """Writes the tar, from its first header `at` on. Raises DamagedData, WriteFailed."""
        runs = runs_of(self._payloads.sizes, self._payloads.table.column("path"), at)
        shared = [number for number, run in enumerate(runs) if run.shared]
        # Run by run in turn to the workers, and to each of a worker's slots in turn.
        places: dict[int, tuple[Worker, int]] = {}
        count = len(self._crew)
        for turn, number in enumerate(shared):
            slot = turn % count * SLOTS + turn // count % SLOTS
            places[number] = self._crew[turn % count], slot
        ahead = iter(shared)
        for _ in range(count * SLOTS):
            self._order(runs, next(ahead, None), places)
        for number, run in enumerate(runs):
            if number not in places:
                self._stream(run, write, write_index)
            else:
                worker, slot = places[number]
                size, lines = cast(tuple[int, bytes], worker.hear())
                at = slot * SLOT_BYTES
                write(self._memory.bytes[at : at + size])
                write_index(lines)
                self._order(runs, next(ahead, None), places)
            counted(run.end - run.first, run.payload)
        write(memoryview(tar.END))

    def _order(
        self, runs: Sequence[Run], number: int | None, places: Mapping[int, tuple[Worker, int]]
    ) -> None:
        if number is None:
            return
        run, (worker, slot) = runs[number], places[number]
        rows = self._payloads.table.slice(run.first, run.end - run.first)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        worker.order((slot, run.at, sink.getvalue().to_pybytes()))

    def _stream(self, run: Run, write: WriteView, write_index: Write) -> None:
        """Writes one large example piece by piece."""
        rows = self._payloads.table.slice(run.first, 1)
        path, size = rows.column("path")[0].as_py(), rows.column("size")[0].as_py()
        header = tar.header(check_path(path), size)
        write(memoryview(header))
        for piece in self._payloads.pieces(rows.column("object")[0].as_py(), path, size):
            write(memoryview(piece))
        write(memoryview(tar.padding(size)))
        (line,) = Sidecar(self._classes).lines(rows, [run.at + len(header)])
        write_index(f"{line}\n".encode())
