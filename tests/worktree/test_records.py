"""Records files from end to end: what is staged, told, kept, reverted and read of them."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import random
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from situations import Work

from dsm.answers.changesets import show_answer
from dsm.answers.examples import diff_answer
from dsm.answers.status import status_answer
from dsm.cli.changes import stat_lines
from dsm.errors import Conflict, InvalidInput, NotFound
from dsm.history.revert import TouchedLater
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import apply_gc, plan_gc
from dsm.model.example import KINDS
from dsm.records.gathering import RecordsInvalid

FILE = "train.jsonl"


def lines(records: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in records).encode()


def people(count: int = 200, **more: Any) -> list[dict[str, Any]]:
    return [
        {"id": f"p{n}", "text": f"text of {n} " * 20, "topic": "ab"[n % 2], **more}
        for n in range(count)
    ]


def add(work: Work, wanted: list[dict[str, Any]], **asked: Any) -> None:
    work.write({FILE: lines(wanted)})
    work.ds.add([FILE], **asked)


def start(work: Work, **asked: Any) -> list[dict[str, Any]]:
    """Commits 200 records of a file with keys and labels."""
    records = people()
    add(work, records, records=True, key_field="id", label_field="topic", **asked)
    work.ds.commit("first")
    return records


def kinds(work: Work, *range_: int) -> dict[str, int]:
    return work.ds.diff(*range_).counts()


def labels(work: Work) -> dict[str, tuple[str, ...]]:
    return {each.path.partition("#")[2]: each.labels for each in work.ds.ls()}


def test_each_line_is_an_example(work: Work) -> None:
    """Records have the bytes of their lines and the labels of their field; the file is none."""
    records = start(work)
    expected = {
        f"{FILE}#{each['id']}": (json.dumps(each).encode(), (each["topic"],)) for each in records
    }
    assert expected == work.snapshot()
    assert len(work.ds) == 200
    assert lines(records) == work.ds.read(FILE)
    assert work.ds.status().clean
    header = work.ds.changeset(1)
    assert (
        header.examples, header.counts.added, header.counts.files, header.records_files
    ) == (200, 200, 1, 1)  # fmt: skip


def test_an_edit_stages_the_records_that_changed(work: Work) -> None:
    """Added, changed and removed records are rows, the others are not; status says the same."""
    records = start(work)
    records[3]["text"] = "other"
    records[4]["text"] = "another"
    del records[100]
    records += people(203)[200:]
    work.write({FILE: lines(reversed(records))})
    assert kinds(work) == {"added": 3, "modified": 3, "deleted": 1}
    unstaged = work.ds.status().unstaged
    assert len(unstaged) == 7
    work.ds.add(["."])
    assert len(unstaged) == len(work.ds.status().staged)
    changeset = work.ds.commit("second")
    counts = changeset.counts
    assert (counts.added, counts.modified, counts.deleted, counts.files) == (3, 2, 1, 1)
    assert changeset.examples == 202
    assert kinds(work, 1, 2) == {"added": 3, "modified": 3, "deleted": 1}


def test_answers_count_the_records_that_changed_by_file(work: Work) -> None:
    """JSON of status, diff and show, and a Diff, say what the text says in a line for each file."""
    records = start(work)
    work.write({"other.jsonl": lines(people(2)), "plain.bin": b"x"})
    work.ds.add(["other.jsonl"], records=True, key_field="id")
    work.ds.commit("another file")
    records[3]["text"] = "other"
    del records[100]
    records += people(203)[200:]
    work.write({FILE: lines(records)})
    nothing = dict.fromkeys(KINDS, 0)
    edited = {"path": FILE, **nothing, "added": 3, "modified": 1, "deleted": 1}
    answer = status_answer(work.ds.status())
    assert (answer["staged_records"], answer["unstaged_records"]) == ([], [edited])
    work.ds.add([FILE, "plain.bin"])
    work.ds.label(["other.jsonl#p1"], set=["spam"])
    both = [{"path": "other.jsonl", **nothing, "relabelled": 1}, edited]
    answer = status_answer(work.ds.status())
    assert (answer["staged_records"], answer["unstaged_records"]) == (both, [])
    changeset = work.ds.commit("edited")
    diff = work.ds.diff(2, 3)
    assert diff_answer(diff)["records_files"] == both
    assert show_answer("d", changeset, work.ds.changes(3))["records_files"] == both
    assert diff.records_files()[FILE]["added"] == 3 and [*diff.records_files()] == [
        "other.jsonl",
        FILE,
    ]


def test_another_order_changes_no_record(work: Work) -> None:
    """A file whose lines were shuffled is another file of the same records."""
    records = start(work)
    before = work.snapshot()
    work.write({FILE: lines(reversed(records))})
    changeset = work.ds.commit("order", all=True)
    assert (changeset.counts.examples, changeset.counts.files) == (0, 1)
    assert before == work.snapshot()
    assert lines(reversed(records)) == work.ds.read(FILE)


def test_labels_of_people_stay_until_the_field_changes(work: Work) -> None:
    """What `label` said beats the field, also when other fields change; then the field counts."""
    records = start(work)
    work.ds.label([f"{FILE}#p0", f"{FILE}#p1"], set=["spam"])
    work.ds.commit("labels")
    records[0]["text"] = "other"
    records[1]["topic"] = "c"
    add(work, records)
    work.ds.commit("edited")
    assert {k: labels(work)[k] for k in ("p0", "p1")} == {"p0": ("spam",), "p1": ("c",)}


def test_labels_of_all_records_of_a_file(work: Work) -> None:
    """A label that is given to the file is given to its records."""
    start(work)
    assert work.ds.label([FILE], add=["new"]).relabelled == 200
    work.ds.commit("labels")
    assert {("a", "new"), ("b", "new")} == set(labels(work).values())


def test_a_glob_labels_some_records(work: Work) -> None:
    """A glob with a `#` selects records, of one file or of all that it fits; a record whose own name
    is the glob is that one. What fits none is refused."""
    start(work)
    work.write({"other.jsonl": lines([{"id": "p19"}, {"id": "p1?"}, {"id": "p2"}])})
    work.ds.add(["other.jsonl"], records=True, key_field="id")
    work.ds.commit("another file")
    assert work.ds.label([f"{FILE}#p19*"], set=["late"]).relabelled == 11
    assert work.ds.label(["*#p2"], set=["two"]).relabelled == 2
    assert work.ds.label(["other.jsonl#p1?"], set=["this one"]).relabelled == 1
    with pytest.raises(NotFound):
        work.ds.label([f"{FILE}#x*"], set=["none"])
    work.ds.commit("labels")
    said = {each.path: each.labels for each in work.ds.ls()}
    assert [path for path, has in said.items() if has == ("late",)] == sorted(
        f"{FILE}#p{n}" for n in (19, *range(190, 200))
    )
    assert [path for path, has in said.items() if has == ("two",)] == [
        "other.jsonl#p2",
        f"{FILE}#p2",
    ]
    assert (said["other.jsonl#p1?"], said["other.jsonl#p19"]) == (("this one",), ())


def test_a_label_file_names_records(work: Work, tmp_path: Path) -> None:
    """The paths of a table may be those of records."""
    start(work)
    table = tmp_path / "labels.csv"
    table.write_text(f"path,label\n{FILE}#p7,seven\n")
    assert work.ds.label([FILE], label_file=str(table)).relabelled == 1
    work.ds.commit("labels")
    assert labels(work)["p7"] == ("seven",)


def test_a_withdrawn_record_stays_away(work: Work) -> None:
    """`rm` takes a record out of snapshots and leaves the file; a later edit does not bring it
    back, but naming the file as records does."""
    records = start(work)
    assert (f"{FILE}#p5",) == work.ds.remove([f"{FILE}#p5"])
    work.ds.commit("withdrawn")
    assert "p5" not in labels(work)
    assert lines(records) == work.path(FILE).read_bytes() == work.ds.read(FILE)
    assert work.ds.status().clean
    records[9]["text"] = "other"
    records[5]["text"] = "of the withdrawn one"
    add(work, records)
    assert work.ds.commit("edited").counts.examples == 1
    assert "p5" not in labels(work)
    work.ds.add([FILE], records=True, key_field="id", label_field="topic")
    work.ds.commit("all of them")
    assert len(work.ds) == 200


def test_a_file_without_any_record_left_keeps_them_away(work: Work) -> None:
    """Where all records were withdrawn a new state of the file brings none of them back."""
    records = start(work)
    work.ds.remove([f"{FILE}#{each['id']}" for each in records])
    work.ds.commit("withdrawn")
    add(work, [*records, {"id": "new", "topic": "c"}])
    work.ds.commit("one more")
    assert labels(work) == {"new": ("c",)}


def test_a_removed_file_takes_its_records_along(work: Work) -> None:
    """`rm`, a file that is gone, and a file that was only staged: no record is left."""
    start(work)
    assert len(work.ds.remove([FILE], dry_run=True)) == 200
    work.path(FILE).unlink()
    work.ds.add(["."], deletions=True)
    changeset = work.ds.commit("gone")
    assert (changeset.counts.deleted, changeset.examples, changeset.records_files) == (200, 0, 0)
    assert work.snapshot() == {}
    add(work, people(5), records=True)
    work.path(FILE).unlink()
    work.ds.add(["."], deletions=True)
    assert work.ds.status().clean


def test_a_move_takes_the_records_along(work: Work) -> None:
    """Records have the new name of their file, and what was said of them."""
    start(work)
    work.ds.label([f"{FILE}#p0"], set=["spam"])
    work.ds.move(FILE, "new.jsonl")
    work.ds.commit("moved")
    assert len(work.ds) == 200
    assert labels(work)["p0"] == ("spam",)
    assert all(path.startswith("new.jsonl#") for path in work.snapshot())
    records = people()[1:]
    work.write({"new.jsonl": lines(records)})
    assert work.ds.commit("edited", all=True).counts.deleted == 1


def test_revert_restores_records_and_file(work: Work) -> None:
    """The snapshot and the file are as they were; a file that was changed since stays."""
    records = start(work)
    before, content = work.snapshot(), work.path(FILE).read_bytes()
    records[3]["text"] = "wrong"
    del records[10:22]
    add(work, records)
    work.ds.commit("a mistake")
    work.ds.revert(2)
    assert before == work.snapshot()
    assert content == work.path(FILE).read_bytes() == work.ds.read(FILE)
    assert work.ds.status().clean
    work.ds.label([f"{FILE}#p0"], set=["spam"])
    work.ds.commit("label")
    work.ds.revert(4)
    assert before == work.snapshot()
    with pytest.raises(TouchedLater, match="15 of the 201 examples of changeset 1 changed again"):
        work.ds.revert(1)


def test_a_file_is_restored_byte_for_byte(work: Work) -> None:
    """Whatever is between the records, and whatever was said of them since."""
    content = b'\xef\xbb\xbf{"id":1}\r\n\n  {"id": 2} \n{"id":3}'
    work.write({FILE: content})
    work.ds.add([FILE], records=True, key_field=["id"])
    work.ds.commit("first")
    work.ds.label([f"{FILE}#2"], set=["x"])
    work.ds.remove([f"{FILE}#3"])
    work.ds.commit("second")
    work.path(FILE).unlink()
    work.ds.restore()
    assert content == work.path(FILE).read_bytes()
    assert {f"{FILE}#1": (b'{"id":1}', ()), f"{FILE}#2": (b'  {"id": 2}', ("x",))} == (
        work.snapshot()
    )
    with pytest.raises(NotFound) as caught:
        work.ds.restore([f"{FILE}#2"])
    assert f"it is a record, a part of its file: `dsm restore {FILE}`" == caught.value.hint


def test_an_example_becomes_records(work: Work) -> None:
    """A file that was one example is none any more, and the counts say so; revert puts it back."""
    work.write({FILE: lines(people(3)), "b.txt": "b"})
    work.ds.add(["."])
    work.ds.commit("one example")
    work.ds.add([FILE], records=True)
    changeset = work.ds.commit("its lines")
    assert (
        changeset.counts.added, changeset.counts.deleted, changeset.counts.files,
        changeset.examples,
    ) == (3, 1, 0, 4)  # fmt: skip
    assert len(work.snapshot()) == 4
    back = work.ds.revert(2)
    assert (back.examples, back.records_files) == (2, 0)
    assert {FILE, "b.txt"} == set(work.snapshot())


def test_the_settings_of_a_folder_stand_for_new_files(work: Work) -> None:
    """A file that comes later is read as those before; another kind of file is one example."""
    work.write({"d/a.jsonl": lines(people(2)), "d/note.txt": "x"})
    work.ds.add(["d"], records=True, key_field="id")
    work.ds.commit("first")
    work.write({"d/b.jsonl": lines(people(3)), "d/c.bin": "a,b\n", "e.jsonl": lines(people(4))})
    work.ds.add(["."])
    work.ds.commit("second")
    assert {
        "d/a.jsonl#p0", "d/a.jsonl#p1", "d/b.jsonl#p0", "d/b.jsonl#p1", "d/b.jsonl#p2", "d/c.bin",
        "d/note.txt", "e.jsonl",
    } == set(work.snapshot())  # fmt: skip


def test_paths_of_records_in_commands(work: Work) -> None:
    """A file's name stands for its records; a record's for itself; others are not touched."""
    start(work)
    work.write({"train.jsonl.bak": "x", "train.jsonl2#p1": "y"})
    work.ds.add(["."])
    work.ds.commit("others")
    assert len(list(work.ds.ls([FILE]))) == 200
    assert [f"{FILE}#p1"] == [each.path for each in work.ds.ls([f"{FILE}#p1"])]
    assert [each.number for each in work.ds.log(paths=["train.jsonl2#p1"])] == [2]
    work.ds.label([f"{FILE}#p1"], set=["x"])
    work.ds.commit("label")
    assert [each.number for each in work.ds.log(paths=[f"{FILE}#p1"])] == [3, 1]
    assert [each.number for each in work.ds.log(paths=[FILE])] == [3, 1]
    assert len(work.ds.changes(3, [FILE]).changes) == 1
    work.ds.label([f"{FILE}#p2"], set=["x"])
    assert work.ds.unstage([FILE]) == 1


def test_a_file_and_a_record_cannot_share_a_name(work: Work) -> None:
    """Neither a file over a record nor a record over a file: nothing is staged."""
    start(work)
    work.write({f"{FILE}#p1": "a file"})
    with pytest.raises(Conflict, match="would be a file and a record at once"):
        work.ds.add(["."])
    work.write({"b.jsonl#p1": "a file", "b.jsonl": lines(people(3))})
    work.ds.add(["b.jsonl#p1"])
    with pytest.raises(Conflict, match="would be a file and a record at once"):
        work.ds.add(["b.jsonl"], records=True, key_field="id")


def test_what_is_no_records_file_is_refused(work: Work) -> None:
    """Nothing is staged, unless the rest is asked for."""
    work.write({"a.jsonl": lines(people(2)), "b.jsonl": b'{"a":1}\n{"b"', "c.bin": b"a\n1\n"})
    with pytest.raises(RecordsInvalid, match=r"b\.jsonl, line 2"):
        work.ds.add(["."], records=True)
    assert not work.ds.status().staged
    report = work.ds.add(["a.jsonl", "b.jsonl"], records=True, keep_going=True)
    assert ([each.path for each in report.failed], report.counts.added) == (["b.jsonl"], 2)
    with pytest.raises(InvalidInput, match="does not say by its name"):
        work.ds.add(["c.bin"], records=True)
    with pytest.raises(InvalidInput, match="fields are those of records"):
        work.ds.add(["a.jsonl"], key_field="id")
    with pytest.raises(InvalidInput, match="not supported"):
        work.ds.add(["a.jsonl"], records="docx")


@pytest.mark.parametrize(
    ("paths", "asked"),
    [
        (["a.jsonl"], {"delimiter": ";"}),
        (["a.jsonl"], {"columns": "x,y"}),
        (["a.jsonl", "n.txt"], {"quote": "'"}),
        (["*.jsonl"], {"encoding": "latin-1"}),
    ],
)
def test_an_option_that_says_nothing_of_any_file_is_refused(
    work: Work, paths: list[str], asked: dict[str, Any]
) -> None:
    """How a table is written says nothing of JSON Lines; where a table is among the files, or a
    folder, which may hold one, it is for that."""
    work.write({"a.jsonl": lines(people(2)), "t.csv": b"x;y\n1;2\n", "n.txt": b"one\n"})
    with pytest.raises(InvalidInput, match=f"^--{next(iter(asked))} says nothing of the format"):
        work.ds.add(paths, records=True, **asked)
    assert not work.ds.status().staged
    work.ds.add(["a.jsonl", "t.csv"], records=True, delimiter=";")
    assert work.ds.commit("both").counts.added == 3
    work.ds.add(["."], records=True, delimiter=";")


def test_a_condition_on_a_field_tells_how_it_becomes_an_attribute(work: Work) -> None:
    """A field is no attribute unless that was asked for: wherever a condition names one."""
    start(work)
    ways: list[Callable[[], object]] = [
        lambda: work.ds.prepare(where="topic=a"),
        lambda: work.ds.ls(where="topic=a"),
        lambda: work.ds.label([FILE], add=["x"], where="topic=a"),
    ]
    for way in ways:
        with pytest.raises(NotFound) as caught:
            way()
        assert "--attr-field" in (caught.value.hint or "")


def test_an_attribute_of_another_type_is_told_by_its_line(work: Work) -> None:
    """A field whose type differs from that of other files, or of an earlier state, is told with
    file, line and field, whether one file is read in part or all are; nothing is staged."""
    records = [{"id": f"p{n}", "n": n, "text": "x" * 3000} for n in range(400)]
    add(work, records, records=True, key_field="id", attr_field="n")
    work.ds.commit("numbers")
    records[300]["n"] = "many"
    for edit, told in (
        (records, "line 301: has a text in the field 'n', where line 1 has an integer"),
        (
            [{"id": "a"}, {"id": "b", "n": "few"}],
            "line 2: the field 'n' is string, but it is int elsewhere in this dataset",
        ),
    ):
        work.write({FILE: lines(edit)})
        with pytest.raises(InvalidInput) as caught:
            work.ds.add([FILE])
        assert caught.value.message == f"{FILE}, {told}"
        assert work.ds.status().staged == ()


def test_a_dry_run_tells_how_a_file_would_be_read(work: Work) -> None:
    """Format, number, fields with their types and first keys; nothing is stored."""
    work.write({FILE: lines(people(5, n=1, x=None))})
    report = work.ds.add([FILE], records=True, key_field="id", dry_run=True)
    (told,) = report.records
    types = {"id": "text", "text": "text", "topic": "text", "n": "int", "x": "null"}
    assert (5, "jsonl", types) == (told.records, told.format, told.fields)
    assert (told.key, told.samples) == (("id",), ("p0", "p1", "p2"))
    assert report.counts.added == 5
    assert not work.ds.status().staged


def test_views_select_records(work: Work, tmp_path: Path) -> None:
    """Labels, the newest share and paths select records; files of records are never among them."""
    records = start(work)
    work.write({"other.txt": "x"})
    work.ds.add(["."])
    work.ds.commit("another")
    assert len(work.ds.prepare()) == 201
    assert len(work.ds.prepare(labels=["a"])) == 100
    view = work.ds.prepare(paths=[FILE])
    assert len(view) == 200
    assert len(work.ds.prepare(paths=[FILE], percent="10%")) == 20
    assert sorted(records, key=lambda each: each["id"]) == [each.record for each in view]
    assert json.dumps(records[0]).encode() == next(iter(view)).bytes
    view.get(str(tmp_path / "out"), format="jsonl")
    expected = lines(sorted(records, key=lambda each: each["id"]))
    assert expected == (tmp_path / "out" / "part-000000.jsonl").read_bytes()
    with pytest.raises(InvalidInput, match=r"other\.txt is no record"):
        work.ds.prepare().get(str(tmp_path / "all"), format="jsonl")


def test_gc_keeps_what_any_record_or_file_needs(work: Work) -> None:
    """A pack of which little is live is rewritten without storing a record twice; all stays
    readable, and fsck finds nothing."""
    records = start(work)
    work.write({f"waste/{n}": f"{n}" * 9000 for n in range(40)})
    for number in range(3):
        records[number]["text"] = f"edited {number}"
        work.write({FILE: lines(records)})
        work.ds.add(["."])
        work.ds.unstage(["waste"])
        work.ds.commit(f"edit {number}")
    for n in range(40):
        work.path(f"waste/{n}").unlink()
    before = {number: work.snapshot(number) for number in range(1, 5)}
    for _ in range(2):
        size = plan_gc(work.repo).size
        apply_gc(work.repo, plan_gc(work.repo))
        work.reopen()
        assert before == {number: work.snapshot(number) for number in range(1, 5)}
        assert not fsck(work.repo, full=True).findings
        assert plan_gc(work.repo).size <= size


def test_fsck_finds_a_missing_group(work: Work) -> None:
    """A file whose group is in no pack is told, and so are the records in it."""
    start(work)
    for pack in (work.root / ".dsm" / "packs").rglob("*.pack"):
        pack.unlink()
    work.reopen()
    findings = fsck(work.repo).findings
    told = {path for each in findings for _, _, path in each.examples}
    assert {FILE, f"{FILE}#p0"} <= told


def test_new_bytes_are_near_the_edit(work: Work) -> None:
    """One changed record stores one group or two, and two rows."""
    records = people(4000)
    add(work, records, records=True, key_field="id")
    work.ds.commit("first")
    records[2000]["text"] = "x"
    work.write({FILE: lines(records)})
    report = work.ds.add(["."])
    changeset = work.ds.commit("second")
    assert report.stored < 100_000
    assert changeset.counts.rows == 2


def table(records: Iterable[dict[str, Any]], *columns: str) -> bytes:
    rows = [",".join(f'"{each[name]}"' for name in columns) for each in records]
    return "".join(row + "\r\n" for row in [",".join(columns), *rows]).encode()


def test_rows_of_a_table_are_examples(work: Work) -> None:
    """Edits, labels of people and withdrawals work on rows as on lines; the file stays whole."""
    records = people(50)
    columns = ("id", "text", "topic")
    work.write({"t.csv": table(records, *columns)})
    asked = {"key_field": "id", "label_field": "topic", "attr_field": ["id"]}
    work.ds.add(["t.csv"], records=True, **asked)
    work.ds.commit("first")
    assert work.snapshot()["t.csv#p3"] == (b'"p3","' + b"text of 3 " * 20 + b'","b"', ("b",))
    work.ds.label(["t.csv#p3", "t.csv#p4"], set=["checked"])
    work.ds.remove(["t.csv#p5"])
    records[3]["text"], records[4]["topic"] = "other", "c"
    content = table(records[:-1], *columns)
    work.write({"t.csv": content})
    assert kinds(work) == {"modified": 3, "deleted": 1}  # the file is one of them
    work.ds.commit("second", all=True)
    found = {path.partition("#")[2]: said for path, (_, said) in work.snapshot().items()}
    assert [found[key] for key in ("p3", "p4", "p6")] == [("checked",), ("c",), ("a",)]
    assert "p5" not in found
    work.path("t.csv").unlink()
    work.ds.restore()
    assert content == work.path("t.csv").read_bytes()


def test_another_header_changes_what_rows_say(work: Work) -> None:
    """The same bytes under other names of columns have other labels; labels of people stay."""
    work.write({"t.csv": "id,a,b\n1,x,y\n2,p,q\n3,z,z\n"})
    work.ds.add(["t.csv"], records=True, key_field="id", label_field="a")
    work.ds.commit("first")
    work.ds.label(["t.csv#3"], set=["checked"])
    work.write({"t.csv": "id,b,a\n1,x,y\n2,p,q\n3,z,z\n"})
    work.ds.add(["."])
    work.ds.commit("second")
    assert [each.labels for each in work.ds.ls()] == [("y",), ("q",), ("checked",)]
    assert [each.labels for each in work.ds.ls(reference=1)] == [("x",), ("p",), ("z",)]


def test_compressed_files_are_kept_beside_their_records(work: Work) -> None:
    """Edits, labels and withdrawals work as on the text, gc keeps what is needed, and the file comes
    back byte for byte, though nobody could compress it again like that."""
    records = people(300)
    work.write({"t.jsonl.gz": gzip.compress(lines(records), 3)})
    work.ds.add(["t.jsonl.gz"], records=True, key_field="id", label_field="topic")
    work.ds.commit("first")
    work.ds.label(["t.jsonl.gz#p3"], set=["checked"])
    work.ds.remove(["t.jsonl.gz#p5"])
    records[3]["text"] = "other"
    content = gzip.compress(lines(records[:100]), 1) + gzip.compress(lines(records[100:]), 9)
    work.write({"t.jsonl.gz": content})
    work.ds.commit("second", all=True)
    assert work.ds.changeset(2).counts.examples == 2
    apply_gc(work.repo, plan_gc(work.repo))
    work.reopen()
    assert not fsck(work.repo, full=True).findings
    found = work.snapshot()
    expected = (json.dumps(records[3]).encode(), ("checked",))
    assert (299, expected) == (len(found), found["t.jsonl.gz#p3"])
    assert content == work.ds.read("t.jsonl.gz")
    records[0]["text"] = "once more"
    work.write({"t.jsonl.gz": gzip.compress(lines(records))})
    work.ds.add(["."])
    assert work.ds.commit("third").counts.examples == 1
    assert "t.jsonl.gz#p5" not in work.snapshot()


def test_text_is_read_where_it_is_asked_for(work: Work) -> None:
    """A folder is not searched for plain text, unless the format is named; later files are read."""
    work.write({"d/a.jsonl": lines(people(2)), "d/a.txt": "one\ntwo\n"})
    work.ds.add(["d"], records=True)
    assert work.ds.commit("by name").examples == 3
    work.ds.add(["d"], records="text")
    assert work.ds.commit("text").examples == 4
    work.write({"d/b.txt": "three\n"})
    work.ds.add(["."])
    assert work.ds.commit("another").examples == 5


def tar_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_members_of_a_tar_are_examples(work: Work) -> None:
    """A picture that is loose, too, is stored once; what is said beside it may change alone; labels of
    people and withdrawals stay; and the tar comes back byte for byte, also after gc."""
    rng = random.Random(1)
    pictures = {f"s/{n}.jpg": rng.randbytes(n * 300_000 + 1000) for n in range(6)}
    said = {f"s/{n}.cls": b"ab"[n % 2 : n % 2 + 1] for n in range(6)}
    files = dict(sorted((pictures | said).items()))
    work.write({"loose/5.jpg": pictures["s/5.jpg"], "t.tar": tar_of(files)})
    work.ds.add(["loose"])
    work.ds.commit("loose")
    report = work.ds.add(["t.tar"], records=True, label_field="cls")
    assert report.stored < sum(map(len, pictures.values())) - len(pictures["s/5.jpg"]) + 20_000
    work.ds.commit("tar")
    assert work.snapshot()["t.tar#s%2F1.jpg"] == (pictures["s/1.jpg"], ("b",))
    work.ds.label(["t.tar#s%2F0.jpg"], set=["checked"])
    work.ds.remove(["t.tar#s%2F2.jpg"])
    files["s/1.cls"], files["s/3.jpg"] = b"c", b"other"
    content = tar_of(files)
    work.write({"t.tar": content})
    work.ds.commit("edited", all=True)
    apply_gc(work.repo, plan_gc(work.repo))
    work.reopen()
    assert not fsck(work.repo, full=True).findings
    found = {path.partition("#s%2F")[2]: said for path, (_, said) in work.snapshot().items()}
    del found[""]
    expected = {"0": "checked", "1": "c", "3": "b", "4": "a", "5": "b"}
    assert found == {f"{n}.jpg": (label,) for n, label in expected.items()}
    work.path("t.tar").unlink()
    work.ds.restore()
    assert content == work.path("t.tar").read_bytes()
    assert work.ds.status().clean
    work.ds.prepare(paths=["t.tar"]).get(str(work.root / "out"), format="webdataset")
    with tarfile.open(work.root / "out/shard-000000.tar") as shard:
        assert sum(name.endswith(".jpg") for name in shard.getnames()) == 5


def test_a_tar_comes_back_whatever_is_in_it(work: Work) -> None:
    """A member that is a file of records elsewhere, the content of what is no file, and megabytes
    behind the end: each may be stored in pieces. gc leaves what the tar needs of them."""
    folder, source = tarfile.TarInfo("dump"), random.Random(1)
    folder.type, folder.size = b"D", 3 << 20
    inner = lines(people())
    content = folder.tobuf() + source.randbytes(folder.size) + tar_of({FILE: inner})
    content += source.randbytes(3 << 20)
    add(work, people(), records=True, key_field="id")
    work.write({"t.tar": content})
    work.ds.add(["t.tar"], records=True)
    work.ds.commit("both")
    work.ds.remove([FILE])
    work.ds.commit("the file is gone")
    apply_gc(work.repo, plan_gc(work.repo))
    work.reopen()
    assert not fsck(work.repo, full=True).findings
    assert content == work.ds.read("t.tar")
    assert inner == work.ds.read(f"t.tar#{FILE}") == work.ds.read(FILE, 1)
    assert [(f"t.tar#{FILE}", inner)] == [(e.path, e.bytes) for e in work.ds.prepare()]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_fields_of_changed_records_are_told(work: Work, name: str) -> None:
    """Before it is added, staged and committed, the same fields differ; a label alone has none."""

    def content(records: list[dict[str, Any]]) -> bytes:
        return table(records, "id", "text", "topic") if name == "t.csv" else lines(records)

    records = people(8)
    work.write({name: content(records)})
    work.ds.add([name], records=True, key_field="id")
    work.ds.commit("first")
    records[2]["text"], records[5]["topic"] = "other", "c"
    records.append({"id": "new", "text": "", "topic": "d"})
    del records[7]
    work.write({name: content(records)})

    def told(*range_: int, **asked: Any) -> dict[str, Any]:
        found = work.ds.diff(*range_, **{"fields": 100, **asked}).records
        return {each.change.path.partition("#")[2]: dict(each.fields) for each in found}

    expected = {
        "new": {"id": (None, "new"), "text": (None, ""), "topic": (None, "d")},
        "p2": {"text": ("text of 2 " * 20, "other")},
        "p5": {"topic": ("b", "c")},
        "p7": {"id": ("p7", None), "text": ("text of 7 " * 20, None), "topic": ("b", None)},
    }
    assert expected == told()
    assert told(paths=[f"{name}#p5"]) == {"p5": expected["p5"]}
    assert told(fields=1) == {"new": expected["new"], "p2": {}, "p5": {}, "p7": {}}
    work.ds.add(["."])
    assert expected == told(staged=True)
    work.ds.commit("second")
    assert expected == told(1, 2)
    work.ds.label([f"{name}#p5"], set=["x"])
    assert told(staged=True) == {"p5": {}}


def test_rows_of_tables_have_fields_and_come_out_as_a_table(work: Work, tmp_path: Path) -> None:
    """The columns of its file name the cells of a row, also of one that was pickled; a view of several
    tables is one under all of their columns, those of JSON objects behind them."""
    work.write({
        "a.csv": "id;text\n1;x, y\n2;\"p\nq\"\n", "b.tsv": "id\tmore\n3\tz\n",
        "c.txt": "a line\n", "d.jsonl": '{"id": "4"}\n',
    })  # fmt: skip
    work.ds.add(["a.csv", "b.tsv", "d.jsonl"], records=True, key_field="id")
    work.ds.add(["c.txt"], records=True)
    work.ds.commit("first")
    work.write({"e": "later"})
    work.ds.add(["e"])
    work.ds.commit("second")
    view = work.ds.prepare(paths=["*.*"])
    records = {example.path.partition("#")[0]: example for example in view}
    assert records["a.csv"].record == {"id": "2", "text": "p\nq"}
    assert pickle.loads(pickle.dumps(records["a.csv"])).record == {"id": "2", "text": "p\nq"}
    assert records["b.tsv"].record == {"id": "3", "more": "z"}
    assert (records["c.txt"].record, records["d.jsonl"].record) == ({"text": "a line"}, {"id": "4"})
    shuffled = {example.path: example.record for example in view.iterate(seed=1)}
    assert {each.path: each.record for each in view} == shuffled
    out = tmp_path / "out"
    work.ds.prepare(paths=["*.csv", "*.tsv", "*.txt"]).get(str(out), format="csv")
    expected = 'id,text,more\n1,"x, y",\n2,"p\nq",\n3,,z\n,a line,\n'
    assert expected == (out / "part-000000.csv").read_text()
    work.ds.prepare(paths=["c.txt", "d.jsonl"]).get(str(tmp_path / "other"), format="csv")
    assert (tmp_path / "other" / "part-000000.csv").read_text() == "text,id\na line,\n,4\n"


def test_a_records_file_is_no_example_in_figures(work: Work) -> None:
    """`dsm diff --stat` counts the records that changed, and not the file that they are in."""
    records = start(work)
    records[0]["text"] = "other"
    add(work, records)
    work.ds.commit("second")
    assert stat_lines(work.ds.diff(1, 2).changes)[-1] == " 1 example changed: 1 modified"


def test_a_file_that_is_cut_off_is_told_once(work: Work) -> None:
    """The line names the file once, and says what is missing of it."""
    work.write({"t.jsonl.gz": gzip.compress(lines(people()))[:-9]})
    with pytest.raises(RecordsInvalid) as caught:
        work.ds.add(["t.jsonl.gz"], records=True)
    assert caught.value.message == "t.jsonl.gz is cut off: its gzip stream has no end"
