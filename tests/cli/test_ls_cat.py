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


def test_ls_narrows(dsm: Runner, two_changesets: Path) -> None:
    """Labels, conditions, globs and a view each leave some of the examples; together, what fits
    all of them."""
    write(two_changesets / "table.csv", "path,label,width\nbird/1.txt,bird,3\nbird/2.txt,bird,9\n")
    for name in ("1", "2"):
        write(two_changesets / f"bird/{name}.txt", name)
    dsm("add", "bird", "--labels", "table.csv")
    dsm("commit", "-m", "birds")
    dsm("prepare", "--label", "bird", "--label", "dog", "--name", "small")
    for line, expected in (
        ("--label dog", ["dog/1.txt", "dog/3.txt"]),
        ("--label dog --label cat dog", ["dog/1.txt", "dog/3.txt"]),
        ("--where width>=5", ["bird/2.txt"]),
        ("*1.txt", ["bird/1.txt", "cat/1.txt", "dog/1.txt"]),
        ("[bc]*/2.* dog/3.txt", ["bird/2.txt", "cat/2.txt", "dog/3.txt"]),
        ("--view small", ["bird/1.txt", "bird/2.txt", "dog/1.txt", "dog/3.txt"]),
        ("--view small --exclude-label bird **/1.txt", ["dog/1.txt"]),
        ("--at 1 --label dog", ["dog/1.txt", "dog/2.txt"]),
    ):
        assert dsm("ls", *line.split()).lines == expected, line
    dsm("ls", "--label", "owl", status=4)
    dsm("ls", "--view", "nothing", status=4)
    dsm("ls", "--where", "height>1", status=4)
    dsm("ls", "x*", status=4)
    dsm("ls", "[", status=2)
    dsm("ls", "--view", "small", "--at", "1", status=2)
    dsm("dataset", "create", "other", "--root", "other")
    assert dsm("-d", "photos", "ls", "--view", "small").lines[0] == "bird/1.txt"
    dsm("switch", "other")
    assert dsm("ls", "--view", "small", "--json").json["dataset"] == "photos"
    dsm("-d", "other", "ls", "--view", "small", status=4)


def test_ls_of_a_name_with_a_star(dsm: Runner, empty_repo: Path) -> None:
    """A path that is there is that path, whatever it holds."""
    for name in ("a*.txt", "ab.txt"):
        write(empty_repo / name, "x")
    dsm("add", ".")
    dsm("commit", "-m", "odd names")
    assert dsm("ls", "a*.txt").lines == ["a*.txt"]
    assert dsm("ls", "a?.txt").lines == ["a*.txt", "ab.txt"]


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
