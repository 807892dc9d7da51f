"""ls, cat: reading what is stored."""

from __future__ import annotations

from pathlib import Path

from .conftest import Runner, write


def test_ls_lists_a_snapshot(dsm: Runner, two_changesets: Path) -> None:
    """Paths of the head or of another changeset, all or below a folder."""
    assert dsm("ls").lines == ["cat/1.txt", "cat/2.txt", "cat/3.txt", "dog/1.txt", "dog/3.txt"]
    assert dsm("ls", "--at", "1", "dog").lines == ["dog/1.txt", "dog/2.txt"]
    dsm("ls", "owl", status=4)


def test_ls_long_and_json(dsm: Runner, two_changesets: Path) -> None:
    """--long adds size, time and labels; --json has everything."""
    line = dsm("ls", "--long", "cat/1.txt").lines[0].split()
    assert [*line[:2], *line[3:]] == ["20", "B", "cat", "cat/1.txt"]
    (example,) = dsm("ls", "--json", "cat/1.txt").json["examples"]
    assert {"path", "object", "size", "time", "labels", "attributes", "annotation"} == set(example)
    assert (
        len(example["object"]), example["labels"], example["annotation"],
    ) == (64, ["cat"], None)  # fmt: skip


def test_ls_of_nothing(dsm: Runner, empty_repo: Path) -> None:
    """Before the first changeset there are no examples."""
    assert dsm("ls").out == ""
    assert dsm("ls", "--json").json["examples"] == []


def test_ls_never_prints_names_raw(dsm: Runner, empty_repo: Path) -> None:
    """A name with an escape sequence is quoted."""
    write(empty_repo / "\x1b[2J.txt", "x")
    dsm("add", ".")
    dsm("commit", "-m", "odd name")
    for words in (("ls",), ("ls", "--long"), ("ls", "--json"), ("show",), ("show", "--stat")):
        assert b"\x1b" not in dsm(*words).raw


def test_cat_writes_bytes(dsm: Runner, two_changesets: Path) -> None:
    """PATH is of the head, N:PATH of a changeset or tag; several follow one another."""
    dsm("tag", "v1", "1")
    assert dsm("cat", "cat/1.txt").raw == b"second cat/1, longer"
    assert dsm("cat", "1:cat/1.txt", "v1:dog/2.txt").raw == b"first cat/1first dog/2"
    assert dsm("cat", ":cat/2.txt").raw == b"first cat/2"


def test_cat_of_what_is_not_there(dsm: Runner, two_changesets: Path) -> None:
    """An unknown example or changeset exits 4."""
    assert "cat/9.txt" in dsm("cat", "cat/9.txt", status=4).err
    dsm("cat", "9:cat/1.txt", status=4)


def test_cat_of_a_name_with_a_colon(dsm: Runner, empty_repo: Path) -> None:
    """Where the part before the colon names no changeset, it may belong to the name."""
    write(empty_repo / "a:b.txt", "colon")
    dsm("add", ".")
    dsm("commit", "-m", "odd name")
    assert b"colon" == dsm("cat", "a:b.txt").raw == dsm("cat", "1:a:b.txt").raw
    write(empty_repo / "1:b.txt", "number")
    dsm("commit", "-m", "odder name", "1:b.txt")
    assert b"number" == dsm("cat", "1:b.txt").raw == dsm("cat", "2:1:b.txt").raw
    assert "no example c.txt" in dsm("cat", "1:c.txt", status=4).err
