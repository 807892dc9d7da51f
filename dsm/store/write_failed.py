"""What it means that the system did not do what was asked: for people, and for callers."""

from __future__ import annotations

import errno
import os

from dsm.errors import Refused, StorageFailed

_SPACE = (errno.ENOSPC, errno.EDQUOT)
_MAY_NOT = (errno.EROFS, errno.EACCES, errno.EPERM)


class WriteFailed(StorageFailed):
    """A write, sync, rename or removal did not happen.

    `errno` is the operating system's number; `not_allowed` whether nothing can be written there:
    the file system is read-only, or belongs to another user.
    """

    code = "write-failed"

    def __init__(self, operation: str, path: str, error: OSError):
        cause = _cause(path, error)
        message = f"cannot {operation} {shown(path)}: {cause.strerror or cause}"
        super().__init__(message, hint=hint_for(cause.errno))
        self.errno = error.errno
        self.not_allowed = cause.errno in _MAY_NOT


class Busy(StorageFailed):
    """Another process holds what has to be had alone, and does not let go."""

    code = "busy"

    def __init__(self, path: str):
        super().__init__(
            f"another command holds {shown(path)} and does not let go",
            hint="is it stopped? `fuser -v` with that path names it; nothing was recorded",
        )


class NotOurs(Refused):
    """The repository belongs to another user: it is read, and nothing is written or run for it."""

    code = "not-ours"

    def __init__(self, folder: str, owner: int):
        super().__init__(
            f"{shown(folder)} belongs to another user (uid {owner}): dsm reads it, and neither"
            " writes there nor runs its queries",
            hint="if you trust whoever fills it: export DSM_SAFE_DIRECTORY="
            + shown(os.path.dirname(folder)),
        )


# What keeps from being written what can be done without: a cache, an index, a leftover.
Unwritable = (WriteFailed, NotOurs)


def _cause(path: str, error: OSError) -> OSError:
    """Returns why a folder on the way is missing, where that is why a file cannot be made."""
    if error.errno != errno.ENOENT or not os.path.isabs(path):
        return error
    above = os.path.dirname(path)
    while not os.path.isdir(above) and above != "/":
        above = os.path.dirname(above)
    try:
        if os.statvfs(above).f_flag & os.ST_RDONLY:
            return OSError(errno.EROFS, os.strerror(errno.EROFS))
    except OSError:
        return error
    if not os.access(above, os.W_OK):
        return OSError(errno.EACCES, os.strerror(errno.EACCES))
    return error


def hint_for(number: int | None) -> str | None:
    """Returns what to do about an error of the operating system; None when nobody can say."""
    if number in _SPACE:
        return "free some space (`dsm gc --prune` removes what nothing refers to) and try again"
    if number == errno.EROFS:
        return "the file system is read-only; reading commands still work"
    if number in _MAY_NOT:
        return "check the owner and the permissions of this path"
    if number in (errno.EMFILE, errno.ENFILE):
        return "close other programs, or raise `ulimit -n`"
    if number == errno.EFBIG:
        return "no file may be that large here: use another file system, or raise `ulimit -f`"
    return None


def shown(path: str) -> str:
    """Returns a path for a message; what is not UTF-8 is escaped."""
    return path.encode("utf-8", "backslashreplace").decode()
