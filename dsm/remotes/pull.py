"""pull: what a fetch has verified becomes part of the dataset, and the files here follow.

Objects first, then manifests, then headers in order. Files follow as they do after a revert: where
they hold exactly what the old head had, or where there was no example before. What was edited or
staged is left alone and listed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from dsm.datasets import Dataset
from dsm.errors import Conflict, StorageFailed
from dsm.history.revert import RevertPlan
from dsm.model.changeset import Changeset
from dsm.model.example import Example
from dsm.model.rows import ADDED, Rows
from dsm.progress import SILENT, Progress
from dsm.remotes.fetch import fetch_all
from dsm.remotes.incoming import Incoming, read_manifest
from dsm.remotes.objects import Brought, bring_objects
from dsm.remotes.remote import Remote
from dsm.remotes.reports import DatasetPulled, PullReport
from dsm.remotes.taking import adopt, put_documents, put_headers, put_manifests, put_sources
from dsm.remotes.tracking import Seen
from dsm.worktree.committing import one_at_a_time
from dsm.worktree.publish import publishing
from dsm.worktree.revert import bring_files, plan_files
from dsm.worktree.tree import WorkTree


class Diverged(Conflict):
    """Both sides have changesets that the other has not."""

    code = "diverged"


@dataclass(frozen=True, slots=True)
class PullAsked:
    """How a pull goes on: `files` brings the work tree along, `objects` brings content here."""

    files: bool = True
    objects: bool = True


def pull(
    remote: Remote,
    only: tuple[str, ...] | None = None,
    asked: PullAsked = PullAsked(),
    progress: Progress = SILENT,
) -> PullReport:
    """Pulls the datasets of a remote; `only` names some.

    Raises Diverged when both sides have changesets that the other has not, and what `fetch` raises.
    """
    told: list[DatasetPulled] = []
    packs = size = 0
    fetched = fetch_all(remote, only, progress)
    for name, incoming in fetched:
        pulled, brought = _pull_dataset(remote, name, incoming, asked, progress)
        told.append(pulled)
        packs, size = packs + brought.packs, size + brought.size
    if fetched and (any(each.changesets or each.documents for each in told)):
        put_sources(remote)
    return PullReport(
        remote.entry.name, remote.entry.url, tuple(told), remote.transfer(packs, size)
    )


def _pull_dataset(
    remote: Remote, name: str, incoming: Incoming, asked: PullAsked, progress: Progress
) -> tuple[DatasetPulled, Brought]:
    repository = remote.repository
    if name not in repository.datasets():
        adopt(remote, incoming.dataset, name)
    dataset = Dataset(repository, repository.identity(name))
    brought, first, last = Brought(), 0, 0
    files = _NO_FILES
    if incoming.changesets:
        if dataset.head > incoming.base:
            raise Diverged(
                f"dataset {name} has {dataset.head - incoming.base} changesets of its own since"
                f" {incoming.base}, and {remote.entry.name} has {len(incoming.changesets)} others",
                hint=f"nothing was changed; commit yours in a fresh copy: `dsm clone"
                f" {remote.entry.url} DIR`",
            )
        brought, files = _fast_forward(remote, dataset, incoming, asked, progress)
        first, last = incoming.base + 1, incoming.head
    count, differing = put_documents(remote, incoming.dataset, dataset.log_)
    pulled = DatasetPulled(
        name, first, last, written=files.written, removed=files.removed, left=files.left,
        documents=count, differing=differing,
    )  # fmt: skip
    return pulled, brought


@dataclass(frozen=True, slots=True)
class _Files:
    written: int = 0
    removed: int = 0
    left: tuple[str, ...] = ()


_NO_FILES = _Files()


def wanted_objects(remote: Remote, dataset: str, changesets: tuple[Changeset, ...]) -> set[bytes]:
    """Returns the objects that fetched changesets put."""
    oids: set[bytes] = set()
    for changeset in changesets:
        table = read_manifest(remote.tracking, dataset, changeset)
        if table is not None:
            oids.update(oid for oid in table.column("object").unique().to_pylist() if oid)
    return oids


def _fast_forward(
    remote: Remote, dataset: Dataset, incoming: Incoming, asked: PullAsked, progress: Progress
) -> tuple[Brought, _Files]:
    """Puts the changesets of a remote on top of a history that ends where they begin."""
    repository, log = remote.repository, dataset.log_
    with publishing(repository) as publish, one_at_a_time(dataset.tree):
        brought = Brought()
        if asked.objects:
            oids = wanted_objects(remote, log.dataset_id, incoming.changesets)
            brought = bring_objects(repository, remote.backend, oids, progress)
        with publish:
            log.require()
            put_manifests(remote, dataset.name, log.dataset_id, incoming.changesets)
            follow = Following(dataset, incoming.base) if asked.files else None
            taken = put_headers(remote, log, incoming.changesets)
    if taken is not None:
        raise Diverged(
            f"changeset {taken.number} of dataset {dataset.name} was recorded here in this moment",
            hint="run the command again",
        )
    id = incoming.changesets[-1].id
    remote.tracking.saw(
        log.dataset_id, Seen(incoming.dataset.folder, incoming.head, id, incoming.head, id)
    )
    remote.tracking.drop(log.dataset_id)
    return brought, _NO_FILES if follow is None else follow.to_head()


class Following:
    """The files of a work tree, which follow when the head moves; made before it does."""

    def __init__(self, dataset: Dataset, head: int):
        self._dataset = dataset
        tree = dataset.tree
        with tree.locked():
            tree.stage.tidy()
        self._before = head
        self._staged = tree.stage.load()
        self._index = tree.index(self._staged)
        tree.save(self._index)

    def to_head(self) -> _Files:
        """Brings the files along; those that cannot are left as they are, and listed.

        Raises StorageFailed, which says that the changesets are here all the same.
        """
        tree, staged, index = self._dataset.tree, self._staged, self._index
        head = tree.log.head()
        rows = changes_between(self._dataset, tree, self._before, head)
        files = plan_files(tree, staged, index, rows)
        wanted = {*rows.before, *rows.now}
        try:
            bring_files(tree, staged, index, rows, files)
        except StorageFailed as error:
            raise StorageFailed(
                f"{error.message} (the changesets are here: dataset {self._dataset.name} is at"
                f" {head})",
                hint="`dsm status` lists the files that did not follow; when there is room,"
                " `dsm restore --force PATH` brings them back",
            ) from error
        changeset = tree.log.get(head)
        index.position = index.position.at(head, changeset.id, staged.names)
        tree.save(index)
        done = {e.path for e in files.write} | set(files.remove) | {p for p, _ in files.same}
        left = (path for path in wanted - done if os.path.lexists(os.path.join(tree.root, path)))
        return _Files(len(files.write), len(files.remove), tuple(sorted(left)))


def changes_between(dataset: Dataset, tree: WorkTree, before: int, head: int) -> RevertPlan:
    """Returns what changed from one head to another, in the form in which files follow a revert."""
    paths: set[str] = set()
    for number in range(before + 1, head + 1):
        table = tree.snapshots().manifests.of(number)
        if table is not None:
            paths.update(table.column("path").to_pylist())
    old: dict[str, Example] = tree.snapshots().lookup(before, paths) if before else {}
    new = tree.snapshots().lookup(head, paths)
    rows = Rows()
    for path in sorted(paths):
        if path in new:
            rows.put(ADDED, new[path])
        elif path in old:
            rows.delete(path, records=old[path].records)
    return RevertPlan(rows, {}, (), new, old)
