"""Pascal VOC: an XML file for each image, alone or in a folder.

Each image gets an annotation `{"image": {…}, "objects": […]}`; an object has its corners (left,
top, right, bottom in pixels, as the file counts them) and the other members of the file. Hides how
XML is read: documents with a DTD or entities are refused, so none can grow or name other files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any
from xml.parsers import expat

from dsm.errors import InvalidInput
from dsm.worktree.label_formats.format import SMALL_BYTES_MAX, LabelFormat, LabelInput, NamedRow
from dsm.worktree.label_formats.numbers import number_of, value_of
from dsm.worktree.label_row import LabelRow, json_text

_DEPTH_MAX = 16
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_SIZE = ("width", "height", "depth")
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


class PascalVocFormat(LabelFormat):
    """XML files of VOC and of the tools that write like it."""

    def recognises(self, file: LabelInput) -> bool:
        """An XML file with `<annotation`, or a folder with one."""
        if not file.is_folder:
            return file.name.endswith(".xml") and "<annotation" in file.head
        first = next(_files(file), None)
        if first is None:
            return False
        return "<annotation" in LabelInput(first, first, file.places, file.missing).head

    def rows(self, file: LabelInput) -> Iterable[NamedRow]:
        """See `LabelFormat.rows`."""
        if not file.is_folder:
            yield _row(file)
            return
        for full in _files(file):
            yield _row(file.beside(full))


def _files(file: LabelInput) -> Iterator[str]:
    for folder, folders, names in os.walk(file.full):
        folders.sort()
        for name in sorted(names):
            full = os.path.join(folder, name)
            if name.lower().endswith(".xml") and not os.path.islink(full):
                yield full


def _row(file: LabelInput) -> NamedRow:
    root, members = _parsed(file)
    if root != "annotation":
        raise file.wrong("the document is not an <annotation>")
    name = _text(file, members, "filename")
    objects, labels = [], set()
    for found, line in _all(members, "object"):
        made = _object(file, found, f"line {line}")
        labels.add(made["label"])
        objects.append(made)
    size = next((found for found, _ in _all(members, "size")), [])
    image: dict[str, Any] = {}
    for key in _SIZE:
        text = _text(file, size, key)
        if text:
            image[key] = number_of(file, text, f"size, {key}")
    ours = ("filename", "folder", "path", "object", "size", *_SIZE)
    # Such as <segmented>, <source> and what tools add.
    image |= _value([member for member in members if member[0] not in ours])
    try:
        annotation = json_text({"image": image, "objects": objects})
    except ValueError as error:
        raise file.wrong(str(error)) from None
    stem = os.path.splitext(os.path.basename(file.full))[0]
    names = [stem + suffix for suffix in _SUFFIXES]
    if name:
        within = _text(file, members, "folder")
        names[:0] = [f"{within}/{name}", name] if within and "/" not in within else [name]
    row = LabelRow(tuple(sorted(labels)), annotation=annotation, adds_members=True)
    return NamedRow(tuple(names), row, "")


def _object(file: LabelInput, members: list[Any], place: str) -> dict[str, Any]:
    made: dict[str, Any] = {"label": file.label(_text(file, members, "name"), f"{place}, name")}
    boxes = list(_all(members, "bndbox"))
    if len(boxes) > 1:
        raise file.wrong("an object has one box", f"line {boxes[1][1]}, bndbox")
    for box, _ in boxes:
        made["corners"] = [
            number_of(file, _text(file, box, key), f"{place}, bndbox, {key}") for key in _CORNERS
        ]
    for key, told, line in members:
        if key == "part" and isinstance(told, list):
            made.setdefault("part", []).append(_object(file, told, f"line {line}"))
    taken = ("name", "bndbox", *(["part"] if "part" in made else []))
    return {**_value([member for member in members if member[0] not in taken]), **made}


def _all(members: list[Any], key: str) -> Iterator[tuple[list[Any], int]]:
    found = ((told, line) for name, told, line in members if name == key)
    return ((told if isinstance(told, list) else [], line) for told, line in found)


def _text(file: LabelInput, members: list[Any], key: str) -> str:
    told = next((told for name, told, _ in members if name == key), "")
    return told if isinstance(told, str) else ""


def _value(told: Any) -> Any:
    if isinstance(told, str):
        return value_of(told)
    value: dict[str, Any] = {}
    for name, below, _ in told:
        held = _value(below)
        if name in value:
            several = value[name] if isinstance(value[name], list) else [value[name]]
            value[name] = [*several, held]
        else:
            value[name] = held
    return value


def _parsed(file: LabelInput) -> tuple[str, list[Any]]:
    """Returns the name of the root and its members: (name, text or members, line)."""
    parser = expat.ParserCreate()
    above: list[list[Any]] = []
    texts: list[list[str]] = []
    names: list[tuple[str, int]] = []
    done: list[tuple[str, Any]] = []

    def start(name: str, _: object) -> None:
        if len(names) >= _DEPTH_MAX:
            raise file.wrong("elements are nested too deeply", f"line {parser.CurrentLineNumber}")
        names.append((name, parser.CurrentLineNumber))
        above.append([])
        texts.append([])

    def end(_: str) -> None:
        (name, line), members = names.pop(), above.pop()
        text = "".join(texts.pop()).strip()
        told = members or text
        if above:
            above[-1].append((name, told, line))
        else:
            done.append((name, members))

    def refuse(*_: object) -> int:
        raise file.wrong(
            "the document has a DTD or entities, which are refused",
            f"line {parser.CurrentLineNumber}",
        )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = lambda data: texts[-1].append(data)
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(file.data(SMALL_BYTES_MAX), True)  # in the encoding that it names
    except expat.ExpatError as error:
        problem = f"this is not XML: {expat.errors.messages[error.code]}"
        raise file.wrong(problem, f"line {error.lineno}") from None
    except (ValueError, LookupError) as error:  # an encoding that expat does not have
        if isinstance(error, InvalidInput):
            raise
        raise file.wrong(f"this is not XML: {error}") from None
    return done[0]


FORMAT = PascalVocFormat()
