"""Writing examples back to files: a plan that is checked whole, then its performance.

Unsaved work is never overwritten without `force`, and that is decided before the first byte is
written. Every file appears under its name complete or not at all. Folders are opened one component
at a time, never through a link, so that no name in a manifest and no link in the target can lead
outside.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

from dsm.errors import Conflict, DamagedData, DsmError, StorageFailed
from dsm.files.stat import Stat, file_stat, hash_file, stat_of
from dsm.files.temporaries import TEMPORARY
from dsm.model.example import Example
from dsm.model.names import check_path, printable
from dsm.progress import SILENT, Progress
from dsm.store import disk
from dsm.store.chunks import Chunking
from dsm.store.objects import ObjectStore
from dsm.store.workers import Worker, gather, start

WORKER_FILES = 2000
FILE_MODE = 0o666
MOVE_AWAY = "move it away, or restore --to another folder"

File = tuple[str, bytes, int]  # path, object id, size in bytes


class UnsavedWork(Conflict):
    """Files hold content that is in no changeset and not staged, and would be lost."""

    code = "unsaved-work"


class UnsafeTarget(Conflict):
    """Something in the target (a link, a file) stands where a folder must be, or the reverse."""

    code = "unsafe-target"


@dataclass(slots=True)
class RestorePlan:
    """Files to write below `target`; `same` are there already, `in_the_way` are unsaved.

    `clear` and `clear_folders` (parents first) stand where folders and files must be: they go
    before the first file is written.
    """

    target: str
    write: list[Example] = field(default_factory=list)
    same: list[tuple[str, Stat]] = field(default_factory=list)
    in_the_way: list[Example] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    clear: list[str] = field(default_factory=list)
    clear_folders: list[str] = field(default_factory=list)


# What may become of a file that is in the way.
SAME, REPLACE, UNSAVED = "same", "replace", "unsaved"
Judge = Callable[[Example, str, Stat], str]
# Of files that stand where a folder must be, or in a folder where a file must: those to be kept.
Keep = Callable[[list[str]], Collection[str]]


def by_content(example: Example, full: str, st: Stat) -> str:
    """Judges a file by its bytes alone: they are what is wanted, or they are in the way."""
    same = st[3] == example.size and hash_file(full) == example.oid
    return SAME if same else UNSAVED


def reachable(root: str, path: str) -> bool:
    """Whether the way from `root` to a path leads through folders alone: no link, no file.

    Folders that are not there yet are no obstacle.
    """
    try:
        return _obstacle(root, path) is None
    except OSError:
        return False


def _obstacle(root: str, path: str) -> str | None:
    """Returns the link or file that is on the way to a path. Raises OSError."""
    walked = ""
    for part in path.split("/")[:-1]:
        walked = f"{walked}/{part}" if walked else part
        try:
            if not stat.S_ISDIR(os.lstat(f"{root}/{walked}").st_mode):
                return walked
        except FileNotFoundError:
            return None
    return None


def plan(
    target: str,
    examples: Iterable[Example],
    judge: Judge = by_content,
    *,
    remove: Iterable[str] = (),
    keep: Keep = frozenset,
) -> RestorePlan:
    """Decides what to write; `judge` says of each file in the way what may become of it.

    What stands where a folder must be, or is a folder where a file must be, goes unless `keep` has
    something of it. Raises UnsafeTarget.
    """
    result = RestorePlan(target, remove=[p for p in remove if reachable(target, check_path(p))])
    empty = not os.path.isdir(target) or not os.listdir(target)
    ways: dict[str, str] = {}  # one of the missing files of each folder
    obstacles: set[str] = set()
    for example in examples:
        check_path(example.path)
        full = target + "/" + example.path
        if empty or not os.path.lexists(full):
            result.write.append(example)
            if not empty:
                ways[example.path.rpartition("/")[0]] = example.path
            continue
        st = file_stat(full)
        if st is None and os.path.isdir(full) and not os.path.islink(full):
            result.write.append(example)
            obstacles.add(example.path)
            continue
        if st is None:
            verdict = UNSAVED
        elif os.path.islink(full):
            verdict = by_content(example, full, st)  # a link is left as it is, or it is in the way
        else:
            verdict = judge(example, full, st)
        if verdict == REPLACE:
            result.write.append(example)
        elif verdict == SAME and st is not None:
            result.same.append((example.path, st))
        else:
            result.in_the_way.append(example)
    for path in ways.values():
        with contextlib.suppress(OSError):  # the writer says what is wrong there
            at = _obstacle(target, path)
            if at is not None:
                obstacles.add(at)
    _plan_clearing(result, sorted(obstacles), keep)
    return result


def _plan_clearing(planned: RestorePlan, obstacles: list[str], keep: Keep) -> None:
    """Plans the removal of obstacles. Raises UnsafeTarget when something of them is to be kept."""
    for at in obstacles:
        waiting = [at]
        while waiting:
            path = waiting.pop()
            full = f"{planned.target}/{path}"
            try:
                names = os.listdir(full) if stat.S_ISDIR(os.lstat(full).st_mode) else None
            except OSError:
                names = None  # a folder that cannot be read is to be kept
            if names is None:
                planned.clear.append(path)
            else:
                planned.clear_folders.append(path)
                waiting += [f"{path}/{name}" for name in names]
    kept = keep(planned.clear)
    for at in obstacles:
        lost = tuple(sorted(p for p in kept if p == at or p.startswith(at + "/")))
        if lost and not stat.S_ISDIR(os.lstat(f"{planned.target}/{at}").st_mode):
            raise _not_a_folder(planned.target, at)
        if lost:
            raise UnsafeTarget(
                f"{printable(at)} is a folder where a file must be, and work in it would be lost",
                hint=MOVE_AWAY,
                items=lost,
            )


def _not_a_folder(target: str, path: str) -> UnsafeTarget:
    return UnsafeTarget(
        f"{printable(target + '/' + path)} is a link or a file where a folder must be; nothing is"
        " written through it",
        hint=MOVE_AWAY,
    )


def refuse_unsaved(planned: RestorePlan) -> None:
    """Raises UnsavedWork when something would be lost."""
    if planned.in_the_way:
        count = len(planned.in_the_way)
        raise UnsavedWork(
            f"{count} file{'s' * (count > 1)} with content that is in no changeset would be lost",
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
    if not os.path.isdir(planned.target):
        raise UnsafeTarget(f"{printable(planned.target)} is not a folder")
    examples = planned.write + (planned.in_the_way if force else [])
    progress.start("restoring", len(examples), sum(example.size for example in examples))
    result: dict[str, Stat] = {}
    _clear(planned)
    for part in _written(planned.target, store, examples, workers):
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


def _written(
    target: str, store: ObjectStore, examples: list[Example], workers: int
) -> Iterator[list[tuple[str, Stat]]]:
    """Writes the examples, in worker processes when there are many."""
    parts = _split(examples, workers)
    crew: list[Worker] = []
    if len(parts) > 1:
        files = [[(e.path, e.oid, e.size) for e in part] for part in parts]
        crew = start(
            [_RestoreJob(target, store.folder, store.temporary, store.chunking, f) for f in files]
        )
    if not crew:
        yield from _Writer(target, store).write([(e.path, e.oid, e.size) for e in examples])
        return
    try:
        for message in gather(crew):
            yield cast(list[tuple[str, Stat]], message)
    finally:
        for worker in crew:
            worker.end()


@dataclass(frozen=True, slots=True)
class _RestoreJob:
    """One worker's share of the files."""

    target: str
    packs: str
    temporary: str
    chunking: Chunking
    files: list[File]

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        store = ObjectStore(self.packs, self.temporary, self.chunking)
        yield from _Writer(self.target, store).write(self.files)


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

    def write(self, files: list[File]) -> Iterator[list[tuple[str, Stat]]]:
        """Writes all files, in the order in which their content lies in the packs."""
        by_oid: dict[bytes, list[File]] = {}
        for file in files:
            by_oid.setdefault(file[1], []).append(file)
        done: list[tuple[str, Stat]] = []
        try:
            for oid, data in self.store.read_many(by_oid):
                for path, _, size in by_oid[oid]:
                    done.append((path, self._file(path, oid, size, data)))
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
        """Returns a descriptor of a folder below the target, made if need be; follows no link."""
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
                    raise _not_a_folder(self.target, walked) from error
                raise StorageFailed(f"cannot open {printable(walked)}: {error.strerror}") from error
            finally:
                os.close(fd)
            fd = inner
        self._open = (path, fd)
        return fd

    def _file(self, path: str, oid: bytes, size: int, data: bytes | None) -> Stat:
        folder, _, name = path.rpartition("/")
        where = self._folder(folder)
        try:
            fd = disk.open_unnamed(where, self._mode, path)
            if fd is None:
                return self._by_rename(path, where, name, oid, size, data)
            try:
                self._fill(fd, path, oid, size, data)
                if not disk.give_name(fd, name, where, path):
                    # Something is there, and the plan says that it may go.
                    return self._by_rename(path, where, name, oid, size, data)
                return stat_of(os.fstat(fd))
            finally:
                os.close(fd)
        except disk.WriteFailed as error:
            raise _named(error, path) from error

    def _fill(self, fd: int, path: str, oid: bytes, size: int, data: bytes | None) -> None:
        length = 0
        for piece in self.store.stream(oid) if data is None else (data,):
            length += len(piece)
            if piece:
                disk.write_all(fd, piece, path)
        if length != size:
            raise DamagedData(f"{printable(path)} has {length} bytes, its changeset says {size}")

    def _by_rename(
        self, path: str, where: int, name: str, oid: bytes, size: int, data: bytes | None
    ) -> Stat:
        """Writes under a temporary name, then renames over what is there."""
        self._count += 1
        temporary = f"{TEMPORARY}{self._token}-{self._count}"
        fd = disk.open_new(temporary, self._mode, dir_fd=where)
        try:
            try:
                self._fill(fd, path, oid, size, data)
            finally:
                os.close(fd)
            disk.replace(temporary, name, dir_fd=where)
        except BaseException:
            disk.discard(temporary, dir_fd=where)
            raise
        # Looked at after the rename, which changes the ctime.
        return stat_of(os.stat(name, dir_fd=where, follow_symlinks=False))


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _named(error: disk.WriteFailed, path: str) -> DsmError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in (errno.EISDIR, errno.ENOTEMPTY):
        return UnsafeTarget(f"{printable(path)} is a folder where a file must be", hint=MOVE_AWAY)
    return StorageFailed(
        f"cannot write {printable(path)}: {reason}",
        hint="files written so far are complete; run the command again to go on",
    )


def _clear(planned: RestorePlan) -> None:
    """Removes what stands where folders and files must be."""
    for path in planned.clear:
        disk.remove(os.path.join(planned.target, path))
    for folder in reversed(planned.clear_folders):
        disk.remove_dir(os.path.join(planned.target, folder))


def _remove(planned: RestorePlan) -> None:
    """Removes files that the plan names, and the folders that this leaves empty."""
    for path in planned.remove:
        disk.remove(os.path.join(planned.target, path))
    disk.remove_empty(planned.target, [os.path.dirname(path) for path in planned.remove])
