"""The source queries that a view reads: those live after the changesets that it folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsm.sources.query import SourceQuery

if TYPE_CHECKING:
    from dsm.model.changeset import Changeset
    from dsm.repo.log import ChangesetLog
    from dsm.views.query.view_query import ViewQuery


@dataclass(frozen=True, slots=True)
class LiveQuery:
    """A query of a view, and the changeset that put it."""

    query: SourceQuery
    changeset: Changeset


def live_queries(log: ChangesetLog, query: ViewQuery) -> list[LiveQuery]:
    """Returns the queries that a view reads, sorted by name; no source is asked."""
    live: dict[str, int] = {}
    if not query.runs:
        live.update(log.get(query.at).queries)
    for first, last in query.runs:
        for number in range(first, last + 1):
            for name, (_, after) in log.queries_moved(number).items():
                live.pop(name, None)
                if after is not None:
                    live[name] = after
    found = []
    for name, number in sorted(live.items()):
        changeset = log.get(number)
        found.append(LiveQuery(SourceQuery.from_json(name, changeset.documents[name]), changeset))
    return found
