"""SSH to a machine that fails in every way: no wrong byte is taken in, and again comes through."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from tiers import LONG, thinned

import dsm
from dsm.errors import AlreadyExists, DsmError
from dsm.remotes import backend as contract

from .conftest import Copy
from .sftp_server import KINDS, Faults, faulty, serving
from .test_bad_network import until_done
from .test_faults import objects_before_headers


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    monkeypatch.setattr(contract, "PAUSE_SECONDS", 0.0)
    return Faults(seed=1)


@pytest.fixture
def place(faults: Faults, tmp_path: Path) -> Iterator[str]:
    """The address of a folder on a machine that has the faults."""
    pytest.importorskip("asyncssh", reason="dsm-datasets[ssh] is not installed")
    for name in ("home", "data"):
        (tmp_path / name).mkdir()
    with serving(tmp_path / "home", tmp_path / "data", faulty(faults)) as address:
        yield f"{address}/remote"


def pulled_up_to(copy: Copy, number: int) -> None:
    """Pulls until a changeset is there: a listing that lags shows what was there before."""
    while copy.repo.datasets() == [] or copy.dataset.head < number:
        copy.repo.pull()


def test_transfers_survive_a_bad_machine(
    origin: Copy, faults: Faults, place: str, tmp_path: Path
) -> None:
    """Push, fetch, pull and clone while connections drop, answers are lost, reads are short or flipped,
    writes, syncs and renames fail and the disk is full: what arrives is what was sent, and no header
    shows before what it names."""
    folder = str(tmp_path / "data" / "remote")
    wanted = 600 if LONG else 40
    origin.repo.remotes.add("origin", place)
    clone: Copy | None = None

    def check() -> None:
        assert objects_before_headers(folder)

    faults.rate = 0.05
    for number in itertools.count():
        if faults.injected.total() >= wanted:
            break
        files = {f"many__{number}__{each}": f"text {number} {each}" * 30 for each in range(3)}
        origin.commit(f"number {number}", **files, top=str(number), big=os.urandom(200_000))
        until_done(origin.repo.push, check)
        if clone is None or number % 4 == 0:
            where = tmp_path / f"copy-{number}"
            until_done(partial(dsm.clone, place, where))
            clone = Copy(dsm.open(where))
        until_done(clone.repo.fetch)
        until_done(partial(pulled_up_to, clone, number + 3))
        assert [c.id for c in origin.dataset.log()] == [c.id for c in clone.dataset.log()]
        assert origin.contents() == clone.contents()
    faults.rate = 0.0
    assert clone is not None and clone.sound()
    assert origin.files() == clone.files()
    if LONG:
        assert set(faults.injected) == set(KINDS)
    dsm.clone(place, tmp_path / "fresh")
    with dsm.open(tmp_path / "fresh") as repo:
        assert Copy(repo).sound()


@pytest.mark.parametrize("kind", thinned(KINDS, keep=4, offset=1))
def test_each_fault_alone(
    origin: Copy, faults: Faults, place: str, tmp_path: Path, kind: str
) -> None:
    """When every answer to a push and a clone meets one kind of fault, they fail by an error of ours,
    or are right; and without it they come through."""
    origin.repo.remotes.add("origin", place)
    copy = tmp_path / "copy"
    faults.kinds = frozenset((kind,))

    def with_faults(act: Callable[[], object]) -> None:
        faults.rate = 1.0
        try:
            act()
        except DsmError as error:
            assert error.exit_status in (4, 7, 8, 9), error
        faults.rate = 0.0
        assert objects_before_headers(str(tmp_path / "data" / "remote"))

    with_faults(origin.repo.push)
    origin.repo.push()
    with_faults(lambda: dsm.clone(place, copy))
    with contextlib.suppress(AlreadyExists):
        dsm.clone(place, copy)
    assert faults.injected[kind] > 0
    with dsm.open(copy) as repo:
        pulled_up_to(Copy(repo), 2)
        assert origin.contents() == Copy(repo).contents()
        assert Copy(repo).sound()


def test_a_full_disk_keeps_nothing_that_does_not_fit(
    origin: Copy, faults: Faults, place: str, tmp_path: Path
) -> None:
    """A push onto a full disk there fails, and leaves no half file behind."""
    origin.repo.remotes.add("origin", place)
    faults.rate, faults.kinds = 1.0, frozenset(("disk full",))
    with pytest.raises(DsmError) as caught:
        origin.repo.push()
    assert caught.value.exit_status == 8
    remote = tmp_path / "data" / "remote"
    assert [path for path in remote.rglob("*") if path.is_file()] == []
