"""Writing examples back to files: a plan that is checked whole, then its performance.

Unsaved work is never overwritten without `force`, and that is decided before the first byte is
written. Every file appears under its name complete or not at all. Folders are opened one component
at a time, never through a link, so that no name in a manifest and no link in the target can lead
outside.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dsm.errors import Conflict, DsmError, StorageFailed
from dsm.model.example import Example
from dsm.model.names import check_path, printable
from dsm.progress import SILENT, Progress
from dsm.store import disk
from dsm.store.fork import run_in_workers
from dsm.store.objects import ObjectStore
from dsm.worktree.scan import Stat
from dsm.worktree.status import file_stat, hash_file

TEMPORARY = ".dsm-restore-"
WORKER_FILES = 2000
FILE_MODE = 0o666


class UnsavedWork(Conflict):
    """Files in the way hold content that is in no changeset and not staged."""

    code = "unsaved-work"


class UnsafeTarget(Conflict):
    """Something in the target (a link, a file) stands where a folder must be."""

    code = "unsafe-target"


@dataclass(slots=True)
class RestorePlan:
    """Files to write below `target`; `same` are there already, `in_the_way` are unsaved."""

    target: str
    write: list[Example] = field(default_factory=list)
    same: list[tuple[str, Stat]] = field(default_factory=list)
    in_the_way: list[Example] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)


def plan(
    target: str,
    examples: Iterable[Example],
    *,
    saved: dict[str, Stat | None],
    remove: Iterable[str] = (),
) -> RestorePlan:
    """Decides what to write. `saved` maps paths whose file is known to hold stored content to its
    stat; their files may be replaced, others only if they hold what is wanted already."""
    result = RestorePlan(target)
    empty = not os.path.isdir(target) or not os.listdir(target)
    for example in examples:
        check_path(example.path)
        full = target + "/" + example.path
        if empty or not os.path.lexists(full):
            result.write.append(example)
            continue
        st = file_stat(full)
        if st is None or os.path.islink(full):
            result.in_the_way.append(example)
        elif saved.get(example.path) == st:
            result.write.append(example)
        elif st[3] == example.size and hash_file(full) == example.oid:
            result.same.append((example.path, st))
        else:
            result.in_the_way.append(example)
    for path in remove:
        st = file_stat(target + "/" + path)
        if st is not None and saved.get(path) == st:
            result.remove.append(path)
    return result


def refuse_unsaved(planned: RestorePlan) -> None:
    """Raises UnsavedWork when something would be lost."""
    if planned.in_the_way:
        count = len(planned.in_the_way)
        raise UnsavedWork(
            f"{count} file{'s' * (count > 1)} would be overwritten, with content that is in no changeset",
            hint="`dsm add` and `dsm commit` them first, or give --force to lose them",
            items=tuple(example.path for example in planned.in_the_way),
        )


def perform(
    planned: RestorePlan,
    store: ObjectStore,
    *,
    force: bool,
    workers: int,
    progress: Progress = SILENT,
) -> dict[str, Stat]:
    """Writes the planned files; returns the stat of each. Raises UnsafeTarget, StorageFailed."""
    disk.make_dirs(planned.target, durable=False)
    examples = planned.write + (planned.in_the_way if force else [])
    progress.start("restoring", len(examples), sum(example.size for example in examples))
    result: dict[str, Stat] = {}
    parts = _split(examples, workers)
    if len(parts) > 1:
        store.refresh()
        jobs = [_Job(planned.target, store, part) for part in parts]
        for message in run_in_workers(jobs):
            assert isinstance(message, list)
            for path, st in message:
                result[path] = st
            progress.advance(len(message), sum(st[3] for _, st in message))
    else:
        for part in _Writer(planned.target, store).write(examples):
            result.update(part)
            progress.advance(len(part), sum(st[3] for _, st in part))
    _remove(planned)
    progress.finish()
    return result


def _split(examples: list[Example], workers: int) -> list[list[Example]]:
    """Shares the files out by folder, so that two workers seldom want the same one."""
    if workers < 2 or len(examples) < WORKER_FILES:
        return [examples]
    goal = len(examples) / workers
    parts: list[list[Example]] = [[]]
    last = ""
    for example in examples:
        folder = example.path.rpartition("/")[0]
        if len(parts[-1]) >= goal and folder != last and len(parts) < workers:
            parts.append([])
        parts[-1].append(example)
        last = folder
    if len(parts) == 1:  # one large folder
        step = -(-len(examples) // workers)
        parts = [examples[at : at + step] for at in range(0, len(examples), step)]
    return parts


class _Job:
    """One worker's share."""

    def __init__(self, target: str, store: ObjectStore, examples: list[Example]):
        self.target, self.store, self.examples = target, store, examples

    def __call__(self) -> Iterator[list[tuple[str, Stat]]]:
        yield from _Writer(self.target, self.store).write(self.examples)


