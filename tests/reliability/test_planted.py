"""A `.dsm` that somebody made to do harm: nothing outside it is written, removed or waited for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsm.errors import DamagedData, DsmError
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import apply_gc, plan_gc
from dsm.maintenance.spill import find_spills
from dsm.maintenance.texts import Texts
from dsm.model.names import printable
from dsm.remotes.tracking import Tracking
from dsm.repo.repository import initialise
from dsm.store import disk
from reliability.operations import (
    collect_garbage,
    committed,
    half_staged,
    lay_out,
    open_repo,
    write,
)

FOLDERS = [
    "packs", "datasets", "datasets/data", "datasets/data/changesets", "datasets/data/manifests",
    "datasets/data/tags", "datasets/data/views", "sources", "local", "local/tmp", "local/trash",
    "local/stage", "local/stage/data", "local/index", "local/index/data", "local/cache",
    "local/cache/data", "local/receipts", "local/objects", "local/remotes", "local/remotes/origin",
    "local/near", "local/runs", "runs",
]  # fmt: skip


def shelf_of(root: Path) -> Path:
    return sorted((root / ".dsm/packs").iterdir())[0]


def use(root: Path) -> None:
    """Everything that writes or removes; whatever is refused is an error of ours."""
    uses = [
        lambda ds: ds.status(), lambda ds: ds.add(["."]), lambda ds: ds.commit("more"),
        lambda ds: ds.label(["cat"], add=["x"]), lambda ds: ds.tag("v9"), lambda ds: ds.prepare(),
        lambda ds: ds.revert(1), lambda ds: ds.restore(source=1, to=str(root / "out")),
    ]  # fmt: skip
    for each in uses:
        try:
            with open_repo(root) as repo:
                each(repo.dataset("data"))
        except DsmError:
            pass
    for _ in range(2):
        try:
            collect_garbage(root)
        except DsmError:
            pass


@pytest.mark.parametrize("folder", [*FOLDERS, "a folder of packs"])
def test_a_folder_that_is_a_link(tmp_path: Path, folder: str) -> None:
    """What lies behind a link in the place of a folder stays as it is, whatever is run."""
    root = lay_out(half_staged, tmp_path / "work")
    inner = shelf_of(root) if folder not in FOLDERS else root / ".dsm" / folder
    outside = tmp_path / "outside"
    if inner.exists():
        shutil.move(inner, outside)
    write(outside, dict.fromkeys(["notes.txt", "a.parquet", "x.pack", "b.json", "in/c"], b"dear"))
    inner.parent.mkdir(exist_ok=True)
    inner.symlink_to(outside)
    before = {path: path.stat().st_mtime_ns for path in outside.rglob("*")}
    use(root)
    with pytest.raises(DamagedData, match=printable(str(inner))):
        with open_repo(root) as repo:
            repo.dataset("data")
            plan_gc(repo)
    assert {path: path.stat().st_mtime_ns for path in outside.rglob("*")} == before


def test_what_was_fetched_is_removed_through_no_link(tmp_path: Path) -> None:
    """A link in the place of what was seen of a remote, or of a dataset on it, costs nobody a file."""
    root = lay_out(half_staged, tmp_path / "work")
    write(tmp_path / "outside", {"notes.txt": b"dear"})
    (root / ".dsm/local/remotes/origin").mkdir(parents=True)
    (root / ".dsm/local/remotes/origin/d1").symlink_to(tmp_path / "outside")
    with open_repo(root) as repo, pytest.raises(DamagedData, match="is a symbolic link"):
        Tracking(repo.layout, "origin")
    disk.remove_tree(str(root / ".dsm/local/remotes/origin/d1"))
    assert not (root / ".dsm/local/remotes/origin/d1").is_symlink()
    assert (tmp_path / "outside/notes.txt").read_bytes() == b"dear"


def test_init_goes_through_no_link(tmp_path: Path) -> None:
    """Making a repository where a `.dsm` with a link lies makes nothing behind it."""
    (tmp_path / "work/.dsm").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "work/.dsm/local").symlink_to(tmp_path / "outside")
    with pytest.raises(DamagedData, match="symbolic link"):
        initialise(str(tmp_path / "work"), "default", dict)
    assert list((tmp_path / "outside").iterdir()) == []


def test_gc_leaves_alone_what_is_not_of_dsm(tmp_path: Path) -> None:
    """Somebody's table beside the manifests is kept; a folder among unfinished files is no end."""
    root = lay_out(committed, tmp_path / "work")
    foreign = {
        ".dsm/datasets/data/manifests/results.parquet": b"mine",
        ".dsm/local/tmp/folder/file": b"mine",
        ".dsm/local/trash/folder.pack/file": b"mine",
    }
    write(root, foreign)
    collect_garbage(root)
    collect_garbage(root)
    assert {name: (root / name).read_bytes() for name in foreign} == foreign


