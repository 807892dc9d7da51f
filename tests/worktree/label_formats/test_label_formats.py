"""Labels as people keep them: what each format says of examples, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from situations import Work

from dsm.errors import InvalidInput
from dsm.model.example import Example
from dsm.worktree.label_rows import NoRowFits

IMAGES = {f"images/{name}.jpg": name for name in "abc"}


def added(work: Work, paths: list[str], labels: str, **asked: Any) -> dict[str, Example]:
    """Adds with labels, commits, and returns the examples by path."""
    work.ds.add(paths, label_file=labels, **asked)
    work.ds.commit("labelled")
    return {example.path: example for example in work.ds.ls()}


def said(example: Example) -> Any:
    assert example.annotation is not None
    return json.loads(example.annotation)


# --- COCO ---

COCO: dict[str, Any] = {
    "info": {"year": 2026},
    "images": [
        {"id": 7, "file_name": "a.jpg", "width": 640, "height": 480},
        {"id": 9, "file_name": "b.jpg", "width": 64, "height": 48.0},
        {"id": 11, "file_name": "c.jpg", "width": 4, "height": 4},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 18, "bbox": [0.1, 2, 3.30, 4], "area": 13.2,
         "iscrowd": 0, "segmentation": [[1.5, 2, 3, 4, 5, 6.25]]},
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [1, 1, 1, 1], "iscrowd": 1,
         "segmentation": {"size": [480, 640], "counts": "abc"}},
        {"id": 3, "image_id": 9, "category_id": 18, "bbox": [1e2, 0, 1, 1]},
    ],
    "categories": [{"id": 3, "name": "car", "supercategory": "vehicle"}, {"id": 18, "name": "dog"}],
}  # fmt: skip


def test_coco_instances(work: Work) -> None:
    """Categories become labels, and everything that is said of an object stays, number by number."""
    work.write({**IMAGES, "instances.json": json.dumps(COCO)})
    found = added(work, ["images"], "instances.json")
    assert {path: example.labels for path, example in found.items()} == {
        "images/a.jpg": ("car", "dog"), "images/b.jpg": ("dog",), "images/c.jpg": (),
    }  # fmt: skip
    assert said(found["images/a.jpg"]) == {
        "image": {"id": 7, "width": 640, "height": 480},
        "objects": [
            {"id": 1, "category_id": 18, "label": "dog", "bbox": [0.1, 2, 3.3, 4], "area": 13.2,
             "iscrowd": 0, "segmentation": [[1.5, 2, 3, 4, 5, 6.25]]},
            {"id": 2, "category_id": 3, "label": "car", "supercategory": "vehicle",
             "bbox": [1, 1, 1, 1], "iscrowd": 1,
             "segmentation": {"size": [480, 640], "counts": "abc"}},
        ],
    }  # fmt: skip
    assert '"bbox":[0.1,2,3.3,4]' in (found["images/a.jpg"].annotation or "")
    assert said(found["images/c.jpg"])["objects"] == []


def test_coco_captions_stand_beside_instances(work: Work) -> None:
    """A file of captions adds them; objects and labels that were given before stay."""
    captions = {
        "images": COCO["images"],
        "annotations": [{"id": 5, "image_id": 7, "caption": "a dog"}],
    }
    work.write(
        {**IMAGES, "instances.json": json.dumps(COCO), "captions.json": json.dumps(captions)}
    )
    before = added(work, ["images"], "instances.json")["images/a.jpg"]
    work.ds.label(["images"], label_file="captions.json")
    work.ds.commit("captions")
    after = {e.path: e for e in work.ds.ls()}["images/a.jpg"]
    assert after.labels == ("car", "dog")
    assert said(after) == {**said(before), "captions": [{"id": 5, "caption": "a dog"}]}


@pytest.mark.parametrize(
    "order", [("images", "categories", "annotations"), ("annotations", "categories", "images")]
)
def test_the_order_of_members_does_not_count(work: Work, order: tuple[str, ...]) -> None:
    """Names of categories are known wherever they stand in the file."""
    text = json.dumps({name: COCO[name] for name in order}, indent=1)
    work.write({**IMAGES, "instances.json": "\ufeff" + text})
    assert added(work, ["images"], "instances.json")["images/b.jpg"].labels == ("dog",)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"images": [{"id": 7}]}, "images, element 1: there is no file_name"),
        ({"images": [7]}, "images, element 1: this is not an object"),
        ({"images": [*COCO["images"], COCO["images"][0]]}, "images, element 4: two images have the id 7"),
        ({"categories": [{"id": 3}]}, "categories, element 1, name: a label is text"),
        ({"categories": []}, "annotations, element 1: there is no category with the id 18"),
        ({"annotations": [{"image_id": {}, "category_id": 3}]}, "annotations, element 1: a number or text is expected as image_id"),
        ({"annotations": [{"image_id": 7}]}, "annotations, element 1: there is no category_id"),
        ({"annotations": [{"image_id": 8, "category_id": 3}]}, "annotations, element 1: there is no image with the id 8"),
        ({"annotations": [{"image_id": 7, "segments_info": []}]}, "annotations, element 1: this is panoptic segmentation, which is kept in pictures"),
    ],
)  # fmt: skip
def test_what_coco_cannot_say_is_refused(work: Work, change: dict[str, Any], problem: str) -> None:
    """The error names the file, the member and the element; nothing is staged."""
    work.write({**IMAGES, "instances.json": json.dumps({**COCO, **change})})
    with pytest.raises(InvalidInput) as caught:
        work.ds.add(["images"], label_file="instances.json")
    assert caught.value.message == f"instances.json, {problem}"
    assert list(work.ds.ls()) == []


@pytest.mark.parametrize(
    "text",
    [
        '{"images": [', '{"images": [], "annotations": [}', '{"images": [{"id": NaN}]}', '{"images" []}',
        '{"images": [{"id": ' + "9" * 5000 + "}]}", '{"images": [' + "[" * 100_000, '{"images": [1e999]}',
        '{"images": []} x', '{"images": [{"file_name": "a.jpg", "id": 1, "x": "\\ud800"}], "annotations": []}',
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(work: Work, text: str) -> None:
    """Text that ends early, goes on, or holds what JSON has no word for."""
    work.write({**IMAGES, "bad.json": text})
    with pytest.raises(InvalidInput, match=r"^bad\.json"):
        work.ds.add(["images"], label_file="bad.json")


def test_coco_images_alone_say_nothing_of_objects(work: Work) -> None:
    """As for the images of a test set: none is said to be without objects."""
    told = {name: COCO[name] for name in ("info", "images", "categories")}
    work.write({**IMAGES, "info.json": json.dumps(told)})
    example = added(work, ["images"], "info.json")["images/a.jpg"]
    assert said(example) == {"image": {"id": 7, "width": 640, "height": 480}}


# --- where names lead ---


def test_names_are_found_in_a_folder_that_is_not_named(work: Work) -> None:
    """The end of a path is enough where only one example has it, whatever machine wrote the path."""
    images = [
        {"id": 1, "file_name": "/home/ann/work/a.jpg"},
        {"id": 2, "file_name": "../deep/b.jpg"},
    ]
    coco = {"images": images, "annotations": []}
    work.write({"x/deep/a.jpg": "a", "x/deep/b.jpg": "b", "notes/coco.json": json.dumps(coco)})
    found = added(work, ["."], "notes/coco.json")
    assert {path: bool(e.annotation) for path, e in found.items()} == {
        "x/deep/a.jpg": True, "x/deep/b.jpg": True,
    }  # fmt: skip


def test_what_is_missing_is_not_looked_for_elsewhere(work: Work) -> None:
    """Once names lead from a folder, another file of a missing one's name gets no labels."""
    images = [{"id": n, "file_name": f"{n}.jpg"} for n in (1, 2)]
    work.write({"train/1.jpg": "1", "val/2.jpg": "2"})
    work.write({"train/coco.json": json.dumps({"images": images, "annotations": []})})
    found = added(work, ["."], "train/coco.json")
    assert {path: e.annotation for path, e in found.items()} == {
        "train/1.jpg": '{"image":{"id":1}}', "val/2.jpg": None,
    }  # fmt: skip


