"""Relabel, remove, move and unstage: rows only, files follow, and nothing unsaved is lost."""

from __future__ import annotations

import errno
import os

import pytest
from situations import Work

from dsm.errors import Conflict, DsmError, InvalidInput, NotFound, StorageFailed
from dsm.files.restore import UnsavedWork
from dsm.model.reports import LabelReport
from dsm.store import disk


@pytest.fixture
def some(work: Work) -> Work:
    """A committed dataset of a few files in folders."""
    work.commit("one", **{"a": "a", "b": "b", "dir/c": "c", "dir/d": "d", "dir/sub/e": "e"})
    return work


def labels(work: Work) -> dict[str, tuple[str, ...]]:
    return {path: own for path, (_, own) in work.snapshot().items() if own}


# --- label ------------------------------------------------------------------------------------------


def test_setting_adding_and_removing_labels(some: Work) -> None:
    """`set` replaces, then `add` and `remove` apply; content, time and files stay."""
    before = some.ds.example("dir/c")
    assert some.ds.label(["dir", "a"], set=["y", "x", "x"]) == LabelReport(relabelled=4)
    some.ds.commit("two")
    assert labels(some) == dict.fromkeys(["a", "dir/c", "dir/d", "dir/sub/e"], ("x", "y"))
    assert some.ds.label(["dir/c"], add=["z", "a"], remove=["y", "nothing"]) == LabelReport(
        relabelled=1
    )
    some.ds.label(["a"], set=[])
    some.ds.label(["b"], set=["n"], add=["m"], remove=["n"])
    some.ds.commit("three")
    assert labels(some) == {
        "b": ("m",), "dir/c": ("a", "x", "z"), "dir/d": ("x", "y"), "dir/sub/e": ("x", "y")
    }  # fmt: skip
    after = some.ds.example("dir/c")
    assert (after.oid, after.time, after.size) == (before.oid, before.time, before.size)
    assert some.state() == ([], [], [])


def test_labels_that_stay_as_they_are(some: Work) -> None:
    """Relabelling to what is there already, or back again, is no change."""
    assert some.ds.label(["a"], remove=["x"]) == LabelReport()
    some.ds.label(["a"], add=["x"])
    assert some.state()[0] == [("r", "a")]
    some.ds.label(["a"], remove=["x"])
    assert some.state()[0] == []


def test_labels_of_what_is_staged(some: Work) -> None:
    """A staged addition or change is relabelled as it is staged."""
    some.write({"new": "new", "a": "A"})
    some.ds.add(["new", "a"])
    some.ds.label(["new", "a"], add=["x"])
    assert some.state()[0] == [("m", "a"), ("a", "new")]
    some.ds.commit("two")
    assert some.snapshot()["new"] == (b"new", ("x",)) and some.snapshot()["a"] == (b"A", ("x",))


def test_labels_that_are_refused(some: Work) -> None:
    """No label, an impossible label, an unknown path: refused, and nothing is staged."""
    with pytest.raises(InvalidInput, match="no label given"):
        some.ds.label(["a"])
    with pytest.raises(InvalidInput, match=r"'bad\\nlabel' has a control character or"):
        some.ds.label(["a"], add=["bad\nlabel"])
    with pytest.raises(InvalidInput, match="a label is empty"):
        some.ds.label(["a"], set=[""])
    with pytest.raises(NotFound, match="nowhere"):
        some.ds.label(["a", "nowhere"], add=["x"])
    with pytest.raises(NotFound, match="tracked example is dir/cc or lies below") as caught:
        some.ds.label(["dir/cc"], add=["x"])
    assert caught.value.hint == "did you mean dir/c?"
    assert some.state() == ([], [], [])


# --- rm ---------------------------------------------------------------------------------------------


def test_removing(some: Work) -> None:
    """Files go with their examples, and so do folders that this leaves empty."""
    assert some.ds.remove(["dir/sub", "a"]) == ("a", "dir/sub/e")
    assert sorted(some.files()) == ["b", "dir/c", "dir/d"]
    assert not some.path("dir/sub").exists()
    assert some.state() == ([("d", "a"), ("d", "dir/sub/e")], [], [])
    some.ds.commit("two")
    assert sorted(some.contents()) == ["b", "dir/c", "dir/d"]
    some.write({"dir/untracked": "u"})
    some.ds.remove(["dir"])
    assert some.files() == {"b": b"b", "dir/untracked": b"u"}


