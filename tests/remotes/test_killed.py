"""kill -9 at random moments of push and pull: both sides verify, and the next run finishes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dying import killed_at
from tiers import LONG

import dsm
from dsm.catalog import Catalog
from dsm.remotes.address import open_backend
from dsm.remotes.tables import PACKS
from dsm.store import disk

from .conftest import Copy
from .test_faults import objects_before_headers

Act = Callable[[Catalog], object]


def push(repo: Catalog) -> object:
    return repo.push(tags=True)


def pull(repo: Catalog) -> object:
    return repo.pull()


def primitives(root: Path, act: Act) -> int:
    """Runs to the end; returns how many times it wrote, renamed or removed anything, here or there."""
    count = 0

    def see(_operation: str, _path: str) -> None:
        nonlocal count
        count += 1

    with dsm.open(root) as repo, disk.observe(see):
        act(repo)
    return count


def killed(root: Path, act: Act, at: int) -> bool:
    """Runs in a child that dies before its n-th primitive; False when it ended before, or failed."""

    def opened() -> None:
        with dsm.open(root) as repo:
            act(repo)

    return killed_at(at, opened, may_fail=True)


def test_killed_at_random_moments(origin: Copy, tmp_path: Path) -> None:
    """After each death the remote has no header before its manifest, each copy is sound, and the same
    command comes through; a pull that renumbers among them."""
    place = str(tmp_path / "remote")
    origin.repo.remotes.add("origin", place)
    origin.repo.push()
    dsm.clone(place, tmp_path / "copy")
    root, other = origin.root, tmp_path / "copy"
    origin.repo.close()
    wanted, deaths, draw = 200 if LONG else 8, 0, random.Random(3)
    most = {push: 60, pull: 60}
    for number in range(10 * wanted):
        if deaths >= wanted:
            break
        with dsm.open(root) as repo:
            Copy(repo).commit(
                f"n{number}",
                **{f"a__{number}__{n}": f"{n}" * 99 for n in range(3)},
                top=str(number),
            )
            repo.dataset().tag(f"t{number}")
        if number % 3 == 2:
            with dsm.open(other) as repo:
                Copy(repo).commit(f"mine {number}", **{f"mine__{number}": f"{number}" * 50})
        for where, act in ((root, push), (other, pull)):
            before = deaths
            deaths += killed(where, act, draw.randint(1, most[act]))
            assert objects_before_headers(place)
            if deaths > before and deaths % (1 if LONG else 3) == 0:
                with dsm.open(where) as repo:
                    assert Copy(repo).sound()
            most[act] = max(primitives(where, act), 20)
        if number % 3 == 2:
            with dsm.open(other) as repo:
                repo.push()
            with dsm.open(root) as repo:
                repo.pull()
        with dsm.open(root) as one, dsm.open(other) as two:
            assert [c.id for c in one.dataset().log()] == [c.id for c in two.dataset().log()]
            assert Copy(one).contents() == Copy(two).contents()
    assert deaths >= wanted
    with dsm.open(root) as one, dsm.open(other) as two:
        assert Copy(one).sound() and Copy(two).sound()
        assert Copy(one).files() == Copy(two).files()


@pytest.mark.skipif(not LONG, reason="each death is a process: the long tier")
def test_processes_killed(origin: Copy, shared_place: str, tmp_path: Path) -> None:
    """`dsm push` and `dsm pull`, killed at random times while they speak to a server."""
    place = shared_place
    origin.repo.remotes.add("origin", place)
    origin.repo.push()
    dsm.clone(place, tmp_path / "copy")
    draw, deaths = random.Random(4), 0

    def run(where: Path, command: str, seconds: float | None) -> float:
        nonlocal deaths
        started = time.monotonic()
        process = subprocess.Popen([sys.executable, "-m", "dsm", "-q", "-C", str(where), command])
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            deaths += 1
        assert process.wait() in (0, -signal.SIGKILL)
        return time.monotonic() - started

    usual = {"push": 1.0, "pull": 1.0}
    for number in range(20):
        origin.commit(f"n{number}", big=os.urandom(2 << 20), **{f"a__{number}": f"{number}" * 99})
        for where, command in ((origin.root, "push"), (tmp_path / "copy", "pull")):
            run(where, command, draw.uniform(0.2, usual[command]))
            assert objects_before_headers(place)
            usual[command] = run(where, command, None)
        with dsm.open(tmp_path / "copy") as repo:
            assert Copy(repo).sound()
            assert origin.contents() == Copy(repo).contents()
    assert deaths > 10
    assert open_backend(place).entries(PACKS)


@pytest.mark.parametrize("next_command", ["pull", "add"])
def test_files_follow_with_the_next_command(
    origin: Copy, tmp_path: Path, clone_of: Callable[[str], Copy], monkeypatch: pytest.MonkeyPatch,
    next_command: str,
) -> None:  # fmt: skip
    """Killed between changesets and files: the next command writes what is new, changed and gone,
    and leaves alone what was edited; so nobody commits the old files over the new changeset."""
    place = str(tmp_path / "remote")
    origin.repo.remotes.add("origin", place)
    origin.repo.push()
    clone = clone_of(place)
    origin.commit("third", owl__1="changed", owl__2="changed again", new__1="new", wren__1=None)
    origin.repo.push()
    (clone.root / "owl" / "2").write_text("edited here")

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("dsm.remotes.pull.Following.to_head", die)
        with pytest.raises(Killed):
            clone.repo.pull()
    clone = clone.again()
    assert (clone.dataset.head, clone.files()["owl/1"]) == (3, b"hoo" * 40)
    assert clone.dataset.status().files_at == 2
    if next_command == "pull":
        (pulled,) = clone.repo.pull().datasets
        assert (pulled.last, pulled.written, pulled.removed, pulled.left) == (0, 2, 1, ("owl/2",))
        assert [change.path for change in clone.dataset.status().unstaged] == ["owl/2"]
    else:
        clone.dataset.add([clone.root], deletions=True)
        assert [change.path for change in clone.dataset.status().staged] == ["owl/2"]
    assert {**origin.files(), "owl/2": b"edited here"} == clone.files()
    assert clone.dataset.status().files_at is None
    (again,) = clone.repo.pull().datasets
    assert (again.written, again.removed, again.left) == (0, 0, ())
    clone.repo.close()
