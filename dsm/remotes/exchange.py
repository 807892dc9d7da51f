"""The moment of a renumbering: the dataset's folder and one that was made ready change places."""

from __future__ import annotations

import os
from collections.abc import Container
from dataclasses import dataclass, replace

from dsm.datasets import Dataset
from dsm.errors import DamagedData, DsmError, StorageFailed
from dsm.format import document, header
from dsm.history.snapshot import Snapshots
from dsm.history.snapshot_cache import SnapshotCache
from dsm.remotes.collisions import HistoriesDiverged
from dsm.remotes.remote import Remote
from dsm.remotes.renumber import RenumberPlan
from dsm.repo.layout import NUMBER_DIGITS
from dsm.repo.log import Tag
from dsm.repo.renaming import REMOVED
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.store.pack_files import pack_path
from dsm.store.whole_file import read_file
from dsm.views.prepare import prepare
from dsm.views.selection.prepared import list_records
from dsm.worktree.publish import PacksVanished


@dataclass(frozen=True, slots=True)
class CarriedViews:
    """The views of renumbered changesets that have a new version, and those that select nothing any
    more, and have none."""

    carried: tuple[str, ...]
    lost: tuple[str, ...]


class Exchange:
    """A folder with the history of a plan, made ready beside the one of the dataset.

    Made while publishing, so that gc leaves it alone. When it has taken the place, the folder has
    the history that was there before.
    """

    def __init__(self, remote: Remote, dataset: Dataset, plan: RenumberPlan):
        self._remote, self._dataset, self._plan = remote, dataset, plan
        self._layout = remote.repository.layout
        self.name = REMOVED + os.urandom(8).hex()
        self._folder = os.path.join(self._layout.datasets, self.name)
        self._performed = False

    def begin(self) -> None:
        """Makes the folder. Raises WriteFailed."""
        _begin(self._remote, self._dataset, self._plan, self._folder)

    def carry_views(self) -> CarriedViews:
        """Prepares the views of renumbered changesets for the new history, with their names.

        They are in place with it, in the same step. One that selects nothing any more is left out.
        """
        identity = replace(self._dataset.identity, name=self.name)
        made = Dataset(self._remote.repository, identity)
        cache = SnapshotCache(self._layout, made.log_)
        cache.folder = self._layout.cache(self._dataset.name)  # it goes by the ids of changesets
        snapshots = Snapshots(self._remote.repository, made.log_, cache)
        return _carry_views(self._dataset, made, snapshots, self._plan)

    def perform(self) -> None:
        """Gives the dataset the new history. Call without the store lock, while publishing.

        Keeps out gc and everybody who records: what was planned is compared again. Raises
        HistoriesDiverged when something was recorded meanwhile, PacksVanished, Busy, WriteFailed.
        """
        layout = self._layout
        lock = disk.lock(layout.store_lock, exclusive=True)
        if lock is None:
            raise disk.Busy(layout.store_lock)
        try:
            if not os.path.isdir(self._folder):
                raise disk.Busy(layout.store_lock)  # gc came between, and took it for a leftover
            self._dataset.log_.require()
            _refuse_changes(self._remote.repository, self._dataset, self._plan)
            _link_rest(self._dataset, self._plan, layout.dataset(self._dataset.name), self._folder)
            disk.exchange(self._folder, layout.dataset(self._dataset.name))
            self._performed = True
            disk.sync_dir(layout.datasets)
        finally:
            disk.unlock(lock)

    def clear(self) -> None:
        """Removes the folder, unless it has the history that was there before."""
        if not self._performed and os.path.isdir(self._folder):
            disk.remove_tree(self._folder)


def _refuse_changes(repository: Repository, dataset: Dataset, plan: RenumberPlan) -> None:
    numbers = dataset.log_.numbers()
    if len(numbers) != plan.old[-1].number:
        raise HistoriesDiverged(
            "something was recorded in this moment", hint="run the command again"
        )
    for name in repository.store.relied_on:
        if not os.path.exists(pack_path(repository.layout.packs, name)):
            raise PacksVanished(
                f"pack {name} is gone, though this command counted on it",
                hint="nothing was recorded; run the command again",
            )


def _begin(remote: Remote, dataset: Dataset, plan: RenumberPlan, made: str) -> None:
    """Makes the folder, with the headers of the plan and links to all that it does not concern."""
    _link_rest(dataset, plan, remote.repository.layout.dataset(dataset.name), made)
    for each in plan.incoming:
        data = read_file(remote.tracking.header_path(dataset.id, each.number))
        if data is None or header.decode(data, "a fetched header").id != each.id:
            raise DamagedData("a fetched header is gone", hint="run the command again")
        disk.write_new(_header_path(made, each.number), data)
    for each in plan.new:
        disk.write_new(_header_path(made, each.number), header.encode(replace(each, id="")))


