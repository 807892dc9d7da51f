"""dsm rerun, bisect and attribute: programs are run again on other data, and tell what broke them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dsm as library

from .conftest import Runner

TRAIN = """
import os, sys
import dsm
with dsm.open(".") as repo:
    view = repo.view("base")
    newest = repo.dataset().prepare()
    good = sum(example.labels == ("cat",) for example in view)
    dsm.log_metric("f1", good / len(view))
    dsm.log_metric("newest", len(newest))
open("log", "a").write("x")
"""
LINE = [sys.executable, "train.py"]


@pytest.fixture
def seven(dsm: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Seven changesets, each with a cat more; from the fifth on all labels are wrong."""
    root = tmp_path / "pets"
    root.mkdir()
    monkeypatch.chdir(root)
    Path("train.py").write_text(TRAIN)
    dsm("init", "-q", "--dataset", "pets")
    for number in range(1, 8):
        Path(f"{number}.txt").write_text(f"cat {number}")
        dsm("add", "-q", "--label", "cat", f"{number}.txt")
        if number == 5:
            dsm("label", "-q", "--set", "dog", "1.txt", "2.txt", "3.txt")
        dsm("commit", "-q", "-m", f"number {number}")
    dsm("prepare", "-q", "--path", "*.txt", "--name", "base")
    # The program is a file beside the data; what it reads is not its own code.
    yield root


def runs() -> list[dict[str, float]]:
    with library.open(".") as repo:
        return [run.metrics for run in repo.runs]


def test_a_run_is_made_again(seven: Path, dsm: Runner) -> None:
    """On the same data though there is newer, and on the views of another changeset."""
    dsm("run", "-q", "--name", "first", "--param", "lr=1", "--", *LINE)
    Path("8.txt").write_text("cat 8")
    dsm("add", "-q", "--label", "cat", "8.txt")
    dsm("commit", "-q", "-m", "number 8")
    dsm("rerun", "-q", "first")
    dsm("rerun", "-q", "first", "--at", "2", "--name", "early")
    dsm("rerun", "-q", "first", "--at", "head")
    assert [(run["f1"], run["newest"]) for run in runs()] == [
        (5 / 8, 8.0), (1.0, 2.0), (4 / 7, 7.0), (4 / 7, 7.0),
    ]  # fmt: skip
    early = dsm("runs", "show", "early", "--json").json
    assert early["parameters"] == {"lr": "1"}
    assert early["views"][0]["examples"] == 2
    assert "DSM_RUN_DATA" not in os.environ
    dsm("rerun", "first", "--at", "99", status=4)
    dsm("rerun", "none", status=4)


def test_the_changeset_that_broke_a_metric_is_found(seven: Path, dsm: Runner) -> None:
    """By few trainings, with those that were made before; and attribute names it, too."""
    dsm("run", "-q", "--name", "first", "--", *LINE)
    dsm("bisect", "start", "base")
    assert "a bad changeset" in dsm("bisect", "good", "1").err
    dsm("bisect", "bad", "head")
    words = ["bisect", "run", "--fail-if", "f1 < 0.9", "--json", "--", *LINE]
    found = dsm(*words).json
    assert (found["first_bad"], found["trained"], found["reused"]) == (5, 2, 0)
    assert Path("log").read_text() == "xxx"
    dsm("bisect", "start", "base")
    dsm("bisect", "good", "1")
    dsm("bisect", "bad", "7")
    found = dsm(*words).json
    assert (found["first_bad"], found["trained"], found["reused"]) == (5, 0, 2)
    assert "changeset 5 is the first bad one: number 5" in dsm(*words[:4], "--", *LINE).out
    moved = dsm("attribute", "--metric", "f1", "--json").json["moves"]
    assert [(move["first"], move["last"]) for move in moved][:1] == [(5, 5)]
    assert dsm("attribute", "--metric", "f1").lines[0].startswith("pets 5: 1 -> 0.4")
    dsm("attribute", "--metric", "none", status=1)


def test_a_search_by_hand(seven: Path, dsm: Runner) -> None:
    """`good` and `bad` print the view to train on, until the changeset is named."""
    assert "dsm bisect start VIEW" in dsm("bisect", "good", "1", status=6).err
    dsm("bisect", "start", "base")
    assert "which changeset" in dsm("bisect", "bad", status=2).err
    assert "are needed" in dsm("bisect", "run", "--", "true", status=6).err
    dsm("bisect", "good", "1")
    said = dsm("bisect", "bad", "7")
    assert "try changeset 4; 6 may be the first bad one" in said.err
    with library.open(".") as repo:
        assert len(repo.view(said.out.strip())) == 4
    dsm("bisect", "good", "7", status=2)
    dsm("bisect", "good")
    assert dsm("bisect", "bad").out == "changeset 5 is the first bad one: number 5\n"
    for harm in (
        "{}",
        "[",
        '{"view": 5, "good": 1, "bad": 2}',
        '{"view": "base", "good": "x", "bad": 2}',
    ):
        Path(".dsm/local/bisect.json").write_text(harm)
        dsm("bisect", "good", "1", status=6)


