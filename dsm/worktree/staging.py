"""What `add` does from end to end: judge, store, hand over to the stage, report.

Everything between the first decision and the stage segment happens under one lease, and the
hand-over itself under the publisher; see `publish`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO

from dsm.errors import Conflict, InvalidInput, NotFound, StorageFailed
from dsm.format.index import ABSENT, Mark
from dsm.history.counting import counts_of
from dsm.model.attributes import AttributeDiffers, attribute_types
from dsm.model.changeset import Counts
from dsm.model.example import Change
from dsm.model.names import check_path, close_matches, printable
from dsm.model.queries import Document, with_queries
from dsm.model.record_path import RECORD, is_below, is_records_file
from dsm.model.reports import AddReport
from dsm.model.rows import FORGET, KIND_NAMES, Rows
from dsm.model.unmatched import REFUSE
from dsm.progress import SILENT, Progress
from dsm.worktree.add import Adder
from dsm.worktree.catching_up import catch_up
from dsm.worktree.edit import kind_against_head, named_records, tracked_below
from dsm.worktree.index import WorkIndex, folders_above
from dsm.worktree.mass_deletion import refuse_mass_deletion
from dsm.worktree.outcome import Outcome
from dsm.worktree.publish import check_present, publishing
from dsm.worktree.request import Request
from dsm.worktree.stage import Staged
from dsm.worktree.tree import WorkTree

if TYPE_CHECKING:
    from dsm.format.reference import Reference
    from dsm.model.example import Example


def add_files(tree: WorkTree, request: Request, progress: Progress = SILENT) -> AddReport:
    """Stages files of the work tree; a dry run only says what would be staged."""
    if request.records is not None:
        from dsm.worktree.record_globs import with_globs

        request = with_globs(tree, request)
    if request.dry_run:
        adder = Adder(tree, request, progress)
        outcome = adder.run()
        refuse_other_types(tree, adder.staged, outcome.rows)
        return report(outcome, 0, request)
    catch_up(tree)
    with publishing(tree.repository) as publish:
        adder = Adder(tree, request, progress)
        before = publish.stored_bytes()
        outcome = adder.run()
        refuse_other_types(tree, adder.staged, outcome.rows)
        if not request.allows_mass_deletion:
            refuse_mass_deletion(tree, adder.index, outcome.rows, adder.staged.rows())
        with publish:
            stage_rows(tree, adder.index, adder.staged, outcome.rows, outcome.marks)
        adder.remember()
        return report(outcome, publish.stored_bytes() - before, request)


def add_content(
    tree: WorkTree,
    request: Request,
    named: Iterable[str],
    content: Iterable[tuple[str, bytes | BinaryIO | Reference]],
    now: int,
    times: Mapping[str, int | None] = MappingProxyType({}),
) -> AddReport:
    """Stages bytes by path, which need no file; new ones get the time that `times` says, else `now`
    (microseconds).

    `named` are all paths, `content` gives the bytes of each, or a reference to them, one after the
    other.
    """
    if request.dry_run or request.deletions:
        raise InvalidInput("bytes given by path are staged: dry_run and deletions are for files")
    paths = [check_path(path) for path in named]
    with publishing(tree.repository) as publish:
        before = publish.stored_bytes()
        adder = Adder(tree, request)
        outcome = adder.out
        refuse_nested(adder.index, paths)
        known = tree.lookup(paths, adder.staged)
        _refuse_over_records(known)
        committed = tree.committed(paths)
        for path, oid, size in tree.repository.store.put_many(content):
            outcome.size += size
            old = known.get(path)
            example = request.example(
                path, oid, size, times.get(path) or now, old, outcome.unlabelled,
                committed.get(path),
            )  # fmt: skip
            kind = kind_against_head(example, committed.get(path))
            if kind == FORGET:
                outcome.rows.delete(path, FORGET)
            elif example != old:
                outcome.rows.put(kind, example)
            on_disk = os.path.lexists(os.path.join(tree.root, path))
            outcome.marks[path] = oid if on_disk else ABSENT
        # Bytes are there because somebody named their path: none is left out.
        new = [path for path in paths if path not in known and request.leaves_out(path)]
        request.refuse(outcome.unlabelled, new if request.unmatched == REFUSE else ())
        if (table := request.label_rows) is not None:
            table.refuse(unused := table.unused(paths), paths, strict=request.strict)
            outcome.warnings += table.warnings(unused)
        refuse_other_types(tree, adder.staged, outcome.rows)
        tree.repository.store.flush()
        outcome.files = len(paths)
        with publish:
            stage_rows(tree, adder.index, adder.staged, outcome.rows, outcome.marks)
        return report(outcome, publish.stored_bytes() - before, request)


def add_records(tree: WorkTree, request: Request, lines: Iterator[bytes], now: int) -> AddReport:
    """Stages lines as the records of the file that the request names, which needs not be there;
    new ones get the time `now` (microseconds)."""
    from dsm.worktree.records import RecordsFiles

    (path,) = request.paths
    if not check_path(path).lower().endswith((".jsonl", ".ndjson")):
        raise InvalidInput(
            f"{printable(path)} is no name of a JSON Lines file", hint="end it in .jsonl"
        )
    with publishing(tree.repository) as publish:
        before = publish.stored_bytes()
        adder = Adder(tree, request)
        outcome = adder.out
        refuse_nested(adder.index, [path])
        added = RecordsFiles(tree, request, adder.staged).add_lines(path, lines, now)
        outcome.rows.absorb(added.rows)
        outcome.records += added.reports
        outcome.size += added.size
        outcome.files = 1
        outcome.unchanged += sum(not any(each.counts.values()) for each in added.reports)
        on_disk = os.path.lexists(os.path.join(tree.root, path))
        outcome.marks[path] = added.stats[path][1] if on_disk else ABSENT
        refuse_other_types(tree, adder.staged, outcome.rows)
        with publish:
            stage_rows(tree, adder.index, adder.staged, outcome.rows, outcome.marks)
        return report(outcome, publish.stored_bytes() - before, request)


def refuse_other_types(tree: WorkTree, staged: Staged, rows: Rows) -> None:
    """Raises InvalidInput when an attribute has another type in the head or the stage."""
    if not any(rows.attributes):
        return
    head = tree.log.head()
    known = tree.log.get(head).attributes if head else {}
    if staged.where:
        held, replaced = staged.rows(), set(rows.paths)
        kept = [row for row, path in enumerate(held.paths) if path not in replaced]
        known = attribute_types(held.take(kept), known)
    try:
        attribute_types(rows, known)
    except AttributeDiffers as error:
        from dsm.worktree.record_lines import with_line

        raise with_line(tree, rows, error) from None


def _refuse_over_records(known: Mapping[str, Example]) -> None:
    """Raises Conflict where content by path would take the place of a file of records, or of one of
    its records."""
    taken = sorted(path for path, each in known.items() if each.records is not None)
    if taken:
        is_file = is_records_file(known[taken[0]].records)
        raise Conflict(
            f"{printable(taken[0])} is a {'file of records' if is_file else 'record of a file'},"
            " and would become an example that is none",
            hint="`Dataset.add_records` stages its next state"
            if is_file
            else "change the file that it is a line of",
            items=tuple(taken[:1000]),
        )


def refuse_nested(index: WorkIndex, paths: list[str]) -> None:
    """Raises InvalidInput where one path would lie below another, or below an example."""
    given = set(paths)
    nested = {path for path in paths if given.intersection(folders_above([path]))}
    blocking = nested | index.in_the_way(path for path in paths if index.get(path) is None)
    if blocking:
        one = min(blocking)
        raise InvalidInput(
            f"{printable(one)} cannot be an example and another one lie below it",
            hint="remove the one that is there first, or choose another path",
            items=tuple(sorted(blocking)),
        )


def stage_without_content(
    tree: WorkTree, index: WorkIndex, staged: Staged, rows: Rows, marks: dict[str, Mark | None]
) -> Counts:
    """Stages rows of stored objects; `staged` and `index` are what they were judged by."""
    with publishing(tree.repository) as publish, publish:
        stage_rows(tree, index, staged, rows, marks)
    return counts_of(rows)


def report(outcome: Outcome, stored: int, request: Request) -> AddReport:
    """Builds what `add` answers; `stored` is what the packs grew by, in bytes."""
    changes: tuple[Change, ...] = ()
    used = request.pattern or request.default_pattern
    if request.dry_run:
        rows = outcome.rows
        own = {p for p, each in zip(rows.paths, rows.records, strict=True) if each == RECORD}
        changes = tuple(
            Change(KIND_NAMES[kind], path, after=example, of_record=path in own)
            for path, kind, example in outcome.rows.sorted()
            if kind != FORGET
        )
    return AddReport(
        counts=counts_of(outcome.rows),
        files=outcome.files,
        size=outcome.size,
        stored=stored,
        unchanged=outcome.unchanged,
        unlabelled=len(outcome.unlabelled),
        left_out=len(outcome.left_out),
        carried=outcome.carried,
        warnings=tuple(outcome.warnings),
        skipped=tuple(outcome.skipped),
        failed=tuple(outcome.failed),
        ignored=tuple(outcome.ignored),
        changes=changes,
        pattern=used.text if used else None,
        records=tuple(outcome.records),
    )


def stage_rows(
    tree: WorkTree,
    index: WorkIndex,
    staged: Staged,
    rows: Rows,
    marks: dict[str, Mark | None],
) -> None:
    """Writes rows to the stage and brings the index along. Packs must be durable already.

    Call with the publisher entered. Raises PacksVanished when something that the rows took over
    from the stage was dropped and removed meanwhile.
    """
    check_present(tree.repository, rows, tree.stage, staged)
    refuse_among_queries(tree, staged, (p for p, o in zip(rows.paths, rows.oids, strict=True) if o))
    with tree.locked():
        tree.note(index, marks)
        if len(rows):
            # The head that the rows were judged against, not one that came in between.
            name = tree.stage.write(index.position.head, rows)
            index.position = index.position.with_segments(*index.position.segments, name)
        index.set_many(marks)
        try:
            tree.write(index)
        except StorageFailed:
            return  # the index is a cache: the next command learns again what was lost


def refuse_among_queries(tree: WorkTree, staged: Staged, paths: Iterable[str]) -> None:
    """Raises Conflict for a path that lies where the examples of a query do."""
    head = tree.log.head()
    standing = with_queries(tree.log.queries(head), staged.queries)
    shared = sorted(p for p in paths if p.partition("/")[0] in standing) if standing else []
    if shared:
        raise Conflict(
            f"{printable(shared[0])} would lie among the examples of query"
            f" {shared[0].partition('/')[0]}",
            hint="give it a path elsewhere: below the name of a query are its rows alone",
            items=tuple(shared),
        )


def unstage(tree: WorkTree, paths: tuple[str, ...] | None) -> int:
    """Forgets staged rows at and below the paths (all, with None, damaged ones too), and queries
    of these names; returns how many. Raises NotFound for a path of which nothing is known."""
    if paths is None:
        tree.stage.discard_damaged()
    with tree.locked():
        staged = tree.stage.load()
        gone = {
            path
            for path, (segment, row) in staged.where.items()
            if paths is None or is_below(path, paths, segment.rows.records[row])
        }
        queries = [n for n in staged.queries if paths is None or "" in paths or n in paths]
        index = tree.index(staged)
        named = {*gone, *folders_above(gone), *staged.queries, *tree.log.queries(tree.log.head())}
        unnamed = [path for path in paths or () if path not in named]
        records = named_records(tree, index, staged, unnamed)
        tracked_below(index, [path for path in unnamed if path not in records])
        committed = tree.committed(gone)
        written = tree.stage.drop(staged, gone, queries)
        absent = tree.absent()
        for path in gone:
            segment, row = staged.where[path]
            if segment.rows.records[row] == RECORD:
                continue  # it has no file, and so no mark
            if path in committed:
                oid = committed[path].oid
                tree.mark_unseen(index, absent, path, oid, was_here=absent.known)
            else:
                index.remove(path)
        # Only what this index mirrors: a changeset or segment that came meanwhile is applied later.
        known = {*staged.names, written}
        names = tuple(name for name in tree.stage.load().names if name in known)
        index.position = index.position.with_segments(*names)
        with contextlib.suppress(StorageFailed):
            tree.write(index)
    return len(gone) + len(queries)


def stage_query(tree: WorkTree, name: str, document: Document | None) -> str:
    """Stages a query, or with no document its removal; returns what the next commit does to it.

    That is added, modified, deleted or unchanged. Raises Conflict when examples lie where those of
    the query would, NotFound for a removal of what is not there.
    """
    with tree.locked():
        staged = tree.stage.load()
        index = tree.index(staged)
        if document is not None and next(iter(index.below(name)), None) is not None:
            raise Conflict(
                f"there are examples at or below {name} already",
                hint="the examples of a query lie below its name: choose another with --name",
                items=(name,),
            )
        standing = tree.log.queries(index.position.head)
        known = with_queries(standing, staged.queries)
        if document is None and name not in known:
            near = close_matches(name, known)
            raise NotFound(
                f"there is no query {name}",
                hint=f"did you mean {near[0]}?" if near else "`dsm status` names those there are",
            )
        if known.get(name) != document:
            value = FORGET if standing.get(name) == document else document
            written = tree.stage.write(index.position.head, Rows(), {name: value})
            index.position = index.position.with_segments(*index.position.segments, written)
            with contextlib.suppress(StorageFailed):
                tree.write(index)
    if standing.get(name) == document:
        return "unchanged"
    return "deleted" if document is None else "modified" if name in standing else "added"
