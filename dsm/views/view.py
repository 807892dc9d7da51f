"""A view: a named query over a dataset, evaluated when its examples are asked for.

`prepare` names and remembers the query; `get` materialises it, the same bytes wherever and
whenever.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import AnswerIsNo, DamagedData, InvalidInput, NotFound
from dsm.history.snapshot import Snapshots, examples_of
from dsm.model.example import Example
from dsm.model.names import check_tag_name, close_matches
from dsm.progress import SILENT, Progress
from dsm.repo.repository import Repository, create_document, read_document
from dsm.views.query import Query

PREFIX_MIN = 8
_VERSION = re.compile(r"[0-9a-f]{64}\.json").fullmatch


class View:
    """One query of one dataset; sized and iterable, over its examples sorted by path."""

    def __init__(self, repository: Repository, dataset: str, snapshots: Snapshots, query: Query):
        self.repository = repository
        self.dataset = dataset
        self.query_ = query
        self._snapshots = snapshots

    @property
    def version(self) -> str:
        """64 hex digits."""
        return self.query_.version

    @property
    def query(self) -> dict[str, Any]:
        """The query as it is hashed."""
        return self.query_.to_json()

    @cached_property
    def _table(self) -> pa.Table:
        query = self.query_
        log = self._snapshots._log
        if log.get(query.at).id != query.at_id:
            raise DamagedData(
                f"the view asks for changeset {query.at} of another history of {self.dataset}"
            )
        return select(self._snapshots.table(query.at), query)

    def table(self) -> pa.Table:
        """Returns the selected examples as an Arrow table; see `Dataset.snapshot` for columns."""
        return self._table

    def __len__(self) -> int:
        count: int = self._table.num_rows
        return count

    @property
    def size(self) -> int:
        """The bytes of all selected examples."""
        return pc.sum(self._table.column("size")).as_py() or 0

    @property
    def labels(self) -> dict[str, int]:
        """How many selected examples have each label, sorted by label."""
        return label_counts(self._table)

    def __iter__(self) -> Iterator[Example]:
        return examples_of(self._table)

    def read(self, example: Example) -> bytes:
        """Returns an example's bytes, verified."""
        data: bytes = self.repository.store.read(example.oid)
        return data

    def get(
        self, out: str, *, format: str = "tar", force: bool = False, progress: Progress = SILENT
    ) -> str:
        """Materialises the view; see `dsm.views.materialise.get`."""
        from dsm.views.materialise import get

        return get(self, out, format=format, force=force, progress=progress)


def select(table: pa.Table, query: Query) -> pa.Table:
    """Applies a query's filters to a snapshot."""
    if query.labels:
        wanted = _with_labels(table, query.labels, need_all=query.all_labels)
        table = table.take(wanted)
    if query.exclude:
        unwanted = _with_labels(table, query.exclude, need_all=False)
        keep = pc.invert(pc.is_in(pa.array(range(table.num_rows), pa.int64()), value_set=unwanted))
        table = table.filter(keep)
    return table


def _with_labels(table: pa.Table, labels: tuple[str, ...], *, need_all: bool) -> pa.Array:
    """Returns the rows that have any of the labels, or all of them, in order."""
    column = table.column("labels").combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    hit = pc.is_in(pc.list_flatten(column), value_set=pa.array(labels, pa.string()))
    rows = pc.list_parent_indices(column).filter(hit)
    if not need_all:
        return rows.unique().cast(pa.int64())
    counts = rows.value_counts()
    full = pc.equal(counts.field("counts"), len(labels))
    return counts.field("values").filter(full).cast(pa.int64())


def label_counts(table: pa.Table) -> dict[str, int]:
    """Counts the examples of each label."""
    column = table.column("labels")
    if not table.num_rows:
        return {}
    found = pc.value_counts(pc.list_flatten(column))
    pairs = zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)
    return dict(sorted(pairs))


def prepare(
    repository: Repository,
    dataset: str,
    snapshots: Snapshots,
    query: Query,
    *,
    name: str | None = None,
) -> View:
    """Checks and remembers a query; returns its view.

    Raises NotFound for a label that no example has, AnswerIsNo when nothing is selected,
    InvalidInput when the name stands for another view.
    """
    view = View(repository, dataset, snapshots, query)
    if name is not None:
        check_tag_name(name)
    _require_labels(snapshots.table(query.at), query)
    if not len(view):
        raise AnswerIsNo(f"no example of changeset {query.at} fits the query")
    folder = repository.layout.views(dataset)
    fields = {"query": query.to_json(), "version": view.version}
    create_document(
        os.path.join(folder, view.version + ".json"), fields, repository.layout.temporary
    )
    if name is not None:
        path = os.path.join(folder, name + ".name.json")
        named = {"name": name, "version": view.version}
        if not create_document(path, named, repository.layout.temporary):
            present = read_document(path)
            if present is None or present.get("version") != view.version:
                raise InvalidInput(f"the name {name!r} stands for another view already")
    return view


def _require_labels(table: pa.Table, query: Query) -> None:
    """Raises NotFound for a label that no example has: a misspelt one would go unnoticed."""
    if not query.labels:
        return
    known = label_counts(table)
    for label in query.labels:
        if label not in known:
            near = close_matches(label, known)
            some = ", ".join(list(known)[:10]) or "none"
            raise NotFound(
                f"no example of changeset {query.at} has the label {label!r}",
                hint=f"did you mean {near[0]}?" if near else f"labels: {some}",
            )


def find_view(repository: Repository, text: str) -> tuple[str, Query]:
    """Finds a prepared view by version, unique prefix of at least 8 digits, or name.

    Returns (dataset, query). Raises NotFound, InvalidInput when the prefix is ambiguous.
    """
    wanted = text.strip()
    is_hex = bool(wanted) and all(char in "0123456789abcdef" for char in wanted.lower())
    long_enough = is_hex and len(wanted) >= PREFIX_MIN
    found: dict[str, str] = {}
    for dataset in repository.datasets():
        folder = repository.layout.views(dataset)
        named = None if is_hex and len(wanted) == 64 else _named(folder, wanted)
        prefix = named or (wanted.lower() if long_enough else None)
        if prefix is None:
            continue
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            continue
        found.update({n[:-5]: dataset for n in names if n.startswith(prefix) and _VERSION(n)})
    if not found:
        if is_hex and not long_enough:
            raise InvalidInput(
                f"{wanted!r} is too short for a version", hint="give 8 digits or more"
            )
        raise NotFound(
            f"there is no view {wanted!r} here",
            hint="`dsm prepare` names a view and prints its version",
        )
    if len(found) > 1:
        raise InvalidInput(f"{wanted!r} could be {len(found)} views", hint="give more digits")
    version, dataset = next(iter(found.items()))
    path = os.path.join(repository.layout.views(dataset), version + ".json")
    fields = read_document(path) or {}
    query = Query.from_json(fields.get("query", {}), path)
    if query.version != version:
        raise DamagedData(f"{path} does not hold the query of its name")
    return dataset, query


def _named(folder: str, name: str) -> str | None:
    try:
        check_tag_name(name)
    except InvalidInput:
        return None
    path = os.path.join(folder, name + ".name.json")
    fields = read_document(path)
    if fields is None:
        return None
    version = fields.get("version")
    if fields.get("name") != name or not isinstance(version, str) or len(version) != 64:
        raise DamagedData(f"{path} does not hold the name of a view")
    return version
