"""What a copy has of the objects that its examples need, and bringing more of them on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsm.errors import NotFound
from dsm.model.keywords import verbs_suggest
from dsm.progress import SILENT, Progress
from dsm.remotes.reports import ObjectsFetched, ObjectsHere, Transfer
from dsm.store.pieces import large_among, pieces_of
from dsm.views.selection.columns import hashes
from dsm.worktree.publish import Publisher, publishing

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsm.datasets import Dataset
    from dsm.remotes.shared import SharedRepository
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

        `paths` are examples and folders among those of a changeset. What is here stays as it is.

        Raises NotFound for the view, the changeset or the paths, and in a copy that has all
        objects; InvalidInput, ObjectMissing, RemoteRefused, RemoteDamaged, RemoteFailed,
        StorageFailed, NotOurs.
        """
        repository = self._repository
        repository.require_ours()
        store = repository.store
        elsewhere = store.elsewhere
        if elsewhere is None:
            raise NotFound(
                "all objects are here: this copy was not made without them",
                hint="`dsm clone --no-objects` makes one that fetches them when they are read",
            )
        if view is not None:
            oids = set(hashes(self._view(view).table().column("object")))
        else:
            oids = {example.oid for example in self._dataset(dataset).ls(paths, at)}
        missing = store.missing(oids)
        size = 0

        def counted(more: int) -> None:
            nonlocal size
            size += more
            progress.advance(1, more)

        with publishing(repository):
            progress.start("fetching objects", len(missing), None)
            need = missing
            while need:  # pieces once the lists are here, and those of lists in parts after them
                elsewhere.bring(sorted(need), store.folder, store.hold_lease().temporary, counted)
                store.refresh()
                large = large_among(store, oids)
                need = store.missing(piece for oid in large for piece in pieces_of(store, oid))
            progress.finish()
        transfer = Transfer(0, size, elsewhere.requests)
        name = repository.config.get("core.objects") or ""
        return ObjectsFetched(name, elsewhere.url, len(oids), len(missing), transfer)
