"""label, rm, mv: changes of examples that need no new content."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from .conftest import Runner, write


def labels(dsm: Runner, path: str) -> list[str]:
    (example,) = dsm("ls", "--json", path).json["examples"]
    return sorted(example["labels"])


def test_label_sets_adds_and_removes(dsm: Runner, two_changesets: Path) -> None:
    """Each option changes labels of all examples below the path, by the next commit."""
    assert dsm("label", "cat", "--add", "pet").err == "staged other labels for 3 examples\n"
    dsm("commit", "-m", "pets")
    assert labels(dsm, "cat/2.txt") == ["cat", "pet"]
    dsm("label", "cat/2.txt", "--set", "tiger")
    dsm("label", "cat/3.txt", "--remove", "pet")
    dsm("commit", "-m", "a tiger")
    assert (labels(dsm, "cat/2.txt"), labels(dsm, "cat/3.txt")) == (["tiger"], ["cat"])
    dsm("label", "cat/2.txt", "--set", "")
    dsm("commit", "-m", "unlabelled")
    assert labels(dsm, "cat/2.txt") == []


def test_label_needs_a_label(dsm: Runner, two_changesets: Path) -> None:
    """Nothing to do, or two things at once, is a mistake."""
    assert "hint: use --set, --add or --remove" in dsm("label", "cat", status=2).err
    dsm("label", "cat", "--set", "a", "--add", "b", status=2)


def test_relabelling_is_shown_as_such(dsm: Runner, two_changesets: Path) -> None:
    """The letter of a relabelled example is L, and diff shows old and new labels."""
    dsm("label", "cat/2.txt", "--set", "tiger")
    assert dsm("status", "--porcelain").lines == ["L  cat/2.txt"]
    assert dsm("diff", "--staged").lines == ["relabelled  cat/2.txt  (cat -> tiger)"]


def test_rm_removes_file_and_example(dsm: Runner, two_changesets: Path) -> None:
    """rm lists with -n, then takes a folder whole; --keep-files leaves the files."""
    said = dsm("rm", "-n", "cat")
    assert said.lines == ["rm cat/1.txt", "rm cat/2.txt", "rm cat/3.txt"]
    dsm("rm", "-r", "cat")
    assert not (two_changesets / "cat/1.txt").exists()
    dsm("rm", "--keep-files", "dog/1.txt")
    assert (two_changesets / "dog/1.txt").exists()
    assert dsm("status", "--porcelain").lines == [
        "D  cat/1.txt", "D  cat/2.txt", "D  cat/3.txt", "D  dog/1.txt", "?? dog/1.txt",
    ]  # fmt: skip


def test_rm_refuses_to_lose_unsaved_work(dsm: Runner, two_changesets: Path) -> None:
    """A changed file is named and kept, but for --force."""
    write(two_changesets / "cat/1.txt", "unsaved")
    said = dsm("rm", "cat/1.txt", status=5)
    assert "cat/1.txt" in said.err
    assert (two_changesets / "cat/1.txt").read_text() == "unsaved"
    dsm("rm", "--force", "cat/1.txt")
    assert not (two_changesets / "cat/1.txt").exists()


def test_mv_dry_run_lists_the_renames(dsm: Runner, two_changesets: Path) -> None:
    """`mv -n` prints each rename in the form of `--name-status`, and renames nothing."""
    said = dsm("mv", "-n", "cat", "big cats")
    assert "R\tcat/1.txt\tbig cats/1.txt" in said.lines
    assert said.err == f"would rename {len(said.lines)} examples\n"
    assert dsm("status", "--porcelain").out == "" and (two_changesets / "cat/1.txt").exists()


def test_mv_keeps_labels(dsm: Runner, two_changesets: Path) -> None:
    """mv moves the file, keeps labels, and shows as a rename."""
    dsm("mv", "cat/2.txt", "tiger.txt")
    assert (two_changesets / "tiger.txt").read_text() == "first cat/2"
    assert "R\tcat/2.txt\ttiger.txt" in dsm("diff", "--staged", "--name-status").lines
    dsm("commit", "-m", "renamed")
    assert labels(dsm, "tiger.txt") == ["cat"]


def test_label_takes_paths_and_tables_from_standard_input(
    dsm: Runner, two_changesets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-` is a list of paths for --from-file, also parted by NUL, and a table for --labels."""
    for text in ("cat/2.txt\ndog/1.txt\n", "cat/2.txt\0dog/1.txt\0", "cat/2.txt\r\ndog/1.txt"):
        give(monkeypatch, text)
        dsm("label", "--from-file", "-", "--add", "listed")
        assert dsm("status", "--porcelain").lines == ["L  cat/2.txt", "L  dog/1.txt"]
        dsm("restore", "--staged")
    give(monkeypatch, "path,label\ndog/1.txt,wolf\n")
    dsm("label", "--labels", "-")
    assert dsm("diff", "--staged").lines == ["relabelled  dog/1.txt  (dog -> wolf)"]
    give(monkeypatch, "path,label\ncat/1.txt,lynx\n")
    dsm("add", ".", "--labels", "-")
    assert dsm("status", "--porcelain").lines == ["L  cat/1.txt", "L  dog/1.txt"]


