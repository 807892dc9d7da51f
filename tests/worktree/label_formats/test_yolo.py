"""YOLO as trainers and sites lay it out: splits, texts without images, and documents of all kinds."""

from __future__ import annotations

import os
from typing import Any

import pytest
from situations import Work

from dsm.errors import InvalidInput
from dsm.worktree.label_formats.plain_yaml import parse

BOX = "0 .1 .2 .3 .4\n"
ROBOFLOW = {
    "train/images/a.jpg": "1", "train/images/b.jpg": "2", "valid/images/c.jpg": "3",
    "test/images/d.jpg": "4", "train/labels/a.txt": BOX, "valid/labels/c.txt": "",
}  # fmt: skip


def added(work: Work, paths: list[str], **asked: Any) -> Any:
    report = work.ds.add(paths, label_file=asked.pop("labels", "data.yaml"), **asked)
    work.ds.commit("yolo")
    return report


def splits(work: Work) -> dict[str, Any]:
    return {e.path: e.attributes.get("split") for e in work.ds.ls()}


@pytest.mark.parametrize(
    "yaml",
    [
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n",  # Roboflow
        "path: .\ntrain: train/images\nval: valid\ntest: [test/images, nowhere]\n",
        "path: ../elsewhere\ntrain: train/images\nval: [valid/images]\ntest:\n  - test/images\n",
        "train: train.txt\nval: [lists/val.txt]\ntest: lists/test.txt\n",
    ],
)
def test_splits_however_they_are_said(work: Work, yaml: str) -> None:
    """By folders, lists of them, or texts; an image without a text of objects is of one, too."""
    lists = {
        "train.txt": "./train/images/a.jpg\r\n/content/data/train/images/b.jpg\n",
        "lists/val.txt": "../valid/images/c.jpg\n", "lists/test.txt": "test/images/d.jpg\n\n",
    }  # fmt: skip
    work.write({**ROBOFLOW, **lists, "data.yaml": yaml + "nc: 1\nnames: ['cat']\n"})
    added(work, ["train", "valid", "test"])
    assert splits(work) == {
        "train/images/a.jpg": "train", "train/images/b.jpg": "train",
        "valid/images/c.jpg": "val", "test/images/d.jpg": "test",
    }  # fmt: skip


def test_the_nearest_folder_says_the_split(work: Work) -> None:
    """A folder in that of another split; what two splits name says nothing."""
    work.write({
        "images/a.jpg": "1", "images/val/b.jpg": "2", "images/both/c.jpg": "3", "images/a.txt": BOX,
        "data.yaml": "train: [images, images/both]\nval: [images/val, images/both]\nnames: [cat]\n",
    })  # fmt: skip
    added(work, ["images"])
    assert splits(work) == {
        "images/a.jpg": "train", "images/val/b.jpg": "val", "images/both/c.jpg": "train",
    }  # fmt: skip


def test_an_image_in_lists_of_two_splits_has_none(work: Work) -> None:
    """It would be trained on and tested with."""
    work.write({
        "a.jpg": "1", "b.jpg": "2", "a.txt": BOX, "train.txt": "a.jpg\nb.jpg\n", "val.txt": "b.jpg\n",
        "data.yaml": "train: train.txt\nval: val.txt\nnames: [cat]\n",
    })  # fmt: skip
    added(work, ["."])
    assert splits(work) == {"a.jpg": "train", "b.jpg": None}


def test_tracked_images_without_files_have_splits(work: Work) -> None:
    """The folders of their paths are known, though they are not there."""
    work.ds.add({"images/val/a.jpg": b"1"})
    work.write({"labels/val/a.txt": BOX, "data.yaml": "train: x\nval: images/val\nnames: [cat]\n"})
    work.ds.label(["images"], label_file="data.yaml")
    work.ds.commit("labelled")
    assert splits(work) == {"images/val/a.jpg": "val"}


@pytest.mark.parametrize(
    ("images", "texts"), [("images", "labels"), ("x/images/y", "x/labels/y"), ("x", "x")]
)
def test_a_text_without_an_image_is_told(work: Work, images: str, texts: str) -> None:
    """It is a row that fits nothing: counted, refused when strict, and never added as data."""
    work.write({
        f"{images}/a.jpg": "1", f"{texts}/a.txt": BOX, f"{texts}/gone.txt": BOX,
        f"{texts}/none.txt": "", f"{texts}/classes.txt": "cat\n", f"{texts}.cache": "x",
        f"{images}/notes.txt": "about these pictures", "data.yaml": "names: [cat]\n",
    })  # fmt: skip
    with pytest.raises(InvalidInput) as caught:
        work.ds.add(["."], label_file="data.yaml", strict=True)
    assert caught.value.items == (f"{images}/gone.jpg", f"{images}/none.jpg")
    report = added(work, ["."])
    assert [(w.path, w.reason) for w in report.warnings] == [
        (f"{images}/gone.jpg", "and 1 more of the label file name no example that was added")
    ]
    assert {e.path for e in work.ds.ls()} == {f"{images}/a.jpg", f"{images}/notes.txt"}


