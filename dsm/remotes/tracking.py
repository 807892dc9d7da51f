"""What was last seen of a remote, in `local/remotes/<name>`: heads, and changesets not yet here.

Derived: it may be deleted, and the next fetch sees it again. It answers how far a dataset is ahead
or behind without asking the network, and it notices when a remote's history was rewritten since.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsm.errors import DamagedData
from dsm.format import document
from dsm.repo.layout import NUMBER_DIGITS, Layout
from dsm.repo.planted_links import refuse_links_in
from dsm.store import disk
from dsm.store.whole_file import read_file

if TYPE_CHECKING:
    from dsm.remotes.reports import LastTransfer
    from dsm.repo.log import ChangesetLog

STATE = "seen.json"
DOCUMENTS_MAX = 2000


@dataclass(frozen=True, slots=True)
class Seen:
    """A dataset of a remote as it was last seen: its folder there, its head and that one's id.

    Up to changeset `base`, with the id `base_id`, it was the same here and there.
    """

    folder: str
    head: int
    id: str
    base: int
    base_id: str


def pinned_by(seen: Seen | None, log: ChangesetLog) -> bool:
    """Whether changesets here, up to the head that was seen, are those that were there: its id pins
    all before it."""
    return seen is not None and 0 < seen.head <= log.head() and log.get(seen.head).id == seen.id


@dataclass(frozen=True, slots=True)
class Distance:
    """How many changesets are only here (`ahead`) and only on a remote (`behind`), as last seen."""

    remote: str
    ahead: int
    behind: int

    @property
    def diverged(self) -> bool:
        """Whether both sides have changesets that the other has not."""
        return bool(self.ahead and self.behind)


class Tracking:
    """The record of one remote. Whatever is damaged in it counts as not there."""

    def __init__(self, layout: Layout, remote: str):
        self.remote = remote
        self.folder = os.path.join(layout.remotes, remote)
        self._temporary = layout.temporary
        refuse_links_in((self.folder,))
        self._fields = self._load()

    def _load(self) -> dict[str, Any]:
        path = os.path.join(self.folder, STATE)
        try:
            data = read_file(path, document.DOCUMENT_BYTES_MAX)
            return {} if data is None else document.decode(data, path)
        except DamagedData:
            return {}

    def _save(self, **changed: Any) -> None:
        self._fields = {**self._fields, **changed}
        fields = {k: v for k, v in self._fields.items() if k not in ("format", "seal")}
        disk.make_dirs(self.folder, durable=False)
        temporary = os.path.join(self._temporary, f"seen-{os.urandom(8).hex()}")
        disk.rewrite(os.path.join(self.folder, STATE), document.encode(fields), temporary)

    def forget(self) -> None:
        """Removes all that is known of the remote."""
        self._fields = {}
        if os.path.isdir(self.folder):
            disk.remove_tree(self.folder)

    def move_to(self, name: str) -> None:
        """Gives what is known to a remote of another name."""
        new = os.path.join(os.path.dirname(self.folder), name)
        refuse_links_in((new,))
        if os.path.isdir(new):
            disk.remove_tree(new)  # of a remote that is none any more
        if os.path.isdir(self.folder):
            disk.replace(self.folder, new)
        self.remote, self.folder = name, new

    # --- the place ---

    def is_exclusive(self, url: str) -> bool:
        """Whether the place at this address was found to create names exclusively."""
        return self._fields.get("exclusive") == url

    def saw_exclusive(self, url: str) -> None:
        """Notes what the probe found."""
        self._save(exclusive=url)

    @property
    def packs(self) -> frozenset[str]:
        """The packs that were there after the last push."""
        found = self._fields.get("packs")
        return frozenset(map(str, found)) if isinstance(found, list) else frozenset()

    def saw_packs(self, packs: frozenset[str]) -> None:
        """Notes which packs are there. Of very many nothing is noted."""
        self._save(packs=sorted(packs) if len(packs) <= 10_000 else [])

    # --- the last transfer ---

    @property
    def last(self) -> LastTransfer | None:
        """What the last push, fetch, pull or clone moved; None while none did."""
        from dsm.remotes.reports import LastTransfer

        found = self._fields.get("last")
        try:
            last = LastTransfer(**found) if isinstance(found, dict) else None
        except TypeError:
            return None
        if last is None or not isinstance(last.requests, dict) or type(last.command) is not str:
            return None
        numbers = (last.time, last.duration, last.sent, last.received, *last.requests.values())
        if any(type(each) is not int for each in numbers):
            return None
        return last

    def saw_transfer(self, last: LastTransfer) -> None:
        """Notes what a command moved."""
        self._save(last={name: getattr(last, name) for name in last.__slots__})

    # --- datasets ---

    def seen(self, dataset: str) -> Seen | None:
        """Returns a dataset, by its id, as it was last seen."""
        found = self._fields.get("datasets")
        fields = found.get(dataset) if isinstance(found, Mapping) else None
        try:
            seen = Seen(**fields) if isinstance(fields, dict) else None
        except TypeError:
            return None
        if seen is None or (type(seen.head), type(seen.base)) != (int, int):
            return None
        return seen

    def folders(self) -> dict[str, str]:
        """Returns the folders of the datasets that were seen, by id."""
        found = self._fields.get("datasets")
        seen = {each: self.seen(each) for each in (found if isinstance(found, Mapping) else ())}
        return {each: known.folder for each, known in seen.items() if known is not None}

    def saw(self, dataset: str, seen: Seen) -> None:
        """Notes what was seen of a dataset."""
        found = self._fields.get("datasets")
        told = dict(found) if isinstance(found, Mapping) else {}
        told[dataset] = {name: getattr(seen, name) for name in Seen.__slots__}
        self._save(datasets=told)

    def documents(self, dataset: str) -> dict[str, str]:
        """Returns the hashes of documents that a dataset has there, as far as they are known.

        By kind and file name; a document never changes.
        """
        found = self._fields.get("documents")
        told = found.get(dataset) if isinstance(found, Mapping) else None
        return {str(k): str(v) for k, v in told.items()} if isinstance(told, Mapping) else {}

    def saw_documents(self, dataset: str, seen: Mapping[str, str]) -> None:
        """Notes hashes of documents; of very many not all."""
        found = self._fields.get("documents")
        told = dict(found) if isinstance(found, Mapping) else {}
        known = {**self.documents(dataset), **seen}
        if known != self.documents(dataset):
            told[dataset] = dict(sorted(known.items())[:DOCUMENTS_MAX])
            self._save(documents=told)

    def distance(self, log: ChangesetLog) -> Distance | None:
        """Returns how far a dataset is from the remote as it was last seen; None if it was not."""
        seen = self.seen(log.dataset_id)
        if seen is None:
            return None
        head = log.head()
        if pinned_by(seen, log):
            return Distance(self.remote, head - seen.head, 0)
        if seen.base > head or (seen.base and log.get(seen.base).id != seen.base_id):
            return None
        return Distance(self.remote, head - seen.base, seen.head - seen.base)

    # --- changesets that are not here yet ---

    def header_path(self, dataset: str, number: int) -> str:
        """Where a header lies that was fetched."""
        return os.path.join(self.folder, dataset, f"{number:0{NUMBER_DIGITS}d}.json")

    def manifest_path(self, dataset: str, manifest: str) -> str:
        """Where a manifest lies that was fetched."""
        return os.path.join(self.folder, dataset, manifest + ".parquet")

    def keep(self, path: str, data: bytes) -> None:
        """Keeps a file that was verified."""
        disk.make_dirs(os.path.dirname(path), durable=False)
        temporary = os.path.join(self._temporary, f"seen-{os.urandom(8).hex()}")
        disk.rewrite(path, data, temporary)

    def drop(self, dataset: str) -> None:
        """Removes what was fetched of a dataset: it is here now."""
        folder = os.path.join(self.folder, dataset)
        if os.path.isdir(folder):
            disk.remove_tree(folder)