def test_programs_that_do_not_judge_end_the_search(seven: Path, dsm: Runner) -> None:
    """One that fails, has no such metric or reads other data is told, not taken for bad."""
    dsm("bisect", "start", "base")
    dsm("bisect", "good", "1")
    dsm("bisect", "bad", "7")
    assert "has not opened the view" in dsm("bisect", "run", "--", "true", status=2).err
    assert "no metric 'f2'" in dsm("bisect", "run", "--fail-if", "f2<1", "--", *LINE, status=2).err
    Path("train.py").write_text(TRAIN + "sys.exit(3)")
    line = [*LINE, "again"]
    assert "exit status 3" in dsm("bisect", "run", "--fail-if", "f1<1", "--", *line, status=6).err
    Path("train.py").write_text(TRAIN + "sys.exit(good < len(view))")
    line = [*LINE, "once", "more"]
    assert dsm("bisect", "run", "--json", "--", *line).json["first_bad"] == 5


CLASSES = """
import os, sys
import dsm
view = dsm.open(".").view("all")
dsm.log_metric("f1", 0.0 if any("fox" in example.labels for example in view) else 1.0)
open("log", "a").write("x")
"""


@pytest.fixture
def zoo(dsm: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five labels with two examples each, a segment for each of three; foxes spoil the metric."""
    root = tmp_path / "zoo"
    root.mkdir()
    monkeypatch.chdir(root)
    Path("classes.py").write_text(CLASSES)
    dsm("init", "-q", "--dataset", "zoo")
    for label in ("ape", "cat", "dog", "fox", "hen"):
        for number in "12":
            Path(f"{label}{number}.txt").write_text(label + number)
        dsm("add", "-q", "--label", label, f"{label}1.txt", f"{label}2.txt")
    dsm("commit", "-q", "-m", "animals")
    dsm("prepare", "-q", "--path", "*.txt", "--name", "all")
    for label in ("cat", "fox", "hen"):
        dsm("segment", "create", "-q", f"of-{label}", "--label", label)
    return root


def test_the_label_that_broke_a_metric_is_found(zoo: Path, dsm: Runner) -> None:
    """In halves, with the runs that were made; an interrupted search goes on where it was."""
    line = [sys.executable, "classes.py"]
    words = ["bisect", "run", "--fail-if", "f1 < 0.9", "--json", "--", *line]
    begun = dsm("bisect", "start", "all", "--over", "labels", "--json").json
    assert begun["candidates"] == ["ape", "cat", "dog", "fox", "hen"]
    assert begun["next_without"] == ["ape", "cat"]
    Path("classes.py").write_text(CLASSES + "sys.exit(os.path.getsize('log') == 2)")
    dsm(*words, status=6)  # the second training fails, and judges nothing
    Path("classes.py").write_text(CLASSES)
    found = dsm(*words).json
    assert (found["culprit"], found["good_without"], found["next"]) == ("fox", ["fox"], None)
    assert (found["trained"], found["reused"]) == (2, 0)
    dsm("bisect", "start", "all", "--over", "labels")
    found = dsm(*words).json
    assert (found["culprit"], found["trained"], found["reused"]) == ("fox", 0, 3)
    assert dsm(*words[:4], "--", *line).out == (
        "label fox broke it: without it alone the view is good\n"
    )
    assert "has ended" in dsm("bisect", "good", status=2).err


def test_the_segment_that_broke_a_metric_is_found(zoo: Path, dsm: Runner) -> None:
    """By hand: the view that is printed has no example of these segments."""
    said = dsm("bisect", "start", "all", "--over", "segments")
    assert "try without of-cat; 3 segments may have broken it" in said.err
    with library.open(".") as repo:
        assert "cat" not in repo.view(said.out.strip()).labels
    assert "judges one view after the other" in dsm("bisect", "bad", "1", status=2).err
    assert "try without of-fox; 2 segments" in dsm("bisect", "bad").err
    assert (
        dsm("bisect", "good").out == "segment of-fox broke it: without it alone the view is good\n"
    )


def test_what_cannot_be_searched_is_told(zoo: Path, dsm: Runner) -> None:
    """Another kind, a single label, and a view that is good as it is."""
    assert "--over changesets" in dsm("bisect", "start", "all", "--over", "x", status=2).err
    dsm("prepare", "-q", "--label", "cat", "--name", "cats")
    assert "1 labels" in dsm("bisect", "start", "cats", "--over", "labels", status=2).err
    line = ["--", sys.executable, "classes.py"]
    dsm("run", "-q", *line)
    dsm("bisect", "start", "all", "--over", "labels")
    said = dsm("bisect", "run", "--fail-if", "f1 > 2", *line, status=6)
    assert "the view is good as it is" in said.err
    for harm in ("[]", '{"view": "all", "over": "labels", "candidates": "ab", "enough": []}'):
        Path(".dsm/local/bisect.json").write_text(harm)
        dsm("bisect", "good", status=6)
