"""Undoing a changeset by a new one, and what becomes of later work and of the files."""

from __future__ import annotations

import os
from typing import Any

import pytest
from situations import Work

from dsm.errors import AnswerIsNo, Conflict, NotFound
from dsm.history import revert
from dsm.history.conflicts import ChangedMeanwhile
from dsm.history.revert import TouchedLater
from dsm.model.changeset import Counts


def test_reverting_puts_back_what_was_there(work: Work) -> None:
    """Additions go, deletions come back, changes and labels are as before, in snapshot and files."""
    work.commit("one", a="a", b="b", c="c", d="d")
    before = work.snapshot()
    work.write({"a": "A", "e": "e"})
    work.path("b").unlink()
    work.ds.add(["."], deletions=True)
    work.ds.label(["c"], set=["x"])
    work.ds.move("d", "sub/d")
    work.ds.commit("two")
    made = work.ds.revert(2)
    assert (made.kind, made.reverts, made.number) == ("revert", 2, 3)
    assert made.message == 'Revert changeset 2: "two"'
    assert made.counts == Counts(added=2, modified=1, relabelled=1, deleted=2)
    assert work.snapshot(3) == before
    assert work.files() == {"a": b"a", "b": b"b", "c": b"c", "d": b"d"}
    assert not work.path("sub").exists()
    assert work.state() == ([], [], [])
    again = work.ds.revert(3, message="again", author="somebody")
    assert (again.message, again.author) == ("again", "somebody")
    assert work.snapshot(4) == work.snapshot(2)
    assert work.files() == {"a": b"A", "c": b"c", "sub/d": b"d", "e": b"e"}
    assert work.state() == ([], [], [])


def test_reverting_the_first_changeset_leaves_nothing(work: Work) -> None:
    """The first changeset can be undone too, and the undoing be undone."""
    work.commit("one", a="a", b="b")
    work.ds.revert(1)
    assert (work.contents(), work.files()) == ({}, {})
    work.ds.revert("head")
    assert (work.contents(), work.files()) == ({"a": b"a", "b": b"b"},) * 2


def test_later_changes_are_in_the_way(work: Work) -> None:
    """A changeset whose examples were changed again is not undone; the message lists them."""
    work.commit("one", a="a", b="b", c="c")
    work.commit("two", a="A", b="B", c="C", new="n")
    work.commit("three", b="later")
    work.ds.label(["new"], add=["x"])
    work.ds.commit("four")
    with pytest.raises(TouchedLater) as caught:
        work.ds.revert(2)
    assert caught.value.items == ("b", "new")
    assert work.ds.head == 4
    made = work.ds.revert(2, force=True)
    assert made.counts == Counts(modified=2)
    assert work.contents() == {"a": b"a", "b": b"later", "c": b"c", "new": b"n"}
    assert work.files() == work.contents()
    with pytest.raises(AnswerIsNo, match="already undone"):
        work.ds.revert(2, force=True)


def test_what_is_back_already_is_not_in_the_way(work: Work) -> None:
    """An example that a later changeset has put back needs no undoing, and is no conflict."""
    work.commit("one", a="a", b="b")
    work.commit("two", a="A", b="B")
    work.ds.revert(2)
    work.commit("four", b="later")
    with pytest.raises(TouchedLater) as caught:
        work.ds.revert(2)
    assert caught.value.items == ("b",)
    work.ds.revert(4)
    with pytest.raises(AnswerIsNo, match="already undone"):
        work.ds.revert(2)


def test_unsaved_work_is_left_alone(work: Work) -> None:
    """Files that hold other content than the head had are not touched by a revert."""
    work.commit("one", a="a", b="b")
    work.commit("two", a="A", b="B", c="C", d="D")
    work.write({"a": "unsaved", "c": "unsaved too"})
    work.path("b").unlink()
    work.ds.revert(2)
    assert work.contents() == {"a": b"a", "b": b"b"}
    assert work.files() == {"a": b"unsaved", "c": b"unsaved too"}
    assert work.state() == ([], [("m", "a")], ["c"]) or work.state()[1][0] == ("m", "a")


