"""What is in use: every object id that a changeset or the stage of a dataset names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from dsm.evaluation.book import stored_of
from dsm.format import segment
from dsm.history.snapshot import Snapshots
from dsm.maintenance.reports import PICKED, PREDICTED
from dsm.repo import documents
from dsm.repo.definitions import SEGMENT
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository
from dsm.store.whole_file import read_file
from dsm.views.filters.picks import lists_in
from dsm.worktree.stage import SEGMENT as STAGE_SEGMENT

STAGED = 0  # stands for the stage where a changeset number is expected


@dataclass(frozen=True, slots=True)
class Use:
    """A changeset (or the stage, STAGED) naming an object for a path.

    With PICKED it is a view or a segment, which `path` tells, naming a list that it picks by; with
    PREDICTED a run, naming its predictions.
    """

    dataset: str
    number: int
    path: str
    oid: bytes


def dataset_log(repository: Repository, name: str) -> tuple[ChangesetLog, Snapshots]:
    """Opens the log and the snapshots of a dataset."""
    log = ChangesetLog(repository, name, repository.identity(name).id)
    return log, Snapshots(repository, log)


def staged_segments(repository: Repository, name: str) -> Iterator[tuple[str, bytes]]:
    """Yields (path of the file, bytes) of every stage segment."""
    folder = repository.layout.stage(name)
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    for entry in names:
        if entry.endswith(STAGE_SEGMENT):
            data = read_file(os.path.join(folder, entry))
            if data is not None:
                yield os.path.join(folder, entry), data


def uses(repository: Repository) -> Iterator[Use]:
    """Yields all uses. Raises DamagedData when anything that may use an object cannot be read."""
    for name in repository.datasets():
        log, snapshots = dataset_log(repository, name)
        for number in range(1, log.head() + 1):
            table = snapshots.manifests.read(log.get(number))
            if table is not None:
                paths, oids = table.column("path").to_pylist(), table.column("object").to_pylist()
                for path, oid in zip(paths, oids, strict=True):
                    if oid is not None:
                        yield Use(name, number, path, oid)
        for where, data in staged_segments(repository, name):
            _, rows = segment.decode(data, where)
            for path, oid in zip(rows.paths, rows.oids, strict=True):
                if oid is not None:
                    yield Use(name, STAGED, path, oid)
        for what, oid in picked_by(repository, name):
            yield Use(name, PICKED, what, oid)
    for run, oid in predicted_by(repository):
        yield Use("", PREDICTED, f"run {run}", oid)


def picked_by(repository: Repository, dataset: str) -> Iterator[tuple[str, bytes]]:
    """Yields (what refers to it, id) of the lists that views and segments pick by.

    Raises DamagedData.
    """
    segments = documents.definitions(repository.layout, dataset, SEGMENT)
    for what, place in (("view", documents.views(repository.layout, dataset)),
                        ("segment", segments)):  # fmt: skip
        for name in place.names():
            for oid in sorted(lists_in(place.read(name))):
                yield f"{what} {name[:12] if what == 'view' else name}", oid


def predicted_by(repository: Repository) -> Iterator[tuple[str, bytes]]:
    """Yields (run, id) of the predictions of all runs. Raises DamagedData."""
    for run in documents.runs(repository.layout).names():
        place = documents.run_predictions(repository.layout, run)
        for version in place.names():
            if (fields := place.read(version)) is not None:
                stored = stored_of(fields, run, version, place.path(version))
                yield run, bytes.fromhex(stored.object)


def used_ids(repository: Repository) -> set[bytes]:
    """Returns all object ids that are referred to, without keeping the paths."""
    import pyarrow.compute as pc

    ids: set[bytes] = set()
    for name in repository.datasets():
        log, snapshots = dataset_log(repository, name)
        for number in range(1, log.head() + 1):
            table = snapshots.manifests.read(log.get(number))
            if table is not None:
                ids.update(pc.unique(table.column("object")).to_pylist())
        for where, data in staged_segments(repository, name):
            ids.update(oid for oid in segment.decode(data, where)[1].oids if oid is not None)
        ids.update(oid for _, oid in picked_by(repository, name))
    ids.update(oid for _, oid in predicted_by(repository))
    ids.discard(None)
    return ids