def test_removing_keeps_files_when_asked(some: Work) -> None:
    """With `keep_files` examples go, files stay and are untracked."""
    some.ds.remove(["dir"], keep_files=True)
    assert some.state() == (
        [("d", "dir/c"), ("d", "dir/d"), ("d", "dir/sub/e")], [],
        ["dir/c", "dir/d", "dir/sub/e"],
    )  # fmt: skip
    some.ds.add(["dir/c"])
    assert some.state()[0] == [("d", "dir/d"), ("d", "dir/sub/e")]


def test_removing_what_is_unsaved(some: Work) -> None:
    """A file that differs from what was added is not removed, unless forced."""
    some.write({"a": "unsaved"})
    with pytest.raises(UnsavedWork) as caught:
        some.ds.remove(["a", "b"])
    assert caught.value.items == ("a",)
    assert some.path("b").exists() and some.state()[0] == []
    some.ds.remove(["a", "b"], force=True)
    assert sorted(some.files()) == ["dir/c", "dir/d", "dir/sub/e"]


def test_removing_what_cannot_be_removed(some: Work) -> None:
    """A file that stays is an error that names it, and nothing is staged."""

    def refuse(operation: str, path: str) -> None:
        if operation == "remove" and path.endswith("dir/d"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with disk.observe(refuse), pytest.raises(StorageFailed, match=r"cannot remove .*dir/d: Perm"):
        some.ds.remove(["dir"])
    assert some.path("dir/d").exists() and some.state()[0] == []
    some.ds.remove(["dir"])
    assert not some.path("dir").exists()


def test_a_dry_run_of_removing(some: Work) -> None:
    """It names what would go."""
    assert some.ds.remove(["dir"], dry_run=True) == ("dir/c", "dir/d", "dir/sub/e")
    assert some.state() == ([], [], [])


def test_removing_what_is_staged_only(some: Work) -> None:
    """An addition that was never committed is forgotten; a changed one is deleted."""
    some.write({"new": "new", "a": "A"})
    some.ds.add(["new", "a"])
    some.ds.remove(["new", "a"])
    assert some.state() == ([("d", "a")], [], [])


def test_removing_what_has_no_file(some: Work) -> None:
    """Examples without file, or with a folder or nothing in their place, are removed all the same."""
    some.ds.add({"absent": b"x"})
    some.ds.commit("two")
    some.path("a").unlink()
    some.path("b").unlink()
    some.write({"b/mine": "mine"})
    os.rename(some.path("dir"), some.path("moved away"))
    some.write({"dir": "a file"})
    assert some.ds.remove(["absent", "a", "b", "dir/c"]) == ("a", "absent", "b", "dir/c")
    assert some.path("b/mine").read_bytes() == b"mine"
    assert some.path("dir").read_bytes() == b"a file"


# --- mv ---------------------------------------------------------------------------------------------


def test_moving_a_file(some: Work) -> None:
    """A move takes content, labels, attributes and time along, and is no unsaved work."""
    some.ds.label(["a"], set=["x"])
    some.ds.commit("two")
    before = some.ds.example("a")
    assert some.ds.move("a", "new/name") == (("a", "new/name"),)
    assert some.state() == ([("r", "new/name")], [], [])
    some.ds.commit("three")
    after = some.ds.example("new/name")
    assert (after.oid, after.labels, after.time) == (before.oid, ("x",), before.time)
    assert sorted(some.files()) == ["b", "dir/c", "dir/d", "dir/sub/e", "new/name"]


def test_moving_a_folder(some: Work) -> None:
    """A folder moves to a new name, or into a folder that is there."""
    some.ds.move("dir", "other")
    assert sorted(some.files()) == ["a", "b", "other/c", "other/d", "other/sub/e"]
    (some.root / "target").mkdir()
    assert some.ds.move("other", "target")[0] == ("other/c", "target/other/c")
    assert some.ds.move("a", "target") == (("a", "target/a"),)
    some.ds.commit("two")
    assert sorted(some.contents()) == [
        "b", "target/a", "target/other/c", "target/other/d", "target/other/sub/e"
    ]  # fmt: skip
    assert some.state() == ([], [], [])


def test_a_folder_moves_whole(some: Work) -> None:
    """What a folder holds besides examples stays with them."""
    some.write({"dir/untracked": "u"})
    some.ds.move("dir", "new/place")
    assert not (some.root / "dir").exists()
    assert (some.root / "new/place/untracked").read_text() == "u"
    assert some.state()[1:] == ([], ["new/place/untracked"])


def test_recording_a_move_that_was_made(some: Work) -> None:
    """Files moved by hand, or by a move that died before it was recorded, are taken as moved."""
    (some.root / "dir").rename(some.root / "other")
    assert some.ds.move("dir", "other")[0] == ("dir/c", "other/c")
    assert some.state()[1:] == ([], [])
    (some.root / "a").rename(some.root / "z")
    some.write({"z": "changed on the way"})
    assert some.ds.move("a", "z") == (("a", "z"),)
    assert some.state()[1:] == ([("m", "z")], [])
    some.ds.commit("two")
    assert sorted(some.contents()) == ["b", "other/c", "other/d", "other/sub/e", "z"]
    assert some.contents()["z"] == b"a"


def test_moving_there_and_back(some: Work) -> None:
    """What is back where it was is no change."""
    some.ds.move("a", "x")
    some.ds.move("x", "a")
    assert some.state() == ([], [], [])
    some.ds.move("dir", "x")
    some.ds.move("x", "dir")
    assert some.state() == ([], [], [])


def test_moving_onto_something(some: Work) -> None:
    """What stands at the target is not replaced unless forced."""
    with pytest.raises(Conflict, match="b exists already"):
        some.ds.move("a", "b")
    some.write({"untracked": "u"})
    with pytest.raises(Conflict, match="untracked exists already"):
        some.ds.move("a", "untracked")
    assert some.state() == ([], [], ["untracked"])
    some.ds.move("a", "b", force=True)
    assert some.state() == ([("d", "a"), ("m", "b")], [], ["untracked"])
    some.ds.commit("two")
    assert some.contents()["b"] == b"a" and "a" not in some.contents()


@pytest.mark.parametrize(
    ("source", "target"),
    [("nowhere", "x"), ("a", "a"), ("dir", "dir/inner"), ("dir", "dir"), (".", "x"), ("a", "../x"),
     ("a", ".dsm/x"), ("a", "b/c"), ("dir", "b/c"), ("../x", "y"), ("a", ".git/x")],
)  # fmt: skip
def test_moves_that_are_refused(some: Work, source: str, target: str) -> None:
    """Impossible moves change neither files nor stage."""
    before = some.files()
    with pytest.raises(
        DsmError, match=r"no tracked example|cannot (be moved|move)|lies (outside|in)|is on the way"
    ):
        some.ds.move(source, target)
    assert (some.files(), some.state()) == (before, ([], [], []))


def test_moving_what_has_no_file(some: Work) -> None:
    """An example without a file moves as well."""
    some.ds.add({"absent": b"x"})
    some.ds.commit("two")
    some.ds.move("absent", "elsewhere/absent")
    some.ds.commit("three")
    assert some.contents()["elsewhere/absent"] == b"x"
    assert some.ds.status().absent == 1
    some.ds.add({"one": b"1"})
    some.ds.commit("four")
    with pytest.raises(Conflict, match="one cannot be an example and another one"):
        some.ds.move("b", "one/below")


def test_moving_unsaved_work(some: Work) -> None:
    """A modified file moves with its modification, which stays unsaved."""
    some.write({"a": "unsaved"})
    some.ds.move("a", "z")
    assert some.files()["z"] == b"unsaved"
    assert some.state() == ([("r", "z")], [("m", "z")], [])
    some.ds.commit("two")
    assert some.contents()["z"] == b"a"


# --- unstage ----------------------------------------------------------------------------------------


def test_unstaging(some: Work) -> None:
    """Staged changes are forgotten by path or all at once; files are not touched."""
    some.write({"a": "A", "new": "n", "dir/c": "C"})
    some.ds.add(["."])
    some.ds.label(["b"], add=["x"])
    some.ds.remove(["dir/d"])
    assert some.ds.unstage(["a", "dir"]) == 3
    assert some.state()[0] == [("r", "b"), ("a", "new")]
    assert ("m", "a") in some.state()[1] and ("m", "dir/c") in some.state()[1]
    assert some.ds.unstage() == 2
    assert some.ds.unstage() == 0
    staged, unstaged, untracked = some.state()
    assert (staged, untracked) == ([], ["new"])
    assert ("m", "a") in unstaged
    assert some.files()["a"] == b"A"
    assert some.ds.unstage(["a"]) == 0


def test_a_removal_that_was_unstaged(some: Work) -> None:
    """After `rm` and unstaging the example is without a file, and restore brings that back."""
    some.ds.remove(["a"])
    some.ds.unstage(["a"])
    assert (some.state(), some.ds.status().absent) == (([], [], []), 1)
    some.ds.restore(["a"])
    assert (some.state(), some.ds.status().absent) == (([], [], []), 0)
    assert some.path("a").read_bytes() == b"a"


def test_adding_again_what_was_unstaged(some: Work) -> None:
    """Nothing of an unstaged change is lost to a later one."""
    some.write({"a": "A", "new": "n"})
    some.ds.add(["."])
    some.ds.unstage()
    some.ds.add(["."])
    some.ds.commit("two")
    assert some.contents()["a"] == b"A" and some.contents()["new"] == b"n"