def test_staged_work_stays_staged(work: Work) -> None:
    """A revert is a commit of its own: what is staged is neither taken nor lost."""
    work.commit("one", a="a", b="b")
    work.commit("two", b="B")
    work.write({"a": "staged", "new": "new"})
    work.ds.add(["a", "new"])
    work.ds.revert(2)
    assert work.contents() == {"a": b"a", "b": b"b"}
    assert work.state() == ([("m", "a"), ("a", "new")], [], [])
    work.ds.commit("four")
    assert work.contents() == {"a": b"staged", "b": b"b", "new": b"new"}


def test_keeping_the_files(work: Work) -> None:
    """With `keep_files` only history moves; the work tree shows the difference."""
    work.commit("one", a="a")
    work.commit("two", a="A", b="B")
    work.ds.revert(2, keep_files=True)
    assert work.files() == {"a": b"A", "b": b"B"}
    assert work.state() == ([], [("m", "a")], ["b"])


def test_a_revert_of_staged_paths(work: Work) -> None:
    """Where the very example is staged anew, the stage wins in the end, by a conflict or a commit."""
    work.commit("one", a="a")
    work.commit("two", a="A")
    work.write({"a": "staged"})
    work.ds.add(["a"])
    work.ds.revert(2)
    assert work.contents() == {"a": b"a"}
    assert work.files() == {"a": b"staged"}
    with pytest.raises(Conflict, match="1 of the examples to commit changed since they were"):
        work.ds.commit("four")


def test_something_stands_where_a_file_comes_back(work: Work) -> None:
    """The changeset lands, whatever is in the way of its files; nothing of the user's is lost."""
    work.commit("one", **{"d/f": "f", "e": "e"})
    work.ds.remove(["d", "e"])
    work.ds.commit("two")
    work.write({"d": "a file now"})
    work.path("e").mkdir()
    (work.path("e") / "own").write_bytes(b"own")
    work.ds.revert(2)
    assert work.contents() == {"d/f": b"f", "e": b"e"}
    assert work.files() == {"d": b"a file now", "e/own": b"own"}
    assert work.ds.head == 3
    status = work.ds.status()
    assert status.untracked == ("d", "e/own")


