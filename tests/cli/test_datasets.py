"""init, dataset, switch: making repositories and choosing among datasets."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Runner, write


def test_init_names_the_dataset_after_the_folder(dsm: Runner, tmp_path: Path) -> None:
    """`dsm init DIR` makes DIR/.dsm with one dataset and prints nothing to standard output."""
    said = dsm("init", str(tmp_path / "my photos"))
    assert said.out == ""
    assert f"made a repository in {tmp_path}/my photos/.dsm with dataset my-photos" in said.err
    assert dsm("-C", str(tmp_path / "my photos"), "dataset").lines == [
        "* my-photos  no changeset yet, 0 examples"
    ]


def test_init_again_changes_nothing(dsm: Runner, empty_repo: Path) -> None:
    """A second init says that the repository is there."""
    before = dsm("dataset", "show", "--json").json
    assert "there is a repository in" in dsm("init").err
    assert before == dsm("dataset", "show", "--json").json


def test_init_takes_the_name_from_the_option(dsm: Runner, tmp_path: Path) -> None:
    """`--dataset` names the first dataset, before and after the command name."""
    dsm("init", str(tmp_path / "a"), "--dataset", "speech")
    dsm("-d", "speech", "init", str(tmp_path / "b"))
    for folder in "ab":
        shown = dsm("-C", str(tmp_path / folder), "dataset", "list", "--json").json
        assert [row["name"] for row in shown["datasets"]] == ["speech"]


def test_init_says_that_it_adds_a_dataset(dsm: Runner, empty_repo: Path) -> None:
    """In a repository that is there, a new dataset is told, with how to choose it."""
    assert dsm("init", "--dataset", "speech").err.splitlines() == [
        f"there is a repository in {empty_repo}/.dsm; made dataset speech in it",
        "next: choose it with `dsm switch speech` or -d speech",
    ]
    again = f"there is a repository in {empty_repo}/.dsm with dataset speech\n"
    assert again == dsm("init", "--dataset", "speech").err


@pytest.mark.parametrize("second", ["dataset create two", "init --dataset two"])
def test_a_second_dataset_leaves_the_first_current(
    dsm: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    """Commands without -d go on with the dataset that was alone, whatever the folder's name."""
    (tmp_path / "two").mkdir()
    monkeypatch.chdir(tmp_path / "two")
    dsm("init", "--dataset", "one")
    assert not Path(".dsm/config.toml").exists()  # as a repository of an older version
    dsm(*second.split())
    assert dsm("status", "--json").json["dataset"] == "one"
    assert dsm("dataset").lines[0].startswith("* one")


def test_datasets_are_listed_in_columns(dsm: Runner, two_changesets: Path) -> None:
    """Names of different lengths are aligned, and numbers are grouped as elsewhere."""
    dsm("dataset", "create", "a")
    assert dsm("dataset", "list").lines == [
        "  a       no changeset yet, 0 examples",
        "* photos  changeset 2, 5 examples",
    ]
    shown = dsm("dataset", "show", "a").lines
    assert shown[-2:] == ["head:       none", "examples:   0"]
    fields = dsm("dataset", "show", "a", "--json").json
    assert (fields["head"], fields["examples"]) == (0, 0)


def test_datasets_are_created_listed_and_chosen(dsm: Runner, empty_repo: Path) -> None:
    """create adds a dataset, switch makes it current, -d and DSM_DATASET go before that."""
    dsm("dataset", "create", "speech", "--root", "speech", "--pattern", "{speaker}/{name}.wav")
    assert sorted(
        line.split("  no changeset")[0]
        for line in (dsm("switch", "speech"), dsm("dataset"))[1].lines
    ) == ["  photos", "* speech"]
    shown = dsm("dataset", "show", "--json").json
    assert (
        shown["name"], shown["pattern"], shown["head"], shown["current"],
    ) == ("speech", "{speaker}/{name}.wav", 0, True)  # fmt: skip
    assert dsm("-d", "photos", "status", "--json").json["dataset"] == "photos"


def test_show_is_for_reading(dsm: Runner, two_changesets: Path) -> None:
    """Each fact has a line."""
    lines = dsm("dataset", "show").lines
    assert {
        "name:       photos",
        "current:    yes",
        "head:       2",
        "examples:   5",
    } <= set(lines)
    assert "attributes: name (string)" in lines
    assert [line.split()[:2] for line in lines[lines.index("labels") + 1 :][:2]] == [
        ["cat", "3"], ["dog", "2"]
    ]  # fmt: skip


def test_environment_names_the_dataset(
    dsm: Runner, empty_repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DSM_DATASET counts when no -d is given."""
    dsm("dataset", "create", "speech")
    monkeypatch.setenv("DSM_DATASET", "speech")
    assert dsm("status", "--json").json["dataset"] == "speech"
    assert dsm("status", "--json", "-d", "photos").json["dataset"] == "photos"


def test_an_unknown_dataset_is_answered_with_near_names(dsm: Runner, empty_repo: Path) -> None:
    """A mistyped name exits 4 and the hint has the right one."""
    said = dsm("status", "-d", "phtos", status=4)
    assert "hint: did you mean photos?" in said.err


def test_paths_are_those_of_the_current_folder(
    dsm: Runner, empty_repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a sub-folder, add takes and status shows paths as one types them there."""
    write(empty_repo / "cat/1.txt", "one")
    monkeypatch.chdir(empty_repo / "cat")
    assert dsm("status", "--short").lines == ["?? 1.txt"]
    assert dsm("status", "--porcelain").lines == ["?? cat/1.txt"]
    dsm("add", "1.txt")
    dsm("commit", "-m", "one")
    assert b"one" == dsm("cat", "1.txt").raw == dsm("cat", "1:cat/1.txt").raw
