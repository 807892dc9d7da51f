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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dsm.errors import AnswerIsNo, InvalidInput
from dsm.history.conflicts import (
    ChangedMeanwhile,
    queries_without_conflicts,
    refuse_shared_folders,
    without_conflicts,
)
from dsm.history.counting import counted, size_put
from dsm.model.attributes import FLOAT_INT_MAX, attribute_types
from dsm.model.changeset import Changeset, Counts
from dsm.model.names import printable
from dsm.model.queries import StagedQuery, attributes_of
from dsm.model.rows import Rows
from dsm.repo.dataset_settings import newest_settings
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository

if TYPE_CHECKING:
    from dsm.history.manifests import Written
    from dsm.history.snapshot import Snapshots
    from dsm.model.trailers import Trailers
    from dsm.model.verdict import Verdict

MESSAGE_BYTES_MAX = 100_000
# Judges sorted rows that would go on top of a head.
Judge = Callable[[Rows, int], "Verdict | None"]
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
    trailers: Trailers = field(default_factory=dict)
    verdict: Verdict | None = None


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
    only_on: int | None = None,
    judge: Judge | None = None,
) -> Changeset:
    """Commits rows (sorted by path) and queries by name; returns the new changeset, durable.

    `bases` says which head each row was judged against. `before_commit` runs when all is ready
    but the commit point; `judge` gives the verdict on the rows, or raises what stops the commit.
    With `only_on` the new changeset follows that one, or none is made. Raises ChangedMeanwhile
    with the paths, or AnswerIsNo when nothing is left to commit.
    """
    from dsm.history.manifests import write_manifest

    checked = -1
    table_of = None
    manifest: Written | None = None
    types: dict[str, str] = {}
    while True:
        head = log.head()
        if only_on is not None and head != only_on:
            raise ChangedMeanwhile(
                f"changeset {head} came in between",
                hint="`dsm log` shows it; run the command again to go on from there",
            )
        parent = log.get(head) if head else None
        if head != checked:
            kept = without_conflicts(log, snapshots, rows, bases, head)
            if kept is not rows:
                rows, table_of, manifest = kept, None, None
            queries = queries_without_conflicts(log, queries, head)
            refuse_shared_folders(log, snapshots, rows, queries, head)
            checked = head
            if judge is not None:
                intent = replace(intent, verdict=judge(rows, head))
        if not len(rows) and not queries and not allow_empty:
            raise AnswerIsNo(
                "nothing to commit", hint="`dsm add` stages changes, `dsm status` lists them"
            )
        known = parent.attributes if parent else {}
        if len(rows) and (manifest is None or table_of != known):
            types = attribute_types(rows, known)
            manifest, table_of = write_manifest(repository.layout, log.name, rows, types), known
        before_commit()
        all_types = _with_attributes({**known, **types}, queries)
        _refuse_rounding(snapshots, head, rows, known, all_types)
        told = counted(rows, parent.records_files if parent else 0, snapshots, head)
        settings = newest_settings(repository, log.name, parent)
        changeset = _header(log, parent, rows, manifest, all_types, intent, queries, told)
        changeset = replace(changeset, settings=settings)
        made = log.append(changeset)
        if made is not None:
            return made


def _header(
    log: ChangesetLog,
    parent: Changeset | None,
    rows: Rows,
    manifest: Written | None,
    types: Mapping[str, str],
    intent: Intent,
    queries: Mapping[str, StagedQuery],
    told: tuple[Counts, int],
) -> Changeset:
    counts, files = told
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
        size=size_put(rows),
        examples=live,
        manifest=manifest.id if manifest else None,
        manifest_file=manifest.file if manifest else None,
        manifest_bytes=manifest.bytes if manifest else 0,
        source=intent.source,
        note=intent.note,
        reverts=intent.reverts,
        attributes=types,
        queries=dict(sorted(standing.items())),
        documents=documents,
        records_files=files,
        trailers=intent.trailers,
        verdict=intent.verdict,
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
