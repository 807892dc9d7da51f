"""The index: which examples are tracked, and what their files looked like when last seen.

It mirrors (head snapshot + stage) at a known position, so that `status` needs neither; when other
processes have committed since, their rows are applied first. Everything in it is derived and may be
lost. A file whose timestamp is not older than the moment it was looked at is never believed
unchanged ("racy git"): its mark is then the id of its content, which forces a look at the bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dsm.errors import DamagedData
from dsm.format import index as fmt
from dsm.format.index import ABSENT, Mark
from dsm.store import disk
from dsm.store.whole_file import read_file

__all__ = ["ABSENT", "Mark", "Position", "WorkIndex"]

# Coarsest timestamp that a local file system keeps between two changes of a file, in nanoseconds.
RACY_NS = 20_000_000


# More changes than this are not logged one by one: the base is written anew.
LOG_CHANGES_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Place:
    """The root folder of a work tree, as an index knows it again."""

    path: str
    inode: int

    @classmethod
    def of(cls, root: str) -> Place:
        try:
            return cls(os.path.realpath(root), os.stat(root).st_ino)
        except OSError:  # it is not there
            return cls(os.path.realpath(root), 0)

    def copied_from(self, other: Place | None) -> bool:
        """Whether this is a copy of the other: neither the same place nor the same folder."""
        return other is not None and self.path != other.path and self.inode != other.inode


@dataclass(frozen=True, slots=True)
class Position:
    """Which head and which stage segments an index mirrors, and the work tree of which folder."""

    head: int = 0
    id: str = ""
    segments: tuple[str, ...] = ()
    place: Place | None = None

    def to_json(self) -> dict[str, Any]:
        fields = {"head": self.head, "id": self.id, "segments": list(self.segments)}
        place = self.place
        return fields if place is None else {**fields, "place": [place.path, place.inode]}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Position:
        place = Place(*value["place"]) if "place" in value else None
        return cls(value["head"], value["id"], tuple(value["segments"]), place)

    def at(self, head: int, id: str, segments: tuple[str, ...]) -> Position:
        """Returns another position of the same work tree."""
        return Position(head, id, segments, self.place)

    def with_segments(self, *segments: str) -> Position:
        return self.at(self.head, self.id, segments)


class WorkIndex:
    """Marks by path. Changes are kept in memory until `save`."""

    def __init__(self, folder: str, temporary: str):
        self._base_path = os.path.join(folder, "base")
        self._log_path = os.path.join(folder, "log")
        self._temporary = temporary
        self._base: fmt.Base | None = None
        self._folders: dict[str, dict[str, Mark]] = {}
        self._log_bytes = 0
        self._changes: dict[str, Mark | None] = {}
        # By path, whether it has lost or been given ABSENT since; `set_many` leaves this alone.
        self.turned: dict[str, bool] = {}
        self._rewrite = False
        self.position = Position()
        self._loaded = Position()
        self.fresh = True  # nothing usable was on disk
        self.damaged = False
        self._load()

    def _load(self) -> None:
        data = read_file(self._base_path)
        if not data:
            return
        try:
            self._base = fmt.Base(data)
            position = self._base.position
            log = read_file(self._log_path) or b""
            records, whole = fmt.decode_log(log, self._base.digest)
            self._log_bytes = len(log) if whole else -1
            for position, changes in records:  # noqa: B007 (the last position counts)
                for path, mark in changes.items():
                    self._put(path, mark)
            self.position = self._loaded = Position.from_json(position)
            self.fresh = False
        except (ValueError, KeyError, TypeError, IndexError):
            self._base, self._folders, self.damaged = None, {}, True
            self.position = self._loaded = Position()

    # --- marks ---

    def folder(self, name: str) -> dict[str, Mark]:
        """Returns the tracked names directly in a folder ("" is the root). Not to be changed."""
        page = self._folders.get(name)
        if page is None:
            page = self._folders[name] = self._page(self._base, name) if self._base else {}
        return page

    def _page(self, base: fmt.Base, name: str) -> dict[str, Mark]:
        try:
            return base.page(name)
        except ValueError as error:  # though its hash fits: nothing of ours has written this
            raise DamagedData(
                f"{self._base_path} is damaged: it is not what dsm writes",
                hint="remove it; what it knew is learnt again",
            ) from error

    def folder_names(self) -> list[str]:
        """Returns all folders that may hold tracked examples, without looking into them."""
        return list(dict.fromkeys((*(self._base.folders() if self._base else ()), *self._folders)))

    def folders(self, start: str = "") -> list[str]:
        """Returns all folders at or below `start` that hold tracked examples."""
        names = dict.fromkeys(self._base.folders() if self._base else ())
        names.update(dict.fromkeys(self._folders))
        lead = start + "/"
        return [
            name
            for name in names
            if (not start or name == start or name.startswith(lead)) and self.folder(name)
        ]

    def get(self, path: str) -> Mark | None:
        """Returns the mark of an example, None when it is not tracked."""
        folder, _, name = path.rpartition("/")
        return self.folder(folder).get(name)

    def _put(self, path: str, mark: Mark | None) -> None:
        folder, _, name = path.rpartition("/")
        page = self.folder(folder)
        if mark is None:
            page.pop(name, None)
        else:
            page[name] = mark

    def set(self, path: str, mark: Mark) -> None:
        """Tracks a path, or learns something new about its file."""
        absent = mark == ABSENT
        if absent != (self.get(path) == ABSENT):
            self.turned[path] = absent
        self._put(path, mark)
        self._changes[path] = mark

    def remove(self, path: str) -> None:
        """Stops tracking a path."""
        self._put(path, None)
        self._changes[path] = None

    def set_many(self, marks: Mapping[str, Mark | None]) -> None:
        """Sets (or, with None, removes) many paths: like `set`, at a fraction of the cost."""
        last, page = None, {}
        for path, mark in marks.items():
            folder, _, name = path.rpartition("/")
            if folder != last:
                last, page = folder, self.folder(folder)
            if mark is None:
                page.pop(name, None)
            else:
                page[name] = mark
        if len(marks) > LOG_CHANGES_MAX:
            self._rewrite = True
        else:
            self._changes.update(marks)

    def below(self, prefix: str) -> Iterator[str]:
        """Yields the tracked paths at or below a path ("" is everything)."""
        if prefix and self.get(prefix) is not None:
            yield prefix
        for folder in self.folders(prefix):
            lead = folder + "/" if folder else ""
            for name in list(self.folder(folder)):
                yield lead + name

    def in_the_way(self, paths: Iterable[str]) -> frozenset[str]:
        """Returns the tracked paths that cannot be beside these: an example is no folder."""
        asked = list(paths)
        found = {above for above in folders_above(asked) if self.get(above) is not None}
        names = {*(self._base.folders() if self._base else ()), *self._folders}
        tracked = names | folders_above(names)
        for path in asked:
            if path in tracked:
                found.update(self.below(path))
        return frozenset(found.difference(asked))

    def __bool__(self) -> bool:
        """Whether anything is tracked; costs less than `len`."""
        base = self._base.folders() if self._base else ()
        return any(self._folders.values()) or any(name not in self._folders for name in base)

    def __len__(self) -> int:
        if self._base is None:
            return sum(map(len, self._folders.values()))
        loaded = sum(len(page) for page in self._folders.values())
        rest = (f for f in self._base.folders() if f not in self._folders)
        return loaded + sum(len(self._page(self._base, folder)) for folder in rest)

    # --- saving ---

    def go_back(self, position: Position) -> None:
        """Takes an earlier position; with the next `save` it forgets that there was a later one."""
        self.position, self._rewrite = position, True

    @property
    def changed(self) -> bool:
        return bool(self._changes) or self._rewrite or self.position != self._loaded

    def save(self) -> bool:
        """Writes what changed: a log record when it is little, else a new base.

        Call with the stage lock held. Does nothing and returns False when another process has
        moved the index since it was loaded: what is lost is learnt again.
        """
        if not self.changed:
            return True
        if self._moved():
            return False
        disk.make_dirs(os.path.dirname(self._base_path), durable=False)
        record = None
        if self._base is not None and self._log_bytes >= 0 and not self._rewrite:
            record = fmt.encode_record(self.position.to_json(), self._changes)
            if self._log_bytes + len(record) > self._base.size // 4 + 65536:
                record = None
        if record is None:
            folders = {name: self.folder(name) for name in self.folders()}
            data = fmt.encode_base(self.position.to_json(), folders)
            name = os.path.join(self._temporary, f"index-{os.urandom(8).hex()}")
            # Older but whole at every moment, also in a power cut: the log goes before its base.
            if os.path.exists(self._log_path):
                disk.remove(self._log_path)
                disk.sync_dir(os.path.dirname(self._log_path))
            disk.rewrite(self._base_path, data, name, durable=True)
            self._base, self._log_bytes = fmt.Base(data), 0
        else:
            assert self._base is not None
            if not self._log_bytes:
                record = fmt.log_head(self._base.digest) + record
            disk.append(self._log_path, record)
            self._log_bytes += len(record)
        self._changes.clear()
        self._rewrite = False
        self._loaded = self.position
        return True

    def _moved(self) -> bool:
        data = read_file(self._base_path)
        if self._base is None:
            if self.damaged or not data:
                return False
            try:
                fmt.Base(data)
            except (ValueError, KeyError, TypeError):
                return False
            return True
        if not data or data[-32:] != self._base.digest:
            return True
        try:
            size = os.path.getsize(self._log_path)
        except FileNotFoundError:
            size = 0
        return self._log_bytes >= 0 and size != self._log_bytes


def folders_above(paths: Iterable[str]) -> set[str]:
    """Returns every folder on the way to some paths, without the root."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found
