"""Labels that a file, an option or a pattern says of records whose file is tracked already."""

from __future__ import annotations

import io
import json
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from situations import Work

from dsm.errors import InvalidInput
from dsm.maintenance.fsck import fsck
from dsm.worktree.tree import WorkTree

TABLE = "path,label,who\nq.jsonl#a,good,me\nq.jsonl#b,bad,me\n"


def start(work: Work) -> None:
    """Commits two records of a file, and a file of its own."""
    rows = [{"id": each, "topic": "old"} for each in "ab"]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    work.write({"q.jsonl": text.encode(), "plain.txt": b"plain"})
    work.ds.add(["q.jsonl"], records=True, key_field="id", label_field="topic")
    work.ds.add(["plain.txt"])
    work.ds.commit("first")


def archive(names: list[str]) -> bytes:
    """Returns a tar of small files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))
    return out.getvalue()


def said(work: Work) -> dict[str, tuple[str, ...]]:
    return {each.path: each.labels for each in work.ds.ls()}


def given(work: Work, text: str, name: str = "labels.csv") -> str:
    """Writes a label file outside of the dataset, and returns its path."""
    path = work.root.parent / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("asked", [{"records": True, "key_field": "id"}, {}])
def test_a_table_labels_records_of_an_unchanged_file(work: Work, asked: dict[str, Any]) -> None:
    """Rows fit records as they fit files, whether the file is said to be one of records or not."""
    start(work)
    report = work.ds.add(["q.jsonl"], label_file=given(work, TABLE), strict=True, **asked)
    assert (report.counts.relabelled, report.warnings) == (2, ())
    work.ds.commit("labelled")
    assert said(work) == {"plain.txt": (), "q.jsonl#a": ("good",), "q.jsonl#b": ("bad",)}
    assert not work.ds.add(["q.jsonl"], label_file=given(work, TABLE), strict=True).counts.rows


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"labels": ["zz"]}, {"plain.txt": ("zz",), "q.jsonl#a": ("zz",), "q.jsonl#b": ("zz",)}),
        (
            {"pattern": "{label}.{_}"},
            {"plain.txt": ("plain",), "q.jsonl#a": ("q",), "q.jsonl#b": ("q",)},
        ),
        ({}, {"plain.txt": ("one",), "q.jsonl#a": ("old",), "q.jsonl#b": ("old",)}),
    ],
)
@pytest.mark.parametrize("later", [False, True])
def test_an_unchanged_records_file_stays_one(
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, Any],
    expected: dict[str, tuple[str, ...]],
    later: bool,
) -> None:
    """What `add` says of all files it says of the records of one, which never becomes an example;
    also where the file was written so long ago that it is not read again."""
    if later:
        monkeypatch.setattr(WorkTree, "moment", lambda self: time.time_ns() + 10**11)
    start(work)
    if not asked:
        asked = {"label_file": given(work, "path,label\nplain.txt,one\n")}
    work.ds.add(["."], **asked)
    work.ds.commit("again")
    assert said(work) == expected
    assert not fsck(work.repo, full=True).findings
    assert work.ds.status().clean


def test_a_label_of_a_records_file_is_one_of_its_records(work: Work) -> None:
    """A row that names the file is of all of its records, and one of a record comes on top."""
    start(work)
    table = given(work, "path,label\nq.jsonl,all\nq.jsonl#b,mine\n")
    work.ds.add(["q.jsonl"], label_file=table, strict=True)
    work.ds.commit("again")
    assert said(work) == {"plain.txt": (), "q.jsonl#a": ("all",), "q.jsonl#b": ("mine",)}


COCO = {
    "images": [
        {"id": n, "file_name": f"{n}.png", "width": 20, "height": 10} for n in (1, 2, 3)
    ],
    "categories": [{"id": 3, "name": "car"}],
    "annotations": [
        {"id": 1, "image_id": 2, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
    ],
}  # fmt: skip


@pytest.mark.parametrize("names", [["1.png", "2.png"], ["val/1.png", "val/2.png"]])
@pytest.mark.parametrize("at_once", [True, False])
def test_annotations_fit_files_in_an_archive(work: Work, names: list[str], at_once: bool) -> None:
    """Files in a tar are found by their names in it, when it is added as later."""
    table = given(work, json.dumps(COCO), "instances.json")
    work.write({"im.tar": archive(names)})
    if at_once:
        report = work.ds.add(["im.tar"], records=True, label_file=table)
        warnings = report.warnings
    else:
        work.ds.add(["im.tar"], records=True)
        work.ds.commit("archive")
        warnings = work.ds.label(["im.tar"], label_file=table).warnings
    assert [(each.path, "names no" in each.reason) for each in warnings] == [("3.png", True)]
    work.ds.commit("boxes")
    first, second = work.ds.ls()
    assert (first.labels, second.labels) == ((), ("car",))
    assert json.loads(second.annotation or "")["objects"][0]["bbox"] == [1, 2, 3, 4]


def test_a_name_that_two_files_in_archives_end_like_is_refused(work: Work) -> None:
    """Neither is chosen, and both are named; nothing is staged."""
    table = given(work, json.dumps(COCO), "instances.json")
    work.write({"im.tar": archive(["a/1.png", "b/1.png"])})
    with pytest.raises(InvalidInput, match="may be im.tar#a%2F1.png or im.tar#b%2F1.png"):
        work.ds.add(["im.tar"], records=True, label_file=table)
    assert not work.ds.status().staged


def test_a_name_in_full_comes_before_its_end(work: Work) -> None:
    """A file with just the name of a row takes it, though others end like it."""
    table = given(work, "file_name,label\n1.png,one\n", "metadata.csv")
    work.write({"im.tar": archive(["a/1.png", "1.png"])})
    work.ds.add(["im.tar"], records=True, label_file=table, strict=True)
    work.ds.commit("one")
    assert said(work) == {"im.tar#1.png": ("one",), "im.tar#a%2F1.png": ()}


def test_label_tells_and_refuses_rows_that_fit_nothing(work: Work, tmp_path: Path) -> None:
    """They are counted and the first is named; `strict` stages nothing. What is tracked elsewhere
    fits."""
    start(work)
    table = given(work, f"{TABLE}q.jsonl#c,x,me\nplain.txt,x,me\n")
    report = work.ds.label(["q.jsonl"], label_file=table)
    assert (report.relabelled, report.unused) == (2, 1)
    assert [each.path for each in report.warnings] == ["q.jsonl#c"]
    work.ds.unstage()
    with pytest.raises(InvalidInput, match="1 row of the label file names no tracked example"):
        work.ds.label(["q.jsonl"], label_file=table, strict=True)
    assert not work.ds.status().staged


def test_a_glob_selects_records(work: Work) -> None:
    """As `ls` takes it; one that fits none is refused."""
    start(work)
    assert work.ds.label(["*.jsonl#[b-z]"], add=["late"]).relabelled == 1
    work.ds.commit("late")
    assert said(work)["q.jsonl#b"] == ("late", "old")
    with pytest.raises(Exception, match="no tracked example is"):
        work.ds.label(["*.jsonl#z*"], add=["late"])


def test_a_second_annotation_adds_to_the_first(work: Work) -> None:
    """Members of objects and of captions stay side by side, by `add` as by `label`."""
    first = {**COCO, "annotations": COCO["annotations"]}
    captions = {
        "images": COCO["images"], "annotations": [{"id": 9, "image_id": 2, "caption": "a car"}]
    }  # fmt: skip
    work.write({"im.tar": archive(["1.png", "2.png"])})
    work.ds.add(["im.tar"], records=True, label_file=given(work, json.dumps(first), "i.json"))
    work.ds.add(["im.tar"], records=True, label_file=given(work, json.dumps(captions), "c.json"))
    work.ds.commit("both")
    (car,) = [each for each in work.ds.ls() if each.labels]
    assert {"objects", "captions"} <= json.loads(car.annotation or "").keys()
