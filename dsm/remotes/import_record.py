"""What was imported from where, in `local/imports`: a line for each file, when it is staged.

Derived, of this copy alone: without it the next import reads everything again, and stages what is
another. A line that was cut off by a crash is passed over.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from blake3 import blake3

from dsm.repo.layout import Layout
from dsm.store import disk
from dsm.store.whole_file import read_file

SUFFIX = ".jsonl"
RECORD_BYTES_MAX = 4 << 30
LINES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Imported:
    """A file as it was imported: its bytes, ETag and time there, and the id of its content."""

    size: int
    etag: str | None
    modified: float | None
    oid: str


@dataclass(frozen=True, slots=True)
class ImportedMember:
    """A member of an archive as it was imported: the path of its example, its bytes, the CRC that
    a zip has of it, and the id of its content; `is_current` is whether the archive has not changed
    since."""

    path: str
    size: int
    crc: int | None
    oid: str
    is_current: bool = True


class ImportRecord:
    """The record of imports from one address into one folder of a dataset."""

    def __init__(self, layout: Layout, dataset: str, url: str, into: str):
        self.url, self.into = url, into
        self.options: dict[str, Any] = {}
        name = blake3("\0".join((dataset, url, into)).encode()).hexdigest()[:32]
        self._path = os.path.join(_folder(layout), name + SUFFIX)
        self.parts_folder = os.path.join(_folder(layout), name + ".parts")
        self._head = {"dataset": dataset, "url": url, "into": into}
        self._files: dict[str, Imported] = {}
        self._archives: dict[str, list[Any]] = {}  # size, ETag and time of the last one begun
        self._members: dict[str, dict[str, ImportedMember]] = {}
        self._begun = False
        for line in _lines(self._path):
            self._begun = True
            if "options" in line and isinstance(line["options"], dict):
                self.options = line["options"]
            elif "file" in line:
                self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        try:
            name = str(line.pop("file"))
            if "begun" in line:
                self._is_begun(name, list(line["begun"]))
            elif "member" in line:
                member = str(line.pop("member"))
                self._members.setdefault(name, {})[member] = ImportedMember(**line)
            else:
                self._files[name] = Imported(**line)
        except TypeError:
            return

    def _is_begun(self, name: str, state: list[Any]) -> None:
        if self._archives.get(name) != state:
            self._archives[name] = state
            held = self._members.get(name, {})
            self._members[name] = {m: replace(e, is_current=False) for m, e in held.items()}

    def begin(self, name: str, size: int, etag: str | None, modified: float | None) -> None:
        """Notes which state of an archive its next members are of."""
        state = [size, etag, modified]
        if self._archives.get(name) != state:
            self._is_begun(name, state)
            self._append([{"file": name, "begun": state}])

    def members(self, name: str) -> dict[str, ImportedMember]:
        """Returns the members of an archive that were imported, by name."""
        return self._members.get(name, {}).copy()

    def add_members(self, name: str, members: Iterable[tuple[str, ImportedMember]]) -> None:
        """Puts members of an archive on record that were staged."""
        found = list(members)
        self._members.setdefault(name, {}).update(found)
        lines = [{"file": name, "member": member, **asdict(each)} for member, each in found]
        for line in lines:
            del line["is_current"]  # which the next `begin` says
        self._append(lines)

    def get(self, name: str) -> Imported | None:
        return self._files.get(name)

    def forget(self) -> None:
        """Has every file be read again."""
        self._files.clear()
        self._members.clear()

    def names(self) -> Iterable[str]:
        return self._files.keys()

    def add(self, files: Iterable[tuple[str, Imported]]) -> None:
        """Puts files on record that were staged."""
        found = list(files)
        self._files.update(found)
        self._append([{"file": name, **asdict(each)} for name, each in found])

    def keep_options(self, options: dict[str, Any]) -> None:
        """Keeps what was asked, for the next time."""
        if options != self.options or not self._begun:
            self.options = options
            self._append([{"options": options}])

    def _append(self, lines: list[dict[str, Any]]) -> None:
        if not self._begun:
            lines = [self._head, *lines]
            disk.make_dirs(os.path.dirname(self._path), durable=False)
            self._begun = True
        text = "".join("\n" + json.dumps(line, ensure_ascii=True) for line in lines)
        disk.append(self._path, text.encode())


def records_of(layout: Layout, dataset: str) -> list[ImportRecord]:
    """Returns the records of all imports into a dataset, sorted by their addresses."""
    found = []
    try:
        names = os.listdir(_folder(layout))
    except FileNotFoundError:
        return []
    for name in sorted(name for name in names if name.endswith(SUFFIX)):
        head = next(_lines(os.path.join(_folder(layout), name)), {})
        if head.get("dataset") == dataset:
            found.append(ImportRecord(layout, dataset, str(head.get("url")), str(head.get("into"))))
    return sorted(found, key=lambda record: (record.url, record.into))


def _folder(layout: Layout) -> str:
    return os.path.join(layout.local, "imports")


def _lines(path: str) -> Iterator[dict[str, Any]]:
    lines = (read_file(path, RECORD_BYTES_MAX) or b"").split(b"\n")
    for start in range(0, len(lines), LINES_AT_ONCE):
        some = [line for line in lines[start : start + LINES_AT_ONCE] if line]
        try:
            # One call for many lines: most of the time of a call goes into the call.
            found: list[Any] = json.loads(b"[" + b",".join(some) + b"]")
        except ValueError:
            found = [_fields(line) for line in some]
        yield from (fields for fields in found if isinstance(fields, dict))


def _fields(line: bytes) -> Any:
    with contextlib.suppress(ValueError):
        return json.loads(line)
    return None
