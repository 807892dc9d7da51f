"""The index that lists of runs are read from: derived, bound to its copy, never a cause to fail."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from runs.test_book import END, START
from situations import Work

from dsm.runs.book import Runs
from dsm.runs.run import Run
from dsm.store import disk


@pytest.fixture
def runs(work: Work) -> Runs:
    """Three runs that ended, one of them with a view, and one that was killed."""
    work.commit("one", a="1", b="2")
    runs = work.repo.runs
    for time in range(3):
        run = runs.begin(replace(START, time=time, name=f"run{time}"))
        if not time:
            runs.note_view(run.id, work.ds.prepare())
        run.end(replace(END, status=time))
    runs.begin(replace(START, time=9)).release()
    return runs


def index(work: Work) -> str:
    return work.repo.layout.run_index


def told(runs: Runs) -> list[str]:
    """All that a list says, as text: NaN is not equal to itself."""
    return [repr(run) for run in runs]


def found_one_by_one(runs: Runs) -> list[str]:
    return [repr(runs.find(run.id)) for run in runs]


def test_a_list_says_what_the_documents_say(work: Work, runs: Runs) -> None:
    """The first list, which reads documents, and the second, which reads the index, are the same."""
    first = told(runs)
    assert os.path.exists(index(work))
    assert told(runs) == first == found_one_by_one(runs)
    assert [run.state for run in runs] == ["interrupted", "failed", "failed", "complete"]


def test_runs_come_go_and_end_behind_the_index(work: Work, runs: Runs) -> None:
    """A run that began, ended or was removed since the index was written is told as it is."""
    going = runs.begin(replace(START, time=5))
    assert [run.state for run in runs][:2] == ["interrupted", "running"]
    going.end(END)
    runs.remove(runs.find("run1").id)
    assert [(run.start.time, run.state) for run in runs] == [
        (9, "interrupted"), (5, "failed"), (2, "failed"), (0, "complete"),
    ]  # fmt: skip
    assert told(runs) == found_one_by_one(runs)


def test_a_view_that_is_opened_after_the_end_is_none_of_the_run(work: Work, runs: Runs) -> None:
    """What outlives its run does not change what an ended run says."""
    before = told(runs)
    runs.note_view(runs.find("run2").id, work.ds.prepare())
    assert told(runs) == before == found_one_by_one(runs)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def grown(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"]")


def other_text(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"run1", b"run7"))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link(path: Path) -> None:
    os.rename(path, path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def other_key(path: Path) -> None:
    shutil.copyfile(path.with_name("cache.key"), path.with_name("key"))
    os.replace(path.with_name("key"), path.with_name("cache.key"))


@pytest.mark.parametrize(
    "harm", [Path.unlink, cut, grown, other_text, folder, link, pipe, other_key]
)
def test_an_index_that_is_not_its_own_is_not_there(
    work: Work,
    runs: Runs,
    harm: Callable[[Path], None],
) -> None:
    """Lost, damaged, crafted, or brought along with its key: the list is read from the documents."""
    first = told(runs)
    harm(Path(index(work)))
    assert told(runs) == first
    assert told(runs) == first


def test_another_run_in_the_place_of_one_is_told(work: Work, runs: Runs) -> None:
    """A folder that was exchanged is read anew, whatever the index has of its name."""
    list(runs)
    path = work.repo.layout.run(runs.find("run0").id)
    shutil.copytree(path, path + ".copy")
    os.remove(path + ".copy/end.json")
    shutil.rmtree(path)
    os.rename(path + ".copy", path)
    assert [run.state for run in runs][-1] == "interrupted"


def test_a_list_where_nothing_can_be_written(
    work: Work,
    runs: Runs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk, or a repository of others, costs the index and nothing else."""

    def full(operation: str, path: str) -> None:
        raise OSError(28, "No space left on device")

    with disk.observe(full):
        states = [run.state for run in runs]
    assert (states, os.path.exists(index(work))) == (
        ["interrupted", "failed", "failed", "complete"], False,
    )  # fmt: skip


def test_few_new_runs_do_not_write_it_anew(work: Work, runs: Runs) -> None:
    """It is written when enough came or went; a run more is read from its documents."""
    first = list(runs)
    assert isinstance(first[0], Run)
    before = os.stat(index(work)).st_ino
    list(runs)
    assert os.stat(index(work)).st_ino == before
