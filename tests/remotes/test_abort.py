"""`dsm pull --abort`: a pull that was stopped or refused is given up, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiers import LONG

import dsm
from dsm.__main__ import main
from dsm.errors import NotFound
from dsm.maintenance.gc import apply_gc, plan_gc
from dsm.remotes.collisions import HistoriesDiverged
from dsm.remotes.pulling import NoPull, PullGoesOn
from dsm.remotes.reports import PullUnderWay
from dsm.store import disk
from dsm.views.selection.prepared import list_records

from .conftest import Copy
from .test_killed import killed

Clones = Callable[..., Copy]


class Stop(BaseException):
    """Stands for a death: no handler of the library catches it."""


@pytest.fixture
def pair(origin: Copy, tmp_path: Path, clone_of: Clones) -> tuple[Copy, Copy]:
    """Two copies of one remote that are the same."""
    origin.repo.remotes.add("origin", str(tmp_path / "remote"))
    origin.repo.push(tags=True)
    return origin, clone_of(str(tmp_path / "remote"))


def diverge(one: Copy, two: Copy) -> None:
    """Both commit: what collides, what only one has, a folder in a file's place, pinned names."""
    one.commit("theirs", owl__1="theirs", both="theirs", new__file="theirs", top="theirs")
    one.commit("theirs again", wren__1=None)
    one.repo.push()
    two.commit("mine", owl__1="mine", both="mine", new="mine", mine="mine")
    two.dataset.tag("mine", 3)
    two.dataset.prepare(paths=["mine"], name="my-view")
    (two.root / "owl" / "2").write_text("edited")


def state(copy: Copy) -> Any:
    """All that a pull may move, and an abort must bring back."""
    dataset = copy.dataset
    tags = sorted((tag.name, tag.number, tag.id) for tag in dataset.tags())
    records = list_records(copy.repo, dataset.name)
    views = sorted((name, record.version) for record in records for name in record.names)
    changes = [(c.kind, c.path) for c in dataset.status().unstaged]
    return [c.id for c in dataset.log()], tags, views, files(copy), changes


def files(copy: Copy) -> dict[str, bytes]:
    """What lies in the work tree, but for what a death leaves beside a file, and gc removes."""
    return {name: data for name, data in copy.files().items() if ".dsm-restore-" not in name}


def stopped(copy: Copy, act: Callable[[Copy], object], at: int) -> bool:
    """Runs until before its n-th write; whether it was stopped there."""
    calls = 0

    def stop(_operation: str, _path: str) -> None:
        nonlocal calls
        calls += 1
        if calls >= at:
            raise Stop

    try:
        with disk.observe(stop):
            act(copy)
    except Stop:
        return True
    return False


def pull(copy: Copy) -> object:
    return copy.repo.pull(side="theirs")


def abort(copy: Copy) -> None:
    """Gives up the pull that is under way, if there is one."""
    with contextlib.suppress(NoPull):
        copy.repo.abort_pull()


def test_with_nothing_under_way(pair: tuple[Copy, Copy]) -> None:
    """It says so, with status 1, before a pull and after a complete one."""
    one, two = pair
    with pytest.raises(NoPull) as caught:
        two.repo.abort_pull()
    assert caught.value.exit_status == 1
    diverge(one, two)
    two.repo.pull(side="theirs")
    with pytest.raises(NoPull):
        two.repo.abort_pull()
    assert two.dataset.head == 5


def test_one_that_was_refused_is_forgotten(pair: tuple[Copy, Copy]) -> None:
    """It had changed nothing, and afterwards none is under way."""
    one, two = pair
    diverge(one, two)
    before = state(two)
    with pytest.raises(HistoriesDiverged):
        two.repo.pull()
    (told,) = two.repo.abort_pull()
    assert (told.waited, told.number, told.was, before) == (True, 3, 3, state(two))
    with pytest.raises(NoPull):
        two.repo.abort_pull()
    with pytest.raises(HistoriesDiverged):
        two.repo.pull()
    two.repo.pull(side="ours", theirs=["new"])
    with pytest.raises(NoPull):
        two.repo.abort_pull()


@pytest.mark.parametrize("diverged", [False, True])
def test_stopped_at_any_write(pair: tuple[Copy, Copy], diverged: bool) -> None:
    """Wherever a pull is stopped, abort brings back changesets, tags, views and files; stopped
    itself, it does so when it is called again; and the pull comes through afterwards."""
    one, two = pair
    if diverged:
        diverge(one, two)
    else:
        one.commit("theirs", owl__1="theirs", new="theirs", top="theirs", wren__1=None)
        one.commit("theirs again", new="again")
        one.repo.push()
        (two.root / "owl" / "2").write_text("edited")
    before, draw, seen = state(two), random.Random(5), set[int]()
    at = 1
    while stopped(two, pull, at):
        two = two.again()
        seen.add(two.dataset.head)
        if draw.random() < 0.5:
            stopped(two, abort, draw.randint(1, 60))
            two = two.again()
        abort(two)
        if [c.id for c in two.dataset.log()] == before[0]:
            assert before == state(two)
            assert two.sound()
            at += 1 if LONG else 9
            continue
        assert two.contents() == {**files(two), "owl/2": two.contents()["owl/2"]}
        break  # it was complete
    two.repo.pull(side="theirs")
    assert two.dataset.head == (5 if diverged else 4)
    assert two.files()["owl/2"] == b"edited"
    assert two.sound()
    with pytest.raises(NoPull):
        two.repo.abort_pull()
    assert seen >= ({3, 5} if diverged else {2, 4})
    apply_gc(two.repo, plan_gc(two.repo))
    places = Path(two.repo.path) / "datasets"
    assert [name for name in os.listdir(places) if name.startswith(".")] == []


