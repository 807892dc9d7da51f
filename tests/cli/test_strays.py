"""Files that file managers, synchronisers and mounts leave in every folder, `.dsm` too."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from dsm.repo.layout import Layout
from tests.cli.conftest import Runner, write

LEFT = (
    ".DS_Store", "._data.json", "._data.name.json", "Thumbs.db", ".nfs000000000fa4", "desktop.ini",
)  # fmt: skip


@dataclass(frozen=True)
class Littered:
    """A repository with strays of each kind in each folder that is shared, and their paths."""

    root: Path
    strays: frozenset[Path]


@pytest.fixture
def littered(two_changesets: Path, dsm: Runner) -> Littered:
    root = two_changesets
    dsm("tag", "v1")
    dsm("prepare", "-q", "--name", "all")
    dsm("source", "add", "bank", "--driver", "sqlite", "--uri-env", "BANK")
    base = root / ".dsm"
    folders = [path for path in (base, *base.rglob("*")) if path.is_dir()]
    strays = set()
    for folder in folders:
        if base / "local" in {folder, *folder.parents}:
            continue
        for file in [path for path in folder.iterdir() if path.is_file()]:
            copied = folder / f"{file.stem} (conflicted copy 2026-01-31){file.suffix}"
            copied.write_bytes(file.read_bytes())
            beside = folder / f"._{file.name}"
            beside.write_bytes(b"\0\5\x16\7")
            strays |= {copied, beside}
        for name in LEFT:
            (folder / name).write_bytes(b"\0")
        (folder / "lost+found").mkdir()
        strays |= {folder / name for name in (*LEFT, "lost+found")}
    return Littered(root, frozenset(strays))


def test_fsck_lists_stray_files_as_no_damage(littered: Littered, dsm: Runner) -> None:
    """Each is listed and none is a finding: the exit status is that of a whole repository."""
    expected = sorted(path.relative_to(littered.root).as_posix() for path in littered.strays)
    for more in ([], ["--full"]):
        report = dsm("fsck", "--json", *more).json
        assert report["findings"] == []
        assert sorted(report["strays"]) == expected


@pytest.mark.parametrize(
    "command",
    [
        "log", "status", "ls", "diff", "show", "tag", "dataset list", "view list", "source list",
        "prepare --label cat", "prepare --label cat --name cats", "prepare --at v1",
        "get all -o - --format tar", "cat cat/1.txt", "restore", "receipts", "gc", "gc --prune",
        "view list --json", "tag -d v1", "source remove bank", "dataset create other",
    ],
)  # fmt: skip
def test_commands_work_beside_stray_files(littered: Littered, dsm: Runner, command: str) -> None:
    """No command takes a stray file for one of dsm's own, or removes it."""
    dsm(*command.split())
    assert {path for path in littered.strays if not path.exists()} == set()


def test_committing_works_beside_stray_files(littered: Littered, dsm: Runner) -> None:
    """The next changeset has the next number."""
    write(littered.root / "cat/new.txt", "new")
    dsm("add", ".")
    dsm("commit", "-m", "third")
    assert dsm("log", "--oneline").lines[0].split()[0] == "3"


@pytest.mark.usefixtures("two_changesets")
def test_what_dsm_keeps_is_no_stray(dsm: Runner) -> None:
    """Every place that the layout of a repository names is known to fsck, whoever made it last."""
    layout = Layout(os.path.abspath(".dsm"))
    named = [name for name, what in vars(Layout).items() if isinstance(what, property)]
    for place in (getattr(layout, name) for name in named):
        if isinstance(place, str) and not os.path.lexists(place) and not os.path.splitext(place)[1]:
            os.mkdir(place)
    assert dsm("fsck", "--json").json["strays"] == []
