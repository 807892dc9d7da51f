"""dsm.lock: what it says, what it does not take, and files as it names them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from situations import Work

from dsm.errors import InvalidInput, NotFound
from dsm.repo.lock_file import (
    BYTES_MAX,
    BadLock,
    Lock,
    LockConflict,
    LockedDataset,
    LockedView,
    read_lock,
)

ID = "0" * 31 + "1"


@pytest.fixture
def locked(work: Work) -> Work:
    """A lock that names the first of two changesets: 1.txt went, 2.txt changed, 4.txt came."""
    work.commit("one", **{"1.txt": "1", "2.txt": "2", "3.txt": "3"})
    work.ds.prepare(name="all")
    work.repo.lock()
    work.path("1.txt").unlink()
    work.commit("two", **{"2.txt": "two", "4.txt": "4"})
    return work


def lock_of(work: Work) -> dict[str, object]:
    found: dict[str, object] = json.loads(work.path("dsm.lock").read_text())
    return found


def test_the_bytes_of_a_lock(golden: Callable[[str, str], None]) -> None:
    """A lock is written with one thing a line, and datasets and views by name."""
    views = {"b": LockedView("2" * 64, "3" * 64), "a": LockedView("4" * 64, "5" * 64)}
    datasets = (
        LockedDataset("photos", ID, 12, "a" * 64, views),
        LockedDataset("empty", "0" * 32, 0, ""),
    )
    golden("format/lock-file-v1.json", Lock("9" * 32, datasets).text())


def test_a_lock_names_heads_and_views(locked: Work) -> None:
    """It says each dataset's newest changeset, and the version and digest of each named view."""
    assert locked.repo.lock(dry_run=True).changes != ()
    first = locked.ds.changeset(1)
    view = locked.repo.view("all")
    assert lock_of(locked)["datasets"] == {
        "data": {
            "dataset": locked.ds.id, "number": 1, "changeset": first.id,
            "views": {"all": {"version": view.version, "digest": view.digest}},
        }
    }  # fmt: skip


def test_a_lock_that_is_up_to_date_is_not_written(locked: Work) -> None:
    """Writing it again changes nothing, and after that nothing differs."""
    assert locked.repo.lock_differences() == ("it names changeset 1, and the newest one here is 2",)
    assert locked.repo.lock().changes != ()
    before = locked.path("dsm.lock").stat().st_mtime_ns
    assert locked.repo.lock().changes == ()
    assert locked.path("dsm.lock").stat().st_mtime_ns == before
    assert locked.repo.lock_differences() == ()


def test_views_that_differ_are_named(locked: Work) -> None:
    """A view that has another version here, is gone or is new is named."""
    locked.repo.lock()
    locked.ds.prepare(paths=["2.txt"], name="two")
    assert locked.repo.lock_differences() == ("view two is not in it",)
    locked.repo.lock()
    from dsm.views.selection.prepared import take_name

    take_name(locked.repo, "two")
    assert locked.repo.lock_differences() == ("view two is another one, or missing, here",)


def test_exactly_the_locked_files_are_left(locked: Work) -> None:
    """Files come and go as the lock says, there and back, and no deletion waits to be committed."""
    lock = locked.path("dsm.lock").read_bytes()
    (number,) = locked.repo.locked().values()
    report = locked.ds.restore(source=number, exact=True)
    assert locked.files() == {"1.txt": b"1", "2.txt": b"2", "3.txt": b"3", "dsm.lock": lock}
    assert (report.written, report.removed, report.unchanged) == (2, 1, 1)
    assert {c.path: c.kind for c in locked.ds.status().unstaged} == {"2.txt": "modified"}
    locked.repo.lock()
    (number,) = locked.repo.locked().values()
    plan = locked.ds.restore(source=number, exact=True, dry_run=True)
    assert (plan.paths, plan.removed) == (("2.txt", "4.txt"), 1)
    locked.ds.restore(source=number, exact=True)
    assert set(locked.files()) == {"2.txt", "3.txt", "4.txt", "dsm.lock"}
    assert locked.ds.status().clean


def test_unsaved_work_stays(locked: Work) -> None:
    """What is stored nowhere, staged or not dsm's is not removed by an exact restore."""
    locked.write({"4.txt": "edited", "new.txt": "new", "staged.txt": "staged"})
    locked.ds.add(["staged.txt"])
    locked.ds.restore(source=1, exact=True)
    left = {"1.txt", "2.txt", "3.txt", "4.txt", "new.txt", "staged.txt", "dsm.lock"}
    assert set(locked.files()) == left
    assert locked.path("4.txt").read_text() == "edited"


def test_exact_goes_with_a_source_alone(locked: Work, tmp_path: Path) -> None:
    """Without a source, with paths and elsewhere there is nothing that exact could mean."""
    for more in ({}, {"source": 1, "to": tmp_path}, {"source": 1, "paths": ["1.txt"]}):
        with pytest.raises(InvalidInput, match="source alone"):
            locked.ds.restore(exact=True, **more)  # type: ignore[arg-type]


