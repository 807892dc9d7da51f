"""dsm predictions and what is made of them, by the command line."""

from __future__ import annotations

import io
import json
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


def test_a_gate_ends_with_1(read_by: Path, dsm: Runner) -> None:
    """Figures, groups and the baseline are printed; a gate that fails is told on standard error."""
    paths = ["cat/1.txt", "cat/2.txt", "cat/3.txt", "dog/1.txt", "dog/3.txt"]
    with library.open(".") as repo:
        repo.predictions.add("base", paths, labels=["cat", "cat", "dog", "dog", "dog"])
    said = dsm("evaluate", "base", "--by", "name", "--baseline", "base", "--sensitive", "name",
               "--fail-if", "name:3 accuracy < 0.9", "--fail-if", "f1 < 0.1", status=1)  # fmt: skip
    assert said.err == "failed: name:3 accuracy < 0.9 (accuracy 0.5000, limit 0.9000)\n"
    assert "accuracy       0.8000  [0.3755, 0.9638]" in said.lines
    assert "true \\ predicted  cat  dog" in said.lines
    assert "cat                 2    1" in said.lines
    assert "better 0, worse 0; by chance with p = 1" in said.lines
    assert "disparate impact ratio         0.0000" in said.lines
    assert dsm("evaluate", "base", "--fail-if", "f1 < 0.1").err == ""
    assert dsm("evaluate", "none", status=4).err.startswith("error: there is no run 'none'")


def test_answers_come_back_as_labels(read_by: Path, dsm: Runner) -> None:
    """Suspects, disputes and a queue are label files; Label Studio takes and returns tasks."""
    paths = ["cat/1.txt", "cat/2.txt", "cat/3.txt", "dog/1.txt", "dog/3.txt"]
    with library.open(".") as repo:
        chances = [[p, 1 - p] for p in (0.9, 0.9, 0.1, 0.1, 0.2)]
        repo.predictions.add("base", paths, probabilities=chances)
    assert dsm("labels", "suspect", "base", "--csv").out == "path,label\ncat/3.txt,dog\n"
    assert "cat/3.txt  cat    dog" in dsm("labels", "suspect", "base").out
    assert "cat/3.txt  cat   dog            0.9000" in dsm("failures", "base", "--name", "bad").out
    with library.open(".") as repo:
        assert [example.path for example in repo.view("bad")] == ["cat/3.txt"]
    queue = dsm("suggest", "base", "-n", "2", "--labelled", "--csv").out
    assert queue == "path,label\ndog/3.txt,\ncat/1.txt,\n"
    done = json.loads(dsm("suggest", "base", "-n", "1", "--labelled", "--label-studio").out)
    done[0]["annotations"] = [{"result": [{**done[0]["predictions"][0]["result"][0]}]}]
    done[0]["annotations"][0]["result"][0]["value"] = {"choices": ["cow"]}
    Path("export.json").write_text(json.dumps(done))
    dsm("label", "--labels", "export.json")
    dsm("label", "cat/1.txt", "cat/2.txt", "--attr", "ann=cat", "--attr", "bob=cat")
    dsm("label", "cat/2.txt", "--attr", "bob=dog")
    dsm("commit", "-m", "answers")
    dsm("prepare", "--name", "now")
    with library.open(".") as repo:
        assert repo.view("now")["dog/3.txt"].labels == ("cow",)
    both = ["--annotator", "ann", "--annotator", "bob"]
    assert "cat/2.txt  (ann: cat, bob: dog)" in dsm("labels", "agreement", "now", *both).out
    said = dsm("labels", "agreement", "now", *both, "--csv").out
    assert said == "path,label\ncat/2.txt,\n"


def test_a_figure_of_predictions_is_attributed(two_changesets: Path, dsm: Runner) -> None:
    """Runs that logged no metric are evaluated, each by the view that it read."""
    for at in ("1", "2"):
        view = dsm("prepare", "--at", at).out.strip()
        with library.run(f"run{at}", path=".") as run:
            paths = [example.path for example in library.open(".").view(view)]
        labels = ["cat" if at == "1" else "dog"] * len(paths)
        library.open(".").predictions.add(run.id, paths, labels=labels)
    before, after = (
        dsm("evaluate", f"run{at}", "--json").json["metrics"]["accuracy"] for at in "12"
    )
    (move,) = dsm("attribute", "--metric", "accuracy", "--json").json["moves"]
    assert (move["first"], move["before"], move["after"]) == (2, before, after)
    assert "no two runs tell" in dsm("attribute", "--metric", "rmse", status=1).err
    assert "[" in dsm("evaluate", "run1", "--by", "label").lines[-6]