def test_a_table_of_hugging_face_speaks_of_its_own_folder(work: Work) -> None:
    """Its names are relative: none is looked for by the end of a path."""
    work.write({"val/1.jpg": "1", "train/metadata.csv": "file_name,label\n1.jpg,cat\n"})
    with pytest.raises(NoRowFits, match="no row of the label file fits an example that was"):
        work.ds.add(["val/1.jpg"], label_file="train/metadata.csv", label_format="table")
    with pytest.raises(NoRowFits, match="no row of the label file fits an example that was"):
        work.ds.add(["."], label_file="train/metadata.csv")


def test_a_name_that_may_be_of_two_examples_is_refused(work: Work) -> None:
    """Labels are not given to one of them by chance."""
    coco = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}
    work.write({"x/a.jpg": "1", "y/a.jpg": "2", "notes/coco.json": json.dumps(coco)})
    with pytest.raises(InvalidInput) as caught:
        work.ds.add(["."], label_file="notes/coco.json")
    assert caught.value.message == "a.jpg of the label file may be x/a.jpg or y/a.jpg"
    work.ds.add(["x"], label_file="notes/coco.json")
    assert [change.path for change in work.ds.add(["x"], dry_run=True).changes] == []


def test_names_of_windows_are_found(work: Work) -> None:
    """From a folder, and from a drive of another computer."""
    names = ["i\\a.jpg", "C:\\data\\deep\\b.jpg"]
    images = [{"id": n, "file_name": name} for n, name in enumerate(names)]
    work.write({"i/a.jpg": "1", "x/deep/b.jpg": "2", "x/b.jpg": "3"})
    work.write({"coco.json": json.dumps({"images": images, "annotations": []})})
    found = added(work, ["."], "coco.json")
    assert {path for path, e in found.items() if e.annotation} == {"i/a.jpg", "x/deep/b.jpg"}


