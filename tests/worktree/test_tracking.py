"""The stage and the index: what they know survives processes, and damage costs time, not truth."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from situations import Work

from dsm.errors import DamagedData
from dsm.maintenance.fsck import fsck
from dsm.model.changeset import Counts
from dsm.worktree import index as index_module


def index_folder(work: Work) -> Path:
    return Path(work.repo.layout.index("data"))


def segments(work: Work) -> list[Path]:
    return sorted(Path(work.repo.layout.stage("data")).glob("*.stage"))


def busy(work: Work) -> None:
    """A dataset with something of every kind."""
    work.commit("one", **{f"dir{n % 3}/f{n}": f"{n}" for n in range(30)})
    work.ds.add({"absent": b"x"})
    work.ds.commit("two")
    work.write({"dir0/f0": "changed", "new": "n", "dir1/f1": "staged"})
    work.ds.add(["dir1/f1"])
    work.ds.label(["dir2"], add=["x"])


def test_status_of_everything(work: Work) -> None:
    """Staged, changed, deleted, untracked and absent examples are told apart."""
    busy(work)
    work.path("dir0/f3").unlink()
    status = work.ds.status()
    assert [c.path for c in status.staged] == sorted(
        ["dir1/f1", *(f"dir2/f{n}" for n in range(2, 30, 3))]
    )
    assert [(c.kind, c.path) for c in status.unstaged] == [
        ("modified", "dir0/f0"), ("deleted", "dir0/f3")
    ]  # fmt: skip
    assert (status.untracked, status.absent) == (("new",), 1)
    assert (status.dataset, status.head, status.examples, status.clean) == ("data", 2, 31, False)
    assert status == work.reopen().status()


def test_the_index_is_rebuilt_from_nothing(work: Work) -> None:
    """Without index, or without all of `local` but the stage, status is the same."""
    busy(work)
    before = work.ds.status()
    for name in ("base", "log"):
        (index_folder(work) / name).unlink(missing_ok=True)
    assert work.reopen().status() == before
    assert work.ds.status() == before
    for name in os.listdir(work.repo.layout.local):
        if name != "stage":
            path = Path(work.repo.layout.local) / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert work.reopen().status() == before
    work.ds.add(["new"])
    work.ds.commit("three")
    assert work.contents()["new"] == b"n"


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_index_is_not_believed(work: Work, seed: int) -> None:
    """Flipped, cut or swapped index files: the same status, and the next ones too."""
    busy(work)
    before = work.ds.status()
    work.ds.status()
    source = random.Random(seed)
    for _ in range(6):
        for path in sorted(index_folder(work).iterdir()):
            data = bytearray(path.read_bytes())
            what = source.choice(["flip", "cut", "empty", "append", "none"])
            if what == "flip" and data:
                data[source.randrange(len(data))] ^= 1 << source.randrange(8)
            elif what == "cut":
                del data[source.randrange(len(data) + 1) :]
            elif what == "empty":
                data.clear()
            elif what == "append":
                data += source.randbytes(source.randrange(1, 90))
            path.write_bytes(data)
        assert work.reopen().status() == before
        assert work.ds.status() == before
    assert work.ds.commit("three").counts.rows == 11


def test_an_old_index_is_brought_up_to_date(work: Work) -> None:
    """An index put back from an earlier time, before or after commits, misleads nobody."""
    work.commit("one", a="a", b="b")
    work.ds.status()
    shutil.copytree(index_folder(work), work.root / "old", dirs_exist_ok=True)
    work.write({".dsmignore": "old\n"})
    work.commit("two", a="A", c="c")
    work.ds.remove(["b"])
    work.write({"d": "d"})
    work.ds.add(["d"])
    before = work.ds.status()
    shutil.rmtree(index_folder(work))
    shutil.copytree(work.root / "old", index_folder(work))
    assert work.reopen().status() == before
    work.ds.commit("three")
    later = work.ds.status()
    shutil.rmtree(index_folder(work))
    shutil.copytree(work.root / "old", index_folder(work))
    assert work.reopen().status() == later
    assert sorted(work.contents()) == ["a", "c", "d"]


def test_the_log_of_the_index_is_folded_in_time(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many small changes, and a few large ones, give the index that a fresh one would be."""
    monkeypatch.setattr(index_module, "LOG_CHANGES_MAX", 7)
    source = random.Random(9)
    names = [f"d{n % 4}/f{n}" for n in range(40)]
    for number in range(25):
        chosen = source.sample(names, source.choice([1, 2, 12]))
        work.write({name: f"{number}" for name in chosen})
        work.ds.add(chosen)
        if source.random() < 0.5:
            work.ds.commit(f"{number}")
        if source.random() < 0.2:
            work.ds.status()
    before = work.ds.status()
    assert before.unstaged == ()
    shutil.rmtree(index_folder(work))
    assert work.reopen().status() == before


