"""Checking a repository: everything that is there against what it says it is.

Quick: structure, hashes of documents and manifests, the chain, and that every object referred to is
in a pack. Full: every byte. Each damaged object is told with the examples and changesets that it
hits. Nothing is repaired, moved or removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from blake3 import blake3

from dsm.errors import DamagedData, DsmError, NotFound, StorageFailed
from dsm.format import index as index_format
from dsm.format import segment, stage_note
from dsm.format.manifest import check_rows
from dsm.history import snapshot_file
from dsm.maintenance.references import STAGED, dataset_log
from dsm.model.reports import Finding, FsckReport
from dsm.progress import SILENT, Progress
from dsm.repo.layout import NUMBER_DIGITS
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository, read_document, read_file
from dsm.sources.receipts import damaged as damaged_receipts
from dsm.sources.source import find as find_source
from dsm.store.lease import living
from dsm.store.objects import pack_path, pack_paths
from dsm.store.packs import Pack
from dsm.views.query.view_query import ViewQuery
from dsm.worktree.stage import SEGMENT

EXAMPLES_LISTED = 1000


class Checker:
    """One run of fsck."""

    def __init__(self, repository: Repository, *, full: bool, progress: Progress = SILENT):
        self.repository = repository
        self.layout = repository.layout
        self.full = full
        self.progress = progress
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.objects = self.changesets = self.packs = 0
        # object id -> the examples that need it
        self.needed: dict[bytes, list[tuple[str, int, str]]] = {}
        self.large: set[bytes] = set()  # those that lie in pieces

    def run(self) -> FsckReport:
        """Checks everything; returns what was found."""
        self._settings()
        self._sources()
        for name in self._dataset_names():
            self._dataset(name)
        self._packs()
        self._objects()
        self._local()
        return FsckReport(
            self.full, self.packs, self.objects, self.changesets, tuple(self.findings),
            tuple(self.notes),
        )  # fmt: skip

    def found(
        self, kind: str, where: str, what: str, examples: tuple[tuple[str, int, str], ...] = ()
    ) -> None:
        """Records a finding; `where` is shown relative to the repository's root."""
        if where.startswith(self.repository.root + "/"):
            where = where[len(self.repository.root) + 1 :]
        self.findings.append(Finding(kind, where, what, examples))

    def _stray(self, folder: str, entry: str) -> None:
        self.found("stray", os.path.join(folder, entry), "is no file of dsm")

    def _listed(self, folder: str, kind: str) -> list[str]:
        try:
            return sorted(os.listdir(folder))
        except FileNotFoundError:
            self.found(kind, folder, "this folder is missing")
        except OSError as error:
            self.found(kind, folder, f"cannot be read: {error.strerror}")
        return []

    # --- documents -------------------------------------------------------------------------

    def _settings(self) -> None:
        known = {"repo.json", "config.toml", "packs", "datasets", "sources", "local"}
        for entry in self._listed(self.layout.base, "document"):
            if entry not in known:
                self._stray(self.layout.base, entry)
        if os.path.exists(self.layout.config):
            try:
                self.repository.config.items()
            except DsmError as error:
                self.found("document", self.layout.config, error.message)

    def _sources(self) -> None:
        folder = self.layout.sources
        for entry in self._listed(folder, "document") if os.path.lexists(folder) else ():
            name = entry.removesuffix(".json")
            if name == entry:
                self._stray(folder, entry)
                continue
            try:
                find_source(self.repository, name)
            except DsmError as error:
                self.found("document", os.path.join(folder, entry), error.message)

    def _dataset_names(self) -> list[str]:
        return self._listed(self.layout.datasets, "document")

    def _dataset(self, name: str) -> None:
        layout = self.layout
        try:
            log, snapshots = dataset_log(self.repository, name)
        except DsmError as error:
            if isinstance(error, NotFound) and self.repository.unfinished(name):
                self.notes.append(f"{name}: folders of a dataset whose creation was interrupted")
                return
            self.found("document", layout.dataset_document(name), error.message)
            return
        for entry in self._listed(layout.dataset(name), "document"):
            if entry not in ("dataset.json", "changesets", "manifests", "views", "tags"):
                self._stray(layout.dataset(name), entry)
        numbers = self._header_numbers(name)
        used: set[str | None] = set()
        known = len(numbers) == max(numbers, default=0)  # whether all headers can be read
        parent: str | None = None
        before = 0
        for number in sorted(numbers):
            path = layout.changeset(name, number)
            if number > before + 1:
                self._missing(name, before + 1, number - 1)
                parent = None
            before = number
            self.changesets += 1
            try:
                changeset = log.get(number)
            except DsmError as error:
                self.found("changeset", path, error.message)
                parent, known = None, False
                continue
            if (number == 1 or parent is not None) and changeset.parent != parent:
                what = f"changeset {number} names another parent than changeset {number - 1}"
                self.found("changeset", path, what)
            parent = changeset.id
            used.add(changeset.manifest)
            self._queries(log, number, path)
            try:
                table = snapshots.read_manifest(changeset)
                if table is not None:
                    check_rows(table, layout.manifest(name, changeset.manifest or ""))
            except DsmError as error:
                where = layout.manifest(name, changeset.manifest or "")
                self.found("manifest", where, f"{error.message} (changeset {number})")
                continue
            if table is not None:
                self._manifest_file(name, changeset.manifest or "", changeset.manifest_file)
                columns = (table.column(each).to_pylist() for each in ("path", "object", "size"))
                for path, oid, size in zip(*columns, strict=True):
                    if oid is not None:
                        self._need(oid, size, (name, number, path))
        self._spare_manifests(name, used if known else None)
        self._tags(name)
        self._views(name)
        self._stage(name)

    def _missing(self, dataset: str, first: int, last: int) -> None:
        # One finding for a gap: a single header of a far number must not make millions of them.
        path = self.layout.changeset(dataset, first)
        which = f"changeset {first} is" if first == last else f"changesets {first} to {last} are"
        self.found("changeset", path, f"{which} missing")

    def _queries(self, log: ChangesetLog, number: int, path: str) -> None:
        """Queries stand as they were put: a header repeats those before it and holds new ones."""
        from dsm.sources.query import SourceQuery

        changeset = log.get(number)
        try:
            before = log.get(number - 1).queries if number > 1 else {}
        except DsmError:
            before = changeset.queries  # what is wrong there was told
        strange = [n for n, put in changeset.queries.items() if put not in (before.get(n), number)]
        if strange:
            self.found("changeset", path, f"query {strange[0]} was never put where it is said")
        for name, document in changeset.documents.items():
            try:
                SourceQuery.from_json(name, document)
            except DsmError as error:
                self.found("changeset", path, error.message)

    def _header_numbers(self, name: str) -> set[int]:
        folder = self.layout.changesets(name)
        numbers = set()
        for entry in self._listed(folder, "changeset"):
            digits = entry.removesuffix(".json")
            if entry.endswith(".json") and digits.isdigit() and len(digits) == NUMBER_DIGITS:
                numbers.add(int(digits))
            else:
                self._stray(folder, entry)
        return numbers

    def _manifest_file(self, name: str, manifest: str, file_id: str | None) -> None:
        """The rows are whole (they were just read); are these also the bytes that were written?"""
        path = self.layout.manifest(name, manifest)
        data = read_file(path) or b""
        if file_id is not None and blake3(data).hexdigest() != file_id:
            self.found("manifest", path, "its bytes were changed, though its rows are intact")

    def _spare_manifests(self, name: str, used: set[str | None] | None) -> None:
        """Manifests of no changeset; `used` is None when not all changesets could be read."""
        folder = self.layout.manifests(name)
        spare = 0
        for entry in self._listed(folder, "manifest"):
            stem = entry.removesuffix(".parquet")
            if not entry.endswith(".parquet") or len(stem) != 64:
                self._stray(folder, entry)
            elif used is not None and stem not in used:
                spare += 1
        if spare:
            which = "1 manifest belongs" if spare == 1 else f"{spare} manifests belong"
            self.notes.append(f"{name}: {which} to no changeset; gc removes what is not needed")

    def _tags(self, name: str) -> None:
        log, _ = dataset_log(self.repository, name)
        folder = self.layout.tags(name)
        for entry in self._listed(folder, "tag"):
            path = os.path.join(folder, entry)
            if not entry.endswith(".json"):
                self._stray(folder, entry)
                continue
            try:
                tag = log.read_tag(entry.removesuffix(".json"))
                if tag is None:
                    self._stray(folder, entry)
                elif log.get(tag.number).id != tag.id:
                    self.found(
                        "tag", path, f"changeset {tag.number} is not the one that was tagged"
                    )
            except DsmError as error:
                self.found("tag", path, error.message)

    def _views(self, name: str) -> None:
        folder = self.layout.views(name)
        for entry in self._listed(folder, "view"):
            path = os.path.join(folder, entry)
            if not entry.endswith(".json"):
                self._stray(folder, entry)
                continue
            try:
                fields = read_document(path) or {}
                if entry.endswith(".name.json"):
                    if fields.get("name") != entry.removesuffix(".name.json"):
                        self.found("view", path, "holds the name of another view")
                    elif not os.path.exists(os.path.join(folder, f"{fields.get('version')}.json")):
                        self.found("view", path, "the view that it names is missing")
                elif ViewQuery.from_json(fields.get("query", {}), path).version + ".json" != entry:
                    self.found("view", path, "does not hold the query of its name")
            except DsmError as error:
                self.found("view", path, error.message)

    def _stage(self, name: str) -> None:
        folder = self.layout.stage(name)
        if not os.path.isdir(folder):
            return
        for entry in self._listed(folder, "stage"):
            path = os.path.join(folder, entry)
            try:
                if entry.endswith(SEGMENT):
                    self._segment(name, path)
                elif entry.endswith(stage_note.SUFFIX):
                    self._note(path)
                else:
                    self._stray(folder, entry)
            except DsmError as error:
                self.found("stage", path, error.message)

    def _segment(self, name: str, path: str) -> None:
        data = read_file(path)
        if data is None:
            return  # committed in this moment
        _, rows = segment.decode(data, path)
        for example, oid, size in zip(rows.paths, rows.oids, rows.sizes, strict=True):
            if oid is not None:
                self._need(oid, size, (name, STAGED, example))

    def _need(self, oid: bytes, size: int, example: tuple[str, int, str]) -> None:
        self.needed.setdefault(oid, []).append(example)
        if size >= self.repository.store.chunking.from_size:
            self.large.add(oid)

    def _note(self, path: str) -> None:
        data = read_file(path)
        if data is not None:
            stage_note.decode(data, path)

    # --- packs and objects -----------------------------------------------------------------

    def _packs(self) -> None:
        folder = self.layout.packs
        for shelf in self._listed(folder, "pack"):
            inner = os.path.join(folder, shelf)
            if not os.path.isdir(inner):
                self._stray(folder, shelf)
                continue
            for entry in self._listed(inner, "pack"):
                if not entry.endswith(".pack"):
                    self._stray(inner, entry)
        paths = pack_paths(folder)
        total = sum(os.path.getsize(path) for path in paths if os.path.exists(path))
        self.progress.start("checking packs", len(paths), total if self.full else None)
        for path in paths:
            self.packs += 1
            self._pack(path)
            self.progress.advance(1, 0)
        self.progress.finish()

    def _pack(self, path: str) -> None:
        try:
            pack = Pack(path, verify=True)
        except FileNotFoundError:
            return  # gc removed it in this moment
        except DsmError as error:
            self.found("pack", path, error.message)
            return
        self.objects += len(pack)
        if pack_path(self.layout.packs, pack.name) != path:
            self.found("pack", path, "does not lie where its name says")
        if self.full:
            hasher = blake3()
            for block in _blocks(pack):
                hasher.update(block)
                self.progress.advance(0, len(block))
            if hasher.hexdigest() != pack.name:
                self.found("pack", path, "its bytes are not those that its name stands for")
        pack.close()

    def _objects(self) -> None:
        """Every object referred to is there; with full, it is read and is what its name says."""
        store = self.repository.store
        store.refresh()
        missing = store.missing(self.needed)
        for oid in sorted(missing):
            self._object(oid, "is in no readable pack")
        if not self.full:
            self._pieces(self.large - missing)
            return
        present = [oid for oid in self.needed if oid not in missing]
        self.progress.start("checking objects", len(present), None)
        pending = present
        while pending:
            done: set[bytes] = set()
            try:
                for oid, data in store.read_many(pending):
                    done.add(oid)
                    if data is None:
                        self._large(oid)
                    self.progress.advance(1, len(data or b""))
                break
            except DsmError:
                # One of them is bad: find out which by reading the next ones singly.
                rest = [oid for oid in pending if oid not in done]
                for oid in rest[:4096]:
                    self._large(oid)
                pending = rest[4096:]
        self.progress.finish()

    def _pieces(self, large: set[bytes]) -> None:
        """Every piece of the large objects is there."""
        store = self.repository.store
        for oid in sorted(large):
            try:
                absent = store.missing(store.references(oid))
            except (DamagedData, StorageFailed) as error:
                self._object(oid, error.message)
                continue
            if absent:
                which = f"{len(absent)} of its chunks {'is' if len(absent) == 1 else 'are'}"
                self._object(oid, f"{which} in no readable pack")

    def _large(self, oid: bytes) -> None:
        hasher = blake3()
        try:
            for piece in self.repository.store.stream(oid):
                hasher.update(piece)
        except (DamagedData, StorageFailed) as error:
            self._object(oid, error.message)
            return
        if hasher.digest() != oid:
            self._object(oid, "its chunks do not add up to it")

    def _object(self, oid: bytes, what: str) -> None:
        examples = tuple(self.needed.get(oid, ()))[:EXAMPLES_LISTED]
        self.found("object", oid.hex(), what, examples)

    # --- this machine's files --------------------------------------------------------------

    def _local(self) -> None:
        layout = self.layout
        for lock in (layout.store_lock, layout.commit_lock, layout.stage_lock):
            try:
                if os.path.getsize(lock):
                    self.found("lock", lock, "a lock file holds nothing, this one does")
            except OSError:
                self.found("lock", lock, "is missing; the next command makes it")
        known = {
            "stage", "index", "cache", "tmp", "trash", "store.lock", "commit.lock", "stage.lock",
            "receipts", "receipt.key", "crashes",
        }  # fmt: skip
        for entry in self._listed(layout.local, "index"):
            if entry not in known:
                self._stray(layout.local, entry)
        for path, what in damaged_receipts(self.repository):
            self.found("receipt", path, what)
        # Also of a dataset that is not there any more: nothing else here has seen it.
        for name in sorted({*self.repository.datasets(), *_entries(layout.index(""))}):
            try:
                self._index(layout.index(name))
            except DsmError as error:
                self.found("index", layout.index(name), error.message)
            self._caches(layout.cache(name))
        alive = living(layout.temporary)
        dead = [
            e
            for e in _entries(layout.temporary)
            if e.partition("-")[0].partition(".")[0] not in alive
        ]
        waiting = [e for e in _entries(layout.trash) if e.endswith(".pack")]
        if dead or waiting:
            left = f"{len(dead)} of ended processes in tmp, {len(waiting)} in the trash"
            self.notes.append(f"files that gc removes: {left}")

    def _index(self, folder: str) -> None:
        base = os.path.join(folder, "base")
        data = read_file(base)
        for entry in _entries(folder):
            if entry not in ("base", "log"):
                self._stray(folder, entry)
        if data is None:
            return
        try:
            decoded = index_format.Base(data)
        except (ValueError, KeyError, TypeError, IndexError):
            self.found("index", base, "is damaged; the next command builds it again")
            return
        log = os.path.join(folder, "log")
        records = read_file(log) or b""
        try:
            known, whole = index_format.decode_log(records, decoded.digest)
        except ValueError:
            known, whole = [], False
        self._lost_head(os.path.basename(folder), [decoded.position, *(p for p, _ in known)])
        if not whole and index_format.cut_short(records, decoded.digest):
            self.notes.append(f"{log} ends in an unfinished record; what it told is learnt again")
        elif not whole:
            self.found("index", log, "is damaged; what it knew is learnt again")

    def _lost_head(self, name: str, positions: list[dict[str, Any]]) -> None:
        """The newest changeset has no successor to miss it, but this machine has seen it."""
        seen = max((int(position.get("head", 0)) for position in positions), default=0)
        path = self.layout.changeset(name, seen)
        if seen and not os.path.exists(path):
            self.found("changeset", path, f"changeset {seen} was here and is missing")

    def _caches(self, folder: str) -> None:
        for entry in _entries(folder):
            path = os.path.join(folder, entry)
            try:
                if snapshot_file.cut_short(read_file(path) or b""):
                    self.notes.append(f"{path} was not written to its end; it is built again")
                elif not snapshot_file.is_intact(path):
                    self.found("cache", path, "is damaged; it is built again when needed")
            except DsmError as error:
                self.found("cache", path, error.message)


def _blocks(pack: Pack) -> Iterator[bytes]:
    at = 0
    while at < pack.size:
        block = pack._pread(min(1 << 22, pack.size - at), at)
        if not block:
            return
        at += len(block)
        yield block


def _entries(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def fsck(repository: Repository, *, full: bool = False, progress: Progress = SILENT) -> FsckReport:
    """Checks a repository; see this module's description."""
    return Checker(repository, full=full, progress=progress).run()
