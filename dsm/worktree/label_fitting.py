"""What a label file says of examples whose file no walk has met, and of none at all."""

from __future__ import annotations

from collections.abc import Container, Iterable

from dsm.model.example import Example
from dsm.model.record_path import is_records_file, parts_of
from dsm.model.reports import Problem
from dsm.model.rows import Rows
from dsm.worktree.edit import named_records, stage_example
from dsm.worktree.index import WorkIndex
from dsm.worktree.named import ignored_by
from dsm.worktree.request import Request
from dsm.worktree.stage import Staged
from dsm.worktree.tracked_records import archive_members
from dsm.worktree.tree import WorkTree


class LabelFitting:
    """Fits the rows of a request's label file to tracked examples that have no file here."""

    def __init__(self, tree: WorkTree, index: WorkIndex, staged: Staged, request: Request):
        assert request.label_rows is not None
        self._tree, self._index, self._staged = tree, index, staged
        self._request, self._table = request, request.label_rows
        if not request.force:
            self._table.ignored = lambda path: ignored_by(tree, path)

    def rest(self, met: set[str], gone: Container[str]) -> tuple[Rows, int, list[Problem]]:
        """Returns rows that relabel, how many examples are so already, and what is to be told.

        `met` are the paths that were added or looked at; it gets those found here. `gone` are to be
        deleted. Raises NoRowFits, or InvalidInput when the request is strict.
        """
        rows, unchanged = Rows(), 0
        unused = self._table.unused(met)
        if unused:
            self._table.fit_members(self._members(gone))
            unused = self._table.unused(met)
        if unused:
            unchanged = self._relabel(self._tracked(unused, gone), rows, met)
            unused = self._table.unused(met)
        self._table.refuse(unused, met, strict=self._request.strict)
        return rows, unchanged, self._table.warnings(unused)

    def _members(self, gone: Container[str]) -> Iterable[str]:
        """Returns the tracked files in archives that were asked for."""
        starts = self._request.paths
        return archive_members(
            self._tree, self._staged,
            lambda file: file not in gone and any(_within(file, start) for start in starts),
        )  # fmt: skip

    def _tracked(self, unused: list[str], gone: Container[str]) -> list[str]:
        """Returns the tracked examples that these rows may be of."""
        found = [path for path in unused if self._index.get(path) is not None]
        found += named_records(self._tree, self._index, self._staged, unused)
        found += self._table.members
        if any(not path.isascii() for path in unused):  # it may be spelt in another form
            found += [path for path in self._index.below("") if not path.isascii()]
        return [
            path for path in dict.fromkeys(found)
            if path not in gone and parts_of(path)[0] not in gone
            and any(_within(path, start) for start in self._request.paths)
        ]  # fmt: skip

    def _relabel(self, paths: list[str], rows: Rows, met: set[str]) -> int:
        unchanged = 0
        known = self._tree.lookup(paths, self._staged)
        committed = self._tree.committed(path for path in known if path in self._staged.where)
        for path, before in sorted(known.items()):
            if path in met or self._table.get(path) is None:
                continue
            met.add(path)
            if is_records_file(before.records):  # what is said of it is said of its records
                continue
            after = self._said(before)
            if after == before:
                unchanged += 1
            else:
                base = committed.get(path) if path in self._staged.where else before
                stage_example(rows, after, base)
        return unchanged

    def _said(self, before: Example) -> Example:
        if before.records is None:
            return self._request.example(
                before.path, before.oid, before.size, before.time, before, []
            )
        row = self._table.get(before.path)
        return before if row is None else row.said_of(before)


def _within(path: str, start: str) -> bool:
    return not start or path == start or path.startswith((start + "/", start + "#"))
