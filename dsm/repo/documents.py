"""The one door for documents: each is created, read, listed and removed here.

A document is created under a name of its own and never changed. Whatever has to see or to forbid
that one comes or goes (a role, an audit trail) belongs into `create` and `remove`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from dsm.format import document
from dsm.model.names import is_plain_name
from dsm.repo.layout import Layout
from dsm.store import disk
from dsm.store.whole_file import create_file, read_file

_is_version = re.compile(r"[0-9a-f]{64}").fullmatch


class Documents:
    """The documents of one kind in one folder; `ending` is what follows a name in its path.

    `names` leaves out files whose name is not `legal`: systems leave some anywhere.
    """

    def __init__(
        self,
        folder: str,
        temporary: str,
        ending: str = ".json",
        legal: Callable[[str], object] = is_plain_name,
    ):
        self.folder = folder
        self.ending = ending
        self._legal = legal
        self._temporary = temporary

    def path(self, name: str) -> str:
        """Returns where the document of this name lies, or would lie."""
        return os.path.join(self.folder, name + self.ending)

    def names(self) -> list[str]:
        """Returns the names of all documents, sorted."""
        try:
            entries = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        if self.ending.startswith("/"):
            found = [entry for entry in entries if os.path.exists(self.path(entry))]
        else:
            found = [e[: -len(self.ending)] for e in entries if e.endswith(self.ending)]
        return sorted(name for name in found if self._legal(name))

    def read(self, name: str) -> dict[str, Any] | None:
        """Returns the fields of a document; None when there is none of this name.

        Raises DamagedData, StorageFailed.
        """
        data = self.read_bytes(name)
        return None if data is None else document.decode(data, self.path(name))

    def read_bytes(self, name: str) -> bytes | None:
        """Returns a document as it lies on disk; None when there is none of this name."""
        return read_file(self.path(name), document.DOCUMENT_BYTES_MAX)

    def create(self, name: str, fields: dict[str, Any]) -> bool:
        """Creates a sealed document; durable when it returns; False when the name is taken."""
        return self.create_bytes(name, document.encode(fields))

    def create_bytes(self, name: str, data: bytes) -> bool:
        """Like `create`, for a document that is encoded already."""
        return create_file(self.path(name), data, self._temporary)

    def remove(self, name: str) -> None:
        """Removes a document, for good when it returns; one that is gone already is fine."""
        disk.remove(self.path(name))
        disk.sync_dir(os.path.dirname(self.path(name)))


def repositories(layout: Layout) -> Documents:
    """The identity of the repository, under the one name `repo`."""
    return Documents(layout.base, layout.temporary)


def datasets(layout: Layout) -> Documents:
    """The identities of datasets."""
    return Documents(layout.datasets, layout.temporary, "/dataset.json")


def headers(layout: Layout, dataset: str) -> Documents:
    """The headers of a dataset's changesets, by number in 8 digits."""
    return Documents(layout.changesets(dataset), layout.temporary)


def tags(layout: Layout, dataset: str) -> Documents:
    """The tags of a dataset."""
    return Documents(layout.tags(dataset), layout.temporary)


def views(layout: Layout, dataset: str) -> Documents:
    """The prepared views of a dataset, by version."""
    return Documents(layout.views(dataset), layout.temporary, legal=_is_version)


def cached_views(cache: str, repository: str, dataset: str) -> Documents:
    """The views that a user has prepared of a dataset whose repository cannot be written.

    `cache` is a folder of that user, `repository` the id of the repository.
    """
    folder = os.path.join(cache, "views", repository, dataset)
    return Documents(folder, folder, legal=_is_version)


def view_names(layout: Layout, dataset: str) -> Documents:
    """The names of a dataset's views."""
    return Documents(layout.views(dataset), layout.temporary, ".name.json")


def sources(layout: Layout) -> Documents:
    """The sources."""
    return Documents(layout.sources, layout.temporary)


def receipts(layout: Layout, *, ended: bool = False) -> Documents:
    """The receipts of runs, which stay on this machine; with `ended`, how the runs ended."""
    ending = ".end.json" if ended else ".json"
    return Documents(layout.receipts, layout.temporary, ending)
