"""Datasets of Hugging Face on disk: rows become examples, without a file of theirs."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from pyarrow import parquet
from situations import Work

from dsm.errors import InvalidInput, NotFound


def png(color: int) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (4, 4), (color, 0, 0)).save(out, "PNG")
    return out.getvalue()


def features(**more: Any) -> datasets.Features:
    return datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"]), **more}
    )


def image(color: int, path: str | None = None) -> dict[str, Any]:
    return {"bytes": png(color), "path": path}


def told(work: Work) -> dict[str, tuple[tuple[str, ...], dict[str, Any], str | None]]:
    return {e.path: (e.labels, dict(e.attributes), e.annotation) for e in work.ds.ls()}


def content(work: Work, path: str) -> bytes:
    (oid,) = (e.oid for e in work.ds.ls() if e.path == path)
    return work.ds.repo.store.read(oid)


def table(folder: Path, name: str, rows: dict[str, list[Any]], **more: Any) -> None:
    """Writes Parquet as the Hub has it: with the features in its schema."""
    schema = features(**more).arrow_schema
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(rows, schema=schema), folder / name)


def test_a_dataset_that_was_saved(work: Work, tmp_path: Path) -> None:
    """Splits, classes, other columns, and the very bytes of the images."""
    more = {"n": datasets.Value("int64"), "box": datasets.List(datasets.Value("float64"))}
    rows = {
        "image": [image(1, "a.png"), image(2, "x/b.png")], "label": [1, -1],
        "n": [7, None], "box": [[0.1, 2.0], None],
    }  # fmt: skip
    saved = datasets.DatasetDict(
        {
            "train": datasets.Dataset.from_dict(rows, features=features(**more)),
            "test": datasets.Dataset.from_dict(
                {key: values[:1] for key, values in rows.items()}, features=features(**more)
            ),
        }
    )
    saved.save_to_disk(str(tmp_path / "saved"))
    report = work.ds.add_hub_dataset(str(tmp_path / "saved"), "pets", labels=None)
    assert (report.counts.added, report.warnings) == (3, ())
    work.ds.commit("hub")
    assert told(work) == {
        "pets/test/a.png": (("dog",), {"split": "test", "n": 7}, '{"box":[0.1,2.0]}'),
        "pets/train/a.png": (("dog",), {"split": "train", "n": 7}, '{"box":[0.1,2.0]}'),
        "pets/train/b.png": ((), {"split": "train"}, None),
    }
    assert content(work, "pets/train/b.png") == png(2)
    assert work.files() == {}


def test_a_snapshot_of_the_hub(work: Work, tmp_path: Path) -> None:
    """Parquet files by split, behind links into a store of blobs; names that repeat are numbers."""
    one = {"image": [image(1, "same.png"), image(2, "same.png")], "label": [0, 1]}
    table(tmp_path, "blobs/1.parquet", one)
    table(tmp_path, "blobs/2.parquet", {"image": [image(3)], "label": [0]})
    data = tmp_path / "snapshot/data"
    data.mkdir(parents=True)
    (data / "train-00000-of-00002.parquet").symlink_to(tmp_path / "blobs/1.parquet")
    (data / "train-00001-of-00002-0a1b.parquet").symlink_to(tmp_path / "blobs/2.parquet")
    table(tmp_path, "snapshot/data/validation-00000-of-00001.parquet", one)
    work.ds.add_hub_dataset(tmp_path / "snapshot", labels=["hub"])
    work.ds.commit("hub")
    assert [(path, labels) for path, (labels, _, _) in told(work).items()] == [
        ("train/00000000.png", ("cat", "hub")), ("train/00000001.png", ("dog", "hub")),
        ("train/00000002.png", ("cat", "hub")), ("validation/00000000.png", ("cat", "hub")),
        ("validation/00000001.png", ("dog", "hub")),
    ]  # fmt: skip
    assert content(work, "train/00000002.png") == png(3)


def test_adding_again_stages_nothing(work: Work, tmp_path: Path) -> None:
    """The same rows are the same examples; what has another label by now is relabelled."""
    table(tmp_path, "a.parquet", {"image": [image(1, "a.png")], "label": [0]})
    work.ds.add_hub_dataset(str(tmp_path))
    work.ds.commit("hub")
    assert work.ds.add_hub_dataset(str(tmp_path)).counts.rows == 0
    table(tmp_path, "a.parquet", {"image": [image(1, "a.png")], "label": [1]})
    assert work.ds.add_hub_dataset(str(tmp_path)).counts.relabelled == 1


def test_text(work: Work, tmp_path: Path) -> None:
    """A dataset of texts: each is an example."""
    saved = datasets.Dataset.from_dict({"text": ["hello", "b\u00f6"], "label": ["x", "y"]})
    saved.save_to_disk(str(tmp_path / "saved"))
    work.ds.add_hub_dataset(str(tmp_path / "saved"))
    work.ds.commit("hub")
    assert {path: labels for path, (labels, _, _) in told(work).items()} == {
        "train/00000000.txt": ("x",), "train/00000001.txt": ("y",),
    }  # fmt: skip
    assert content(work, "train/00000001.txt") == "b\u00f6".encode()


@pytest.mark.parametrize(
    "path",
    ["../../a.png", "/etc/passwd", "..", ".dsm", "a\n.png", "x" * 300 + ".png", "c:\\a\\b.png"],
)
def test_names_of_rows_lead_nowhere(work: Work, tmp_path: Path, path: str) -> None:
    """Of a path the last part counts, and a number where that cannot be one."""
    table(tmp_path, "a.parquet", {"image": [image(1, path)], "label": [0]})
    work.ds.add_hub_dataset(str(tmp_path))
    work.ds.commit("hub")
    (found,) = told(work)
    expected = {"../../a.png": "a.png", "/etc/passwd": "passwd", "c:\\a\\b.png": "b.png"}
    assert found == "train/" + expected.get(path, "00000000.png")


def test_a_row_without_bytes_is_refused(work: Work, tmp_path: Path) -> None:
    """Its path is not followed, wherever it leads; nothing is staged."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(9))
    rows = {"image": [image(1, "a.png"), {"bytes": None, "path": str(secret)}], "label": [0, 0]}
    table(tmp_path / "hub", "a.parquet", rows)
    with pytest.raises(InvalidInput, match=r"a\.parquet, row 2: there are no bytes"):
        work.ds.add_hub_dataset(str(tmp_path / "hub"))
    assert work.ds.status().staged == ()


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "state.json"])
@pytest.mark.parametrize(
    "data", [b"", b"PAR1" * 10, b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"{}", b"ARROW1\0\0"]
)
def test_any_bytes_are_refused(work: Work, tmp_path: Path, name: str, data: bytes) -> None:
    """One line that names the file."""
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / name).write_bytes(data)
    with pytest.raises(
        InvalidInput, match=r"this cannot be read|is not what `save_to_disk` writes"
    ):
        work.ds.add_hub_dataset(str(tmp_path / "hub"))


