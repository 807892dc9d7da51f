"""Writing examples back: exact bytes, nothing lost, nothing outside, nothing through a link."""

from __future__ import annotations

import os
import random
import stat
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from situations import Work

from dsm.errors import AnswerIsNo, Conflict, DamagedData, DsmError, InvalidInput, NotFound
from dsm.files import restore as module
from dsm.files.restore import UnsafeTarget, UnsavedWork
from dsm.format import manifest
from dsm.history.commit import Intent, record
from dsm.model.example import Example
from dsm.model.rows import Rows


def many(work: Work) -> dict[str, bytes]:
    source = random.Random("many")
    files = {
        f"d{n % 5}/s{n % 3}/f{n}": source.randbytes(source.randint(0, 5000)) for n in range(150)
    }
    files |= {"large": source.randbytes(3 << 20), "empty": b"", "same1": b"same", "same2": b"same"}
    work.write(files)
    work.ds.add(["."])
    work.ds.commit("one")
    return files


def test_everything_comes_back_elsewhere(work: Work) -> None:
    """A snapshot restored to another folder is the files, byte for byte, and nothing else."""
    files = many(work)
    report = work.ds.restore(to="out")
    assert work.files(work.path("out")) == files
    assert (report.written, report.unchanged) == (len(files), 0)
    assert report.size == sum(map(len, files.values()))
    assert report.target == str(work.path("out"))
    again = work.ds.restore(to="out")
    assert (again.written, again.unchanged, again.size) == (0, len(files), 0)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((work.root / "out/large").stat().st_mode) == 0o666 & ~umask


