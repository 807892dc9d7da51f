"""Preparing a view: its query is checked against the stored examples, and remembered."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from dsm.errors import AnswerIsNo
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
    view = View(repository, dataset, snapshots, query, record)
    if record is None:
        if not view.evaluation.count and not view.queries:
            _require_known(view)
            raise AnswerIsNo(_nothing_fits(view.snapshot, query), hint=_which_clause(view))
        if any(each.labels_missed(view.labels) for each in query.filters) and not view.queries:
            _require_known(view)
        content, unknown, ties = view.content, view.unknown_labels, view.ties
        with _all_stored(repository, query):
            write_record(
                repository, dataset, query, content, unknown,
                ties=ties, to_be_named=name is not None,
            )  # fmt: skip
    if name is not None:
        give_name(repository, dataset, name, query.version)
    return view


def _all_stored(repository: Repository, query: ViewQuery) -> AbstractContextManager[None]:
    """Makes sure that the lists which a query picks by are stored; few queries do."""
    fields = query.to_json()
    if "picks" not in fields and "views" not in fields:
        return nullcontext()
    from dsm.views.selection.lists import lists_stored

    return lists_stored(repository, query.filters, fields)


def _nothing_fits(snapshot: pa.Table, query: ViewQuery) -> str:
    of = "those changesets" if query.runs else f"changeset {query.at}"
    return f"no example of {of} fits the query" if snapshot.num_rows else f"{of} has no example"


def _which_clause(view: View) -> str | None:
    """Says how many examples each filter leaves by itself, so that the culprit is seen."""
    import pyarrow.compute as pc

    found = view.clauses
    if not found or not view.snapshot.num_rows:
        return None
    counts = [(pc.sum(c.mask(view.snapshot)).as_py() or 0, c.text) for c in found]
    return "matches per filter alone: " + "; ".join(f"{text} {count:,}" for count, text in counts)


def _require_known(view: View) -> None:
    """Raises NotFound for what no example has: misspelt, it would go unnoticed."""
    for each in view.query.filters:
        each.require_known(view.snapshot, view.query.at)
