"""A deletion that waits to be staged is never forgotten, and none is invented.

A tracked example without a file is a deletion when its file was here, and absent by intent when it
never was. The index knows which; these tests take it away in every manner.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from dying import killed_at
from situations import Work
from tiers import LONG, thinned

from dsm.errors import AnswerIsNo, Conflict, StorageFailed
from dsm.store import disk
from reliability.operations import OPERATIONS, Operation, lay_out, open_repo, primitives_of, write
from reliability.test_writers import insist, together


def lose_index(work: Work) -> None:
    shutil.rmtree(work.repo.layout.index("data"))


def lose_record(work: Work) -> None:
    shutil.rmtree(work.repo.layout.absent("data"))


def lose_all_but_the_stage(work: Work) -> None:
    for entry in Path(work.repo.layout.local).iterdir():
        if entry.name != "stage":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def damage(folder: str) -> None:
    for path in Path(folder).iterdir():
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])


def damage_index(work: Work) -> None:
    damage(work.repo.layout.index("data"))


def damage_record(work: Work) -> None:
    damage(work.repo.layout.absent("data"))


LOSSES = [lose_index, lose_record, lose_all_but_the_stage, damage_index, damage_record]


def deleted(work: Work) -> list[str]:
    return [change.path for change in work.reopen().status().unstaged if change.kind == "deleted"]


@pytest.mark.parametrize("lose", LOSSES, ids=lambda lose: lose.__name__)
def test_a_deletion_outlives_what_knew_of_it(work: Work, lose: Callable[[Work], None]) -> None:
    """Whatever derived file is lost, removed files are deletions, and bytes without files none."""
    work.commit("one", **{"a/1": "1", "a/2": "2", "b": "b", "staged": "s"})
    work.ds.add({"bytes": b"never a file"})
    work.ds.commit("two")
    for name in ("a/1", "b", "staged"):
        work.path(name).unlink()
    work.ds.add(["staged"], deletions=True)
    lose(work)
    assert deleted(work) == ["a/1", "b"]
    assert work.ds.status().absent == 1
    work.ds.commit("three", all=True)
    assert sorted(work.contents()) == ["a/2", "bytes"]


def test_a_deletion_after_a_second_loss(work: Work) -> None:
    """What is learnt again while a file is gone is written down as well as before."""
    work.commit("one", a="a", b="b")
    work.path("a").unlink()
    for lose in (lose_index, lose_record, lose_index, damage_index, lose_record):
        lose(work)
        assert (lose.__name__, deleted(work)) == (lose.__name__, ["a"])


def test_an_unstaged_deletion_is_one_still(work: Work) -> None:
    """A removed file whose staged deletion is dropped waits to be staged again."""
    work.commit("one", a="a", b="b")
    work.path("a").unlink()
    work.ds.add(["."], deletions=True)
    work.ds.unstage(["a"])
    assert deleted(work) == ["a"]
    work.ds.add(["."], deletions=True)
    work.ds.unstage()
    lose_index(work)
    assert deleted(work) == ["a"]


def test_moving_what_was_removed_by_hand(work: Work) -> None:
    """An example whose file is gone is a deletion under its new name, too."""
    work.commit("one", **{"a/1": "1", "a/2": "2"})
    work.ds.add({"a/bytes": b"never a file"})
    work.ds.commit("two")
    work.path("a/1").unlink()
    work.ds.move("a", "b")
    assert deleted(work) == ["b/1"]
    lose_index(work)
    assert deleted(work) == ["b/1"]
    assert work.ds.status().absent == 1


def test_reverting_beside_a_removed_file(work: Work) -> None:
    """A file that somebody removed does not come back by a revert, and stays a deletion."""
    work.commit("one", a="a", b="b")
    work.commit("two", a="A", b="B")
    work.path("a").unlink()
    work.ds.revert(2)
    assert deleted(work) == ["a"]
    assert work.files() == {"b": b"b"}
    lose_index(work)
    assert deleted(work) == ["a"]


# --- copies -----------------------------------------------------------------------------------------


def copied(work: Work, copy: Work) -> Work:
    """Makes one repository a copy of the `.dsm` of another."""
    copy.repo.close()
    shutil.rmtree(copy.root / ".dsm")
    shutil.copytree(work.root / ".dsm", copy.root / ".dsm")
    copy.reopen()
    return copy


@pytest.fixture
def thin(work: Work, make_work: Callable[..., Work]) -> Work:
    """A copy of a repository without its files and without `local`."""
    work.commit("one", **{"a/1": "1", "a/2": "2", "b/1": "3", "b/2": "4"})
    copy = copied(work, make_work("copy"))
    shutil.rmtree(copy.root / ".dsm" / "local")
    copy.reopen()
    return copy


@pytest.mark.parametrize("lost", [False, True], ids=["index kept", "index lost"])
def test_a_copy_with_the_index_of_the_original(
    work: Work, make_work: Callable[..., Work], lost: bool
) -> None:
    """In a copy a folder of which no file came along never was here; elsewhere, what is missing
    was removed."""
    work.commit("one", **{"a/1": "1", "a/2": "2", "b/1": "3", "b/2": "4", "c": "5"})
    copy = copied(work, make_work("copy"))
    copy.write({"b/1": "3"})
    if lost:
        lose_index(copy)
    assert (deleted(copy), copy.ds.status().absent) == (["b/2"], 3)
    copy.path("b/1").unlink()  # from now on this is a work tree like any other
    lose_index(copy)
    assert (deleted(copy), copy.ds.status().absent) == (["b/1", "b/2"], 3)


def test_a_work_tree_that_moves(work: Work, tmp_path: Path) -> None:
    """Moving the folder of a repository, or replacing it by a backup in its place, is no copy."""
    work.commit("one", **{"a/1": "1", "b/1": "2"})
    shutil.rmtree(work.path("a"))
    elsewhere = tmp_path / "elsewhere"
    work.repo.close()
    work.root = work.root.rename(elsewhere)
    assert deleted(work) == ["a/1"]
    work.repo.close()
    shutil.copytree(elsewhere, tmp_path / "backup")
    shutil.rmtree(elsewhere)
    (tmp_path / "backup").rename(elsewhere)
    lose_index(work)
    assert deleted(work) == ["a/1"]


def test_nothing_is_deleted_in_a_thin_copy(thin: Work) -> None:
    """Examples whose files never were in this copy are no deletions, whatever is asked or lost."""
    for lose in (lambda _: None, lose_index, lose_all_but_the_stage, lose_index):
        lose(thin)
        assert deleted(thin) == []
        thin.ds.add(["."], deletions=True)
        with pytest.raises(AnswerIsNo, match="nothing to commit"):
            thin.ds.commit("nothing", all=True)
    assert thin.ds.status().absent == 4


def test_what_was_restored_in_a_thin_copy_can_be_deleted(thin: Work) -> None:
    """A file that came into a thin copy, by restore or by hand, is a deletion when it goes."""
    thin.ds.restore(["a"])
    thin.write({"b/1": "3"})
    assert thin.state() == ([], [], [])
    for name in ("a/1", "b/1"):
        thin.path(name).unlink()
    assert deleted(thin) == ["a/1", "b/1"]
    lose_index(thin)
    assert deleted(thin) == ["a/1", "b/1"]
    thin.ds.commit("two", all=True)
    assert sorted(thin.contents()) == ["a/2", "b/2"]


def test_restoring_while_another_process_moves_the_index(thin: Work) -> None:
    """That a file came here is not forgotten when the index has moved before it could be told."""
    staged = thin.ds.tree.stage.load()
    tree, other = thin.ds.tree, thin.repo.dataset("data")
    index = tree.index(staged)
    tree.save(index)
    index = tree.index(staged)
    other.add({"new": b"another process"})
    thin.write({"a/1": "1"})
    index.set("a/1", b"1" * 32)
    tree.save(index)
    thin.path("a/1").unlink()
    assert deleted(thin) == ["a/1"]


def test_changesets_from_elsewhere(work: Work, thin: Work) -> None:
    """Examples of changesets that were copied here have no file by intent; those made here do."""
    thin.ds.restore()
    thin.commit("made here", **{"a/3": "5"})
    work.commit("made here", **{"a/3": "5"})
    for name in ("changesets", "manifests"):  # the same rows, of another history
        shutil.rmtree(thin.root / ".dsm/datasets/data" / name)
        shutil.copytree(work.root / ".dsm/datasets/data" / name,
                        thin.root / ".dsm/datasets/data" / name)  # fmt: skip
    shutil.copytree(work.root / ".dsm/packs", thin.root / ".dsm/packs", dirs_exist_ok=True)
    thin.path("a/3").unlink()
    assert deleted(thin) == []
    work.commit("more", **{"c/1": "6", "b/1": "changed elsewhere"})
    thin.path("a/1").unlink()
    for name in ("changesets", "manifests", "../../packs"):
        shutil.copytree(work.root / ".dsm/datasets/data" / name,
                        thin.root / ".dsm/datasets/data" / name, dirs_exist_ok=True)  # fmt: skip
    assert deleted(thin) == ["a/1"]
    assert thin.ds.status().absent == 2
    lose_index(thin)
    assert deleted(thin) == ["a/1"]


# --- kill -9 ----------------------------------------------------------------------------------------


def with_a_deletion(operation: Operation) -> Operation:
    """The operation, begun with a removed file and with bytes that never were a file."""

    def start(root: Path) -> None:
        operation.start(root)
        write(root, {"zebra/1": "to be removed", "zebra/2": "stays"})
        with open_repo(root) as repo:
            ds = repo.dataset("data")
            ds.add({"thin/1": b"never a file"})
            ds.commit("zebra", paths=[str(root / "zebra"), str(root / "thin")])
        (root / "zebra/1").unlink()

    return Operation(operation.name, start, operation.run)


def nothing_forgotten(root: Path, name: str, where: str) -> None:
    """The deletion waits, or is staged or recorded by the operation, and no other is there."""
    with open_repo(root) as repo:
        ds = repo.dataset("data")
        told = [c.path for c in ds.status().unstaged if c.kind == "deleted"]
        asked = name in ("add again", "commit all")  # these stage deletions themselves
        assert [path for path in told if path.startswith(("zebra", "thin"))] == ["zebra/1"] or (
            asked and told == []
        ), where
        ds.add(["."], deletions=True)
        try:
            ds.commit("after")
        except AnswerIsNo:
            pass
        kept = [path for path in ds.snapshot().column("path").to_pylist()
                if path.startswith(("zebra", "thin"))]  # fmt: skip
        assert kept == ["thin/1", "zebra/2"], where


CHANGING = ("add again", "label", "commit", "commit paths", "commit all", "revert", "rm", "mv",
            "unstage", "unstage all")  # fmt: skip


@pytest.mark.parametrize("lost", [False, True], ids=["index kept", "index lost"])
@pytest.mark.parametrize("name", CHANGING)
def test_killed_at_every_write(name: str, lost: bool, tmp_path: Path) -> None:
    """Death before any single write, and the loss of the index after it, forgets no deletion."""
    operation = with_a_deletion(next(each for each in OPERATIONS if each.name == name))
    root = lay_out(operation.start, tmp_path / "work")
    count = len(primitives_of(operation.run, root))
    # With the index kept and with it lost, other points are tried.
    for at in thinned(range(1, count + 2), 12, offset=CHANGING.index(name) + 6 * lost):
        lay_out(operation.start, root)
        killed_at(at, partial(operation.run, root))
        if lost:
            shutil.rmtree(root / ".dsm/local/index/data", ignore_errors=True)
        nothing_forgotten(root, name, f"killed before primitive {at} of {count}")


@pytest.mark.parametrize("name", CHANGING)
def test_the_index_removed_before_a_write(name: str, tmp_path: Path) -> None:
    """The index may go at any moment, also while it is written: what is lost is learnt again."""
    operation = with_a_deletion(next(each for each in OPERATIONS if each.name == name))
    root = lay_out(operation.start, tmp_path / "work")
    primitives = primitives_of(operation.run, root)
    writes_index = [at for at, (_, path) in enumerate(primitives) if "/local/index/" in path]
    # Which of them are tried differs from operation to operation: together they meet all.
    first = CHANGING.index(name)
    for at in {*thinned(writes_index, 3, first), *thinned(range(len(primitives)), 12, first)}:
        lay_out(operation.start, root)
        seen = itertools.count()

        def lose(_operation: str, _path: str, at: int = at, seen: Iterator[int] = seen) -> None:
            if next(seen) == at:
                shutil.rmtree(root / ".dsm/local/index/data", ignore_errors=True)

        with disk.observe(lose), contextlib.suppress(StorageFailed, Conflict):
            operation.run(root)
        nothing_forgotten(root, name, f"removed before {primitives[at]}")


# --- many writers -----------------------------------------------------------------------------------


def live_in(root: Path, writer: int, turns: int, rude: bool) -> None:
    """Adds, changes and removes files of a folder of its own; compares what was committed of it."""
    source = random.Random(writer)
    folder = root / str(writer)
    folder.mkdir()
    for turn in range(turns):
        for name in os.listdir(folder):
            if source.random() < 0.5:
                (folder / name).unlink()
        for number in range(source.randrange(1, 5)):
            (folder / f"{turn}-{number}").write_text(f"{writer} {turn} {number}")
        with open_repo(root) as repo:
            ds = repo.dataset("data")
            busy = (StorageFailed, Conflict)
            way = source.randrange(3)
            if way:
                insist(lambda ds=ds: ds.add([folder], deletions=True), *busy)  # type: ignore[misc]
            try:
                if way == 2:
                    insist(lambda ds=ds: ds.commit(f"{writer}"), *busy)  # type: ignore[misc]
                else:
                    insist(lambda ds=ds: ds.commit(f"{writer}", paths=[folder]), *busy)  # type: ignore[misc]
            except AnswerIsNo:
                pass  # another process has committed what was staged
            committed = repo.dataset("data").snapshot().column("path").to_pylist()
            mine = [path for path in committed if path.startswith(f"{writer}/")]
            assert mine == sorted(f"{writer}/{name}" for name in os.listdir(folder)), (turn, way)
        if rude and turn % 3 == writer % 3:
            shutil.rmtree(root / ".dsm/local/index/data", ignore_errors=True)


@pytest.mark.parametrize("rude", [False, True], ids=["index kept", "index removed"])
def test_many_writers_in_folders_of_their_own(tmp_path: Path, rude: bool) -> None:
    """What each of several processes commits of its folder is what lies in it, deletions too."""
    root = lay_out(OPERATIONS[0].start, tmp_path / "work")
    from reliability.operations import init

    init(root)
    turns = 30 if LONG else 6
    together(*(
        lambda writer=writer: live_in(root, writer, turns, rude)  # type: ignore[misc]
        for writer in range(5)
    ))  # fmt: skip
