"""Preparing a view: its query is checked against the stored examples, and remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsm.errors import AnswerIsNo, NotFound
from dsm.model.names import close_matches
from dsm.views.query.view_query import ViewQuery
from dsm.views.selection.prepared import (
    check_view_name,
    give_name,
    read_record,
    write_record,
)
from dsm.views.view import View

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from dsm.history.snapshot import Snapshots
    from dsm.repo.repository import Repository

LABELS_SHOWN = 10


def prepare(
    repository: Repository,
    dataset: str,
    snapshots: Callable[[], Snapshots],
    query: ViewQuery,
    *,
    name: str | None = None,
) -> View:
    """Checks and remembers a query; returns its view.

    Raises NotFound for a label that no example has, AnswerIsNo when nothing is selected,
    InvalidInput when the name stands for another view.
    """
    if name is not None:
        check_view_name(name)
    record = read_record(repository, dataset, query.version)
    view = View(repository, dataset, snapshots, query, record.content if record else None)
    if record is None:
        if not view.evaluation.count and not view.queries:
            _require_labels(view.snapshot, query)
            raise AnswerIsNo(_nothing_fits(view.snapshot, query), hint=_which_clause(view))
        if any(label not in view.labels for label in query.labels) and not view.queries:
            _require_labels(view.snapshot, query)
        if query.exclude and not view.queries:
            view.unknown_excludes = tuple(_unknown(view.snapshot, query.exclude))
        write_record(repository, dataset, query, view.content)
    if name is not None:
        give_name(repository, dataset, name, query.version)
    return view


def _nothing_fits(snapshot: pa.Table, query: ViewQuery) -> str:
    of = "those changesets" if query.runs else f"changeset {query.at}"
    return f"no example of {of} fits the query" if snapshot.num_rows else f"{of} has no example"


def _which_clause(view: View) -> str | None:
    """Says how many examples each filter leaves by itself, so that the culprit is seen."""
    import pyarrow.compute as pc

    from dsm.views.selection.evaluate import clauses

    found = clauses(view.query)
    if not found or not view.snapshot.num_rows:
        return None
    counts = [(pc.sum(c.mask(view.snapshot)).as_py() or 0, c.text) for c in found]
    return "by themselves: " + "; ".join(f"{text}: {count:,}" for count, text in counts)


def _unknown(table: pa.Table, asked: tuple[str, ...]) -> list[str]:
    """Returns those of the labels that no example of a snapshot has."""
    if not asked:
        return []
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pc.unique(pc.list_flatten(table.column("labels")))
    there = pc.is_in(pa.array(asked, pa.string()), value_set=known).to_pylist()
    return [label for label, found in zip(asked, there, strict=True) if not found]


def _require_labels(table: pa.Table, query: ViewQuery) -> None:
    """Raises NotFound for a label that no example has: a misspelt one would go unnoticed."""
    from dsm.views.selection.content import label_counts

    for label in _unknown(table, query.labels):
        known = label_counts(table)
        near = close_matches(label, known)
        some = ", ".join(list(known)[:LABELS_SHOWN]) or "none"
        raise NotFound(
            f"no example of changeset {query.at} has the label {label!r}",
            hint=f"did you mean {near[0]}?" if near else f"labels: {some}",
        )
