"""label, rm, mv: changes of examples that need no new content."""

from __future__ import annotations

from pathlib import Path

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
