"""restore, revert: going back, without losing what nobody saved."""

from __future__ import annotations

from pathlib import Path

from .conftest import Runner, write


def test_restore_brings_files_back(dsm: Runner, two_changesets: Path) -> None:
    """A missing file returns from the head, or as it was in an earlier changeset."""
    (two_changesets / "cat/1.txt").unlink()
    said = dsm("restore", "cat")
    assert said.err.startswith("restored 1 file (20 B), 2 unchanged in ")
    assert (two_changesets / "cat/1.txt").read_text() == "second cat/1, longer"
    dsm("restore", "--source", "1", "cat/1.txt")
    assert (two_changesets / "cat/1.txt").read_text() == "first cat/1"


def test_restore_of_what_is_not_there(dsm: Runner, two_changesets: Path) -> None:
    """Restore and ls answer in the words of rm, mv and label."""
    for line, said in (
        ("restore nope", "no tracked example is nope or lies below it"),
        ("restore --source 1 dog/3.txt", "no example of changeset 1 is dog/3.txt or lies below it"),
        ("rm nope", "no tracked example is nope or lies below it"),
        ("ls nope", "no example is nope or lies below it"),
    ):
        error, hint = dsm(*line.split(), status=4).err.splitlines()
        assert error == f"error: {said}"
        assert hint.startswith("hint: `dsm ls")


def test_restore_of_what_is_staged_as_deleted(dsm: Runner, two_changesets: Path) -> None:
    """The hint names the two commands that bring it back, and they do."""
    dsm("rm", "cat/1.txt")
    assert dsm("restore", "cat/1.txt", status=4).err.splitlines()[1] == (
        "hint: its deletion is staged: `dsm restore --staged PATH`, then `dsm restore PATH`"
    )
    dsm("restore", "--staged", "cat/1.txt")
    assert dsm("restore", "cat/1.txt").err.startswith("restored 1 file")


def test_restore_to_another_folder(dsm: Runner, two_changesets: Path) -> None:
    """--to writes a whole snapshot elsewhere and leaves the files here alone."""
    dsm("restore", "--source", "1", "--to", "../then")
    then = two_changesets.parent / "then"
    assert (then / "dog/2.txt").read_text() == "first dog/2"
    assert len([path for path in then.rglob("*") if path.is_file()]) == 5
    assert dsm("status", "--porcelain").out == ""


def test_restore_refuses_to_lose_work(dsm: Runner, two_changesets: Path) -> None:
    """Unsaved files are listed and kept, but for --force; -n only lists."""
    write(two_changesets / "cat/1.txt", "unsaved")
    said = dsm("restore", "cat/1.txt", status=5)
    assert "cat/1.txt" in said.err
    assert (two_changesets / "cat/1.txt").read_text() == "unsaved"
    assert dsm("restore", "-n", "--force", "cat/1.txt").lines == ["cat/1.txt"]
    assert (two_changesets / "cat/1.txt").read_text() == "unsaved"
    dsm("restore", "--force", "cat/1.txt")
    assert (two_changesets / "cat/1.txt").read_text() == "second cat/1, longer"


def test_restore_staged_unstages(dsm: Runner, two_changesets: Path) -> None:
    """--staged forgets staged changes and leaves files alone; other options do not fit."""
    write(two_changesets / "cat/1.txt", "third")
    dsm("add", ".")
    assert dsm("restore", "--staged", "cat").err == "unstaged 1 change\n"
    assert dsm("status", "--porcelain").lines == [" M cat/1.txt"]
    dsm("restore", "--staged", "--force", status=2)


def test_restore_staged_of_what_is_not_there(dsm: Runner, two_changesets: Path) -> None:
    """A path of which nothing is known is an error with near matches, and nothing is unstaged."""
    write(two_changesets / "cat/1.txt", "third")
    write(two_changesets / "untracked", "u")
    dsm("add", "cat")
    said = dsm("restore", "--staged", "cat/1.txt", "cat/2.tx", status=4).err.splitlines()
    assert said == [
        "error: no tracked example is cat/2.tx or lies below it", "hint: did you mean cat/2.txt?"
    ]  # fmt: skip
    assert "untracked" in dsm("restore", "--staged", "untracked", status=4).err
    assert dsm("status", "--porcelain").lines == ["M  cat/1.txt", "?? untracked"]
    dsm("rm", "dog/1.txt")
    assert dsm("restore", "--staged", "dog").err == "unstaged 1 change\n"
    assert dsm("restore", "--staged", "cat/2.txt", "dog").err == "unstaged 0 changes\n"
    assert dsm("restore", "--staged", "cat/2.txt", ".").err == "unstaged 1 change\n"
    assert dsm("restore", "--staged", ".").err == "unstaged 0 changes\n"


def test_revert_undoes_a_changeset(dsm: Runner, two_changesets: Path) -> None:
    """A third changeset brings the first snapshot back, in history and in files."""
    said = dsm("revert", "2")
    assert said.lines[0] == '[photos 3] Revert changeset 2: "second thoughts"'
    assert dsm("diff", "1", "3").out == ""
    assert (two_changesets / "cat/1.txt").read_text() == "first cat/1"
    assert dsm("status", "--porcelain").out == ""
    assert dsm("show", "--json").json["reverts"] == 2


def test_revert_dry_run_shows_the_changes(dsm: Runner, two_changesets: Path) -> None:
    """`revert -n` shows what the new changeset would hold, and makes none."""
    said = dsm("revert", "-n", "2")
    assert said.lines == dsm("diff", "2", "1").lines
    assert said.err.startswith(f"would revert changeset 2: {len(said.lines)} changes; ")
    assert dsm("log", "--json").json["changesets"][0]["number"] == 2
    assert (two_changesets / "cat/1.txt").read_text() == "second cat/1, longer"


def test_revert_is_refused_with_the_list(dsm: Runner, two_changesets: Path) -> None:
    """When later changesets touched the same examples, they are named; --force leaves those."""
    said = dsm("revert", "1", status=5)
    assert "cat/1.txt" in said.err
    dsm("revert", "1", "--force", "-m", "undo the rest")
    assert dsm("ls").lines == ["cat/1.txt", "dog/3.txt"]


def test_rollback_goes_back_to_a_changeset(dsm: Runner, two_changesets: Path) -> None:
    """-n says what a third changeset would hold, which then brings the first snapshot back."""
    said = dsm("rollback", "-n", "1")
    assert said.lines == dsm("diff", "2", "1").lines
    assert said.err.startswith(f"would go back to changeset 1: {len(said.lines)} changes; ")
    assert dsm("rollback", "1").lines[0] == "[photos 3] Go back to changeset 1"
    assert dsm("diff", "1", "3").out == dsm("status", "--porcelain").out == ""
    assert (two_changesets / "cat/1.txt").read_text() == "first cat/1"
    assert dsm("rollback", "1", status=1).err == ("the dataset is as it was after changeset 1\n")
