"""What removes, renames or undoes says so beforehand: a dry run is judged as the run is."""

from __future__ import annotations

from pathlib import Path

import pytest
from situations import Work

from dsm.errors import Conflict, NotFound
from dsm.files.restore import UnsavedWork
from dsm.history.revert import TouchedLater


@pytest.fixture
def some(work: Work) -> Work:
    """Three changesets: files, a change with a new and a lost one, and labels."""
    work.commit("one", **{"a": "a", "b": "b", "dir/c": "c", "dir/d": "d"})
    work.path("b").unlink()
    work.commit("two", **{"a": "A", "new": "new"})
    work.ds.label(["dir"], add=["x"])
    work.ds.commit("three")
    work.ds.status()  # so that the index is as new as it gets
    return work


def everything(work: Work) -> dict[str, bytes]:
    """All files of the work tree and of `.dsm`, but for the index, which any command may renew."""
    found = {
        path.relative_to(work.root).as_posix(): path.read_bytes()
        for path in work.root.rglob("*") if path.is_file()
    }  # fmt: skip
    return {name: data for name, data in found.items() if "/local/index/" not in f"/{name}"}


def test_a_planned_move_is_the_move(some: Work) -> None:
    """A dry run names the same pairs, for files and folders, and changes nothing."""
    for source, target in (("dir", "other"), ("a", "dir"), ("new", "deep/er/new")):
        before = everything(some)
        planned = some.ds.move(source, target, dry_run=True)
        assert everything(some) == before
        assert some.ds.move(source, target) == planned


def test_a_planned_move_is_refused_as_the_move_is(some: Work) -> None:
    """A name that is taken and one that is not there are told by the dry run, too."""
    for dry_run in (True, False):
        with pytest.raises(Conflict, match="new exists already"):
            some.ds.move("a", "new", dry_run=dry_run)
        with pytest.raises(NotFound, match="no tracked example is nowhere"):
            some.ds.move("nowhere", "x", dry_run=dry_run)
    some.write({"new": "unsaved"})
    assert some.ds.move("a", "new", force=True, dry_run=True) == (("a", "new"),)
    assert some.path("new").read_text() == "unsaved"


def test_a_planned_removal_is_the_removal(some: Work) -> None:
    """A dry run names the same examples, refuses the same unsaved files, and changes nothing."""
    some.write({"dir/c": "unsaved"})
    before = everything(some)
    for dry_run in (True, False):
        with pytest.raises(UnsavedWork, match="1 file changed since it was added"):
            some.ds.remove(["dir"], dry_run=dry_run)
    planned = some.ds.remove(["dir", "a"], force=True, dry_run=True)
    assert everything(some) == before
    assert some.ds.remove(["dir", "a"], force=True) == planned == ("a", "dir/c", "dir/d")


@pytest.mark.parametrize("keep_files", [False, True])
@pytest.mark.parametrize("number", [2, 3])
def test_a_planned_revert_is_the_revert(some: Work, number: int, keep_files: bool) -> None:
    """The plan names the changes of the new changeset, and the files that it writes and removes."""
    before, files = everything(some), some.files()
    planned = some.ds.plan_revert(number, keep_files=keep_files)
    assert everything(some) == before
    changeset = some.ds.revert(number, keep_files=keep_files)
    done = some.ds.changes(changeset.number)
    assert planned.changes == done.changes
    now = some.files()
    assert planned.number == number
    assert planned.written == tuple(sorted(p for p in now if now[p] != files.get(p)))
    assert planned.removed == tuple(sorted(files.keys() - now.keys()))


def test_a_planned_revert_is_refused_as_the_revert_is(some: Work) -> None:
    """What later changesets touched is refused by the plan, and with force named as kept."""
    some.commit("four", a="later")
    for verb in (some.ds.plan_revert, some.ds.revert):
        with pytest.raises(TouchedLater, match="1 of the 3 examples of changeset 2"):
            verb(2)
    planned = some.ds.plan_revert(2, force=True)
    assert planned.kept == ("a",)
    assert [(change.kind, change.path) for change in planned.changes] == [
        ("added", "b"), ("deleted", "new"),
    ]  # fmt: skip


def test_a_planned_revert_leaves_files_that_changed(some: Work) -> None:
    """A file that holds something else is in neither list, and the revert leaves it."""
    some.write({"a": "unsaved"})
    planned = some.ds.plan_revert(2)
    assert "a" not in planned.written and planned.written == ("b",)
    some.ds.revert(2)
    assert Path(some.path("a")).read_text() == "unsaved"
