"""YOLO: `data.yaml` with the names of classes, and a text file for each image.

The text lies beside the image, or where the last folder `images` of its path is called `labels`. A
line is a box, a polygon or, with `kpt_shape`, a box with keypoints, in fractions of the image; they
become the objects of the annotation. An image without a text has nothing said of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from dsm.model.names import printable
from dsm.worktree.label_formats.format import SMALL_BYTES_MAX, LabelFormat, LabelInput, NamedRow
from dsm.worktree.label_formats.numbers import number_of
from dsm.worktree.label_formats.plain_yaml import NotPlain, parse
from dsm.worktree.label_row import LabelRow, json_text

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".dng",
)  # fmt: skip
_SPLITS = ("train", "val", "test")
_CLASSES_MAX = 100_000
_FAR = 1.5  # what lies further out than this is no fraction of the image: pixels, say


class YoloFormat(LabelFormat):
    """Boxes, polygons and keypoints."""

    def recognises(self, file: LabelInput) -> bool:
        """A YAML file with `names`, or a folder with a `data.yaml`."""
        if file.is_folder:
            return os.path.isfile(os.path.join(file.full, "data.yaml"))
        return file.name.endswith((".yaml", ".yml")) and "names" in file.head

    def rows(self, file: LabelInput) -> Iterable[NamedRow]:
        """See `LabelFormat.rows`."""
        if file.is_folder:
            named = file.beside(os.path.join(file.full, "data.yaml"))
            file.read |= named.read
        else:
            named = file
        told = _document(named)
        names, points = _names(named, told), _points(named, told)
        splits = _split_folders(named, told)
        seen: dict[str, str] = {}
        for path in file.places.files():
            stem, suffix = os.path.splitext(path)
            if suffix.lower() not in IMAGE_SUFFIXES:
                continue
            full = _text_of(file, stem)
            if full is None:
                continue
            text = file.beside(full)
            if full in seen:
                raise text.wrong(f"is of both {printable(seen[full])} and {printable(path)}")
            seen[full] = path
            row = _row(text, names, points)
            for name, folder in splits:
                if not folder or path.startswith(folder + "/"):
                    row.attributes["split"] = name
            yield NamedRow((path,), row, text.path)


def _text_of(file: LabelInput, stem: str) -> str | None:
    folders = stem.split("/")
    beside = os.path.join(file.places.root, stem + ".txt")
    candidates = [beside]
    if "images" in folders[:-1]:
        last = len(folders) - 2 - folders[-2::-1].index("images")
        folders[last] = "labels"
        candidates.insert(0, os.path.join(file.places.root, *folders) + ".txt")
    return next((c for c in candidates if os.path.isfile(c) and not os.path.islink(c)), None)


def _document(file: LabelInput) -> dict[Any, Any]:
    try:
        told = parse(file.text(SMALL_BYTES_MAX))
    except NotPlain as error:
        raise file.wrong(printable(str(error)), f"line {error.line}") from None
    if not isinstance(told, dict):
        raise file.wrong("this is not a mapping of names and values")
    return told


def _names(file: LabelInput, told: dict[Any, Any]) -> list[str]:
    found = told.get("names")
    if isinstance(found, dict):
        if sorted(found, key=str) != sorted(range(len(found)), key=str):
            raise file.wrong("the classes are not numbered from 0 on", "names")
        found = [found[index] for index in range(len(found))]
    if not isinstance(found, list) or not found:
        raise file.wrong("there are no names of classes", "names", "names: [cat, dog]")
    if len(found) > _CLASSES_MAX:
        raise file.wrong(f"there are {len(found):,} classes (at most {_CLASSES_MAX:,})", "names")
    texts = [str(name) if type(name) in (int, bool) else name for name in found]
    labels = [file.label(name, f"names, {at}") for at, name in enumerate(texts)]
    seen: set[str] = set()
    for name in labels:
        if name in seen:
            raise file.wrong(f"two classes are called {printable(name)}", "names")
        seen.add(name)
    return labels


def _points(file: LabelInput, told: dict[Any, Any]) -> tuple[int, int] | None:
    shape = told.get("kpt_shape")
    if shape is None:
        return None
    good = isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape)
    if not good or not 0 < shape[0] <= 10_000 or shape[1] not in (2, 3):
        raise file.wrong("is not [number of keypoints, 2 or 3]", "kpt_shape")
    return shape[0], shape[1]


def _split_folders(file: LabelInput, told: dict[Any, Any]) -> list[tuple[str, str]]:
    """Returns the splits with the folder of each, where that is in the dataset and one alone."""
    base = told.get("path")
    found = []
    for name in _SPLITS:
        folder = told.get(name)
        if not isinstance(folder, str):
            continue
        for top in (base if isinstance(base, str) else "", ""):
            full = os.path.normpath(os.path.join(file.folder, top, folder))
            if os.path.isdir(full) and (full + "/").startswith(file.places.root.rstrip("/") + "/"):
                found.append((name, file.places.inside(full) or ""))
                break
    folders = [folder for _, folder in found]
    # The same folder twice says nothing: it is there for trainers that ask for both.
    return [each for each in found if folders.count(each[1]) == 1]


def _row(file: LabelInput, names: list[str], points: tuple[int, int] | None) -> LabelRow:
    objects, labels = [], set()
    for number, line in file.lines(SMALL_BYTES_MAX):
        place = f"line {number}"
        made = _object(file, line.split(), points, place)
        index = made.pop("class")
        if not 0 <= index < len(names):
            problem = f"there is no class {index}: data.yaml names {len(names)}"
            raise file.wrong(problem, place)
        labels.add(names[index])
        objects.append({"label": names[index], **made})
    annotation = json_text({"objects": objects})
    return LabelRow(tuple(sorted(labels)), annotation=annotation, adds_members=True)


def _object(
    file: LabelInput, cells: list[str], points: tuple[int, int] | None, place: str
) -> dict[str, Any]:
    values = [number_of(file, cell, f"{place}, field {n}") for n, cell in enumerate(cells, 1)]
    index, rest = values[0], values[1:]
    if float(index) != int(index):
        raise file.wrong(f"the class {cells[0]:.40} is not a whole number", place)
    made: dict[str, Any] = {"class": int(index)}
    if points is not None and len(rest) == 4 + points[0] * points[1]:
        step = points[1]
        made["relative_box"] = rest[:4]
        made["relative_keypoints"] = [
            rest[at : at + step] for at in range(4, len(rest), step)
        ]  # each (x, y), with 3 numbers its visibility, too
        inside = rest[:4]
    elif len(rest) in (4, 5):
        made["relative_box"] = inside = rest[:4]
        if len(rest) == 5:
            made["score"] = rest[4]
    elif len(rest) >= 6 and len(rest) % 2 == 0:
        made["relative_polygon"] = inside = rest
    else:
        raise file.wrong(
            f"there are {len(values)} numbers, which are no box, polygon or keypoints", place,
            "class, centre x, centre y, width, height; or class and the points of a polygon",
        )  # fmt: skip
    far = next((value for value in inside if not -_FAR <= value <= _FAR), None)
    if far is not None:
        raise file.wrong(
            f"{far} is not a fraction of the image", place, "divide pixels by its size"
        )
    return made


FORMAT = YoloFormat()
