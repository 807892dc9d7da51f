"""dsm predictions and what is made of them, by the command line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import dsm as library
from dsm.runs.run import Start

from .conftest import Runner


@pytest.fixture
def read_by(two_changesets: Path, dsm: Runner) -> Path:
    """A run `base` that read the view `all` of two changesets."""
    dsm("prepare", "--name", "all")
    with library.open(".") as repo:
        run = repo.runs.begin(Start("base", ["x"], 5, "Ada", {}, None, None, "3.11", {}))
        repo.runs.note_view(run.id, repo.view("all"))
        run.release()
    return two_changesets


def test_predictions_come_and_go(
    read_by: Path, dsm: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are added from a file or a pipe, listed and removed; what does not fit is a warning."""
    with library.open(".") as repo:
        path = repo.view("all")[0].path
    Path("p.csv").write_text(f"path,label\n{path},cat\nnone\x1b,cat\n")
    said = dsm("predictions", "add", "base", "p.csv").err
    assert "added 1 prediction for view" in said
    assert "1 prediction is of no example of the view\n  none\\x1b" in said
    assert dsm("predictions", "add", "base", "p.csv", status=2).err.startswith(
        "error: run base has"
    )
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"path,label\ncat/1.txt,dog\n")))
    dsm("predictions", "add", "base", "-", "--replace")
    assert " 1 of 5 examples, " in dsm("predictions", "list", "base").out
    dsm("predictions", "rm", "base")
    assert dsm("predictions", "list", "base").out == ""