def interrupted(one: Copy, two: Copy, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """A pull that renumbered, and was stopped before the files followed."""
    diverge(one, two)

    def die(*_: object) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr("dsm.remotes.pull.Following.to_head", die)
        with pytest.raises(Stop):
            two.repo.pull(side="theirs")
    return two.again()


def test_views_are_there_with_the_new_history(
    pair: tuple[Copy, Copy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped right after the step, tags and views speak of renumbered changesets already, and a
    pull that goes on brings the files along."""
    one, two = pair
    two = interrupted(one, two, monkeypatch)
    assert (two.dataset.head, two.dataset.resolve("mine")) == (5, 5)
    assert two.repo.view("my-view").query.at == 5
    two.repo.pull()
    expected = {**two.contents(), "owl/2": b"edited"}
    assert expected == two.files()
    assert two.sound()


@pytest.mark.parametrize("what", ["commit", "stage", "tag", "gc"])
def test_what_came_since_is_kept(
    pair: tuple[Copy, Copy], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Whatever was recorded, staged or named since the pull stopped is not taken away by an abort."""
    one, two = pair
    two = interrupted(one, two, monkeypatch)
    if what == "commit":
        two.commit("since", since="since")
    elif what == "stage":
        (two.root / "since").write_text("since")
        two.dataset.add([two.root / "since"])
    elif what == "tag":
        two.dataset.tag("since", 5)
    else:
        apply_gc(two.repo, plan_gc(two.repo))
    before = [c.id for c in two.dataset.log()]
    with pytest.raises(PullGoesOn if what in ("stage", "tag") else NoPull):
        two.repo.abort_pull()
    two.repo.pull()
    assert before == [c.id for c in two.dataset.log()]
    assert two.sound()


def test_status_tells_of_a_pull(
    pair: tuple[Copy, Copy], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that was refused and one that was stopped, until it is complete or given up; not one that
    a later commit has left behind."""

    def status(*words: str) -> str:
        monkeypatch.chdir(two.root)
        assert main(["status", *words]) == 0
        return capsys.readouterr().out

    one, two = pair
    assert ("pull" in status(), json.loads(status("--json"))["pull"]) == (False, None)
    with monkeypatch.context() as patch:
        two = interrupted(one, two, patch)
    assert (
        'A pull from origin was stopped (use "dsm pull" to complete it, "dsm pull --abort" to go'
        " back)\n"
    ) in status()
    assert json.loads(status("--json"))["pull"] == {"remote": "origin", "waits": 0}
    assert two.repo.pull_under_way() == PullUnderWay("origin", 0)
    two.repo.abort_pull()
    two = two.again()
    assert (two.repo.pull_under_way(), "pull" in status()) == (None, True)  # 'use "dsm pull"'
    with pytest.raises(HistoriesDiverged):
        two.repo.pull()
    assert (
        "A pull from origin was refused: 3 examples changed on both sides (use"
        ' "dsm pull" to list them, "dsm pull --abort" to give it up)\n'
    ) in status()
    assert json.loads(status("--json"))["pull"] == {"remote": "origin", "waits": 3}
    two.repo.pull(side="ours", theirs=["new"])
    assert (two.repo.pull_under_way(), "A pull" in status()) == (None, False)
    with pytest.raises(NotFound):
        two.repo.pull_under_way("nobody")


def test_a_pull_that_was_left_behind_is_not_told(
    pair: tuple[Copy, Copy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit on top of what a stopped pull brought takes it for complete."""
    one, two = pair
    two = interrupted(one, two, monkeypatch)
    two.commit("since", since="since")
    assert two.repo.pull_under_way() is None


def test_killed_through_pulls_and_aborts(origin: Copy, tmp_path: Path) -> None:
    """kill -9 at random moments of pulls that renumber and of aborts: nothing is lost, and in the
    end both copies are the same."""
    place = str(tmp_path / "remote")
    origin.repo.remotes.add("origin", place)
    origin.repo.push()
    dsm.clone(place, tmp_path / "copy")
    root, other = origin.root, tmp_path / "copy"
    origin.repo.close()
    wanted, deaths, draw = 200 if LONG else 8, 0, random.Random(9)
    for number in range(10 * wanted):
        if deaths >= wanted:
            break
        for where, word in ((root, "theirs"), (other, "mine")):
            with dsm.open(where) as repo:
                copy = Copy(repo)
                copy.commit(
                    f"{word} {number}", top=f"{word} {number}", rest=f"{word} {number}",
                    **{f"{word}__{number}": str(number)},
                )  # fmt: skip
                if word == "theirs":
                    repo.push()
        with dsm.open(other) as repo:
            before = state(Copy(repo))
        for _ in range(3):
            deaths += killed(other, settle, draw.randint(1, 110))
            if draw.random() < 0.5:
                deaths += killed(other, give_up, draw.randint(1, 70))
            with dsm.open(other) as repo:
                try:
                    repo.abort_pull()
                except NoPull:
                    continue
                assert before == state(Copy(repo))
        with dsm.open(other) as repo:
            if number % 4 == 0:
                assert Copy(repo).sound()
            settle(repo)
            assert Copy(repo).dataset.status().clean
            assert files(Copy(repo)) == Copy(repo).contents()
            repo.push()
        with dsm.open(root) as repo:
            repo.pull()
            assert f"mine/{number}" in Copy(repo).contents()
            assert (Copy(repo).contents()["top"], Copy(repo).contents()["rest"]) == (
                f"theirs {number}".encode(),
                f"mine {number}".encode(),
            )
    assert deaths >= wanted


def settle(repo: dsm.Catalog) -> object:
    return repo.pull(theirs=["top"], ours=["rest"])


def give_up(repo: dsm.Catalog) -> object:
    return repo.abort_pull()
