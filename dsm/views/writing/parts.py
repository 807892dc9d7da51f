"""Writing the files of a view, side by side in worker processes when there is enough to do.

Invariant: which bytes a file has depends on its rows and its recipe, never on who writes it or
when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from dsm.store.workers import Worker, ready, start
from dsm.views.selection.columns import hashes
from dsm.views.selection.payloads import Counted, uncounted
from dsm.views.writing.format import Part, Recipe
from dsm.views.writing.output_file import Written
from dsm.views.writing.worker_count import is_much

if TYPE_CHECKING:
    from dsm.store.chunks import Chunking
    from dsm.store.elsewhere import Elsewhere
    from dsm.store.objects import ObjectStore
    from dsm.store.outside import MakeOutside


@dataclass(frozen=True, slots=True)
class _PartJob:
    """A worker's life: it is sent parts and answers with what it wrote."""

    recipe: Recipe
    packs: str
    scratch: str
    chunking: Chunking
    elsewhere: Elsewhere | None
    outside: MakeOutside | None
    order: dict[str, Any] = field(default_factory=dict)

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        from dsm.store.objects import ObjectStore

        store = ObjectStore(
            self.packs, self.scratch, self.chunking, elsewhere=self.elsewhere, outside=self.outside
        )
        while (order := next_order()) is not None:
            number, name, temporary, size, rows = cast(tuple[int, str, str, int, bytes], order)
            with pa.ipc.open_stream(rows) as reader:
                table = reader.read_all()
            yield number, _build(self.recipe, store, Part(name, table, size, temporary))


def _build(
    recipe: Recipe, store: ObjectStore, part: Part, counted: Counted = uncounted, workers: int = 1
) -> tuple[Written, ...]:
    return recipe.format.writer().build(recipe, store, part, counted, workers)


def build_all(
    recipe: Recipe, store: ObjectStore, parts: Sequence[Part], workers: int, counted: Counted
) -> Iterator[tuple[Part, tuple[Written, ...]]]:
    """Yields each part with what was written, in the order in which they are done."""
    examples = sum(part.table.num_rows for part in parts)
    size = sum(part.size for part in parts)
    crew: list[Worker] = []
    if min(workers, len(parts)) > 1 and is_much(examples, size):
        job = _PartJob(
            recipe, store.folder, store.temporary, store.chunking, store.elsewhere, store.outside
        )
        crew = start([job] * min(workers, len(parts)))
    if not crew:
        for part in parts:
            _bring(store, part)
            yield part, _build(recipe, store, part, counted, workers)
        return
    try:
        for number, written in _answers(crew, parts, store):
            counted(parts[number].table.num_rows, parts[number].size)
            yield parts[number], written
    finally:
        for worker in crew:
            worker.end()


def _bring(store: ObjectStore, part: Part) -> None:
    """Fetches what a part needs, before it is built, while workers build those before it."""
    if store.elsewhere is not None:
        store.bring(hashes(part.table.column("object")), part.size)


def _answers(
    crew: list[Worker], parts: Sequence[Part], store: ObjectStore
) -> Iterator[tuple[int, tuple[Written, ...]]]:
    """Keeps every worker busy with one part, and the next one waiting."""
    given = 0
    running = list(crew)
    for _ in range(2):
        for worker in running:
            given += _order(worker, parts, given, store)
    while running:
        for position in reversed(ready(running)):
            message = running[position].hear()
            if message is None:
                del running[position]
                continue
            given += _order(running[position], parts, given, store)
            yield cast(tuple[int, tuple[Written, ...]], message)


def _order(worker: Worker, parts: Sequence[Part], number: int, store: ObjectStore) -> int:
    """Sends the next part, or that there is none; returns how many were sent."""
    if number >= len(parts):
        worker.order(None)
        return 0
    part = parts[number]
    _bring(store, part)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, part.table.schema) as writer:
        writer.write_table(part.table)
    rows = sink.getvalue().to_pybytes()
    worker.order((number, part.name, part.temporary, part.size, rows))
    return 1
