"""Temporary files in folders of people: whose they are, where they lie, what may be removed.

A file that is to take another's place needs a name beside it for a moment. These names are written
down first, in a journal below `.dsm/local/tmp`, and the process that writes it holds a lease. So a
temporary is known by its journal and never by its name: gc removes what journals of dead processes
name, as far as its content is stored, and nothing else. A power cut may take the journal and leave
the file, which is then a file like any other.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace

from dsm.files.folders import Folders, Obstructed, encoded
from dsm.store import disk, disk_at
from dsm.store.lease import Lease

TEMPORARY = ".dsm-restore-"
JOURNAL = "-restore.jsonl"
_NAME = re.compile(re.escape(TEMPORARY) + r"([0-9a-f]{16})-([0-9]{1,15})(\.part)?")
_JOURNAL = re.compile(r"([0-9a-f]{16})" + re.escape(JOURNAL))
PART = ".part"  # not complete yet: nothing but a beginning of what is stored
_LINE_MAX = 1 << 16
_NONSENSE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class Temporaries:
    """Gives out names of temporary files below one root; a context manager.

    The lease is taken out with the first name. Where nothing can be written below `.dsm`, as on a
    read-only disk, there is no journal, and nobody cleans up after a process that is killed.
    """

    def __init__(self, folder: str, root: str):
        self._folder = folder
        self._root = root
        self._lease: Lease | None = None
        self._journal: int | None = None
        self._token = ""
        self._count = 0

    def name(self, path: str, *, part: bool = False) -> str:
        """Returns a name for a file that is to have `path`, to be created in the same folder."""
        if not self._token:
            self._begin()
        self._count += 1
        if self._journal is not None:
            line = json.dumps({"n": self._count, "path": path}) + "\n"
            disk.write_all(self._journal, line.encode(), self._path)
        return f"{TEMPORARY}{self._token}-{self._count}{PART if part else ''}"

    @property
    def _path(self) -> str:
        return os.path.join(self._folder, self._token + JOURNAL)

    def _begin(self) -> None:
        try:
            self._lease = Lease(self._folder)
            self._token = self._lease.token
            self._journal = disk.open_new(self._path)
            line = json.dumps({"root": os.path.abspath(self._root)}) + "\n"
            disk.write_all(self._journal, line.encode(), self._path)
        except disk.Unwritable:
            self.__exit__()
            self._token = os.urandom(8).hex()

    def __enter__(self) -> Temporaries:
        return self

    def __exit__(self, *_: object) -> None:
        if self._journal is not None:
            os.close(self._journal)
            disk.discard(self._path)
            self._journal = None
        if self._lease is not None:
            self._lease.release()
            self._lease = None


def is_temporary(folder: str, name: str) -> bool:
    """Whether a name is that of a temporary file whose journal lies in `folder`."""
    fitting = _NAME.fullmatch(name)
    return fitting is not None and os.path.exists(os.path.join(folder, fitting[1] + JOURNAL))


@dataclass(frozen=True, slots=True)
class Leftover:
    """A temporary file of a process that is dead, in place of which a file was to have `path`."""

    root: str
    path: str
    name: str
    size: int

    @property
    def place(self) -> str:
        """Its own path below the root."""
        lead = self.path.rpartition("/")[0]
        return f"{lead}/{self.name}" if lead else self.name

    @property
    def full(self) -> str:
        return os.path.join(self.root, self.place)

    def may_go(self, stored: Container[bytes]) -> bool:
        """Whether nothing is lost with it: it was never complete, or its content is stored.

        A process that was killed in the very moment of an exchange leaves what it displaced, and
        that may have been saved a moment before.
        """
        if self.name.endswith(PART):
            return True
        with Folders(self.root) as folders, contextlib.suppress(OSError):
            entry = folders.look(self.place)
            oid = None if entry is None else entry.hash()
            return oid is not None and oid in stored
        return False

    def remove(self) -> None:
        """Removes it, if it is still there. Raises WriteFailed."""
        with Folders(self.root) as folders, contextlib.suppress(FileNotFoundError, Obstructed):
            where, name = folders.at(self.place)
            disk_at.remove(where, name, self.full)


def leftovers(folder: str, alive: set[str]) -> Iterator[Leftover]:
    """Yields what dead processes left behind, as their journals in `folder` say."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        fitting = _JOURNAL.fullmatch(name)
        if fitting is not None and fitting[1] not in alive:
            yield from _of_journal(os.path.join(folder, name), fitting[1])


def _of_journal(journal: str, token: str) -> Iterator[Leftover]:
    root, places = _read(journal)
    with Folders(root) as folders:
        for number, path in places:
            for suffix in ("", PART):
                left = Leftover(root, path, f"{TEMPORARY}{token}-{number}{suffix}", 0)
                with contextlib.suppress(OSError):
                    entry = folders.look(left.place)
                    if entry is not None and not entry.is_folder:
                        yield replace(left, size=entry.found.st_size)


def _read(journal: str) -> tuple[str, list[tuple[int, str]]]:
    """Returns the root and the numbered paths of a journal; what cannot be read is left out."""
    root, places = "", []
    with contextlib.suppress(OSError), open(journal, encoding="ascii", errors="replace") as file:
        while line := file.readline(_LINE_MAX):
            with contextlib.suppress(*_NONSENSE):
                fields = json.loads(line)
                if not root:
                    encoded(fields["root"])
                    root = os.path.join("/", fields["root"])
                elif b"\0" not in encoded(fields["path"]):
                    places.append((int(fields["n"]), fields["path"]))
    return root, places if root else []
