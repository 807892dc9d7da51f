"""prepare, get: from a query to a tarball."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

from .conftest import Runner


def test_prepare_prints_the_version_alone(dsm: Runner, two_changesets: Path) -> None:
    """64 hex digits to standard output, the summary to standard error; the same again."""
    said = dsm("prepare", "--label", "cat")
    assert re.fullmatch(r"[0-9a-f]{64}\n", said.out)
    assert said.err.startswith("3 examples, ")
    assert said.out == dsm("prepare", "-l", "cat", "-l", "cat").out
    assert said.out != dsm("prepare", "--label", "dog").out
    assert dsm("prepare", "-q", "--label", "cat").err == ""


def test_filters(dsm: Runner, two_changesets: Path) -> None:
    """--all-labels asks for all of them, --exclude-label leaves out, --at goes back."""
    dsm("label", "cat/1.txt", "--add", "night")
    dsm("commit", "-m", "night")

    def chosen(*words: str) -> int:
        count: int = dsm("prepare", "--json", *words).json["examples"]
        return count

    assert chosen("-l", "cat", "-l", "night") == 3
    assert chosen("-l", "cat", "-l", "night", "--all-labels") == 1
    assert chosen("-l", "cat", "--exclude-label", "night") == 2
    assert chosen("--at", "1") == 5
    said = dsm("prepare", "--json").json
    assert {"version", "dataset", "query", "examples", "size", "labels"} == set(said)
    assert said["labels"] == {"cat": 3, "dog": 2, "night": 1}


def test_an_empty_view_is_a_no(dsm: Runner, two_changesets: Path) -> None:
    """Nothing matches: exit 1; a label that never was: not found."""
    dsm("prepare", "-l", "cat", "-l", "dog", "--all-labels", status=1)
    assert dsm.run(["prepare", "-l", "owl"]).status != 0


def test_get_writes_the_same_tarball(dsm: Runner, two_changesets: Path) -> None:
    """-o DIR prints where it is, -o - prints the tar; both hold the examples by path."""
    version = dsm("prepare", "--label", "cat").out.strip()
    where = Path(dsm("get", version, "-o", "../out").out.strip())
    data = dsm("get", version[:12], "-o", "-").raw
    assert data == where.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["cat/1.txt", "cat/2.txt", "cat/3.txt"]
        member = tar.extractfile("cat/2.txt")
        assert member is not None
        assert member.read() == b"first cat/2"


def test_get_of_an_unknown_version(dsm: Runner, two_changesets: Path) -> None:
    """A version that nobody prepared exits 4."""
    dsm("get", "0" * 64, "-o", "out", status=4)
