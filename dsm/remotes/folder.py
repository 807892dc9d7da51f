"""A remote in a folder: of this machine, of a network share, or of a disk that is carried.

A file is written under another name, made durable, and then linked, so that a name never stands for
half a file; of two who create one name, the file system lets one win. Links on the way are refused:
behind one lies what is not of the remote.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from io import FileIO

from dsm.remotes.backend import (
    STREAM_BYTES,
    Backend,
    Entry,
    NotOnRemote,
    RemoteFailed,
    RemoteRefused,
)
from dsm.store import disk, disk_at

TEMPORARY = "tmp"
_MISSING = (errno.ENOENT, errno.ENOTDIR)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class FolderBackend(Backend):
    """Files below one folder, which need not exist until something is written."""

    is_far = False
    uploads_at_once = 3  # while one waits for the disk, others are copied

    def __init__(self, url: str, folder: str):
        super().__init__(url)
        self.folder = folder

    def _path(self, name: str) -> str:
        name = self.checked(name)
        return os.path.join(self.folder, name)

    def read(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        self.count("read")
        path = self._path(name)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise self._told("read", name, error) from error
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise NotOnRemote(f"{self.url} has no file {name}")
            while size is None or size > 0:
                part = os.pread(fd, min(STREAM_BYTES, size or STREAM_BYTES), start)
                if not part:
                    break
                start += len(part)
                size = None if size is None else size - len(part)
                self.received += len(part)
                yield part
        except OSError as error:
            raise self._told("read", name, error) from error
        finally:
            os.close(fd)

    def put(self, name: str, data: bytes) -> None:
        self._write(name, data, replace=True)

    def put_file(self, name: str, path: str) -> None:
        with open(path, "rb", buffering=0) as file:
            self._write(name, file, replace=True)

    def create(self, name: str, data: bytes) -> bool:
        return self._write(name, data, replace=False)

    def _write(self, name: str, content: bytes | FileIO, *, replace: bool) -> bool:
        self.count("write" if replace else "create")
        final = self._path(name)
        temporary = os.path.join(self.folder, TEMPORARY, f"{os.urandom(12).hex()}.new")
        try:
            self._refuse_links(name)
            disk.make_dirs(os.path.dirname(temporary))
            disk.make_dirs(os.path.dirname(final))
            fd = disk.open_new(temporary)
            try:
                if isinstance(content, bytes):
                    disk.write_all(fd, content, temporary)
                    self.sent += len(content)
                else:
                    for size in disk_at.copied(content.fileno(), fd, temporary):
                        self.sent += size
                disk.sync_file(fd, temporary)
            finally:
                os.close(fd)
            if replace:
                disk.replace(temporary, final)
                made = True
            else:
                made = disk.claim(temporary, final)
            disk.sync_dir(os.path.dirname(final))
            return made
        except disk.NotOurs as error:
            disk.discard(temporary)
            raise RemoteRefused(error.message, hint=error.hint) from error
        except disk.WriteFailed as error:
            disk.discard(temporary)
            kind = RemoteRefused if error.errno in _FORBIDDEN else RemoteFailed
            raise kind(error.message, hint=error.hint) from error

    def _refuse_links(self, name: str) -> None:
        above = self.folder
        for part in name.split("/")[:-1]:
            above = os.path.join(above, part)
            if os.path.islink(above):
                raise RemoteFailed(f"{above} is a symbolic link, where a remote has a folder")

    def listing(self, prefix: str) -> Iterator[Entry]:
        self.count("list")
        start = os.path.join(self.folder, prefix) if prefix else self.folder
        yield from self._below(start.rstrip("/"), prefix)

    def named(self, name: str) -> Iterator[Entry]:
        self.count("read")
        try:
            status = os.stat(self._path(name), follow_symlinks=False)
        except OSError as error:
            if error.errno in _MISSING:
                return
            raise self._told("read", name, error) from error
        if stat.S_ISREG(status.st_mode):
            yield Entry(name, status.st_size, status.st_mtime)

    def _below(self, folder: str, prefix: str) -> Iterator[Entry]:
        try:
            with os.scandir(folder) as found:
                entries = list(found)
        except OSError as error:
            if error.errno in _MISSING:
                return
            raise self._told("list", prefix or "it", error) from error
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                if name != TEMPORARY:
                    yield from self._below(entry.path, name + "/")
            elif entry.is_file(follow_symlinks=False):
                try:
                    status = entry.stat(follow_symlinks=False)
                    yield Entry(name, status.st_size, status.st_mtime)
                except FileNotFoundError:
                    continue  # removed in this moment

    def delete(self, name: str) -> None:
        self.count("delete")
        path = self._path(name)
        try:
            self._refuse_links(name)
            disk.remove(path)
            if os.path.isdir(os.path.dirname(path)):
                disk.sync_dir(os.path.dirname(path))
        except disk.WriteFailed as error:
            kind = RemoteRefused if error.errno in _FORBIDDEN else RemoteFailed
            raise kind(error.message, hint=error.hint) from error

    def _told(self, what: str, name: str, error: OSError) -> Exception:
        if error.errno in _MISSING:
            return NotOnRemote(f"{self.url} has no file {name}")
        reason = error.strerror or str(error)
        if error.errno in _FORBIDDEN:
            return RemoteRefused(f"cannot {what} {name} on {self.url}: {reason}")
        return RemoteFailed(f"cannot {what} {name} on {self.url}: {reason}")