def test_files_that_state_json_names_lie_in_its_folder(work: Work, tmp_path: Path) -> None:
    """A name that leads out of it is read by nobody."""
    table(tmp_path, "secret.parquet", {"image": [image(1, "a.png")], "label": [0]})
    (tmp_path / "hub").mkdir()
    state = {"_data_files": [{"filename": "../secret.parquet"}], "_split": "train"}
    (tmp_path / "hub/state.json").write_text(json.dumps(state))
    with pytest.raises(InvalidInput, match="no Parquet or Arrow files"):
        work.ds.add_hub_dataset(str(tmp_path / "hub"))


def test_what_has_no_payload_is_refused(work: Work, tmp_path: Path) -> None:
    """A table of values is no dataset of examples; a folder that is not there is told."""
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InvalidInput, match="has no column of images, sounds or text"):
        work.ds.add_hub_dataset(str(tmp_path))
    with pytest.raises(NotFound, match="there is no folder"):
        work.ds.add_hub_dataset(os.path.join(str(tmp_path), "nowhere"))


def test_a_class_out_of_range_is_refused(work: Work, tmp_path: Path) -> None:
    """The error names the row and the column."""
    table(tmp_path, "a.parquet", {"image": [image(1, "a.png")], "label": [5]})
    with pytest.raises(InvalidInput, match="row 1: the column label has 5, which is none of its"):
        work.ds.add_hub_dataset(str(tmp_path))


