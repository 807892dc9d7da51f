"""Power cuts in a model: every state that POSIX allows a disk to be in, after any primitive.

Real file systems (test_power_cut.py) keep more than they promise, and hide missing steps.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiers import LONG, thinned

from dsm.errors import DsmError, NotARepository
from dsm.store import disk
from reliability.crash_states import Recording, lay_down, record, states
from reliability.mutants import OF_THE_ORDER, Mutant
from reliability.operations import (
    LARGE,
    create_dataset,
    init,
    lay_out,
    on_dataset,
    open_repo,
    problems,
    tell,
    untouched,
    write,
)


def _change(root: Path) -> None:
    write(root, {"cat/1": "changed", "dog/large": LARGE + b"tail"})
    (root / "cat/2").unlink()


STEPS: list[tuple[str, Callable[[Path], object]]] = [
    ("init", init),
    ("add", on_dataset(lambda ds, _: ds.add(["."], labels=["a"]))),
    ("commit", on_dataset(lambda ds, _: ds.commit("first"))),
    ("add again", on_dataset(lambda ds, root: (_change(root), ds.add(["."], deletions=True)))),
    ("label", on_dataset(lambda ds, root: ds.label([root / "dog"], add=["b"]))),
    ("commit paths", on_dataset(lambda ds, root: ds.commit("second", paths=[root / "cat"]))),
    ("commit the rest", on_dataset(lambda ds, _: ds.commit("third"))),
    ("tag", on_dataset(lambda ds, _: ds.tag("v1"))),
    ("create", create_dataset),
]


class Story:
    """The steps, recorded once, with what the repository said after each."""

    def __init__(self, root: Path, observer: disk.Observer | None = None):
        self.root = lay_out(untouched, root)
        self.told: list[Any] = [tell(root)]

        def step(work: Callable[[Path], object]) -> Callable[[], None]:
            def run() -> None:
                work(root)
                self.told.append(tell(root))

            return run

        steps = [step(work) for _, work in STEPS]
        self.recording: Recording = record(root / ".dsm", steps, observer or (lambda *_: None))

    def first_wrong(self, trial: Path, *, thorough: bool) -> tuple[str | None, int]:
        """Returns the first state that is not whole, or neither old nor new; and how many seen."""
        ends, seen = self.recording.ends, 0
        for number, (name, _) in enumerate(STEPS):
            first, last = ends[number] + 1, ends[number + 1]
            rng = random.Random(7)
            possible = states(self.recording, first, last, rng, 6 if LONG else 1, every_damage=LONG)
            for at, state in possible:
                moment = self.recording.moments[at]
                if not thorough and moment.operation not in ("link", "end", "remove"):
                    continue
                seen += 1
                lay_down(state, trial / ".dsm")
                # What was acknowledged is there; what was begun is there or not.
                allowed = self.told[number : number + 2] if at < last else [self.told[number + 1]]
                wrong = _wrong(trial, allowed)
                if wrong:
                    return f"{name}, before {moment.operation} {moment.path}: {wrong}", seen
        return None, seen


def _wrong(trial: Path, allowed: list[Any]) -> str | None:
    try:
        if (trial / ".dsm/repo.json").exists():
            found = problems(trial)
            if found:
                return str(found)
        if tell(trial) not in allowed:
            return "neither the old nor the new state"
    except NotARepository:
        return "an acknowledged repository is gone"
    except DsmError as error:
        return error.message
    return None


def test_every_state_is_old_or_new(tmp_path: Path) -> None:
    """What a power cut leaves by the rules of POSIX verifies; nothing acknowledged is lost."""
    story = Story(tmp_path / "work")
    wrong, seen = story.first_wrong(tmp_path / "trial", thorough=True)
    assert wrong is None
    assert seen > (2000 if LONG else 500)


def test_states_can_be_worked_with(tmp_path: Path) -> None:
    """After a power cut the next commands run without any repair."""
    story = Story(tmp_path / "work")
    ends = story.recording.ends
    trial = tmp_path / "trial"
    points = list(states(story.recording, ends[2] + 1, ends[-1], random.Random(1), 0))
    for _, state in points[:: 5 if LONG else 40]:
        lay_down(state, trial / ".dsm")
        write(trial, {"cat/new": "written after the power came back"})
        with open_repo(trial) as repo:
            ds = repo.dataset("data")
            head = ds.head
            ds.status()
            ds.add(["cat/new"])
            assert ds.commit("after the cut").number == head + 1
            assert ds.read("cat/new") == b"written after the power came back"
        assert problems(trial) == []


@pytest.mark.parametrize("mutant", thinned(OF_THE_ORDER), ids=lambda mutant: mutant.name)
def test_a_missing_or_misplaced_step_is_noticed(
    mutant: Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model sees every omitted sync and every pair of steps in the wrong order."""
    observer = mutant.install(monkeypatch)
    try:
        story = Story(tmp_path / "work", observer)
    except DsmError:
        return  # the next step refuses what the missing one left: noticed at once
    monkeypatch.undo()
    wrong, _ = story.first_wrong(tmp_path / "trial", thorough=False)
    if wrong is None:
        wrong, _ = story.first_wrong(tmp_path / "trial", thorough=True)
    assert wrong is not None
