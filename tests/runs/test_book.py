"""Runs as documents: begun, filled, ended, found again, removed; and what a kill leaves."""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from situations import Work

from dsm.errors import AmbiguousName, DamagedData, InvalidInput, NotFound, Refused
from dsm.maintenance.fsck import fsck
from dsm.runs import files
from dsm.runs.book import RunGoesOn
from dsm.runs.comparison import compare
from dsm.runs.run import End, Output, PointsFile, Start, end_fields, end_of

START = Start("one", ["python", "x.py"], 5, "Ada", {"lr": "0.1"}, None, None, "3.11", {"a": "1"})
END = End(3, 7, 2, {"f1": 0.1, "inf": math.inf, "nan": math.nan}, [Output("m", 1, "00")])


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A repository with one changeset and a view."""
    work = Work(tmp_path)
    work.commit("one", a="1", b="2")
    return work


def test_a_run_is_found_as_it_was_recorded(work: Work) -> None:
    """Begin, views and end come back as they went in, NaN and infinity among them."""
    runs = work.repo.runs
    run = runs.begin(START)
    view = work.ds.prepare()
    runs.note_view(run.id, view)
    runs.note_view(run.id, view)
    assert runs.find("one").state == "running"
    run.end(END)
    found = runs.find(run.id[:6])
    assert (found.id, found.state, found.start, repr(found.end)) == (
        run.id, "failed", START, repr(END),
    )  # fmt: skip
    assert [(v.version, v.digest, v.examples) for v in found.views] == [
        (view.version, view.digest, 2)
    ]
    with pytest.raises(Refused, match="ended already"):
        runs.record_end(run.id, END)


def test_a_run_without_end_is_interrupted(work: Work) -> None:
    """When its process is gone a run without end counts as interrupted, and keeps its views."""
    runs = work.repo.runs
    run = runs.begin(START)
    runs.note_view(run.id, work.ds.prepare())
    run.release()
    found = runs.find(run.id)
    assert (found.state, found.end, len(found.views)) == ("interrupted", None, 1)
    shutil.rmtree(work.repo.layout.living_runs)  # local/ may be deleted
    assert [each.state for each in runs] == ["interrupted"]


def test_views_of_a_run_elsewhere_are_not_recorded(work: Work) -> None:
    """A DSM_RUN that is no run of this repository, or no id at all, records and breaks nothing."""
    for run in ("ab" * 8, "../../x", ""):
        work.repo.runs.note_view(run, work.ds.prepare())
    assert not os.path.exists(work.repo.layout.runs)


def test_runs_are_named_by_id_prefix_and_name(work: Work) -> None:
    """The last one of a name is meant; what names none, or several, is refused."""
    runs = work.repo.runs
    ids = [runs.begin(replace(START, time=time)).id for time in (9, 2)]
    assert [run.id for run in runs] == ids
    assert runs.find("one").id == ids[0]
    with pytest.raises(NotFound, match="no run 'onne'") as raised:
        runs.find("onne")
    assert raised.value.hint == "did you mean one?"
    for each in ids:
        twin = os.path.join(work.repo.layout.runs, each[:4] + "0" * 12)
        shutil.copytree(os.path.join(work.repo.layout.runs, each), twin)
        with pytest.raises(AmbiguousName, match="2 runs begin with"):
            runs.find(each[:4])


def test_a_run_that_goes_on_is_not_removed(work: Work) -> None:
    """An ended run is removed for good, its views stay."""
    runs = work.repo.runs
    run = runs.begin(START)
    runs.note_view(run.id, work.ds.prepare())
    with pytest.raises(RunGoesOn, match="is going on"):
        runs.remove(run.id)
    run.end(END)
    runs.remove(run.id)
    assert (list(runs), len(work.repo.views())) == ([], 1)
    assert os.listdir(work.repo.layout.runs) == []


@pytest.mark.parametrize("name", ["start.json", "end.json"])
def test_damage_is_found(work: Work, name: str) -> None:
    """A document that is damaged, or of another run, is told by whoever reads it, and by fsck."""
    runs = work.repo.runs
    for _ in range(2):
        runs.begin(START).end(END)
    first, second = (os.path.join(work.repo.layout.runs, run.id, name) for run in runs)
    damaged = os.path.basename(os.path.dirname(second))
    shutil.copyfile(first, second)
    with pytest.raises(DamagedData, match="its fields are those of something else"):
        runs.find(damaged)
    os.truncate(second, 40)
    with pytest.raises(DamagedData, match="is damaged: it is not a JSON document"):
        runs.find(damaged)
    os.remove(work.repo.layout.run_index)  # a list is derived of what was whole
    with pytest.raises(DamagedData, match="is damaged: it is not a JSON document"):
        list(runs)
    assert len(fsck(work.repo).findings) == 1


@pytest.mark.parametrize("file", ["../../repo.json", "/etc/passwd", "end.json", "0" * 16])
def test_an_end_names_files_of_its_run_alone(file: str) -> None:
    """Whoever made a repository may have meant harm: no other file is read for points."""
    end = replace(END, points=[PointsFile(file, 1, "00")])
    with pytest.raises(DamagedData, match="a file of points lies elsewhere"):
        end_of({"format": 1, **end_fields("f" * 16, end)}, "f" * 16, "end.json")


def test_runs_are_compared(work: Work) -> None:
    """Parameters, metrics and environment differ by name; views stand side by side by dataset."""
    runs = work.repo.runs
    first = runs.begin(START)
    runs.note_view(first.id, work.ds.prepare())
    first.end(END)
    work.commit("two", a="3")
    second = runs.begin(replace(START, name="two", parameters={"lr": "0.2"}, packages={"a": "2"}))
    runs.note_view(second.id, work.ds.prepare())
    second.end(replace(END, metrics={"f1": 0.2}))
    found = compare(runs.find("one"), runs.find("two"))
    assert [(d.name, d.before, d.after) for d in found.parameters] == [("lr", "0.1", "0.2")]
    assert [(d.name, d.before, d.after) for d in found.environment] == [("package a", "1", "2")]
    assert found.metrics[0] == ("f1", 0.1, 0.2)
    assert [(len(found.data), found.same, found.only_a, found.only_b)] == [(1, [], [], [])]


def test_files_of_an_earlier_run_do_not_count(tmp_path: Path) -> None:
    """Only what was written since is an output; a pipe or a missing file is refused at once."""
    path = tmp_path / "m.json"
    path.write_text('{"a": NaN, "b": -Infinity, "c": 1}')
    before = files.mark(str(path))
    with pytest.raises(InvalidInput, match="was there before"):
        files.output(str(path), before)
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "gone"):
        with pytest.raises(InvalidInput, match="is not a regular file|No such file or directory"):
            files.output(str(tmp_path / name), None)
