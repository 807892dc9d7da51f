"""COCO: one JSON file of images, their objects (boxes, polygons, run lengths) or captions.

Each image gets an annotation `{"captions": […], "image": {…}, "objects": […]}` whose members are
those of the file, with `label` for the name of the category; its labels are the categories that it
has. Numbers stay as they are. The file is read as a stream, twice where categories come last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dsm.model.categories import Category, category
from dsm.model.names import printable
from dsm.worktree.label_formats.format import LabelFormat, LabelInput, NamedRow
from dsm.worktree.label_formats.json_stream import BadJson, JsonStream
from dsm.worktree.label_row import LabelRow, json_text

OURS = ("label", "supercategory", "coco")
_KINDS = ('"images"', '"annotations"', '"categories"')


class CocoFormat(LabelFormat):
    """Instances, keypoints and captions."""

    def recognises(self, file: LabelInput) -> bool:
        """An object that begins with one of the usual members; order and blanks do not count."""
        if not file.name.endswith(".json") or not file.head.lstrip().startswith("{"):
            return False
        return any(kind in file.head for kind in _KINDS) or '"info"' in file.head

    def rows(self, file: LabelInput) -> Iterable[NamedRow]:
        """See `LabelFormat.rows`."""
        reading = _Reading(file)
        reading.run()
        return reading.rows()


class _Reading:
    def __init__(self, file: LabelInput):
        self.file = file
        self.images: dict[Any, tuple[str, str, str]] = {}  # id -> name, JSON of the rest, place
        self.categories: dict[Any, tuple[str, Any]] = {}  # id -> label, the category above
        self.objects: dict[Any, list[str]] = {}
        self.labels: dict[Any, set[str]] = {}
        self.captions: dict[Any, list[str]] = {}
        self.says_objects = False
        self.listed: dict[str, list[tuple[Any, Category]]] = {}  # by name, with the ids
        self.used: set[Any] = set()  # ids of categories that objects have

    def run(self) -> None:
        """Reads the file: images and categories first, since annotations name both."""
        handlers = {"images": self._image, "categories": self._category}
        found = self._each(handlers)
        if "images" not in found:
            raise self.file.wrong("there are no images", hint="a COCO file has that member")
        if "annotations" in found:  # else it says which images there are, and nothing of objects
            self.says_objects = bool(self.categories)
            self._each({"annotations": self._annotation})
        for name, several in self.listed.items():
            used = [each for each in several if each[0] in self.used]
            if len(used) > 1:
                ids = f"{printable(str(used[0][0]))} and {printable(str(used[1][0]))}"
                raise self.file.wrong(
                    f"objects have two categories called {printable(name)}, {ids}",
                    "categories", "give one of them another name",
                )  # fmt: skip
            self.file.categories.append((used or several)[0][1])

    def _each(self, handlers: dict[str, Any]) -> set[str]:
        file, number, last = self.file, 0, ""
        try:
            with file.stream() as text:
                stream = JsonStream(text)
                for name, element in stream.members():
                    number = number + 1 if name == last else 1
                    last = name
                    if name in handlers:
                        place = f"{name}, element {number:,}"
                        if not isinstance(element, dict):
                            raise file.wrong("this is not an object", place)
                        handlers[name](element, place)
        except UnicodeDecodeError:
            raise file.wrong("the text is not UTF-8", f"after element {number:,} of {last}"
                             if last else "") from None  # fmt: skip
        except BadJson as error:
            place = f"{printable(last)}, after element {number:,}" if last else ""
            raise file.wrong(f"this is not JSON: {printable(str(error))}", place) from None
        return stream.names

    def _key(self, element: dict[str, Any], name: str, place: str) -> int | str:
        key = element.get(name)
        if isinstance(key, bool) or not isinstance(key, int | str):
            what = "there is no" if key is None else "a number or text is expected as"
            raise self.file.wrong(f"{what} {name}", place)
        return key

    def _image(self, image: dict[str, Any], place: str) -> None:
        key = self._key(image, "id", place)
        name = image.pop("file_name", None)
        if not isinstance(name, str) or not name:
            raise self.file.wrong("there is no file_name", place)
        if key in self.images:
            raise self.file.wrong(f"two images have the id {printable(str(key))}", place)
        self.images[key] = (name, self._text(image, place), place)

    def _category(self, found: dict[str, Any], place: str) -> None:
        key = self._key(found, "id", place)
        if key in self.categories:
            raise self.file.wrong(f"two categories have the id {printable(str(key))}", place)
        name = self.file.label(found.pop("name", None), f"{place}, name")
        self.categories[key] = (name, found.get("supercategory"))
        try:
            listed = category(name, found)
        except ValueError as error:
            raise self.file.wrong(str(error), place) from None
        self.listed.setdefault(name, []).append((key, listed))

    def _annotation(self, found: dict[str, Any], place: str) -> None:
        image = self._key(found, "image_id", place)
        del found["image_id"]
        if image not in self.images:
            raise self.file.wrong(f"there is no image with the id {printable(str(image))}", place)
        if "caption" in found and "category_id" not in found:
            self.captions.setdefault(image, []).append(self._text(found, place))
            return
        if "segments_info" in found:
            raise self.file.wrong(
                "this is panoptic segmentation, which is kept in pictures", place,
                "instances and captions are read",
            )  # fmt: skip
        key = self._key(found, "category_id", place)
        if key not in self.categories:
            problem = f"there is no category with the id {printable(str(key))}"
            raise self.file.wrong(problem, place)
        self.used.add(key)
        label, above = self.categories[key]
        # What the file itself calls like a member of ours is kept apart.
        own = {name: found.pop(name) for name in OURS if name in found}
        if own:
            found["coco"] = own
        found["label"] = label
        if above is not None:
            found["supercategory"] = above
        self.objects.setdefault(image, []).append(self._text(found, place))
        self.labels.setdefault(image, set()).add(label)
        self.says_objects = True

    def _text(self, value: object, place: str) -> str:
        try:
            return json_text(value)
        except ValueError as error:
            raise self.file.wrong(str(error), place) from None

    def rows(self) -> Iterator[NamedRow]:
        """Yields a row for each image, which says of each member of the annotation what it is."""
        for key, (name, image, place) in self.images.items():
            members = [f'"image":{image}']
            labels: tuple[str, ...] | None = None
            if self.says_objects:
                members.append(f'"objects":[{",".join(self.objects.get(key, ()))}]')
                labels = tuple(sorted(self.labels.get(key, ())))
            if key in self.captions:
                members.insert(0, f'"captions":[{",".join(self.captions[key])}]')
            annotation = "{" + ",".join(members) + "}"
            row = LabelRow(labels, annotation=annotation, adds_members=True)
            yield NamedRow((name,), row, place)


FORMAT = CocoFormat()
