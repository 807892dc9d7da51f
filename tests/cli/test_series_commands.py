"""dsm sweep and dsm ablate: versions of whole experiments, one a line."""

from __future__ import annotations

import pytest

import dsm as library

from .conftest import Runner


@pytest.mark.usefixtures("two_changesets")
def test_versions_for_a_loop(dsm: Runner) -> None:
    """Versions alone go to standard output; what each is, and what is left out, is said beside."""
    whole = dsm("prepare", "-q", "--name", "all").out.strip()
    half = dsm("prepare", "-q", "--percent", "50%").out.strip()
    said = dsm("sweep", "all", "--newest", "50%, 100%")
    assert said.lines == [half, whole]
    assert said.err.splitlines()[0].startswith("newest 50%: 3 examples, ")
    dsm("commit", "--allow-empty", "-m", "nothing")
    dsm("prepare", "--name", "later")
    said = dsm("ablate", "later", "--drop", "changeset")
    assert len(said.lines) == 2
    assert said.err.splitlines()[-1] == (
        "without changeset 3: left out, the view has the same examples with it"
    )
    answer = dsm("ablate", "all", "--drop", "label", "--json").json
    with library.open(".") as repo:
        labels = repo.view("all").labels
    left = [(step["what"], step["examples"]) for step in answer["steps"]]
    total = sum(labels.values())
    assert left == [(label, total - count) for label, count in labels.items()]
    said = dsm("ablate", "all", "--drop", "segment", status=1)
    assert (said.out, said.err) == ("", "the view has no segment that could be dropped\n")
    said = dsm("sweep", "all", status=2)
    assert said.err.splitlines()[0] == "error: a sweep goes over newest shares or over samples"


@pytest.mark.usefixtures("two_changesets")
def test_classes_with_weights(dsm: Runner) -> None:
    """A line a class, in the order of indices."""
    dsm("prepare", "--name", "all")
    with library.open(".") as repo:
        found = repo.view("all").class_figures()
    lines = [line.split() for line in dsm("view", "stats", "all", "--weights").lines]
    told = [(int(index), int(count), float(w), n) for index, count, _, _, w, n in lines]
    assert told == [
        (at, found.counts[at], pytest.approx(found.weights[at], rel=1e-5), name)
        for at, name in enumerate(found.names)
    ]
    answer = dsm("view", "stats", "all", "--json").json
    assert [each["weight"] for each in answer["classes"]] == list(found.weights)
