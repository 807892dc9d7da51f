"""status: for people, for programs, and as an exit status."""

from __future__ import annotations

from pathlib import Path

from dsm.cli.session import Settings
from dsm.cli.status import SECTION_MAX

from .conftest import Runner, write


def edited(root: Path, dsm: Runner) -> None:
    """Stages a change and a removal, then changes, removes and makes files."""
    write(root / "cat/1.txt", "third, staged")
    dsm("add", "cat/1.txt")
    write(root / "cat/1.txt", "fourth, not staged at all")
    dsm("rm", "-q", "cat/2.txt")
    (root / "dog/1.txt").unlink()
    write(root / "new file.txt", "new")


def test_a_clean_work_tree(dsm: Runner, two_changesets: Path) -> None:
    """Nothing to do is said in a line, and --exit-code is 0."""
    assert dsm("status", "--exit-code").lines == [
        "On dataset photos, changeset 2, 5 examples",
        "nothing to commit, work tree clean",
    ]
    assert dsm("status", "--porcelain").out == ""


def test_an_empty_folder_is_told_what_comes_first(dsm: Runner, empty_repo: Path) -> None:
    """Before the first changeset, with no file here, the next step is to bring some."""
    assert dsm("status").lines == [
        "On dataset photos, no changeset yet, 0 examples",
        'nothing to commit (put files here and use "dsm add" to track them)',
    ]


def test_long_form_has_sections_and_hints(dsm: Runner, two_changesets: Path) -> None:
    """Staged, unstaged and new files have a section each, with the command that changes it."""
    edited(two_changesets, dsm)
    assert dsm("status").lines == [
        "On dataset photos, changeset 2, 5 examples",
        "",
        "Changes to be committed:",
        '  (use "dsm restore --staged <path>..." to unstage)',
        "        modified:   cat/1.txt",
        "        deleted:    cat/2.txt",
        "",
        "Changes not staged for commit:",
        '  (use "dsm add -A <path>..." to update what will be committed)',
        '  (use "dsm restore --force <path>..." to discard changes of files here)',
        "        modified:   cat/1.txt",
        "        deleted:    dog/1.txt",
        "",
        "Untracked files (1):",
        '  (use "dsm add <path>..." to include in what will be committed)',
        "        new file.txt",
        "",
    ]


def test_porcelain_is_like_gits(dsm: Runner, two_changesets: Path) -> None:
    """XY and path by path, new files last; --short is the same here; -z ends names by NUL."""
    edited(two_changesets, dsm)
    lines = ["MM cat/1.txt", "D  cat/2.txt", " D dog/1.txt", "?? new file.txt"]
    assert lines == dsm("status", "--porcelain").lines
    assert lines == dsm("status", "--short").lines
    assert b"".join(line.encode() + b"\0" for line in lines) == dsm("status", "-z").raw


def test_a_staged_rename_is_told_as_one(dsm: Runner, two_changesets: Path) -> None:
    """Every form pairs old and new name, as the help says; with an edit since it is RM."""
    dsm("mv", "cat/2.txt", "cat/new name.txt")
    assert dsm("status", "--porcelain").lines == ["R  cat/2.txt -> cat/new name.txt"]
    assert dsm("status", "-z").raw == b"R  cat/new name.txt\0cat/2.txt\0"
    assert "        renamed:    cat/2.txt -> cat/new name.txt" in dsm("status").lines
    assert dsm("status", "--json").json["staged"] == [
        {"kind": "renamed", "path": "cat/new name.txt", "renamed_from": "cat/2.txt"}
    ]
    write(two_changesets / "cat/new name.txt", "edited")
    dsm("rm", "cat/3.txt")
    assert dsm("status", "--short").lines == ["D  cat/3.txt", "RM cat/2.txt -> cat/new name.txt"]


def test_porcelain_quotes_what_could_be_misread(dsm: Runner, two_changesets: Path) -> None:
    """Blanks and letters of any script stay; quotes and controls are written as in C."""
    for name in ('say "hi".txt', "two\nlines.txt", "\x1b[31mred.txt", "grün.txt", "with blank.txt"):
        write(two_changesets / name, "x")
    assert {
        r'?? "say \"hi\".txt"',
        r'?? "two\nlines.txt"',
        r'?? "\033[31mred.txt"',
        "?? grün.txt",
        "?? with blank.txt",
    } == set(dsm("status", "--porcelain").lines)
    for form in ((), ("--short",), ("--json",)):
        assert b"\x1b" not in dsm("status", *form).raw


def test_json_has_the_same(dsm: Runner, two_changesets: Path) -> None:
    """One document with stable keys."""
    edited(two_changesets, dsm)
    status = dsm("status", "--json").json
    assert {
        "dataset", "head", "examples", "clean", "staged", "unstaged", "untracked", "absent", "files_at",
        "queries", "staged_queries", "failed", "left_out", "remote", "lock", "objects",
        "pull", "staged_records", "unstaged_records",
    } == set(status)  # fmt: skip
    assert [(change["kind"], change["path"]) for change in status["staged"]] == [
        ("modified", "cat/1.txt"),
        ("deleted", "cat/2.txt"),
    ]
    assert status["untracked"] == ["new file.txt"]
    assert status["clean"] is False


def test_exit_code_tells_whether_all_is_saved(dsm: Runner, two_changesets: Path) -> None:
    """With -q nothing is printed; the exit status is the answer."""
    write(two_changesets / "cat/1.txt", "changed")
    said = dsm("status", "-q", "--exit-code", status=1)
    assert (said.out, said.err) == ("", "")


def test_many_new_files_are_told_by_folder(dsm: Runner, empty_repo: Path) -> None:
    """More new files than a screen holds appear as their folders with counts."""
    for number in range(SECTION_MAX + 1):
        write(empty_repo / f"cat/{number}.txt", "x")
    write(empty_repo / "top.txt", "x")
    said = dsm("status").lines
    assert f"Untracked files ({SECTION_MAX + 2}):" in said
    assert f"        cat/ ({SECTION_MAX + 1} files)" in said
    assert "        ./ (1 file)" in said


def test_long_lists_are_cut_with_a_count(dsm: Runner, two_changesets: Path) -> None:
    """A section shows so many lines and how many there are beside."""
    for number in range(SECTION_MAX + 3):
        write(two_changesets / f"owl/{number}.txt", "x")
    dsm("add", ".")
    said = dsm("status").lines
    assert '        … and 3 more (use "dsm status --short" to see all)' in said
    assert len(dsm("status", "--porcelain").lines) == SECTION_MAX + 3


def test_settings_begin_fresh() -> None:
    """Options of one command line do not leak into the next one in the same process."""
    settings = Settings()
    assert (
        settings.folders, settings.dataset, settings.quiet, settings.color,
    ) == ([], None, False, "auto")  # fmt: skip
