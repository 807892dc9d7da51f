"""A view as COCO: files, and JSON files of the objects and captions that annotations say.

What was read from COCO is written as it was read: ids, numbers and members. Objects in another
form get a box in pixels. Categories are the classes of the view, in their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dsm.errors import InvalidInput
from dsm.model.image_objects import (
    FORMS,
    needs_size,
    objects_of,
    pixel_box,
    pixel_polygon,
    read_annotation,
    size_of,
)
from dsm.model.names import printable
from dsm.views.writing import croissant
from dsm.views.writing.files import DATA, INDEX, OneForEach
from dsm.views.writing.format import FormatWriter
from dsm.views.writing.image_sizes import stored_size

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.store.objects import ObjectStore
    from dsm.views.selection.classes import ClassList

INSTANCES, CAPTIONS = "instances.json", "captions.json"
_OURS = ("label", "supercategory", "coco")
_ROWS = 1000


class Coco(OneForEach):
    """Files under `data/`, and what is said of them in COCO's JSON."""

    beside = (INSTANCES, CAPTIONS)
    names = (DATA, INDEX, *beside)

    def companions(
        self, table: pa.Table, store: ObjectStore, classes: ClassList
    ) -> Iterator[tuple[str, Iterable[bytes]]]:
        """See `OneForEach.companions`."""
        known = _Known(table, classes)
        yield INSTANCES, _Document(table, store, known).pieces(instances=True)
        if known.has_captions:
            yield CAPTIONS, _Document(table, store, known).pieces(instances=False)


def _annotated(table: pa.Table) -> Iterator[tuple[int, str, bytes, dict[str, Any]]]:
    """Yields number, path, object and annotation of each example."""
    for first in range(0, table.num_rows, _ROWS):
        rows = table.slice(first, _ROWS)
        columns = (rows.column(name).to_pylist() for name in ("path", "object", "annotation"))
        for at, (path, oid, text) in enumerate(zip(*columns, strict=True), first):
            yield at, path, oid, read_annotation(text)


class _Ids:
    """Whether ids that were read can stay: each is one, and no two are the same."""

    def __init__(self) -> None:
        self._seen: set[int | str] = set()
        self.usable = True

    def add(self, found: Any) -> None:
        if type(found) not in (int, str) or found in self._seen:
            self.usable = False
            self._seen.clear()
        elif self.usable:
            self._seen.add(found)


class _Known:
    """What one reading of all annotations tells: ids that can stay, and categories."""

    def __init__(self, table: pa.Table, classes: ClassList):
        self.images, self.objects, self.captions = _Ids(), _Ids(), _Ids()
        self.has_captions = False
        ids: dict[str, set[Any]] = {}
        above: dict[str, Any] = {}
        for _, _, _, annotation in _annotated(table):
            self.images.add(_image(annotation).get("id"))
            for found in objects_of(annotation):
                self.objects.add(found.get("id"))
                number = found.get("category_id")
                ids.setdefault(found["label"], set()).add(number if type(number) is int else None)
                above.setdefault(found["label"], found.get("supercategory"))
            for found in _captions(annotation):
                self.captions.add(found.get("id"))
                self.has_captions = True
        names = classes.with_others(ids)
        told = {each.name: each.told() for each in classes.categories}
        self.categories = _categories(names, ids, above, told)
        self.numbers = {category["name"]: category["id"] for category in self.categories}


def _categories(
    names: Iterable[str],
    ids: Mapping[str, set[Any]],
    above: Mapping[str, Any],
    told: Mapping[str, dict[str, Any]],
) -> list[dict[str, Any]]:
    """Returns the categories in the order of classes, with the ids that objects were read with.

    `told` is what files of labels say of categories, also of those without objects.
    """
    given = {name: next(iter(found)) for name, found in ids.items() if len(found) == 1}
    given = {name: found for name, found in given.items() if type(found) is int}
    if len(given) < len(ids) or len(set(given.values())) < len(given):
        given = {}
    taken = set(given.values())
    for name, members in told.items():
        number = members.get("id")
        if name not in given and type(number) is int and number not in taken:
            given[name] = number
            taken.add(number)
    free, categories = 1, []
    for name in names:
        number = given.get(name)
        if number is None:
            while free in taken:
                free += 1
            number = free
            taken.add(number)
        category = {**told.get(name, {}), "id": number, "name": name}
        if above.get(name) is not None:
            category["supercategory"] = above[name]
        categories.append(category)
    return categories


