"""What `disk` does by path, done in open folders: a name is looked up in a descriptor.

A folder that is renamed, or replaced by a link, after it was opened leads none of these calls
elsewhere. `where` is the folder's descriptor, `name` the bytes of a name in it; `shown` is the
whole path, for errors and for the observer of `disk`.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from dsm.store.disk import SKIP, Unwritable, WriteFailed, before, renameat2, write_all

_NOREPLACE, _EXCHANGE = 1, 2
# How a file system, or the kernel, says that it does not know a flag of renameat2.
_UNKNOWN_FLAG = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
# How it says that it cannot copy by itself from one file to another.
_CANNOT_COPY = (
    errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM,
)  # fmt: skip
COPY_BYTES = 4 << 20
# For a larger write the system looks for larger pages, which may take longer than the copy does.
PART_BYTES = 512 << 10
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def open_new(where: int, name: bytes, mode: int, shown: str) -> int:
    """Creates a file that must not exist yet, and returns its descriptor for writing."""
    try:
        before("create", shown)
        return os.open(name, _NEW, mode, dir_fd=where)
    except OSError as error:
        raise WriteFailed("create", shown, error) from error


def make_read_only(path: str) -> None:
    """Takes the right to write from a file that is whole, before it gets its name."""
    try:
        before("protect", path)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fchmod(fd, 0o444)
        finally:
            os.close(fd)
    except OSError as error:
        raise WriteFailed("protect", path, error) from error


def copied(source: int, target: int, shown: str) -> Iterator[int]:
    """Copies a file to its end into an empty one, by descriptors; yields the bytes of each step.

    The file system copies by itself, where it can. Raises WriteFailed, also when reading fails.
    """
    at, by_itself = 0, hasattr(os, "copy_file_range")
    try:
        while True:
            before("write", shown)
            size = 0
            if by_itself:
                try:
                    size = os.copy_file_range(source, target, COPY_BYTES, at, at)
                except OSError as error:
                    if error.errno not in _CANNOT_COPY:
                        raise
                    by_itself = False
            # Some file systems say that nothing is left where they cannot do it.
            if not size:
                block = os.pread(source, COPY_BYTES, at)
                size = os.pwrite(target, block, at) if block else 0
            if not size:
                return
            at += size
            yield size
    except OSError as error:
        raise WriteFailed("write", shown, error) from error


def write_by_parts(fd: int, data: bytes | memoryview, shown: str) -> None:
    """Writes all of `data`, which may be long. Raises WriteFailed."""
    view = memoryview(data)
    for at in range(0, len(view), PART_BYTES):
        write_all(fd, view[at : at + PART_BYTES], shown)


def open_unnamed(where: int, mode: int, shown: str) -> int | None:
    """Creates a file without a name; None where that is not possible.

    A process that dies leaves nothing of it behind.
    """
    try:
        before("create", shown)
        return os.open(".", os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, mode, dir_fd=where)
    except (AttributeError, IsADirectoryError):
        return None
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOENT):
            return None
        raise WriteFailed("create", shown, error) from error


def give_name(fd: int, where: int, name: bytes, shown: str) -> bool | None:
    """Gives an unnamed file its name.

    True when it was free, False when it is taken; None without /proc, by which the system is told
    of the file.
    """
    try:
        before("link", shown)
        os.link(f"/proc/self/fd/{fd}".encode(), name, dst_dir_fd=where, follow_symlinks=True)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno == errno.ENOENT and not os.path.exists(f"/proc/self/fd/{fd}"):
            return None
        raise WriteFailed("link", shown, error) from error
    return True


def rename_new(where: int, name: bytes, to: int, new: bytes, shown: str) -> bool | None:
    """Renames unless the new name is taken.

    True when it was free, False when it is taken; None where the system cannot look and rename in
    one step.
    """
    try:
        before("rename", shown)
        renameat2(where, name, to, new, _NOREPLACE)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in _UNKNOWN_FLAG:
            return None
        raise WriteFailed("rename", shown, error) from error
    return True


def exchange(where: int, name: bytes, to: int, other: bytes, shown: str) -> bool:
    """Lets two names change places; False where the system cannot do that.

    Raises WriteFailed; `errno` ENOENT when one of them is gone.
    """
    try:
        before("rename", shown)
        renameat2(where, name, to, other, _EXCHANGE)
    except OSError as error:
        if error.errno in _UNKNOWN_FLAG:
            return False
        raise WriteFailed("rename", shown, error) from error
    return True


def replace(where: int, name: bytes, to: int, new: bytes, shown: str) -> None:
    """Renames over whatever has the new name."""
    try:
        if before("rename", shown) is not SKIP:
            os.replace(name, new, src_dir_fd=where, dst_dir_fd=to)
    except OSError as error:
        raise WriteFailed("rename", shown, error) from error


def remove(where: int, name: bytes, shown: str) -> None:
    """Removes a file; one that is gone already is fine."""
    try:
        if before("remove", shown) is not SKIP:
            os.unlink(name, dir_fd=where)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise WriteFailed("remove", shown, error) from error


def discard(where: int, name: bytes, shown: str) -> None:
    """Removes a temporary file if it can; what stays is removed by gc."""
    with contextlib.suppress(WriteFailed):
        remove(where, name, shown)


def make_dir(where: int, name: bytes, shown: str) -> bool:
    """Creates a folder; False when it exists. Not synced."""
    try:
        before("create folder", shown)
        os.mkdir(name, dir_fd=where)
    except FileExistsError:
        return False
    except OSError as error:
        raise WriteFailed("create folder", shown, error) from error
    return True


def remove_dir(where: int, name: bytes, shown: str) -> bool:
    """Removes a folder if it is empty; True when it is gone."""
    try:
        if before("remove folder", shown) is SKIP:
            return False
        os.rmdir(name, dir_fd=where)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY, errno.ENOTDIR):
            return False
        raise WriteFailed("remove folder", shown, error) from error
    return True


def mark_used(path: str) -> None:
    """Sets when a derived file was last changed to now: it was used. Where that cannot be, nothing.

    For files that are removed by their last use.
    """
    with contextlib.suppress(OSError, *Unwritable):
        if before("mark", path) is not SKIP:
            os.utime(path, follow_symlinks=False)
