"""fsck of a remote: what lies there against what it says it is, and nothing is changed.

Without a share: identities, documents, the chain of headers, manifests and their rows, the tables
of packs, and that every object is in a pack. With a share, so much of the packs is downloaded,
drawn at random, and every object in them hashed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from dsm.errors import DamagedData, DsmError, InvalidInput, NotFound
from dsm.format.pack import PREFIX
from dsm.history.manifests import Manifests
from dsm.model.changeset import Changeset
from dsm.progress import SILENT, Progress
from dsm.remotes.backend import Entry, NotOnRemote
from dsm.remotes.contents import (
    IDENTITY,
    KINDS,
    RemoteDataset,
    decoded,
    get_document,
    identify,
    list_datasets,
)
from dsm.remotes.fetch import local_names, log_of
from dsm.remotes.incoming import as_written, get_header, get_manifest, read_header
from dsm.remotes.objects import download, partial_path
from dsm.remotes.parallel import side_by_side
from dsm.remotes.remote import Remote
from dsm.remotes.tables import PACKS, Tables, pack_name
from dsm.remotes.tracking import pinned_by
from dsm.store import disk
from dsm.store.packs import Pack
from dsm.store.pieces import is_large, pieces_of
from dsm.store.repacking import faulty_objects, prefixes_of
from dsm.views.filters.picks import lists_in

EXAMPLES_LISTED = 1000
# Headers that are told to be missing: one with a high number must not take all memory.
LOST_MAX = 100_000


@dataclass(frozen=True, slots=True)
class RemoteFinding:
    """One thing that is wrong on a remote.

    `kind` is a stable word (document, changeset, manifest, pack, object); `where` is the name of a
    file there, of an object its id; `examples` holds (dataset, changeset, path) that it hits.
    """

    kind: str
    where: str
    what: str
    examples: tuple[tuple[str, int, str], ...] = ()


@dataclass(slots=True)
class RemoteCheck:
    """What a check of a remote looked at and found; `findings` is empty for a whole remote.

    `share` is how much of the packs was read, 0 to 1; sizes are bytes. `lacking` are the objects
    that no sound pack holds, `sound` the packs that are.
    """

    remote: str
    url: str
    share: float
    datasets: int = 0
    changesets: int = 0
    packs: int = 0
    packs_read: int = 0
    size: int = 0
    size_read: int = 0
    objects: int = 0
    findings: list[RemoteFinding] = field(default_factory=list)
    lacking: set[bytes] = field(default_factory=set)
    sound: set[str] = field(default_factory=set)


def check_share(share: float) -> float:
    """Returns a share of the packs, which is from 0 to 1. Raises InvalidInput."""
    if not 0 <= share <= 1:
        raise InvalidInput("a share of the packs is from 0% to 100%")
    return share


def check_remote(remote: Remote, share: float = 0.0, progress: Progress = SILENT) -> RemoteCheck:
    """Checks a remote; reads `share` (0 to 1) of its packs whole.

    Raises NotFound when there is none at the address, OtherRepository, RemoteRefused, RemoteFailed,
    InvalidInput for the share.
    """
    return _Checker(remote, check_share(share), progress).run()


class _Checker:
    def __init__(self, remote: Remote, share: float, progress: Progress):
        self.remote, self.backend, self.progress = remote, remote.backend, progress
        self.done = RemoteCheck(remote.entry.name, remote.entry.url, share)
        self.needed: set[bytes] = set()
        self.known: list[tuple[RemoteDataset, Changeset]] = []
        self.here = local_names(remote.repository)
        self.lost: list[tuple[RemoteDataset, Changeset]] = []  # headers that this copy can put back

    def run(self) -> RemoteCheck:
        self._identity()
        datasets = list_datasets(self.backend)
        if not datasets and self.done.findings:
            raise NotFound(f"there is no dsm remote at {self.done.url}")
        for id, folder in self.remote.tracking.folders().items():
            if id in self.here and self._seen_head(folder):  # else others removed it there as well
                datasets.setdefault(folder, RemoteDataset(folder))
        for dataset in datasets.values():
            self._dataset(dataset)
        for dataset, changeset in self.lost:
            self.known.append((dataset, changeset))
            self.needed |= self._manifest(dataset, changeset)
        held = self._packs()
        self._objects(held)
        return self.done

    def found(self, kind: str, where: str, what: str) -> None:
        self.done.findings.append(RemoteFinding(kind, where, what))

    def _identity(self) -> None:
        try:
            if not self.remote.require_ours():
                self.found("document", IDENTITY, "is missing")
        except DamagedData as error:
            self.found("document", IDENTITY, error.message)

    def _dataset(self, dataset: RemoteDataset) -> None:
        self.done.datasets += 1
        try:
            identify(self.backend, {dataset.folder: dataset})
        except DamagedData as error:
            self.found("document", dataset.path("dataset.json"), error.message)
            dataset.id = self._known_id(dataset)
        headers = self._headers(dataset)
        self.done.changesets += len(headers)
        self.progress.start(f"checking changesets of {dataset.folder}", len(headers))
        objects = side_by_side(lambda each: self._manifest(dataset, each), headers, 4)
        for changeset, put in zip(headers, objects, strict=True):
            self.known.append((dataset, changeset))
            self.needed |= put
            self.progress.advance(1)
        self.progress.finish()
        names = [(kind, file) for kind in KINDS for file in sorted(dataset.documents.get(kind, ()))]
        for kind, file in names:
            try:
                where = dataset.path(kind, file)
                fields = decoded(self.backend, where, get_document(self.backend, where))
                self.needed |= lists_in(fields)
            except (DamagedData, NotOnRemote) as error:
                self.found("document", dataset.path(kind, file), error.message)

    def _seen_head(self, folder: str) -> int:
        """Returns up to which changeset a dataset was seen on the remote, 0 for none."""
        for id, name in self.remote.tracking.folders().items():
            seen = self.remote.tracking.seen(id)
            if name == folder and seen is not None:
                return seen.head
        return 0

    def _known_id(self, dataset: RemoteDataset) -> str:
        folders = {folder: id for id, folder in self.remote.tracking.folders().items()}
        return folders.get(dataset.folder, "")

    def _headers(self, dataset: RemoteDataset) -> list[Changeset]:
        """Reads the chain of headers; what is damaged or missing is found, the others returned."""
        head = max(dataset.head, self._seen_head(dataset.folder))
        numbers = (number for number in range(1, head + 1) if number not in dataset.headers)
        lost = list(islice(numbers, LOST_MAX))
        for number in lost:
            what = "is missing" + (", and was there" if number > dataset.head else "")
            self.found("changeset", dataset.header_path(number), what)
        if not dataset.id:
            return []  # whose changesets these are cannot be told
        log = log_of(self.remote.repository, self.here.get(dataset.id))
        if log is not None and pinned_by(self.remote.tracking.seen(dataset.id), log):
            # What these name is needed, too, when they are put back.
            self.lost += [(dataset, log.get(number)) for number in lost if number <= log.head()]

        def read(number: int) -> Changeset | str:
            try:
                data = get_header(self.backend, dataset, number)
                return read_header(self.backend, dataset, number, data)
            except DamagedData as error:
                return error.message

        sound: list[Changeset] = []
        there = sorted(dataset.headers)
        for number, read_ in zip(there, side_by_side(read, there), strict=True):
            if isinstance(read_, str):
                self.found("changeset", dataset.header_path(number), read_)
                continue
            before = sound[-1] if sound and sound[-1].number == number - 1 else None
            if (before or number == 1) and read_.parent != (before.id if before else None):
                what = f"names another parent than changeset {number - 1}"
                self.found("changeset", dataset.header_path(number), what)
            sound.append(read_)
        return sound

    def _manifest(self, dataset: RemoteDataset, changeset: Changeset) -> set[bytes]:
        """Checks a manifest; returns the objects that it puts."""
        if changeset.manifest is None:
            return set()
        where = dataset.manifest_path(changeset.manifest)
        try:
            data, table = get_manifest(self.backend, dataset, changeset)
        except DamagedData as error:
            self.found("manifest", where, error.message)
            return {oid for oid, _ in self._ours(dataset, changeset)}
        if not as_written(data, changeset):
            self.found("manifest", where, "its bytes were changed, though its rows are intact")
        return {oid for oid in table.column("object").unique().to_pylist() if oid}

    def _ours(self, dataset: RemoteDataset, changeset: Changeset) -> list[tuple[bytes, str]]:
        """Returns (object, path) of a changeset from the manifest of this copy, if it has that one:
        what it names is put back together with it."""
        log = log_of(self.remote.repository, self.here.get(dataset.id))
        if log is None:
            return []
        try:
            table = Manifests(self.remote.repository.layout, log).read(changeset)
        except DamagedData:
            return []
        if table is None:
            return []
        objects, paths = table.column("object").to_pylist(), table.column("path").to_pylist()
        return [(oid, path) for oid, path in zip(objects, paths, strict=True) if oid]

    # --- packs and objects -----------------------------------------------------------------

    def _packs(self) -> set[bytes]:
        """Checks the packs; returns the prefixes of the objects that sound ones hold."""
        done = self.done
        entries = [e for e in self.backend.entries(PACKS) if pack_name(e) is not None]
        done.packs, done.size = len(entries), sum(entry.size for entry in entries)
        drawn = list(_drawn([(entry.name, entry.size) for entry in entries], done.share))
        self.progress.start("checking packs", len(entries), sum(size for _, size in drawn) or None)
        tables = Tables(self.remote.repository.layout)

        def read(entry: Entry) -> set[bytes] | str:
            try:
                return prefixes_of(tables.fetch(self.backend, entry).prefixes)
            except (DamagedData, NotOnRemote) as error:
                return error.message

        held: set[bytes] = set()
        whole = {name for name, _ in drawn}
        for entry, contents in zip(entries, side_by_side(read, entries), strict=True):
            name = pack_name(entry) or ""
            if isinstance(contents, str):
                self.found("pack", entry.name, contents)
            else:
                done.objects += len(contents)
                wrong = self._read_whole(entry) if entry.name in whole else ""
                if wrong:
                    self.found("pack", entry.name, wrong)
                else:
                    done.sound.add(name)
                    held |= contents
            self.progress.advance(1)
        self.progress.finish()
        return held

    def _read_whole(self, entry: Entry) -> str:
        """Downloads a pack and hashes all of it; returns what is wrong, or nothing."""
        self.done.packs_read += 1
        self.done.size_read += entry.size
        path = partial_path(self.remote.repository, pack_name(entry) or "")
        try:
            download(self.remote.repository, self.backend, entry)
            pack = Pack(path, verify=True)
            bad = sum(1 for _ in faulty_objects(pack))
            pack.close()
            return f"{bad:,} of its objects are not what its table says" if bad else ""
        except (DamagedData, NotOnRemote) as error:
            return error.message
        finally:
            self.progress.advance(0, entry.size)
            if os.path.exists(path):
                disk.remove(path)

    def _objects(self, held: set[bytes]) -> None:
        """Every object that is needed is in a sound pack, with the pieces that it consists of."""
        store = self.remote.repository.store
        pieces: set[bytes] = set()
        for oid in self.needed:
            # What pieces it has is known where its list is here as well.
            try:
                if is_large(store, oid):
                    pieces |= pieces_of(store, oid)
            except DsmError:
                continue
        self.done.lacking = {o for o in self.needed | pieces if o[:PREFIX] not in held}
        if not self.done.lacking:
            return
        hit: dict[bytes, list[tuple[str, int, str]]] = {}
        for dataset, changeset in self.known:
            for oid, path in self._rows(dataset, changeset):
                if oid in self.done.lacking:
                    examples = hit.setdefault(oid, [])
                    if len(examples) < EXAMPLES_LISTED:
                        examples.append((dataset.folder, changeset.number, path))
        for oid in sorted(self.done.lacking):
            what = "is in no sound pack" + ("" if oid in hit else "; it is a part of another")
            told = RemoteFinding("object", oid.hex(), what, tuple(hit.get(oid, ())))
            self.done.findings.append(told)

    def _rows(self, dataset: RemoteDataset, changeset: Changeset) -> Iterator[tuple[bytes, str]]:
        if changeset.manifest is None:
            return
        try:
            _, table = get_manifest(self.backend, dataset, changeset)
        except DamagedData:
            yield from self._ours(dataset, changeset)
            return
        paths = table.column("path").to_pylist()
        yield from zip(table.column("object").to_pylist(), paths, strict=True)


def _drawn(packs: list[tuple[str, int]], share: float) -> Iterator[tuple[str, int]]:
    """Yields packs at random that have at least this share of all bytes together."""
    left = share * sum(size for _, size in packs)
    for name, size in random.SystemRandom().sample(packs, len(packs)):
        if left <= 0:
            return
        yield name, size
        left -= size
