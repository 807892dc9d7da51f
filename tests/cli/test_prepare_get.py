"""prepare, get: from a query to a tarball."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

from .conftest import Runner

ROOT = Path(__file__).resolve().parents[2]


def test_prepare_prints_the_version_alone(dsm: Runner, two_changesets: Path) -> None:
    """64 hex digits to standard output, the summary to standard error; the same again."""
    said = dsm("prepare", "--label", "cat")
    assert re.fullmatch(r"[0-9a-f]{64}\n", said.out)
    assert said.err.startswith("label cat, up to changeset 2\n3 examples, ")
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
    assert set(said) == {
        "version", "dataset", "query", "digest", "examples", "size", "labels", "queries", "ties",
    }  # fmt: skip
    assert said["labels"] == {"cat": 3, "dog": 2, "night": 1}
    assert chosen("--path", "cat") == 3
    assert chosen("--path", "cat/1.*", "--path", "dog") == 3
    assert chosen("--percent", "60%") == chosen("--percent", ".6") == 3
    assert chosen("--since", "2000-01-01", "--until", "9999-01-01") == 5
    assert chosen("--changesets", "1") == 5
    assert chosen("--where", "size>0", "--where", "size < 1e9") == 5
    dsm("prepare", "--until", "2000-01-01", status=1)


def test_what_is_asked_for_wrongly(dsm: Runner, two_changesets: Path) -> None:
    """One line, a hint where there is one, and the status of its kind; nothing on stdout."""
    for words, status, shown in (
        (("--percent", "80"), 2, "'80' is not a share of the examples"),
        (("--since", "2021", "--until", "2020"), 2, "(since) and before"),
        (("--changesets", "1,9"), 4, "has no changeset 9"),
        (("--where", "width>3"), 4, "no example has an attribute 'width'"),
        (("--path", "/etc"), 2, "no path of an example"),
        (("--all-labels",), 2, "all of which labels?"),
    ):
        said = dsm("prepare", *words, status=status)
        assert said.out == "" and shown in said.err, words


def test_an_unknown_label_that_is_left_out(dsm: Runner, two_changesets: Path) -> None:
    """Legal, since it may come later; said each time, since it may be misspelt."""
    for _ in range(2):
        said = dsm("prepare", "--exclude-label", "blured", "--exclude-label", "catt")
        assert "note: no example has the label blured, which is to be left out\n" in said.err
        assert "label catt, which is to be left out; did you mean cat?\n" in said.err


def test_an_empty_view_is_a_no(dsm: Runner, two_changesets: Path) -> None:
    """Nothing matches: exit 1; a label that never was: not found."""
    dsm("prepare", "-l", "cat", "-l", "dog", "--all-labels", status=1)
    dsm("prepare", "-l", "owl", status=4)


def test_get_writes_the_same_tarball(dsm: Runner, two_changesets: Path) -> None:
    """-o DIR prints where it is, -o - prints the tar; both hold the examples by path."""
    version = dsm("prepare", "--label", "cat").out.strip()
    where = Path(dsm("get", version, "-o", "../out", "--format", "tar").out.strip())
    data = dsm("get", version[:12], "-o", "-", "--format", "tar").raw
    assert data == where.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["cat/1.txt", "cat/2.txt", "cat/3.txt"]
        member = tar.extractfile("cat/2.txt")
        assert member is not None
        assert member.read() == b"first cat/2"


def test_get_of_an_unknown_version(dsm: Runner, two_changesets: Path) -> None:
    """A version that nobody prepared exits 4."""
    dsm("get", "0" * 64, "-o", "out", status=4)


def test_get_prints_the_folder_alone(dsm: Runner, two_changesets: Path) -> None:
    """Shards by default, in a folder named for the view; the path alone on standard output."""
    version = dsm("prepare", "--label", "cat").out.strip()
    said = dsm("get", version)
    name = said.out.strip()
    assert name.endswith("-" + version[:12]) and said.out == name + "\n"
    assert "3 examples" in said.err
    assert sorted(path.name for path in Path(name).iterdir()) == [
        ".dsmignore", "README.md", "croissant.json", "dataset.json", "shard-000000.tar",
    ]  # fmt: skip
    again = dsm("get", version, "--verify")
    assert again.out == said.out
    assert again.err.startswith("there already and verified")
    told = dsm("get", version, "--json").json
    assert (told["path"], told["examples"], told["fresh"]) == (name, 3, False)
    assert told["version"] == version


def test_get_of_another_form_is_a_conflict(dsm: Runner, two_changesets: Path) -> None:
    """Other options in the same folder exit 5 and name --force; a damaged shard exits 7."""
    version = dsm("prepare", "--label", "cat").out.strip()
    dsm("get", version, "-o", "../out")
    said = dsm("get", version, "-o", "../out", "--compression", "zstd", status=5)
    assert "--force" in said.err
    shard = Path("../out/shard-000000.tar")
    shard.write_bytes(shard.read_bytes().replace(b"first", b"f1rst"))
    dsm("get", version, "-o", "../out", "--verify", status=7)
    dsm("get", version, "-o", "../out", "--force")
    dsm("get", version, "-o", "../out", "--verify")


def test_get_prints_no_tar_to_a_terminal(two_changesets: Path, dsm: Runner) -> None:
    """Exit status 2, with the hint to pipe it; not one byte of the tar."""
    version = dsm("prepare").out.strip()
    ours, theirs = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "dsm", "get", version, "-o", "-"],
        stdout=theirs, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    os.write(theirs, b"end")
    assert (done.returncode, os.read(ours, 100)) == (2, b"end")
    assert done.stderr.splitlines() == [
        "error: a tar is not written to a terminal", "hint: pipe it, or give a folder with -o",
    ]  # fmt: skip
    os.close(ours)
    os.close(theirs)


def test_sizes_as_people_write_them(dsm: Runner, two_changesets: Path) -> None:
    """--shard-size takes decimal and binary units and refuses what is none."""
    from dsm.model.byte_sizes import bytes_of

    assert [bytes_of(text) for text in ("256MB", "1GiB", "50000", "1.5 kB", "2g", "0.5MiB")] == [
        256_000_000, 1 << 30, 50_000, 1500, 2_000_000_000, 1 << 19,
    ]  # fmt: skip
    version = dsm("prepare").out.strip()
    for text in ("MB", "-1", "1 furlong", "1e9", "0"):
        dsm("get", version, "--shard-size", text, "-o", "../out", status=2)
    dsm("get", version, "-o", "-", "--json", status=2)


def test_classes(dsm: Runner, two_changesets: Path, tmp_path: Path) -> None:
    """-1 is never written without a word, a list of classes ends that, and a part keeps indices."""
    dsm("label", "cat/1.txt", "--add", "night")
    dsm("commit", "-m", "night")
    out = str(tmp_path / "out")
    said = dsm("get", "-q", dsm("prepare", "-q").out.strip(), "-o", out)
    assert said.err.startswith("warning: 1 of 5 examples have no class, -1 is written")
    (tmp_path / "classes.txt").write_text("\ufeffcat\n\ndog\n", "utf-8")
    dsm("dataset", "set", "--classes", f"@{tmp_path / 'classes.txt'}")
    assert dsm("dataset", "show", "--json").json["target"] == {
        "column": "labels", "classes": ["cat", "dog"], "categories": [],
    }  # fmt: skip
    view = dsm("prepare", "-q", "--label", "dog").out.strip()
    answer = dsm("get", view, "-o", out, "--force", "--json")
    assert answer.json["without_class"] == 0 and "warning" not in answer.err
    dsm("dataset", "set", "--target", "labels")
    view = dsm("prepare", "-q", "--label", "dog").out.strip()
    for words, wanted in ((), ["cat", "dog", "night"]), (("--classes-from", "view"), ["dog"]):
        dsm("get", view, "-o", out, "--force", *words)
        assert json.loads((tmp_path / "out" / "dataset.json").read_bytes())["classes"] == wanted
    assert dsm("prepare", "--target", "attr.nothing", status=4).out == ""
    assert dsm("prepare", "--classes", "@nowhere", status=2).out == ""
    assert dsm("get", view, "--classes-from", "moon", status=2).out == ""
    assert dsm("dataset", "set", status=2).out == ""


def test_ties_are_counted_in_json(dsm: Runner, empty_repo: Path) -> None:
    """How many examples have the time where the newest share ends, and how many of them it takes."""
    (empty_repo / "t.csv").write_text(
        "path,time\n" + "".join(f"{name},2026-01-01\n" for name in "abcd") + "e,2026-02-01\n"
    )
    for name in "abcde":
        (empty_repo / name).write_text(name)
    dsm("add", "--labels", "t.csv", *"abcde")
    dsm("commit", "-m", "five")
    assert dsm("prepare", "--percent", "60%", "--json").json["ties"] == {"examples": 4, "taken": 2}
    assert dsm("prepare", "--percent", "20%", "--json").json["ties"] is None
    assert dsm("prepare", "--json").json["ties"] is None
