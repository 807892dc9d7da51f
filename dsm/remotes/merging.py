"""Merging the small packs of a remote, which single pushes leave, into few; and what lies there.

No object is removed: the new pack is there, whole, before an old one goes. So nobody who pushes,
and counts on what lies there, can lose by it. Whoever is just downloading an old pack is told that
it was merged, and runs the command again.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from dsm.errors import DamagedData
from dsm.progress import SILENT, Progress
from dsm.remotes.backend import RemoteDamaged, RemoteFailed, retried
from dsm.remotes.contents import list_datasets
from dsm.remotes.listing_file import keep_listing
from dsm.remotes.objects import download, partial_path
from dsm.remotes.outgoing import packs_of
from dsm.remotes.remote import Remote
from dsm.remotes.reports import LastTransfer
from dsm.remotes.tables import PACKS, Tables, counted_on, pack_name, remote_path
from dsm.store import disk
from dsm.store.lease import Lease
from dsm.store.packs import Pack, PackWriter
from dsm.store.repacking import copy_live, rows_of

# Packs below this size are merged, if there are at least so many.
SMALL_BYTES, MERGE_FROM = 16 << 20, 2


@dataclass(frozen=True, slots=True)
class RemoteStats:
    """What lies on a remote: datasets and changesets, packs and their bytes, and all files; and
    what the `last` push, fetch, pull or clone of this copy moved, if one is known."""

    remote: str
    url: str
    datasets: int
    changesets: int
    packs: int
    pack_bytes: int
    files: int
    size: int
    last: LastTransfer | None = None


@dataclass(frozen=True, slots=True)
class MergePlan:
    """The small packs of a remote (id, bytes), and how many came of them: 0 until it is done."""

    remote: str
    url: str
    packs: tuple[tuple[str, int], ...]
    made: int = 0

    @property
    def size(self) -> int:
        return sum(size for _, size in self.packs)


def stats_of(remote: Remote) -> RemoteStats:
    """Counts what lies on a remote, by listings. Raises RemoteFailed, RemoteRefused."""
    entries = remote.backend.entries("")
    packs = [entry for entry in entries if entry.name.startswith(PACKS) and pack_name(entry)]
    datasets = list_datasets(remote.backend)
    return RemoteStats(
        remote=remote.entry.name,
        url=remote.entry.url,
        datasets=len(datasets),
        changesets=sum(len(each.headers) for each in datasets.values()),
        packs=len(packs),
        pack_bytes=sum(entry.size for entry in packs),
        files=len(entries),
        size=sum(entry.size for entry in entries),
        last=remote.tracking.last,
    )


def plan_merge(remote: Remote) -> MergePlan:
    """Returns which packs would be merged: none, unless there are several small ones."""
    entries = counted_on(remote.backend.entries(PACKS))
    small = [
        (name, entry.size) for entry in entries
        if entry.size < SMALL_BYTES and (name := pack_name(entry)) is not None
    ]  # fmt: skip
    found = tuple(small) if len(small) >= MERGE_FROM else ()
    return MergePlan(remote.entry.name, remote.entry.url, found)


def merge(remote: Remote, plan: MergePlan, progress: Progress = SILENT) -> MergePlan:
    """Merges the packs of a plan; returns it with how many packs came of them.

    Every object is verified on the way. Raises RemoteDamaged for a pack that is damaged, before
    anything was removed; RemoteFailed, RemoteRefused.
    """
    if not plan.packs:
        return plan
    progress.start("merging packs", len(plan.packs), plan.size)
    made = rewrite(remote, plan.packs, None, progress)
    for name, _ in plan.packs:
        if name not in made:
            retried(lambda: remote.backend.delete(remote_path(name)))  # noqa: B023
    progress.finish()
    after = remote.backend.entries(PACKS)
    remote.tracking.saw_packs(packs_of(after))
    keep_listing(remote.backend, after)
    return MergePlan(plan.remote, plan.url, plan.packs, len(made))


def rewrite(
    remote: Remote,
    packs: Sequence[tuple[str, int]],
    live: Container[bytes] | None,
    progress: Progress = SILENT,
) -> set[str]:
    """Puts new packs there with what these (id, bytes) hold of `live`, all for None.

    Returns their ids, when they are listed there as they were written; no old one was removed.
    Every object is verified on the way. Raises RemoteDamaged, RemoteFailed, RemoteRefused.
    """
    tables = Tables(remote.repository.layout)
    made: set[str] = set()
    with Lease(remote.repository.layout.temporary) as lease:
        for path, name, size in _rewritten(remote, packs, live, lease, progress):
            try:
                retried(lambda: remote.backend.put_file(remote_path(name), path))  # noqa: B023
                tables.keep_of(path, name)
            finally:
                disk.discard(path)
            there = {entry.name: entry.size for entry in remote.backend.entries(PACKS)}
            if there.get(remote_path(name)) != size:
                raise RemoteFailed(
                    f"{remote.entry.url} does not list the new pack {name[:16]} as it was written",
                    hint="no old pack was removed; run the command again",
                )
            made.add(name)
    return made


def _rewritten(
    remote: Remote,
    packs: Sequence[tuple[str, int]],
    live: Container[bytes] | None,
    lease: Lease,
    progress: Progress,
) -> Iterator[tuple[str, str, int]]:
    """Yields (path, id, bytes) of packs with what these hold of `live`, each object once."""
    entries = {pack_name(entry): entry for entry in remote.backend.entries(PACKS)}
    seen: set[bytes] = set()
    writer: PackWriter | None = None
    try:
        for name, size in packs:
            if name not in entries:
                continue  # somebody else has merged it
            writer = writer or PackWriter(lease.temporary(".pack"))
            download(remote.repository, remote.backend, entries[name])
            _copy(remote, name, writer, live, seen)
            progress.advance(1, size)
            if writer.full:
                done, writer = writer, None
                yield done.path, done.seal().hex(), done.size
        if writer is not None:
            done, writer = writer, None
            yield done.path, done.seal().hex(), done.size
    finally:
        if writer is not None:
            writer.abandon()


def _copy(
    remote: Remote, name: str, writer: PackWriter, live: Container[bytes] | None, seen: set[bytes]
) -> None:
    path = partial_path(remote.repository, name)
    try:
        pack = Pack(path, verify=True)
        wanted = {prefix for _, prefix in rows_of(pack) if live is None or prefix in live}
        fresh = wanted - seen
        copy_live(pack, fresh, writer)
        pack.close()
        seen |= fresh
    except DamagedData as error:
        raise RemoteDamaged(
            f"{remote_path(name)} on {remote.entry.url}: {error.message}",
            hint="nothing was removed; run `dsm fsck --remote --repair` in a copy that has it all",
        ) from error
    finally:
        disk.discard(path)