def test_names_in_another_unicode_form_are_found(work: Work) -> None:
    """As systems that decompose letters spell them."""
    coco = {"images": [{"id": 1, "file_name": "caf\u00e9.jpg"}], "annotations": []}
    work.write({"i/cafe\u0301.jpg": "1", "coco.json": json.dumps(coco)})
    found = added(work, ["i"], "coco.json")
    assert said(found["i/cafe\u0301.jpg"]) == {"image": {"id": 1}}


def test_rows_without_an_example_are_told_and_refused_when_strict(work: Work) -> None:
    """The rest is added; nothing is when all have to fit, or none does."""
    images = [{"id": n, "file_name": f"{n}.jpg"} for n in range(5)]
    work.write({"1.jpg": "1", "coco.json": json.dumps({"images": images, "annotations": []})})
    with pytest.raises(InvalidInput) as caught:
        work.ds.add(["1.jpg"], label_file="coco.json", strict=True)
    assert caught.value.items == ("0.jpg", "2.jpg", "3.jpg", "4.jpg")
    report = work.ds.add(["1.jpg"], label_file="coco.json")
    assert [w.reason for w in report.warnings] == [
        "and 3 more of the label file name no example that was added"
    ]
    work.write({"other": "x"})
    with pytest.raises(NoRowFits, match="no row of the label file fits an example that was"):
        work.ds.add(["other"], label_file="coco.json")


def test_examples_without_files_get_labels(work: Work) -> None:
    """What is tracked needs no file here."""
    work.ds.add({"images/a.jpg": b"a", "images/b.jpg": b"b", "images/c.jpg": b"c"})
    work.write({"instances.json": json.dumps(COCO)})
    work.ds.label(["images"], label_file="instances.json")
    work.ds.commit("labelled")
    assert [e.labels for e in work.ds.ls()] == [("car", "dog"), ("dog",), ()]


# --- YOLO ---

YOLO = {
    "data.yaml": "path: .\ntrain: images/train\nval: images/val  # both\n\nnames:\n  0: cat\n  1: 'big dog'\nnc: 2\n",
    "images/train/a.jpg": "1", "images/train/b.png": "2", "images/val/c.jpg": "3",
    "labels/train/a.txt": "1 0.5 0.25 0.125 0.10\n0 .1 .2 .3 .4 0.9\n",
    "labels/val/c.txt": "0 0.1 0.2 0.3 0.4 0.5 0.6\r\n",
}  # fmt: skip


