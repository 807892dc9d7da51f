"""commit, log, show, tag: recording history and reading it."""

from __future__ import annotations

import os
from pathlib import Path

from .conftest import Runner, write


def test_commit_answers_like_git(dsm: Runner, empty_repo: Path) -> None:
    """Number and subject, then the counts; further -m are further paragraphs."""
    write(empty_repo / "cat/1.txt", "one")
    dsm("add", ".")
    said = dsm("commit", "-m", "first", "-m", "and why")
    assert said.lines == ["[photos 1] first", " 1 added; 1 example now"]
    assert dsm("show", "--json").json["message"] == "first\n\nand why"


def test_trailers_of_a_changeset(dsm: Runner, empty_repo: Path) -> None:
    """What --trailer says is told by log and show, found by log --where, and asked by prepare."""
    write(empty_repo / "cat/1.txt", "one")
    dsm("add", ".")
    dsm("commit", "-m", "first", "--trailer", "Ticket=A-17", "--trailer", "annotator=ada")
    dsm("commit", "-m", "second", "--allow-empty")
    assert dsm("log", "--where", "ticket=A-17").lines[3:5] == [
        "Trailer: annotator=ada",
        "Trailer: ticket=A-17",
    ]
    said = dsm("show", "1", "--json").json
    assert said["trailers"] == {"annotator": ["ada"], "ticket": ["A-17"]}
    assert dsm("log", "--oneline", "--where", "ticket!=A-17").lines[0].endswith(" second")
    asked = "--changeset-where", "ticket=A-17", "--json"
    assert dsm("prepare", *asked).json["examples"] == 1
    assert dsm("prepare", "--changeset-where", "ticket=B", status=1).out == ""
    assert "is no trailer" in dsm("commit", "-m", "x", "--trailer", "ticket", status=2).err


def test_nothing_to_commit_is_no_error(dsm: Runner, two_changesets: Path) -> None:
    """It exits 1 with a line that is not called an error; --allow-empty commits all the same."""
    said = dsm("commit", "-m", "again", status=1)
    assert said.err.startswith("nothing")
    dsm("commit", "--allow-empty", "-m", "again")
    assert dsm("dataset", "show", "--json").json["head"] == 3


def test_a_mass_deletion_is_refused_and_said(dsm: Runner, two_changesets: Path) -> None:
    """-a does not remove a whole folder without --allow-mass-delete or the setting; a commit that
    does says so in one line, also with -q."""
    for path in (two_changesets / "cat").iterdir():
        path.unlink()
    said = dsm("commit", "-a", "-m", "a disk is not mounted", status=6)
    assert (
        said.err.splitlines()[0] == "error: this commit would remove 3 of 5 examples, all of cat/"
    )
    assert "--allow-mass-delete" in said.err.splitlines()[-1]
    assert dsm("status", "--porcelain").lines == [f" D cat/{n}.txt" for n in (1, 2, 3)]
    dsm("config", "set", "commit.allow-mass-delete", "true")
    assert dsm("commit", "-a", "-q", "-m", "meant").err == (
        "warning: this commit removes 3 of 5 examples, all of cat/\n"
    )
    dsm("config", "unset", "commit.allow-mass-delete")
    for path in (two_changesets / "dog").iterdir():
        path.unlink()
    dsm("commit", "-m", "all", ".", status=6)
    dsm("commit", "-a", "--allow-mass-delete", "-m", "all", "-q")
    assert dsm("dataset", "show", "--json").json["examples"] == 0


def test_commit_a_stages_known_files(dsm: Runner, two_changesets: Path) -> None:
    """-a takes changes and deletions of known files and leaves new ones alone."""
    write(two_changesets / "cat/1.txt", "third")
    (two_changesets / "dog/1.txt").unlink()
    write(two_changesets / "new.txt", "new")
    dsm("commit", "-a", "-m", "all")
    assert dsm("status", "--porcelain").lines == ["?? new.txt"]
    assert sorted(
        dsm("show", "--name-status").lines[-2:], key=lambda line: line.split("\t")[1]
    ) == ["M\tcat/1.txt", "D\tdog/1.txt"]


def test_commit_of_paths_leaves_the_stage(dsm: Runner, two_changesets: Path) -> None:
    """PATHs are added and committed alone; what is staged otherwise stays staged."""
    write(two_changesets / "cat/1.txt", "third")
    write(two_changesets / "cat/2.txt", "third")
    dsm("add", "cat/1.txt")
    dsm("commit", "-m", "only two", "cat/2.txt")
    assert dsm("status", "--porcelain").lines == ["M  cat/1.txt"]


