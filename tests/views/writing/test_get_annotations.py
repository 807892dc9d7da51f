"""Annotations out again: COCO, YOLO and image folders, and that what goes in comes out equal."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from situations import Work

from dsm.errors import DamagedData, InvalidInput
from dsm.files.writing import UnsafeTarget
from dsm.model.image_objects import image_size
from dsm.views.writing.output_folder import OtherContent

FORMATS = ("imagefolder", "coco", "yolo")


def png(width: int = 32, height: int = 16, color: int = 0) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (width, height), (color, 0, 0)).save(out, "PNG")
    return out.getvalue()


COCO: dict[str, Any] = {
    "images": [
        {"id": 7, "file_name": "a.png", "width": 32, "height": 16, "license": 3},
        {"id": 9, "file_name": "sub/b.png", "width": 32, "height": 16},
        {"id": 11, "file_name": "c.png", "width": 32, "height": 16},
    ],
    "categories": [
        {"id": 18, "name": "dog", "supercategory": "animal", "keypoints": ["nose", "t\u00e4il"],
         "skeleton": [[1, 2]]},
        {"id": 1, "name": "zebra", "supercategory": "animal"}, {"id": 3, "name": "car"},
        {"id": 90, "name": "axe", "frequency": 0.1},
    ],
    "annotations": [
        {"id": 31, "image_id": 7, "category_id": 18, "bbox": [0.1, 2, 3.3, 4], "area": 13.2,
         "iscrowd": 0, "segmentation": [[1.5, 2, 3, 4, 5, 6.25], [7, 7, 8, 7, 8, 8]]},
        {"id": 12, "image_id": 7, "category_id": 3, "bbox": [1, 1, 2, 2], "area": 4, "iscrowd": 1,
         "segmentation": {"size": [16, 32], "counts": [0, 4, 508]}},
        {"id": 2, "image_id": 9, "category_id": 18, "bbox": [1e-7, 0.30000000000000004, 1, 1],
         "area": 1.0, "iscrowd": 0, "segmentation": [], "keypoints": [1, 2, 2], "num_keypoints": 1,
         "score": 0.5, "label": "mine", "supercategory": None, "coco": {"label": 1}},
    ],
}  # fmt: skip


def coco_work(work: Work, told: dict[str, Any] = COCO) -> None:
    names = [image["file_name"] for image in COCO["images"]]
    work.write({f"images/{name}": png(color=n) for n, name in enumerate(names)})
    work.write({"instances.json": json.dumps(told)})
    work.ds.add(["images"], label_file="instances.json", strict=True)
    work.ds.commit("coco")


def get(work: Work, out: Path, format: str, **asked: Any) -> Any:
    return work.ds.prepare().get(str(out), format=format, **asked)


def by_id(elements: list[dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    return {element["id"]: element for element in elements}


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


# --- COCO ---


def test_coco_goes_in_and_comes_out_equal(work: Work, tmp_path: Path) -> None:
    """Images, categories and annotations are those that were read, ids and numbers included."""
    coco_work(work)
    get(work, tmp_path / "out", "coco")
    found = json.loads((tmp_path / "out/instances.json").read_text())
    assert by_id(found["annotations"]) == by_id(COCO["annotations"])
    assert found["categories"] == COCO["categories"]
    images = by_id(COCO["images"])
    assert by_id(found["images"]) == {
        key: {**image, "file_name": f"images/{image['file_name']}"} for key, image in images.items()
    }
    assert (tmp_path / "out/data/images/a.png").read_bytes() == png()


def test_pycocotools_reads_the_same(work: Work, tmp_path: Path) -> None:
    """Masks, boxes, keypoints and every table by the reader that everybody uses."""
    coco = pytest.importorskip("pycocotools.coco")
    mask = pytest.importorskip("pycocotools.mask")
    import numpy

    # A crowd as its run lengths are mostly kept: packed into text.
    pixels = numpy.asfortranarray(numpy.eye(16, 32, dtype="uint8"))
    packed = {"size": [16, 32], "counts": mask.encode(pixels)["counts"].decode()}
    crowd = {"id": 2**53 + 1, "image_id": 11, "category_id": 3, "bbox": [0, 0, 16, 16], "area": 16,
             "iscrowd": 1, "segmentation": packed}  # fmt: skip
    told = {**COCO, "annotations": [*COCO["annotations"], crowd]}
    coco_work(work, told)
    get(work, tmp_path / "out", "coco")
    before = coco.COCO(str(work.path("instances.json")))
    after = coco.COCO(str(tmp_path / "out/instances.json"))
    assert (before.anns, before.cats) == (after.anns, after.cats)
    assert dict(before.imgToAnns) == dict(after.imgToAnns)
    assert {key: sorted(ids) for key, ids in before.catToImgs.items()} == {
        key: sorted(ids) for key, ids in after.catToImgs.items()
    }
    assert sorted(before.getImgIds()) == sorted(after.getImgIds())
    for key in (31, 12, crowd["id"]):
        assert (before.annToMask(before.anns[key]) == after.annToMask(after.anns[key])).all()


def test_captions_have_a_file_of_their_own(work: Work, tmp_path: Path) -> None:
    """Their ids may be those of objects."""
    coco_work(work)
    captions = {
        "images": COCO["images"],
        "annotations": [{"id": 31, "image_id": 9, "caption": "d\u00f6g"}],
    }
    work.write({"captions.json": json.dumps(captions)})
    work.ds.label(["images"], label_file="captions.json")
    work.ds.commit("captions")
    get(work, tmp_path / "out", "coco")
    found = json.loads((tmp_path / "out/captions.json").read_text())
    assert found["annotations"] == captions["annotations"]
    instances = json.loads((tmp_path / "out/instances.json").read_text())
    assert by_id(instances["annotations"]) == by_id(COCO["annotations"])


def test_the_way_round_again_changes_nothing(work: Work, tmp_path: Path) -> None:
    """What comes out goes in again, with the same annotations."""
    coco_work(work)
    get(work, tmp_path / "out", "coco")
    before = {e.path: (e.labels, e.annotation) for e in work.ds.ls()}
    text = (tmp_path / "out/instances.json").read_bytes()
    work.write({"again.json": text})
    report = work.ds.add(["images"], label_file="again.json", strict=True)
    assert report.counts.rows == 0
    assert {e.path: (e.labels, e.annotation) for e in work.ds.ls()} == before


def test_ids_that_cannot_stay_are_given_anew(work: Work, tmp_path: Path) -> None:
    """Two files may use the same ids: then images and objects are numbered in order."""
    for name in ("a", "b"):
        one = {
            "images": [{"id": 1, "file_name": f"{name}.png", "width": 4, "height": 4}],
            "categories": [{"id": 1, "name": name}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}],
        }
        work.write({f"{name}.png": png(color=ord(name)), f"{name}.json": json.dumps(one)})
        work.ds.add([f"{name}.png"], label_file=f"{name}.json")
    work.ds.commit("two")
    get(work, tmp_path / "out", "coco")
    found = json.loads((tmp_path / "out/instances.json").read_text())
    assert [(a["id"], a["image_id"], a["category_id"]) for a in found["annotations"]] == [
        (1, 1, 1), (2, 2, 2),
    ]  # fmt: skip
    assert found["categories"] == [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]


def test_listed_classes_alone_are_categories(work: Work, tmp_path: Path) -> None:
    """Objects of labels that are no class of the view are left out, in every format."""
    coco_work(work)
    view = work.ds.prepare(classes=["dog"])
    for format in FORMATS:
        view.get(str(tmp_path / format), format=format)
    found = json.loads((tmp_path / "coco/instances.json").read_text())
    assert [c["name"] for c in found["categories"]] == ["dog"]
    assert sorted(a["id"] for a in found["annotations"]) == [2, 31]
    assert found["categories"][0]["keypoints"] == ["nose", "t\u00e4il"]
    lines = (tmp_path / "imagefolder/metadata.jsonl").read_text().splitlines()
    assert [json.loads(line)["objects"]["categories"] for line in lines] == [[0], [], [0]]
    assert (tmp_path / "yolo/data.yaml").read_text().endswith('nc: 1\nnames:\n  0: "dog"\n')


# --- YOLO ---

YOLO = {
    "data.yaml": "train: images/train\nval: images/val\nnames: [zebra, yak, ant, bee, cow]\n",
    "images/train/a.png": png(color=1), "images/train/b.png": png(color=2),
    "images/train/empty.png": png(color=4), "images/val/c.png": png(color=3),
    "images/val/d.png": png(color=5),
    "labels/train/a.txt": "3 0.5 0.25 0.125 0.1\n0 0.30000000000000004 0.2 0.3 1e-07 0.875\n",
    "labels/train/empty.txt": "", "labels/val/c.txt": "0 0.1 0.2 0.3 0.4 0.5 0.6\n2 0 0 1 1\n",
}  # fmt: skip


def parsed(folder: Path) -> dict[str, list[list[float]]]:
    """The texts of a YOLO dataset as numbers, by a parser that knows nothing of dsm."""
    return {
        str(path.relative_to(folder)): [[float(c) for c in line.split()] for line in path.open()]
        for path in sorted(folder.rglob("*.txt")) if "labels" in path.parts
    }  # fmt: skip


def yolo_work(work: Work) -> None:
    work.write(YOLO)
    work.ds.add(["images"], label_file="data.yaml")
    work.ds.commit("yolo")


def test_yolo_goes_in_and_comes_out_equal(work: Work, tmp_path: Path) -> None:
    """The same tree, texts and numbers, and all classes in their order, also without objects."""
    yolo_work(work)
    get(work, tmp_path / "out", "yolo")
    assert parsed(tmp_path / "out") == parsed(work.root)
    found = tree(tmp_path / "out")
    assert {name: data for name, data in found.items() if name.endswith(".png")} == {
        name: data for name, data in YOLO.items() if name.endswith(".png")
    }
    assert found["data.yaml"].decode() == (
        'train: train.txt\nval: val.txt\nnc: 5\nnames:\n  0: "zebra"\n  1: "yak"\n  2: "ant"\n'
        '  3: "bee"\n  4: "cow"\n'
    )
    assert found["val.txt"] == b"./images/val/c.png\n./images/val/d.png\n"
    assert "labels/train/b.txt" not in found


def test_yolo_that_came_out_goes_in_again(work: Work, tmp_path: Path) -> None:
    """Reading what was written says the same of every image."""
    yolo_work(work)
    before = {e.path: (e.labels, e.annotation, dict(e.attributes)) for e in work.ds.ls()}
    out = work.root / "again"
    get(work, out, "yolo")
    other = Work(tmp_path / "other")
    other.write({n: d for n, d in tree(out).items() if "/" in n or n.endswith((".yaml", ".txt"))})
    other.ds.add(["images"], label_file="data.yaml", strict=True)
    other.ds.commit("again")
    after = {e.path: (e.labels, e.annotation, dict(e.attributes)) for e in other.ds.ls()}
    assert after == before
    get(other, tmp_path / "third", "yolo")
    assert {n: d for n, d in tree(tmp_path / "third").items() if n.endswith((".yaml", ".txt"))} == {
        n: d for n, d in tree(out).items() if n.endswith((".yaml", ".txt"))
    }


def test_yolo_as_sites_lay_it_out(work: Work, tmp_path: Path) -> None:
    """A folder for each split, and names that YAML has to quote."""
    yaml = pytest.importorskip("yaml")
    names = ["null", "7", "it's", "a: b # c", "[x]", "caf\u00e9 \U0001f600", "yes", "C:\\x", '"q"']
    document = {"train": "../train/images", "val": "../valid/images", "nc": 9, "names": names}
    work.write({
        "data.yaml": yaml.safe_dump(document), "train/images/a.png": png(color=1),
        "train/labels/a.txt": "8 0.5 0.25 0.125 0.1\n1 0.1 0.2 0.3 0.4 0.5 0.6\n",
        "valid/images/a.png": png(color=2), "valid/labels/a.txt": "0 0.1 0.2 0.3 0.4\n",
    })  # fmt: skip
    work.ds.add(["."], label_file="data.yaml", strict=True)
    work.ds.commit("yolo")
    get(work, tmp_path / "out", "yolo")
    assert parsed(tmp_path / "out/images") == parsed(work.root)
    found = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert found["names"] == dict(enumerate(names))
    assert (tmp_path / "out/val.txt").read_text() == "./images/valid/images/a.png\n"


def test_yolo_keypoints_come_out(work: Work, tmp_path: Path) -> None:
    """With their shape."""
    text = "0 0.1 0.2 0.3 0.4 0.5 0.6 2 0.7 0.8 0\n"
    yaml = "names: [cat]\nkpt_shape: [2, 3]\n"
    work.write({"data.yaml": yaml, "a.png": png(), "a.txt": text})
    work.ds.add(["a.png"], label_file="data.yaml")
    work.ds.commit("pose")
    get(work, tmp_path / "out", "yolo")
    assert (tmp_path / "out/labels/a.txt").read_text() == text
    assert "kpt_shape: [2, 3]\n" in (tmp_path / "out/data.yaml").read_text()


def test_images_that_would_share_a_text_are_refused(work: Work, tmp_path: Path) -> None:
    """YOLO finds the text of an image by its name without suffix."""
    work.write({"a.png": png(), "a.jpg": png(4, 4)})
    work.commit()
    with pytest.raises(InvalidInput) as caught:
        get(work, tmp_path / "out", "yolo")
    assert caught.value.message == "a.jpg and a.png would have the same text of objects"


def test_folders_called_images_keep_their_texts_apart(work: Work, tmp_path: Path) -> None:
    """The last one is called labels, as trainers do it."""
    coco = {
        "images": [{"id": 1, "file_name": "train/images/a.png"}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 4, 16, 8]}],
    }
    work.write({"train/images/a.png": png(), "coco.json": json.dumps(coco)})
    work.ds.add(["train"], label_file="coco.json")
    work.ds.commit("one")
    get(work, tmp_path / "out", "yolo")
    text = tmp_path / "out/images/train/labels/a.txt"
    assert text.read_text() == "0 0.5 0.5 0.5 0.5\n"  # 32 by 16 pixels, as the image says


# --- image folders ---


def test_datasets_reads_an_image_folder(work: Work, tmp_path: Path) -> None:
    """Images, labels, attributes and objects, by the library itself."""
    import datasets

    coco_work(work)
    work.ds.label(["images/a.png"], set=["dog"], attributes={"camera": "north"})
    work.ds.commit("one class")
    get(work, tmp_path / "out", "imagefolder")
    found = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache")
    )["train"]
    rows = {row["image"].size: row for row in found}
    assert set(rows) == {(32, 16)}
    assert sorted(str(label) for label in found["label"]) == ["None", "dog", "dog"]
    assert sorted(map(str, found["camera"])) == ["None", "None", "north"]
    first = next(row for row in found if row["camera"] == "north")
    assert first["objects"] == {
        "bbox": [[0.1, 2.0, 3.3, 4.0], [1.0, 1.0, 2.0, 2.0]],
        "categories": [0, 2],
    }


@pytest.mark.parametrize("form", ["imagefolder", "files"])
def test_what_was_written_goes_in_again(work: Work, tmp_path: Path, form: str) -> None:
    """Labels, attributes and annotations are those that it was written from."""
    coco_work(work)
    work.ds.label(["images/a.png"], set=["dog", "tag"], attributes={"camera": "north", "n": 7})
    work.ds.label(["images/c.png"], annotation='"a text"')
    work.ds.commit("more")
    before = {e.path: (e.labels, dict(e.attributes), e.annotation) for e in work.ds.ls()}
    get(work, tmp_path / "out", form)
    other = Work(tmp_path / "other")
    other.write(
        {n: d for n, d in tree(tmp_path / "out").items() if n.startswith(("data/", "meta"))}
    )
    other.ds.add(["data"], label_file="metadata.jsonl", strict=True)
    other.ds.commit("again")
    assert before == {
        e.path.removeprefix("data/"): (e.labels, dict(e.attributes), e.annotation)
        for e in other.ds.ls()
    }


def test_attributes_keep_apart_from_columns(work: Work, tmp_path: Path) -> None:
    """One that is called like a column of the table."""
    work.write({"a.png": png()})
    work.ds.add(["a.png"])
    work.ds.commit("one")
    work.ds.label(["a.png"], attributes={"file_name": "x"})
    work.ds.commit("named")
    get(work, tmp_path / "out", "imagefolder")
    line = json.loads((tmp_path / "out/metadata.jsonl").read_text())
    assert line == {"file_name": "data/a.png", "labels": [], "attr.file_name": "x"}


# --- other forms ---


def test_other_forms_become_pixels(work: Work, tmp_path: Path) -> None:
    """Corners, fractions and percent are told as boxes in pixels, with the size of the image."""
    forms: dict[str, Any] = {
        "a": {"corners": [1, 2, 5, 10]},
        "b": {"relative_box": [0.5, 0.5, 0.5, 0.25]},
        "c": {"percent_box": [25, 50, 50, 25]},
        "d": {"relative_polygon": [0.25, 0.5, 0.5, 0.5, 0.5, 1]},
        "e": {"percent_polygon": [[25, 50], [50, 50], [50, 100]]},
    }
    work.write({f"{name}.png": png(color=ord(name)) for name in forms})
    work.commit()
    for name, form in forms.items():
        annotation = json.dumps({"objects": [{"label": "cat", **form}]})
        work.ds.label([f"{name}.png"], set=["cat"], annotation=annotation)
    work.ds.commit("boxes")
    get(work, tmp_path / "out", "coco")
    found = json.loads((tmp_path / "out/instances.json").read_text())
    assert [a["bbox"] for a in found["annotations"]] == [
        [1, 2, 4, 8], [8, 6, 16, 4], [8, 8, 16, 4], [8, 8, 8, 8], [8, 8, 8, 8],
    ]  # fmt: skip
    assert found["annotations"][3]["segmentation"] == [[8, 8, 16, 8, 16, 16]]
    assert found["images"][0] == {"id": 1, "file_name": "a.png", "width": 32, "height": 16}


def test_boxes_without_a_size_are_refused(work: Work, tmp_path: Path) -> None:
    """Fractions of what is no image are no pixels; nothing is left half-written."""
    work.write({"a.png": b"no image"})
    work.commit()
    annotation = json.dumps({"objects": [{"label": "x", "relative_box": [0, 0, 1, 1]}]})
    work.ds.label(["a.png"], annotation=annotation)
    work.ds.commit("box")
    with pytest.raises(InvalidInput, match=r"^the size of a\.png is not known"):
        get(work, tmp_path / "out", "coco")
    assert not (tmp_path / "out/dataset.json").exists()


@pytest.mark.parametrize(
    "annotation",
    ['"text"', "[1]", '{"objects": 3}', '{"objects": [3, {"label": 4}]}', '{"image": 3}', '{"captions": [1]}',
     '{"objects": [{"label": "x", "bbox": ["a"]}]}', '{"objects": [{"label": "x", "bbox": null}]}',
     '{"image": {"width": -1, "height": true}}', '{"objects": [{"label": "x", "category_id": [1]}]}',
     '{"objects": [{"label": "x", "bbox": [1, 2, 3, 1' + '0' * 400 + ']}]}'],
)  # fmt: skip
@pytest.mark.parametrize("format", FORMATS)
def test_annotations_of_any_form_do_no_harm(
    work: Work, tmp_path: Path, format: str, annotation: str
) -> None:
    """An annotation is any JSON: what is not of these forms says nothing here."""
    work.write({"a.png": png()})
    work.commit()
    work.ds.label(["a.png"], annotation=annotation)
    work.ds.commit("any")
    assert get(work, tmp_path / "out", format).examples == 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_sizes_of_images(kind: str) -> None:
    """As Pillow has them, by the first bytes alone."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (300, 7)).save(out, kind)
    assert image_size(out.getvalue()) == (300, 7)
    assert [image_size(out.getvalue()[:n]) for n in range(10)] == [None] * 10