def test_yolo(work: Work) -> None:
    """Boxes, polygons and scores as they are written; what has no text has no objects said."""
    work.write(YOLO)
    found = added(work, ["images"], "data.yaml")
    assert said(found["images/train/a.jpg"]) == {
        "objects": [
            {"label": "big dog", "relative_box": [0.5, 0.25, 0.125, 0.1]},
            {"label": "cat", "relative_box": [0.1, 0.2, 0.3, 0.4], "score": 0.9},
        ]
    }
    assert said(found["images/val/c.jpg"]) == {
        "objects": [{"label": "cat", "relative_polygon": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}]
    }
    assert found["images/train/b.png"].annotation is None
    assert {path: dict(e.attributes) for path, e in found.items()} == {
        "images/train/a.jpg": {"split": "train"}, "images/val/c.jpg": {"split": "val"},
        "images/train/b.png": {"split": "train"},
    }  # fmt: skip


def test_yolo_texts_are_no_data(work: Work) -> None:
    """The files that labels were read from are not added, also beside the images."""
    work.write(
        {"data.yaml": "names: [cat]\n", "a.jpg": "1", "a.txt": "0 .1 .1 .1 .1\n", "b.jpg": ""}
    )
    assert sorted(added(work, ["."], "data.yaml")) == ["a.jpg", "b.jpg"]


def test_yolo_keypoints(work: Work) -> None:
    """With kpt_shape a line is a box and its points."""
    yaml = "names: [cat]\nkpt_shape: [2, 3]\n"
    work.write({"data.yaml": yaml, "a.jpg": "1", "a.txt": "0 .1 .2 .3 .4 .5 .6 2 .7 .8 0\n"})
    assert said(added(work, ["a.jpg"], "data.yaml")["a.jpg"])["objects"] == [
        {"label": "cat", "relative_box": [0.1, 0.2, 0.3, 0.4], "relative_keypoints": [[0.5, 0.6, 2], [0.7, 0.8, 0]]}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0 1 2\n", "line 1: there are 3 numbers, which are no box, polygon or keypoints"),
        ("\n0 .1 .1 .1 x\n", "line 2, field 5: 'x' is not a number"),
        ("0 .1 .1 .1 nan\n", "line 1, field 5: 'nan' is not a number"),
        ("2 .1 .1 .1 .1\n", "line 1: there is no class 2: data.yaml names 1"),
        ("0.5 .1 .1 .1 .1\n", "line 1: the class 0.5 is not a whole number"),
        ("0 10 10 30 30\n", "line 1: 10 is not a fraction of the image"),
    ],
)  # fmt: skip
def test_what_yolo_cannot_say_is_refused(work: Work, text: str, problem: str) -> None:
    """The error names the file, the line and the field."""
    work.write({"data.yaml": "names: [cat]\n", "a.jpg": "1", "a.txt": text})
    with pytest.raises(InvalidInput) as caught:
        work.ds.add(["."], label_file="data.yaml")
    assert caught.value.message == f"a.txt, {problem}"


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("names: []\n", "data.yaml, names: there are no names of classes"),
        ("names:\n  1: cat\n", "data.yaml, names: the classes are not numbered from 0 on"),
        ("names: [cat, cat]\n", "data.yaml, names: two classes are called cat"),
        ("names: &a [cat]\n", "data.yaml, line 1: '&' begins more YAML than is read"),
        ("names: [cat\n", "data.yaml, line 1: a bracket is not closed"),
        ("names: [cat, -  ]\nx: [ ,]\n", "data.yaml, line 2: a value is missing"),
        ("- names\n", "data.yaml: this is not a mapping of names and values"),
        ("names: [cat]\nkpt_shape: [1]\n", "data.yaml, kpt_shape: is not [number of keypoints, 2 or 3]"),
        ("names: " + "[" * 1000 + "]" * 1000, "data.yaml, line 1: this is nested too deeply"),
    ],
)  # fmt: skip
def test_what_a_data_yaml_cannot_say_is_refused(work: Work, yaml: str, problem: str) -> None:
    """Names have to be those of classes 0, 1, …"""
    work.write({"data.yaml": yaml, "a.jpg": "1"})
    with pytest.raises(InvalidInput) as caught:
        work.ds.add(["a.jpg"], label_file="data.yaml", label_format="yolo")
    assert caught.value.message == problem


# --- Pascal VOC ---

VOC = """<annotation>
 <folder>VOC2012</folder><filename>a.jpg</filename>
 <size><width>500</width><height>375</height><depth>3</depth></size><segmented>0</segmented>
 <object><name>dog</name><pose>Left</pose><difficult>1</difficult>
  <bndbox><ymin>2</ymin><xmin>1</xmin><xmax>30.5</xmax><ymax>40</ymax></bndbox>
  <part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>
 </object></annotation>"""


