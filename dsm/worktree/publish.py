"""The hand-over from packs to references, safe beside gc.

gc removes what nothing refers to, and a writer's packs are not referred to until its stage segment
or changeset exists. So the last step of every writer runs under a shared lock, and first makes sure
that the packs it counts on are still there; one that gc has just put into the trash is taken
back. The lock is held for that step only: a writer that is stopped in its work blocks nobody.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsm.errors import StorageFailed
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.store.lease import Lease
from dsm.store.pack_files import bytes_of, pack_path, pack_paths

if TYPE_CHECKING:
    from dsm.model.rows import Rows
    from dsm.worktree.stage import Stage, Staged


class PacksVanished(StorageFailed):
    """gc removed packs that this command counted on; running it again stores them anew."""

    code = "packs-vanished"


class Publisher:
    """A context manager for the last step; may be entered once."""

    def __init__(self, repository: Repository):
        self._repository = repository
        self._lock: int | None = None

    def stored_bytes(self) -> int:
        """Returns how many bytes all packs take."""
        return bytes_of(pack_paths(self._repository.layout.packs))

    def __enter__(self) -> Publisher:
        layout = self._repository.layout
        self._lock = disk.lock(layout.store_lock, exclusive=False)
        if self._lock is None:
            raise disk.Busy(layout.store_lock)  # by gc, which must not see us halfway
        try:
            self._secure()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            disk.unlock(self._lock)
            self._lock = None

    def _secure(self) -> None:
        """Makes sure that every pack counted on has its name; fetches it from the trash if not."""
        store, layout = self._repository.store, self._repository.layout
        # Another writer may have given a pack its name and died, or not yet synced the folder.
        shelves = {os.path.dirname(pack_path(layout.packs, name)) for name in store.relied_on}
        for shelf in sorted(shelves):
            if os.path.isdir(shelf):
                disk.sync_dir(shelf)
        if shelves:
            disk.sync_dir(layout.packs)
        for name in store.relied_on:
            final = pack_path(layout.packs, name)
            if os.path.exists(final):
                continue
            trashed = os.path.join(layout.trash, name + ".pack")
            if not os.path.exists(trashed):
                raise PacksVanished(
                    f"pack {name} is gone, though this command counted on it",
                    hint="nothing was recorded; run the command again",
                )
            disk.make_dir(os.path.dirname(final))
            disk.claim(trashed, final)
            disk.sync_dir(os.path.dirname(final))


def check_present(repository: Repository, rows: Rows, stage: Stage, staged: Staged) -> None:
    """Makes sure that objects known from the stage alone are there, if it changed since.

    Call with the publisher entered. Raises PacksVanished.
    """
    if stage.lacks(staged):
        wanted = {oid for oid in rows.oids if oid is not None}
        if repository.store.unreachable(wanted):
            raise PacksVanished(
                "what this command found in the stage was dropped and removed meanwhile",
                hint="nothing was recorded; run the command again",
            )


@contextlib.contextmanager
def publishing(repository: Repository) -> Iterator[Publisher]:
    """Covers a writing command: shows a lease to gc from the first decision to the last step.

    Threads that write by one repository object take turns.
    """
    with repository.writing, Lease(repository.layout.temporary) as lease:
        store = repository.store
        store.lease = lease
        # Packs that gc removed before it could see this lease must not be counted on.
        store.look_again()
        try:
            yield Publisher(repository)
        finally:
            store.abandon()
            store.relied_on.clear()
            store.lease = None
