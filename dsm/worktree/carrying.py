"""What was said of an example follows it: to another path, and back from an earlier changeset.

A file that is new here is no new example when its content went at another path in the same
breath (staged as deleted, or about to be), or when it was restored from a changeset. Labels,
attributes, annotation and time go along then, as far as nothing else is said of the new path.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace

from dsm.files.stat import file_stat
from dsm.format.index import Mark, content_of
from dsm.model.example import Example
from dsm.model.renames import paired
from dsm.model.rows import ADDED, DELETED, Rows
from dsm.worktree.request import Request
from dsm.worktree.restored import restored_examples
from dsm.worktree.stage import Staged
from dsm.worktree.tree import WorkTree


class Carrier:
    """Finds for the new rows of one `add` what was said of them before."""

    def __init__(self, tree: WorkTree, request: Request, staged: Staged):
        self._tree = tree
        self._request = request
        self._staged = staged
        self.carried: list[str] = []  # paths of which something was said

    def carry(self, rows: Rows, new: Iterable[int], gone: Mapping[str, Mark | None]) -> None:
        """Changes the rows at the places `new`, and adds rows for what was staged earlier.

        `gone` are tracked examples that the rows delete, with what the index knows of them.
        """
        where = {rows.paths[row]: row for row in new}
        leaving = self._leaving(rows, gone)
        waiting = self._waiting(rows) if gone else {}
        if leaving and (where or waiting):
            targets = {path: _oid(rows, row) for path, row in where.items()}
            targets.update((path, example.oid) for path, example in waiting.items())
            sources = self._sources(leaving, set(targets.values()))
            pairs = paired(targets, {path: e.oid for path, e in sources.items()}, shared=True)
            for path, old in sorted(pairs.items()):
                source = sources[old]
                # Of empty files the content says nothing.
                if source.size or _name(path) == _name(old):
                    moved = self._request.moved(source, path)
                    self._put(rows, where.pop(path, None), path, moved, waiting.get(path))
        if where:
            contents = {path: _oid(rows, row) for path, row in where.items()}
            for path, example in restored_examples(self._tree, contents).items():
                self._put(rows, where[path], path, example, None)

    def _leaving(self, rows: Rows, gone: Mapping[str, Mark | None]) -> dict[str, Mark | None]:
        """Returns the examples that go, now or as staged before."""
        leaving = dict(gone)
        if self._staged.where:
            put = set(rows.paths)
            for path, (segment, row) in self._staged.where.items():
                if segment.rows.kinds[row] == DELETED and path not in put:
                    leaving[path] = None
        return leaving

    def _waiting(self, rows: Rows) -> dict[str, Example]:
        """Returns examples that were staged as new earlier, and of which nobody said anything."""
        found = {}
        put = set(rows.paths) if self._staged.where else set()
        for path, (segment, row) in self._staged.where.items():
            if segment.rows.kinds[row] == ADDED and path not in put:
                example = segment.rows.example(row)
                if example is not None and self._request.says_nothing_else(example):
                    found[path] = example
        return found

    def _sources(self, leaving: Mapping[str, Mark | None], oids: set[bytes]) -> dict[str, Example]:
        """Returns those that go and have one of these contents, as they were last."""
        beginnings = {*oids, *(oid[:2] for oid in oids)}
        likely = [
            path for path, mark in leaving.items()
            if mark is None or (mark if isinstance(mark, bytes) else content_of(mark)) in beginnings
        ]  # fmt: skip
        if not likely:
            return {}
        found = self._tree.lookup(likely, self._staged)
        found.update(self._tree.committed(path for path in likely if path not in found))
        return {path: example for path, example in found.items() if example.oid in oids}

    def _put(
        self, rows: Rows, row: int | None, path: str, source: Example, staged: Example | None
    ) -> None:
        now = staged if row is None else rows.example(row)
        assert now is not None
        # What this request says is of its own paths.
        after = replace(source, path=path) if row is None else self.laid_over(now, source)
        if after == now:
            return
        self.carried.append(path)
        if row is None:
            rows.put(ADDED, after)
        else:
            rows.change(row, after)

    def laid_over(self, now: Example, source: Example) -> Example:
        """Returns a new file as the example that it was, but for what the request says of it."""
        st = file_stat(os.path.join(self._tree.root, now.path))
        modified = now.time if st is None else st[0] // 1000
        return self._request.example(now.path, now.oid, now.size, modified, source, [])


def _oid(rows: Rows, row: int) -> bytes:
    oid = rows.oids[row]
    assert oid is not None
    return oid


def _name(path: str) -> str:
    return path.rpartition("/")[2]