def give(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_label_by_conditions_and_globs(dsm: Runner, two_changesets: Path) -> None:
    """Without a PATH the conditions choose among all; attributes have the type that they have."""
    dsm("label", "cat/[12].txt", "--attr", "width=512", "--attr", "camera=07")
    dsm("commit", "-m", "widths")
    dsm("label", "--where", "width>=500", "--attr", "width=", "--annotation", '{"ok": true}')
    dsm("commit", "-m", "notes")
    found = {e["path"]: (e["attributes"], e["annotation"]) for e in examples(dsm)}
    assert found["cat/1.txt"] == ({"name": "1", "camera": "07"}, {"ok": True})
    assert found["cat/2.txt"] == ({"name": "2", "camera": "07"}, {"ok": True})
    assert found["cat/3.txt"] == ({"name": "3"}, None)
    dsm("label", "cat", "--attr", "camera=8")  # text, as the others are
    dsm("commit", "-m", "cameras")
    assert {e["attributes"].get("camera") for e in examples(dsm)} == {"8", None}


def examples(dsm: Runner) -> list[dict[str, Any]]:
    return list(dsm("ls", "--json").json["examples"])


def test_label_refuses_what_cannot_be_meant(dsm: Runner, two_changesets: Path) -> None:
    """Nothing named, two things from one input, no attribute, a glob that fits nothing."""
    assert "name examples or folders" in dsm("label", "--set", "x", status=2).err
    dsm("label", "--labels", "-", "--from-file", "-", status=2)
    assert "NAME=VALUE" in dsm("label", "cat", "--attr", "width", status=2).err
    assert "zz*" in dsm("label", "zz*", "--set", "x", status=4).err
    assert "no file nowhere" in dsm("label", "--from-file", "nowhere", "--set", "x", status=4).err
    dsm("label", "cat", "--attr", "width=512")
    dsm("commit", "-m", "widths")
    assert "width" in dsm("label", "cat", "--attr", "width=wide", status=2).err
    assert "no example has" in dsm("label", "--where", "x=1", "--set", "x", status=4).err
    assert dsm("status", "--porcelain").lines == []


def test_a_closed_standard_input_is_no_defect(
    dsm: Runner, two_changesets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for it is told; `add` likewise."""
    monkeypatch.setattr("sys.stdin", None)
    for line in (
        ("add", ".", "--labels", "-"), ("label", "--labels", "-"),
        ("label", "--from-file", "-", "--add", "x"),
    ):  # fmt: skip
        assert "standard input is closed" in dsm(*line, status=2).err


def test_a_time_that_is_merely_given_is_a_change_that_is_told(
    dsm: Runner, two_changesets: Path
) -> None:
    """The moment stays the same, and from now on it outlives the content."""
    os.utime(two_changesets / "cat/1.txt", (1_577_836_800, 1_577_836_800))
    write(two_changesets.parent / "t.csv", "path,time\ncat/1.txt,2020-01-01\n")
    dsm("label", "--labels", "../t.csv")
    dsm("commit", "-m", "a time")
    write(two_changesets / "cat/2.txt", "new")
    os.utime(two_changesets / "cat/2.txt", (1_577_836_800, 1_577_836_800))
    dsm("commit", "-a", "-m", "another")
    write(two_changesets.parent / "t.csv", "path,time\ncat/2.txt,2020-01-01\n")
    dsm("label", "--labels", "../t.csv")
    assert dsm("diff", "--staged").lines == ["relabelled  cat/2.txt  (time given)"]
