"""Paths that a user names though they are to be left out: they are refused, as git refuses them.

A glob of the shell names them as well. What is tracked already, or holds what is, is no such path.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from dsm.errors import AnswerIsNo
from dsm.model.names import printable
from dsm.model.reports import Problem
from dsm.worktree.index import WorkIndex
from dsm.worktree.request import Request
from dsm.worktree.tree import WorkTree


class PathsIgnored(AnswerIsNo):
    """Paths to be committed are ignored; nothing was recorded."""

    code = "paths-ignored"


def named_and_ignored(tree: WorkTree, index: WorkIndex, request: Request) -> Iterator[Problem]:
    """Yields the named paths that are ignored, with the reason; none where files are forced in."""
    if request.force:
        return
    table = label_table_paths(tree, request)
    scan = tree.scan()
    for path in request.paths:
        full = os.path.join(tree.root, path)
        if not path or next(iter(index.below(path)), None) or not os.path.lexists(full):
            continue
        reason = scan.rules_for(os.path.dirname(path)).reason(path, os.path.isdir(full))
        if path in table:
            reason = "the label file that is read"
        if reason is not None:
            yield Problem(path, reason)


def ignored_by(tree: WorkTree, path: str) -> str | None:
    """Says by which rule a file that is here is ignored; None for one that is not, or not here."""
    full = os.path.join(tree.root, path)
    if not os.path.lexists(full):
        return None
    return tree.scan().rules_for(os.path.dirname(path)).rule(path, os.path.isdir(full))


def label_table_paths(tree: WorkTree, request: Request) -> frozenset[str]:
    """Returns the paths in the dataset's folder, if any, of the label files that are read."""
    if request.label_table is None or request.force:
        return frozenset()
    if os.path.isdir(request.label_table):
        return request.label_files
    named = os.path.abspath(request.label_table)
    found = {*request.label_files}
    for file in (named, os.path.realpath(named)):
        for root in (tree.root, os.path.realpath(tree.root)):
            if file.startswith(root.rstrip("/") + "/"):
                found.add(file[len(root.rstrip("/")) + 1 :])
    return frozenset(found)


def refuse_ignored(problems: Iterable[Problem]) -> None:
    """Raises PathsIgnored when there are any."""
    listed = list(problems)
    if listed:
        first = listed[0]
        raise PathsIgnored(
            f"{printable(first.path)} is {first.reason}, so nothing was recorded",
            hint="`dsm add -f` stages it all the same",
            items=tuple(problem.path for problem in listed),
        )
