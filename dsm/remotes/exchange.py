"""The moment of a renumbering: the dataset's folder and one that was made ready change places."""

from __future__ import annotations

import os
from dataclasses import replace

from dsm.datasets import Dataset
from dsm.errors import DamagedData, DsmError
from dsm.format import document, header
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
from dsm.views.query.view_query import ViewQuery
from dsm.views.selection.prepared import list_records
from dsm.worktree.publish import PacksVanished


def exchange(remote: Remote, dataset: Dataset, plan: RenumberPlan) -> None:
    """Gives the dataset the history of a plan. Call without the store lock, while publishing.

    Keeps out gc and everybody who records: what was planned is compared again. Raises
    HistoriesDiverged when something was recorded meanwhile, PacksVanished, Busy, WriteFailed.
    """
    repository, layout = remote.repository, remote.repository.layout
    lock = disk.lock(layout.store_lock, exclusive=True)
    if lock is None:
        raise disk.Busy(layout.store_lock)
    made = os.path.join(layout.datasets, REMOVED + os.urandom(8).hex())
    try:
        dataset.log_.require()
        _refuse_changes(repository, dataset, plan)
        _make_ready(remote, dataset, plan, made)
        disk.exchange(made, layout.dataset(dataset.name))
        disk.sync_dir(layout.datasets)
    finally:
        disk.unlock(lock)
        if os.path.isdir(made):
            disk.remove_tree(made)


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


def _make_ready(remote: Remote, dataset: Dataset, plan: RenumberPlan, made: str) -> None:
    """Makes the folder: links to what stays, and what is new; durable when it returns."""
    layout = remote.repository.layout
    source = layout.dataset(dataset.name)
    tags = {tag.name: tag for tag in dataset.tags() if tag.number > plan.base}
    views = {
        record.version for record in list_records(remote.repository, dataset.name)
        if record.query.at > plan.base
    }  # fmt: skip
    for above, folders, files in os.walk(source):
        place = os.path.normpath(os.path.join(made, os.path.relpath(above, source)))
        kind = os.path.relpath(above, source)
        disk.make_dir(place)
        folders.sort()
        for name in sorted(files):
            if kind == "changesets" and name[:-5].isdigit() and int(name[:-5]) > plan.base:
                continue
            if kind == "tags" and name.removesuffix(".json") in tags:
                continue
            if kind == "views" and _speaks_of(os.path.join(above, name), views):
                continue
            disk.link(os.path.join(above, name), os.path.join(place, name))
    for each in plan.incoming:
        data = read_file(remote.tracking.header_path(dataset.id, each.number))
        if data is None or header.decode(data, "a fetched header").id != each.id:
            raise DamagedData("a fetched header is gone", hint="run the command again")
        disk.write_new(_header_path(made, each.number), data)
    for each in plan.new:
        disk.write_new(_header_path(made, each.number), header.encode(replace(each, id="")))
    ids = {each.number: each.id for each in plan.new}
    for tag in tags.values():
        _write_tag(made, dataset.id, tag, plan.number_of(tag.number), ids)
    for above, _, _ in os.walk(made):
        disk.sync_dir(above)


def _header_path(made: str, number: int) -> str:
    return os.path.join(made, "changesets", f"{number:0{NUMBER_DIGITS}d}.json")


def _speaks_of(path: str, versions: set[str]) -> bool:
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


def pinned_views(dataset: Dataset, base: int) -> list[tuple[ViewQuery, tuple[str, ...]]]:
    """Returns the views of changesets after `base`, with their names."""
    records = list_records(dataset.repo, dataset.name)
    return [(each.query, each.names) for each in records if each.query.at > base]


def carry_views(
    dataset: Dataset, plan: RenumberPlan, views: list[tuple[ViewQuery, tuple[str, ...]]]
) -> tuple[str, ...]:
    """Prepares views of renumbered changesets anew, with their names; returns what was carried.

    A view that selects nothing any more is left out, and so is one that cannot be asked.
    """
    ids = {each.number: each.id for each in plan.new}
    carried: list[str] = []
    for query, names in views:
        number = plan.number_of(query.at)
        runs = tuple(run for each in query.runs for run in _moved_run(each, plan))
        asked = replace(query, at=number, at_id=ids[number], runs=runs)
        try:
            for name in names or (None,):
                prepare(dataset.repo, dataset.name, lambda: dataset.snapshots, asked, name=name)
        except DsmError:  # the examples that it selected may be gone
            continue
        carried += [f"view {name}" for name in names] or [f"view {asked.version[:12]}"]
    return tuple(carried)


def _moved_run(run: tuple[int, int], plan: RenumberPlan) -> list[tuple[int, int]]:
    first, last = run
    if first <= plan.base < last:
        return [(first, plan.base), (plan.number_of(plan.base + 1), plan.number_of(last))]
    return [(plan.number_of(first), plan.number_of(last))]