def _link_rest(dataset: Dataset, plan: RenumberPlan, source: str, made: str) -> None:
    """Links what is not there yet of all that the plan does not concern, and writes the tags that
    move; durable when it returns."""
    tags = {tag.name: tag for tag in dataset.tags() if tag.number > plan.base}
    views = {
        record.version for record in list_records(dataset.repo, dataset.name)
        if record.query.at > plan.base
    }  # fmt: skip
    _link(source, made, plan.base, tags, views)
    ids = {each.number: each.id for each in plan.new}
    for tag in tags.values():
        if not os.path.lexists(os.path.join(made, "tags", tag.name + ".json")):
            _write_tag(made, dataset.id, tag, plan.number_of(tag.number), ids)
    for above, _, _ in os.walk(made):
        disk.sync_dir(above)


def copy_history(dataset: Dataset, made: str, base: int, aside: str | None) -> None:
    """Makes a folder with the history of a dataset up to `base`, and what came after in `aside`:
    headers, tags and views; all else as it is now. Durable when it returns."""
    views = {
        record.version for record in list_records(dataset.repo, dataset.name)
        if record.query.at > base
    }  # fmt: skip
    later = {tag.name for tag in dataset.tags() if tag.number > base}
    _link(dataset.repo.layout.dataset(dataset.name), made, base, later, views)
    for kind in ("changesets", "tags", "views") if aside is not None else ():
        source = os.path.join(aside or "", kind)
        for name in sorted(os.listdir(source)) if os.path.isdir(source) else ():
            place = os.path.join(made, kind, name)
            if not os.path.lexists(place):
                disk.link(os.path.join(source, name), place)
    for above, _, _ in os.walk(made):
        disk.sync_dir(above)


def _link(source: str, made: str, base: int, tags: Container[str], views: Container[str]) -> None:
    """Links what is not there yet of a dataset's folder, but for headers after `base`, and the
    named tags and views."""
    for above, folders, files in os.walk(source):
        kind = os.path.relpath(above, source)
        place = os.path.normpath(os.path.join(made, kind))
        disk.make_dir(place)
        folders.sort()
        for name in sorted(files):
            if kind == "changesets" and name[:-5].isdigit() and int(name[:-5]) > base:
                continue
            if kind == "tags" and name.removesuffix(".json") in tags:
                continue
            if kind == "views" and _speaks_of(os.path.join(above, name), views):
                continue
            if not os.path.lexists(os.path.join(place, name)):
                disk.link(os.path.join(above, name), os.path.join(place, name))


def _header_path(made: str, number: int) -> str:
    return os.path.join(made, "changesets", f"{number:0{NUMBER_DIGITS}d}.json")


def _speaks_of(path: str, versions: Container[str]) -> bool:
    """Whether a document of a view, or of its name, is of one of these versions."""
    version = os.path.basename(path).removesuffix(".json")
    if path.endswith(".name.json"):
        data = read_file(path, document.DOCUMENT_BYTES_MAX) or b""
        version = str(document.decode(data, path).get("version"))
    return version in versions


def _write_tag(made: str, dataset: str, tag: Tag, number: int, ids: dict[int, str]) -> None:
    fields = {
        "name": tag.name, "number": number, "changeset": ids[number], "dataset": dataset,
        "time": tag.time, "message": tag.message,
    }  # fmt: skip
    disk.write_new(os.path.join(made, "tags", tag.name + ".json"), document.encode(fields))


def _carry_views(
    dataset: Dataset, made: Dataset, snapshots: Snapshots, plan: RenumberPlan
) -> CarriedViews:
    ids = {each.number: each.id for each in plan.new}
    carried, lost = list[str](), list[str]()
    for record in list_records(dataset.repo, dataset.name):
        query = record.query
        if query.at <= plan.base:
            continue
        number = plan.number_of(query.at)
        runs = tuple(run for each in query.runs for run in _moved_run(each, plan))
        asked = replace(query, at=number, at_id=ids[number], runs=runs)
        try:
            for name in record.names or (None,):
                prepare(dataset.repo, made.name, lambda: snapshots, asked, name=name)
        except StorageFailed:
            raise
        except DsmError:  # the examples that it selected may be gone
            lost += [f"view {name}" for name in record.names or (query.version[:12],)]
            continue
        carried += [f"view {name}" for name in record.names or (asked.version[:12],)]
    return CarriedViews(tuple(carried), tuple(lost))


def _moved_run(run: tuple[int, int], plan: RenumberPlan) -> list[tuple[int, int]]:
    first, last = run
    if first <= plan.base < last:
        return [(first, plan.base), (plan.number_of(plan.base + 1), plan.number_of(last))]
    return [(plan.number_of(first), plan.number_of(last))]