class _Writer:
    """Writes files below one folder, through descriptors of the folders on the way."""

    def __init__(self, target: str, store: ObjectStore):
        self.target = target
        self.store = store
        self._open: tuple[str, int] | None = None
        self._count = 0
        self._token = os.urandom(6).hex()
        umask = os.umask(0)
        os.umask(umask)
        self._mode = FILE_MODE & ~umask

    def write(self, examples: list[Example]) -> Iterator[list[tuple[str, Stat]]]:
        by_oid: dict[bytes, list[Example]] = {}
        for example in examples:
            by_oid.setdefault(example.oid, []).append(example)
        done: list[tuple[str, Stat]] = []
        try:
            for oid, data in self.store.read_many(by_oid):
                for example in by_oid[oid]:
                    done.append((example.path, self._file(example, data)))
                if len(done) >= 512:
                    yield done
                    done = []
            yield done
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._open is not None:
            os.close(self._open[1])
            self._open = None

    def _folder(self, path: str) -> int:
        """Returns a descriptor of a folder below the target, made if need be; no link is followed."""
        if self._open is not None and self._open[0] == path:
            return self._open[1]
        self._leave()
        fd = os.open(self.target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        walked = ""
        for part in path.split("/") if path else ():
            walked = f"{walked}/{part}" if walked else part
            try:
                try:
                    inner = os.open(part, _FOLDER, dir_fd=fd)
                except FileNotFoundError:
                    disk.make_dir(part, dir_fd=fd)
                    inner = os.open(part, _FOLDER, dir_fd=fd)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise UnsafeTarget(
                        f"{printable(self.target + '/' + walked)} is a link or a file where a folder"
                        " must be; nothing is written through it",
                        hint="move it away, or restore --to another folder",
                    ) from error
                raise StorageFailed(f"cannot open {printable(walked)}: {error.strerror}") from error
            finally:
                os.close(fd)
            fd = inner
        self._open = (path, fd)
        return fd

    def _file(self, example: Example, data: bytes | None) -> Stat:
        folder, _, name = example.path.rpartition("/")
        where = self._folder(folder)
        self._count += 1
        temporary = f"{TEMPORARY}{self._token}-{self._count}"
        try:
            fd = disk.open_new(temporary, self._mode, dir_fd=where)
        except disk.WriteFailed as error:
            raise _named(error, example.path) from error
        try:
            try:
                if data is None:
                    for piece in self.store.stream(example.oid):
                        disk.write_all(fd, piece, example.path)
                elif data:
                    disk.write_all(fd, data, example.path)
                st = os.fstat(fd)
            finally:
                os.close(fd)
            disk.replace(temporary, name, dir_fd=where)
            # The rename has changed the ctime.
            st = os.stat(name, dir_fd=where, follow_symlinks=False)
        except BaseException as error:
            disk.discard(temporary, dir_fd=where)
            if isinstance(error, disk.WriteFailed):
                raise _named(error, example.path) from error
            raise
        return st.st_mtime_ns, st.st_ctime_ns, st.st_ino, st.st_size


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _named(error: disk.WriteFailed, path: str) -> DsmError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in (errno.EISDIR, errno.ENOTEMPTY):
        return UnsafeTarget(f"{printable(path)} is a folder where a file must be")
    return StorageFailed(
        f"cannot write {printable(path)}: {reason}",
        hint="files written so far are complete; run the command again to go on",
    )


def _remove(planned: RestorePlan) -> None:
    """Removes files that the plan names, and the folders that this leaves empty."""
    for path in planned.remove:
        disk.remove(os.path.join(planned.target, path))
        folder = os.path.dirname(path)
        while folder and disk.remove_dir(os.path.join(planned.target, folder)):
            folder = os.path.dirname(folder)


def leftovers(target: str) -> Iterator[str]:
    """Yields temporary files that a killed restore left below a folder."""
    for folder, _, names in os.walk(target):
        for name in names:
            if name.startswith(TEMPORARY):
                yield os.path.join(folder, name)
