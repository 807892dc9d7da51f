"""A remote that is open: its backend, what was last seen there, and whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import perf_counter

from dsm.remotes.address import open_backend
from dsm.remotes.book import RemoteEntry
from dsm.remotes.contents import RemoteDataset, identify, list_datasets, require_repository
from dsm.remotes.reports import LastTransfer, Transfer
from dsm.remotes.tracking import Tracking
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.store.whole_file import read_file


class Remote:
    """One remote of a repository, for the time of a command."""

    def __init__(self, repository: Repository, entry: RemoteEntry):
        self.repository = repository
        self.entry = entry
        self.backend = open_backend(entry.url)
        self.tracking = Tracking(repository.layout, entry.name)

    def identity(self) -> bytes:
        """Returns the identity of this repository, as it lies on disk."""
        data = read_file(self.repository.layout.repository)
        assert data is not None  # it was read when the repository was opened
        return data

    def require_ours(self) -> bool:
        """Whether the remote has an identity: that of this repository. Raises OtherRepository."""
        return require_repository(self.backend, self.repository.id)

    def datasets(self, only: tuple[str, ...] | None = None) -> dict[str, RemoteDataset]:
        """Returns the datasets of the remote by id, with their identities.

        `only` are the folders of those that are looked at, none for all; None is those that this
        copy is limited to.
        """
        found = list_datasets(self.backend, self.entry.datasets if only is None else only)
        # An identity never changes: of what was seen before it is not read again.
        known = {folder: id for id, folder in self.tracking.folders().items()}
        for dataset in found.values():
            dataset.id = known.get(dataset.folder, "")
        identify(self.backend, found)
        return {dataset.id: dataset for dataset in found.values()}

    @contextmanager
    def noted(self, command: str) -> Iterator[None]:
        """Notes what a command moves, however it ends; see `Tracking.last`."""
        time, began, ended = self.repository.environment.clock(), perf_counter(), False
        try:
            yield
            ended = True
        finally:
            backend = self.backend
            last = LastTransfer(
                command=command, time=time, duration=int((perf_counter() - began) * 1e6),
                requests=dict(backend.asked), sent=backend.sent, received=backend.received,
                ended=ended,
            )  # fmt: skip
            with suppress(*disk.Unwritable):
                self.tracking.saw_transfer(last)

    def transfer(self, packs: int = 0, size: int = 0) -> Transfer:
        """Returns what this command has moved so far."""
        return Transfer(packs, size, self.backend.requests)
