"""What `data.yaml` of a YOLO dataset says: names of classes, shape of keypoints, and the splits.

Hides the ways in which a split is given: as a folder, a list of folders, or a text that lists
images; from the document's folder, from its `path`, or from a folder beside, as Roboflow writes it.
"""

from __future__ import annotations

import os
from typing import Any

from dsm.model.names import printable
from dsm.worktree.label_formats.format import SMALL_BYTES_MAX, LabelInput
from dsm.worktree.label_formats.plain_yaml import NotPlain, parse

SPLITS = ("train", "val", "test")
_CLASSES_MAX = 100_000


def read_document(file: LabelInput) -> dict[Any, Any]:
    """Returns the members of the document. Raises NotFound, InvalidInput."""
    try:
        told = parse(file.text(SMALL_BYTES_MAX))
    except NotPlain as error:
        raise file.wrong(printable(str(error)), f"line {error.line}") from None
    if not isinstance(told, dict):
        raise file.wrong("this is not a mapping of names and values")
    return told


def names_of(file: LabelInput, told: dict[Any, Any]) -> list[str]:
    """Returns the names of classes in the order of their indices. Raises InvalidInput."""
    found = told.get("names")
    if isinstance(found, dict):
        # An index may be written in quotes, and is one all the same.
        numbered = {_index(key): name for key, name in found.items()}
        if len(numbered) < len(found) or {*numbered} != {*range(len(found))}:
            raise file.wrong("the classes are not numbered from 0 on", "names")
        found = [numbered[index] for index in range(len(numbered))]
    if not isinstance(found, list) or not found:
        raise file.wrong("there are no names of classes", "names", "names: [cat, dog]")
    if len(found) > _CLASSES_MAX:
        raise file.wrong(f"there are {len(found):,} classes (at most {_CLASSES_MAX:,})", "names")
    count = told.get("nc")
    if count is not None and count != len(found):
        problem = f"nc is {printable(str(count))[:40]}, but names has {len(found):,}"
        raise file.wrong(
            problem, "names", "correct one of them: the indices in the texts depend on it"
        )
    texts = [str(name) if type(name) in (int, bool) else name for name in found]
    labels = [file.label(name, f"names, {at}") for at, name in enumerate(texts)]
    seen: set[str] = set()
    for name in labels:
        if name in seen:
            raise file.wrong(f"two classes are called {printable(name)}", "names")
        seen.add(name)
    return labels


def _index(key: Any) -> Any:
    return int(key) if isinstance(key, str) and key.isascii() and key.isdecimal() else key


def points_of(file: LabelInput, told: dict[Any, Any]) -> tuple[int, int] | None:
    """Returns how many keypoints an object has, and numbers each. Raises InvalidInput."""
    shape = told.get("kpt_shape")
    if shape is None:
        return None
    good = isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape)
    if not good or not 0 < shape[0] <= 10_000 or shape[1] not in (2, 3):
        raise file.wrong("is not [number of keypoints, 2 or 3]", "kpt_shape")
    return shape[0], shape[1]


class Splits:
    """Which split an image is of.

    A folder or list that two splits name says nothing: it is there for trainers that ask for both.
    """

    def __init__(self, file: LabelInput, told: dict[Any, Any]):
        self._file = file
        base = told.get("path")
        self._tops = (base, "") if isinstance(base, str) else ("",)
        sources: dict[str, set[str]] = {}
        for name in SPLITS:
            given = told.get(name)
            for each in given if isinstance(given, list) else [given]:
                full = self._place(each) if isinstance(each, str) else None
                if full is not None:
                    sources.setdefault(full, set()).add(name)
        self._folders: dict[str, str] = {}
        self._listed: dict[str, str | None] = {}
        for full, names in sources.items():
            if os.path.isfile(full):
                self._read_list(full, names)
            elif len(names) == 1:
                self._folders[file.places.inside(full) or ""] = next(iter(names))

    def of(self, path: str) -> str | None:
        """Returns the split of an image: as a list says it, else its nearest folder."""
        if path in self._listed:
            return self._listed[path]
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            if folder in self._folders:
                return self._folders[folder]
        return None

    def _place(self, given: str) -> str | None:
        """Returns the folder or list that is meant, where it lies in the dataset."""
        spelt = [given, given[3:]] if given.startswith("../") else [given]
        for top in self._tops:
            for text in spelt:
                full = os.path.normpath(os.path.join(self._file.folder, top, text))
                if self._is_folder(full) or (full.endswith(".txt") and self._is_list(full)):
                    return full
        return None

    def _is_folder(self, full: str) -> bool:
        places = self._file.places
        root = places.root.rstrip("/")
        if full == root:
            return True
        inside = places.inside(full)
        if inside is None:
            return False
        return os.path.isdir(full) or any(p.startswith(inside + "/") for p in places.tracked)

    def _is_list(self, full: str) -> bool:
        near = os.path.normpath(self._file.folder).rstrip("/") + "/"
        here = self._file.places.inside(full) is not None or full.startswith(near)
        return here and os.path.isfile(full)

    def _read_list(self, full: str, names: set[str]) -> None:
        """Notes the images that a list names; one that is in lists of two splits has none."""
        listed = self._file.beside(full)
        finder = self._file.places.finder(os.path.dirname(full))
        elsewhere: dict[str, tuple[str, ...]] = {}
        paths = []
        for _, line in listed.lines():
            name = line.strip()
            path = finder.direct((name,))
            if path is not None:
                paths.append(path)
            elif name.startswith("/"):  # of another machine
                elsewhere[name] = (name,)
        if elsewhere:
            paths += finder.by_ends(elsewhere).values()
        split = next(iter(names)) if len(names) == 1 else None
        for path in paths:
            if split is not None:
                other = self._listed.setdefault(path, split)
                if other != split:
                    self._listed[path] = None
