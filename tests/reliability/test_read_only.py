"""A repository where nothing can be written: what reads works, what writes says so in one line."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.conftest import Runner, Said

from reliability.mounts import read_only, why_no_tmpfs

READING = [
    "log --stat", "status", "status --json", "ls", "ls --at 1", "cat a/1.txt", "show", "diff", "diff 1 2",
    "fsck --full", "view list", "view show base", "why --view base a/1.txt", "dataset list",
    "dataset show", "tag", "config list", "source list", "receipts", "gc", "add -n .",
    "get base -o - --format tar", "get base -o {out}/shards", "get base --format files -o {out}/files",
    "get base --format parquet -o {out}/parquet", "restore --to {out}/back", "prepare",
    "prepare --name base",
]  # fmt: skip
WRITING = [
    "add a/9.txt", "commit a/9.txt -m 3", "tag t1", "label a/1.txt --add x", "config set user.name x",
    "dataset create other", "prepare --percent 0.5 --name new", "restore a/2.txt", "rm a/2.txt",
]  # fmt: skip


class Place:
    """A repository that cannot be written, its user's cache folder, and room for output."""

    def __init__(self, folder: Path, scratch: Path):
        self.folder, self.scratch = folder, scratch

    def run(self, line: str) -> Said:
        with contextlib.chdir(self.folder):
            return Runner().run(line.format(out=self.scratch).split())

    def read(self, line: str) -> str:
        said = self.run(line)
        assert said.status == 0, (line, said.err)
        return said.out


@pytest.fixture(params=["whole", "without local"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """Two changesets, a view, a file that is not tracked and one that was lost."""
    why_not = why_no_tmpfs(tmp_path / "probe")
    if why_not:
        pytest.skip(why_not)
    data = tmp_path / "data"
    here = Place(data, tmp_path / "scratch")
    here.scratch.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(here.scratch / "cache"))
    (data / "a").mkdir(parents=True)
    for number in range(3):
        (data / f"a/{number}.txt").write_text(str(number))
    for line in ("init -q", "add -q . --label one", "commit -q -m 1"):
        here.read(line)
    (data / "a/1.txt").write_text("other")
    for line in ("add -q . --label two", "commit -q -m 2", "prepare -q --name base"):
        here.read(line)
    (data / "a/9.txt").write_text("new")
    (data / "a/2.txt").unlink()
    if request.param == "without local":
        shutil.rmtree(data / ".dsm/local")
    with read_only(data, tmp_path / "mount") as folder:
        here.folder = folder
        yield here


@pytest.mark.root
def test_what_reads_works(place: Place) -> None:
    """Every reading command, with and without the files of the machine where it was made."""
    for line in READING:
        place.read(line)
    assert (place.scratch / "back/a/1.txt").read_text() == "other"


@pytest.mark.root
def test_what_writes_says_why_it_cannot(place: Place) -> None:
    """One line with the cause, and a hint; not that a folder is missing."""
    for line in WRITING:
        done = place.run(line)
        said = done.err.splitlines()
        assert (done.status, len(said)) == (8, 2), (line, said)
        assert said[0].endswith(": Read-only file system")
        assert said[1].startswith("hint: ")


@pytest.mark.root
def test_a_new_view_is_remembered_for_this_user(place: Place) -> None:
    """Its document goes to the cache folder: `get` finds it, other users do not, a name needs more."""
    version = place.read("prepare -q --label two --path a/1*").strip()
    place.read(f"get {version[:12]} --format files -o {{out}}/new")
    assert version in place.read("view list --json")
    assert version == place.read("prepare -q --label two --path a/1*").strip()
    cached = list((place.scratch / "cache").rglob("*.json"))
    assert [f"{version}.json"] == [path.name for path in cached]
    place.read(f"view rm {version}")
    assert place.run(f"get {version} -o {{out}}/gone").status == 4


@pytest.mark.root
def test_without_a_cache_folder_views_are_prepared_all_the_same(place: Place) -> None:
    """Where this user may write nowhere, the version is told and nothing is kept."""
    (place.scratch / "cache").write_text("in the way")
    version = place.read("prepare -q --label two").strip()
    assert len(version) == 64