# --- the stage --------------------------------------------------------------------------------------


def test_the_stage_outlives_the_process(work: Work) -> None:
    """What was staged is there for the next process, and later commands lie over earlier ones."""
    work.write({"a": "1", "b": "1"})
    work.ds.add(["a", "b"], labels=["x"])
    work.write({"a": "2"})
    work.reopen().add(["a"])
    work.reopen().label(["b"], set=["y"])
    work.reopen().remove(["b"])
    work.reopen().add({"c": b"c"})
    assert len(segments(work)) >= 4
    work.reopen().commit("one")
    assert work.snapshot() == {"a": (b"2", ("x",)), "c": (b"c", ())}
    assert segments(work) == []


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_stage_is_refused_and_can_be_dropped(work: Work, damage: str) -> None:
    """A damaged segment stops what needs the stage, says how to drop it, and history still reads."""
    work.commit("one", a="a", b="b")
    work.write({"a": "A", "b": "B"})
    work.ds.add(["a"])
    work.ds.add(["b"])
    path = segments(work)[0]
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    elif damage == "cut":
        del data[-1]
    else:
        data.clear()
    path.chmod(0o644)
    path.write_bytes(data)
    for use in (
        lambda: work.reopen().status(), lambda: work.ds.commit("two"), lambda: work.ds.add(["a"]),
    ):  # fmt: skip
        with pytest.raises(DamagedData, match="is damaged: staged changes were lost") as caught:
            use()
        assert "dsm restore --staged" in (caught.value.hint or "")
    assert work.contents() == {"a": b"a", "b": b"b"}
    assert len(list(work.ds.log())) == 1
    work.ds.unstage()
    assert work.state() == ([], [("m", "a"), ("m", "b")], [])
    assert work.commit("two") == 2
    assert work.contents() == {"a": b"A", "b": b"B"}


def test_strange_files_beside_the_stage(work: Work) -> None:
    """Files of other names are passed over; a segment that was renamed is refused."""
    work.write({"a": "a", "b": "b"})
    work.ds.add(["a"])
    folder = segments(work)[0].parent
    (folder / "README").write_bytes(b"")
    (folder / "strange.stage~").write_bytes(b"")
    assert work.reopen().status().staged[0].path == "a"
    work.ds.add(["b"])
    for name in ("abcdefgh-x.stage", "00000009-00000000.stage"):
        segments(work)[0].rename(folder / name)
        with pytest.raises(DamagedData, match="was renamed: staged changes were lost"):
            work.reopen().status()
    work.ds.unstage()
    work.ds.add(["."])
    assert work.ds.commit("one").counts == Counts(added=2)


def test_racing_additions_lose_nothing(work: Work) -> None:
    """Two processes that stage at once both have their examples in the stage."""
    work.write({f"f{n}": f"{n}" for n in range(20)})
    one, two = work.ds, work.repo.dataset("data")
    for number in range(0, 20, 2):
        one.add([f"f{number}"])
        two.add([f"f{number + 1}"])
    assert work.reopen().commit("all").counts == Counts(added=20)
    assert work.state() == ([], [], [])


def test_what_another_process_committed(work: Work) -> None:
    """A dataset opened before sees changesets, stage and files as they are now."""
    early = work.ds
    assert early.status().head == 0
    work.commit("one", a="a")
    assert early.status().clean and early.head == 1
    other = work.repo.dataset("data")
    other.add({"b": b"b"})
    other.commit("two")
    work.write({"a": "A"})
    status = early.status()
    assert (status.head, status.examples, status.absent) == (2, 2, 1)
    assert [c.path for c in status.unstaged] == ["a"]
    early.add(["a"])
    assert early.commit("three").number == 3
    assert [c.number for c in early.log()] == [3, 2, 1]


@pytest.mark.parametrize("which", ["index", "absent"])
def test_bytes_behind_a_log_are_found(work: Work, which: str) -> None:
    """Text that somebody appended to the log of an index, or of what is absent, is damage; an append
    that a power cut interrupted is none."""
    work.write({"a": "one", "b": "two"})
    work.ds.add(["."])
    work.ds.commit("first")
    work.ds.add({"c": b"three"})
    work.ds.commit("second")
    layout = work.repo.layout
    folder = layout.index("data") if which == "index" else layout.absent("data")
    log = Path(folder) / "log"
    assert fsck(work.repo, full=False).findings == ()
    sound = log.read_bytes()
    log.write_bytes(sound + b"\x10\0\0\0torn")
    assert fsck(work.repo, full=False).findings == ()
    log.write_bytes(sound + b"somebody's notes")
    (found,) = fsck(work.repo, full=False).findings
    assert (found.kind, work.path(found.where)) == ("index", log)