@pytest.mark.parametrize("kind", ["pipe", "link"])
@pytest.mark.parametrize(
    "name",
    [
        "repo.json", "config.toml", "local/store.lock", "local/stage.lock", "local/commit.lock",
        "local/index/data/base", "local/index/data/log", "datasets/data/dataset.json",
        "datasets/data/changesets/00000001.json",
    ],
)  # fmt: skip
def test_a_file_that_is_no_file(tmp_path: Path, name: str, kind: str) -> None:
    """A pipe is not waited for, and nothing is appended to what a link leads to."""
    root = lay_out(half_staged, tmp_path / "work")
    path, outside = root / ".dsm" / name, tmp_path / "outside"
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        outside.write_bytes(b"")
        path.symlink_to(outside)
    use(root)
    try:
        with open_repo(root) as repo:
            fsck(repo, full=True)
    except DsmError:
        pass
    assert not outside.exists() or outside.read_bytes() == b""


def test_a_header_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    """A file of a million megabytes with holes takes no memory: its size tells that it is wrong."""
    root = lay_out(committed, tmp_path / "work")
    path = root / ".dsm/datasets/data/changesets/00000001.json"
    path.chmod(0o644)
    os.truncate(path, 1 << 40)
    with open_repo(root) as repo, pytest.raises(DamagedData, match="too long"):
        repo.dataset("data").changeset(1)


def test_fsck_goes_on_behind_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    """Each is a finding of its own, and what else is wrong is found as well."""
    root = lay_out(half_staged, tmp_path / "work")
    (stage,) = {path.parent for path in (root / ".dsm/local/stage").rglob("*.stage")}
    strange = [stage / "00000009-00000000.stage", root / ".dsm/local/cache/data/1.snapshot"]
    for path in strange:
        path.mkdir(parents=True)
    (root / ".dsm/local/index/data/base").unlink()
    (root / ".dsm/local/index/data/base").mkdir()
    (root / ".dsm/stray").touch()
    with open_repo(root) as repo:
        report = fsck(repo)
    found = {finding.where for finding in report.findings}
    assert found >= {path.relative_to(root).as_posix() for path in strange}
    assert ".dsm/local/index/data" in found
    assert report.strays == (".dsm/stray",)


def test_gc_is_not_said_to_remove_what_an_unread_changeset_needs(tmp_path: Path) -> None:
    """Which manifests are spare is unknown while a header cannot be read, and nothing is said."""
    root = lay_out(committed, tmp_path / "work")
    header = root / ".dsm/datasets/data/changesets/00000001.json"
    header.chmod(0o644)
    header.write_bytes(b"{}")
    with open_repo(root) as repo:
        report = fsck(repo)
    assert report.findings != ()
    assert [note for note in report.notes if "manifest" in note] == []


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A folder with a file 1500 folders below it, as a restore that was killed leaves one."""
    top = tmp_path / "work"
    lay_out(committed, top)
    here = os.open(top, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("a", dir_fd=here)
        below = os.open("a", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open(".dsm-restore-00000000000000aa-1.part", os.O_CREAT, dir_fd=here))
    os.close(here)
    journal = top / ".dsm/local/tmp/00000000000000aa-restore.jsonl"
    lines = [{"root": str(top)}, {"n": 1, "path": "a/" * 1500 + "f"}]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    yield top
    subprocess.run(["rm", "-rf", str(top)], check=True)


def test_a_tree_deeper_than_a_program_may_recurse(tmp_path: Path, deep: Path) -> None:
    """gc and the search for texts go through folders of any depth."""
    other = lay_out(committed, tmp_path / "other")
    with open_repo(other) as repo:
        report = find_spills(repo, Texts({1: b"dsm-restore"}), folders=[str(deep)])
        assert [spill.lines for spill in report.spills] == [(1,)]
    with open_repo(deep) as repo:
        left, journal = apply_gc(repo, plan_gc(repo)).files
        assert left[0].endswith("a/.dsm-restore-00000000000000aa-1.part")
        assert journal[0].endswith("00000000000000aa-restore.jsonl")
        assert plan_gc(repo).files == ()