# --- as the other formats ---


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_bytes_everywhere(work: Work, tmp_path: Path, format: str) -> None:
    """Two folders of a view are equal; a second run finds all there, and verifies it."""
    coco_work(work)
    get(work, tmp_path / "one", format)
    get(work, tmp_path / "two", format, workers=2)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    report = get(work, tmp_path / "one", format, verify=True)
    assert not report.fresh


@pytest.mark.parametrize("format", FORMATS)
def test_verify_finds_every_damaged_file(work: Work, tmp_path: Path, format: str) -> None:
    """Also a text of YOLO, which no document lists."""
    coco_work(work)
    get(work, tmp_path / "out", format)
    for name, data in tree(tmp_path / "out").items():
        if name in ("dataset.json", ".dsmignore", "README.md", "croissant.json") or not data:
            continue
        (tmp_path / "out" / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(DamagedData) as caught:
            get(work, tmp_path / "out", format, verify=True)
        assert caught.value.items == (name,)
        (tmp_path / "out" / name).write_bytes(data)


@pytest.mark.parametrize("format", FORMATS)
def test_what_has_gone_is_written_again(work: Work, tmp_path: Path, format: str) -> None:
    """Of each kind of file that lies there."""
    coco_work(work)
    get(work, tmp_path / "out", format)
    whole = tree(tmp_path / "out")
    for name in whole:
        if name in ("dataset.json", ".dsmignore", "README.md", "croissant.json"):
            continue
        os.remove(tmp_path / "out" / name)
        get(work, tmp_path / "out", format)
        assert tree(tmp_path / "out") == whole, name


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("other", ["files", *FORMATS])
def test_force_replaces_another_format(work: Work, tmp_path: Path, format: str, other: str) -> None:
    """Nothing of it stays, what somebody else has put there does."""
    coco_work(work)
    get(work, tmp_path / "alone", format)
    get(work, tmp_path / "out", other)
    (tmp_path / "out/mine").write_text("mine")
    if other != format:
        with pytest.raises(OtherContent, match="holds this view as"):
            get(work, tmp_path / "out", format)
    get(work, tmp_path / "out", format, force=True)
    assert tree(tmp_path / "out") == {**tree(tmp_path / "alone"), "mine": b"mine"}


@pytest.mark.parametrize(
    ("format", "link"), [("files", "data"), ("imagefolder", "data"), ("coco", "data"), ("yolo", "images"), ("yolo", "labels")]
)  # fmt: skip
def test_nothing_is_written_through_a_link(
    work: Work, tmp_path: Path, format: str, link: str
) -> None:
    """A link that appears where a folder is to be made leads nowhere."""
    coco_work(work)
    get(work, tmp_path / "out", format)
    (tmp_path / "elsewhere").mkdir()
    for folder, _, names in os.walk(tmp_path / "out" / link, topdown=False):
        for name in names:
            os.remove(os.path.join(folder, name))
        os.rmdir(folder)
    (tmp_path / "out" / link).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeTarget, match="is a link or a file where a folder must be; nothing"):
        get(work, tmp_path / "out", format)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    name = "labels/images/a.txt" if link == "labels" else "images/a.png"
    theirs = tmp_path / "elsewhere" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    with pytest.raises(UnsafeTarget, match="is a link or a file where a folder must be; nothing"):
        get(work, tmp_path / "out", format, force=True)
    assert theirs.read_text() == "theirs"


@pytest.mark.parametrize("format", FORMATS)
def test_a_plan_says_what_force_replaces(work: Work, tmp_path: Path, format: str) -> None:
    """Every file that force removes, and nothing is changed by asking."""
    coco_work(work)
    get(work, tmp_path / "out", format)
    before = tree(tmp_path / "out")
    view = work.ds.prepare()
    assert view.plan_get(str(tmp_path / "out"), format=format).complete
    planned = view.plan_get(str(tmp_path / "out"), format=format, force=True)
    assert {*before} - {*planned.replaced} <= {".dsmignore"}
    assert tree(tmp_path / "out") == before
