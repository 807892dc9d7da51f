"""Writing examples back to files: a plan that is checked whole, then its performance.

Unsaved work is never overwritten without `force`, and that is decided before the first byte is
written. What was judged then is compared again when its turn comes: a file that appeared or changed
meanwhile is left as it is, and told. Every file appears under its name complete or not at all.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from dsm.errors import Conflict
from dsm.files.folders import Entry, Folders, Judged, Obstructed, listed
from dsm.files.removing import remove_empty, remove_folder, remove_judged
from dsm.files.stat import Stat, file_stat, hash_file
from dsm.files.writing import MOVE_AWAY, Done, File, UnsafeTarget, Writer, not_a_folder
from dsm.model.example import Example
from dsm.model.names import check_path, printable
from dsm.progress import SILENT, FetchedAhead, Progress
from dsm.store import disk
from dsm.store.chunks import Chunking
from dsm.store.elsewhere import Elsewhere
from dsm.store.objects import ObjectStore
from dsm.store.outside import MakeOutside
from dsm.store.workers import Worker, gather, start

WORKER_FILES = 2000


class UnsavedWork(Conflict):
    """Files hold content that is in no changeset and not staged, and would be lost."""

    code = "unsaved-work"


class FilesChanged(Conflict):
    """Files appeared or changed while dsm wrote or removed others, and were left as they are."""

    code = "files-changed"


@dataclass(slots=True)
class RestorePlan:
    """Files to write below `target`; `same` are there already, `in_the_way` are unsaved.

    `over` says of files to write what they displace. `clear` and `clear_folders` (parents first)
    stand where folders and files must be: they go before the first file is written; `remove` goes
    last.
    """

    target: str
    write: list[Example] = field(default_factory=list)
    over: dict[str, Judged] = field(default_factory=dict)
    same: list[tuple[str, Stat]] = field(default_factory=list)
    in_the_way: list[Example] = field(default_factory=list)
    remove: dict[str, Judged] = field(default_factory=dict)
    clear: dict[str, Judged] = field(default_factory=dict)
    clear_folders: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """The stat of each file that was written, and paths that were left since they changed."""

    written: dict[str, Stat] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def refuse(self) -> None:
        """Raises FilesChanged when something was left."""
        if self.left:
            count = len(self.left)
            raise FilesChanged(
                f"{count} files appeared or changed meanwhile, and stay as they are"
                if count > 1
                else f"{printable(self.left[0])} appeared or changed meanwhile, and stays as it is",
                hint="run the command again: it looks at them anew",
                items=tuple(sorted(self.left)),
            )


# What may become of a file that is in the way, and the content that it has if it is to be replaced.
SAME, REPLACE, UNSAVED = "same", "replace", "unsaved"
Verdict = tuple[str, bytes | None]
Judge = Callable[[Example, Entry], Verdict]
# Of files that stand where a folder must be, or in a folder where a file must: those that may go.
Release = Callable[[Sequence[Entry]], Mapping[str, Judged]]


def by_content(example: Example, entry: Entry) -> Verdict:
    """Judges a file by its bytes alone: they are what is wanted, or they are in the way."""
    same = entry.found.st_size == example.size and entry.hash() == example.oid
    return (SAME if same else UNSAVED), None


def nothing_goes(_: Sequence[Entry]) -> Mapping[str, Judged]:
    """Releases none of the files that stand where others must be."""
    return {}


def plan(
    target: str,
    examples: Iterable[Example],
    judge: Judge = by_content,
    *,
    release: Release = nothing_goes,
    remove: Mapping[str, Judged] | None = None,
    stay: str | None = None,
    leave: bool = False,
) -> RestorePlan:
    """Decides what to write; `judge` says of each file in the way what may become of it.

    What stands where a folder must be, or is a folder where a file must be, goes if `release` has
    all of it, and the folder `stay` is not in it; if not, UnsafeTarget is raised, or with `leave`
    the examples in question are left out.
    """
    result = RestorePlan(target, remove=dict(remove or {}))
    empty = not os.path.isdir(target) or not os.listdir(target)
    obstacles: set[str] = set()
    with Folders(target) as folders:
        for example in examples:
            check_path(example.path)
            entry = None
            if not empty:
                try:
                    entry = folders.look(example.path)
                except Obstructed as error:
                    obstacles.add(error.path)
                except OSError:  # the writer says what is wrong there
                    pass
            if entry is None:
                result.write.append(example)
            elif entry.is_folder:
                result.write.append(example)
                obstacles.add(example.path)
            else:
                _sort(result, example, entry, judge)
        _plan_clearing(result, folders, sorted(obstacles), release, stay, leave=leave)
    for path in result.clear:
        result.remove.pop(path, None)
    return result


def _sort(planned: RestorePlan, example: Example, entry: Entry, judge: Judge) -> None:
    """Puts an example whose place is taken where it belongs."""
    if entry.is_link:  # left as it is, or in the way
        full = f"{planned.target}/{example.path}"
        st = file_stat(full)
        if st is not None and st[3] == example.size and hash_file(full) == example.oid:
            planned.same.append((example.path, st))
            return
    verdict, oid = judge(example, entry) if entry.is_file else (UNSAVED, None)
    if verdict == SAME:
        planned.same.append((example.path, entry.stat))
        return
    planned.over[example.path] = entry.judged(oid)
    (planned.write if verdict == REPLACE else planned.in_the_way).append(example)


def _plan_clearing(
    planned: RestorePlan,
    folders: Folders,
    obstacles: list[str],
    release: Release,
    stay: str | None,
    *,
    leave: bool,
) -> None:
    """Plans the removal of obstacles, or leaves out what cannot be written because of them."""
    found = {at: _below(folders, at) for at in obstacles}
    going = release([entry for _, files, _ in found.values() for entry in files])
    for at, (inside, files, closed) in found.items():
        kept = sorted([*closed, *(entry.path for entry in files if entry.path not in going)])
        occupied = stay is not None and any(f"{stay}/".startswith(f"{each}/") for each in inside)
        if not kept and not occupied:
            planned.clear.update({entry.path: going[entry.path] for entry in files})
            planned.clear_folders += inside
        elif leave:
            hidden = {e.path for e in planned.write if f"{e.path}/".startswith(at + "/")}
            planned.write = [e for e in planned.write if e.path not in hidden]
        elif not inside:
            raise not_a_folder(planned.target, at)
        else:
            raise UnsafeTarget(
                f"{printable(at)} is a folder where a file must be, and "
                + ("work in it would be lost" if kept else "you are in it"),
                hint=MOVE_AWAY if kept else "go to another folder first",
                items=tuple(kept),
            )


def _below(folders: Folders, at: str) -> tuple[list[str], list[Entry], list[str]]:
    """Returns the folders at and below a path, parents first, what else is there, and the paths of
    what cannot be looked at: nobody knows what is in it."""
    inside: list[str] = []
    files: list[Entry] = []
    closed: list[str] = []
    waiting = [at]
    while waiting:
        path = waiting.pop()
        try:
            entry = folders.look(path)
            if entry is None:
                continue
            if entry.is_folder:
                waiting += [f"{path}/{name}" for name in listed(folders.enter(path))]
                inside.append(path)
            else:
                files.append(entry)
        except OSError:
            closed.append(path)
    return inside, files, closed


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
    stay: str | None = None,
) -> Outcome:
    """Writes the planned files. Raises UnsafeTarget, StorageFailed.

    What is not any more what was judged is left alone, and named in the outcome.
    """
    disk.make_dirs(planned.target, durable=False)
    if not os.path.isdir(planned.target):
        raise UnsafeTarget(f"{printable(planned.target)} is not a folder")
    examples = planned.write + (planned.in_the_way if force else [])
    progress.start("restoring", len(examples), sum(example.size for example in examples))
    result = Outcome()
    _clear(planned, result)
    size = sum(example.size for example in examples)
    ahead = FetchedAhead(progress.advance, size)
    store.bring((example.oid for example in examples), size, ahead.came)
    files = [(e.path, e.oid, e.size, planned.over.get(e.path)) for e in examples]
    for part in _written(planned.target, store, files, workers):
        result.written.update((path, st) for path, st in part if st is not None)
        result.left += [path for path, st in part if st is None]
        ahead.wrote(len(part), sum(st[3] for _, st in part if st is not None))
    with Folders(planned.target) as folders:
        _remove_all(folders, planned.remove, result)
        remove_empty(folders, {path.rpartition("/")[0] for path in planned.remove}, stay)
    progress.finish()
    return result


def _clear(planned: RestorePlan, result: Outcome) -> None:
    """Removes what stands where folders and files must be."""
    with Folders(planned.target) as folders:
        _remove_all(folders, planned.clear, result)
        for folder in reversed(planned.clear_folders):
            with contextlib.suppress(OSError):
                remove_folder(folders, folder)


def _remove_all(folders: Folders, paths: Mapping[str, Judged], result: Outcome) -> None:
    for path, judged in paths.items():
        try:
            gone = remove_judged(folders, path, judged)
        except OSError:  # whatever is there now, it is not what was judged
            gone = False
        if not gone:
            result.left.append(path)


def _split(files: list[File], workers: int) -> list[list[File]]:
    """Shares the files out by folder, so that two workers seldom want the same one."""
    if workers < 2 or len(files) < WORKER_FILES:
        return [files]
    goal = len(files) / workers
    parts: list[list[File]] = [[]]
    last = ""
    for file in files:
        folder = file[0].rpartition("/")[0]
        if len(parts[-1]) >= goal and folder != last and len(parts) < workers:
            parts.append([])
        parts[-1].append(file)
        last = folder
    if len(parts) == 1:  # one large folder
        step = -(-len(files) // workers)
        parts = [files[at : at + step] for at in range(0, len(files), step)]
    return parts


def _written(
    target: str, store: ObjectStore, files: list[File], workers: int
) -> Iterator[list[Done]]:
    """Writes the files, in worker processes when there are many."""
    parts = _split(files, workers)
    crew: list[Worker] = []
    if len(parts) > 1:
        jobs = [
            _RestoreJob(
                target=target, packs=store.folder, temporary=store.temporary,
                chunking=store.chunking, elsewhere=store.elsewhere, outside=store.outside,
                files=part,
            )
            for part in parts
        ]  # fmt: skip
        crew = start(jobs)
    if not crew:
        with Writer(target, store) as writer:
            yield from writer.write(files)
        return
    try:
        for message in gather(crew):
            yield cast(list[Done], message)
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
    elsewhere: Elsewhere | None
    outside: MakeOutside | None
    files: list[File]

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        store = ObjectStore(
            self.packs, self.temporary, self.chunking, elsewhere=self.elsewhere,
            outside=self.outside,
        )  # fmt: skip
        with Writer(self.target, store) as writer:
            yield from writer.write(self.files)
