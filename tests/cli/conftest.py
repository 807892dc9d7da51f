"""Runs command lines in this process, as `dsm` would, in folders of their own."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dsm.__main__ import main


@dataclass(frozen=True)
class Said:
    """What a command line printed, and how it ended."""

    status: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Runner:
    """Calls `main` with the words of a command line and catches both streams."""

    def __call__(self, *words: str, status: int = 0) -> Said:
        said = self.run(words)
        assert status == said.status, said.err or said.out
        return said

    def run(self, words: Sequence[str]) -> Said:
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main(list(words))
        out.flush()
        assert isinstance(out.buffer, io.BytesIO)
        return Said(status, out.buffer.getvalue(), err.getvalue())


@pytest.fixture
def dsm() -> Runner:
    return Runner()


@pytest.fixture(autouse=True)
def quiet_surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of whoever runs the tests takes part."""
    for name in list(os.environ):
        if name.startswith("DSM_") or name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DSM_AUTHOR", "Ada <ada@example.org>")
    monkeypatch.chdir(os.getcwd())  # so that a `-C` of one test does not move the next one
    yield


@pytest.fixture
def empty_repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dsm: Runner) -> Path:
    """A new repository with dataset photos, which takes labels from folders, and files that are in
    none without; we stand in it."""
    folder = tmp_path / "photos"
    folder.mkdir()
    monkeypatch.chdir(folder)
    dsm("init", "--pattern", "{label}/{name}.txt")
    dsm("dataset", "set", "--unmatched", "unlabelled")
    return folder


@pytest.fixture
def two_changesets(empty_repo: Path, dsm: Runner) -> Path:
    """Changeset 1 adds three cats and two dogs; 2 changes a cat, adds a dog and removes one."""
    for name in ("cat/1", "cat/2", "cat/3", "dog/1", "dog/2"):
        write(empty_repo / f"{name}.txt", f"first {name}")
    dsm("add", ".")
    dsm("commit", "-m", "first import")
    write(empty_repo / "cat/1.txt", "second cat/1, longer")
    write(empty_repo / "dog/3.txt", "second dog/3")
    (empty_repo / "dog/2.txt").unlink()
    dsm("add", "-A", ".")
    dsm("commit", "-m", "second thoughts")
    return empty_repo


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
