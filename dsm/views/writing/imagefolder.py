"""A view as trainers know image folders of Hugging Face: files, and `metadata.jsonl` beside them.

The columns are those that people write by hand: `file_name`, the name of the class as `label`,
attributes under their own names, and the objects of images as lists of boxes and categories. Each
line has the same columns, since the types of columns are taken from all lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dsm.format.manifest import ATTRIBUTE
from dsm.model.image_objects import needs_size, objects_of, pixel_box, read_annotation, size_of
from dsm.views.writing import croissant
from dsm.views.writing.files import DATA, METADATA, OneForEach, slices
from dsm.views.writing.format import FormatWriter
from dsm.views.writing.image_sizes import stored_size
from dsm.views.writing.metadata import attribute_names

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.store.objects import ObjectStore
    from dsm.views.selection.classes import ClassList

_OWN = ("file_name", "label", "labels", "annotation", "objects")
_ROWS = 1000


class ImageFolder(OneForEach):
    """Files under `data/`, and what is said of them in the columns of Hugging Face."""

    def companions(
        self, table: pa.Table, store: ObjectStore, classes: ClassList
    ) -> Iterator[tuple[str, Iterable[bytes]]]:
        """See `OneForEach.companions`."""
        yield METADATA, _lines(table, store, classes)


def _lines(table: pa.Table, store: ObjectStore, classes: ClassList) -> Iterator[bytes]:
    attributes = attribute_names(table.schema)
    # One that is called like a column of ours keeps apart from it.
    names = {name: ATTRIBUTE + name if name in _OWN else name for name in attributes}
    annotated = table.column("annotation").null_count < table.num_rows
    numbers = _numbers(table, classes)
    for rows in slices(table, _ROWS):
        columns = {names[n]: rows.column(ATTRIBUTE + n).to_pylist() for n in attributes}
        found = classes.of(rows)
        main = (rows.column(n).to_pylist() for n in ("path", "object", "labels", "annotation"))
        text = []
        for at, (path, oid, labels, annotation) in enumerate(zip(*main, strict=True)):
            line: dict[str, Any] = {"file_name": f"{DATA}/{path}"}
            if classes.names:
                line["label"] = None if found[at] < 0 else classes.names[found[at]]
            line["labels"] = labels or []
            if annotated:
                line["annotation"] = annotation
            if numbers:
                line["objects"] = _objects(annotation, numbers, store, oid)
            line.update((name, values[at]) for name, values in columns.items())
            text.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
        yield "".join(text).encode()


def _numbers(table: pa.Table, classes: ClassList) -> dict[str, int]:
    """Returns the indices of the classes of objects; none where no example has objects."""
    found = {
        told["label"]
        for rows in slices(table, _ROWS)
        for annotation in rows.column("annotation").to_pylist()
        for told in objects_of(read_annotation(annotation))
    }
    return {n: i for i, n in enumerate(classes.with_others(found))} if found else {}


def _objects(
    annotation: str | None, numbers: Mapping[str, int], store: ObjectStore, oid: bytes
) -> dict[str, Any]:
    """Returns boxes in pixels (left, top, width, height) and the class of each."""
    boxes: list[list[float]] = []
    categories: list[int] = []
    told = read_annotation(annotation)
    size = size_of(told)
    for found in objects_of(told):
        if found["label"] not in numbers:
            continue
        if size is None and needs_size(found, relative=False):
            size = stored_size(store, oid)
        box = pixel_box(found, size)
        if box is not None:
            boxes.append([float(value) for value in box])
            categories.append(numbers[found["label"]])
    return {"bbox": boxes, "categories": categories}


class ImageFolderWriter(FormatWriter):
    """Writes files and the table of Hugging Face."""

    folder = ImageFolder()

    def record_sets(
        self, document: Mapping[str, Any], files: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """A line of the index."""
        return [croissant.of_index(files)], []

    def card(
        self, features: list[dict[str, Any]] | None, compression: str
    ) -> dict[str, Any] | None:
        """The files; types and columns are what `metadata.jsonl` has."""
        files = [METADATA, f"{DATA}/**"]
        return {"configs": [{"config_name": "default", "data_files": files}]}


WRITER = ImageFolderWriter()