@pytest.mark.parametrize("form", ["list of structs", "struct of lists"])
def test_classes_within_structs_have_their_names(work: Work, tmp_path: Path, form: str) -> None:
    """However deep they lie; a list of structs is kept in two ways by releases of the library."""
    inner = {
        "box": datasets.List(datasets.Value("float64")),
        "kind": datasets.ClassLabel(names=["z", "a"]),
    }
    objects: Any = datasets.List(inner)
    value: Any = [{"box": [1.0], "kind": 1}, {"box": [2.0], "kind": -1}]
    if form == "struct of lists":
        objects = datasets.Sequence(inner)
        value = {"box": [[1.0], [2.0]], "kind": [1, -1]}
    rows = {"image": [image(1, "a.png")], "label": [0], "objects": [value]}
    kept = features(objects=objects)
    datasets.Dataset.from_dict(rows, features=kept).to_parquet(str(tmp_path / "hub.parquet"))
    (tmp_path / "hub").mkdir()
    os.rename(tmp_path / "hub.parquet", tmp_path / "hub/train-00000-of-00001.parquet")
    work.ds.add_hub_dataset(str(tmp_path / "hub"))
    work.ds.commit("hub")
    (example,) = told(work).values()
    found = json.loads(example[2] or "")["objects"]
    assert found == (
        [{"box": [1.0], "kind": "a"}, {"box": [2.0], "kind": None}]
        if form == "list of structs" else {"box": [[1.0], [2.0]], "kind": ["a", None]}
    )  # fmt: skip


def test_the_order_of_classes_stays(work: Work, tmp_path: Path) -> None:
    """The index of a class is that of the dataset, also where a class has no example."""
    names = ["zebra", "ant", "unused"]
    feature = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    )
    rows = {"image": [image(1, "a.png"), image(2, "b.png")], "label": [1, 0]}
    datasets.Dataset.from_dict(rows, features=feature).save_to_disk(str(tmp_path / "saved"))
    work.ds.add_hub_dataset(str(tmp_path / "saved"))
    work.ds.commit("hub")
    view = work.ds.prepare()
    assert view.classes == tuple(names)
    assert {e.path: e.target for e in view} == {"train/a.png": 1, "train/b.png": 0}


def test_columns_that_are_no_attributes(work: Work, tmp_path: Path) -> None:
    """What is called `path` or `time`, as in Common Voice, stays in the annotation; what is no
    number is null there, and columns of other bytes are named and left out."""
    names = {"bytes": pa.binary(), "path": pa.string()}
    clips = pa.array([{"bytes": b"ID3x", "path": "a.mp3"}], pa.struct(names))
    masks = pa.array([[{"bytes": b"m", "path": None}]], pa.list_(pa.struct(names)))
    columns = {
        "audio": clips, "path": ["en/a.mp3"], "time": [3], "sentence": ["hi"], "masks": masks,
        "scores": [[0.5, float("nan")]], "raw": [b"\xff"],
    }  # fmt: skip
    (tmp_path / "hub").mkdir()
    parquet.write_table(pa.table(columns), tmp_path / "hub/train-00000-of-00001.parquet")
    report = work.ds.add_hub_dataset(str(tmp_path / "hub"))
    work.ds.commit("hub")
    assert [w.path for w in report.warnings] == ["masks", "raw"]
    assert told(work) == {
        "train/a.mp3": (
            (), {"split": "train", "sentence": "hi"}, '{"path":"en/a.mp3","scores":[0.5,null],"time":3}',
        )
    }  # fmt: skip
