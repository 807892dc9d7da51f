"""gc: what it reads, and what it keeps while others write."""

from __future__ import annotations

import contextlib
import gc
import os
from collections import Counter
from collections.abc import Callable

import pytest
from blake3 import blake3
from situations import Work

import dsm
from dsm.history import manifests
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import apply_gc, explain, plan_gc
from dsm.maintenance.reports import GcPlan
from dsm.store import disk

PACKS = 6
WASTE = 40_000


def noise(number: int, size: int) -> bytes:
    """Bytes that do not compress, the same ones for the same number."""
    return blake3(number.to_bytes(4, "little")).digest(size)


def waste(number: int) -> bytes:
    return noise(1000 + number, WASTE)


def with_packs_to_rewrite(work: Work, count: int = PACKS) -> None:
    """Makes packs of which a small part is committed and the rest was dropped from the stage."""
    for number in range(count):
        work.write({f"keep/{number}": noise(number, 500), f"drop/{number}": waste(number)})
        work.ds.add(["."])
        work.ds.unstage([f"drop/{number}"])
        work.path(f"drop/{number}").unlink()
        work.ds.commit(f"changeset {number}")


def collect(work: Work) -> GcPlan:
    return apply_gc(work.repo, plan_gc(work.repo))


@pytest.mark.parametrize("packs", [1, PACKS])
def test_each_manifest_is_read_once_a_plan(
    work: Work, packs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planning reads each manifest once, pruning once more, however many packs are rewritten."""
    with_packs_to_rewrite(work, packs)
    work.reopen()
    read: Counter[str] = Counter()
    really = manifests.read_file

    def counted(path: str, most: int | None = None) -> bytes | None:
        read[path] += 1
        return really(path, most)

    monkeypatch.setattr(manifests, "read_file", counted)
    plan = plan_gc(work.repo)
    assert (len(plan.repack), set(read.values()), len(read)) == (packs, {1}, packs)
    done = apply_gc(work.repo, plan)
    assert (len(done.repack), set(read.values()), len(read)) == (packs, {2}, packs)


def test_rewriting_keeps_what_is_needed(work: Work) -> None:
    """What is committed outlives the rewriting of its packs, byte for byte; the rest goes."""
    with_packs_to_rewrite(work)
    assert len(collect(work).repack) == PACKS
    work.reopen()
    assert {n: work.ds.read(f"keep/{n}") for n in range(PACKS)} == {
        n: noise(n, 500) for n in range(PACKS)
    }
    assert plan_gc(work.repo).reclaimable < WASTE
    assert fsck(work.repo, full=True).findings == ()


@pytest.mark.parametrize(
    "ask",
    [
        lambda repo, _: fsck(repo), lambda repo, _: fsck(repo, full=True),
        lambda repo, oid: explain(repo, oid.hex()), lambda repo, _: apply_gc(repo, plan_gc(repo)),
    ],
    ids=["fsck", "fsck --full", "gc --explain", "gc"],
)  # fmt: skip
def test_no_pack_stays_open(work: Work, ask: Callable[[dsm.Repository, bytes], object]) -> None:
    """What looks at all packs lets go of them at its end, and not when cycles are collected: the
    bytes of a removed pack are free, and its file system can be unmounted."""
    work.ds.add({"a": b"a", "b": b"b"})
    work.ds.commit("one")
    gc.collect()
    gc.disable()
    try:
        ask(work.repo, work.ds.example("a").oid)
        work.repo.store.forget()
        held = []
        for fd in os.listdir("/proc/self/fd"):
            with contextlib.suppress(FileNotFoundError):  # the one of this listing
                held.append(os.readlink(f"/proc/self/fd/{fd}"))
        assert [path for path in held if path.startswith(str(work.root))] == []
    finally:
        gc.enable()


def test_what_is_staged_after_the_plan_is_kept(work: Work) -> None:
    """An object that was garbage when gc planned, and is staged again before it removes anything,
    outlives the rewriting of its pack."""
    with_packs_to_rewrite(work)
    plan = plan_gc(work.repo)
    work.write({"again": waste(2)})
    assert work.ds.add(["again"]).stored < WASTE
    assert len(apply_gc(work.repo, plan).repack) == PACKS - 1
    work.reopen().commit("again")
    assert work.ds.read("again") == waste(2)
    assert fsck(work.repo, full=True).findings == ()


def test_what_a_writer_counts_on_is_taken_back(work: Work) -> None:
    """A writer finds its object in a pack, and gc rewrites that pack before the writer has recorded
    anything: the writer takes the pack back."""
    with_packs_to_rewrite(work)
    work.write({"again": waste(2)})
    rewritten: list[int] = []

    def meanwhile(operation: str, path: str) -> None:
        if not rewritten and operation == "lock" and path.endswith("store.lock"):
            rewritten.append(0)
            with disk.observe(lambda *_: None):
                rewritten.append(len(apply_gc(other, plan_gc(other)).repack))

    with dsm.open(work.root) as other, disk.observe(meanwhile):
        work.ds.add(["again"])
    assert rewritten == [0, PACKS]
    work.reopen().commit("again")
    assert work.ds.read("again") == waste(2)
    assert fsck(work.repo, full=True).findings == ()
