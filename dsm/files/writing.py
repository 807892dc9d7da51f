"""Writing one example as a file: complete under its name or not at all, and nothing else replaced.

A file gets a free name by a link or a rename that fails if the name is taken. To take the place of
a file that may go, the two change places in one step; then what was displaced is compared with what
was judged, and put back if it is anything else. So a file that appears or is saved while dsm writes
keeps its name, however late that happens. Where the system cannot exchange names, the
comparison comes just before the rename, and a save in between is lost.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from typing import Protocol

from dsm.errors import Conflict, DamagedData, DsmError, StorageFailed
from dsm.files.folders import Folders, Judged, Obstructed, hash_at, look_at
from dsm.files.stat import Stat, stat_of
from dsm.files.temporaries import Temporaries
from dsm.model.names import printable
from dsm.store import disk, disk_at

FILE_MODE = 0o666
MOVE_AWAY = "move it away, or restore --to another folder"

# Path, object id, size in bytes, and what may be displaced; None where nothing may be.
File = tuple[str, bytes, int, Judged | None]
# What became of a file: None when something that nobody judged has its name, and keeps it.
Done = tuple[str, Stat | None]


class UnsafeTarget(Conflict):
    """Something in the target (a link, a file) stands where a folder must be, or the reverse."""

    code = "unsafe-target"


def not_a_folder(root: str, path: str) -> UnsafeTarget:
    """Returns the error for what stands on the way to files below `root`."""
    return UnsafeTarget(
        f"{printable(root + '/' + path)} is a link or a file where a folder must be; nothing is"
        " written through it",
        hint=MOVE_AWAY,
    )


class Content(Protocol):
    """Where the content of files comes from: an object store, or what serves as one."""

    temporary: str

    def read_many(self, oids: Iterable[bytes]) -> Iterator[tuple[bytes, bytes | None]]:
        """Yields the content of each object; None of one that is read by `stream`."""
        ...

    def stream(self, oid: bytes) -> Iterator[bytes]:
        """Yields the content of an object in pieces."""
        ...


class Writer:
    """Writes files below one folder; a context manager."""

    def __init__(self, root: str, store: Content):
        self._root = root
        self._store = store
        self._folders = Folders(root)
        self._temporaries = Temporaries(store.temporary, root)
        self._unnamed = True  # whether a file can be made without a name, and get one later
        umask = os.umask(0)
        os.umask(umask)
        self._mode = FILE_MODE & ~umask

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._folders.leave()
        self._temporaries.__exit__()

    def write(self, files: list[File]) -> Iterator[list[Done]]:
        """Writes all files, in the order in which their content lies in the packs."""
        by_oid: dict[bytes, list[File]] = {}
        for file in files:
            by_oid.setdefault(file[1], []).append(file)
        done: list[Done] = []
        for oid, data in self._store.read_many(by_oid):
            for file in by_oid[oid]:
                done.append((file[0], self._write(file, data)))
            if len(done) >= 512:
                yield done
                done = []
        yield done

    def _write(self, file: File, data: bytes | None) -> Stat | None:
        path, _, _, judged = file
        try:
            where, name = self._folders.at(path, make=True)
            if judged is None:
                return self._in_free_place(file, data, where, name)
            return self._in_place_of(judged, file, data, where, name)
        except disk.WriteFailed as error:
            raise _named(error, path) from error
        except Obstructed as error:
            raise not_a_folder(self._root, error.path) from error
        except OSError as error:
            raise StorageFailed(f"cannot open {printable(path)}: {error.strerror}") from error

    # --- content ---------------------------------------------------------------------------

    def _fill(self, fd: int, file: File, data: bytes | None) -> None:
        path, oid, size, _ = file
        length = 0
        for piece in self._store.stream(oid) if data is None else (data,):
            length += len(piece)
            if length > size:
                break
            if piece:
                disk.write_all(fd, piece, path)
        if length != size:
            raise DamagedData(f"{printable(path)} has {length} bytes, its changeset says {size}")

    def _with_content(self, file: File, data: bytes | None, where: int) -> int | None:
        """Returns the descriptor of a complete file without a name, None if that is impossible."""
        if not self._unnamed:
            return None
        fd = disk_at.open_unnamed(where, self._mode, file[0])
        if fd is None:
            self._unnamed = False
            return None
        try:
            self._fill(fd, file, data)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _beside(self, file: File, data: bytes | None, where: int) -> bytes:
        """Writes a file under a temporary name, by which it is known to be unfinished."""
        name = self._temporaries.name(file[0], part=True).encode()
        fd = disk_at.open_new(where, name, self._mode, file[0])
        try:
            try:
                self._fill(fd, file, data)
            finally:
                os.close(fd)
        except BaseException:
            disk_at.discard(where, name, file[0])
            raise
        return name

    # --- names -----------------------------------------------------------------------------

    def _in_free_place(
        self, file: File, data: bytes | None, where: int, name: bytes
    ) -> Stat | None:
        """Gives a file a name that nothing had when that was decided."""
        path, oid, _, _ = file
        fd = self._with_content(file, data, where)
        if fd is not None:
            try:
                named = disk_at.give_name(fd, where, name, path)
                if named:
                    return stat_of(os.fstat(fd))
            finally:
                os.close(fd)
            if named is False:
                return _if_equal(where, name, oid)
            self._unnamed = False
        temporary = self._beside(file, data, where)
        try:
            return _give(where, temporary, name, file)
        finally:
            disk_at.discard(where, temporary, path)

    def _in_place_of(
        self, judged: Judged, file: File, data: bytes | None, where: int, name: bytes
    ) -> Stat | None:
        """Lets a file take the place of one that may go."""
        path, oid = file[:2]
        temporary = self._complete_beside(file, data, where)
        keep = True  # until it is known that ours, or what may go, has the temporary name
        try:
            ours = _stat_at(where, temporary)
            try:
                exchanged = disk_at.exchange(where, temporary, where, name, path)
            except disk.WriteFailed as error:
                keep = False
                if error.errno == errno.ENOENT:  # what was there has gone: the place is free
                    return _give(where, temporary, name, file)
                raise
            if exchanged:
                keep = not _may_go(where, temporary, judged, oid)
                if keep:
                    keep = not self._put_back(where, temporary, name, path, ours)
                    return None
                return _ours_at(where, name, ours)
            keep = False
            if not _may_go(where, name, judged, oid):
                return None
            disk_at.replace(where, temporary, where, name, path)
            return _ours_at(where, name, ours)
        finally:
            if not keep:
                disk_at.discard(where, temporary, path)

    def _put_back(self, where: int, temporary: bytes, name: bytes, path: str, ours: Stat) -> bool:
        """Gives what nobody judged its name back; False when the temporary name has not ours."""
        try:
            disk_at.exchange(where, temporary, where, name, path)
        except disk.WriteFailed as error:
            folder = path.rpartition("/")[0]
            lies = os.path.join(self._root, folder, temporary.decode())
            raise StorageFailed(
                f"{printable(path)} was saved while it was being replaced, and cannot be put back",
                hint=f"what was saved is {printable(lies)}",
            ) from error
        # Whoever saved once may have saved again, and then it is that which came out.
        back = look_at(where, temporary)
        return back is None or back.st_ino == ours[2]

    def _complete_beside(self, file: File, data: bytes | None, where: int) -> bytes:
        """Writes a file under a temporary name, which it has only when it is complete."""
        path = file[0]
        fd = self._with_content(file, data, where)
        if fd is not None:
            try:
                name = self._temporaries.name(path).encode()
                if disk_at.give_name(fd, where, name, path):
                    return name
            finally:
                os.close(fd)
            self._unnamed = False
        part = self._beside(file, data, where)
        name = self._temporaries.name(path).encode()
        try:
            disk_at.replace(where, part, where, name, path)
        except BaseException:
            disk_at.discard(where, part, path)
            raise
        return name


def _give(where: int, temporary: bytes, name: bytes, file: File) -> Stat | None:
    """Renames a temporary file to a free name; what has taken it meanwhile keeps it."""
    path, oid = file[:2]
    ours = _stat_at(where, temporary)
    done = disk_at.rename_new(where, temporary, where, name, path)
    if done is None and look_at(where, name) is None:
        disk_at.replace(where, temporary, where, name, path)
        done = True
    return _ours_at(where, name, ours) if done else _if_equal(where, name, oid)


def _may_go(where: int, name: bytes, judged: Judged, wanted: bytes) -> bool:
    """Whether what has a name is what was judged; its content decides where that is known.

    The times of a file do not tell of what a program writes through a memory map.
    """
    with contextlib.suppress(OSError):
        found = look_at(where, name)
        if found is None or (judged.oid is None and judged.is_still(found)):
            return True
        if stat.S_ISREG(found.st_mode):
            return hash_at(where, name) in (judged.oid or wanted, wanted)
    return False


def _if_equal(where: int, name: bytes, wanted: bytes) -> Stat | None:
    """Returns the stat of what somebody else has put in place, if it is what was wanted."""
    with contextlib.suppress(OSError):
        before = look_at(where, name)
        if before is not None and stat.S_ISREG(before.st_mode):
            return stat_of(before) if hash_at(where, name) == wanted else None
    return None


def _stat_at(where: int, name: bytes) -> Stat:
    return stat_of(os.stat(name, dir_fd=where, follow_symlinks=False))


def _ours_at(where: int, name: bytes, ours: Stat) -> Stat:
    """Returns the stat of a file after its rename, which changes the ctime.

    Should another have the name by now, ours as it was: it fits no file that is there.
    """
    found = look_at(where, name)
    if found is None or (found.st_mtime_ns, found.st_ino, found.st_size) != (ours[0], *ours[2:]):
        return ours
    return stat_of(found)


def _named(error: disk.WriteFailed, path: str) -> DsmError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in (errno.EISDIR, errno.ENOTEMPTY):
        return UnsafeTarget(f"{printable(path)} is a folder where a file must be", hint=MOVE_AWAY)
    return StorageFailed(
        f"cannot write {printable(path)}: {reason}",
        hint="files written so far are complete; run the command again to go on",
    )
