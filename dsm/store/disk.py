"""Every change that dsm makes to a disk: this module and `disk_at` alone write, rename or remove.

Writing in one place lets tests make each single call fail, fall short or never return
(`observe`), and lets one page (docs/format/index.md) state the write order. The invariant: no
function here reports success before the operating system did, and an OSError leaves as
`WriteFailed`, which names the operation and the path.

Not covered: reads, and the writes of other programs in the work tree.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from dsm.store.write_failed import Busy as Busy
from dsm.store.write_failed import NotOurs as NotOurs
from dsm.store.write_failed import Unwritable as Unwritable
from dsm.store.write_failed import WriteFailed as WriteFailed
from dsm.store.write_failed import shown

_DIRECT = getattr(os, "O_DIRECT", 0)

# How long anybody waits for a lock by default, and when it is said; in seconds.
PATIENCE, SILENCE = 600.0, 2.0

# Called before each primitive with (operation, path). It may raise OSError (the call fails), or
# return a number of bytes (a write falls short), or SKIP (the call is not made). Tests only.
Observer = Callable[[str, str], object]
SKIP = object()
_observer: Observer | None = None
# Folders below which nothing is changed: what is told to those who try.
_others: dict[str, Callable[[], NotOurs]] = {}


@contextlib.contextmanager
def observe(observer: Observer) -> Iterator[None]:
    """Lets a test see, fail or skip every primitive while the block runs."""
    global _observer
    before, _observer = _observer, observer
    try:
        yield
    finally:
        _observer = before


def leave_alone(folder: str, refusal: Callable[[], NotOurs] | None) -> None:
    """From now on refuses every change below a folder by what this returns; None: allows them."""
    _others.pop(folder, None)
    if refusal is not None:
        _others[folder] = refusal


def before(operation: str, path: str) -> object:
    """Lets the observer see, fail or skip the primitive that comes next.

    Raises NotOurs below a folder that is left alone.
    """
    for folder, refusal in _others.items():
        if path == folder or path.startswith(folder + "/"):
            raise refusal()
    return None if _observer is None else _observer(operation, path)


# --- files -----------------------------------------------------------------------------------


def open_new(path: str, mode: int = 0o644) -> int:
    """Creates a file that must not exist yet, and returns its descriptor for writing.

    Raises WriteFailed; `errno` EEXIST when the name is taken, also by a link.
    """
    try:
        before("create", path)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(path, flags, mode)
    except OSError as error:
        raise WriteFailed("create", path, error) from error


def open_kept(path: str, keep: int) -> int:
    """Opens a file of our own again, cuts it to `keep` bytes, and writes go on after them."""
    try:
        before("cut", path)
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        os.ftruncate(fd, keep)
        os.lseek(fd, keep, os.SEEK_SET)
        return fd
    except OSError as error:
        raise WriteFailed("cut", path, error) from error


def write_all(fd: int, data: bytes | bytearray | memoryview, path: str) -> None:
    """Writes all of `data`: a short write is continued, never ignored."""
    view = memoryview(data)
    try:
        while view:
            allowed = before("write", path)
            if isinstance(allowed, int):
                view = view[os.write(fd, view[:allowed]) :]
            elif allowed is SKIP:
                return
            else:
                view = view[os.write(fd, view) :]
    except OSError as error:
        raise WriteFailed("write", path, error) from error


def sync_file(fd: int, path: str) -> None:
    """Makes the bytes of a file durable. A failure is final: the file must be abandoned."""
    try:
        if before("fsync", path) is not SKIP:
            os.fsync(fd)
    except OSError as error:
        raise WriteFailed("fsync", path, error) from error


def sync_dir(path: str) -> None:
    """Makes the names in a folder durable."""
    try:
        if before("fsync folder", path) is SKIP:
            return
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise WriteFailed("fsync folder", path, error) from error


def close(fd: int, path: str) -> None:
    """Closes a written file; a late error (network file systems) is an error."""
    try:
        before("close", path)
        os.close(fd)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.close(fd)
        raise WriteFailed("close", path, error) from error


def write_new(path: str, data: bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Creates `path` with these bytes; durable (file, not name) when it returns."""
    fd = open_new(path, mode)
    try:
        write_all(fd, data, path)
        if durable:
            sync_file(fd, path)
    except BaseException:
        os.close(fd)
        discard(path)
        raise
    close(fd, path)


