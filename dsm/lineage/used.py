"""Every view and every run that had an example."""

from __future__ import annotations

import gc
from dataclasses import dataclass

from dsm.datasets import Dataset
from dsm.errors import NotFound
from dsm.history.snapshot import Snapshots
from dsm.lineage.membership import Membership, Part
from dsm.model.names import printable
from dsm.repo.log import ChangesetLog
from dsm.runs.book import Runs
from dsm.runs.run import Run
from dsm.views.selection.prepared import Record, list_records
from dsm.views.selection.selection import Selection
from dsm.views.selection.source_mode import SKIP


@dataclass(frozen=True, slots=True)
class UsedBy:
    """The prepared views that have the example `path`, and the runs that read one of them.

    Runs come with the versions of those views.
    """

    path: str
    views: list[Record]
    runs: list[tuple[Run, list[str]]]


def used(dataset: Dataset, path: str) -> UsedBy:
    """Finds what had an example of a dataset, also one that is deleted now.

    Raises NotFound for a path that no view has and no changeset ever had, DamagedData.
    """
    repository = dataset.repo
    records = _in_order(list_records(repository, dataset.name))
    by_version = {record.version: record for record in records}
    opened: dict[int, Snapshots] = {}  # one at a time: each keeps its table in memory

    def parts_of(version: str) -> list[Part]:
        record = by_version[version]
        if record.query.at not in opened:
            opened.clear()
            gc.collect()  # selections refer to themselves, and a command does without the collector
            log = ChangesetLog(repository, dataset.name, dataset.id)
            opened[record.query.at] = Snapshots(repository, log)
        snapshots = opened[record.query.at]
        found = Selection(
            repository, dataset.name, lambda: snapshots, record.query, record, source_mode=SKIP
        ).evaluation
        return [
            (layer.table.column("path"), mask)
            for layer, mask in zip(found.layers, found.masks, strict=True)
        ]

    membership = Membership(repository.layout, dataset.name, parts_of)
    having = membership.views_with(path, list(by_version))
    if not having and not any(True for _ in dataset.log(limit=1, paths=[path])):
        raise NotFound(
            f"no changeset of {dataset.name} ever had {printable(path)!r}",
            hint="paths count from the root of the dataset, as `dsm ls` prints them",
        )
    wanted = set(having)
    runs = []
    for run in Runs(repository):
        read = [view.version for view in run.views if view.version in wanted]
        if read:
            runs.append((run, read))
    views = sorted(
        (by_version[version] for version in having),
        key=lambda record: (record.query.at, record.names, record.version),
    )
    return UsedBy(path, views, runs)


def _in_order(records: list[Record]) -> list[Record]:
    """Returns views by changeset, so that each snapshot grows out of the one before it.

    Those of the newest come first: it has most of the paths of all.
    """
    newest = max((record.query.at for record in records), default=0)
    return sorted(records, key=lambda each: (each.query.at != newest, each.query.at, each.version))
