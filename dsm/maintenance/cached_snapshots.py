"""Checking the cached snapshots: are they whole, and what they were made from?"""

from __future__ import annotations

import os

from dsm.errors import DsmError
from dsm.format.manifest import rows_id
from dsm.history import snapshot_file
from dsm.history.snapshot import Snapshots
from dsm.history.snapshot_cache import KeepsNothing
from dsm.history.snapshot_file import State
from dsm.maintenance.findings import Findings, entries
from dsm.maintenance.uses import dataset_log
from dsm.repo.copy_key import CopyKey
from dsm.repo.repository import Repository


def check_caches(repository: Repository, name: str, findings: Findings, *, full: bool) -> None:
    """Checks the cached snapshots of the dataset of that name, which need not exist any more.

    With `full`, those that commands believe are compared with the rows of their changesets.
    """
    foreign = _check_files(repository, repository.layout.cache(name), findings)
    if foreign:
        which = "1 cached snapshot is" if foreign == 1 else f"{foreign} cached snapshots are"
        findings.notes.append(
            f"{name}: {which} of another copy of this repository and not used; snapshots are built"
            " again when needed"
        )
    if full and name in repository.datasets():
        _compare(repository, name, findings)


def check_fingerprints(repository: Repository, findings: Findings) -> None:
    """Checks the fingerprints that are kept of objects."""
    foreign = _check_files(repository, repository.layout.near, findings)
    if foreign:
        findings.notes.append("fingerprints of another copy of this repository are not used")


def _check_files(repository: Repository, folder: str, findings: Findings) -> int:
    """Checks files of computed tables; returns how many are of another copy."""
    key, foreign = CopyKey(repository.layout), 0
    for entry in entries(folder):
        path = os.path.join(folder, entry)
        try:
            found = snapshot_file.state(path, key)
        except OSError as error:
            findings.found("cache", path, f"cannot be read: {error.strerror}")
            continue
        foreign += found is State.FOREIGN
        if found is State.CUT_SHORT:
            findings.notes.append(f"{path} was not written to its end; it is built again")
        elif found is State.DAMAGED:
            findings.found("cache", path, "is damaged; it is built again when needed")
    return foreign


def _compare(repository: Repository, name: str, findings: Findings) -> None:
    """Compares what is cached with what the manifests say, from the oldest to the newest."""
    try:
        log, snapshots = dataset_log(repository, name)
        head = log.head()
        folded = Snapshots(repository, log, KeepsNothing(repository.layout, log))
        for number in sorted(n for n in snapshots.cache.numbers() if n <= head):
            cached = snapshots.cache.open(number)
            if cached is None:
                continue
            table = folded.table(number)
            if not table.equals(cached) and rows_id(table) != rows_id(cached):
                findings.found(
                    "cache",
                    snapshots.cache.path(number, log.get(number).id),
                    f"does not hold the examples of changeset {number}; remove it, and it is built"
                    " again",
                )
    except DsmError:
        return  # the changesets or manifests that cannot be read were told of
