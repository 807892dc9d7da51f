"""The one door for documents: each is created, read, listed and removed here.

A document is created under a name of its own and never changed. Whatever has to see or to forbid
that one comes or goes (a role, an audit trail) belongs into `create` and `remove`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

from dsm.errors import AlreadyExists
from dsm.format import document
from dsm.model.names import is_plain_name
from dsm.repo.layout import Layout
from dsm.store import disk
from dsm.store.whole_file import create_file, read_file, written_aside

is_run = re.compile(r"[0-9a-f]{16}").fullmatch
_is_version = re.compile(r"[0-9a-f]{64}").fullmatch


class Documents:
    """The documents of one kind in one folder; `ending` is what follows a name in its path.

    `names` leaves out files whose name is not `legal`: systems leave some anywhere. With `claims`,
    a folder, no two documents have names that differ in letter case only; `what` they are is for
    messages.
    """

    def __init__(
        self,
        folder: str,
        temporary: str,
        ending: str = ".json",
        legal: Callable[[str], object] = is_plain_name,
        *,
        claims: str | None = None,
        what: str = "document",
    ):
        self.folder = folder
        self.ending = ending
        self._legal = legal
        self._temporary = temporary
        self.claims = None if claims is None else Documents(claims, temporary)
        self.what = what

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
        """Creates a sealed document; durable when it returns; False when the name is taken.

        Raises AlreadyExists when the name is taken but for its letter case, InvalidInput for text
        that is not UTF-8.
        """
        data = document.encode(fields)  # before the name is claimed: what it refuses leaves nothing
        self.claim(name)
        return self.create_bytes(name, data)

    def claim(self, name: str) -> None:
        """Makes sure that no other name differs from this one in letter case only, now or later.

        The name in small letters is claimed by creating it, so of writers that race one wins. A
        claim stays when its writer dies: the same name can be created all the same. Raises
        AlreadyExists.
        """
        if self.claims is None:
            return
        folded, mine = name.casefold(), False
        while (claimed := self.claims.read(folded)) is None:
            disk.make_dirs(self.claims.folder)
            mine = self.claims.create(folded, {"name": name})
        # A document may be older than claims, or outlive its own: see `remove`.
        twins = [n for n in self.names() if n != name and n.casefold() == folded]
        if twins:
            if mine:
                self.claims.remove(folded)
            raise AlreadyExists(
                f"there is a {self.what} {twins[0]!r} already:"
                f" {name!r} differs only in letter case",
                hint="choose another name",
            )
        if claimed.get("name") != name:
            raise AlreadyExists(
                f"a {self.what} {claimed.get('name')!r} is being created, or its creation was"
                f" interrupted: {name!r} differs only in letter case",
                hint="create that one, or choose another name",
            )

    def create_bytes(self, name: str, data: bytes) -> bool:
        """Like `create`, for a document that is encoded already."""
        return create_file(self.path(name), data, self._temporary)

    def create_in_order(self, documents: Sequence[tuple[str, bytes]]) -> str | None:
        """Creates documents, encoded already, each durable before the next one has its name.

        Ends at a name that is taken by another document, and returns it; None when there is none.
        """
        with written_aside([data for _, data in documents], self._temporary) as paths:
            for (name, data), temporary in zip(documents, paths, strict=True):
                if not self._named(name, data, temporary) and self.read_bytes(name) != data:
                    return name
        return None

    def _named(self, name: str, data: bytes, temporary: str) -> bool:
        try:
            made = disk.claim(temporary, self.path(name))
        except disk.WriteFailed:  # gc may take a temporary file for a dead writer's
            return self.create_bytes(name, data)
        disk.sync_dir(os.path.dirname(self.path(name)))
        return made

    def unclaim(self, name: str) -> None:
        """Gives up what `claim` kept for a name, if it is this one's."""
        if self.claims is not None:
            claimed = self.claims.read(name.casefold())
            if claimed is not None and claimed.get("name") == name:
                self.claims.remove(name.casefold())

    def rename_folder(self, name: str, target: str) -> bool:
        """Gives the folder of a document, and all that is in it, another name below the same one.

        `target` need be no legal name: what has none is no document. For good when it returns;
        False when there is no such folder. Raises WriteFailed, also where something is in the way.
        """
        if not disk.rename_away(os.path.join(self.folder, name), os.path.join(self.folder, target)):
            return False
        disk.sync_dir(self.folder)
        return True

    def remove(self, name: str) -> None:
        """Removes a document, for good when it returns; one that is gone already is fine."""
        # Before the document: a claim without one must mean that one was never finished.
        self.unclaim(name)
        disk.remove(self.path(name))
        disk.sync_dir(os.path.dirname(self.path(name)))


