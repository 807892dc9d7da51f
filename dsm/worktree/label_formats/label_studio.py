"""Label Studio: the JSON export, a list of tasks with the results of their annotators.

Boxes, polygons and points become objects of the annotation, in percent of the image as Label Studio
keeps them; choices become labels, and so do the ways through a taxonomy (`animal/dog`); texts
become the member `texts`, everything else `results` as it is. Predictions are not read.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from dsm.model.names import printable
from dsm.worktree.label_formats.format import LabelFormat, LabelInput, NamedRow
from dsm.worktree.label_formats.json_stream import BadJson, JsonStream
from dsm.worktree.label_row import LabelRow, json_text

_MEDIA = ("image", "audio", "video", "img", "url", "text", "file")
_UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)")
# The kinds of results that are objects, with the member that has their labels.
_BOX = ("x", "y", "width", "height")


class LabelStudioFormat(LabelFormat):
    """The export "JSON"; "JSON-MIN" has no shapes and is refused."""

    def recognises(self, file: LabelInput) -> bool:
        """A list of objects with `data`."""
        head = file.head.lstrip()
        if not file.name.endswith(".json") or not head.startswith("["):
            return False
        return '"data"' in head or '"annotations"' in head or head[1:].lstrip()[:1] in ("]", "{")

    def rows(self, file: LabelInput) -> Iterable[NamedRow]:
        """See `LabelFormat.rows`."""
        number = 0
        try:
            with file.stream() as text:
                for number, task in enumerate(JsonStream(text).elements(), 1):
                    yield _row(file, task, f"task {number:,}")
        except UnicodeDecodeError:
            raise file.wrong("the text is not UTF-8", f"after task {number:,}") from None
        except BadJson as error:
            problem = f"this is not JSON: {printable(str(error))}"
            raise file.wrong(problem, f"after task {number:,}") from None


def _row(file: LabelInput, task: Any, place: str) -> NamedRow:
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        hint = "export as JSON (not JSON-MIN), which has `data` and `annotations`"
        raise file.wrong("this is not a task with data", place, hint)
    names = _names(task["data"])
    if not names:
        raise file.wrong("its data names no file", place)
    results = _results(file, task, place)
    reading = _Results(file, place)
    for at, result in enumerate(results or (), 1):
        if not isinstance(result, dict):
            raise file.wrong("this is not an object", f"{place}, result {at}")
        reading.take(result, f"{place}, result {at}")
    try:
        annotation = None if results is None else json_text(reading.members())
    except ValueError as error:
        raise file.wrong(str(error), place) from None
    labels = None if results is None else tuple(sorted(reading.labels))
    return NamedRow(names, LabelRow(labels, annotation=annotation, adds_members=True), place)


def _results(file: LabelInput, task: dict[str, Any], place: str) -> list[Any] | None:
    """Returns the results of the last annotator that did not cancel; None where there is none."""
    given = task.get("annotations", task.get("completions", []))  # as old releases call them
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise file.wrong("annotations are not a list of objects", place)
    kept = [each for each in given if not each.get("was_cancelled")]
    if not kept:
        return None
    results = kept[-1].get("result", [])
    if not isinstance(results, list):
        raise file.wrong("result is not a list", place)
    return results


def _names(data: dict[str, Any]) -> tuple[str, ...]:
    """Returns the names that the file of a task may have: uploads and addresses have others."""
    texts = {key: value for key, value in data.items() if isinstance(value, str) and value}
    order = [key for key in _MEDIA if key in texts] + [key for key in texts if key not in _MEDIA]
    for key in order:
        if len(texts[key]) > 4096 or "\n" in texts[key]:
            continue
        path, elsewhere = _path_of(texts[key])
        base = posixpath.basename(path)
        if "." not in base:
            continue
        upload = _UPLOAD.sub("", base, count=1) if _UPLOAD.match(base) else None
        named = [path.lstrip("/"), base, *([upload] if upload else [])]
        if elsewhere:  # where it lies there says nothing of the folder that it lies in here
            named += [f"/{each}" for each in named]
        return tuple(dict.fromkeys(named))
    return ()


def _path_of(text: str) -> tuple[str, bool]:
    """Returns the path that a name or an address has, and whether it is one of a server."""
    try:
        found = urlsplit(text)
    except ValueError:  # no address
        return "", False
    wanted = parse_qs(found.query).get("d")
    if wanted:
        return wanted[0], True
    if (found.scheme and found.netloc) or text.startswith("/data/"):
        return unquote(found.path), True
    return text, text.startswith("/")


class _Results:
    """What the results of one annotator say."""

    def __init__(self, file: LabelInput, place: str):
        self._file, self._place = file, place
        self.labels: set[str] = set()
        self._objects: list[dict[str, Any]] = []
        self._image: dict[str, Any] = {}
        self._texts: dict[str, Any] = {}
        self._rest: list[dict[str, Any]] = []

    def members(self) -> dict[str, Any]:
        """Returns the annotation."""
        found: dict[str, Any] = {"objects": self._objects}
        for name, value in (
            ("image", self._image), ("texts", self._texts), ("results", self._rest)
        ):  # fmt: skip
            if value:
                found[name] = value
        return found

    def take(self, result: dict[str, Any], place: str) -> None:
        """Takes one result up."""
        kind, value = result.get("type"), result.get("value")
        if not isinstance(value, dict) or not isinstance(kind, str):
            if kind == "relation":
                self._rest.append(result)
                return
            raise self._file.wrong("there is no type or value", place)
        for key, name in (("original_width", "width"), ("original_height", "height")):
            if type(result.get(key)) in (int, float):
                self._image[name] = result[key]
        if kind == "choices":
            self.labels.update(self._names(value.get("choices"), place))
        elif kind == "taxonomy":
            self.labels.update(self._ways(value.get("taxonomy"), place))
            self._rest.append(result)
        elif kind == "textarea":
            self._texts[str(result.get("from_name", "text"))] = value.get("text")
        elif kind in ("rectanglelabels", "polygonlabels", "keypointlabels"):
            self._shape(kind, result, value, place)
        else:
            self.labels.update(self._names(value.get(kind, []), place))
            self._rest.append(result)

    def _names(self, given: Any, place: str) -> list[str]:
        if not isinstance(given, list):
            return []
        flat = [name for name in given if isinstance(name, str)]
        return [self._file.label(name, place) for name in flat]

    def _ways(self, given: Any, place: str) -> list[str]:
        """Returns the label of each way from the top of a taxonomy to what was chosen."""
        ways = given if isinstance(given, list) else []
        texts = [
            "/".join(way) for way in ways
            if isinstance(way, list) and way and all(isinstance(each, str) for each in way)
        ]  # fmt: skip
        return [self._file.label(text, place) for text in texts]

    def _shape(self, kind: str, result: dict[str, Any], value: dict[str, Any], place: str) -> None:
        geometry: dict[str, Any] = {}
        if kind == "rectanglelabels":
            geometry["percent_box"] = [self._number(value, key, place) for key in _BOX]
        elif kind == "polygonlabels":
            geometry["percent_polygon"] = value.get("points")
        else:
            geometry["percent_point"] = [self._number(value, key, place) for key in ("x", "y")]
        for key, told in value.items():  # how it is turned, how wide a point is, and the like
            known = key in (kind, "points", *_BOX) and (key, kind) != ("width", "keypointlabels")
            if not known and (told or key != "rotation"):
                geometry[key] = told
        for key in ("id", "score", "meta", "item_index"):
            if result.get(key) is not None:
                geometry[key] = result[key]
        names = self._names(value.get(kind), place)
        if not names:  # a shape that nobody has named is no object, and is kept all the same
            self._rest.append(result)
        for name in names:
            self.labels.add(name)
            self._objects.append({**geometry, "label": name})

    def _number(self, value: dict[str, Any], key: str, place: str) -> int | float:
        found = value.get(key)
        if type(found) not in (int, float):
            raise self._file.wrong("a number is missing", f"{place}, value, {key}")
        return found  # type: ignore[return-value]


FORMAT = LabelStudioFormat()