def test_a_link_is_never_followed(work: Work, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A revert neither writes nor removes anything behind a link in the work tree."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "f").write_bytes(b"f")
    work.commit("one", **{"d/f": "f"})
    work.ds.remove(["d/f"])
    work.ds.commit("two")
    os.symlink(outside, work.path("d"))
    (outside / "f").write_bytes(b"mine")
    work.ds.revert(2)
    assert (outside / "f").read_bytes() == b"mine"


def test_nothing_is_removed_behind_a_link(
    work: Work, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where a folder was replaced by a link to one with an equal file, that file stays."""
    outside = tmp_path_factory.mktemp("outside")
    work.commit("one", e="e")
    work.commit("two", **{"d/f": "f"})
    work.path("d/f").rename(outside / "f")
    work.path("d").rmdir()
    os.symlink(outside, work.path("d"))
    work.ds.revert(2)
    assert (outside / "f").read_bytes() == b"f"
    assert work.contents() == {"e": b"e"}


def test_an_example_stands_where_another_was(work: Work) -> None:
    """What cannot come back because its place is taken counts as changed later."""
    work.commit("one", a="a", b="b", **{"d/e/f": "f"})
    work.ds.remove(["a", "b", "d"])
    work.ds.commit("two")
    work.commit("three", **{"a/x": "x", "d": "d"})
    with pytest.raises(TouchedLater) as caught:
        work.ds.revert(2)
    assert caught.value.items == ("a", "d/e/f")
    work.ds.revert(2, force=True)
    assert work.contents() == {"a/x": b"x", "b": b"b", "d": b"d"}
    assert work.files() == work.contents()
    # A changeset that exchanged the two is undone as a whole.
    work.ds.revert(3)
    work.ds.remove(["b"])
    work.ds.commit("six")
    work.commit("seven", **{"b/y": "y"})
    work.ds.revert(7)
    work.ds.revert(6)
    assert work.contents() == {"b": b"b"}


def test_nothing_to_revert(work: Work) -> None:
    """Changesets that are not there, and empty ones, cannot be undone."""
    with pytest.raises(NotFound, match="dataset data has no changeset yet"):
        work.ds.revert(1)
    work.ds.commit("empty", allow_empty=True)
    with pytest.raises(AnswerIsNo, match="changeset 1 is already undone"):
        work.ds.revert(1)
    with pytest.raises(NotFound, match="dataset data has no changeset 2"):
        work.ds.revert(2)


def test_rolling_back_is_being_there_again(work: Work) -> None:
    """Content, labels, removals and renames since N are undone in one changeset; files follow."""
    work.commit("one", a="a", b="b", c="c", d="d")
    there = work.snapshot()
    work.commit("two", a="A", e="e")
    work.path("b").unlink()
    work.ds.label(["c"], set=["x"])
    work.ds.move("d", "sub/d")
    work.ds.add(["."], deletions=True)
    work.ds.commit("three")
    work.commit("four", **{"a": "AA", "sub/d": "D"})
    forward = work.snapshot()
    planned = work.ds.plan_rollback(1)
    assert (planned.number, planned.written, planned.removed) == (
        1, ("a", "b", "d"), ("e", "sub/d"),
    )  # fmt: skip
    made = work.ds.rollback(1)
    assert (made.kind, made.reverts, made.message) == ("revert", None, "Go back to changeset 1")
    assert made.counts == Counts(added=2, modified=1, relabelled=1, deleted=2)
    assert work.snapshot() == there
    assert work.files() == {"a": b"a", "b": b"b", "c": b"c", "d": b"d"}
    assert work.state() == ([], [], [])
    with pytest.raises(AnswerIsNo, match="the dataset is as it was after changeset 1$"):
        work.ds.rollback(1)
    again = work.ds.rollback(4, message="forward", author="somebody")
    assert (again.message, again.author, work.snapshot()) == ("forward", "somebody", forward)
    assert work.files() == {"a": b"AA", "c": b"c", "sub/d": b"D", "e": b"e"}
    assert work.state() == ([], [], [])


def test_a_rollback_leaves_unsaved_work(work: Work) -> None:
    """Files with other content, staged changes and, with `keep_files`, all files stay."""
    work.commit("one", a="a", b="b", c="c")
    work.commit("two", a="A", b="B", c="C")
    work.write({"a": "unsaved", "b": "staged"})
    work.ds.add(["b"])
    work.ds.rollback(1)
    assert work.contents() == {"a": b"a", "b": b"b", "c": b"c"}
    assert work.files() == {"a": b"unsaved", "b": b"staged", "c": b"c"}
    work.ds.rollback(2, keep_files=True)
    assert work.files()["c"] == b"c"


def test_a_rollback_goes_back_alone(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changeset that comes in between, of other examples even, is never carried along unseen."""
    work.commit("one", a="a")
    work.commit("two", a="A")
    beside = Work(work.root)
    plan = revert.plan_rollback

    def late(*given: Any) -> revert.RevertPlan:
        planned = plan(*given)
        beside.commit("three", other="o")
        return planned

    monkeypatch.setattr("dsm.worktree.revert.plan_rollback", late)
    monkeypatch.setattr("dsm.worktree.committing.COMMIT_PATIENCE", 0)
    with pytest.raises(ChangedMeanwhile, match="^changeset 3 came in between\n"):
        work.ds.rollback(1)
    assert (work.ds.head, work.contents()) == (3, {"a": b"A", "other": b"o"})
