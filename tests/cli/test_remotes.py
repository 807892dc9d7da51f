"""The commands of remotes: what they say, and how they leave."""

from __future__ import annotations

import json
import re
import shlex
import tarfile
from pathlib import Path

import pytest

from .conftest import Runner, write


@pytest.fixture
def shared(dsm: Runner, empty_repo: Path, tmp_path: Path) -> str:
    """A repository with one changeset, pushed to a folder."""
    write(empty_repo / "owl.txt", "hoo")
    dsm("add", "-q", ".")
    dsm("commit", "-q", "-m", "first")
    dsm("remote", "add", "-q", "origin", str(tmp_path / "remote"))
    dsm("push", "-q")
    return str(tmp_path / "remote")


def test_status_tells_the_distance_without_the_network(
    dsm: Runner, shared: str, empty_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ahead, behind, diverged and neither, as of the last fetch: also where the remote is gone."""
    assert "origin" not in dsm("status").out
    write(empty_repo / "wren.txt", "tit")
    dsm("add", "-q", ".")
    dsm("commit", "-q", "-m", "mine")
    assert 'Ahead of origin by 1 changeset (use "dsm push")' in dsm("status").out
    dsm("clone", "-q", shared, str(tmp_path / "copy"))
    monkeypatch.chdir(tmp_path / "copy")
    write(tmp_path / "copy" / "crow.txt", "caw")
    dsm("add", "-q", ".")
    dsm("commit", "-q", "-m", "theirs")
    dsm("push", "-q")
    monkeypatch.chdir(empty_repo)
    dsm("fetch", "-q")
    (tmp_path / "remote").rename(tmp_path / "gone")
    assert "Diverged from origin: 1 only here, 1 only there" in dsm("status").out
    (tmp_path / "gone").rename(tmp_path / "remote")
    assert "your changeset 2 is 3 now" in dsm("pull").err
    dsm("push", "-q")
    monkeypatch.chdir(tmp_path / "copy")
    dsm("fetch", "-q")
    said = dsm("status").out
    assert 'Behind origin by 1 changeset, as of the last fetch (use "dsm pull")' in said


def test_tags_and_settings_that_go_are_counted(
    dsm: Runner, shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no changeset is new, push and pull say how many tags, views and settings are."""
    dsm("clone", "-q", shared, str(tmp_path / "copy"))
    dsm("tag", "v1")
    dsm("tag", "v2")
    assert "has all changesets; tags, views and settings: 2 uploaded" in dsm("push", "--tags").err
    monkeypatch.chdir(tmp_path / "copy")
    assert "nothing new on origin; tags, views and settings: 2 new" in dsm("pull").err


def test_what_goes_wrong_has_its_status(dsm: Runner, shared: str, tmp_path: Path) -> None:
    """2 for what cannot be, 4 for what is not there, 5 for a conflict, 7 for damage."""
    dsm("remote", "add", "x", "sftp://user:secret@host/data", status=2)
    dsm("remote", "add", "origin", "elsewhere", status=2)
    dsm("pull", "--ours", "--theirs", status=2)
    dsm("push", "nowhere", status=4)
    dsm("clone", str(tmp_path / "nothing"), str(tmp_path / "copy"), status=4)
    (tmp_path / "remote" / "repo.json").write_bytes(b"{}")
    dsm("clone", shared, str(tmp_path / "copy"), status=7)


def test_secrets_are_never_shown(dsm: Runner, shared: str) -> None:
    """An address with a password is neither kept nor repeated."""
    said = dsm("remote", "add", "x", "s3://key:hunter2@bucket/a", status=2)
    assert "hunter2" not in said.out + said.err
    assert "hunter2" not in dsm("config", "list").out


def test_config_knows_the_settings_of_remotes(dsm: Runner, shared: str) -> None:
    """They are read like others; a setting that no remote has is refused."""
    assert shared == dsm("config", "get", "remote.origin.url").out.strip()
    assert f"remote.origin.url={shared}" in dsm("config", "list").out.replace(" = ", "=")
    dsm("config", "get", "remote.origin.nothing", status=2)


def test_collisions_are_listed_with_the_command_that_settles_them(
    dsm: Runner, shared: str, empty_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What each side did is said of each example, and the command that the hint names settles it."""
    dsm("clone", "-q", shared, str(tmp_path / "copy"))
    for root, word in ((tmp_path / "copy", "theirs"), (empty_repo, "mine")):
        monkeypatch.chdir(root)
        write(root / "owl.txt", word)
        write(root / "a [b]", word)
        dsm("add", "-q", ".")
        dsm("commit", "-q", "-m", word)
        if word == "theirs":
            dsm("push", "-q")
    said = dsm("pull", "--theirs-for", "owl.txt", "--json", status=5)
    (one, other) = json.loads(said.out)["collisions"]
    assert (one["path"], one["side"], other["side"]) == ("a [b]", None, "theirs")
    assert one["ours"]["change"] == one["theirs"]["change"] == "added"
    assert f"  a [b]: ours added {one['ours']['object'][:12]} (4 B), theirs added" in said.err
    command = re.search(r"`dsm (pull [^`]*)`", said.err)
    assert command is not None
    assert "took theirs" in dsm(*shlex.split(command[1])).err
    assert ((empty_repo / "a [b]").read_text(), (empty_repo / "owl.txt").read_text()) == (
        "mine",
        "theirs",
    )


def test_an_import_of_an_archive_counts_its_members(
    dsm: Runner, empty_repo: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "two.tar"
    with tarfile.open(outside, "w") as tar:
        for name in ("1.txt", "2.txt"):
            tar.addfile(tarfile.TarInfo(name))
    (line,) = dsm("import", str(outside), "--into", "owl").err.splitlines()
    assert line.startswith(f"read 2 members of 1 file at {outside}, 0 B: ")
