"""YOLO: `data.yaml` with the names of classes, and a text file for each image.

The text lies beside the image, or where the last folder `images` of its path is called `labels`. A
line is a box, a polygon or, with `kpt_shape`, a box with keypoints, in fractions of the image; they
become the objects of the annotation. Of an image without a text no objects are said, of a text
without an image it is told.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from dsm.errors import InvalidInput
from dsm.model.categories import category
from dsm.model.names import printable
from dsm.worktree.label_formats.format import SMALL_BYTES_MAX, LabelFormat, LabelInput, NamedRow
from dsm.worktree.label_formats.numbers import number_of
from dsm.worktree.label_formats.yolo_document import Splits, names_of, points_of, read_document
from dsm.worktree.label_row import LabelRow, json_text

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".dng",
    ".mpo", ".pfm",
)  # fmt: skip
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
        told = read_document(named)
        names, points = names_of(named, told), points_of(named, told)
        splits = Splits(named, told)
        file.categories += map(category, names)
        file.read |= named.read
        texts = _Texts(file, names, points)
        images = 0
        for path in file.places.files():
            stem, suffix = os.path.splitext(path)
            if suffix.lower() not in IMAGE_SUFFIXES:
                continue
            images += 1
            text = texts.take(path, stem)
            row = LabelRow() if text is None else _row(text, names, points)
            split = splits.of(path)
            if split is not None:
                row.attributes["split"] = split
            if text is not None or split is not None:
                yield NamedRow((path,), row, named.path if text is None else text.path, exact=True)
        without = list(texts.without_image())
        if not texts.taken and not without:
            raise file.wrong(
                f"none of {images:,} images has a text" if images else "there are no images",
                "", "texts lie beside the images, or in labels/ where those are in images/",
            )  # fmt: skip
        yield from without


class _Texts:
    """The texts of images, and those that have no image."""

    def __init__(self, file: LabelInput, names: list[str], points: tuple[int, int] | None):
        self._file, self._root = file, file.places.root
        self._names, self._points = names, points
        self.taken: dict[str, str] = {}  # by the full path of a text, the image
        self._folders: dict[str, str] = {}  # where texts may lie, with the folder of their images

    def take(self, path: str, stem: str) -> LabelInput | None:
        """Returns the text of an image; None where there is none. Raises InvalidInput for one that
        two images have."""
        folders = stem.split("/")
        candidates = [stem]
        if "images" in folders[:-1]:
            last = len(folders) - 2 - folders[-2::-1].index("images")
            candidates.insert(0, "/".join([*folders[:last], "labels", *folders[last + 1 :]]))
        for candidate in candidates:
            self._folders.setdefault(os.path.dirname(candidate), os.path.dirname(path))
        fulls = (os.path.join(self._root, each) + ".txt" for each in candidates)
        full = next(filter(_is_plain_file, fulls), None)
        if full is None:
            return None
        text = self._file.beside(full)
        other = self.taken.setdefault(full, path)
        if other != path:
            raise text.wrong(f"is of both {printable(other)} and {printable(path)}")
        return text

    def without_image(self) -> Iterator[NamedRow]:
        """Yields a row for each text without an image, under the name that the image would have."""
        used = {os.path.dirname(full) for full in self.taken}
        for folder, images in self._folders.items():
            place = os.path.join(self._root, folder).rstrip("/")
            if folder == images and place not in used:
                continue  # texts beside images, none of which is a text of one: anything
            if os.path.isfile(place + ".cache"):  # what a trainer remembers of the texts
                self._file.beside(place + ".cache")
            for name in sorted(os.listdir(place)) if os.path.isdir(place) else ():
                full = os.path.join(place, name)
                if not name.endswith(".txt") or full in self.taken or not _is_plain_file(full):
                    continue
                # Looked at without being noted as read: it may be anything.
                text = LabelInput(full, full, self._file.places, self._file.missing)
                if self._lists_classes(text):
                    self._file.beside(full)
                elif self._is_labels(text):
                    row = _row(text, self._names, self._points)
                    image = os.path.join(images, name.removesuffix(".txt") + IMAGE_SUFFIXES[0])
                    yield NamedRow((image,), row, self._file.beside(full).path, exact=True)

    def _lists_classes(self, text: LabelInput) -> bool:
        """Whether it is the list of classes that some tools write beside the texts."""
        return [line.strip() for line in text.head.split("\n") if line.strip()] == self._names

    def _is_labels(self, text: LabelInput) -> bool:
        try:
            _row(text, self._names, self._points)
        except InvalidInput:
            return False
        return True


def _is_plain_file(full: str) -> bool:
    return os.path.isfile(full) and not os.path.islink(full)


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
