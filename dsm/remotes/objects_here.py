"""What a copy has of the objects that its examples need, and bringing more of them on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsm.errors import NotFound
from dsm.model.keywords import verbs_suggest
from dsm.progress import SILENT, Progress
from dsm.remotes.reports import ObjectsFetched, ObjectsHere, Transfer
from dsm.store.chunks import readinto_of
from dsm.store.elsewhere import Counted
from dsm.store.pieces import large_among, pieces_of
from dsm.views.selection.columns import hashes
from dsm.worktree.publish import Publisher, publishing

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsm.datasets import Dataset
    from dsm.remotes.shared import SharedRepository
    from dsm.store.objects import ObjectStore
    from dsm.views.selection.selection import Selection


@verbs_suggest
class Objects:
    """The objects of a repository that may lack some; `repo.objects`."""

    def __init__(
        self,
        repository: SharedRepository,
        dataset: Callable[[str | None], Dataset],
        view: Callable[[str], Selection],
    ):
        self._repository, self._dataset, self._view = repository, dataset, view

    def here(self) -> ObjectsHere | None:
        """Returns how much is here; None for a copy that has all objects.

        Raises NotFound and InvalidInput for settings that name no remote.
        """
        repository = self._repository
        elsewhere = repository.elsewhere()
        name = repository.config.get("core.objects")
        if elsewhere is None or name is None:
            return None
        packs, size = elsewhere.cache.usage()
        stored = Publisher(repository).stored_bytes()
        return ObjectsHere(name, stored, size, packs, elsewhere.cache.most)

    def fetch(
        self,
        paths: Sequence[str] | None = None,
        *,
        view: str | None = None,
        at: str | int | None = None,
        dataset: str | None = None,
        progress: Progress = SILENT,
    ) -> ObjectsFetched:
        """Brings what examples hold, to stay: those of a view, or of a changeset (the newest).

        `paths` are examples and folders among those of a changeset. What is here stays as it is;
        what is referenced is read at its address, and kept.

        Raises NotFound for the view, the changeset or the paths, and in a copy that has all
        objects; InvalidInput, ObjectMissing, RemoteRefused, RemoteDamaged, RemoteFailed,
        ReferenceBroken, ReferenceUntrusted, StorageFailed, NotOurs.
        """
        repository = self._repository
        repository.require_ours()
        store = repository.store
        if view is not None:
            oids = set(hashes(self._view(view).table().column("object")))
        else:
            oids = {example.oid for example in self._dataset(dataset).ls(paths, at)}
        elsewhere, size = store.elsewhere, 0
        missing = store.missing(oids)

        def counted(more: int) -> None:
            nonlocal size
            size += more
            progress.advance(1, more)

        if elsewhere is None and not store.referenced.among(oids):
            raise NotFound(
                "all objects are here: this copy was not made without them",
                hint="`dsm clone --no-objects` makes one that fetches them when they are read",
            )
        with publishing(repository) as publish:
            progress.start("fetching objects", len(missing), None)
            need = missing
            while elsewhere is not None and need:
                # Pieces once the lists are here, and those of lists in parts after them.
                elsewhere.bring(sorted(need), store.folder, store.hold_lease().temporary, counted)
                store.refresh()
                large = large_among(store, oids)
                need = store.missing(piece for oid in large for piece in pieces_of(store, oid))
            referenced = store.referenced.among(oids)
            _keep(store, _by_place(store, referenced), counted)
            store.flush()
            with publish:
                progress.finish()
        name = repository.config.get("core.objects") if elsewhere is not None else None
        requests = 0 if elsewhere is None else elsewhere.requests
        return ObjectsFetched(
            name, None if elsewhere is None else elsewhere.url, len(oids),
            len(missing | referenced), Transfer(0, size, requests), len(referenced),
        )  # fmt: skip


def _keep(store: ObjectStore, oids: Sequence[bytes], counted: Counted) -> None:
    """Stores the bytes of referenced objects; they are verified as they are read."""
    for oid, data in store.read_many(oids):
        if data is None:
            with store.open(oid) as file:
                counted(store.put_stream(readinto_of(file))[1])
        else:
            store.put(data)
            counted(len(data))


def _by_place(store: ObjectStore, oids: set[bytes]) -> list[bytes]:
    """Returns referenced objects in the order in which they lie at their addresses."""
    places = {oid: store.referenced.places(oid)[0] for oid in oids}
    return sorted(oids, key=lambda oid: (places[oid].at, places[oid].name, places[oid].start))
