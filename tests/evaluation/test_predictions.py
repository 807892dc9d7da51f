"""Predictions of runs: read in any form, joined to the view, stored once, removed, kept by gc."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from situations import Work

from dsm.errors import AlreadyExists, DamagedData, InvalidInput, NotFound
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import apply_gc, explain, plan_gc
from dsm.repo import documents

from .conftest import PATHS, begin

Row = dict[str, Any]
SURE = {"cat": 0.75, "dog": 0.25}


def rows_of(work: Work, run: str = "base", view: str | None = None) -> list[Row]:
    """What is stored, a dictionary a row."""
    _, stored = work.repo.predictions.find(run, view)
    rows: list[Row] = work.repo.predictions.read(stored).to_pylist()
    return rows


def parquet(rows: list[Row]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue())


LISTS = [{"path": "dog/1", "probabilities": [0.75, 0.25]}]
FORMS: dict[str, bytes] = {
    "csv": b"path,prob.cat,prob.dog\ndog/1,0.75,0.25\n",
    "tsv": b"\xef\xbb\xbffile\tprob_dog\tprob_cat\tmore\r\n./dog/1\t0.25\t0.75\tx\r\n",
    "by index": b"path,label,prob.0,prob.1\ndog/1,0,0.75,0.25\n",
    "json object": b'{"path": "dog/1", "probabilities": {"cat": 0.75, "dog": 0.25}}\n',
    "json list": b'{"path": "dog/1", "x": {"y": []}, "probabilities": [0.75, 0.25]}\n',
    "parquet": parquet([{"path": "dog/1", "prob.cat": 0.75, "prob.dog": 0.25}]),
    "parquet list": parquet(LISTS),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(pets: Work, form: str) -> None:
    """CSV, TSV, JSON Lines and Parquet, with classes by name or in the view's order, read alike."""
    added = pets.repo.predictions.add_file("base", io.BytesIO(FORMS[form]))
    expected = {"path": "dog/1", "label": "cat", "prob.cat": 0.75, "prob.dog": 0.25}
    assert rows_of(pets) == [expected]
    stored = added.stored
    assert (stored.predicted, stored.missing, stored.unknown, stored.classes) == (1, 5, 0, 2)


def test_arrays_of_python(pets: Work) -> None:
    """NumPy arrays of indices, floats of 32 bits, and lists are predictions as well."""
    predictions = pets.repo.predictions
    chances = np.array([[0.75, 0.25]] * 6, np.float32)
    predictions.add("base", np.array(PATHS), probabilities=chances)
    assert rows_of(pets)[5] == {"path": "dog/3", "label": "cat", "prob.cat": 0.75, "prob.dog": 0.25}
    predictions.add("base", PATHS, labels=np.arange(6) % 2, scores=[0.5] * 6, replace=True)
    assert [row["label"] for row in rows_of(pets)] == ["cat", "dog"] * 3
    predictions.add("base", PATHS[::-1], values=range(6), replace=True)
    assert [row["value"] for row in rows_of(pets)] == [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]


def test_missing_and_unknown_examples_are_counted(pets: Work) -> None:
    """Rows of no example are left out and counted, and so are examples without a row."""
    added = pets.repo.predictions.add("base", ["x", "dog/1", "y"], labels=["cat", "cow", "cat"])
    assert (added.stored.missing, added.stored.unknown, added.unknown_paths) == (5, 2, ("x", "y"))
    assert rows_of(pets) == [{"path": "dog/1", "label": "cow"}]
    with pytest.raises(
        InvalidInput, match="none of its 1 paths is an example of the view, such as"
    ):
        pets.repo.predictions.add("base", ["x"], labels=["cat"], replace=True)