def test_a_renamed_dataset_is_found_by_its_id(locked: Work) -> None:
    """The lock of before a rename names the dataset that now has another name."""
    locked.repo.rename_dataset("data", "photos")
    assert locked.repo.locked() == {"photos": 1}


def edited(work: Work, **changed: object) -> None:
    """Changes fields of the dataset in the lock."""
    fields = lock_of(work)
    fields["datasets"]["data"].update(changed)  # type: ignore[index]
    work.path("dsm.lock").write_text(json.dumps(fields))


def test_what_is_not_here_is_not_found(locked: Work) -> None:
    """A changeset that did not come yet, and a dataset of elsewhere, are named as missing."""
    edited(locked, number=3, changeset="a" * 64)
    with pytest.raises(NotFound, match=r"names changeset 3 \(aaaaaaaaaaaa\)"):
        locked.repo.locked()
    assert locked.repo.lock_differences() == ("it names changeset 3, which is not here",)
    edited(locked, dataset=ID)
    with pytest.raises(NotFound, match="dataset data, which is not here"):
        locked.repo.locked()
    locked.path("dsm.lock").unlink()
    with pytest.raises(NotFound, match=r"there is no dsm\.lock"):
        locked.repo.locked()
    assert locked.repo.lock_differences() is None


BAD = {
    "empty": b"", "cut off": b'{"format": 1', "a list": b"[]", "a number": b"1", "deep": b"[" * 10**5,
    "not UTF-8": b"\xff", "format 2": b'{"format": 2}', "no datasets": b'{"format": 1}',
    "datasets are a list": b'{"format": 1, "repository": "", "datasets": []}',
    "a dataset is a text": b'{"format": 1, "repository": "", "datasets": {"a": "b"}}',
    "too long": b" " * (BYTES_MAX + 1),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_lock_that_is_none_is_refused(work: Work, name: str) -> None:
    """Bytes that `dsm lock` does not write are told in one line, and replaced only with force."""
    work.commit("one", a="1")
    work.path("dsm.lock").write_bytes(BAD[name])
    with pytest.raises(BadLock) as caught:
        work.repo.lock()
    assert "\n" not in caught.value.message
    assert work.repo.lock_differences() == (caught.value.message,)
    work.repo.lock(force=True)
    assert work.repo.lock_differences() == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"number": -1}, {"number": True}, {"number": 10**8}, {"number": "1"}, {"changeset": "x"},
        {"changeset": None}, {"dataset": "../../x"}, {"dataset": 1}, {"views": []},
        {"views": {"a": {}}}, {"views": {"a": {"version": "a", "digest": "b"}}}, {"number": 0},
    ],
)  # fmt: skip
def test_fields_of_other_kinds_are_refused(locked: Work, changed: dict[str, object]) -> None:
    """A field that cannot be is not taken for what it is called."""
    edited(locked, **changed)
    with pytest.raises(BadLock, match=r"dsm\.lock is not what dsm writes"):
        read_lock(locked.repo)


def merged(work: Work, ours: str, theirs: str, middle: str = "") -> None:
    work.path("dsm.lock").write_text(
        f"<<<<<<< HEAD\n{ours}{middle}=======\n{theirs}>>>>>>> other\n"
    )


def test_a_merge_of_what_is_here_is_settled(locked: Work) -> None:
    """Where both sides are in the history, the head has both: lock names it."""
    ours = locked.path("dsm.lock").read_text()
    locked.repo.lock()
    theirs = locked.path("dsm.lock").read_text()
    for middle in ("", f"||||||| base\n{ours}"):
        merged(locked, ours, theirs, middle)
        with pytest.raises(LockConflict) as caught:
            locked.repo.locked()
        assert caught.value.items == ("data: ours has changeset 1; theirs has changeset 2",)
        assert locked.repo.lock().changes == caught.value.items
        assert locked.path("dsm.lock").read_text() == theirs


def test_a_merge_of_what_is_not_here_is_refused(locked: Work) -> None:
    """The side that has to be pulled first is named; nothing is written without force."""
    ours = locked.path("dsm.lock").read_text()
    edited(locked, number=3, changeset="a" * 64)
    merged(locked, ours, locked.path("dsm.lock").read_text() + "\n")
    before = locked.path("dsm.lock").read_bytes()
    with pytest.raises(LockConflict, match="merge conflict") as caught:
        locked.repo.lock()
    told = ("data: ours has changeset 1; theirs has changeset 3, which is not here",)
    assert caught.value.items == told
    assert locked.path("dsm.lock").read_bytes() == before
    locked.repo.lock(force=True)
    assert locked.repo.lock_differences() == ()


def test_a_link_in_its_place_is_replaced(locked: Work, tmp_path: Path) -> None:
    """Where somebody has planted a link, the lock takes its place, and what it led to stays."""
    other = tmp_path / "other"
    other.write_text("other")
    locked.path("dsm.lock").unlink()
    locked.path("dsm.lock").symlink_to(other)
    locked.repo.lock(force=True)
    assert (other.read_text(), locked.path("dsm.lock").is_symlink()) == ("other", False)
