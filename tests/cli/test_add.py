"""add: what is staged, how that is told, and what its options do."""

from __future__ import annotations

import os
import re
from pathlib import Path

from .conftest import Runner, write


def test_add_tells_counts_and_sizes_in_one_line(dsm: Runner, empty_repo: Path) -> None:
    """The summary goes to standard error; standard output stays empty."""
    write(empty_repo / "cat/1.txt", "a" * 1500)
    write(empty_repo / "cat/2.txt", "b")
    said = dsm("add", ".")
    assert said.out == ""
    assert re.fullmatch(r"staged 2 examples \(2 added\), 1\.5 kB read, .* stored\n", said.err), (
        said.err
    )
    assert dsm("add", ".").err == "nothing to stage: 2 files unchanged\n"


def test_dry_run_lists_and_stages_nothing(dsm: Runner, empty_repo: Path) -> None:
    """-n prints a letter and a path for each change."""
    write(empty_repo / "cat/1.txt", "one")
    said = dsm("add", "-n", ".")
    assert said.lines == ["A\tcat/1.txt"]
    assert said.err == "would stage 1 example (1 added)\n"
    assert dsm("status", "--porcelain").lines == ["?? cat/1.txt"]


def test_labels_come_from_options_and_pattern(dsm: Runner, empty_repo: Path) -> None:
    """--label goes on all files, the dataset's pattern adds the folder's name."""
    write(empty_repo / "cat/1.txt", "one")
    dsm("add", "--label", "night", "-l", "blurred", ".")
    dsm("commit", "-m", "one")
    (example,) = dsm("ls", "--json").json["examples"]
    assert sorted(example["labels"]) == ["blurred", "cat", "night"]


def test_files_that_the_pattern_leaves_out_are_counted(dsm: Runner, empty_repo: Path) -> None:
    """Unmatched files are staged without label, told in one line, and refused by --strict."""
    write(empty_repo / "notes.md", "hello")
    write(empty_repo / "README", "hello")
    assert dsm("add", "--strict", ".", status=2).status == 2
    assert "2 files unlabelled: not matched by {label}/{name}.txt" in dsm("add", ".").err


def test_a_label_file_gives_labels_and_attributes(dsm: Runner, empty_repo: Path) -> None:
    """--labels reads a CSV file keyed by path."""
    write(empty_repo / "a.wav", "a")
    write(empty_repo.parent / "labels.csv", "path,label,speaker,age\na.wav,yes,ada,36\n")
    dsm("add", "--labels", "../labels.csv", ".")
    dsm("commit", "-m", "speech")
    (example,) = dsm("ls", "--json").json["examples"]
    assert (example["labels"], example["attributes"]) == (["yes"], {"speaker": "ada", "age": 36})


def test_all_stages_deletions(dsm: Runner, two_changesets: Path) -> None:
    """Without -A a missing file stays; with it the example is staged as deleted."""
    (two_changesets / "cat/2.txt").unlink()
    dsm("add", ".")
    assert dsm("status", "--porcelain").lines == [" D cat/2.txt"]
    dsm("add", "-A", ".")
    assert dsm("status", "--porcelain").lines == ["D  cat/2.txt"]


def test_special_files_are_skipped_with_a_line(dsm: Runner, empty_repo: Path) -> None:
    """A FIFO is named and left out; at most ten of them are listed."""
    for number in range(12):
        os.mkfifo(empty_repo / f"pipe{number:02}")
    write(empty_repo / "cat/1.txt", "one")
    said = dsm("add", ".")
    skipped = [line for line in said.err.splitlines() if line.startswith("skipped: pipe")]
    assert len(skipped) == 10
    assert "… and 2 more" in said.err


def test_an_add_that_finds_no_file_says_so(dsm: Runner, empty_repo: Path) -> None:
    """An empty folder and one that is ignored are not called unchanged files."""
    write(empty_repo / "drafts/1.txt", "draft")
    write(empty_repo / ".dsmignore", "drafts/")
    for path in (".", "drafts"):
        assert "nothing to stage: no file was found" in dsm("add", path).err


def test_add_needs_a_path(dsm: Runner, empty_repo: Path) -> None:
    """A command line without path is a mistake: two lines and exit status 2."""
    said = dsm("add", status=2)
    assert said.err == ("error: name files or folders to add\nhint: . is all of them\n")


def test_a_path_that_is_not_there_is_named(dsm: Runner, empty_repo: Path) -> None:
    """Naming nothing exits 4 with the name."""
    assert "nowhere" in dsm("add", "nowhere", status=4).err