WRONG: dict[str, tuple[bytes, str]] = {
    "nothing": (b"\n", "is empty"),
    "no row": (b"path,label\n", "there is no row"),
    "utf-16": ("path,label\ncat/1,cat\n".encode("utf-16"), "is UTF-16"),
    "a long line": (b"path,label\ncat/1," + b"x" * (5 << 20) + b"\n", "a line is too long"),
    "no path": (b"label\ncat\n", "no column with paths"),
    "no prediction": (b"path\ncat/1\n", "neither a label"),
    "two columns": (b"path,label,prediction\ncat/1,a,b\n", "label and predicti"),
    "one name twice": (b"path,label,label\ncat/1,a,b\n", "two columns are named"),
    "twice": (b"path,label\ncat/1,cat\ncat/2,cat\ncat/1,dog\n", "'cat/1' is predicted twice"),
    "not finite": (b"path,value\ncat/1,nan\n", r"row 1 \('cat/1'\) has no value"),
    "not a number": (b"path,value\ncat/1,high\n", "cannot be read: .*high"),
    "no label": (b'{"path":"cat/1","label":null}\n{"path":"cat/2","label":"cat"}', "has no label"),
    "no chance": (b"path,prob.cat,prob.dog\ncat/1,1.5,-0.5\n", "goes from 1.5 to 1.5"),
    "not all": (b"path,prob.cat,prob.dog\ncat/1,0.5,0.1\n", "add up to 0.6"),
    "lists of two sizes": (
        b'{"path":"cat/1","probs":[1]}\n{"path":"cat/2","probs":[0.5,0.5]}', "1 to 2 probabilities",
    ),
    "too few": (b'{"path":"cat/1","probs":[1.0]}\n', "1 probabilities a row, and 2 classes"),
    "text": (b'{"path":"cat/1","probs":"high"}\n', "probabilities are string"),
    "ragged": (b"path,label\ncat/1,cat,more\n", "cannot be read: .*"),
    "no json": (b'{"path":\n', "cannot be read: .*"),
    "no parquet": (b"PAR1 and no more", "cannot be read: .*"),
    "no utf-8": (b"path,label\n\xff,cat\n", "cannot be read: .*"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_prediction_is_refused(pets: Work, name: str) -> None:
    """A file that cannot be meant is one line, and nothing is recorded."""
    data, said = WRONG[name]
    with pytest.raises(InvalidInput, match=said) as caught:
        pets.repo.predictions.add_file("base", io.BytesIO(data))
    assert "\n" not in caught.value.message
    assert pets.repo.predictions.of("base") == []


def test_a_file_is_known_by_its_suffix(pets: Work, tmp_path: Path) -> None:
    """An unknown suffix and a file that is not there are told as such."""
    (tmp_path / "p.txt").write_text("path,label\n")
    with pytest.raises(InvalidInput, match="not known as a file of predictions"):
        pets.repo.predictions.add_file("base", tmp_path / "p.txt")
    with pytest.raises(NotFound, match="there is no file"):
        pets.repo.predictions.add_file("base", "p.csv")
    pipe, end = os.pipe()  # as a shell makes of <(command)
    os.write(end, b"path,label\ncat/1,cat\n")
    os.close(end)
    assert pets.repo.predictions.add_file("base", f"/dev/fd/{pipe}").stored.predicted == 1
    os.close(pipe)


def test_the_view_is_the_one_that_the_run_read(pets: Work) -> None:
    """Of several views one is named; each has predictions of its own, and none comes twice."""
    pets.ds.prepare(labels="cat", name="cats")
    begin(pets, "both", "all", "cats")
    begin(pets, "none")
    predictions = pets.repo.predictions
    for run, said in (("both", "read 2 views"), ("none", "read no view")):
        with pytest.raises(InvalidInput, match=said):
            predictions.add(run, ["cat/1"], labels=["cat"])
    predictions.add("both", ["cat/1"], labels=["cat"], view="cats")
    predictions.add("both", ["cat/2"], labels=["cat"], view="all")
    assert len(predictions.of("both")) == 2
    assert rows_of(pets, "both", "cats")[0]["path"] == "cat/1"
    with pytest.raises(InvalidInput, match="predictions for 2 views"):
        predictions.find("both")
    with pytest.raises(AlreadyExists, match="already"):
        predictions.add("both", ["cat/2"], labels=["cat"], view="all")
    with pytest.raises(NotFound, match="has no predictions"):
        predictions.find("none")


def test_they_are_kept_while_a_run_has_them(pets: Work) -> None:
    """gc keeps them, tells who has them, and removes them after the run or they are removed."""
    predictions = pets.repo.predictions
    begin(pets, "other", "all")
    ids = {
        predictions.add(run, PATHS, labels=["cat"] * 6).stored.object for run in ("base", "other")
    }
    (found,) = ids  # equal predictions are stored once
    apply_gc(pets.repo, plan_gc(pets.repo))
    assert len(rows_of(pets)) == 6
    lines = explain(pets.repo, found)
    assert sorted(lines) == sorted(
        f"run {pets.repo.runs.find(run).id}: its predictions" for run in ("base", "other")
    )
    predictions.remove("base")
    pets.repo.runs.remove(pets.repo.runs.find("other").id)
    apply_gc(pets.repo, plan_gc(pets.repo))
    pets.reopen()
    assert pets.repo.store.missing([bytes.fromhex(found)]) == {bytes.fromhex(found)}


def test_fsck_finds_what_is_gone_or_damaged(pets: Work) -> None:
    """A missing object and a document of another run are findings; a whole one is none."""
    predictions = pets.repo.predictions
    predictions.add("base", PATHS, labels=["cat"] * 6)
    assert fsck(pets.repo, full=True).findings == ()
    run, stored = predictions.find("base")
    place = documents.run_predictions(pets.repo.layout, run.id)
    fields = place.read(stored.view)
    assert fields is not None
    place.remove(stored.view)
    place.create(stored.view, {**fields, "object": "ab" * 32})
    (finding,) = fsck(pets.repo, full=False).findings
    assert (finding.kind, finding.examples[0][2]) == ("object", f"run {run.id}")
    place.remove(stored.view)
    place.create(stored.view, {**fields, "run": "0" * 16})
    with pytest.raises(DamagedData, match="of another run"):
        predictions.of("base")
    assert [each.kind for each in fsck(pets.repo, full=False).findings] == ["document"]
