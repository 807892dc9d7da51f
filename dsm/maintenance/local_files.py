"""Checking the files of this machine, below `.dsm/local`: all but the stage can be built again."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from dsm.errors import DsmError
from dsm.format import index as index_format
from dsm.maintenance.cached_snapshots import check_caches, check_fingerprints
from dsm.maintenance.findings import Findings, entries
from dsm.maintenance.uses import dataset_log
from dsm.repo.repository import Repository
from dsm.sources.receipts import damaged as damaged_receipts
from dsm.store.lease import living
from dsm.store.whole_file import read_file


def check_local(repository: Repository, findings: Findings, *, full: bool) -> None:
    """Checks what belongs to this machine only: locks, receipts, indexes, caches, leftovers.

    With `full`, cached snapshots are compared with what their changesets say.
    """
    layout = repository.layout
    if not os.path.lexists(layout.local):
        return  # as in a copy: it belongs to one machine
    for lock in (layout.store_lock, layout.commit_lock, layout.stage_lock):
        try:
            if os.path.getsize(lock):
                findings.found("lock", lock, "a lock file holds nothing, this one does")
        except OSError:
            findings.found("lock", lock, "is missing; the next command makes it")
    known = {
        "stage", "index", "cache", "tmp", "trash", "store.lock", "commit.lock", "stage.lock",
        "receipts", "receipt.key", "runs", "runs.index", "bisect.json", "crashes", "cache.key",
        "remotes", "near", "objects", "damaged", "imports",
    }  # fmt: skip
    for entry in findings.listed(layout.local, "index"):
        if entry not in known:
            findings.stray(layout.local, entry)
    for path, what in damaged_receipts(repository):
        findings.found("receipt", path, what)
    # Also of a dataset that is not there any more: nothing else here has seen it.
    for name in sorted({*repository.datasets(), *entries(layout.index(""))}):
        try:
            check_index(repository, layout.index(name), name, findings)
        except DsmError as error:
            findings.found("index", layout.index(name), error.message)
        check_caches(repository, name, findings, full=full)
    check_fingerprints(repository, findings)
    alive = living(layout.temporary)
    dead = [
        e for e in entries(layout.temporary) if e.partition("-")[0].partition(".")[0] not in alive
    ]
    waiting = [e for e in entries(layout.trash) if e.endswith(".pack")]
    if dead or waiting:
        left = f"{len(dead)} of ended processes in tmp, {len(waiting)} in the trash"
        findings.notes.append(f"files that gc removes: {left}")


def check_index(repository: Repository, folder: str, name: str, findings: Findings) -> None:
    """Checks an index, or the record of absent examples, of the dataset of that name."""
    base = os.path.join(folder, "base")
    data = read_file(base)
    for entry in entries(folder):
        if entry not in ("base", "log"):
            findings.stray(folder, entry)
    if data is None:
        return
    try:
        decoded = index_format.Base(data)
        for inner in decoded.folders():
            decoded.page(inner)
    except (ValueError, KeyError, TypeError, IndexError):
        findings.found("index", base, "is damaged; the next command builds it again")
        return
    log = os.path.join(folder, "log")
    records = read_file(log) or b""
    try:
        known, whole = index_format.decode_log(records, decoded.digest)
    except ValueError:
        findings.found("index", log, "is damaged; what it knew is learnt again")
        return
    seen = [decoded.position, *(position for position, _ in known)]
    _lost_head(repository, name, seen, findings)
    if not whole and index_format.cut_short(records, decoded.digest):
        findings.notes.append(f"{log} ends in an unfinished record; what it told is learnt again")
    elif not whole:
        findings.found("index", log, "is damaged; what it knew is learnt again")


def _lost_head(
    repository: Repository, name: str, positions: list[dict[str, Any]], findings: Findings
) -> None:
    """The newest changeset has no successor to miss it, but this machine has seen it."""
    seen = max((int(position.get("head", 0)) for position in positions), default=0)
    path = repository.layout.changeset(name, seen)
    if not seen or os.path.exists(path):
        return
    ids = {position.get("id") for position in positions if position.get("head") == seen}
    if os.path.lexists(repository.layout.dataset(name)) or not _has_another_name(
        repository, seen, ids
    ):
        findings.found("changeset", path, f"changeset {seen} was here and is missing")
    else:
        findings.notes.append(f"{name} was renamed: `dsm dataset rename` again clears what is left")


def _has_another_name(repository: Repository, number: int, ids: set[object]) -> bool:
    """Whether a changeset is one of a dataset that is here: its renaming was interrupted."""
    for name in repository.datasets():
        with contextlib.suppress(DsmError):
            if dataset_log(repository, name)[0].get(number).id in ids:
                return True
    return False