@pytest.mark.parametrize("labels", ["Annotations", "Annotations/a.xml"])
def test_pascal_voc(work: Work, labels: str) -> None:
    """One file, or a folder of them: corners, and whatever else is said of an object."""
    work.write({"JPEGImages/a.jpg": "1", "Annotations/a.xml": VOC})
    example = added(work, ["."], labels)["JPEGImages/a.jpg"]
    assert example.labels == ("dog",)
    assert said(example) == {
        "image": {"width": 500, "height": 375, "depth": 3, "segmented": 0},
        "objects": [
            {"label": "dog", "corners": [1, 2, 30.5, 40], "pose": "Left", "difficult": 1,
             "part": [{"label": "head", "corners": [1, 1, 2, 2]}]},
        ],
    }  # fmt: skip
    assert sorted(e.path for e in work.ds.ls()) == ["JPEGImages/a.jpg"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('<!DOCTYPE a [<!ENTITY x "x">]><annotation>&x;</annotation>', "line 1: the document has a DTD or entities, which are refused"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "line 1: the document has a DTD or entities, which are refused"),
        ("<annotation>", "line 1: this is not XML: no element found"),
        ("<annotation><object/></annotation>", "line 1, name: a label is empty"),
        (VOC.replace("30.5", "x"), "line 4, bndbox, xmax: 'x' is not a number"),
        ("<annotation>" + "<a>" * 20 + "</a>" * 20 + "</annotation>", "line 1: elements are nested too deeply"),
    ],
)  # fmt: skip
def test_what_pascal_voc_cannot_say_is_refused(work: Work, text: str, problem: str) -> None:
    """Neither entities nor depth make a document larger than it looks."""
    work.write({"a.jpg": "1", "a.xml": text})
    with pytest.raises(InvalidInput) as caught:
        work.ds.add(["a.jpg"], label_file="a.xml", label_format="pascal-voc")
    assert caught.value.message == f"a.xml, {problem}"


# --- Label Studio ---


