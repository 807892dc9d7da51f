"""Merging the small packs of a remote: few files, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tiers import LONG

from dsm.remotes.address import open_backend
from dsm.remotes.backend import RemoteDamaged
from dsm.remotes.tables import PACKS

from .conftest import Copy

Clones = Callable[..., Copy]


def pushed_singly(origin: Copy, place: str, count: int) -> None:
    origin.repo.remotes.add("origin", place)
    origin.repo.push()
    for number in range(count):
        origin.commit(f"number {number}", **{f"many__{number}": f"text {number}" * 20})
        origin.repo.push()


def test_small_packs_become_one(origin: Copy, place: str, clone_of: Clones) -> None:
    """Six pushes, one pack; a clone of before pulls, one of after is whole, and pushes go on."""
    pushed_singly(origin, place, 5)
    before = clone_of(place)
    assert (
        origin.repo.remote_stats().datasets, origin.repo.remote_stats().changesets,
        origin.repo.remote_stats().packs,
    ) == (1, 7, 6)  # fmt: skip
    assert len(origin.repo.merge_packs(dry_run=True).packs) == 6
    assert len(open_backend(place).entries(PACKS)) == 6
    assert (len((plan := origin.repo.merge_packs()).packs), plan.made) == (6, 1)
    assert len(open_backend(place).entries(PACKS)) == 1
    after = clone_of(place)
    assert origin.contents() == after.contents()
    assert after.sound()
    origin.commit("next", next="next")
    report = origin.repo.push()
    assert (report.changesets, report.transfer.packs) == (1, 1)
    before.repo.pull()
    assert origin.contents() == before.contents()
    assert origin.repo.merge_packs().made == 1  # of the two
    assert origin.repo.merge_packs().packs == ()


def test_a_damaged_pack_stops_it(origin: Copy, tmp_path: object) -> None:
    """Nothing is removed when one of them is not what its name says."""
    place = f"{tmp_path}/remote"
    pushed_singly(origin, place, 2)
    backend = open_backend(place)
    name = backend.entries(PACKS)[-1].name
    data = bytearray(backend.get(name, 1 << 20))
    data[20] ^= 1
    backend.put(name, bytes(data))
    with pytest.raises(RemoteDamaged, match="is damaged: it holds something else than its name"):
        origin.repo.merge_packs()
    assert len(backend.entries(PACKS)) >= 3


def test_many_commits_leave_few_files(origin: Copy, tmp_path: object, clone_of: Clones) -> None:
    """500 pushes of 10 files each: a header and a manifest each, and after gc one pack."""
    commits = 500 if LONG else 10
    origin.repo.remotes.add("origin", f"{tmp_path}/remote")
    for number in range(commits):
        origin.commit(f"n{number}", **{f"m__{number}__{n}": f"{number} {n}" * 9 for n in range(10)})
        origin.repo.push()
    before = origin.repo.remote_stats()
    assert (before.packs, before.changesets) == (commits, commits + 2)
    assert origin.repo.gc_remote(prune=True).merge.made == 1
    after = origin.repo.remote_stats()
    # Besides: two identities, a view and its name.
    assert (after.packs, after.files) == (1, 2 * (commits + 2) + 1 + 4)
    assert clone_of(f"{tmp_path}/remote").contents() == origin.contents()