def repositories(layout: Layout) -> Documents:
    """The identity of the repository, under the one name `repo`."""
    return Documents(layout.base, layout.temporary)


def datasets(layout: Layout) -> Documents:
    """The identities of datasets."""
    return Documents(
        layout.datasets, layout.temporary, "/dataset.json",
        claims=layout.claims("datasets"), what="dataset",
    )  # fmt: skip


def dataset_settings(layout: Layout, dataset: str) -> Documents:
    """What can be changed of a dataset, by the number of the change in 8 digits."""
    return Documents(layout.settings(dataset), layout.temporary)


def given_names(layout: Layout, dataset: str) -> Documents:
    """The names that a dataset was given after it was created, each a document."""
    return Documents(layout.given_names(dataset), layout.temporary)


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


def definitions(layout: Layout, dataset: str, kind: str) -> Documents:
    """The splits, or the segments, of a dataset, by name; `kind` is the word for one."""
    return Documents(layout.definitions(dataset, kind), layout.temporary, what=kind)


def sources(layout: Layout) -> Documents:
    """The sources."""
    return Documents(
        layout.sources, layout.temporary, claims=layout.claims("sources"), what="source"
    )


def runs(layout: Layout) -> Documents:
    """The begins of runs, by id."""
    return Documents(layout.runs, layout.temporary, "/start.json", legal=is_run)


def run_ends(layout: Layout) -> Documents:
    """The ends of runs, by id."""
    return Documents(layout.runs, layout.temporary, "/end.json", legal=is_run)


def run_views(layout: Layout, run: str) -> Documents:
    """The views that a run opened, by version."""
    return Documents(os.path.join(layout.run(run), "views"), layout.temporary, legal=_is_version)


def run_predictions(layout: Layout, run: str) -> Documents:
    """The predictions of a run, by the version of the view that they are for."""
    folder = os.path.join(layout.run(run), "predictions")
    return Documents(folder, layout.temporary, legal=_is_version)


def run_parameters(layout: Layout, run: str) -> Documents:
    """The parameters that a run logged, by a hash of their names."""
    return Documents(layout.run(run), layout.temporary, ".param.json", legal=is_run)


def trusted_sources(folder: str) -> Documents:
    """The notes of which sources a user trusts, in that user's own folder."""
    place = os.path.join(folder, "trusted-sources")
    return Documents(place, place, legal=_is_version)


def trusted_places(folder: str) -> Documents:
    """The notes of which addresses of references a user trusts, in that user's own folder."""
    place = os.path.join(folder, "trusted-places")
    return Documents(place, place, legal=_is_version)


def trusted_hooks(folder: str) -> Documents:
    """The notes of which hooks a user lets run, in that user's own folder."""
    place = os.path.join(folder, "trusted-hooks")
    return Documents(place, place, legal=_is_version)


def receipts(layout: Layout, *, ended: bool = False) -> Documents:
    """The receipts of runs, which stay on this machine; with `ended`, how the runs ended."""
    ending = ".end.json" if ended else ".json"
    return Documents(layout.receipts, layout.temporary, ending)