def task(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    data = {"image": "/data/upload/3/1a2b3c4d-a.jpg"}
    return {"id": 1, "data": data, "annotations": [{"result": list(results)}], **more}


def test_label_studio(work: Work) -> None:
    """Shapes are objects, choices labels, texts texts, and the rest is kept as it is."""
    box = {"x": 1.5, "y": 2, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["dog"]}
    size = {"original_width": 640, "original_height": 480}
    points = {"points": [[1, 2], [3, 4], [5.5, 6]], "polygonlabels": ["cat"]}
    brush = {"type": "brushlabels", "value": {"rle": [1, 2], "brushlabels": ["sky"]}}
    exported = task(
        {"type": "rectanglelabels", "id": "r1", "value": box, **size},
        {"type": "polygonlabels", "value": points},
        {"type": "choices", "from_name": "c", "value": {"choices": ["night"]}},
        {"type": "textarea", "from_name": "note", "value": {"text": ["hello"]}},
        brush,
    )
    work.write({"images/a.jpg": "1", "export.json": json.dumps([exported])})
    example = added(work, ["images"], "export.json")["images/a.jpg"]
    assert example.labels == ("cat", "dog", "night", "sky")
    assert said(example) == {
        "image": {"width": 640, "height": 480},
        "objects": [
            {"label": "dog", "percent_box": [1.5, 2, 30, 40], "id": "r1"},
            {"label": "cat", "percent_polygon": [[1, 2], [3, 4], [5.5, 6]]},
        ],
        "texts": {"note": ["hello"]},
        "results": [brush],
    }


def test_what_is_cancelled_says_nothing(work: Work) -> None:
    """The last annotator that did not cancel counts; a task without one says nothing."""
    told = {"type": "choices", "value": {"choices": ["cat"]}}
    both = [{"result": [told]}, {"was_cancelled": True, "result": []}]
    work.write({"a.jpg": "1", "export.json": json.dumps([task(annotations=both)])})
    assert added(work, ["a.jpg"], "export.json")["a.jpg"].labels == ("cat",)


def test_names_of_a_server_are_looked_for_in_any_folder(work: Work) -> None:
    """Also where another name leads straight to its file."""
    names = {
        "straight.jpg": "straight.jpg", "/data/upload/3/1a2b3c4d-b.jpg": "x/b.jpg",
        "/data/local-files/?d=set/y/c.jpg": "here/y/c.jpg", "s3://bucket/deep/d.jpg": "x/d.jpg",
        "https://host/e%20f.jpg?sign=1": "x/e f.jpg", "x/g#1?.jpg": "x/g#1?.jpg",
    }  # fmt: skip
    work.write({path: path for path in (*names.values(), "here/z/c.jpg")})
    told = {"type": "choices", "value": {"choices": ["cat"]}}
    tasks = [{**task(told), "data": {"image": name}} for name in names]
    work.write({"export.json": json.dumps(tasks)})
    found = added(work, ["."], "export.json", strict=True)
    assert {path for path, e in found.items() if e.labels} == set(names.values())


def test_what_nobody_has_named_is_kept(work: Work) -> None:
    """Ways through a taxonomy are labels; a shape without a label is no object, and stays."""
    ways = {"type": "taxonomy", "value": {"taxonomy": [["animal", "dog"], ["outside"]]}}
    shape = {"type": "rectanglelabels", "value": {"x": 1, "y": 1, "width": 1, "height": 1}}
    point = {"x": 1, "y": 2, "width": 0.5, "keypointlabels": ["eye"]}
    told = task(ways, shape, {"type": "keypointlabels", "value": point, "score": 0.5})
    told["predictions"] = [{"result": [{"type": "choices", "value": {"choices": ["wrong"]}}]}]
    told["completions"] = told.pop("annotations")  # as releases before 1.0 call them
    work.write({"a.jpg": "1", "export.json": json.dumps([told])})
    example = added(work, ["a.jpg"], "export.json")["a.jpg"]
    assert example.labels == ("animal/dog", "eye", "outside")
    assert said(example) == {
        "objects": [{"label": "eye", "percent_point": [1, 2], "width": 0.5, "score": 0.5}],
        "results": [ways, shape],
    }


@pytest.mark.parametrize(
    ("tasks", "problem"),
    [
        ([{"image": "a.jpg"}], "task 1: this is not a task with data"),
        ([{"data": {"n": 1}}], "task 1: its data names no file"),
        ([{"data": {"image": "http://[a.jpg"}}], "task 1: its data names no file"),
        ([task(3)], "task 1, result 1: this is not an object"),  # type: ignore[arg-type]
        ([task({"type": "rectanglelabels", "value": {}})], "task 1, result 1, value, x: a number is missing"),
    ],
)  # fmt: skip
def test_what_label_studio_cannot_say_is_refused(work: Work, tasks: Any, problem: str) -> None:
    """The error names the file, the task and the result."""
    work.write({"a.jpg": "1", "export.json": json.dumps(tasks)})
    with pytest.raises(InvalidInput) as caught:
        work.ds.add(["a.jpg"], label_file="export.json")
    assert caught.value.message == f"export.json, {problem}"


# --- speech ---


def test_common_voice(work: Work) -> None:
    """Quotes are letters there; what is said of a clip becomes attributes."""
    tsv = 'client_id\tpath\tsentence\tup_votes\tage\nx1\ta.mp3\tHe said "hi\t2\t\n'
    work.write({"en/clips/a.mp3": "1", "en/validated.tsv": tsv})
    example = added(work, ["en/clips"], "en/validated.tsv")["en/clips/a.mp3"]
    assert said(example) == {"text": 'He said "hi'}
    assert dict(example.attributes) == {"client_id": "x1", "up_votes": 2}


def test_ljspeech(work: Work) -> None:
    """No header, bars between the fields, and recordings in wavs/."""
    work.write({"lj/wavs/LJ1.wav": "1", "lj/metadata.csv": "LJ1|Dr. X, 3|Doctor X, three\n"})
    example = added(work, ["lj"], "lj/metadata.csv")["lj/wavs/LJ1.wav"]
    assert said(example) == {"text": "Dr. X, 3", "normalized_text": "Doctor X, three"}


@pytest.mark.parametrize("labels", ["kaldi", "kaldi/text", "kaldi/utt2spk"])
def test_kaldi(work: Work, labels: str) -> None:
    """Transcripts and speakers by utterance; a command in wav.scp is never run."""
    work.write({
        "audio/u1.wav": "1", "audio/take2.flac": "2",
        "kaldi/text": "u1 HELLO THERE\nu2 BYE\n", "kaldi/utt2spk": "u1 ann\nu2 bob\n",
        "kaldi/wav.scp": "u1 touch ran |\nu2 /data/take2.flac\n",
    })  # fmt: skip
    found = added(work, ["audio"], labels)
    assert {path: (said(e), dict(e.attributes)) for path, e in found.items()} == {
        "audio/u1.wav": ({"text": "HELLO THERE"}, {"utterance": "u1", "speaker": "ann"}),
        "audio/take2.flac": ({"text": "BYE"}, {"utterance": "u2", "speaker": "bob"}),
    }
    assert not os.path.exists(work.path("ran"))


# --- Hugging Face ---


def test_hugging_face_metadata(work: Work) -> None:
    """Names count from the table's own folder; lists and objects are members of the annotation."""
    rows = [
        {"file_name": "cat/1.jpg", "label": "cat", "width": 3, "objects": {"bbox": [[1, 2, 3, 4]]}},
        {"file_name": "2.jpg", "label": "dog", "width": 4},
    ]
    text = "\n".join(map(json.dumps, rows))
    work.write({"train/cat/1.jpg": "1", "train/2.jpg": "2", "train/metadata.jsonl": text})
    found = added(work, ["."], "train/metadata.jsonl", strict=True)
    assert {path: (e.labels, dict(e.attributes)) for path, e in found.items()} == {
        "train/cat/1.jpg": (("cat",), {"width": 3}), "train/2.jpg": (("dog",), {"width": 4}),
    }  # fmt: skip
    assert said(found["train/cat/1.jpg"]) == {"objects": {"bbox": [[1, 2, 3, 4]]}}


def test_hugging_face_parquet(work: Work, tmp_path: Path) -> None:
    """The same from Parquet."""
    import pyarrow as pa
    from pyarrow import parquet

    work.write({"train/1.jpg": "1"})
    table = pa.table({"file_name": ["1.jpg"], "text": ["hi"], "boxes": [[[1, 2]]]})
    parquet.write_table(table, work.path("train/metadata.parquet"))
    example = added(work, ["train"], "train/metadata.parquet")["train/1.jpg"]
    assert (said(example), dict(example.attributes)) == ({"boxes": [[1, 2]]}, {"text": "hi"})


# --- which format ---


def test_a_format_can_be_named(work: Work) -> None:
    """A name that is none is refused with those that are."""
    work.write({**IMAGES, "labels.csv": "file_name,label\nimages/a.jpg,cat\n"})
    with pytest.raises(InvalidInput) as caught:
        work.ds.add(["images"], label_file="labels.csv", label_format="cocoa")
    assert caught.value.hint == (
        "formats: table, huggingface, coco, label-studio, yolo, pascal-voc, common-voice, kaldi, ljspeech"
    )
    with pytest.raises(InvalidInput, match="^a format of labels is given, but no labels"):
        work.ds.add(["images"], label_format="coco")
    found = added(work, ["images"], "labels.csv", label_format="table")
    assert found["images/a.jpg"].labels == ("cat",)


@pytest.mark.parametrize(
    "name", ["coco", "yolo", "pascal-voc", "label-studio", "common-voice", "ljspeech", "kaldi"]
)
@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe\x00", b"{}", b"[]", b"names: x", b"a\tb\n", b"<x/>", b"\x00" * 100]
)
def test_any_bytes_are_read_or_refused(work: Work, name: str, data: bytes) -> None:
    """Whatever a file holds, a named format gives rows, or one error that a user can act on."""
    work.write({"a.jpg": "1", "labels": data})
    with pytest.raises((InvalidInput, NoRowFits), match=r"^labels[:,]|there was nothing to say"):
        work.ds.add(["a.jpg"], label_file="labels", label_format=name)
        raise InvalidInput("there was nothing to say")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_not_a_file_is_not_read(work: Work, kind: str) -> None:
    """A pipe would wait for ever, and a device never end."""
    os.mkfifo(work.path("labels.json"))
    place = {"pipe": "labels.json", "device": "/dev/zero", "folder": "."}[kind]
    work.write({"a.jpg": "1"})
    with pytest.raises(InvalidInput, match="this is not a file"):
        work.ds.add(["a.jpg"], label_file=place, label_format="coco")
