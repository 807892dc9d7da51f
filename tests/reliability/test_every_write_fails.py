"""Every single write of every operation fails once, in every way, and nothing is ever lost.

The faults go in at the one module that writes (`dsm.store.disk`): the n-th primitive fails, for n
= 1, 2, … until the operation completes untouched.
"""

from __future__ import annotations

import os
import re
from errno import EDQUOT, EIO, EMFILE, ENOSPC, EROFS
from pathlib import Path
from typing import Any

import pytest
from tiers import LONG, thinned

from dsm.errors import AnswerIsNo, Conflict, DsmError, InvalidInput, NotFound
from dsm.store import disk
from reliability.operations import (
    OPERATIONS,
    Operation,
    collect_garbage,
    files_of,
    lay_out,
    leftovers,
    open_repo,
    primitives_of,
    problems,
    tell,
)

ERRORS = (EIO, ENOSPC, EDQUOT, EROFS, EMFILE)
KINDS = "create|write|fsync|close|link|rename|remove|append|lock|open"
LINE = re.compile(rf"cannot ({KINDS})[a-z ]* \S")


class Fault:
    """Fails the n-th primitive, and with `lasting` every later one too."""

    def __init__(self, at: int, number: int | None, lasting: bool = False):
        self.at, self.number, self.lasting = at, number, lasting
        self.count = 0
        self.hit: tuple[str, str] | None = None

    def __call__(self, operation: str, path: str) -> object:
        self.count += 1
        if self.count < self.at or (self.count > self.at and not self.lasting):
            return None
        self.hit = self.hit or (operation, path)
        if self.number is None:
            return 1  # of many bytes; ignored by what does not write
        raise OSError(self.number, os.strerror(self.number))


def faults(primitives: list[tuple[str, str]]) -> list[tuple[int, int | None, bool]]:
    """Returns (n-th primitive, error or None for a short write, lasting) for each point to try."""
    chosen: list[tuple[int, int | None, bool]] = []
    for at, (kind, _) in enumerate(primitives, 1):
        # The code treats most errors alike: by default each point meets one of them, in turn, and
        # the disk is well again after it or, at each second point, is not.
        if LONG:
            chosen += [(at, error, False) for error in ERRORS]
            chosen += [(at, error, True) for error in (ENOSPC, EROFS, EIO)]
        elif at % 2:
            chosen.append((at, ERRORS[at // 2 % len(ERRORS)], False))
        else:
            chosen.append((at, ERRORS[at // 2 % 4], True))
        if kind == "write":
            chosen.append((at, None, False))
    return chosen


def run_again(operation: Operation, root: Path) -> bool:
    """Runs it without a fault; False when it says that it, or its first half, is done already."""
    try:
        operation.run(root)
    except (AnswerIsNo, InvalidInput) as error:
        assert re.search(r"nothing|already|as it was", error.message), error.message
    except (NotFound, Conflict):
        assert operation.name in ("rm", "mv")
        return False
    return True


def check_files(operation: Operation, before: dict[str, bytes], after: dict[str, bytes],
                now: dict[str, bytes]) -> None:  # fmt: skip
    """Each file of the work tree is the old one or the new one, and no other appeared."""
    for name, content in now.items():
        if content not in (before.get(name), after.get(name)):
            # A temporary file may stay behind when removing it failed as well.
            assert operation.touches and "/." in f"/{name}", name
    assert before.keys() & after.keys() <= now.keys()
    # A renamed file is under its old name or its new one.
    assert set(before.values()) & set(after.values()) <= set(now.values())


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_each_write_fails_once(operation: Operation, tmp_path: Path) -> None:
    """A failed write is told in one line, leaves old or new, and is no obstacle the next time."""
    root = tmp_path / "work"
    lay_out(operation.start, root)
    before, files_before = tell(root), files_of(root)
    primitives = primitives_of(operation.run, root)
    after, files_after = tell(root), files_of(root)
    # By default a third of the points, others for each operation.
    for at, number, lasting in thinned(faults(primitives), 3, offset=OPERATIONS.index(operation)):
        lay_out(operation.start, root)
        fault = Fault(at, number, lasting)
        where = f"{operation.name}, primitive {at}, error {number}, lasting {lasting}"
        outcome = attempt(operation, root, fault)
        where += f": {fault.hit}"
        if isinstance(outcome, DsmError):
            assert number is not None, f"{where}: a short write failed: {outcome}"
            assert outcome.exit_status in (8, 9), f"{where}: {outcome!r}"
            assert LINE.search(outcome.message), f"{where}: {outcome.message}"
            assert "\n" not in outcome.message
        elif number is None:
            assert tell(root) == after, f"{where}: a short write changed the result"
        assert fault.hit is not None or fault.count < at, where
        if operation.name == "init" and not (root / ".dsm/repo.json").exists():
            assert outcome is not None
        else:
            assert problems(root) == [], f"{where}: {outcome}"
            check_state(operation, tell(root), before, after, where)
            if outcome is None:
                assert tell(root) == after, where
        check_files(operation, files_before, files_after, files_of(root))
        if not run_again(operation, root) or (operation.name == "mv" and lasting):
            continue  # what could not be moved back may have to be moved by hand
        assert tell(root) == after, f"{where}: not the same after running it again"
        if operation.name.startswith(("revert", "rollback")):
            # The files follow an undo; after one that failed in between, they are restored.
            with open_repo(root) as repo:
                repo.dataset().restore(force=True)
        files = files_of(root)
        for name, content in files_after.items():
            assert files.get(name) == content, f"{where}: {name} after running it again"


def attempt(operation: Operation, root: Path, fault: Fault) -> DsmError | None:
    """Returns how the operation failed, None when it succeeded. Anything else is a bug."""
    with disk.observe(fault):
        try:
            operation.run(root)
        except DsmError as error:
            return error
    return None


def check_state(operation: Operation, state: Any, before: Any, after: Any, where: str) -> None:
    """The repository is as it was or as it was to become, and nothing else."""
    if not operation.whole:
        state, before, after = map(history, (state, before, after))
    assert state in (before, after), f"{where}: neither the old nor the new state"


def history(state: Any) -> Any:
    return {name: dataset["changesets"] for name, dataset in state["datasets"].items()}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_nothing_is_left_for_long(operation: Operation, tmp_path: Path) -> None:
    """What a failed operation leaves behind is gone after gc; only unsaved state may differ."""
    root = tmp_path / "work"
    count = len(primitives_of(operation.run, lay_out(operation.start, root)))
    for at in thinned(range(1, count + 1), 5, offset=OPERATIONS.index(operation)):
        lay_out(operation.start, root)
        attempt(operation, root, Fault(at, EIO, lasting=True))
        if not (root / ".dsm/repo.json").exists():
            continue
        collect_garbage(root)
        collect_garbage(root)
        assert leftovers(root) == [], f"{operation.name}, primitive {at} of {count}"
        assert problems(root) == []
