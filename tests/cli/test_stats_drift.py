"""dsm stats and dsm drift: figures by column, a verdict, and what a word may name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dsm as library
from dsm.errors import NotFound

from .conftest import Runner, write


@pytest.fixture
def shifted(dsm: Runner, empty_repo: Path) -> Path:
    """Sixty examples, half of them cats (tag v1), then sixty larger ones, nearly all cats."""
    for i in range(60):
        write(empty_repo / f"{'cat' if i % 2 else 'dog'}/{i:03}.txt", "x" * (20 + i))
    dsm("add", "-q", ".")
    dsm("commit", "-q", "-m", "first")
    dsm("tag", "-q", "v1")
    for i in range(60, 120):
        write(empty_repo / f"{'dog' if i % 12 == 0 else 'cat'}/{i:03}.txt", "x" * (20 + i))
    dsm("add", "-q", ".")
    dsm("commit", "-q", "-m", "second")
    return empty_repo


def test_stats_sum_up_columns(dsm: Runner, shifted: Path) -> None:
    """Labels have bars, sizes quantiles and a histogram; --column takes some."""
    said = dsm("stats", "v1", "--column", "labels", "--column", "size").out.splitlines()
    assert said[:4] == ["changeset 1 of photos: 60 examples", "", "labels: 2 values", said[3]]
    assert [line.split()[:2] for line in said[3:5]] == [["cat", "30"], ["dog", "30"]]
    assert said[6:9] == [
        "size: numbers",
        "  min 20 B, p5 22 B, p25 34 B, median 49 B, p75 64 B, p95 76 B, max 79 B",
        "  mean 50 B, deviation 17 B",
    ]
    assert said[9].startswith("  20 B ") and said[9].endswith(" 79 B")
    assert len(said) == 10


def test_drift_says_what_moved_and_fails(dsm: Runner, shifted: Path) -> None:
    """Labels and sizes have drifted: exit 1, with shares and medians; nothing against itself."""
    said = dsm("drift", "v1", "v1..head", status=1).out.splitlines()
    assert said[:2] == [
        "A: changeset 1 of photos, 60 examples", "B: changesets 1..2 of photos, 60 examples",
    ]  # fmt: skip
    assert "  cat: 50.0% → 91.7%" in said
    assert "  median 49 B → 109 B" in said
    assert said[-1] == "drifted: labels, size"
    assert dsm("drift", "v1", "1").out.splitlines()[-1] == "no drift"
    dsm("drift", "v1", "v1..head", "--ignore", "labels", "--ignore", "size")
    dsm("drift", "v1", "v1..head", "--column", "size", status=1)
    dsm("drift", "v1", "v1..head", "--psi", "1000")


def test_bad_thresholds_are_refused(dsm: Runner, shifted: Path) -> None:
    """Numbers that mean nothing, corrections and columns that there are not: one line."""
    assert "level" in dsm("drift", "1", "2", "--level", "0", status=2).err
    assert "PSI" in dsm("drift", "1", "2", "--psi", "nan", status=2).err
    assert "correction" in dsm("drift", "1", "2", "--correction", "x", status=2).err
    assert "did you mean labels?" in dsm("drift", "1", "2", "--column", "label", status=4).err


def test_words_name_changesets_views_and_datasets(dsm: Runner, shifted: Path) -> None:
    """A changeset comes first, then a view, then another dataset; near matches are told."""
    dsm("prepare", "-q", "--label", "dog", "--name", "dogs")
    dsm("init", "-q", "--dataset", "speech", "--pattern", "{label}/{_}")
    dsm("add", "-q", "-d", "speech", "cat")
    dsm("commit", "-q", "-d", "speech", "-m", "first")
    dsm("switch", "photos")

    def named(word: str) -> tuple[Any, ...]:
        of = dsm("stats", word, "--json").json["of"]
        return of["kind"], of["dataset"], of["changeset"], of["after"]

    assert named("v1") == ("changeset", "photos", 1, None)
    assert named("v1..") == ("changesets", "photos", 2, 1)
    assert named("dogs") == ("view", "photos", 2, None)
    assert named("speech") == ("dataset", "speech", 1, None)
    assert "did you mean dogs?" in dsm("stats", "dosg", status=4).err
    assert "write 1..2" in dsm("stats", "2..1", status=2).err
    dsm("drift", "dogs", "speech", status=1)


def test_a_dataset_without_changesets_has_no_figures(dsm: Runner, empty_repo: Path) -> None:
    """There is nothing to sum up: exit 4, as elsewhere."""
    assert dsm.run(["stats"]).status == 4
    assert dsm.run(["drift", "head", "head"]).status == 4


def test_python_has_the_same_figures(dsm: Runner, shifted: Path) -> None:
    """`repo.example_set`, `repo.drift`, `view.stats`, `view.drift` and `dataset.stats`."""
    with library.open(".") as repo:
        dataset = repo.dataset()
        cats, dogs = (dataset.prepare(labels=[label]) for label in ("cat", "dog"))
        assert cats.stats()["labels"].counts == (("cat", 85),)
        assert repo.example_set(cats.version).stats()["size"] == cats.stats()["size"]
        assert dataset.stats("v1")["labels"] == repo.example_set("v1").stats()["labels"]
        assert {"labels", "size"} <= {each.column for each in cats.drift(dogs).moved}
        assert repo.drift("v1", "v1..head").drifted
        assert not cats.drift(dogs, ignore=["labels", "size"]).drifted
        with pytest.raises(NotFound, match=r"no example has the column width"):
            cats.drift(dogs, columns=["width"])
        with pytest.raises(TypeError, match="level"):
            cats.drift(dogs, levl=0.1)  # type: ignore[call-arg]