def test_commit_of_paths_says_what_add_says(dsm: Runner, empty_repo: Path) -> None:
    """Warnings and skipped files are told, also when nothing is left to commit."""
    write(empty_repo / "cat/1.txt", "one")
    write(empty_repo / "cat/ONE.txt", "one")
    write(empty_repo / "cat/one.txt", "one")
    os.mkfifo(empty_repo / "pipe")
    told = dsm("add", "-n", ".").err.splitlines()[:-1]
    assert [line.split(": ")[:2] for line in told] == [
        ["warning", "cat/one.txt"], ["skipped", "pipe"]
    ]  # fmt: skip
    assert dsm("commit", "-m", "one", ".").err.splitlines() == told
    said = dsm("commit", "-m", "none", "pipe", status=1).err.splitlines()
    assert said[:2] == ["skipped: pipe: a named pipe", "nothing to commit"]


def test_provenance_is_recorded(dsm: Runner, two_changesets: Path) -> None:
    """--author, --source and --note are in the changeset and in the log."""
    write(two_changesets / "cat/1.txt", "third")
    dsm(
        "commit", "-a", "-m", "bought", "--author", "Grace", "--source", "s3://shop/1",
        "--note", "resized",
    )  # fmt: skip
    shown = dsm("show", "--json").json
    assert (
        shown["author"], shown["source"], shown["note"],
    ) == ("Grace", "s3://shop/1", "resized")  # fmt: skip
    assert {"Author: Grace", "Source: s3://shop/1", "Note:   resized"} <= set(dsm("log").lines)


def test_what_data_was_derived_from_is_recorded(dsm: Runner, two_changesets: Path) -> None:
    """--derived-from is in the log and a trailer; an address with a password is refused, unsaid."""
    secret = "https://ada:hidden@shop.example/1"
    trailer = f"derived-from={secret}"
    for words in (("--source", secret), ("--derived-from", secret), ("--trailer", trailer)):
        said = dsm("commit", "--allow-empty", "-m", "no", *words, status=2)
        assert "holds a password" in said.err
        assert "hidden" not in said.err
    dsm(
        "commit", "--allow-empty", "-m", "smaller", "--trailer", "derived-from=photos@3",
        "--derived-from", "s3://shop/1", "--derived-from", "photos@3",
    )  # fmt: skip
    assert dsm("show", "--json").json["trailers"] == {"derived-from": ["photos@3", "s3://shop/1"]}
    told = ["Derived-from: photos@3", "Derived-from: s3://shop/1"]
    assert [line for line in dsm("log").lines if "erived" in line] == told
    assert [line for line in dsm("show").lines if "erived" in line] == told


def test_log_is_newest_first(dsm: Runner, two_changesets: Path) -> None:
    """--oneline has number, id and subject; -n cuts; PATHs choose."""
    ids = [c["id"] for c in dsm("log", "--json").json["changesets"]]
    assert [f"2 {ids[0][:12]} second thoughts", f"1 {ids[1][:12]} first import"] == dsm(
        "log", "--oneline"
    ).lines
    assert len(dsm("log", "--oneline", "-n", "1").lines) == 1
    assert len(dsm("log", "--oneline", "--", "cat/3.txt").lines) == 1
    assert dsm("log", "--", "owl").err == "there is no changeset that touches these\n"


def test_log_of_changesets_and_words(dsm: Runner, two_changesets: Path) -> None:
    """From a changeset back, or a range; a word that is neither a changeset nor a path is an
    error, and so is an unknown changeset."""
    dsm("tag", "v1", "1")

    def numbers(*words: str) -> list[str]:
        return [line.split()[0] for line in dsm("log", "--oneline", *words).lines]

    assert numbers("v1") == numbers("head^") == numbers("1", "--", "cat") == ["1"]
    assert numbers("v1..") == numbers("1..2") == numbers("-1") == ["2"]
    assert numbers("2", "dog/2.txt") == numbers("--reverse", "-2")[::-1] == ["2", "1"]
    assert numbers("--grep", "FIRST", "--author", "ada") == ["1"]
    assert numbers("--until", "2001-01-01") == []
    assert dsm("log", "owl", status=4).err.startswith("error: owl is no changeset")
    assert "newest one is 2" in dsm("log", "77", status=4).err
    assert "has no changeset 77" in dsm("log", "1..77", status=4).err
    assert "did you mean v1?" in dsm("log", "v11", status=4).err
    assert dsm("log", "1", "2", status=2).err.startswith("error: 1 2: give one changeset")
    dsm("log", "owl", "--", status=4)


