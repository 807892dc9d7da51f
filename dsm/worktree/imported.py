"""Staging what came from an address, and so has no file here: records of files that are given open,
and what is said anew of examples whose content is known.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from dsm.format.index import ABSENT
from dsm.model.example import Example
from dsm.model.record_path import RECORD, is_records_file
from dsm.model.reports import AddReport
from dsm.model.rows import FORGET
from dsm.worktree.add import Adder
from dsm.worktree.edit import kind_against_head
from dsm.worktree.outcome import Outcome
from dsm.worktree.publish import publishing
from dsm.worktree.records import RecordsFiles
from dsm.worktree.request import Request
from dsm.worktree.stage import Staged
from dsm.worktree.staging import refuse_nested, refuse_other_types, report, stage_rows
from dsm.worktree.tree import WorkTree


def records_among(
    tree: WorkTree, request: Request, paths: Iterable[str], known: Mapping[str, Example]
) -> set[str]:
    """Returns those of these paths whose files are read as records: as the request has it, as they
    are tracked, or as the settings of the dataset say of their place; `known` are their examples.
    """
    return RecordsFiles(tree, request, Staged([])).records_among(paths, known)


def add_record_files(
    tree: WorkTree,
    request: Request,
    paths: Iterable[str],
    files: Iterable[tuple[str, BinaryIO, int]],
) -> AddReport:
    """Stages the records of files that are given open, one after the other, by their paths (all of
    which are `paths`) and times (microseconds UTC).

    How they are read is noted for what the request names, as by `add`. Raises RecordsInvalid,
    InvalidInput, Conflict.
    """
    with publishing(tree.repository) as publish:
        before = publish.stored_bytes()
        adder = Adder(tree, request)
        outcome = adder.out
        listed = list(paths)
        refuse_nested(adder.index, listed)
        added = RecordsFiles(tree, request, adder.staged).add_open(files)
        outcome.rows.absorb(added.rows)
        outcome.records += added.reports
        outcome.size += added.size
        outcome.files = len(listed)
        for path, (_, oid) in added.stats.items():
            on_disk = os.path.lexists(os.path.join(tree.root, path))
            outcome.marks[path] = oid if on_disk else ABSENT
        refuse_other_types(tree, adder.staged, outcome.rows)
        with publish:
            stage_rows(tree, adder.index, adder.staged, outcome.rows, outcome.marks)
        adder.remember()
        return report(outcome, publish.stored_bytes() - before, request)


def restate(
    tree: WorkTree, request: Request, paths: Iterable[str], *, dry_run: bool = False
) -> AddReport:
    """Stages what the request says of tracked examples whose content stays as it is; a dry run says
    how many these are.

    Raises InvalidInput for paths that a strict request does not match.
    """
    if dry_run:
        return report(_restated(tree, Adder(tree, request), paths), 0, request)
    with publishing(tree.repository) as publish:
        adder = Adder(tree, request)
        outcome = _restated(tree, adder, paths)
        with publish:
            stage_rows(tree, adder.index, adder.staged, outcome.rows, outcome.marks)
        return report(outcome, 0, request)


def _restated(tree: WorkTree, adder: Adder, paths: Iterable[str]) -> Outcome:
    request, outcome, listed = adder.request, adder.out, list(paths)
    known = tree.lookup(listed, adder.staged)
    committed = tree.committed(listed)
    for path in listed:
        old = known.get(path)
        if old is None or old.records == RECORD or is_records_file(old.records):
            continue
        said = _said_anew(request, old, outcome.unlabelled)
        if said.same_meaning(old):
            continue
        kind = kind_against_head(said, committed.get(path))
        if kind == FORGET:
            outcome.rows.delete(path, FORGET)
        else:
            outcome.rows.put(kind, said)
    request.refuse(outcome.unlabelled)
    refuse_other_types(tree, adder.staged, outcome.rows)
    return outcome


def _said_anew(request: Request, old: Example, unlabelled: list[str]) -> Example:
    return request.example(old.path, old.oid, old.size, old.time, old, unlabelled)
