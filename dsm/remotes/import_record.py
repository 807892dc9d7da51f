"""What was imported from where, in `local/imports`: a line for each file, when it is staged.

Derived, of this copy alone: without it the next import reads everything again, and stages what is
another. A line that was cut off by a crash is passed over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from blake3 import blake3

from dsm.repo.layout import Layout
from dsm.store import disk
from dsm.store.whole_file import read_file

SUFFIX = ".jsonl"
RECORD_BYTES_MAX = 4 << 30


@dataclass(frozen=True, slots=True)
class Imported:
    """A file as it was imported: its bytes, ETag and time there, and the id of its content."""

    size: int
    etag: str | None
    modified: float | None
    oid: str


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
            self._files[name] = Imported(**line)
        except TypeError:
            return

    def get(self, name: str) -> Imported | None:
        return self._files.get(name)

    def forget(self) -> None:
        """Has every file be read again."""
        self._files.clear()

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
    for line in (read_file(path, RECORD_BYTES_MAX) or b"").split(b"\n"):
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        if isinstance(fields, dict):
            yield fields
