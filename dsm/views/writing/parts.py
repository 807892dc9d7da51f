"""Writing the files of a view, side by side in worker processes when there is enough to do.

Invariant: which bytes a file has depends on its rows and its recipe, never on who writes it or
when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from dsm.store import disk
from dsm.store.workers import Worker, ready, start
from dsm.views.selection.payloads import Counted, Payloads, Write, uncounted
from dsm.views.writing.formats import PARQUET, TAR
from dsm.views.writing.output_file import OutputFile, Written
from dsm.views.writing.worker_count import beside_us, is_much

if TYPE_CHECKING:
    from dsm.store.chunks import Chunking
    from dsm.store.objects import ObjectStore
    from dsm.views.writing.tar_parallel import ParallelTar


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the files of a view are written; `schema` is that of Parquet files."""

    layout: str
    compression: str
    classes: dict[str, int]
    schema: pa.Schema | None = None

    def write(
        self,
        store: ObjectStore,
        tables: Iterable[pa.Table],
        write: Write,
        counted: Counted = uncounted,
        write_index: Write | None = None,
        at: int = 0,
    ) -> None:
        """Writes one file with these rows; a tar from its header `at` on.

        Raises DamagedData, InvalidInput, WriteFailed.
        """
        if self.layout == PARQUET:
            from dsm.views.writing.parquet import write_parquet

            assert self.schema is not None
            write_parquet(
                store, tables, self.schema, self.classes, self.compression, write, counted
            )
            return
        compressed = None
        if self.compression != "none":
            from dsm.views.writing.compression import Compressed

            compressed = Compressed(write)
            write = compressed.write
        if self.layout == TAR:
            from dsm.views.writing.tar import write_tar

            write_tar(store, tables, self.classes, write, write_index, counted, at)
        else:
            from dsm.views.writing.webdataset import write_shard

            write_shard(store, tables, self.classes, write, counted)
        if compressed is not None:
            compressed.finish()

    def build(
        self, store: ObjectStore, part: Part, counted: Counted = uncounted, workers: int = 1
    ) -> tuple[Written, ...]:
        """Writes a part under its temporary names; durable when this returns.

        What is first in the result is the part itself, then its index.
        """
        if part.index:
            return self._build_tar(store, part, workers, counted)
        file = OutputFile(part.temporary, part.size)
        try:
            self.write(store, [part.table], file.write, counted)
            return (file.finish(part.name, part.table.num_rows),)
        except BaseException:
            file.abandon()
            raise

    def _build_tar(
        self, store: ObjectStore, part: Part, workers: int, counted: Counted
    ) -> tuple[Written, ...]:
        index = OutputFile(part.index_temporary, sha256=False)
        file = parallel = None
        try:
            rest, at = self._rest(part, index.write, counted)
            parallel = self._relay(store, rest, workers)
            # One hash goes through the whole file and takes a core for itself: no SHA-256 beside.
            file = OutputFile(part.temporary, part.size, sha256=False, keep=at)
            if parallel is None:
                self.write(store, [rest.table], file.write, counted, index.write, at)
            else:
                parallel.write(file, index.write, counted, at)
            rows = part.table.num_rows
            return file.finish(part.name, rows), index.finish(part.index, rows)
        except BaseException as error:
            index.abandon()
            if file is not None:
                # Interrupted, it stays for the next run; after a failure the disk is not believed.
                failed = isinstance(error, Exception)
                (file.abandon if failed or self.compression != "none" else file.leave)()
            raise
        finally:
            if parallel is not None:
                parallel.close()

    def _rest(self, part: Part, write_index: Write, counted: Counted) -> tuple[Part, int]:
        """Returns what an interrupted run has not written of a tar, and where that begins."""
        kept = at = size = 0
        if self.compression == "none":
            from dsm.views.writing.tar_resume import members_kept

            kept, at, size = members_kept(part.temporary, part.table, self.classes, write_index)
        if not kept:
            disk.discard(part.temporary)
            return part, 0
        counted(kept, size)
        return replace(part, table=part.table.slice(kept), size=part.size - size), at

    def _relay(self, store: ObjectStore, part: Part, workers: int) -> ParallelTar | None:
        """Returns who writes a tar that is large enough to be written past the page cache."""
        if self.compression != "none" or not is_much(0, part.size):
            return None
        from dsm.views.writing.tar_parallel import ParallelTar

        payloads, count = Payloads(store, part.table), beside_us(part.size, workers)
        try:
            return ParallelTar(payloads, self.classes, count)
        except (OSError, AttributeError):  # no shared memory here
            return ParallelTar(payloads, self.classes, 0)


@dataclass(slots=True)
class Part:
    """One file: its name, its rows, the bytes of their payloads, and where it is written first."""

    name: str
    table: pa.Table
    size: int
    temporary: str = ""
    index: str = ""
    index_temporary: str = ""


@dataclass(frozen=True, slots=True)
class _PartJob:
    """A worker's life: it is sent parts and answers with what it wrote."""

    recipe: Recipe
    packs: str
    scratch: str
    chunking: Chunking
    order: dict[str, Any] = field(default_factory=dict)

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        from dsm.store.objects import ObjectStore

        store = ObjectStore(self.packs, self.scratch, self.chunking)
        while (order := next_order()) is not None:
            number, name, temporary, size, rows = cast(tuple[int, str, str, int, bytes], order)
            with pa.ipc.open_stream(rows) as reader:
                table = reader.read_all()
            yield number, self.recipe.build(store, Part(name, table, size, temporary))


def build_all(
    recipe: Recipe, store: ObjectStore, parts: Sequence[Part], workers: int, counted: Counted
) -> Iterator[tuple[Part, tuple[Written, ...]]]:
    """Yields each part with what was written, in the order in which they are done."""
    examples = sum(part.table.num_rows for part in parts)
    size = sum(part.size for part in parts)
    crew: list[Worker] = []
    if min(workers, len(parts)) > 1 and is_much(examples, size):
        job = _PartJob(recipe, store.folder, store.temporary, store.chunking)
        crew = start([job] * min(workers, len(parts)))
    if not crew:
        for part in parts:
            yield part, recipe.build(store, part, counted, workers)
        return
    try:
        for number, written in _answers(crew, parts):
            counted(parts[number].table.num_rows, parts[number].size)
            yield parts[number], written
    finally:
        for worker in crew:
            worker.end()


def _answers(
    crew: list[Worker], parts: Sequence[Part]
) -> Iterator[tuple[int, tuple[Written, ...]]]:
    """Keeps every worker busy with one part, and the next one waiting."""
    given = 0
    running = list(crew)
    for _ in range(2):
        for worker in running:
            given += _order(worker, parts, given)
    while running:
        for position in reversed(ready(running)):
            message = running[position].hear()
            if message is None:
                del running[position]
                continue
            given += _order(running[position], parts, given)
            yield cast(tuple[int, tuple[Written, ...]], message)


def _order(worker: Worker, parts: Sequence[Part], number: int) -> int:
    """Sends the next part, or that there is none; returns how many were sent."""
    if number >= len(parts):
        worker.order(None)
        return 0
    part = parts[number]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, part.table.schema) as writer:
        writer.write_table(part.table)
    rows = sink.getvalue().to_pybytes()
    worker.order((number, part.name, part.temporary, part.size, rows))
    return 1
