"""Folders below one root, opened a component at a time and never through a link.

Everything that dsm looks at, writes, renames or removes among files of people is reached this way:
no name in a manifest and no link in a folder leads outside, and neither does a folder that becomes
a link while a command runs. Names are UTF-8 on the disk whatever the locale says, and a path may be
longer than the operating system takes in one piece.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple, Self

from blake3 import blake3

from dsm.files.stat import Stat, stat_of
from dsm.store import disk_at

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Obstructed(NotADirectoryError):
    """A link or a file stands where a folder must be; `path` is its path below the root."""

    def __init__(self, path: str):
        super().__init__(errno.ENOTDIR, "a link or a file is where a folder must be", path)
        self.path = path


class Judged(NamedTuple):
    """What was found at a path when it was decided that it may go.

    With an `oid` that is content which is stored; without one it is this very file, link or pipe.
    """

    kind: int
    inode: int
    size: int
    modified: int  # nanoseconds
    oid: bytes | None = None

    def is_still(self, found: os.stat_result) -> bool:
        """Whether this is what was judged, as far as a stat tells."""
        now = stat.S_IFMT(found.st_mode), found.st_ino, found.st_size, found.st_mtime_ns
        return now == self[:4]


def encoded(name: str) -> bytes:
    """Returns a name as it is on the disk: UTF-8, bytes that are not UTF-8 being carried along."""
    return name.encode("utf-8", "surrogateescape")


def listed(folder: int) -> list[str]:
    """Returns the names in an open folder. Raises OSError."""
    return [os.fsencode(name).decode("utf-8", "surrogateescape") for name in os.listdir(folder)]


def look_at(folder: int, name: bytes) -> os.stat_result | None:
    """Returns what has a name in an open folder, None when nothing has. Raises OSError."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def hash_at(folder: int, name: bytes) -> bytes | None:
    """Returns the id of the content of a regular file, None for what is none or cannot be read."""
    hasher = blake3()
    try:
        fd = os.open(name, _FILE, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            while block := os.read(fd, 1 << 22):
                hasher.update(block)
        finally:
            os.close(fd)
    except OSError:
        return None
    return hasher.digest()


class Entry:
    """What has a path below the root: looked at once, read only when asked."""

    def __init__(self, folders: Folders, path: str, found: os.stat_result):
        self._folders = folders
        self._oid: bytes | None = None
        self.path = path
        self.found = found

    @property
    def stat(self) -> Stat:
        return stat_of(self.found)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.found.st_mode)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.found.st_mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.found.st_mode)

    def hash(self) -> bytes | None:
        """Returns the id of a file's content, None for what is no file or cannot be read."""
        if self._oid is None and self.is_file:
            folder, _, name = self.path.rpartition("/")
            try:
                self._oid = hash_at(self._folders.enter(folder), encoded(name))
            except OSError:
                return None
        return self._oid

    def judged(self, oid: bytes | None = None) -> Judged:
        """Returns what to compare with before it goes; see `Judged`."""
        found = self.found
        kind = stat.S_IFMT(found.st_mode)
        return Judged(kind, found.st_ino, found.st_size, found.st_mtime_ns, oid)


class Folders:
    """The folders below a root; keeps the one that was entered last open.

    A context manager. The root itself is the user's word: it may be a link to a folder.
    """

    def __init__(self, root: str):
        self.root = root
        self._open: tuple[str, int] | None = None
        self._missing: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Closes what is open."""
        if self._open is not None:
            os.close(self._open[1])
            self._open = None

    def enter(self, path: str, *, make: bool = False) -> int:
        """Returns the descriptor of a folder ("" is the root), good until the next call.

        With `make` it is created, and those on the way to it. Raises Obstructed, WriteFailed, and
        OSError, such as FileNotFoundError.
        """
        walked, rest = "", path
        if make:
            self._missing = None
        if self._open is not None:
            near = self._open[0]
            if near == path:
                return self._open[1]
            if near and path.startswith(near + "/"):
                walked, rest = near, path[len(near) + 1 :]
        if walked and self._open is not None:
            fd, self._open = self._open[1], None
        else:
            self.leave()
            fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in rest.split("/") if rest else ():
            walked = f"{walked}/{part}" if walked else part
            try:
                inner = self._step(fd, part, walked, make)
            finally:
                os.close(fd)
            fd = inner
        self._open = (path, fd)
        return fd

    def _step(self, fd: int, part: str, walked: str, make: bool) -> int:
        if part in ("", ".", ".."):
            raise Obstructed(walked)
        name = encoded(part)
        try:
            try:
                return os.open(name, _FOLDER, dir_fd=fd)
            except FileNotFoundError:
                if not make:
                    raise
            disk_at.make_dir(fd, name, f"{self.root}/{walked}")
            return os.open(name, _FOLDER, dir_fd=fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise Obstructed(walked) from error
            raise

    def at(self, path: str, *, make: bool = False) -> tuple[int, bytes]:
        """Returns the open folder that a path lies in, and its name there; raises as `enter`."""
        folder, _, name = path.rpartition("/")
        if name in ("", ".", ".."):
            raise Obstructed(path)
        return self.enter(folder, make=make), encoded(name)

    def look(self, path: str) -> Entry | None:
        """Returns what has a path; None when nothing has, and when its folder is not there.

        Raises Obstructed, and OSError for what cannot be looked at.
        """
        folder = path.rpartition("/")[0]
        if folder == self._missing:
            return None
        self._missing = None
        try:
            found = look_at(*self.at(path))
        except FileNotFoundError:
            self._missing = folder
            return None
        return None if found is None else Entry(self, path, found)

    def is_reachable(self, path: str) -> bool:
        """Whether the way to a path leads through folders alone: no link, no file.

        Folders that are not there are no obstacle.
        """
        try:
            self.enter(path.rpartition("/")[0])
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True
