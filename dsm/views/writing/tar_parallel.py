"""One tar written by many: workers lay out runs of members, and one process puts them in order.

A tar is one file, and its hash goes through it from front to back; what takes time is reading and
verifying what is in it. So runs are laid out here and in workers, in slots of memory that all
share, and written from there by the threads of the file. Invariant: the bytes are those that
`write_tar` writes alone.
"""

from __future__ import annotations

from array import array
from collections import deque
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, cast

from dsm.store.batch import expect
from dsm.store.memory import SharedMemory, page_buffer
from dsm.store.stream import ALIGNED_BYTES
from dsm.store.workers import Worker, ready, start
from dsm.views.selection.payloads import Counted, Payloads, Write
from dsm.views.writing import tar_header, tar_runs
from dsm.views.writing.metadata import MetadataWriter
from dsm.views.writing.tar_layout import LayOutJob

if TYPE_CHECKING:
    from dsm.views.selection.classes import ClassList
    from dsm.views.writing.output_file import OutputFile
    from dsm.views.writing.tar_runs import TarRun

# One is filled, one is hashed or written, one waits for its turn; of more, several are written
# at once.
SLOTS_MIN, SLOTS_TOTAL = 3, 8


class ParallelTar:
    """This process, `count` workers beside it, and the memory that they share.

    Raises OSError where memory cannot be shared.
    """

    def __init__(self, payloads: Payloads, classes: ClassList, count: int):
        store = payloads.store
        self._payloads = payloads
        self._metadata = MetadataWriter(classes)
        self._crew: list[Worker] = []
        self._shared: SharedMemory | None = None
        self._slot_bytes = tar_runs.RUN_BYTES + ALIGNED_BYTES
        self._each = max(SLOTS_MIN, SLOTS_TOTAL // (1 + count))  # slots of a process
        if count < 1:
            self._slots = page_buffer(self._each * self._slot_bytes)
        else:
            own = self._each * self._slot_bytes  # memory of a process
            self._shared = SharedMemory.create((1 + count) * own)
            self._slots = self._shared.bytes
            jobs = [
                LayOutJob(
                    memory=self._shared.path, own=(number * own, (number + 1) * own),
                    packs=store.folder, scratch=store.temporary, chunking=store.chunking,
                    elsewhere=store.elsewhere, outside=store.outside, expected=len(payloads.sizes),
                )
                for number in range(count)
            ]  # fmt: skip
            try:
                self._crew = start(jobs)
                self._shared.use_huge_pages(count * own, len(self._slots))
            except BaseException:
                self.close()
                raise
        self._here = list(self._crew)  # those that have not left yet
        self._leaving = False  # whether they know that there is nothing more to do
        # Slots come back from the threads that write them; which are whose: `slot // each` is the
        # worker, and past the last worker it is us.
        self._returned: SimpleQueue[int] = SimpleQueue()
        self._ours = list(range(len(self._crew) * self._each, (len(self._crew) + 1) * self._each))
        self._runs: list[TarRun] = []
        self._waiting: deque[int] = deque()  # runs that nobody lays out yet
        self._slot_of: dict[int, int] = {}  # those that somebody lays out, or has laid out
        self._lines: dict[int, bytes] = {}  # of those that are laid out

    def close(self) -> None:
        """Stops the workers and gives the memory back."""
        for worker in self._crew:
            worker.end()
        self._crew = []
        if self._shared is not None:
            self._shared.close()

    def write(self, file: OutputFile, write_index: Write, counted: Counted, at: int = 0) -> None:
        """Writes the tar, from its first header `at` on. Raises DamagedData, WriteFailed."""
        self._runs = list(tar_runs.runs_of(self._payloads, at))
        fitting = [n for n, run in enumerate(self._runs) if run.size <= tar_runs.RUN_BYTES]
        # What is written first we lay out ourselves: workers may still be starting.
        self._waiting.extend(fitting[SLOTS_MIN:])
        for slot in range(len(self._crew) * self._each):
            # Every worker has one run before the first has two.
            self._order(slot % len(self._crew) * self._each + slot // len(self._crew))
        self._waiting.extendleft(reversed(fitting[:SLOTS_MIN]))
        expect(self._payloads.store, len(self._payloads.sizes), in_order=True)
        for number, run in enumerate(self._runs):
            if run.size > tar_runs.RUN_BYTES:
                lines = tar_runs.write_large(self._part(number), self._metadata, file.write, run.at)
            else:
                while number not in self._lines:
                    self._advance(number)
                lines, begin = self._lines.pop(number), self._begin(number)
                done = partial(self._returned.put, self._slot_of.pop(number))
                file.lend(self._slots, begin, begin + run.size, done)
            write_index(lines)
            counted(run.end - run.first, run.payload)
        file.write(tar_header.END)

    def _advance(self, number: int) -> None:
        """Does what brings the run of this number nearer: lays one out, or waits for one."""
        self._take_back(wait=False)
        if not self._waiting and not self._leaving:
            self._leaving = True
            for worker in self._crew:
                worker.order(None)  # they leave while we write
        for position in reversed(ready(self._here, wait=False) if self._here else ()):
            self._hear(self._here[position])
        if number in self._lines:
            return
        if self._ours and self._waiting:
            own = self._waiting.popleft()
            self._slot_of[own] = self._ours.pop()
            part, memory = self._part(own), self._slots[self._begin(own) :]
            self._lines[own] = tar_runs.lay_out(part, self._metadata, memory, self._runs[own].at)
        elif number in self._slot_of:  # a worker has it
            self._hear(self._crew[self._slot_of[number] // self._each])
        else:  # all our slots are being written
            self._take_back(wait=True)

    def _part(self, number: int) -> Payloads:
        return self._payloads.part(self._runs[number].first, self._runs[number].end)

    def _begin(self, number: int) -> int:
        """Where a run begins in its slot: as far behind a page as in the file."""
        return self._slot_of[number] * self._slot_bytes + self._runs[number].at % ALIGNED_BYTES

    def _hear(self, worker: Worker) -> None:
        answer = worker.hear()
        if answer is None:
            self._here.remove(worker)
        else:
            number, offsets = cast("tuple[int, array[int]]", answer)
            self._lines[number] = self._metadata.text(self._part(number).table, offsets)

    def _take_back(self, *, wait: bool) -> None:
        """Gives slots that have been written something to do."""
        try:
            while True:
                slot = self._returned.get(block=wait)
                wait = False
                if slot // self._each < len(self._crew):
                    self._order(slot)
                else:
                    self._ours.append(slot)
        except Empty:
            return

    def _order(self, slot: int) -> None:
        """Has a worker fill one of its slots, where a run is left."""
        if not self._waiting:
            return
        number = self._waiting.popleft()
        self._slot_of[number] = slot
        members = tar_runs.members_of(self._part(number))
        order = (number, self._begin(number), self._runs[number].at, members)
        self._crew[slot // self._each].order(order)
