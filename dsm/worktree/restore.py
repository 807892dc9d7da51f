"""`restore`: which examples are wanted, what is in the way, and the index afterwards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence

from dsm.errors import AnswerIsNo, NotFound
from dsm.files.folders import Entry, Folders, Judged
from dsm.files.restore import (
    REPLACE,
    SAME,
    UNSAVED,
    Verdict,
    perform,
    plan,
    refuse_unsaved,
)
from dsm.format.index import ABSENT, fits, mark_of
from dsm.history.fold import files_in
from dsm.history.snapshot import examples_of
from dsm.model.example import Example
from dsm.model.names import printable
from dsm.model.record_path import RECORD, parts_of
from dsm.model.restore_reports import RestoreReport
from dsm.progress import SILENT, Progress
from dsm.worktree.catching_up import catch_up
from dsm.worktree.index import WorkIndex
from dsm.worktree.restored import note_restored
from dsm.worktree.stage import Staged
from dsm.worktree.tree import WorkTree, settled


def restore(
    tree: WorkTree,
    paths: tuple[str, ...] | None,
    number: int | None,
    to: str | None,
    *,
    force: bool,
    dry_run: bool,
    exact: bool = False,
    references: bool = True,
    progress: Progress = SILENT,
) -> RestoreReport:
    """Writes examples to files; see `Dataset.restore`. Without `references`, those whose bytes stay
    at an address are left there."""
    if not dry_run:
        catch_up(tree, needed=False)
    staged = tree.stage.load()
    examples = _wanted(tree, staged, paths, number)
    examples = examples if references else _without_references(tree, examples)
    target = os.path.abspath(to) if to is not None else tree.root
    in_place = os.path.realpath(target) == os.path.realpath(tree.root)
    index = tree.index(staged) if in_place else None
    occupied = tree.occupied()
    if index is None:
        planned = plan(target, examples)
    else:
        judge = _Judge(tree, staged, index, examples, number)
        others = judge.release(_leftovers(tree, staged, examples)) if exact else {}
        planned = plan(target, examples, judge, release=judge.release, remove=others, stay=occupied)
    if not force:
        refuse_unsaved(planned)
    extra = planned.in_the_way if force else []
    if dry_run:
        listed = tuple(sorted(e.path for e in (*planned.write, *extra)))
        size = sum(e.size for e in (*planned.write, *extra))
        going = len(planned.clear) + len(planned.remove)
        return RestoreReport(target, len(listed), len(planned.same), size, going, listed)
    repository = tree.repository
    if index is not None:
        repository.require_ours()
    moment = tree.moment() if index is not None else None
    outcome = perform(
        planned, repository.store, force=force, workers=repository.workers, progress=progress,
        stay=occupied,
    )  # fmt: skip
    written = outcome.written
    if index is not None:
        tracked_now = tree.lookup(written, staged)
        for example in (*planned.write, *extra):
            tracked = tracked_now.get(example.path)
            if tracked is None or example.path not in written:
                continue
            st = written[example.path]
            same = tracked.oid == example.oid and settled(st, moment)
            index.set(example.path, mark_of(st, tracked.oid) if same else tracked.oid)
        for path in planned.remove.keys() - set(outcome.left):
            if index.get(path) is not None:
                index.set(path, ABSENT)  # nobody has deleted it
        tree.save(index)
        if number is not None:
            here = [
                *(e.path for e in (*planned.write, *extra)),
                *(path for path, _ in planned.same),
            ]
            untracked = [path for path in here if index.get(path) is None]
            note_restored(tree, number, untracked, paths or ("",))
    outcome.refuse()
    size = sum(st[3] for st in written.values())
    going = len(planned.clear) + len(planned.remove)
    return RestoreReport(target, len(written), len(planned.same), size, going)


def _without_references(tree: WorkTree, examples: list[Example]) -> list[Example]:
    far = tree.repository.store.referenced.among(example.oid for example in examples)
    return [example for example in examples if example.oid not in far]


def _leftovers(tree: WorkTree, staged: Staged, examples: list[Example]) -> list[Entry]:
    """Returns the files here whose path any changeset had, and that are not among the examples."""
    wanted = {example.path for example in examples} | staged.where.keys()
    paths: set[str] = set()
    for number in range(1, tree.log.head() + 1):
        table = tree.snapshots().manifests.of(number)
        if table is not None:
            paths.update(files_in(table).column("path").to_pylist())
    found: list[Entry] = []
    with Folders(tree.root) as folders:
        for path in sorted(paths - wanted):
            with contextlib.suppress(OSError):
                entry = folders.look(path)
                if entry is not None and entry.is_file:
                    found.append(entry)
    return found


class _Judge:
    """Says of a file in the work tree whether its content is wanted, stored, or unsaved work."""

    def __init__(
        self,
        tree: WorkTree,
        staged: Staged,
        index: WorkIndex,
        examples: list[Example],
        number: int | None,
    ):
        self.tree = tree
        self.staged = staged
        self.index = index
        self._paths = [example.path for example in examples]
        # Without a source, what is wanted is what is tracked.
        self._tracked = {e.path: e for e in examples} if number is None else None
        self._history: dict[str, set[bytes]] | None = None

    def __call__(self, example: Example, entry: Entry) -> Verdict:
        if self._tracked is None:
            self._tracked = self.tree.lookup(self._paths, self.staged)
        tracked = self._tracked.get(example.path)
        if tracked is not None and fits(self.index.get(example.path), entry.stat):
            return (SAME if tracked.oid == example.oid else REPLACE), tracked.oid
        oid = entry.hash()
        if oid == example.oid:
            return SAME, oid
        if oid is not None and (tracked is not None and oid == tracked.oid):
            return REPLACE, oid
        if self._history is None:
            self._history = _versions(self.tree, self._paths)
        saved = oid in self._history.get(example.path, ())
        return (REPLACE, oid) if saved else (UNSAVED, None)

    def release(self, entries: Sequence[Entry]) -> dict[str, Judged]:
        """Returns those that are files whose content is stored, with what it is."""
        files = [entry for entry in entries if entry.is_file]
        tracked = self.tree.lookup([entry.path for entry in files], self.staged)
        going: dict[str, Judged] = {}
        doubtful: list[Entry] = []
        for entry in files:
            example = tracked.get(entry.path)
            fitting = example is not None and fits(self.index.get(entry.path), entry.stat)
            if example is not None and (fitting or entry.hash() == example.oid):
                going[entry.path] = entry.judged(example.oid)
            else:
                doubtful.append(entry)
        saved = _versions(self.tree, [entry.path for entry in doubtful]) if doubtful else {}
        for entry in doubtful:
            if (oid := entry.hash()) in saved.get(entry.path, ()):
                going[entry.path] = entry.judged(oid)
        return going


def _versions(tree: WorkTree, paths: Iterable[str]) -> dict[str, set[bytes]]:
    """Returns the contents that paths ever had in a changeset: those are stored for good."""
    found: dict[str, set[bytes]] = {}
    wanted = set(paths)
    for number in range(1, tree.log.head() + 1):
        table = tree.snapshots().manifests.of(number)
        if table is not None:
            oids = table.column("object").to_pylist()
            for name, oid in zip(table.column("path").to_pylist(), oids, strict=True):
                if oid is not None and name in wanted:
                    found.setdefault(name, set()).add(oid)
    return found


def _wanted(
    tree: WorkTree, staged: Staged, paths: tuple[str, ...] | None, number: int | None
) -> list[Example]:
    head = tree.log.head()
    if number is None:
        found = {example.path: example for example in _snapshot(tree, head, paths)}
        for path, (segment, row) in staged.where.items():
            example = segment.rows.example(row)
            if example is None:
                found.pop(path, None)
            elif _chosen(path, paths) and example.records != RECORD:
                found[path] = example
        examples = sorted(found.values(), key=_path)
    else:
        examples = _snapshot(tree, number, paths)
    if not examples and paths is None and not head:
        raise AnswerIsNo("there is nothing to restore: the dataset has no changeset yet")
    for path in paths or ():
        if path and not any(_chosen(example.path, (path,)) for example in examples):
            which = "tracked example" if number is None else f"example of changeset {number}"
            raise NotFound(
                f"no {which} is {printable(path)} or lies below it",
                hint=_where_to_look(tree, staged, path, number),
                items=(path,),
            )
    return examples


def _where_to_look(tree: WorkTree, staged: Staged, path: str, number: int | None) -> str:
    """Returns what may help when there is no example at or below a path."""
    file = parts_of(path)[0]
    found = tree.lookup([path], staged).get(path) if file else None
    if found is not None and found.records == RECORD:
        return f"it is a record, a part of its file: `dsm restore {printable(file)}`"
    if number is not None:
        return f"`dsm ls --at {number}` lists them"
    if any(_chosen(held, (path,)) for held in staged.where):  # what is staged there are deletions
        return "its deletion is staged: `dsm restore --staged PATH`, then `dsm restore PATH`"
    return "`dsm ls` lists what is tracked"


def _snapshot(tree: WorkTree, number: int, paths: tuple[str, ...] | None) -> list[Example]:
    if not number:
        return []
    table = files_in(tree.snapshots().table(number))
    return [example for example in examples_of(table) if _chosen(example.path, paths)]


def _chosen(path: str, paths: tuple[str, ...] | None) -> bool:
    return paths is None or any(not p or path == p or path.startswith(p + "/") for p in paths)


def _path(example: Example) -> str:
    return example.path
