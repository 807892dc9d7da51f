"""What probes say of the content of examples: kept answers, and new ones by worker processes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks.columns import one_array
from dsm.checks.kept_facts import SCHEMA, KeptFacts
from dsm.checks.probes.probe import Content, Facts, Probe
from dsm.checks.probes.table import PROBES
from dsm.store.objects import ObjectStore
from dsm.store.workers import Worker, gather, start

if TYPE_CHECKING:
    from dsm.repo.repository import Repository
    from dsm.store.chunks import Chunking

ROWS = 1 << 10  # a message of a worker
KEPT_ROWS = 1 << 16  # made before they are kept: what an interruption may cost
MISSING = '"missing": "'
WORKERS_OBJECTS = 2000  # fewer are examined here


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What a probe says of the rows of a table: `facts` of each distinct object, and which one
    each row has."""

    facts: Sequence[Facts]
    rows: pa.Array

    def where(self, fails: Callable[[Facts], bool]) -> pa.Array:
        """Returns which rows have facts that fail."""
        return pa.array([fails(each) for each in self.facts], pa.bool_()).take(self.rows)

    def column(self, value: Callable[[Facts], Any], kind: Any = None) -> pa.Array:
        """Returns what is said of each row."""
        kind = pa.string() if kind is None else kind
        return pa.array([value(each) for each in self.facts], kind).take(self.rows)


def facts_of(repository: Repository, probe: str, table: pa.Table) -> TableFacts:
    """Returns what a probe says of the content of examples, each object examined once.

    Raises what reading objects raises.
    """
    encoded = one_array(one_array(table.column("object")).dictionary_encode())
    objects = encoded.dictionary
    asked = PROBES[probe]
    kept = KeptFacts(repository.layout, f"{asked.name}-{asked.version}")
    known = kept.table()
    at = pc.index_in(objects, value_set=one_array(known.column("object")))
    unknown = objects.filter(pc.is_null(at))
    made = []
    for part in _made(repository, asked, unknown.to_pylist()):
        # What a library could say is asked again when it is there.
        kept.add(part.filter(pc.invert(pc.match_substring(part.column("facts"), MISSING))))
        made.append(part)
    if made:
        known = pa.concat_tables([known, *made])
        at = pc.index_in(objects, value_set=one_array(known.column("object")))
    texts = known.column("facts").take(at)
    # Many objects are alike: what is said of them is read once.
    told = one_array(one_array(texts).dictionary_encode())
    each = [json.loads(text) for text in told.dictionary.to_pylist()]
    facts = [each[number] for number in told.indices.to_pylist()]
    return TableFacts(facts, encoded.indices)


def _made(repository: Repository, probe: Probe, oids: list[bytes]) -> Iterator[pa.Table]:
    """Examines objects; yields rows to be kept, some at a time."""
    rows: list[tuple[bytes, str]] = []
    for part in _examined(repository, probe, oids):
        rows += part
        if len(rows) >= KEPT_ROWS:
            yield _table(probe, rows)
            rows = []
    if rows:
        yield _table(probe, rows)


def _table(probe: Probe, rows: list[tuple[bytes, str]]) -> pa.Table:
    oids, texts = zip(*rows, strict=True)
    name = f"{probe.name}-{probe.version}"
    return pa.table([list(oids), [name] * len(rows), list(texts)], schema=SCHEMA)


def _examined(
    repository: Repository, probe: Probe, oids: list[bytes]
) -> Iterator[list[tuple[bytes, str]]]:
    store, crew = repository.store, list[Worker]()
    count = min(repository.workers, len(oids) // WORKERS_OBJECTS)
    if count > 1:
        # Neighbours in one share: ids that were stored together are read together.
        step = -(-len(oids) // count)
        shares = [oids[at : at + step] for at in range(0, len(oids), step)]
        crew = start(
            [_ProbeJob(store.folder, store.temporary, store.chunking, probe.name, share)
             for share in shares]
        )  # fmt: skip
    if not crew:
        yield from _examine(store, probe, oids)
        return
    try:
        for message in gather(crew):
            assert isinstance(message, list)
            yield message
    finally:
        for worker in crew:
            worker.end()


def _examine(
    store: ObjectStore, probe: Probe, oids: list[bytes]
) -> Iterator[list[tuple[bytes, str]]]:
    rows: list[tuple[bytes, str]] = []
    for oid, data in store.read_many(oids):
        if data is None:
            with store.open(oid) as file:
                size = file.seek(0, io.SEEK_END)
                facts = probe.examine(Content(file, size))
        else:
            facts = probe.examine(Content(io.BytesIO(data), len(data)))
        rows.append((oid, json.dumps(facts)))
        if len(rows) >= ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


@dataclass(frozen=True, slots=True)
class _ProbeJob:
    """One worker's share of the objects."""

    packs: str
    temporary: str
    chunking: Chunking
    probe: str
    oids: list[bytes]

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        store = ObjectStore(self.packs, self.temporary, self.chunking)
        yield from _examine(store, PROBES[self.probe], self.oids)
