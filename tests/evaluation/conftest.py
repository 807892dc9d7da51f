"""A repository with a run that read a view of six examples of two classes."""

from __future__ import annotations

from pathlib import Path

import pytest
from situations import Work

from dsm.runs.run import Start

PATHS = ["cat/1", "cat/2", "cat/3", "dog/1", "dog/2", "dog/3"]


def begin(work: Work, name: str, *views: str) -> str:
    """Begins and gives up a run that read views by their names; returns its id."""
    start = Start(name, ["train"], 5, "Ada", {}, None, None, "3.11", {})
    run = work.repo.runs.begin(start)
    for view in views:
        work.repo.runs.note_view(run.id, work.repo.view(view))
    run.release()
    return run.id


@pytest.fixture
def pets(tmp_path: Path) -> Work:
    """Six pets with an attribute, the view `all`, and the run `base` that read it."""
    work = Work(tmp_path, pattern="{label}/{n:int}")
    work.commit("pets", **{path: path for path in PATHS})
    work.ds.prepare(name="all")
    begin(work, "base", "all")
    return work
