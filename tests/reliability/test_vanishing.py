"""What dsm has derived may go at any moment: also between two looks of one command at it.

`.dsm/local` holds caches, indexes and notes that another process, or a person, may remove. A
command that meets that answers as it would have, or goes on in the next one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runs.test_book import START
from tiers import LONG, thinned

import dsm
from dsm.catalog import Catalog
from dsm.datasets import Dataset
from dsm.errors import Conflict, DsmError, StorageFailed
from dsm.history import hash_cache
from dsm.history.snapshot import Snapshots
from dsm.near.find import find
from dsm.repo.copy_key import CopyKey
from dsm.runs.logger import RunLogger
from reliability.operations import (
    OPERATIONS,
    Operation,
    committed,
    lay_out,
    open_repo,
    problems,
    tell,
)
from reliability.test_every_write_fails import check_state, history, run_again
from reliability.vanishing import vanishes

READING: dict[str, Callable[[Dataset, Path], Any]] = {
    "status": lambda ds, _: (ds.status().clean, ds.status().absent),
    "log": lambda ds, root: [c.number for c in ds.log(paths=[root / "cat/1"])],
    "ls": lambda ds, _: [(e.path, ds.read(e.path)) for e in ds.ls()],
    "diff": lambda ds, _: str(ds.diff(1, 2)),
    "stats": lambda ds, _: ds.stats().examples,
    "views": lambda ds, _: {v.version: [e.path for e in v] for v in ds.repo.views()},  # type: ignore[attr-defined]
    "prepare": lambda ds, _: ds.prepare(sample=0.6).version,
    "prepare anew": lambda ds, _: ds.prepare(sample=0.6, seed="another").version,
    "used": lambda ds, _: {view.version for view in ds.repo.used("cat/1").views},  # type: ignore[attr-defined]
    "runs": lambda ds, _: [(run.state, run.metrics) for run in ds.repo.runs],  # type: ignore[attr-defined]
    "near": lambda ds, _: find(ds.repo, ds.snapshot().column("object").combine_chunks()).pairs,
    "remote": lambda ds, _: ds.repo.distance("data") and None,  # type: ignore[attr-defined]
}
WARM = [command for name, command in READING.items() if name != "prepare anew"]
READ_FROM = (
    "cache.key",
    "cache",
    "cache/data",
    "index",
    "index/data",
    "near",
    "runs.index",
    "remotes/origin",
)


def used(root: Path) -> None:
    """Two changesets, a remote, runs, and all that is kept of what was asked before."""
    committed(root)
    with open_repo(root) as repo:
        ds = repo.dataset()
        repo.remotes.add("origin", str(root.parent / "remote"))
        repo.push()
        ds.prepare(name="all")
        ds.prepare(name="part", sample=0.5)
    for _ in range(2):
        with dsm.run("first", path=root) as run:
            run.log_metric("loss", 1, 1)
    for command in WARM:
        with open_repo(root) as repo:
            command(repo.dataset(), root)


@pytest.fixture(autouse=True)
def kept_from_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of large data alone is kept of any."""
    monkeypatch.setattr(Snapshots, "_stays_unsaved", lambda *_: False)
    monkeypatch.setattr(hash_cache, "ROWS_MIN", 1)
    # Tests lay out states by copying them; what is in a copy is not believed there.
    monkeypatch.setattr(
        CopyKey, "_read", lambda key: bytes(32) if os.path.exists(key._path) else None
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    used(tmp_path / "work")
    shutil.copytree(tmp_path / "work/.dsm/local", tmp_path / "local")
    return tmp_path / "work"


def asked(root: Path, command: Callable[[Dataset, Path], Any]) -> Any:
    with open_repo(root) as repo:
        return command(repo.dataset("data"), root)


def lay_local_anew(root: Path) -> None:
    shutil.rmtree(root / ".dsm/local")
    shutil.copytree(root.parent / "local", root / ".dsm/local")


@pytest.mark.parametrize("derived", READ_FROM)
def test_answers_are_the_same_without(root: Path, derived: str) -> None:
    """Whatever derived thing goes, and before whichever look at it, the answer stays the same."""
    target = root / ".dsm/local" / derived
    assert target.exists()
    looked = 0
    for name, command in READING.items():
        lay_local_anew(root)
        with vanishes(target, -1) as count:
            expected = asked(root, command)
        # What is written is what is looked at again soonest.
        for at in thinned(range(count()), 1 if name == "prepare anew" else 5, offset=1):
            lay_local_anew(root)
            with vanishes(target, at):
                answer = asked(root, command)
            assert answer == expected, f"{name}, {derived} gone before look {at}"
            looked += 1
    assert looked


def warmed(operation: Operation) -> Operation:
    """The operation, where all has been asked before that is kept."""

    def start(root: Path) -> None:
        operation.start(root)
        for command in WARM:
            with open_repo(root) as repo:
                command(repo.dataset("data"), root)

    return replace(operation, start=start)


WRITING = [
    warmed(operation) for operation in OPERATIONS
    if operation.name in (
        "add again", "commit paths", "revert", "mv", "get", "gc --prune",
    )
]  # fmt: skip


@pytest.mark.parametrize("operation", WRITING, ids=lambda operation: operation.name)
def test_work_goes_on_without(operation: Operation, tmp_path: Path) -> None:
    """What changes the repository does so, or says what it could not do and does it the next time."""
    root = lay_out(operation.start, tmp_path / "work")
    before = tell(root)
    operation.run(root)
    after = tell(root)
    for derived in ("cache", "index"):
        target = root / ".dsm/local" / derived
        lay_out(operation.start, root)
        with vanishes(target, -1) as count:
            operation.run(root)
        for at in thinned(range(count()), 4):
            lay_out(operation.start, root)
            where = f"{operation.name}, {derived} gone before look {at}"
            try:
                with vanishes(target, at):
                    operation.run(root)
            except (StorageFailed, Conflict):
                assert derived == "index", where
                check_state(operation, tell(root), before, after, where)
                run_again(operation, root)
            assert history(tell(root)) == history(after), where
            assert problems(root) == [], where


# What others remove by a command of dsm: where it lies, and the command.
OTHERS: dict[str, tuple[str, Callable[[Catalog], object]]] = {
    "a run": (".dsm/runs", lambda repo: repo.runs.remove(repo.runs.find("killed").id)),
    "a tag": (".dsm/datasets/data/tags", lambda repo: repo.dataset("data").delete_tag("v1")),
    "the dataset": (".dsm/datasets/data", lambda repo: repo.remove_dataset("data", confirmed=True)),
    "its name": (".dsm/datasets/data", lambda repo: repo.rename_dataset("data", "other")),
}


@pytest.mark.parametrize("what", OTHERS)
def test_others_remove_what_is_read(root: Path, what: str) -> None:
    """A list is that of before or of after; that a dataset is gone is told by an error of ours."""
    with open_repo(root) as repo:
        repo.dataset().tag("v1")
        killed = repo.runs.begin(replace(START, name="killed"))
        RunLogger(repo, killed.id).log_metric("loss", 1)
        killed.release()
    where, remove = OTHERS[what]
    read = {**READING, "tags": lambda ds, _: [tag.name for tag in ds.tags()]}
    few = {"a run": ("runs",), "a tag": ("tags",)}.get(what)
    after = shutil.copytree(root, root.parent / "after")
    with open_repo(after) as repo:
        remove(repo)
    copy = root.parent / "copy"
    for name, command in read.items():
        if few and name not in few and not LONG:
            continue
        answers = [asked(root, command)]
        with contextlib.suppress(DsmError):
            answers.append(asked(after, command))
        with vanishes(root / where, -1) as count:
            asked(root, command)
        for at in thinned(range(count()), 1 if few else 8):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(root, copy)

            def go() -> None:
                with open_repo(copy) as other:
                    remove(other)

            try:
                with vanishes(copy / where, at, go):
                    answer = asked(copy, command)
            except DsmError as error:
                assert len(answers) == 1 and "data" in error.message, f"{name}, at {at}: {error}"
            else:
                # Of a dataset that goes while it is looked at, some is seen, and no error is raw.
                assert not few or answer in answers, f"{name}, {what} gone before look {at}"
