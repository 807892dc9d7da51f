"""What is remembered of a file to recognise it: one record, for scan, index, add and restore."""

from __future__ import annotations

import errno
import os
import stat

from blake3 import blake3

Stat = tuple[int, int, int, int]  # mtime_ns, ctime_ns, inode, size in bytes


def stat_of(found: os.stat_result) -> Stat:
    """Returns what is remembered of a file that the operating system was asked about."""
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


def file_stat(full: str) -> Stat | None:
    """Returns the stat of a regular file (links followed), None when there is none."""
    try:
        st = os.stat(full)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None
    return stat_of(st) if stat.S_ISREG(st.st_mode) else None


def is_gone(full: str) -> bool:
    """Whether a tracked file is not there any more.

    Raises OSError when nobody can tell: a disk that fails or a folder that may not be entered has
    deleted nothing.
    """
    try:
        return not stat.S_ISREG(os.stat(full).st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the path
        return True
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself
            return True
        raise


def hash_file(full: str) -> bytes | None:
    """Returns the id of a file's content, None when it cannot be read."""
    hasher = blake3()
    try:
        fd = os.open(full, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            while block := os.read(fd, 1 << 22):
                hasher.update(block)
        finally:
            os.close(fd)
    except OSError:
        return None
    return hasher.digest()
