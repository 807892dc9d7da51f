"""dsm lock and restore --locked, as commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Runner, write


@pytest.fixture
def here(dsm: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of changeset 1, when there are two."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.txt", "one")
    dsm("init", "-q", "--dataset", "data")
    dsm("add", "-q", ".")
    dsm("commit", "-q", "-m", "one")
    assert "wrote" in dsm("lock").err
    write(tmp_path / "a.txt", "two")
    dsm("commit", "-q", "-a", "-m", "two")
    return tmp_path


def test_what_differs_is_said(dsm: Runner, here: Path) -> None:
    """status, and lock with --exit-code, say that another changeset is locked; then lock writes."""
    line = "it names changeset 1, and the newest one here is 2"
    assert f"dsm.lock: {line}" in dsm("status").lines
    assert dsm("status", "--json").json["lock"] == [line]
    before = (here / "dsm.lock").read_bytes()
    assert f"data: {line}" in dsm("lock", "-n", "--exit-code", status=1).err
    assert (here / "dsm.lock").read_bytes() == before
    dsm("lock", "--exit-code", status=1)
    dsm("lock", "--exit-code")
    assert "dsm.lock" not in dsm("status").out


def test_the_locked_files_come_back(dsm: Runner, here: Path) -> None:
    """restore --locked brings them; unsaved work stops it, and --force does not mind."""
    dsm("restore", "--locked")
    assert (here / "a.txt").read_text() == "one"
    write(here / "a.txt", "unsaved")
    assert "a.txt" in dsm("restore", "--locked", status=5).err
    assert (here / "a.txt").read_text() == "unsaved"
    dsm("restore", "--locked", "--force", "-d", "data")
    assert (here / "a.txt").read_text() == "one"


def test_what_does_not_go_together(dsm: Runner, here: Path) -> None:
    """--locked takes no paths, no source and no place; a dataset that is not locked is named."""
    for words in (["a.txt"], ["--source", "1"], ["--to", "x"]):
        dsm("restore", "--locked", *words, status=2)
    dsm("dataset", "create", "more", "--root", "more")
    assert "dataset more" in dsm("restore", "--locked", "-d", "more", status=4).err