def _own(found: dict[str, Any]) -> dict[str, Any]:
    """Returns what a COCO file said of an object under names that are ours."""
    kept = found.get("coco")
    return {n: v for n, v in kept.items() if n in _OURS} if isinstance(kept, dict) else {}


def _image(annotation: dict[str, Any]) -> dict[str, Any]:
    found = annotation.get("image")
    return found if isinstance(found, dict) else {}


def _captions(annotation: dict[str, Any]) -> list[dict[str, Any]]:
    found = annotation.get("captions")
    return [c for c in found if isinstance(c, dict)] if isinstance(found, list) else []


class _Document:
    """One JSON file, an element on each line."""

    def __init__(self, table: pa.Table, store: ObjectStore, known: _Known):
        self._table, self._store, self._known = table, store, known

    def pieces(self, *, instances: bool) -> Iterator[bytes]:
        """Yields the file."""
        yield b'{"images": [\n'
        yield from _joined(self._images())
        yield b"\n],\n"
        if instances:
            yield b'"categories": [\n'
            yield from _joined(iter(self._known.categories))
            yield b"\n],\n"
        yield b'"annotations": [\n'
        yield from _joined(self._instances() if instances else self._captions())
        yield b"\n]}\n"

    def _id(self, number: int, annotation: dict[str, Any]) -> int | str:
        found: int | str = number + 1
        if self._known.images.usable:
            found = _image(annotation)["id"]
        return found

    def _images(self) -> Iterator[dict[str, Any]]:
        for number, path, oid, annotation in _annotated(self._table):
            told = {**_image(annotation), "id": self._id(number, annotation), "file_name": path}
            if size_of(annotation) is None:
                size = stored_size(self._store, oid)
                if size is not None:
                    told["width"], told["height"] = size
            yield told

    def _instances(self) -> Iterator[dict[str, Any]]:
        count = 0
        for number, path, oid, annotation in _annotated(self._table):
            image, size = self._id(number, annotation), size_of(annotation)
            for found in objects_of(annotation):
                if found["label"] not in self._known.numbers:
                    continue  # a label that is no class of the view
                count += 1
                told = {name: value for name, value in found.items() if name not in _OURS}
                told |= _own(found)
                if any(form in found for form in FORMS):
                    if size is None and needs_size(found, relative=False):
                        size = stored_size(self._store, oid) or _no_size(path)
                    _convert(told, found, size, path)
                told["id"] = found["id"] if self._known.objects.usable else count
                told["image_id"] = image
                told["category_id"] = self._known.numbers[found["label"]]
                yield told

    def _captions(self) -> Iterator[dict[str, Any]]:
        count = 0
        for number, _, _, annotation in _annotated(self._table):
            for found in _captions(annotation):
                count += 1
                key = found["id"] if self._known.captions.usable else count
                yield {**found, "id": key, "image_id": self._id(number, annotation)}


def _convert(
    told: dict[str, Any], found: dict[str, Any], size: tuple[Any, Any] | None, path: str
) -> None:
    """Puts box, area and polygon in pixels in the place of another form."""
    for form in FORMS:
        told.pop(form, None)
    box = pixel_box(found, size)
    if box is None:
        if "percent_point" in found:
            return
        raise InvalidInput(
            f"{printable(path)} has an object {printable(found['label'])} without a box"
        )
    told["bbox"], told["area"] = box, box[2] * box[3]
    told.setdefault("iscrowd", 0)
    polygon = None if size is None else pixel_polygon(found, size)
    if polygon is not None:
        told["segmentation"] = [polygon]


def _no_size(path: str) -> tuple[int, int]:
    raise InvalidInput(
        f"the size of {printable(path)} is not known, so its boxes cannot be told in pixels",
        hint='give it: --annotation \'{"image": {"width": …, "height": …}, …}\'',
    )


def _joined(elements: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    between = ""
    for element in elements:
        text = json.dumps(element, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        yield (between + text).encode()
        between = ",\n"


class CocoWriter(FormatWriter):
    """Writes files and COCO's JSON."""

    folder = Coco()

    def record_sets(
        self, document: Mapping[str, Any], files: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """A line of the index."""
        return [croissant.of_index(files)], []


WRITER = CocoWriter()
