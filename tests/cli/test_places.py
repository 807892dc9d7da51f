"""No command writes into the `.dsm` of a repository, whichever way its user names the place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.conftest import Runner
from dsm.cli import group
from dsm.cli.commands import COMMANDS
from dsm.errors import InvalidInput
from dsm.files.typed_path import refuse_root, refuse_store

# Each command that writes to a place, with the option or argument that names it.
WRITERS: dict[tuple[str, str], Callable[[str], list[str]]] = {
    ("restore", "to"): lambda place: ["restore", "--to", place],
    ("get", "out"): lambda place: ["get", "all", "-o", place],
    ("init", "folder"): lambda place: ["init", place],
    ("runs export", "mlflow"): lambda place: ["runs", "export", "--mlflow", place],
    ("demo", "folder"): lambda place: ["demo", place],
    ("clone", "folder"): lambda place: ["clone", "nowhere", place],
    ("dataset create", "root"): lambda place: ["dataset", "create", "more", "--root", place],
}  # fmt: skip
# Those that name a folder to read.
READERS = {("add", "hub_folder")}
MORE = {
    "report": lambda place: ["report", "-o", place],
    "get files": lambda place: ["get", "all", "--format", "files", "-o", place],
    "get tar": lambda place: ["get", "all", "--format", "tar", "-o", place],
    "get, forced": lambda place: ["get", "all", "--force", "-o", place],
    "get, dry": lambda place: ["get", "all", "-n", "-o", place],
    "restore, forced": lambda place: ["restore", "--force", "--source", "1", "--to", place],
    "restore, dry": lambda place: ["restore", "-n", "--to", place],
}
# Below the folder that the command runs in, a repository beside another one; `{top}` is what both
# lie in.
PLACES = [
    ".dsm", ".dsm/new", ".dsm/packs", ".dsm/objects/ab", "data/../.dsm/local", "link", "link/new",
    "packs", "packs/new/new", "away/new", "chain", ".DSM", ".Dsm/new", ".dsm./new",
    "../other/.dsm", "../other/.dsm/local/tmp", "{top}/other/.dsm/new", "renamed", "renamed/packs",
    "data/\u212Aeep/../../.dsm",
]  # fmt: skip


@pytest.fixture
def here(dsm: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository with a view, another one, and links that lead into both."""
    for name in ("other", "mine"):
        (tmp_path / name / "data/\u212aeep").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / name)
        dsm("init", "-q")
    root = tmp_path / "mine"
    (root / "data/1.txt").write_text("one")
    dsm("add", "-q", ".")
    dsm("commit", "-q", "-m", "one")
    dsm("prepare", "-q", "--name", "all")
    (root / "link").symlink_to(".dsm")
    (root / "packs").symlink_to(".dsm/packs")
    (root / "away").symlink_to(tmp_path / "other/.dsm/datasets")
    (root / "chain").symlink_to("link/datasets")
    moved = tmp_path / "kept-elsewhere"
    os.rename(tmp_path / "other/.dsm", moved)
    (tmp_path / "other/.dsm").symlink_to(moved)
    (root / "renamed").symlink_to(moved)
    yield root


def everything(*folders: Path) -> set[str]:
    return {
        os.path.join(above, name)
        for folder in folders for above, dirs, files in os.walk(folder) for name in dirs + files
    }  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_no_command_writes_into_a_store(dsm: Runner, here: Path, place: str) -> None:
    """Exit status 2, one line that names the place, and not one new name in either repository."""
    place = place.format(top=here.parent)
    before = everything(here, here.parent / "other", here.parent / "kept-elsewhere")
    for words in (*WRITERS.values(), *MORE.values()):
        said = dsm(*words(place), status=2)
        assert said.err.startswith("error: ") and len(said.err.splitlines()) <= 2, said.err
    # The lock files and folders that opening a repository makes are there already.
    assert before == everything(here, here.parent / "other", here.parent / "kept-elsewhere")


@pytest.mark.parametrize("start", [".dsm", ".dsm/local", "link", "../other/.dsm"])
def test_where_a_command_starts_makes_no_difference(dsm: Runner, here: Path, start: str) -> None:
    """With -C, `.` names the store as well."""
    for words in (["restore", "--to", "."], ["init"], ["get", "all", "-o", "."], ["demo", "new"]):
        if words[0] in ("restore", "get") and start.startswith(".."):
            continue  # another repository, which has no example and no view
        dsm("-C", str(here / start), *words, status=2)


def test_every_option_that_names_a_place_is_in_the_table() -> None:
    """A new option for a folder to write to must be tried here, or be known to be read only."""
    found = set()
    for name in COMMANDS:
        waiting = [(name, group.load(name))]
        while waiting:
            words, command = waiting.pop()
            waiting += [
                (f"{words} {each}", inner)
                for each, inner in getattr(command, "commands", {}).items()
            ]
            params = [p for p in command.params if p.name != "folders"]  # that is -C
            found |= {(words, p.name) for p in params if p.metavar == "DIR"}
    assert set(WRITERS) | READERS == found


def test_a_root_that_became_a_link_is_refused(dsm: Runner, here: Path) -> None:
    """A dataset whose folder leads into a store, or out of the repository, has no work tree."""
    dsm("dataset", "create", "more", "--root", "sub/deep")
    (here / "sub").symlink_to("link")
    for words in (["status"], ["add", "."], ["restore"], ["diff"]):
        said = dsm("-d", "more", *words, status=2)
        assert "keeps its own files" in said.err
    (here / "sub").unlink()
    (here / "sub").symlink_to(here.parent)
    for words in (["status"], ["add", "."], ["restore"]):
        assert "out of the repository's" in dsm("-d", "more", *words, status=2).err
    (here / "sub").unlink()
    (here / "sub").symlink_to("data")
    (here / "data/deep").mkdir()
    dsm("-d", "more", "status")  # a link that stays inside is nobody's business


def test_names_that_merely_resemble_are_free(tmp_path: Path) -> None:
    """`.dsmx`, `dsm`, and a folder with some of the names of a store are places like others."""
    for name in (".dsmx", "dsm", "a.dsm", ".dsm-old", "..dsm"):
        refuse_store(str(tmp_path / name / "new"))
    for name in ("repo.json", "packs"):
        (tmp_path / name).mkdir()
    refuse_store(str(tmp_path / "new"))
    (tmp_path / "datasets").mkdir()
    with pytest.raises(InvalidInput, match="is where a repository keeps its own files"):
        refuse_store(str(tmp_path / "new"))
    (tmp_path / "packs").rmdir()
    refuse_root(str(tmp_path), str(tmp_path / "new"))
