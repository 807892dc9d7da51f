"""demo: the walk through the commands works and is the same everywhere."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from dsm.cli.demo_images import SHAPES, picture

from .conftest import Runner


def test_the_demo_runs(dsm: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows each command line, leaves a clean dataset of three changesets and a tarball."""
    monkeypatch.chdir(tmp_path)
    said = dsm("demo")
    shown = [line.split()[2] for line in said.lines if line.startswith("$ dsm ")]
    wanted = ["init", "add", "commit", "add", "commit", "revert", "dataset", "prepare", "get"]
    rest = iter(shown)
    assert all(command in rest for command in wanted), shown
    assert str(tmp_path) == str(Path.cwd())
    monkeypatch.chdir(tmp_path / "dsm-demo")
    assert dsm("status", "--porcelain").out == ""
    assert [c["number"] for c in dsm("log", "--json").json["changesets"]] == [3, 2, 1]
    assert len(list(Path("out").glob("*.tar"))) == 1
    assert "warning" not in said.err  # what a newcomer sees first is how it goes well
    dsm("fsck", "--full")


def test_the_demo_has_a_dataset_of_its_own(
    dsm: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DSM_DATASET, set for other work, takes no part and stays set."""
    monkeypatch.setenv("DSM_DATASET", "elsewhere")
    dsm("demo", str(tmp_path / "demo"))
    assert os.environ["DSM_DATASET"] == "elsewhere"


def test_the_demo_spares_what_is_there(dsm: Runner, tmp_path: Path) -> None:
    """A folder that is not empty is refused."""
    (tmp_path / "precious").write_text("x")
    dsm("demo", str(tmp_path), status=5)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_pictures_never_change() -> None:
    """All pictures are PNG files with the bytes that they always had."""
    drawn = [picture(shape, number) for shape in SHAPES for number in range(12)]
    assert all(data.startswith(b"\x89PNG\r\n\x1a\n") for data in drawn)
    assert len(drawn) == len(set(drawn))
    assert hashlib.sha256(b"".join(drawn)).hexdigest()[:16] == "3eb22b3a6c5d58a0"