def test_workers_write_the_same(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several workers, and a single one, write the same files."""
    files = many(work)
    monkeypatch.setattr(module, "WORKER_FILES", 10)
    for count in ("2", "3", "7"):
        work.repo.config.set("core.workers", count)
        report = work.ds.restore(to=f"out{count}")
        assert work.files(work.path(f"out{count}")) == files
        assert report.written == len(files)


def test_workers_report_what_stops_them(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """An obstacle that comes after the plan is met by a worker, and told as it would be without."""
    many(work)
    monkeypatch.setattr(module, "WORKER_FILES", 10)
    planned = module.plan(str(work.path("out")), work.ds.ls())
    (work.root / "out").mkdir()
    (work.root / "out" / "d3").write_bytes(b"a file")
    with pytest.raises(Conflict, match="where a folder must be") as caught:
        module.perform(planned, work.repo.store, force=False, workers=2)
    assert caught.value.code == UnsafeTarget.code
    assert (work.root / "out" / "d3").read_bytes() == b"a file"


def test_lost_and_changed_files_come_back(work: Work) -> None:
    """In place, what is missing is written; what differs is unsaved work, until forced."""
    work.commit("one", a="a", b="b", **{"dir/c": "c"})
    work.path("a").unlink()
    work.path("dir/c").unlink()
    work.path("dir").rmdir()
    assert work.ds.restore().written == 2
    assert work.files() == {"a": b"a", "b": b"b", "dir/c": b"c"}
    assert work.state() == ([], [], [])
    work.write({"a": "unsaved", "untracked": "u"})
    work.path("b").unlink()
    with pytest.raises(UnsavedWork) as caught:
        work.ds.restore()
    assert caught.value.items == ("a",)
    assert work.files() == {"a": b"unsaved", "dir/c": b"c", "untracked": b"u"}  # nothing written
    assert work.ds.restore(["b"]).written == 1
    work.ds.restore(force=True)
    assert work.files() == {"a": b"a", "b": b"b", "dir/c": b"c", "untracked": b"u"}
    assert work.state() == ([], [], ["untracked"])


def test_paths_choose(work: Work) -> None:
    """Paths restore what is at or below them; a path without example is an error by name."""
    work.commit("one", a="a", **{"dir/b": "b", "dir/c": "c", "dirx": "x"})
    for name in ("a", "dir/b", "dir/c", "dirx"):
        work.path(name).unlink()
    assert work.ds.restore(["dir"]).written == 2
    assert sorted(work.files()) == ["dir/b", "dir/c"]
    with pytest.raises(NotFound, match="nowhere"):
        work.ds.restore(["a", "nowhere"])
    assert sorted(work.files()) == ["dir/b", "dir/c"]


def test_staged_content_is_what_comes_back(work: Work) -> None:
    """Without a source, a staged version is restored, and a staged deletion stays one."""
    work.commit("one", a="a", b="b")
    work.write({"a": "staged"})
    work.ds.add(["a"])
    work.ds.remove(["b"])
    work.path("a").unlink()
    work.ds.restore()
    assert work.files() == {"a": b"staged"}
    with pytest.raises(NotFound, match="no tracked example is b or lies below it"):
        work.ds.restore(["b"])
    assert work.ds.restore(["b"], source="head").written == 1


def test_older_versions(work: Work) -> None:
    """A source restores that snapshot; stored content may go, and status tells the difference."""
    work.commit("one", a="a1", b="b1", c="c1")
    work.commit("two", a="a2", b="b2")
    work.ds.remove(["c"])
    work.ds.commit("three")
    report = work.ds.restore(source=1)
    assert (report.written, report.unchanged) == (3, 0)
    assert work.files() == {"a": b"a1", "b": b"b1", "c": b"c1"}
    assert work.state() == ([], [("m", "a"), ("m", "b")], ["c"])
    # And forth again: what an older changeset holds is saved work.
    assert work.ds.restore().written == 2
    assert work.files() == {"a": b"a2", "b": b"b2", "c": b"c1"}
    assert work.ds.restore(["a"], source="head~2", to="old").written == 1
    assert work.files(work.path("old")) == {"a": b"a1"}


def test_a_file_just_added_may_be_replaced(work: Work) -> None:
    """Content that was committed this very moment is saved: another version may take its place."""
    work.commit("one", a="1")
    work.commit("two", a="2")
    work.ds.restore(source=1)
    assert work.files() == {"a": b"1"}


def test_dry_runs_write_nothing(work: Work) -> None:
    """A dry run lists what would be written, in order, and leaves the tree alone."""
    work.commit("one", a="aa", b="b")
    work.write({"a": "unsaved"})
    work.path("b").unlink()
    with pytest.raises(UnsavedWork, match="1 file with content that is in no changeset would"):
        work.ds.restore(dry_run=True)
    report = work.ds.restore(dry_run=True, force=True)
    assert (report.paths, report.written, report.size) == (("a", "b"), 2, 3)
    assert work.files() == {"a": b"unsaved"}
    assert not work.path("out").exists() and work.ds.restore(dry_run=True, to="out").written == 2
    assert not work.path("out").exists()


def test_nothing_to_restore(work: Work) -> None:
    """A dataset without changesets has nothing to give; an emptied one writes nothing."""
    with pytest.raises(AnswerIsNo, match="is nothing to restore: the dataset has no"):
        work.ds.restore()
    work.commit("one", a="a")
    work.ds.remove(["a"])
    work.ds.commit("two")
    assert work.ds.restore(to="out").written == 0


def test_links_that_hold_what_is_wanted(work: Work) -> None:
    """A tracked link whose target holds the content is as good as the file, and stays a link."""
    work.write({"real": "content"})
    os.symlink("real", work.path("link"))
    work.ds.add(["."])
    work.ds.commit("one")
    report = work.ds.restore()
    assert (report.written, report.unchanged) == (0, 2)
    assert work.path("link").is_symlink()
    work.write({"real": "changed"})
    with pytest.raises(UnsavedWork) as caught:
        work.ds.restore()
    assert set(caught.value.items) == {"link", "real"}
    work.ds.restore(force=True)
    assert work.files() == {"real": b"content", "link": b"content"}
    assert not work.path("link").is_symlink()


# --- targets that are traps -------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "f").write_bytes(b"precious")
    return folder


@pytest.mark.parametrize("force", [False, True])
def test_nothing_is_written_through_a_link(work: Work, outside: Path, force: bool) -> None:
    """A link where a folder or a file must be is never followed, forced or not."""
    work.commit("one", **{"dir/f": "f", "file": "x"})
    target = work.root / "out"
    target.mkdir()
    os.symlink(outside, target / "dir")
    os.symlink(outside / "f", target / "file")
    with pytest.raises(Conflict, match="is a link or a file where a folder must be; nothing"):
        work.ds.restore(to="out", force=force)
    assert (outside / "f").read_bytes() == b"precious"
    assert os.listdir(outside) == ["f"]
    (target / "dir").unlink()
    if force:
        work.ds.restore(to="out", force=True)  # a link in the place of a file is replaced
        assert (target / "file").read_bytes() == b"x" and not (target / "file").is_symlink()
        assert (outside / "f").read_bytes() == b"precious"


def test_a_dangling_link_in_the_way(work: Work, outside: Path) -> None:
    """A link to nothing is not written through either."""
    work.commit("one", file="x", **{"dir/f": "y"})
    target = work.root / "out"
    target.mkdir()
    os.symlink(outside / "new", target / "file")
    os.symlink(outside / "newdir", target / "dir")
    with pytest.raises(Conflict, match="is a link or a file where a folder must be; nothing"):
        work.ds.restore(to="out")
    with pytest.raises(Conflict, match="is a link or a file where a folder must be; nothing"):
        work.ds.restore(to="out", force=True)
    assert os.listdir(outside) == ["f"]


def test_in_place_through_a_link(work: Work, outside: Path) -> None:
    """A tracked folder that was replaced by a link is not restored through it."""
    work.commit("one", **{"dir/f": "f", "dir/g": "g"})
    work.path("dir/f").unlink()
    work.path("dir/g").unlink()
    work.path("dir").rmdir()
    os.symlink(outside, work.path("dir"))
    for force in (False, True):
        with pytest.raises(Conflict, match="is a link or a file where a folder must be; nothing"):
            work.ds.restore(force=force)
    assert os.listdir(outside) == ["f"] and (outside / "f").read_bytes() == b"precious"


def test_the_target_may_be_a_link_of_ones_own(work: Work, outside: Path) -> None:
    """The target itself is the user's word: a link to a folder is that folder."""
    work.commit("one", a="a")
    os.symlink(outside, work.root / "out")
    work.ds.restore(to="out")
    assert (outside / "a").read_bytes() == b"a"


@pytest.mark.parametrize("what", ["file", "pipe", "dangling link"])
def test_targets_that_are_no_folder(work: Work, what: str) -> None:
    """A target that is no folder is refused with an error of ours."""
    work.commit("one", a="a")
    target = work.root / "out"
    if what == "file":
        target.write_bytes(b"mine")
    elif what == "pipe":
        os.mkfifo(target)
    else:
        target.symlink_to(work.root / "nowhere")
    with pytest.raises(DsmError, match="is not a folder"):
        work.ds.restore(to="out")
    assert not (work.root / "nowhere").exists()


def test_things_in_the_way(work: Work) -> None:
    """A folder where a file must be, and a file where a folder must be, are left alone."""
    work.commit("one", a="a", **{"dir/b": "b"})
    target = work.root / "out"
    (target / "a").mkdir(parents=True)
    (target / "a" / "mine").write_bytes(b"mine")
    (target / "dir").write_bytes(b"mine")
    for force in (False, True):
        with pytest.raises(Conflict, match="a is a folder where a file must be, and work in it"):
            work.ds.restore(to="out", force=force)
    found = work.files(target)
    assert found["a/mine"] == b"mine" and found["dir"] == b"mine"


def test_a_folder_of_saved_files_becomes_a_file(work: Work) -> None:
    """Files and folders that change places follow a restore as long as nothing of them is lost."""
    work.commit("one", ok="one")
    work.path("ok").unlink()
    two = {"ok/z": b"z", "ok/deep/y": b"y"}
    work.commit("two", **two)
    (work.root / "ok/empty/er").mkdir(parents=True)
    report = work.ds.restore(source=1, dry_run=True)
    assert (report.paths, report.removed, work.files()) == (("ok",), 2, two)
    report = work.ds.restore(source=1)
    assert (report.written, report.removed, work.files()) == (1, 2, {"ok": b"one"})
    assert work.state() == ([], [("d", "ok/deep/y"), ("d", "ok/z")], ["ok"])
    report = work.ds.restore()
    assert (report.written, report.removed, work.files()) == (2, 1, two)
    assert work.state() == ([], [], [])
    work.write({"ok/z": "staged"})
    work.ds.add(["ok/z"])
    os.utime(work.path("ok/z"), ns=(0, 0))
    assert work.ds.restore(source=1).removed == 2
    assert work.ds.restore().written == 2
    assert work.files() == {**two, "ok/z": b"staged"}


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_with_unsaved_files_stays(work: Work, force: bool) -> None:
    """Unsaved or untracked work where a file or folder must be is named before anything goes."""
    work.commit("one", ok="one", other="saved")
    work.path("ok").unlink()
    work.path("other").unlink()
    work.commit("two", **{"ok/z": "z", "other/z": "z"})
    os.symlink("z", work.path("ok/link"))
    work.write({"ok/new": "mine"})
    before = work.files()
    with pytest.raises(UnsafeTarget, match="ok is a folder where a file must be") as caught:
        work.ds.restore(source=1, force=force)
    assert caught.value.items == ("ok/link", "ok/new")
    assert caught.value.hint is not None and "move it away" in caught.value.hint
    assert work.files() == before
    work.path("ok").rename(work.path("away"))
    assert work.ds.restore(source=1, force=force).removed == 1
    work.write({"ok": "mine"})
    with pytest.raises(UnsafeTarget, match="where a folder must be"):
        work.ds.restore(force=force)
    assert (work.path("ok").read_bytes(), work.path("other").read_bytes()) == (b"mine", b"saved")


def test_no_temporary_files_stay(work: Work) -> None:
    """After success and after refusal the target holds files of ours under their names only."""
    files = many(work)
    target = work.root / "out"
    (target / "d1").mkdir(parents=True)
    (target / "d1" / "s1").write_bytes(b"in the way")
    with pytest.raises(Conflict, match="is a link or a file where a folder must be; nothing"):
        work.ds.restore(to="out")
    names = set(work.files(target)) - {"d1/s1"}
    assert names <= set(files)
    (target / "d1" / "s1").unlink()
    work.ds.restore(to="out")
    assert work.files(target) == files
    assert not [name for name in os.listdir(work.repo.layout.temporary) if "restore" in name]


# --- hostile manifests ------------------------------------------------------------------------------


def plant(work: Work, monkeypatch: pytest.MonkeyPatch, *examples: Example) -> None:
    """Commits rows as a hostile program would: every hash fits, whatever the rows say."""
    rows = Rows()
    for example in examples:
        rows.put("A", example)
    intent = Intent("hostile", "mallory", work.clock(), os.urandom(16).hex())
    ds = work.ds
    with monkeypatch.context() as patched:
        for name in ("check_path", "check_rows"):
            patched.setattr(manifest, name, lambda *_: None)
        from dsm.history import commit

        if hasattr(commit, "check_path"):
            patched.setattr(commit, "check_path", lambda path: path)
        record(work.repo, ds.log_, ds.snapshots, rows.sorted(), ds.head, intent)
    work.reopen()


HOSTILE = [
    "../escaped", "a/../../escaped", "/tmp/dsm-escaped", "./x", "a//b", "", ".dsm/config.toml",
    ".git/hooks/pre-commit", "x/.dsm/repo.json", "nul\0byte", "x" * 300, "..", "a/..",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_paths_write_nothing(
    work: Work, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A manifest whose paths lead elsewhere is refused by every command that would use them."""
    work.commit("one", a="a")
    config = work.root / ".dsm" / "config.toml"
    before = config.read_bytes() if config.exists() else None
    data = b"planted"
    oid = work.repo.store.put(data)
    work.repo.store.flush()
    good = Example("good", oid, len(data), 0)
    plant(work, monkeypatch, Example(path, oid, len(data), 0), good)
    uses: list[Any] = [
        lambda: work.ds.restore(), lambda: work.ds.restore(to="out"),
        lambda: work.ds.restore(to="out", force=True), lambda: work.ds.prepare().get("tars"),
        lambda: work.ds.snapshot(), lambda: list(work.ds.ls()),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(DsmError, match="the manifest of changeset 2"):
            use()
    for use in (
        work.ds.status,
        lambda: work.ds.diff(1, 2),
        lambda: list(work.ds.log(paths=["a"])),
        lambda: work.ds.remove(["."], force=True),
        lambda: work.ds.revert(2),
        lambda: work.ds.commit("all", all=True),
        lambda: work.ds.add(["."], deletions=True),
    ):
        try:
            use()
        except DsmError:
            continue
    assert not (work.root.parent / "escaped").exists()
    assert not Path("/tmp/dsm-escaped").exists()
    assert (config.read_bytes() if config.exists() else None) == before
    assert work.path("a").exists() or work.ds.head > 2
    assert (work.root / ".dsm" / "repo.json").exists()


def test_a_planted_link_and_a_path_through_it(
    work: Work, monkeypatch: pytest.MonkeyPatch, outside: Path
) -> None:
    """An example `x` cannot be a link, so `x/f` cannot lead through it; both together are refused."""
    work.commit("one", a="a")
    oid = work.repo.store.put(b"planted")
    work.repo.store.flush()
    plant(work, monkeypatch, Example("x", oid, 7, 0), Example("x/f", oid, 7, 0))
    os.symlink(outside, work.path("x"))
    for force in (False, True):
        with pytest.raises(DsmError, match="is a link or a file where a folder must be; nothing"):
            work.ds.restore(force=force)
    assert (outside / "f").read_bytes() == b"precious"


def test_files_outside_are_not_removed(
    work: Work, monkeypatch: pytest.MonkeyPatch, outside: Path
) -> None:
    """Neither `rm` nor `revert` removes what a hostile path leads to, though its content fits."""
    work.commit("one", a="a")
    oid = blake3(b"precious").digest()
    work.repo.store.put(b"precious")
    work.repo.store.flush()
    plant(work, monkeypatch, Example("../outside/f", oid, 8, 0))
    for use in (
        lambda: work.ds.remove(["../outside/f"]), lambda: work.ds.remove(["."], force=True),
        lambda: work.ds.revert(2), lambda: work.ds.move("..", "x"),
    ):  # fmt: skip
        with pytest.raises(
            DsmError,
            match=r"lies outside the dataset's folder|the manifest of changeset 2: the|\.\. lies outside the dataset's",
        ):
            use()
    assert (outside / "f").read_bytes() == b"precious"


def test_a_size_that_lies(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that gives another size than its object has is refused, small or large."""
    work.commit("one", a="a")
    for data in (b"seven77", random.Random(0).randbytes(3 << 20)):
        oid = work.repo.store.put(data)
        work.repo.store.flush()
        plant(work, monkeypatch, Example(f"lie{len(data)}", oid, 5, 0))
        with pytest.raises(DamagedData, match="lie7 has 7 bytes, its changeset says 5"):
            work.ds.restore(to=f"out{len(data)}")
        with pytest.raises(DamagedData, match="not the 5 bytes that its changeset says"):
            work.ds.prepare().get(str(work.path(f"tars{len(data)}")))
        assert f"lie{len(data)}" not in work.files(work.path(f"out{len(data)}"))


def test_the_root_of_a_dataset(work: Work, outside: Path) -> None:
    """A dataset with a root of its own restores below it, and its root is in the repository."""
    ds = work.repo.create_dataset("sub", root="some/folder")
    ds.add({"a": b"a"})
    ds.commit("one")
    ds.restore()
    assert work.files()["some/folder/a"] == b"a"
    for root in ("..", "/etc", "a/../..", ".dsm/x", "some//..//.."):
        with pytest.raises(
            InvalidInput, match=r"has the component|is absolute|lies in \.dsm, which is never part"
        ):
            work.repo.create_dataset("bad", root=root)
