"""Checking a repository: everything that is there against what it says it is.

Quick: structure, hashes of documents and manifests, the chain, and that every object referred to is
in a pack. Full: every byte. Each damaged object is told with the examples and changesets that it
hits. Nothing is repaired, moved or removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from blake3 import blake3

from dsm.errors import DamagedData, DsmError, NotFound, StorageFailed
from dsm.format import segment, stage_note
from dsm.format.manifest import check_rows
from dsm.history.fold import records_files
from dsm.maintenance.claims import check_claims
from dsm.maintenance.findings import Findings
from dsm.maintenance.local_files import check_index, check_local
from dsm.maintenance.reference_check import check_references
from dsm.maintenance.reports import PICKED, PREDICTED, FsckReport
from dsm.maintenance.run_documents import check_runs
from dsm.maintenance.uses import STAGED, dataset_log, picked_by
from dsm.model.names import is_plain_name
from dsm.model.record_path import is_records_file
from dsm.progress import SILENT, Progress
from dsm.repo import documents
from dsm.repo.dataset_settings import settings_numbers, settings_of
from dsm.repo.definitions import KINDS
from dsm.repo.layout import NUMBER_DIGITS
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository
from dsm.sources.query import SourceQuery
from dsm.sources.source import find as find_source
from dsm.store.objects import ObjectStore
from dsm.store.pack_files import bytes_of, is_pack_file, is_shelf, pack_path, pack_paths
from dsm.store.packs import Pack
from dsm.store.whole_file import read_file
from dsm.views.query.view_query import ViewQuery
from dsm.views.selection.named import definitions
from dsm.worktree.restored import check_note
from dsm.worktree.stage import SEGMENT

EXAMPLES_LISTED = 1000
_IN_DATASET = {
    "dataset.json", "changesets", "manifests", "views", "tags", "settings", "names",
    *(f"{kind}s" for kind in KINDS),
}  # fmt: skip


class Checker:
    """One run of fsck."""

    def __init__(
        self, repository: Repository, store: ObjectStore, *, full: bool, references: bool = False,
        progress: Progress = SILENT,
    ):  # fmt: skip
        self.repository = repository
        self.store = store  # of this copy alone: what lies elsewhere would hide damage
        self.layout = repository.layout
        self.full, self.ask_places = full, references
        self.referenced: set[bytes] = set()
        self.references_sound: int | None = None
        self.progress = progress
        self.findings = Findings(repository.root)
        self.objects = self.changesets = self.packs = 0
        # object id -> the examples that need it
        self.needed: dict[bytes, list[tuple[str, int, str]]] = {}
        self.large: set[bytes] = set()  # those that lie in pieces

    def run(self) -> FsckReport:
        """Checks everything; returns what was found."""
        self._settings()
        check_claims(self.repository, self.findings)
        self._sources()
        for name in self._dataset_names():
            self._dataset(name)
        for run, oid, size in check_runs(self.repository, self.findings):
            self._need(oid, size, ("", PREDICTED, f"run {run}"))
        self._packs()
        self._objects()
        check_local(self.repository, self.findings, full=self.full)
        return FsckReport(
            full=self.full,
            packs=self.packs,
            objects=self.objects,
            changesets=self.changesets,
            findings=tuple(self.findings.damage),
            notes=tuple(self.findings.notes),
            strays=tuple(self.findings.strays),
            references=len(self.referenced),
            references_sound=self.references_sound,
        )

    # --- documents -------------------------------------------------------------------------

    def _settings(self) -> None:
        known = {"repo.json", "config.toml", "hooks", "packs", "datasets", "names", "sources"}
        known |= {"runs", "local"}
        for entry in self.findings.listed(self.layout.base, "document"):
            if entry not in known:
                self.findings.stray(self.layout.base, entry)
        if os.path.exists(self.layout.config):
            try:
                self.repository.config.items()
            except DsmError as error:
                self.findings.found("document", self.layout.config, error.message)

    def _sources(self) -> None:
        folder = self.layout.sources
        for entry in self.findings.documents(folder, "document") if os.path.lexists(folder) else ():
            name = entry.removesuffix(".json")
            try:
                find_source(self.repository, name)
            except DsmError as error:
                self.findings.found("document", os.path.join(folder, entry), error.message)

    def _dataset_names(self) -> list[str]:
        names = []
        for entry in self.findings.listed(self.layout.datasets, "document"):
            folder = self.layout.dataset(entry)
            if is_plain_name(entry) and (os.path.islink(folder) or os.path.isdir(folder)):
                names.append(entry)
            else:
                self.findings.stray(self.layout.datasets, entry)
        return names

    def _dataset(self, name: str) -> None:
        layout = self.layout
        try:
            log, snapshots = dataset_log(self.repository, name)
        except DsmError as error:
            if isinstance(error, NotFound) and self.repository.unfinished(name):
                self.findings.notes.append(
                    f"{name}: folders of a dataset whose creation was interrupted"
                )
                return
            self.findings.found("document", layout.dataset_document(name), error.message)
            return
        for entry in self.findings.listed(layout.dataset(name), "document"):
            if entry not in _IN_DATASET:
                self.findings.stray(layout.dataset(name), entry)
        numbers = self._header_numbers(name)
        used: set[str | None] = set()
        known = len(numbers) == max(numbers, default=0)  # whether all headers can be read
        parent: str | None = None
        before = settings = 0
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
                self.findings.found("changeset", path, error.message)
                parent, known = None, False
                continue
            if (number == 1 or parent is not None) and changeset.parent != parent:
                what = f"changeset {number} names another parent than changeset {number - 1}"
                self.findings.found("changeset", path, what)
            parent = changeset.id
            used.add(changeset.manifest)
            settings = max(settings, changeset.settings)
            self._queries(log, number, path)
            try:
                table = snapshots.manifests.read(changeset)
                if table is not None:
                    check_rows(table, layout.manifest(name, changeset.manifest or ""))
            except DsmError as error:
                where = layout.manifest(name, changeset.manifest or "")
                self.findings.found("manifest", where, f"{error.message} (changeset {number})")
                continue
            if table is not None:
                self._manifest_file(name, changeset.manifest or "", changeset.manifest_file)
                columns = (table.column(each).to_pylist() for each in ("path", "object", "size"))
                for path, oid, size in zip(*columns, strict=True):
                    if oid is not None:
                        self._need(oid, size, (name, number, path))
                # However small, these are made up of pieces.
                self.large.update(records_files(table))
        self._spare_manifests(name, used if known else None)
        self._tags(name)
        self._views(name)
        self._dataset_settings(name, settings)
        self._definitions(name, log)
        self._stage(name)
        self._lists(name)

    def _missing(self, dataset: str, first: int, last: int) -> None:
        # One finding for a gap: a single header of a far number must not make millions of them.
        path = self.layout.changeset(dataset, first)
        which = f"changeset {first} is" if first == last else f"changesets {first} to {last} are"
        self.findings.found("changeset", path, f"{which} missing")

    def _queries(self, log: ChangesetLog, number: int, path: str) -> None:
        """Queries stand as they were put: a header repeats those before it and holds new ones."""
        changeset = log.get(number)
        try:
            before = log.get(number - 1).queries if number > 1 else {}
        except DsmError:
            before = changeset.queries  # what is wrong there was told
        strange = [n for n, put in changeset.queries.items() if put not in (before.get(n), number)]
        if strange:
            self.findings.found(
                "changeset", path, f"query {strange[0]} was never put where it is said"
            )
        for name, document in changeset.documents.items():
            try:
                SourceQuery.from_json(name, document)
            except DsmError as error:
                self.findings.found("changeset", path, error.message)

    def _header_numbers(self, name: str) -> set[int]:
        folder = self.layout.changesets(name)
        numbers = set()
        for entry in self.findings.listed(folder, "changeset"):
            digits = entry.removesuffix(".json")
            if entry.endswith(".json") and digits.isdigit() and len(digits) == NUMBER_DIGITS:
                numbers.add(int(digits))
            else:
                self.findings.stray(folder, entry)
        return numbers

    def _manifest_file(self, name: str, manifest: str, file_id: str | None) -> None:
        """The rows are whole (they were just read); are these also the bytes that were written?"""
        path = self.layout.manifest(name, manifest)
        data = read_file(path) or b""
        if file_id is not None and blake3(data).hexdigest() != file_id:
            self.findings.found(
                "manifest", path, "its bytes were changed, though its rows are intact"
            )

    def _spare_manifests(self, name: str, used: set[str | None] | None) -> None:
        """Manifests of no changeset; `used` is None when not all changesets could be read."""
        folder = self.layout.manifests(name)
        spare = 0
        for entry in self.findings.listed(folder, "manifest"):
            stem = entry.removesuffix(".parquet")
            if not entry.endswith(".parquet") or len(stem) != 64:
                self.findings.stray(folder, entry)
            elif used is not None and stem not in used:
                spare += 1
        if spare:
            which = "1 manifest belongs" if spare == 1 else f"{spare} manifests belong"
            self.findings.notes.append(
                f"{name}: {which} to no changeset; gc removes what is not needed"
            )

    def _tags(self, name: str) -> None:
        log, _ = dataset_log(self.repository, name)
        folder = self.layout.tags(name)
        for entry in self.findings.documents(folder, "tag"):
            path = os.path.join(folder, entry)
            try:
                tag = log.read_tag(entry.removesuffix(".json"))
                if tag is None:
                    self.findings.stray(folder, entry)
                elif log.get(tag.number).id != tag.id:
                    self.findings.found(
                        "tag", path, f"changeset {tag.number} is not the one that was tagged"
                    )
            except DsmError as error:
                self.findings.found("tag", path, error.message)

    def _views(self, name: str) -> None:
        views, names = documents.views(self.layout, name), documents.view_names(self.layout, name)
        folder = views.folder
        for entry in self.findings.documents(folder, "view"):
            path = os.path.join(folder, entry)
            try:
                if entry.endswith(names.ending):
                    fields = names.read(entry.removesuffix(names.ending)) or {}
                    if fields.get("name") != entry.removesuffix(names.ending):
                        self.findings.found("view", path, "holds the name of another view")
                    elif not os.path.exists(views.path(str(fields.get("version")))):
                        self.findings.found("view", path, "the view that it names is missing")
                    continue
                fields = views.read(entry.removesuffix(views.ending)) or {}
                if ViewQuery.from_json(fields.get("query", {}), path).version + ".json" != entry:
                    self.findings.found("view", path, "does not hold the query of its name")
            except DsmError as error:
                self.findings.found("view", path, error.message)

    def _dataset_settings(self, name: str, named: int) -> None:
        place = documents.dataset_settings(self.layout, name)
        if not named and not os.path.lexists(place.folder):
            return
        there = settings_numbers(self.repository, name)
        for number in range(1, max(named, *there, 0) + 1):
            if number not in there:
                what = f"settings {number} of dataset {name} are missing"
                self.findings.found("document", place.path(f"{number:0{NUMBER_DIGITS}d}"), what)
                break  # a far number must not make millions of findings
        for entry in self.findings.documents(place.folder, "document"):
            path = os.path.join(place.folder, entry)
            try:
                stem = entry.removesuffix(place.ending)
                fields = place.read(stem) or {}
                settings_of(fields, path)
                if not stem.isdecimal() or fields.get("number") != int(stem):
                    self.findings.found("document", path, "does not hold the number of its name")
            except DsmError as error:
                self.findings.found("document", path, error.message)

    def _definitions(self, name: str, log: ChangesetLog) -> None:
        for kind in KINDS:
            place = documents.definitions(self.layout, name, kind)
            found = definitions(kind, self.repository, name, log.dataset_id)
            there = os.path.lexists(place.folder)
            for entry in self.findings.documents(place.folder, "document") if there else ():
                path = os.path.join(place.folder, entry)
                try:
                    found.get(entry.removesuffix(place.ending))
                except DsmError as error:
                    self.findings.found("document", path, error.message)

    def _stage(self, name: str) -> None:
        folder = self.layout.stage(name)
        if not os.path.isdir(folder):
            return
        for entry in self.findings.listed(folder, "stage"):
            path = os.path.join(folder, entry)
            try:
                if entry.endswith(SEGMENT):
                    self._segment(name, path)
                elif entry.endswith(stage_note.SUFFIX):
                    self._note(path)
                elif path == self.layout.absent(name):
                    check_index(self.repository, path, name, self.findings)
                elif path in (
                    self.layout.restored(name), self.layout.following(name),
                    self.layout.pulling(name),
                ):  # fmt: skip
                    check_note(path)
                else:
                    self.findings.stray(folder, entry)
            except DsmError as error:
                self.findings.found("stage", path, error.message)

    def _lists(self, name: str) -> None:
        # What cannot be read was told with the views and the segments.
        with suppress(DsmError):
            for what, oid in picked_by(self.repository, name):
                self._need(oid, 0, (name, PICKED, what))
                self.large.add(oid)

    def _segment(self, name: str, path: str) -> None:
        data = read_file(path)
        if data is None:
            return  # committed in this moment
        _, rows = segment.decode(data, path)
        columns = zip(rows.paths, rows.oids, rows.sizes, rows.records, strict=True)
        for example, oid, size, records in columns:
            if oid is not None:
                self._need(oid, size, (name, STAGED, example))
                if is_records_file(records):
                    self.large.add(oid)

    def _need(self, oid: bytes, size: int, example: tuple[str, int, str]) -> None:
        self.needed.setdefault(oid, []).append(example)
        if size >= self.repository.store.chunking.from_size:
            self.large.add(oid)

    def _note(self, path: str) -> None:
        if (data := read_file(path)) is not None:
            stage_note.decode(data, path)

    # --- packs and objects -----------------------------------------------------------------

    def _packs(self) -> None:
        folder = self.layout.packs
        for shelf in self.findings.listed(folder, "pack"):
            inner = os.path.join(folder, shelf)
            if not is_shelf(shelf) or not (os.path.islink(inner) or os.path.isdir(inner)):
                self.findings.stray(folder, shelf)
                continue
            for entry in self.findings.listed(inner, "pack"):
                if not is_pack_file(entry):
                    self.findings.stray(inner, entry)
        paths = pack_paths(folder)
        total = bytes_of(paths)
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
            self.findings.found("pack", path, error.message)
            return
        self.objects += len(pack)
        if pack_path(self.layout.packs, pack.name) != path:
            self.findings.found("pack", path, "does not lie where its name says")
        if self.full:
            hasher = blake3()
            for block in _blocks(pack):
                hasher.update(block)
                self.progress.advance(0, len(block))
            if hasher.hexdigest() != pack.name:
                self.findings.found(
                    "pack", path, "its bytes are not those that its name stands for"
                )
        pack.close()

    def _objects(self) -> None:
        """Every object referred to is there; with full, it is read and is what its name says."""
        store = self.store
        store.refresh()
        missing = store.missing(self.needed)
        if self.repository.elsewhere() is not None:
            self.findings.elsewhere(len(missing), len(self.needed))
        else:
            for oid in sorted(missing):
                self._object(oid, "is in no readable pack")
        self.referenced, self.references_sound = check_references(
            self.repository, {oid: hit for oid, hit in self.needed.items() if oid not in missing},
            self.findings, self.progress, full=self.full, ask=self.ask_places,
        )  # fmt: skip
        if not self.full:
            self._pieces(self.large - missing)
            return
        present = [oid for oid in self.needed if oid not in missing | self.referenced]
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
        store = self.store
        for oid in sorted(large):
            try:
                absent = store.missing(store.with_pieces(oid))
            except (DamagedData, StorageFailed) as error:
                self._object(oid, error.message)
                continue
            if absent and self.repository.elsewhere() is None:
                which = f"{len(absent)} of its chunks {'is' if len(absent) == 1 else 'are'}"
                self._object(oid, f"{which} in no readable pack")

    def _large(self, oid: bytes) -> None:
        hasher = blake3()
        try:
            for piece in self.store.stream(oid):
                hasher.update(piece)
        except (DamagedData, StorageFailed) as error:
            self._object(oid, error.message)
            return
        if hasher.digest() != oid:
            self._object(oid, "its chunks do not add up to it")

    def _object(self, oid: bytes, what: str) -> None:
        examples = tuple(self.needed.get(oid, ()))[:EXAMPLES_LISTED]
        self.findings.found("object", oid.hex(), what, examples)


def _blocks(pack: Pack) -> Iterator[bytes]:
    at = 0
    while block := pack.read_at(at, min(1 << 22, pack.size - at)):
        at += len(block)
        yield block


def fsck(
    repository: Repository,
    *,
    full: bool = False,
    references: bool = False,
    progress: Progress = SILENT,
) -> FsckReport:
    """Checks a repository; see this module's description. With `references`, also that what
    examples refer to is at its address, and is what it was."""
    with repository.store.alone() as store:
        return Checker(repository, store, full=full, references=references, progress=progress).run()
