"""diff: what is compared, in which form, and the exit status."""

from __future__ import annotations

from pathlib import Path

from .conftest import Runner, write


def test_between_two_snapshots(dsm: Runner, two_changesets: Path) -> None:
    """A and B, in either direction."""
    forward = ["M\tcat/1.txt", "D\tdog/2.txt", "A\tdog/3.txt"]
    assert forward == dsm("diff", "1", "2", "--name-status").lines
    backward = ["M\tcat/1.txt", "A\tdog/2.txt", "D\tdog/3.txt"]
    assert backward == dsm("diff", "2", "1", "--name-status").lines


def test_with_the_files_here(dsm: Runner, two_changesets: Path) -> None:
    """Nothing: what is not staged; --staged: what is; A: the files here against snapshot A."""
    write(two_changesets / "cat/2.txt", "staged")
    dsm("add", ".")
    write(two_changesets / "cat/3.txt", "not staged")
    assert dsm("diff", "--name-status").lines == ["M\tcat/3.txt"]
    assert dsm("diff", "--staged", "--name-status").lines == ["M\tcat/2.txt"]
    assert dsm("diff", "head", "--name-status").lines == ["M\tcat/2.txt", "M\tcat/3.txt"]


def test_below_paths(dsm: Runner, two_changesets: Path) -> None:
    """Words behind the changesets, or behind --, are paths; what lies elsewhere is left out."""
    for words in (
        ["1", "2", "--", "dog"], ["1..2", "--", "dog"], ["1..", "dog"], ["1..head", "dog"],
        ["head^", "head", "dog"], ["1", "dog"], ["head^^..2", "dog"], ["1", "2", "dog/2.txt", "dog"],
    ):  # fmt: skip
        if words[0].startswith("head^^"):
            assert dsm("diff", *words, status=4).out == ""
            continue
        said = dsm("diff", "--name-status", *words)
        assert said.lines == ["D\tdog/2.txt", "A\tdog/3.txt"], words
    assert dsm("diff", "1", "2", "--name-status", "--", "1").out == ""
    assert dsm("diff", "1..2", "--exit-code", "--", "nothing/here").out == ""
    write(two_changesets / "cat/2.txt", "not staged")
    assert dsm("diff", "--name-status", "--", "cat").lines == ["M\tcat/2.txt"]
    assert dsm("diff", "--name-status", "--", "dog").lines == []


def test_words_that_are_unclear(dsm: Runner, two_changesets: Path) -> None:
    """A word that is a changeset and a path needs --; one that is neither is an error."""
    write(two_changesets / "1", "a file")
    said = dsm("diff", "1", status=2)
    assert said.err.splitlines() == [
        "error: 1 is a changeset and a path here",
        "hint: write 1 -- for the changeset, -- 1 for the path",
    ]
    assert dsm("diff", "--name-status", "1", "--").lines[0] == "M\tcat/1.txt"
    assert dsm("diff", "1..2", "1", "--", status=2).err.startswith("error: 1..2 1: give")
    assert "give two changesets at most" in dsm("diff", "2", "2", "2", status=2).err
    assert "no changeset, no tag and no path" in dsm("diff", "owl", status=4).err
    assert "write A..B" in dsm("diff", "2...2", status=2).err


def test_forms(dsm: Runner, two_changesets: Path) -> None:
    """Lines for people, a table, or one JSON document: the same changes."""
    assert dsm("diff", "1", "2").lines[0] == "modified    cat/1.txt  (11 B -> 20 B)"
    assert dsm("diff", "1", "2", "--stat").lines[0] == " cat | 1 modified"
    found = dsm("diff", "1", "2", "--json").json
    assert [change["kind"] for change in found["changes"]] == ["modified", "deleted", "added"]
    assert {"before", "after", "queries", "records_files", "changes"} == set(found)
    assert dsm("diff", "--stat").lines == [" nothing changed"]
    assert dsm("diff", "--json").json["changes"] == []


def test_exit_code(dsm: Runner, two_changesets: Path) -> None:
    """1 with differences, 0 without; without the option always 0."""
    dsm("diff", "--exit-code")
    dsm("diff", "1", "2")
    dsm("diff", "1", "2", "--exit-code", status=1)
    dsm("diff", "1", "2", "--exit-code", "--json", status=1)


def test_mistakes(dsm: Runner, two_changesets: Path) -> None:
    """--staged with two snapshots makes no sense; unknown ones are not found."""
    dsm("diff", "--staged", "1", "2", status=2)
    dsm("diff", "1", "77", status=4)
