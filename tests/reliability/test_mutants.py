"""Mutants that a direct check must notice; those of the write order are in test_crash_states.py.

Each check runs twice: the code as it is passes, the mutant does not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dsm.errors import DsmError
from dsm.files import writing
from dsm.files.stat import Stat, stat_of
from dsm.history import commit
from dsm.maintenance import gc
from dsm.store import disk, disk_at, ingest, objects
from dsm.store.lease import Lease
from dsm.worktree import add, tree
from dsm.worktree.publish import Publisher
from dsm.worktree.stage import Stage
from reliability import protocol_checks as checks
from reliability.mutants import replace_everywhere

Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Direct:
    """A mutant and the check that must notice it."""

    name: str
    check: Callable[[Path], None]
    install: Patch


def setting(where: object, name: str, value: object) -> Patch:
    return lambda patch: patch.setattr(where, name, value)


def _claim_by_rename(temporary: str, final: str) -> bool:
    disk.before("link", final)
    os.replace(temporary, final)
    return True


def _one_write(fd: int, data: bytes, path: str) -> None:
    allowed = disk.before("write", path)
    os.write(fd, memoryview(data)[: allowed if isinstance(allowed, int) else None])


def _fsync_again(patch: pytest.MonkeyPatch) -> None:
    once = disk.sync_file

    def twice(fd: int, path: str) -> None:
        try:
            once(fd, path)
        except disk.WriteFailed:
            once(fd, path)

    patch.setattr(disk, "sync_file", twice)


def _unverified(patch: pytest.MonkeyPatch) -> None:
    def fetch(self: objects.ObjectStore, oid: bytes) -> tuple[bytes, bool]:
        pack, row = self._holders(oid)[0]
        frame, offset, size, is_list = pack.place(row)
        return pack.read(frame, offset, size), is_list

    patch.setattr(objects.ObjectStore, "_fetch", fetch)


def _plan_once(patch: pytest.MonkeyPatch) -> None:
    apply_gc = gc.apply_gc

    def unchecked(repo: object, plan: object) -> object:
        patch.setattr(gc, "_planned", lambda *_: plan)
        return apply_gc(repo, plan)  # type: ignore[arg-type]

    patch.setattr(gc, "apply_gc", unchecked)


def _read_once(patch: pytest.MonkeyPatch) -> None:
    def store(store: objects.ObjectStore, root: str, batch: ingest.Batch) -> ingest.Stored:
        result = ingest.Stored()
        for path, stat in zip(batch.paths, batch.stats, strict=True):
            with open(f"{root}/{path}", "rb", buffering=0) as file:
                result.oids.append(store.put(ingest.os.read(file.fileno(), 1 << 20)))
            result.stats.append(stat)
        return result

    patch.setattr(ingest, "store_batch", store)


def _in_place(patch: pytest.MonkeyPatch) -> None:
    def write(self: writing.Writer, file: writing.File, data: bytes | None) -> Stat:
        path = file[0]
        where, name = self._folders.at(path, make=True)
        fd = disk_at.open_new(where, name, 0o666, path)
        self._fill(fd, file, data)
        st = stat_of(os.fstat(fd))
        os.close(fd)
        return st

    patch.setattr(writing.Writer, "_write", write)


def _no_lease(patch: pytest.MonkeyPatch) -> None:
    def nothing(self: Lease, folder: str, borrowed: str | None = None) -> None:
        self.folder, self.token, self._fd = folder, "dead", None
        self.path = os.path.join(folder, "dead.lease")

    patch.setattr(Lease, "__init__", nothing)


def _settled_always(patch: pytest.MonkeyPatch) -> None:
    replace_everywhere(patch, "settled", tree.settled, lambda *_: True)
    patch.setattr(add, "RACY_NS", -(10**18))


MUTANTS = [
    Direct("claim by rename", checks.race_for_a_number, setting(disk, "claim", _claim_by_rename)),
    Direct("no check for conflicts", checks.race_for_an_example,
           setting(commit, "without_conflicts", lambda _log, _snapshots, rows, *_: rows)),
    Direct("short writes ignored", checks.short_writes, setting(disk, "write_all", _one_write)),
    Direct("reads not verified", checks.a_flipped_byte, _unverified),
    Direct("no look at the packs before publishing", checks.gc_before_the_last_step,
           setting(Publisher, "_secure", lambda _: None)),
    Direct("no lease", checks.gc_before_the_last_step, _no_lease),
    Direct("gc blind to leases", checks.gc_before_the_last_step,
           setting(gc, "living", lambda _: set())),
    Direct("gc blind to the stage", checks.gc_with_a_stage,
           lambda patch: patch.setattr("dsm.maintenance.uses.staged_segments", lambda *_: ())),
    Direct("gc without a second look", checks.gc_with_an_old_plan, _plan_once),
    Direct("gc blind to changesets", checks.gc_of_what_is_used,
           setting(gc, "used_ids", lambda _: set())),
    Direct("a failed fsync tried again", checks.a_failed_fsync, _fsync_again),
    Direct("no rule for racy timestamps", checks.a_racy_file, _settled_always),
    Direct("no look at a file after reading it", checks.a_file_that_changes, _read_once),
    Direct("unsaved work not looked for", checks.unsaved_work,
           lambda patch: patch.setattr("dsm.worktree.restore.refuse_unsaved", lambda _: None)),
    Direct("restore writes in place", checks.a_restore_that_fails, _in_place),
    Direct("the stage forgets nothing", checks.paths_and_the_stage,
           setting(Stage, "settle", lambda stage, transaction: stage.clear(transaction, ()))),
]  # fmt: skip


@pytest.mark.parametrize("check", list(dict.fromkeys(m.check for m in MUTANTS)),
                         ids=lambda check: check.__name__)  # fmt: skip
def test_the_code_as_it_is_passes(check: Callable[[Path], None], tmp_path: Path) -> None:
    """Each check is content with the code as it is."""
    check(tmp_path / "work")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_noticed(
    mutant: Direct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each check notices its mutants."""
    mutant.install(monkeypatch)
    with pytest.raises((AssertionError, DsmError, pytest.fail.Exception)):
        mutant.check(tmp_path / "work")
