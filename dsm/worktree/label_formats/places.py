"""Which example a name in a file of labels is of.

Hides that such files name images in many ways: from their own folder, from a folder of images,
from the dataset's root, by the last part alone, or by a path of another machine. Invariant: a name
is of one example or of none; one that could be of several is refused.
"""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from dsm.errors import InvalidInput
from dsm.model.names import check_path, printable

_DRIVE = re.compile(r"^(?:[A-Za-z]:)?/+")


class Places:
    """The files and tracked examples that labels may be of.

    `root` is the dataset's folder, `starts` the paths in it that were asked for; `tracked` gives
    the examples, which need no file here.
    """

    def __init__(self, root: str, starts: Iterable[str], tracked: Callable[[], Iterable[str]]):
        self.root = root
        self.starts = tuple(starts)
        self._tracked = tracked

    @cached_property
    def tracked(self) -> frozenset[str]:
        """The paths of tracked examples."""
        return frozenset(self._tracked())

    def exists(self, path: str) -> bool:
        """Whether there is a file or an example under a path of the dataset."""
        return path in self.tracked or os.path.isfile(os.path.join(self.root, path))

    def inside(self, full: str) -> str | None:
        """Returns a path as it counts from the root; None of what does not lie below it."""
        for root in (self.root, os.path.realpath(self.root)):
            if full.startswith(root.rstrip("/") + "/"):
                return full[len(root.rstrip("/")) + 1 :]
        return None

    def files(self) -> Iterator[str]:
        """Yields the files below what was asked for, then tracked examples that have none here."""
        seen: set[str] = set()
        for start in dict.fromkeys(self.starts):
            full = os.path.join(self.root, start) if start else self.root
            if os.path.isfile(full):
                seen.add(start)
                yield start
            for folder, folders, names in os.walk(full):
                folders[:] = sorted(name for name in folders if name not in (".dsm", ".git"))
                below = os.path.relpath(folder, self.root)
                for name in sorted(names):
                    path = name if below == "." else f"{below}/{name}"
                    if path not in seen:
                        seen.add(path)
                        yield path
        for path in sorted(self.tracked - seen):
            if any(not s or path == s or path.startswith(s + "/") for s in self.starts):
                yield path

    def finder(self, folder: str) -> Finder:
        """Returns what finds the examples that a label file in this folder names."""
        bases = [self.inside(os.path.abspath(folder) + "/"), *self.starts, ""]
        return Finder(self, [base.rstrip("/") for base in bases if base is not None])


class Finder:
    """Finds examples by the names that a file uses for them."""

    def __init__(self, places: Places, bases: Iterable[str]):
        self._places = places
        self._bases = tuple(dict.fromkeys(bases))

    def direct(self, names: Iterable[str]) -> str | None:
        """Returns the example that one of the names leads to from one of the usual folders."""
        for name in spellings(names):
            if name.startswith("/"):
                inside = self._places.inside(posixpath.normpath(name))
                if inside is not None and self._places.exists(inside):
                    return inside
                continue
            for base in self._bases:
                path = posixpath.normpath(posixpath.join(base, name))
                if _legal(path) and self._places.exists(path):
                    return path
        return None

    def by_ends(self, wanted: dict[str, tuple[str, ...]]) -> dict[str, str]:
        """Returns the only example whose path ends like one of the names, by the key of each.

        Raises InvalidInput where several do.
        """
        ends: dict[str, list[str]] = {}
        for names in wanted.values():
            for name in names:
                ends.setdefault(_end(name), [])
        for path in self._places.files():
            found = ends.get(_end(path))
            if found is not None:
                found.append(path)
        chosen: dict[str, str] = {}
        for key, names in wanted.items():
            for name in names:
                closest = _closest(name, ends[_end(name)])
                if closest is not None:
                    chosen[key] = closest
                    break
        return chosen


def spellings(names: Iterable[str]) -> Iterator[str]:
    """Yields names, and those of Windows as they would be written here, too."""
    for name in names:
        yield name
        if "\\" in name:
            yield _DRIVE.sub("/", name.replace("\\", "/"))


def _closest(name: str, paths: list[str]) -> str | None:
    """Returns the path that shares the longest end with a name. Raises InvalidInput for two."""
    if len(paths) < 2:
        return paths[0] if paths else None
    parts = unicodedata.normalize("NFC", name).split("/")[::-1]
    shared = []
    for path in paths:
        theirs = unicodedata.normalize("NFC", path).split("/")[::-1]
        same = 0
        while same < min(len(parts), len(theirs)) and parts[same] == theirs[same]:
            same += 1
        shared.append(same)
    best = [path for path, same in zip(paths, shared, strict=True) if same == max(shared)]
    if len(best) == 1:
        return best[0]
    raise InvalidInput(
        f"{printable(name)} of the label file may be {printable(best[0])} or {printable(best[1])}",
        hint="add the folder that the file speaks of: dsm add FOLDER --labels FILE",
        items=tuple(best[:1000]),
    )


def _end(name: str) -> str:
    return unicodedata.normalize("NFC", posixpath.basename(name))


def _legal(path: str) -> bool:
    try:
        check_path(path)
    except InvalidInput:
        return False
    return True
