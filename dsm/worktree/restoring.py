"""`restore`: which examples are wanted, what is in the way, and the index afterwards."""

from __future__ import annotations

import os

from dsm.errors import AnswerIsNo, NotFound
from dsm.history.snapshot import examples_of
from dsm.model.example import Example
from dsm.model.names import printable
from dsm.model.reports import RestoreReport
from dsm.progress import SILENT, Progress
from dsm.worktree.restore import perform, plan, refuse_unsaved
from dsm.worktree.scan import Stat
from dsm.worktree.stage import Staged
from dsm.worktree.status import file_stat
from dsm.worktree.tree import WorkTree, settled


def restore(
    tree: WorkTree,
    paths: tuple[str, ...] | None,
    number: int | None,
    to: str | None,
    *,
    force: bool,
    dry_run: bool,
    progress: Progress = SILENT,
) -> RestoreReport:
    """Writes examples to files; see `Dataset.restore`."""
    staged = tree.stage.load()
    examples = _wanted(tree, staged, paths, number)
    target = os.path.abspath(to) if to is not None else tree.root
    in_place = os.path.realpath(target) == os.path.realpath(tree.root)
    index = tree.index(staged) if in_place else None
    saved: dict[str, Stat | None] = {}
    if index is not None:
        # A file whose mark fits holds what is tracked, and that is stored: it may be replaced.
        known = None
        for example in examples:
            st = file_stat(target + "/" + example.path)
            if st is not None and index.get(example.path) == (hash(st) or 1):
                known = known or tree.lookup([e.path for e in examples], staged)
                tracked = known.get(example.path)
                if tracked is None or tracked.oid != example.oid:
                    saved[example.path] = st
    planned = plan(target, examples, saved=saved)
    if not force:
        refuse_unsaved(planned)
    extra = planned.in_the_way if force else []
    if dry_run:
        listed = tuple(sorted(e.path for e in (*planned.write, *extra)))
        size = sum(e.size for e in (*planned.write, *extra))
        return RestoreReport(target, len(listed), len(planned.same), size, paths=listed)
    moment = tree.moment() if index is not None else None
    repository = tree.repository
    written = perform(
        planned, repository.store, force=force, workers=repository.workers, progress=progress
    )
    if index is not None:
        tracked_now = tree.lookup(written, staged)
        for example in (*planned.write, *extra):
            tracked = tracked_now.get(example.path)
            if tracked is None:
                continue
            st = written[example.path]
            same = tracked.oid == example.oid and settled(st, moment)
            index.set(example.path, (hash(st) or 1) if same else tracked.oid)
        tree.save(index)
    size = sum(st[3] for st in written.values())
    return RestoreReport(target, len(written), len(planned.same), size)


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
            elif _chosen(path, paths):
                found[path] = example
        examples = sorted(found.values(), key=_path)
    else:
        examples = _snapshot(tree, number, paths)
    if not examples and paths is None and not head:
        raise AnswerIsNo("there is nothing to restore: the dataset has no changeset yet")
    for path in paths or ():
        if path and not any(e.path == path or e.path.startswith(path + "/") for e in examples):
            where = "what is tracked" if number is None else f"changeset {number}"
            raise NotFound(f"{printable(path)} is not in {where}", items=(path,))
    return examples


def _snapshot(tree: WorkTree, number: int, paths: tuple[str, ...] | None) -> list[Example]:
    if not number:
        return []
    table = tree.snapshots().table(number)
    return [example for example in examples_of(table) if _chosen(example.path, paths)]


def _chosen(path: str, paths: tuple[str, ...] | None) -> bool:
    return paths is None or any(not p or path == p or path.startswith(p + "/") for p in paths)


def _path(example: Example) -> str:
    return example.path