def widen_pipe(fd: int, size: int) -> None:
    """Lets a pipe hold so many bytes, where the system lets this user do that."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, size)


def pass_cache(fd: int) -> bool:
    """Lets writes of whole aligned pages bypass the page cache; False where that is impossible.

    Never under an observer: it is to see every write when it happens.
    """
    if _observer is not None or not _DIRECT:
        return False
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | _DIRECT)
    except OSError:
        return False  # tmpfs and some network file systems
    return True


def use_cache(fd: int) -> None:
    """Ends what `pass_cache` began: writes of any size are possible again."""
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) & ~_DIRECT)


def write_pages(fd: int, runs: Sequence[memoryview], path: str) -> None:
    """Writes runs of whole aligned pages to a file that `pass_cache` was asked for; unobserved."""
    left = deque(runs)
    try:
        while left:
            try:
                count = os.writev(fd, left)
            except OSError as error:
                # Some file systems take the flag and then want another alignment than a page.
                if error.errno != errno.EINVAL:
                    raise
                use_cache(fd)
                count = os.writev(fd, left)
            while left and count >= len(left[0]):
                count -= len(left.popleft())
            if count:
                left[0] = left[0][count:]
    except OSError as error:
        raise WriteFailed("write", path, error) from error


# --- names -----------------------------------------------------------------------------------


def claim(temporary: str, final: str) -> bool:
    """Gives a finished file its final name unless that name is taken; True when it was free.

    A hard link either creates the name or fails with EEXIST, on every POSIX file system, so two
    claimants cannot both win. The temporary name is removed either way. The caller syncs the
    folder.
    """
    try:
        before("link", final)
        os.link(temporary, final, follow_symlinks=False)
        won = True
    except FileExistsError:
        won = False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
            raise WriteFailed("link", final, error) from error
        won = _rename_new(temporary, final)
        if won:
            return True
    discard(temporary)
    return won


def _rename_new(temporary: str, final: str) -> bool:
    """Claims a name on file systems without hard links: renameat2 with RENAME_NOREPLACE."""
    try:
        renameat2(-100, os.fsencode(temporary), -100, os.fsencode(final), 1)
    except FileExistsError:
        return False
    except OSError as error:
        raise WriteFailed("rename", final, error) from error
    return True


def renameat2(from_fd: int, source: bytes, to_fd: int, target: bytes, flags: int) -> None:
    """Calls renameat2, which Python does not know; -100 is the current folder. Raises OSError."""
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, "no way to create a name exclusively here")
    if call(from_fd, source, to_fd, target, flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def link(path: str, name: str) -> None:
    """Gives a file that never changes a second name, which must be free. The caller syncs."""
    try:
        before("link", name)
        os.link(path, name, follow_symlinks=False)
    except OSError as error:
        raise WriteFailed("link", name, error) from error


def exchange(path: str, other: str) -> None:
    """Lets two folders change names in one step; WriteFailed where there is no such step."""
    try:
        if before("exchange", other) is not SKIP:
            renameat2(-100, os.fsencode(path), -100, os.fsencode(other), 2)
    except OSError as error:
        raise WriteFailed("exchange", other, error) from error


def replace(temporary: str, final: str) -> None:
    """Renames over whatever has the name: only for derived files, settings and the work tree."""
    try:
        if before("rename", final) is not SKIP:
            os.replace(temporary, final)
    except OSError as error:
        raise WriteFailed("rename", final, error) from error


def remove(path: str) -> None:
    """Removes a file; one that is gone already is fine."""
    try:
        if before("remove", path) is not SKIP:
            os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise WriteFailed("remove", path, error) from error


def discard(path: str) -> None:
    """Removes a temporary file if it can; what stays is removed by gc."""
    with contextlib.suppress(*Unwritable):
        remove(path)


def _is_shared(folder: str) -> bool:
    """Whether a folder is one that a group works in, so that what is made in it shall be, too."""
    mode = os.stat(folder).st_mode
    return bool(mode & stat.S_ISGID and mode & stat.S_IWGRP)


def make_dir(path: str, *, mode: int = 0o777, durable: bool = True) -> bool:
    """Creates one folder; False when it exists. Its name is durable when this returns.

    In a folder that a group works in (set-group-ID, and the group may write) it is such a one, too,
    whatever the umask.
    """
    try:
        before("create folder", path)
        os.mkdir(path, mode)
        if mode & stat.S_IWGRP and _is_shared(os.path.dirname(path) or "."):
            os.chmod(path, os.stat(path).st_mode | stat.S_ISGID | stat.S_IRWXG)
        made = True
    except FileExistsError:
        made = False
    except OSError as error:
        raise WriteFailed("create folder", path, error) from error
    if durable:
        # Also when it exists: who made it may have died, or not yet come to its sync.
        sync_dir(os.path.dirname(path) or ".")
    return made


def make_dirs(path: str, *, mode: int = 0o777, durable: bool = True) -> None:
    """Creates a folder and those of its parents that are not there."""
    parent = os.path.dirname(path)
    if parent and parent != path and not os.path.isdir(parent):
        make_dirs(parent, mode=mode, durable=durable)
    make_dir(path, mode=mode, durable=durable)


def remove_dir(path: str) -> bool:
    """Removes a folder if it is empty; True when it is gone."""
    try:
        if before("remove folder", path) is SKIP:
            return False
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY, errno.ENOTDIR):
            return False
        raise WriteFailed("remove folder", path, error) from error
    return True


def remove_tree(path: str) -> None:
    """Removes a folder of the repository and what is in it, links as links; or a file, or a link.

    What is gone already is fine. Raises WriteFailed.
    """
    for above, folders, files in () if os.path.islink(path) else os.walk(path, topdown=False):
        for name in (*files, *folders):
            inner = os.path.join(above, name)
            if name in files or os.path.islink(inner):
                remove(inner)
            else:
                remove_dir(inner)
    if os.path.lexists(path):
        remove_dir(path) if os.path.isdir(path) and not os.path.islink(path) else remove(path)


def remove_empty(root: str, folders: Iterable[str]) -> None:
    """Removes those of the folders below `root` that are empty, and parents that this empties.

    A courtesy to whoever looks at the folder: one that stays is no failure.
    """
    for folder in sorted(set(folders), key=len, reverse=True):
        with contextlib.suppress(*Unwritable):
            while folder and remove_dir(os.path.join(root, folder)):
                folder = os.path.dirname(folder)


def rename_away(path: str, target: str) -> bool:
    """Gives a file, or a folder, another name where nothing is; False when it is gone already.

    For packs that gc condemned, and for all that a dataset has. The caller syncs the folders.
    """
    try:
        before("rename", target)
        os.rename(path, target)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise WriteFailed("rename", target, error) from error
    return True


# --- files of the work tree, and derived files --------------------------------------------------


def append(path: str, data: bytes) -> None:
    """Appends to a derived file with one write; not synced."""
    try:
        before("append", path)
        # Neither through a link nor into a pipe, should one lie there.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        fd = os.open(path, flags | os.O_CLOEXEC, 0o644)
        if not os.fstat(fd).st_size and _is_shared(os.path.dirname(path) or "."):
            with contextlib.suppress(PermissionError):
                os.fchmod(fd, 0o664)
    except OSError as error:
        raise WriteFailed("append to", path, error) from error
    size = os.fstat(fd).st_size
    try:
        write_all(fd, data, path)
    except WriteFailed:
        # Half a record must not stay: what follows it could not be read.
        with contextlib.suppress(OSError):
            os.ftruncate(fd, size)
        raise
    finally:
        os.close(fd)


def rewrite(
    path: str, data: bytes, temporary: str, *, mode: int = 0o644, durable: bool = False
) -> None:
    """Replaces a derived file or a settings file in one step: the old one or the new one."""
    write_new(temporary, data, mode=mode, durable=durable)
    try:
        replace(temporary, path)
    except WriteFailed:
        discard(temporary)
        raise
    if durable:
        sync_dir(os.path.dirname(path))


# --- locks -------------------------------------------------------------------------------------


def lock(path: str, *, exclusive: bool, patience: float | None = None) -> int | None:
    """Takes a flock on a file and returns its descriptor; None when it stays busy.

    Locks only save work: no promise of dsm depends on one being honoured. So nobody waits for ever
    for a process that was stopped while it held one (`patience` seconds, or PATIENCE), and nobody
    waits long without a word. flock and not fcntl locks, because those vanish when any descriptor
    of the file is closed.
    """
    try:
        before("lock", path)
        # Not blocking: a pipe in the place of a lock file must not hang us.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            fd = os.open(path, flags)
        except FileNotFoundError:  # a lock file holds nothing: a lost one is made anew
            fd = os.open(path, flags | os.O_CREAT, 0o644)
    except OSError as error:
        raise WriteFailed("lock", path, error) from error
    how = (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB
    try:
        if _taken(fd, how, path, PATIENCE if patience is None else patience):
            return fd
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            return fd  # a file system without locks: go on, the protocol does not need them
        os.close(fd)
        raise WriteFailed("lock", path, error) from error
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _taken(fd: int, how: int, path: str, patience: float) -> bool:
    """Tries again and again, less and less often."""
    waited, step, silent = 0.0, 0.001, True
    while True:
        try:
            fcntl.flock(fd, how)
            return True
        except BlockingIOError:
            if waited >= patience:
                return False
        step = min(step, patience - waited)
        time.sleep(step)
        waited, step = waited + step, min(2 * step, 0.05)
        if silent and waited >= SILENCE:
            import logging

            logging.getLogger(__name__).warning(
                "waiting for another command, which holds %s (a stopped one? `fuser -v` names it)",
                shown(path),
            )
            silent = False


def unlock(fd: int) -> None:
    """Releases a lock; closing does it."""
    with contextlib.suppress(OSError):
        os.close(fd)
