"""add: what is staged, how that is told, and what its options do."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

from .conftest import Runner, write


def test_add_tells_counts_and_sizes_in_one_line(dsm: Runner, empty_repo: Path) -> None:
    """The summary goes to standard error; standard output stays empty."""
    write(empty_repo / "cat/1.txt", "a" * 1500)
    write(empty_repo / "cat/2.txt", "b")
    said = dsm("add", ".")
    assert said.out == ""
    assert re.fullmatch(r"staged 2 examples \(2 added\), 1\.5 kB read, .* stored\n", said.err), (
        said.err
    )
    assert dsm("add", ".").err == "nothing to stage: 2 files unchanged\n"


def test_dry_run_lists_and_stages_nothing(dsm: Runner, empty_repo: Path) -> None:
    """-n prints a letter and a path for each change."""
    write(empty_repo / "cat/1.txt", "one")
    said = dsm("add", "-n", ".")
    assert said.lines == ["A\tcat/1.txt"]
    assert said.err == "would stage 1 example (1 added)\n"
    assert dsm("status", "--porcelain").lines == ["?? cat/1.txt"]


def test_labels_come_from_options_and_pattern(dsm: Runner, empty_repo: Path) -> None:
    """--label goes on all files, the dataset's pattern adds the folder's name."""
    write(empty_repo / "cat/1.txt", "one")
    dsm("add", "--label", "night", "-l", "blurred", ".")
    dsm("commit", "-m", "one")
    (example,) = dsm("ls", "--json").json["examples"]
    assert sorted(example["labels"]) == ["blurred", "cat", "night"]


def test_files_that_the_pattern_leaves_out_are_counted(dsm: Runner, empty_repo: Path) -> None:
    """Unmatched files are staged without label, told in one line, and refused by --strict."""
    write(empty_repo / "notes.md", "hello")
    write(empty_repo / "README", "hello")
    assert dsm("add", "--strict", ".", status=2).status == 2
    assert "2 files unlabelled: not matched by {label}/{name}.txt" in dsm("add", ".").err


def test_a_label_file_gives_labels_and_attributes(dsm: Runner, empty_repo: Path) -> None:
    """--labels reads a CSV file keyed by path."""
    write(empty_repo / "a.wav", "a")
    write(empty_repo.parent / "labels.csv", "path,label,speaker,age\na.wav,yes,ada,36\n")
    dsm("add", "--labels", "../labels.csv", ".")
    dsm("commit", "-m", "speech")
    (example,) = dsm("ls", "--json").json["examples"]
    assert (example["labels"], example["attributes"]) == (["yes"], {"speaker": "ada", "age": 36})


def test_all_stages_deletions(dsm: Runner, two_changesets: Path) -> None:
    """Without -A a missing file stays; with it the example is staged as deleted."""
    (two_changesets / "cat/2.txt").unlink()
    dsm("add", ".")
    assert dsm("status", "--porcelain").lines == [" D cat/2.txt"]
    dsm("add", "-A", ".")
    assert dsm("status", "--porcelain").lines == ["D  cat/2.txt"]


def test_special_files_are_skipped_with_a_line(dsm: Runner, empty_repo: Path) -> None:
    """A FIFO is named and left out; at most ten of them are listed."""
    for number in range(12):
        os.mkfifo(empty_repo / f"pipe{number:02}")
    write(empty_repo / "cat/1.txt", "one")
    said = dsm("add", ".")
    skipped = [line for line in said.err.splitlines() if line.startswith("skipped: pipe")]
    assert len(skipped) == 10
    assert "… and 2 more" in said.err


def test_an_add_that_finds_no_file_says_so(dsm: Runner, empty_repo: Path) -> None:
    """An empty folder and one that is ignored are not called unchanged files."""
    write(empty_repo / "drafts/1.txt", "draft")
    write(empty_repo / ".dsmignore", "drafts/")
    os.mkdir(empty_repo / "empty")
    for path in (".", "empty"):
        assert "nothing to stage: no file was found" in dsm("add", path).err


def test_a_named_path_that_is_ignored_is_refused_and_the_rest_staged(
    dsm: Runner, empty_repo: Path
) -> None:
    """What a shell's glob names as well is told with the rule's file, and exits 1; -f takes it."""
    write(empty_repo / ".dsmignore", "*.tmp\nout/\n")
    for name in ("cat/1.txt", "cat/2.tmp", "cat/.env", "cat/3.txt~", "out/4.txt"):
        write(empty_repo / name, name)
    globbed = ["cat/1.txt", "cat/2.tmp", "cat/.env", "cat/3.txt~", "out", "out/4.txt"]
    said = dsm("add", *globbed, status=1)
    assert said.err.splitlines()[:-1] == [
        "refused: cat/2.tmp: ignored by .dsmignore",
        "refused: cat/.env: ignored by default",
        "refused: cat/3.txt~: ignored by default",
        "refused: out: ignored by .dsmignore",
        "refused: out/4.txt: ignored by .dsmignore",
        "hint: -f adds what is ignored",
    ]
    assert dsm("status", "--porcelain").lines == ["A  cat/1.txt"]
    dsm("add", "-f", *globbed)
    names = ["cat/.env", "cat/1.txt", "cat/2.tmp", "cat/3.txt~", "out/4.txt"]
    assert dsm("status", "--porcelain").lines == [f"A  {name}" for name in names]


def test_dry_run_and_query_know_force(dsm: Runner, empty_repo: Path) -> None:
    """-n refuses what the real run refuses; -f makes no sense with a query."""
    write(empty_repo / ".DS_Store", "x")
    assert dsm("add", "-n", ".DS_Store", status=1).lines == []
    assert dsm("add", "-n", "-f", ".DS_Store").lines == ["A\t.DS_Store"]
    assert dsm("add", "-f", "--source", "s", "--sql", "select 1", status=2).out == ""


def test_what_is_tracked_is_not_refused(dsm: Runner, empty_repo: Path) -> None:
    """A rule that came later does not stand in the way of an example, nor of a folder with one."""
    write(empty_repo / "cat/1.tmp", "one")
    dsm("add", ".")
    dsm("commit", "-m", "one")
    write(empty_repo / ".dsmignore", "*.tmp\ncat/\n")
    write(empty_repo / "cat/1.tmp", "changed")
    dsm("add", "cat")
    assert dsm("status", "--porcelain").lines == ["M  cat/1.tmp"]
    write(empty_repo / "cat/1.tmp", "changed again")
    dsm("commit", "-m", "two", "cat/1.tmp")


def test_a_commit_of_ignored_paths_records_nothing(dsm: Runner, empty_repo: Path) -> None:
    """Unlike `add`, it has no half: the error names the path and how to take it."""
    write(empty_repo / "cat/1.txt", "one")
    write(empty_repo / "cat/._1.txt", "two")
    said = dsm("commit", "-m", "both", "cat/1.txt", "cat/._1.txt", status=1)
    assert said.err == (
        "cat/._1.txt is ignored by default, so nothing was recorded\n"
        "hint: `dsm add -f` stages it all the same\n"
    )
    assert dsm("status", "--porcelain").lines == ["?? cat/1.txt"]
    dsm("add", "-f", "cat/._1.txt")
    dsm("commit", "-m", "both", "cat")
    assert dsm("ls").lines == ["cat/._1.txt", "cat/1.txt"]


def test_the_default_list_can_be_switched_off(dsm: Runner, empty_repo: Path) -> None:
    """With `add.default-ignores` off, .dsmignore alone decides, and is itself a file as others."""
    for name in (".DS_Store", ".env", "Thumbs.db", "cat/1.txt~", "x.tmp", ".git/config"):
        write(empty_repo / name, name)
    write(empty_repo / ".dsmignore", "*.tmp\n")
    assert dsm("status", "--porcelain").lines == []
    dsm("config", "set", "add.default-ignores", "off")
    shown = [".DS_Store", ".dsmignore", ".env", "Thumbs.db", "cat/1.txt~"]
    assert dsm("status", "--porcelain").lines == [f"?? {name}" for name in shown]
    assert dsm("add", ".DS_Store").status == 0


def test_the_label_table_that_is_read_is_no_example(dsm: Runner, empty_repo: Path) -> None:
    """Below a folder it is left out without a word, named it is refused; other tables are data."""
    write(empty_repo / "cat/1.txt", "one")
    write(empty_repo / "tables/labels.csv", "path,label\ncat/1.txt,tabby\n")
    write(empty_repo / "tables/other.csv", "x\n")
    dsm("add", ".", "--labels", "tables/labels.csv")
    assert dsm("status", "--porcelain").lines == [
        "A  cat/1.txt", "A  tables/other.csv", "?? tables/labels.csv",
    ]  # fmt: skip
    said = dsm("add", "cat", "tables/labels.csv", "--labels", "tables/labels.csv", status=1)
    assert said.err.splitlines()[0] == "refused: tables/labels.csv: the label file that is read"
    dsm("add", "tables/labels.csv")
    assert "A  tables/labels.csv" in dsm("status", "--porcelain").lines


def test_add_needs_a_path(dsm: Runner, empty_repo: Path) -> None:
    """A command line without path is a mistake: two lines and exit status 2."""
    said = dsm("add", status=2)
    assert said.err == ("error: name files or folders to add\nhint: . is all of them\n")


def test_a_path_that_is_not_there_is_named(dsm: Runner, empty_repo: Path) -> None:
    """Naming nothing exits 4 with the name."""
    assert "nowhere" in dsm("add", "nowhere", status=4).err


def test_a_table_that_changes_nothing_says_so(dsm: Runner, empty_repo: Path) -> None:
    """Also where the examples that it fits have no file here."""
    write(empty_repo / "cat/1.txt", "one")
    dsm("add", ".")
    dsm("commit", "-m", "one")
    os.unlink(empty_repo / "cat/1.txt")
    write(empty_repo.parent / "labels.csv", "path,label\ncat/1.txt,cat\n")
    said = dsm("add", ".", "--labels", "../labels.csv")
    assert said.err == "nothing to stage: 1 file unchanged\n"


def test_json_says_how_a_file_is_read_as_records(dsm: Runner, empty_repo: Path) -> None:
    """As the lines of `add -n` do: format, fields with types, what is chosen, and some keys."""
    write(empty_repo / "r.csv", "id;topic;when\n1;a;2026-01-31\n2;b;2026-02-01\n")
    words = ["--records", "--key-field", "id", "--label-field", "topic", "--time-field", "when"]
    told = {
        "path": "r.csv", "format": "csv",
        "written": 'semicolon between fields, quoted by ", UTF-8', "records": 2, "added": 2,
        "modified": 0, "relabelled": 0, "deleted": 0,
        "fields": {"id": "int", "topic": "text", "when": "text"}, "key": ["id"], "label": "topic",
        "time": "when", "attributes": [], "samples": ["1", "2"],
    }  # fmt: skip
    assert dsm("add", "-n", "--json", "r.csv", *words).json["records"] == [told]
    assert dsm("add", "--json", "r.csv", *words).json["records"] == [told]
    write(empty_repo / "r.csv", "id;topic;when\n1;a;2026-01-31\n")
    (again,) = dsm("add", "--json", ".").json["records"]
    assert (again["records"], again["added"], again["deleted"]) == (1, 0, 1)


def test_a_key_that_is_not_said_is_told(dsm: Runner, empty_repo: Path) -> None:
    """The name of a file in an archive, or a hash of a row."""
    with zipfile.ZipFile(empty_repo / "a.zip", "w") as archive:
        archive.writestr("one.txt", "1")
    write(empty_repo / "r.csv", "id,topic\n1,a\n")
    assert "  key: name in the archive" in dsm("add", "-n", "a.zip", "--records").err
    assert "  key: hash of the content" in dsm("add", "-n", "r.csv", "--records").err