def test_a_text_is_of_the_image_that_it_lies_beside(work: Work) -> None:
    """And of none that is called the same below the document's folder."""
    work.write({
        "a.jpg": "1", "a.txt": BOX, "sub/a.jpg": "2", "sub/b.jpg": "3", "sub/b.txt": BOX,
        "sub/data.yaml": "names: [cat]\n",
    })  # fmt: skip
    added(work, ["."], labels="sub/data.yaml")
    assert {e.path: e.labels for e in work.ds.ls()} == {
        "a.jpg": ("cat",), "sub/a.jpg": (), "sub/b.jpg": ("cat",),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"a.jpg": "1"}, "data.yaml: none of 1 images has a text"),
        ({"a.bin": "1"}, "data.yaml: there are no images"),
    ],
)
def test_images_without_any_text_are_refused(
    work: Work, files: dict[str, str], problem: str
) -> None:
    """The texts lie elsewhere, then: nothing is added as if it had no objects."""
    work.write({**files, "data.yaml": "names: [cat]\n"})
    with pytest.raises(InvalidInput) as caught:
        work.ds.add(["."], label_file="data.yaml")
    assert caught.value.message == problem
    assert list(work.ds.ls()) == []


def test_lists_outside_are_not_read(work: Work) -> None:
    """A list is one only beside the document, or in the dataset."""
    work.write({"a.jpg": "1", "a.txt": BOX, "data.yaml": "names: [cat]\ntrain: /dev/null.txt\n"})
    outside = os.path.join(os.path.dirname(work.root), "list.txt")
    with open(outside, "w") as file:
        file.write("a.jpg\n")
    work.write({"data.yaml": f"names: [cat]\ntrain: {outside}\nval: ../list.txt\n"})
    added(work, ["a.jpg"])
    assert splits(work) == {"a.jpg": None}


DOCUMENTS = [
    # as Ultralytics ships them, with a script that is text here
    "path: coco # root\ntrain: train2017.txt # images\nnames:\n  0: person\n  1: stop sign\n\n"
    "# Download\ndownload: |\n  from pathlib import Path\n\n  # labels\n"
    "  urls = [U + (\"/x.zip\" if s else 'y')]  # [1:\n",
    "names: [driver's license, cat, 'it''s', a:b, \"q\\\"x\"]\nnc: 5\n",
    "nc: 1\nnames: ['a b']\n\nroboflow:\n  workspace: x\n  version: 3\n  url: https://x.com/y/1\n",
    "names:\n- a\n- b\nx: >-\n  one\n  two\ny: |-\n    deep\n      er\nz: 1\n",
    "- |\n  a\n- b\n",
]


@pytest.mark.parametrize("text", DOCUMENTS)
def test_documents_as_yaml_reads_them(text: str) -> None:
    """What sites and trainers write is read as PyYAML does."""
    yaml = pytest.importorskip("yaml")
    assert parse(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("yaml", "names"),
    [("names: {'0': cat, 1: dog}\n", ["cat", "dog"]), ("names: [1, true]\n", ["1", "True"])],
)
def test_names_of_classes(work: Work, yaml: str, names: list[str]) -> None:
    """Indices may be written in quotes, names as what YAML takes for numbers."""
    work.write({"data.yaml": yaml, "a.jpg": "1", "a.txt": "1 .1 .2 .3 .4\n" + BOX})
    added(work, ["a.jpg"])
    assert [e.labels for e in work.ds.ls()] == [tuple(sorted(names))]


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("nc: 3\nnames: [cat]\n", "data.yaml, names: nc is 3, but names has 1"),
        ("names: {0: cat, '0': dog}\n", "data.yaml, names: the classes are not numbered from 0 on"),
        ("names: {0: cat, 2: dog}\n", "data.yaml, names: the classes are not numbered from 0 on"),
        (
            "names: !!python/object/apply:os.system ['touch ran']\n",
            "data.yaml, line 1: '!' begins more YAML than is read",
        ),
        ("a: &a [x, x]\nnames: [*a, *a]\n", "data.yaml, line 1: '&' begins more YAML than is read"),
        ("names: *a\n", "data.yaml, line 1: '*' begins more YAML than is read"),
    ],
)
def test_documents_that_are_refused(work: Work, yaml: str, problem: str) -> None:
    """What does not agree with itself, and what would make YAML run or grow."""
    work.write({"data.yaml": yaml, "a.jpg": "1", "a.txt": BOX})
    with pytest.raises(InvalidInput) as caught:
        work.ds.add(["a.jpg"], label_file="data.yaml")
    assert caught.value.message == problem
    assert not os.path.exists(work.path("ran"))
