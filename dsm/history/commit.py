"""Making a changeset out of rows: manifest first, then the header whose creation is the commit.

    1  the packs that hold the objects are durable already (add did that)
    2  the manifest is written, synced, linked, and its folder synced
    3  the header is written, synced and linked under the next number: the commit point
    4  the header's folder is synced; only now is success reported

A writer that finds its number taken looks at what the other one changed: rows that do not touch
the same paths go on top, others are a conflict. Locks are not needed for any of this.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsm.errors import AnswerIsNo, Conflict, DamagedData, InvalidInput
from dsm.model.attributes import FLOAT_INT_MAX, attribute_types
from dsm.model.changeset import Changeset, Counts
from dsm.model.names import printable
from dsm.model.queries import StagedQuery, attributes_of
from dsm.model.rows import ADDED, DELETED, MODIFIED, RELABELLED, Rows
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.store.whole_file import create_file, read_file

if TYPE_CHECKING:
    from dsm.history.snapshot import Snapshots

PATHS_LISTED = 1000
MESSAGE_BYTES_MAX = 100_000
NO_QUERIES: Mapping[str, StagedQuery] = {}


@dataclass(frozen=True, slots=True)
class Intent:
    """What the committer says of a changeset; `time` in microseconds UTC.

    `transaction` is random and chosen before the first write, so that "did it land?" always has
    an answer.
    """

    message: str
    author: str
    time: int
    transaction: str
    kind: str = "files"
    source: str | None = None
    note: str | None = None
    reverts: int | None = None


def intended(message: str, author: str, time: int, **fields: Any) -> Intent:
    """Returns what a committer says of a new changeset, with a transaction. Raises InvalidInput."""
    text = message.strip()
    if not text:
        raise InvalidInput("a changeset needs a message", hint='use -m "what changed"')
    if len(text.encode("utf-8", "replace")) > MESSAGE_BYTES_MAX:
        raise InvalidInput(f"the message is longer than {MESSAGE_BYTES_MAX:,} bytes")
    for value in (text, author, *fields.values()):
        if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
            raise InvalidInput("the message, author or provenance is not valid UTF-8")
    return Intent(text, author, time, os.urandom(16).hex(), **fields)


class ChangedMeanwhile(Conflict):
    """Another changeset touched the same examples since these changes were staged."""

    code = "changed-meanwhile"


def record(
    repository: Repository,
    log: ChangesetLog,
    snapshots: Snapshots,
    rows: Rows,
    bases: Mapping[str, int] | int,
    intent: Intent,
    *,
    queries: Mapping[str, StagedQuery] = NO_QUERIES,
    allow_empty: bool = False,
    before_commit: Callable[[], None] = lambda: None,
) -> Changeset:
    """Commits rows (sorted by path) and queries by name; returns the new changeset, durable.

    `bases` says which head each row was judged against. `before_commit` runs when all is ready
    but the commit point. Raises ChangedMeanwhile with the paths, or AnswerIsNo when nothing is
    left to commit.
    """
    checked = -1
    table_of = None
    manifest: tuple[str, str, int] | None = None
    types: dict[str, str] = {}
    while True:
        head = log.head()
        parent = log.get(head) if head else None
        if head != checked:
            kept = _without_conflicts(log, snapshots, rows, bases, head)
            if kept is not rows:
                rows, table_of, manifest = kept, None, None
            queries = _queries_without_conflicts(log, queries, head)
            _refuse_shared_folders(log, snapshots, rows, queries, head)
            checked = head
        if not len(rows) and not queries and not allow_empty:
            raise AnswerIsNo(
                "nothing to commit", hint="`dsm add` stages changes, `dsm status` lists them"
            )
        known = parent.attributes if parent else {}
        if len(rows) and (manifest is None or table_of != known):
            types = attribute_types(rows, known)
            manifest, table_of = _write_manifest(repository, log.name, rows, types), known
        before_commit()
        all_types = _with_attributes({**known, **types}, queries)
        _refuse_rounding(snapshots, head, rows, known, all_types)
        changeset = _header(log, parent, rows, manifest, all_types, intent, queries)
        made = log.append(changeset)
        if made is not None:
            return made


def _header(
    log: ChangesetLog,
    parent: Changeset | None,
    rows: Rows,
    manifest: tuple[str, str, int] | None,
    types: Mapping[str, str],
    intent: Intent,
    queries: Mapping[str, StagedQuery],
) -> Changeset:
    counts = Counts(*(rows.kinds.count(kind) for kind in (ADDED, MODIFIED, RELABELLED, DELETED)))
    kind = intent.kind
    if kind == "files" and counts.relabelled and counts.relabelled == counts.rows:
        kind = "relabel"
    if kind == "files" and queries:
        kind = "query"
    number = parent.number + 1 if parent else 1
    documents = {n: q.document for n, q in sorted(queries.items()) if q.document is not None}
    standing = {n: put for n, put in parent.queries.items() if n not in queries} if parent else {}
    standing.update(dict.fromkeys(documents, number))
    live = (parent.examples if parent else 0) + counts.added - counts.deleted
    return Changeset(
        number=number,
        id="",
        dataset=log.dataset_id,
        transaction=intent.transaction,
        parent=parent.id if parent else None,
        kind=kind,
        message=intent.message,
        author=intent.author,
        time=intent.time,
        counts=counts,
        size=sum(rows.sizes),
        examples=live,
        manifest=manifest[0] if manifest else None,
        manifest_file=manifest[1] if manifest else None,
        manifest_bytes=manifest[2] if manifest else 0,
        source=intent.source,
        note=intent.note,
        reverts=intent.reverts,
        attributes=types,
        queries=dict(sorted(standing.items())),
        documents=documents,
    )


def _queries_without_conflicts(
    log: ChangesetLog, queries: Mapping[str, StagedQuery], head: int
) -> Mapping[str, StagedQuery]:
    """Returns the queries that say something new. Raises ChangedMeanwhile for those that others
    have put or removed since they were staged."""
    if not queries:
        return queries
    standing = log.queries(head)
    told = {name: query for name, query in queries.items() if query.document != standing.get(name)}
    for name, query in told.items():
        for number in range(query.base + 1, head + 1):
            if name in log.queries_moved(number):
                raise ChangedMeanwhile(
                    f"query {printable(name)} changed since yours was staged, in changeset"
                    f" {number}",
                    hint=f"`dsm restore --staged` drops yours; `dsm show {number}` shows theirs",
                    items=(name,),
                )
    return told


def _refuse_shared_folders(
    log: ChangesetLog,
    snapshots: Snapshots,
    rows: Rows,
    queries: Mapping[str, StagedQuery],
    head: int,
) -> None:
    """Raises Conflict when stored examples would lie where those of a query do."""
    before = set(log.get(head).queries) if head else set()
    standing = {name for name in before if name not in queries}
    standing |= {name for name, query in queries.items() if query.document is not None}
    if not standing:
        return
    gone = {path for path, oid in zip(rows.paths, rows.oids, strict=True) if oid is None}
    shared = sorted(p for p in set(rows.paths) - gone if p.partition("/")[0] in standing)
    if not shared and head and standing - before:
        from dsm.history.snapshot import paths_below

        table = snapshots.table(head)
        for name in standing - before:
            shared += (path for path in paths_below(table, name) if path not in gone)
    if shared:
        raise Conflict(
            f"{printable(shared[0])} would lie among the examples of query"
            f" {shared[0].partition('/')[0]}",
            hint="move it elsewhere, or give the query another name with --name",
            items=tuple(shared[:PATHS_LISTED]),
        )


def _with_attributes(types: dict[str, str], queries: Mapping[str, StagedQuery]) -> dict[str, str]:
    """Adds the attributes that the examples of queries have. Raises InvalidInput."""
    documents = {n: query.document for n, query in queries.items() if query.document is not None}
    for name, attribute, kind in attributes_of(documents):
        known = types.setdefault(attribute, kind)
        if {known, kind} == {"int", "float"}:
            types[attribute] = "float"
        elif known != kind:
            raise InvalidInput(
                f"attribute {printable(attribute)} of query {name} is {kind}, but it is {known}"
                " elsewhere in this dataset",
                hint="an attribute has one type in a dataset: convert it in the query, or give it"
                " another name with AS",
            )
    return types


def _refuse_rounding(
    snapshots: Snapshots,
    head: int,
    rows: Rows,
    known: Mapping[str, str],
    types: Mapping[str, str],
) -> None:
    """Raises InvalidInput when an attribute becomes float of which an example that stays has an
    integer that no float can hold."""
    for name in (n for n, kind in types.items() if kind == "float" and known.get(n) == "int"):
        table, replaced = snapshots.table(head), set(rows.paths)
        values = table.column(f"attr.{name}").to_pylist()
        for path, value in zip(table.column("path").to_pylist(), values, strict=True):
            if value is not None and abs(value) > FLOAT_INT_MAX and path not in replaced:
                raise InvalidInput(
                    f"attribute {name!r} is float here, but {path!r} has {value}, which would lose"
                    " digits by it",
                    hint="give one of the two another name, or the new one whole numbers",
                )


def _write_manifest(
    repository: Repository, dataset: str, rows: Rows, types: Mapping[str, str]
) -> tuple[str, str, int]:
    """Writes the manifest; returns (id, BLAKE3 of the file, bytes). Durable, under its name."""
    from blake3 import blake3

    from dsm.format import manifest as fmt

    table = fmt.to_table(rows, types)
    manifest_id = fmt.rows_id(table)
    data = fmt.encode(table)
    layout = repository.layout
    path = layout.manifest(dataset, manifest_id)
    if not create_file(path, data, layout.temporary):
        # The same rows were committed before, perhaps written by another library version.
        try:
            present = read_file(path, fmt.bytes_most(len(data))) or b""
            fmt.decode(present, path, manifest_id=manifest_id, file_id=None)
            data = present
        except DamagedData:
            # Bytes that a power cut or a bad disk took: the rows in hand are the same, whole.
            temporary = os.path.join(layout.temporary, f"new-{os.urandom(8).hex()}")
            disk.rewrite(path, data, temporary, durable=True)
    return manifest_id, blake3(data).hexdigest(), len(data)


def _without_conflicts(
    log: ChangesetLog,
    snapshots: Snapshots,
    rows: Rows,
    bases: Mapping[str, int] | int,
    head: int,
) -> Rows:
    """Checks rows against the changesets that came after their base; drops those done already."""
    oldest = bases if isinstance(bases, int) else min(bases.values(), default=head)
    if oldest >= head or not len(rows):
        return rows
    position = {path: row for row, path in enumerate(rows.paths)}
    done: set[int] = set()
    conflicts: list[str] = []
    from dsm.history.snapshot import example_at

    touched: dict[str, int] = {}
    theirs_put: dict[str, int] = {}

    def base_of(path: str) -> int:
        return bases if isinstance(bases, int) else bases.get(path, head)

    for number in range(oldest + 1, head + 1):
        table = snapshots.manifest(number)
        if table is None:
            continue
        oids = table.column("object").to_pylist()
        for path, oid in zip(table.column("path").to_pylist(), oids, strict=True):
            if oid is None:
                theirs_put.pop(path, None)
            else:
                theirs_put[path] = number
            if path in position and number > base_of(path):
                touched[path] = number
    for path, number in touched.items():
        table = snapshots.manifest(number)
        assert table is not None
        theirs = example_at(table, table.column("path").to_pylist().index(path))
        row = position[path]
        mine = rows.example(row)
        if mine == theirs or (mine is None and theirs is None):
            done.add(row)
        else:
            conflicts.append(path)
    conflicts += [path for path in _nested(rows, theirs_put, base_of) if path not in touched]
    if conflicts:
        listed = tuple(sorted(conflicts))
        raise ChangedMeanwhile(
            f"{len(conflicts)} of the examples to commit changed since they were staged,"
            f" in changeset {min(touched.values(), default=oldest + 1)} or later",
            hint="look at `dsm log -- PATH`; `dsm restore --staged PATH` drops your version, after"
            " which `dsm add PATH` stages it on top of theirs",
            items=listed[:PATHS_LISTED],
        )
    if not done:
        return rows
    return rows.take([row for row in range(len(rows)) if row not in done])


def _nested(rows: Rows, theirs: dict[str, int], base_of: Callable[[str], int]) -> Iterator[str]:
    """Yields the paths that rows put below or above what others have put since: no example is a
    folder as well."""
    above: dict[str, int] = {}
    for path, number in theirs.items():
        above.update({folder: max(number, above.get(folder, 0)) for folder in _folders_of(path)})
    for path, oid in zip(rows.paths, rows.oids, strict=True):
        if oid is not None:
            numbers = [above.get(path, 0), *(theirs.get(f, 0) for f in _folders_of(path))]
            if max(numbers) > base_of(path):
                yield path


def _folders_of(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