def test_log_lists_changes(dsm: Runner, two_changesets: Path) -> None:
    """-p lists the changes of each, those below the paths if any are named."""
    assert dsm("log", "-p", "-1").lines[-4:] == [
        "", "modified    cat/1.txt  (11 B -> 20 B)", "deleted     dog/2.txt",
        "added       dog/3.txt  (12 B; dog)",
    ]  # fmt: skip
    assert dsm("log", "-p", "--oneline", "head", "--", "cat").lines[1:3] == [
        "modified    cat/1.txt  (11 B -> 20 B)", dsm("log", "--oneline").lines[1]
    ]  # fmt: skip
    (found,) = dsm("log", "-p", "-1", "--json", "--", "cat").json["changesets"]
    assert [change["path"] for change in found["changes"]] == ["cat/1.txt"]


def test_log_shows_who_when_and_how_much(dsm: Runner, two_changesets: Path) -> None:
    """The long form names author and date and sums up."""
    lines = dsm("log", "-n", "1").lines
    assert lines[0].startswith("changeset 2  ")
    assert lines[1] == "Author: Ada <ada@example.org>"
    assert lines[4:6] == ["    second thoughts", ""]
    assert lines[6].startswith("    1 added, 1 modified, 1 deleted; 5 examples (")


def test_stat_counts_by_folder(dsm: Runner, two_changesets: Path) -> None:
    """log --stat and show --stat count each folder's changes, and all of them."""
    table = [
        " cat | 1 modified",
        " dog | 1 added, 1 deleted",
        " 3 examples changed: 1 added, 1 modified, 1 deleted",
    ]
    assert table == dsm("show", "--stat").lines[-3:]
    assert table == dsm("log", "-n", "1", "--stat").lines[-3:]
    first = dsm("log", "--stat", "--json").json["changesets"][1]
    assert [(f["folder"], f["added"]) for f in first["folders"]] == [("cat", 3), ("dog", 2)]


def test_show_lists_the_changes(dsm: Runner, two_changesets: Path) -> None:
    """Sizes and labels for people, letters with --name-status, all of it with --json."""
    assert dsm("show").lines[-3:] == [
        "modified    cat/1.txt  (11 B -> 20 B)",
        "deleted     dog/2.txt",
        "added       dog/3.txt  (12 B; dog)",
    ]
    shown = dsm("show", "2", "--json").json
    assert [change["kind"] for change in shown["changes"]] == ["modified", "deleted", "added"]
    assert shown["changes"][0]["after"]["size"] == 20
    assert shown["parent"] == dsm("show", "head~1", "--json").json["id"]


def test_dataset_is_its_name_in_every_document(dsm: Runner, two_changesets: Path) -> None:
    """JSON calls the name `dataset` and the id `dataset_id`, whatever the command."""
    dsm("prepare", "--name", "v")
    for line in (
        "status",
        "log",
        "show",
        "ls",
        "tag",
        "prepare",
        "view list",
        "view show v",
        "source check",
    ):
        assert dsm(*line.split(), "--json").json["dataset"] == "photos", line
    ids = {dsm("show", "--json").json["dataset_id"], dsm("dataset", "show", "--json").json["id"]}
    assert ids == {dsm("log", "--json").json["changesets"][0]["dataset_id"]}


def test_unknown_changesets_are_not_found(dsm: Runner, two_changesets: Path) -> None:
    """A number or tag that is not there exits 4."""
    dsm("show", "9", status=4)
    dsm("show", "v1", status=4)


def test_a_dataset_without_changesets_says_so(dsm: Runner, empty_repo: Path) -> None:
    """Whatever asks for a changeset is told that there is none, and what makes one."""
    for line in ("show", "show head~1", "cat x.txt", "revert 1", "diff head"):
        assert dsm(*line.split(), status=4).err.splitlines() == [
            "error: dataset photos has no changeset yet", "hint: `dsm commit` makes the first one",
        ]  # fmt: skip
    assert dsm("tag").err == "there is no tag; `dsm tag NAME` makes one\n"


def test_tags_name_changesets(dsm: Runner, two_changesets: Path) -> None:
    """Created, listed, used, shown in the log, deleted."""
    assert dsm("tag", "v1", "1", "-m", "as trained").err == "tag v1 names changeset 1\n"
    dsm("tag", "latest")
    assert dsm("tag").lines == ["latest  2", "v1      1  as trained"]
    assert [tag["name"] for tag in dsm("tag", "--json").json["tags"]] == ["latest", "v1"]
    assert dsm("show", "v1", "--json").json["number"] == 1
    assert dsm("log", "--oneline").lines[1].endswith("first import  (tag: v1)")
    dsm("tag", "-d", "v1")
    assert dsm("tag").lines == ["latest  2"]
    dsm("tag", "-d", "v1", status=4)
    dsm("tag", "-d", status=2)


def test_a_log_of_none_says_nothing(dsm: Runner, two_changesets: Path) -> None:
    """Who asks for no changeset is not told that there is none."""
    said = dsm("log", "-n", "0")
    assert (said.out, said.err) == ("", "")
