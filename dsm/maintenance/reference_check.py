"""Checking references: whether what examples refer to is at its address, and is what it was.

A place is listed once. What has the size and the ETag (else the time) of then is taken for whole;
what has others is read; with `full` everything is read. Nothing is asked of an address that the
user does not trust.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from blake3 import blake3

from dsm.errors import DsmError
from dsm.format.reference import Reference
from dsm.maintenance.findings import Findings
from dsm.model.names import printable
from dsm.progress import SILENT, Progress
from dsm.remotes.backend import Backend, Entry, RemoteFailed, RemoteRefused, retried
from dsm.remotes.outside import AtAddresses, ReferenceBroken, ReferenceUntrusted
from dsm.repo.repository import Repository
from dsm.repo.trusted_places import TrustedPlaces

EXAMPLES_LISTED = 1000


@dataclass(slots=True)
class Checked:
    """What came of each reference: `sound`, `read` of these, and not looked at, by place why."""

    sound: int = 0
    read: int = 0
    unread: dict[str, tuple[int, str]] = field(default_factory=dict)


class ReferenceCheck:
    """One check of the references of a repository."""

    def __init__(self, repository: Repository, *, full: bool, progress: Progress = SILENT):
        self._repository = repository
        self._reader = AtAddresses(TrustedPlaces.of(repository))
        self._full = full
        self._progress = progress

    def run(
        self,
        oids: Iterable[bytes],
        examples: Mapping[bytes, list[tuple[str, int, str]]],
        findings: Findings,
    ) -> Checked:
        """Checks the references of these objects, and tells what is wrong with the `examples`."""
        done = Checked()
        places: dict[str, list[Reference]] = {}
        store = self._repository.store
        for oid in sorted(oids):
            for place in store.referenced.places(oid)[:1]:
                places.setdefault(place.at, []).append(place)
        self._progress.start("checking references", sum(map(len, places.values())), None)
        for at, wanted in sorted(places.items()):
            for place, wrong in self._at(at, wanted, done):
                hit = tuple(examples.get(place.oid, ()))[:EXAMPLES_LISTED]
                findings.found("reference", place.address, wrong, hit)
        self._progress.finish()
        for at, (count, why) in sorted(done.unread.items()):
            which = "1 reference" if count == 1 else f"{count:,} references"
            findings.notes.append(f"{which} to {printable(at)} not checked: {why}")
        return done

    def _at(
        self, at: str, wanted: list[Reference], done: Checked
    ) -> Iterator[tuple[Reference, str]]:
        """Yields what is wrong with the references to one place."""
        try:
            for place in wanted:
                self._reader.require_trusted(place)
            entries = _listed(self._reader.backend(at), {place.name for place in wanted})
        except ReferenceUntrusted:
            why = f"you have not trusted it (`dsm reference trust {printable(at)}`)"
            done.unread[at] = (len(wanted), why)
            return
        except (DsmError, OSError) as error:
            why = error.message if isinstance(error, DsmError) else str(error)
            done.unread[at] = (len(wanted), why)
            return
        for place in wanted:
            wrong = self._wrong(place, entries.get(place.name), done)
            if wrong:
                yield place, wrong
            self._progress.advance(1)

    def _wrong(self, place: Reference, entry: Entry | None, done: Checked) -> str:
        if entry is None:
            return "is gone"
        if not place.start and entry.size != place.size:
            return f"has {entry.size:,} bytes, and not {place.size:,}"
        if _is_same(place, entry) and not self._full:
            done.sound += 1
            return ""
        try:
            hasher = blake3()
            for piece in self._repository.store.stream(place.oid):
                hasher.update(piece)
        except ReferenceBroken:
            return "has other bytes than it had"
        except (RemoteFailed, RemoteRefused) as error:
            count, _ = done.unread.get(place.at, (0, ""))
            done.unread[place.at] = (count + 1, error.message)
            return ""
        done.sound += 1
        done.read += 1
        return ""


def _listed(backend: Backend, names: set[str]) -> dict[str, Entry]:
    """Returns those files of a place that references name."""
    if len(names) == 1:
        (name,) = names
        return retried(lambda: {e.name: e for e in backend.named(name) if e.name == name})
    return retried(lambda: {e.name: e for e in backend.listing("") if e.name in names})


def _is_same(place: Reference, entry: Entry) -> bool:
    if place.etag is not None and entry.etag is not None:
        return place.etag == entry.etag
    return place.modified is not None and place.modified == entry.modified


def check_references(
    repository: Repository,
    needed: Mapping[bytes, list[tuple[str, int, str]]],
    findings: Findings,
    progress: Progress,
    *,
    full: bool,
    ask: bool,
) -> tuple[set[bytes], int | None]:
    """Returns those of the needed objects that are references, and, when the addresses are asked,
    how many were sound. What is wrong is told with the examples that need it."""
    with repository.store.alone() as store:
        referenced = store.referenced.among(needed)
    if ask:
        check = ReferenceCheck(repository, full=full, progress=progress)
        return referenced, check.run(referenced, needed, findings).sound
    if full:
        findings.referenced(len(referenced))
    return referenced, None
