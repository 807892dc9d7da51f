"""Examining objects by a probe: here, or by worker processes where decoders have a hand in it.

Decoders are libraries in C that meet hostile data: one that crashes, or is killed for lack of
memory, takes its process with it. What a lost worker left is examined once more by one worker that
says of each object when it begins; the object at which that one is lost is the one that does it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsm.checks.media_types import HEAD, media_type
from dsm.checks.probes.probe import CRASHED, Content, Probe
from dsm.checks.probes.table import PROBES
from dsm.store.objects import ObjectStore
from dsm.store.workers import Worker, WorkerLost, gather, ready, start

if TYPE_CHECKING:
    from dsm.repo.repository import Repository
    from dsm.store.chunks import Chunking
    from dsm.store.outside import MakeOutside

Rows = list[tuple[bytes, str]]  # objects, and what is said of each as JSON

ROWS = 1 << 10  # a message of a worker
WORKERS_OBJECTS = 2000  # for each worker
CRASHES_MAX = 100  # of one check: more say that the library is broken, and not the data


def examined(repository: Repository, probe: Probe, oids: list[bytes]) -> Iterator[Rows]:
    """Yields what a probe says of objects, in any order.

    Raises what reading objects raises, and WorkerLost where decoders crash all the time.
    """
    store = repository.store
    count = min(repository.workers, len(oids) // WORKERS_OBJECTS)
    if count > 1:
        yield from _shared_out(store, probe, oids, count)
        return
    delicate: list[bytes] = []
    yield from _examine(store, probe, oids, delicate)
    if delicate:
        yield from _shared_out(store, probe, delicate, 1)


def _shared_out(store: ObjectStore, probe: Probe, oids: list[bytes], count: int) -> Iterator[Rows]:
    # Neighbours in one share: ids that were stored together are read together.
    step = -(-len(oids) // count)
    shares = [oids[at : at + step] for at in range(0, len(oids), step)]
    crew = start([_job(store, probe, share) for share in shares])
    if not crew:  # no process can be started here
        yield from _examine(store, probe, oids)
        return
    rest = dict.fromkeys(oids)
    try:
        for rows in _heard(crew):
            for oid, _ in rows:
                del rest[oid]
            yield rows
    finally:
        for worker in crew:
            worker.end()
    yield from _one_by_one(store, probe, rest)


def _heard(crew: list[Worker]) -> Iterator[Rows]:
    """Yields what workers say, until all are done or lost."""
    running = list(crew)
    while running:
        for number in reversed(ready(running)):
            try:
                message = running[number].hear()
            except WorkerLost:
                message = None
            if message is None:
                del running[number]
            else:
                assert isinstance(message, list)
                yield message


def _one_by_one(store: ObjectStore, probe: Probe, rest: dict[bytes, None]) -> Iterator[Rows]:
    """Examines what lost workers left, and finds out at which objects they are lost."""
    crashes = 0
    while rest:
        crew = start([_job(store, probe, list(rest), one_by_one=True)])
        begun: bytes | None = None
        try:
            if not crew:
                raise WorkerLost("a worker process was lost, and no other one can be started")
            for message in gather(crew):
                if isinstance(message, bytes):
                    begun = message
                else:
                    assert isinstance(message, list)
                    del rest[message[0][0]]
                    yield message
        except WorkerLost as lost:
            crashes += 1
            if begun is None or begun not in rest or crashes > CRASHES_MAX:
                raise
            del rest[begun]
            yield [(begun, json.dumps(_crashed(store, begun, lost.ended)))]
        finally:
            for worker in crew:
                worker.end()


def _crashed(store: ObjectStore, oid: bytes, ended: str) -> dict[str, str | bool]:
    """Returns what is said of an object at which a decoder ended its process."""
    kind = media_type(_head(store, oid))
    return {"type": kind, "problem": f"its decoder crashes ({ended})", CRASHED: True}


def _examine(
    store: ObjectStore, probe: Probe, oids: list[bytes], left: list[bytes] | None = None
) -> Iterator[Rows]:
    """Examines objects in this process; with a list of those `left`, but for delicate ones."""
    rows: Rows = []
    for oid, data in store.read_many(oids):
        if left is not None and probe.delicate:
            head = _head(store, oid) if data is None else data[:HEAD]
            if media_type(head).startswith(probe.delicate):
                left.append(oid)
                continue
        rows.append((oid, _said(store, probe, oid, data)))
        if len(rows) >= ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


def _head(store: ObjectStore, oid: bytes) -> bytes:
    with store.open(oid) as file:
        return file.read(HEAD)


def _said(store: ObjectStore, probe: Probe, oid: bytes, data: bytes | None) -> str:
    """Returns what a probe says of an object; `data` is None of a large one."""
    if data is not None:
        return json.dumps(probe.examine(Content(io.BytesIO(data), len(data))))
    with store.open(oid) as file:
        size = file.seek(0, io.SEEK_END)
        return json.dumps(probe.examine(Content(file, size)))


def _job(
    store: ObjectStore, probe: Probe, oids: list[bytes], *, one_by_one: bool = False
) -> _ProbeJob:
    return _ProbeJob(
        packs=store.folder, temporary=store.temporary, chunking=store.chunking,
        outside=store.outside, probe=probe.name, oids=oids, one_by_one=one_by_one,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _ProbeJob:
    """One worker's share of the objects; `one_by_one` says the id of each before it is begun."""

    packs: str
    temporary: str
    chunking: Chunking
    outside: MakeOutside | None
    probe: str
    oids: list[bytes]
    one_by_one: bool

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        store = ObjectStore(self.packs, self.temporary, self.chunking, outside=self.outside)
        probe = PROBES[self.probe]
        if not self.one_by_one:
            yield from _examine(store, probe, self.oids)
            return
        for oid, data in store.read_many(self.oids):
            yield oid
            yield [(oid, _said(store, probe, oid, data))]
