"""A view as YOLO: images, a text of objects for each, and `data.yaml` with the classes in order.

Images lie below `images/`, a text where the last folder `images` of its path is called `labels`, as
trainers look for it. Numbers that were read from YOLO are written as the same numbers. Texts are
written like files of examples: whole, never through a link, and only where they are not there yet.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from dsm.errors import InvalidInput
from dsm.files import restore
from dsm.files.folders import Entry, Folders
from dsm.files.removing import remove_empty, remove_judged
from dsm.files.writing import Writer
from dsm.history.snapshot import examples_of
from dsm.model.example import Example
from dsm.model.image_objects import (
    needs_size,
    numbers_of,
    objects_of,
    read_annotation,
    relative_box,
    relative_polygon,
    size_of,
)
from dsm.model.names import check_path, printable
from dsm.progress import Progress
from dsm.store import disk
from dsm.views.writing import croissant
from dsm.views.writing.files import INDEX, index_of, refuse_collisions, slices, write_companion
from dsm.views.writing.format import FolderWriter, FormatWriter
from dsm.views.writing.image_sizes import stored_size
from dsm.views.writing.output_file import Written

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.store.objects import ObjectStore
    from dsm.views.selection.classes import ClassList
    from dsm.views.writing.output_folder import OutputFolder

DOCUMENT = "data.yaml"
SPLITS = ("train", "val", "test")
_LISTS = tuple(f"{name}.txt" for name in SPLITS)
_SPELT = {"valid": "val", "validation": "val", "dev": "val", "eval": "val", "testing": "test"}
_TOPS = ("images", "labels")
_ROWS = 1000


def places(paths: Iterable[str]) -> dict[str, str]:
    """Returns where each image lies: below `images/`, once where all of them do already."""
    found = list(paths)
    inside = all(path.startswith("images/") for path in found)
    return {path: path if inside else f"images/{path}" for path in found}


def text_of(image: str) -> str:
    """Returns where the text of an image lies that lies here."""
    folders = os.path.splitext(image)[0].split("/")
    last = len(folders) - 2 - folders[-2::-1].index("images")
    folders[last] = "labels"
    return "/".join(folders) + ".txt"


class _Texts:
    """The texts of some images, as the content of files."""

    def __init__(self, temporary: str):
        self.temporary = temporary
        self._content: dict[bytes, bytes] = {}
        self.files: list[Example] = []

    def add(self, path: str, data: bytes) -> None:
        oid = blake3(data).digest()
        self._content[oid] = data
        self.files.append(Example(path, oid, len(data), 0, (), {}, None))

    def read_many(self, oids: Iterable[bytes]) -> Iterator[tuple[bytes, bytes | None]]:
        """Yields the content of each."""
        return ((oid, self._content[oid]) for oid in oids)

    def stream(self, oid: bytes) -> Iterator[bytes]:
        """Yields the content of one."""
        yield self._content[oid]


class _Lines:
    """Spells the objects of images."""

    def __init__(self, table: pa.Table, store: ObjectStore, classes: ClassList):
        self._store = store
        labels: set[str] = set()
        shapes: dict[tuple[int, int], str] = {}
        for rows in slices(table, _ROWS):
            columns = (rows.column(name).to_pylist() for name in ("path", "annotation"))
            for path, text in zip(*columns, strict=True):
                for found in objects_of(read_annotation(text)):
                    labels.add(found["label"])
                    points = _points(found, path)
                    if points:
                        shapes.setdefault((len(points), len(points[0])), path)
        self.names = classes.with_others(labels)
        self._numbers = {name: number for number, name in enumerate(self.names)}
        if len(shapes) > 1:
            one, other = list(shapes.values())[:2]
            raise InvalidInput(
                f"{printable(one)} and {printable(other)} have keypoints of different numbers",
                hint="a YOLO dataset has one shape of keypoints: choose examples by --where, say",
            )
        self.shape = next(iter(shapes), None)

    def of(self, path: str, oid: bytes, text: str | None) -> bytes | None:
        """Returns the text of an image; None where nothing is said of objects in it."""
        annotation = read_annotation(text)
        if not isinstance(annotation.get("objects"), list):
            return None
        size = size_of(annotation)
        lines = []
        for found in objects_of(annotation):
            number = self._numbers.get(found["label"])
            if number is None or found.get("iscrowd") == 1:
                continue  # a label that is no class of the view; a crowd, which is no object
            if size is None and needs_size(found, relative=True):
                size = stored_size(self._store, oid)
            values = self._values(found, size, path)
            if values is not None:
                lines.append(" ".join([str(number), *map(repr, values)]) + "\n")
        return "".join(lines).encode()

    def _values(
        self, found: dict[str, Any], size: tuple[Any, Any] | None, path: str
    ) -> list[Any] | None:
        polygon = relative_polygon(found)
        if polygon is not None:
            return polygon
        box = relative_box(found, size)
        if box is None:
            if size is None and ("bbox" in found or "corners" in found):
                raise InvalidInput(
                    f"the size of {printable(path)} is not known, so its boxes cannot be told as"
                    " fractions",
                    hint='give it: --annotation \'{"image": {"width": …, "height": …}, …}\'',
                )
            return None
        points = _points(found, path)
        if points:
            return [*box, *(value for point in points for value in point)]
        score = found.get("score")
        return [*box, score] if type(score) in (int, float) and "relative_box" in found else box


def _texts(part: pa.Table, store: ObjectStore, where: Mapping[str, str], lines: _Lines) -> _Texts:
    """Returns the texts of these rows, by where they lie."""
    texts = _Texts(store.temporary)
    columns = (part.column(name).to_pylist() for name in ("path", "object", "annotation"))
    for path, oid, text in zip(*columns, strict=True):
        data = lines.of(path, oid, text)
        if data is not None:
            texts.add(text_of(where[path]), data)
    return texts


def _points(found: dict[str, Any], path: str) -> list[list[Any]]:
    points = found.get("relative_keypoints")
    if points is None:
        return []
    good = isinstance(points, list) and all(numbers_of(point) for point in points)
    if not good or len({len(point) for point in points}) != 1:
        raise InvalidInput(f"{printable(path)} has keypoints that are no list of points")
    return list(points)


class Yolo(FolderWriter):
    """Images, texts, lists of splits and `data.yaml`."""

    names = (*_TOPS, INDEX, DOCUMENT, *_LISTS)

    def write(
        self,
        folder: OutputFolder,
        table: pa.Table,
        store: ObjectStore,
        classes: ClassList,
        kept: Mapping[str, Written],
        workers: int,
        progress: Progress,
    ) -> list[Written]:
        """See `FolderWriter.write`."""
        where = places(table.column("path").to_pylist())
        _refuse_shared_texts(where)
        refuse_collisions(folder, table)
        lines = _Lines(table, store, classes)
        found = [
            kept.get(INDEX)
            or write_companion(folder, INDEX, table.num_rows, index_of(table, classes))
        ]
        splits = _splits(table)
        for name in SPLITS:
            if splits[name]:
                listed = f"{name}.txt"
                text = "".join(f"./{where[path]}\n" for path in splits[name]).encode()
                found.append(
                    kept.get(listed) or write_companion(folder, listed, len(splits[name]), [text])
                )
        document = _document(lines, splits)
        found.append(
            kept.get(DOCUMENT) or write_companion(folder, DOCUMENT, table.num_rows, [document])
        )
        for part in slices(table, _ROWS * 10):
            self._write_part(folder, part, store, where, lines, workers, progress)
        return found

    def _write_part(
        self, folder: OutputFolder, part: pa.Table, store: ObjectStore, where: Mapping[str, str],
        lines: _Lines, workers: int, progress: Progress,
    ) -> None:  # fmt: skip
        target = folder.folder
        examples = [replace(e, path=where[e.path]) for e in examples_of(part)]
        planned = restore.plan(target, examples)
        restore.perform(planned, store, force=True, workers=workers).refuse()
        texts = _texts(part, store, where, lines)
        wanted = restore.plan(target, texts.files)
        files = [
            (e.path, e.oid, e.size, wanted.over.get(e.path))
            for e in (*wanted.write, *wanted.in_the_way)
        ]
        with Writer(target, texts) as writer:
            for done in writer.write(files):
                left = [path for path, st in done if st is None]
                if left:
                    raise restore.FilesChanged(
                        f"{printable(left[0])} appeared while it was written", items=tuple(left)
                    )
        progress.advance(part.num_rows, sum(example.size for example in examples))

    def all_exist(self, folder: str, table: pa.Table) -> bool:
        """Whether there is something under the path of each image, and of each text."""
        where = places(table.column("path").to_pylist())
        for part in slices(table, _ROWS):
            columns = (part.column(name).to_pylist() for name in ("path", "annotation"))
            for path, text in zip(*columns, strict=True):
                names = [where[path]]
                if isinstance(read_annotation(text).get("objects"), list):
                    names.append(text_of(where[path]))
                if not all(os.path.lexists(os.path.join(folder, name)) for name in names):
                    return False
        return True

    def damaged(
        self,
        folder: str,
        table: pa.Table,
        store: ObjectStore,
        classes: ClassList,
        progress: Progress,
    ) -> list[str]:
        """See `FolderWriter.damaged`: images and their texts."""
        where = places(table.column("path").to_pylist())
        lines = _Lines(table, store, classes)
        wrong: list[str] = []
        for part in slices(table, _ROWS):
            wanted = [replace(e, path=where[e.path]) for e in examples_of(part)]
            wanted += _texts(part, store, where, lines).files
            planned = restore.plan(folder, wanted)
            wrong += [e.path for e in (*planned.write, *planned.in_the_way)]
            progress.advance(part.num_rows)
        return sorted(wrong)

    def listed(self, folder: str) -> list[str]:
        """See `FolderWriter.listed`."""
        if not os.path.lexists(os.path.join(folder, INDEX)):
            return []
        with Folders(folder) as folders:
            found = [entry.path for entry in _listed(folder, folders)]
        beside = (DOCUMENT, *_LISTS)
        return found + [n for n in beside if os.path.lexists(os.path.join(folder, n))]

    def clear(self, folder: str) -> None:
        """Removes the images and texts that an index lists, if there is one, and the rest."""
        emptied = set()
        if not os.path.lexists(os.path.join(folder, INDEX)):
            return
        with Folders(folder) as folders:
            for entry in list(_listed(folder, folders)):
                with contextlib.suppress(OSError):
                    remove_judged(folders, entry.path, entry.judged())
                    emptied.add(os.path.dirname(entry.path))
            remove_empty(folders, emptied)
        for name in (DOCUMENT, *_LISTS):
            disk.remove(os.path.join(folder, name))


def _listed(folder: str, folders: Folders) -> Iterator[Entry]:
    paths = []
    with open(os.path.join(folder, INDEX), "rb") as lines:
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError, InvalidInput):
                paths.append(check_path(json.loads(line)["path"]))
    for image in places(paths).values():
        for name in (image, text_of(image)):
            # A path that leads through a link, or to a folder, is none of the view's files.
            with contextlib.suppress(OSError):
                entry = folders.look(name)
                if entry is not None and not entry.is_folder:
                    yield entry


def _refuse_shared_texts(where: Mapping[str, str]) -> None:
    seen: dict[str, str] = {}
    for path, image in where.items():
        other = seen.setdefault(text_of(image), path)
        if other != path:
            raise InvalidInput(
                f"{printable(other)} and {printable(path)} would have the same text of objects",
                hint="names that differ in their suffix alone cannot be told apart in YOLO",
            )


def _splits(table: pa.Table) -> dict[str, list[str]]:
    """Returns the paths of each split, by the attribute `split`; the rest is for training."""
    found: dict[str, list[str]] = {name: [] for name in SPLITS}
    paths = table.column("path").to_pylist()
    told: list[Any] = [None] * len(paths)
    if "attr.split" in table.schema.names:
        told = table.column("attr.split").to_pylist()
    for path, split in zip(paths, told, strict=True):
        name = _SPELT.get(str(split), str(split))
        found[name if name in SPLITS else "train"].append(path)
    return found


def _document(lines: _Lines, splits: Mapping[str, list[str]]) -> bytes:
    """Returns data.yaml; a split that is empty takes that for training, as trainers ask for two."""
    out = io.StringIO()
    full = next((name for name in SPLITS if splits[name]), "train")
    for name in SPLITS:
        if splits[name] or name != "test":
            out.write(f"{name}: {name if splits[name] else full}.txt\n")
    out.write(f"nc: {len(lines.names)}\nnames:\n")
    for number, name in enumerate(lines.names):
        out.write(f"  {number}: {json.dumps(name, ensure_ascii=False)}\n")
    if lines.shape is not None:
        out.write(f"kpt_shape: [{lines.shape[0]}, {lines.shape[1]}]\n")
    return out.getvalue().encode()


class YoloWriter(FormatWriter):
    """Writes images with YOLO's texts."""

    folder = Yolo()

    def record_sets(
        self, document: Mapping[str, Any], files: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """A line of the index."""
        return [croissant.of_index(files)], []


WRITER = YoloWriter()
