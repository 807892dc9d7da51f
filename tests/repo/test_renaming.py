"""Datasets get another name, or go: whatever happens meanwhile, they are there whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from situations import Work
from tiers import LONG

import dsm
from dsm.api import environment
from dsm.catalog import Catalog, DatasetHoldsData
from dsm.errors import AlreadyExists, DsmError, InvalidInput, NotFound
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import apply_gc, plan_gc
from dsm.store import disk


class Killed(BaseException):
    """The process ends here."""


def laid_out(root: Path) -> str:
    """Makes a dataset `old` with a changeset, a tag, a named view, something staged and an example
    without a file; returns the version of the view."""
    with dsm.init(root, dataset="old", pattern="{label}/{_}.txt") as repo:
        (root / "cat").mkdir()
        (root / "cat/1.txt").write_text("1")
        dataset = repo.dataset("old")
        dataset.add([root / "cat"])
        dataset.add({"cat/2.txt": b"2"})
        dataset.commit("one")
        dataset.tag("v1")
        version = dataset.prepare(name="all").version
        (root / "cat/3.txt").write_text("3")
        dataset.add([root / "cat"])
        return version


def told(repo: Catalog, name: str) -> dict[str, object]:
    """Everything that a renaming keeps."""
    dataset = repo.dataset(name)
    status = dataset.status()
    return {
        "id": dataset.id,
        "examples": [(e.path, dataset.read(e.path)) for e in dataset.ls()],
        "tags": [(tag.name, tag.number, tag.id) for tag in dataset.tags()],
        "views": [view.version for view in repo.views(name)],
        "staged": [(change.kind, change.path) for change in status.staged],
        "rest": (status.unstaged, status.untracked, status.absent),
        "pattern": (dataset.pattern, dataset.unmatched),
    }


def killed_at(step: int, run: Callable[[], object]) -> bool:
    """Runs until the given change of the disk, which is not made; False when it ended before."""
    left = [step]

    def observer(operation: str, path: str) -> None:
        if left[0] == 0:
            raise Killed
        left[0] -= 1

    try:
        with disk.observe(observer):
            run()
    except Killed:
        return True
    return False


def test_everything_goes_along(tmp_path: Path) -> None:
    """Id, changesets, tags, views with their versions, what is staged and the current dataset."""
    version = laid_out(tmp_path)
    with dsm.open(tmp_path) as repo:
        repo.switch("old")
        before = told(repo, "old")
        assert repo.rename_dataset("old", "new").name == "new"
        assert (repo.datasets(), repo.current) == (["new"], "new")
        assert before == told(repo, "new")
        assert version == repo.view("all").version
        with pytest.raises(NotFound, match="no dataset 'old'"):
            repo.dataset("old")
        repo.dataset("new").commit("two")
        assert before["id"] == repo.rename_dataset("new", "old").id
        assert len(repo.rename_dataset("old", "new")) == 3
        assert fsck(repo, full=True).findings == ()


def test_letter_case_alone_can_change(tmp_path: Path) -> None:
    """The name stays the only one of its letters."""
    laid_out(tmp_path)
    with dsm.open(tmp_path) as repo:
        before = told(repo, "old")
        repo.rename_dataset("old", "Old")
        assert before == told(repo, "Old")
        with pytest.raises(AlreadyExists, match="differs only in letter case"):
            repo.create_dataset("old")
        report = fsck(repo, full=True)
        assert (report.findings, report.notes) == ((), ())


def test_names_that_are_taken_or_none(tmp_path: Path) -> None:
    """Nothing is renamed onto another dataset, also not to its name in other letters."""
    laid_out(tmp_path)
    with dsm.open(tmp_path) as repo:
        repo.create_dataset("more")
        before = told(repo, "old")
        for name in ("more", "MORE"):
            with pytest.raises(AlreadyExists, match="there is a dataset 'more' already"):
                repo.rename_dataset("old", name)
        for name in ("old", "../old", "", ".removed-x"):
            with pytest.raises(
                InvalidInput, match="dataset old has this name already|cannot name a dataset"
            ):
                repo.rename_dataset("old", name)
        with pytest.raises(NotFound, match="there is no dataset"):
            repo.rename_dataset("none", "other")
        assert (["more", "old"], before) == (repo.datasets(), told(repo, "old"))


@pytest.mark.parametrize("new", ["new", "Old"])
def test_a_renaming_that_is_killed(tmp_path: Path, new: str) -> None:
    """At whatever change of the disk: the dataset is whole under one of its names, gc takes nothing
    of it, and the same command finishes."""
    step, ended = 0, False
    while not ended:
        root = tmp_path / str(step)
        laid_out(root)
        with dsm.open(root) as repo:
            before = told(repo, "old")
            ended = not killed_at(step, lambda r=repo: r.rename_dataset("old", new))  # type: ignore[misc]
        with Catalog(str(root), environment()) as repo:
            (name,) = repo.datasets()
            assert name in ("old", new)
            apply_gc(repo, plan_gc(repo))
            assert fsck(repo, full=True).findings == ()
            if not ended:
                repo.rename_dataset("old", new)
            assert ([new], before) == (repo.datasets(), told(repo, new))
            assert fsck(repo, full=True).notes == ()
            if new == "new":
                assert len(repo.create_dataset("old")) == 0
                assert repo.dataset("old").status().staged == ()
        step += 1 if LONG else 2
    assert step > 10


def test_a_removal_that_is_killed(tmp_path: Path) -> None:
    """The dataset is there whole, or is gone and its name is free; gc removes what is left."""
    step, ended = 0, False
    while not ended:
        root = tmp_path / str(step)
        laid_out(root)
        with dsm.open(root) as repo:
            before = told(repo, "old")
            ended = not killed_at(
                step, lambda r=repo: r.remove_dataset("old", confirmed=True)  # type: ignore[misc]
            )  # fmt: skip
        with Catalog(str(root), environment()) as repo:
            if repo.datasets():
                assert before == told(repo, "old")
                repo.remove_dataset("old", confirmed=True)
            assert len(repo.create_dataset("old")) == 0
            assert repo.dataset("old").status().staged == ()
            apply_gc(repo, plan_gc(repo))
            report = fsck(repo, full=True)
            assert (report.findings, report.notes, report.objects) == ((), (), 0)
            assert os.listdir(root / ".dsm/datasets") == ["old"]
        assert (root / "cat/3.txt").read_text() == "3"
        step += 1 if LONG else 2
    assert step > 10


def test_a_dataset_that_holds_something_is_removed_on_demand_only(tmp_path: Path) -> None:
    """An empty one goes without a word; files of the work tree stay in any case."""
    laid_out(tmp_path)
    with dsm.open(tmp_path) as repo:
        repo.create_dataset("empty")
        assert repo.remove_dataset("empty").changesets == 0
        planned = repo.plan_remove_dataset("old")
        assert (
            planned.changesets, planned.examples, planned.tags, planned.views, planned.staged
        ) == (1, 2, 1, 1, 1)  # fmt: skip
        with pytest.raises(
            DatasetHoldsData, match="dataset old has 1 changesets and 1 staged changes"
        ):
            repo.remove_dataset("old")
        assert repo.datasets() == ["old"]
        repo.remove_dataset("old", confirmed=True)
        assert repo.datasets() == []
        apply_gc(repo, plan_gc(repo))
        assert fsck(repo).objects == 0
    assert sorted(os.listdir(tmp_path / "cat")) == ["1.txt", "3.txt"]


def test_renamings_that_race(tmp_path: Path) -> None:
    """Of several at once one wins, and the dataset is whole under its name."""
    laid_out(tmp_path)
    with dsm.open(tmp_path) as repo:
        before = told(repo, "old")
    won: list[str] = []
    start = threading.Barrier(4)

    def rename(new: str) -> None:
        with dsm.open(tmp_path) as repo:
            start.wait()
            try:
                won.append(repo.rename_dataset("old", new).name)
            except DsmError:
                pass

    threads = [threading.Thread(target=rename, args=(f"new{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with dsm.open(tmp_path) as repo:
        assert won == repo.datasets()
        assert before == told(repo, won[0])


@pytest.mark.parametrize("replaced", [False, True])
def test_who_opened_it_before_records_nothing(work: Work, replaced: bool) -> None:
    """Not by the old name, and not into another dataset that has that name by now."""
    work.commit("one", **{"a.txt": "a", "b.txt": "b"})
    held = work.ds
    held.status()
    with dsm.open(work.root) as repo:
        repo.rename_dataset("data", "new")
        if replaced:
            repo.create_dataset("data")
    work.write({"c.txt": "c"})
    for use in (
        lambda: held.add([work.path("c.txt")]), lambda: held.commit("x", allow_empty=True),
        lambda: held.commit("x", paths=[work.path("c.txt")]), lambda: held.label(["a.txt"], add=["x"]),
        lambda: held.tag("v1"), lambda: held.set_unmatched("refuse"), lambda: held.revert(1),
    ):  # fmt: skip
        with pytest.raises(
            DsmError,
            match=r"was renamed or removed meanwhile|cannot link|no tracked example|has no changeset",
        ):
            use()
    with dsm.open(work.root) as repo:
        assert repo.dataset("new").head == 1
        assert repo.dataset("new").tags() == []
        if replaced:
            assert (repo.dataset("data").head, repo.dataset("data").status().staged) == (0, ())
            assert repo.dataset("data").unmatched == "skip"
        else:
            assert repo.datasets() == ["new"]
        assert fsck(repo, full=True).findings == ()
