"""Writing the files of a view, side by side in worker processes when there is enough to do.

Invariant: which bytes a file has depends on its rows and its recipe, never on who writes it or
when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from dsm.progress import FetchedAhead
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
            ahead = _bring(store, part, counted)
            yield part, _build(recipe, store, part, ahead.wrote, workers)
        return
    try:
        yield from _answers(crew, parts, store, counted)
    finally:
        for worker in crew:
            worker.end()


def _bring(store: ObjectStore, part: Part, counted: Counted) -> FetchedAhead:
    """Fetches what a part needs, before it is built, while workers build those before it."""
    ahead = FetchedAhead(counted, part.size)
    if store.elsewhere is not None:
        store.bring(hashes(part.table.column("object")), part.size, ahead.came)
    return ahead


def _answers(
    crew: list[Worker], parts: Sequence[Part], store: ObjectStore, counted: Counted
) -> Iterator[tuple[Part, tuple[Written, ...]]]:
    """Keeps every worker busy with one part, and the next one waiting."""
    given: list[FetchedAhead] = []

    def order(worker: Worker) -> None:
        """Sends the next part, or that there is none."""
        if len(given) >= len(parts):
            worker.order(None)
            return
        given.append(_bring(store, parts[len(given)], counted))
        _send(worker, parts[len(given) - 1], len(given) - 1)

    running = list(crew)
    for _ in range(2):
        for worker in running:
            order(worker)
    while running:
        for position in reversed(ready(running)):
            message = running[position].hear()
            if message is None:
                del running[position]
                continue
            order(running[position])
            number, written = cast(tuple[int, tuple[Written, ...]], message)
            given[number].wrote(parts[number].table.num_rows, parts[number].size)
            yield parts[number], written


def _send(worker: Worker, part: Part, number: int) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, part.table.schema) as writer:
        writer.write_table(part.table)
    rows = sink.getvalue().to_pybytes()
    worker.order((number, part.name, part.temporary, part.size, rows))
