"""What one run of one query is to do, decided before anything is asked: pure, and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dsm.model.changeset import Changeset
from dsm.sources.query import SourceQuery
from dsm.sources.statement import Dialect
from dsm.views.filters.conditions import SIZE
from dsm.views.filters.sql import Narrowed
from dsm.views.query.view_query import ViewQuery
from dsm.views.selection.live_queries import LiveQuery
from dsm.views.source_rows.pushdown import label_query, narrowed
from dsm.views.source_rows.row_filters import RowFilters

# What a run is for: rows as examples, rows as they are, or only what filters and labels need.
EXAMPLES, COLUMNS, TIMES, LABELS = "examples", "columns", "times", "labels"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a receipt tells of a run: the view's dataset and version, and what reads its rows."""

    dataset: str
    version: str
    consumer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """One run of one query, put by `changeset`.

    The source is asked for `asked`, whose answer has these `columns`; rows that pass `filters` go
    on in this `form`, with the hash of their content if `objects`. `types` are those of the
    dataset's attributes.
    """

    query: SourceQuery
    changeset: Changeset
    asked: Narrowed
    columns: tuple[str, ...]
    filters: RowFilters
    form: str
    objects: bool
    types: Mapping[str, str]
    purpose: Purpose

    @property
    def as_recorded(self) -> Narrowed:
        """The query as it stands in its changeset, without the conditions of a view."""
        return Narrowed(self.query.sql, dict(self.query.parameters))


def plan_run(
    live: LiveQuery,
    view_query: ViewQuery,
    dialect: Dialect,
    *,
    form: str,
    filters: RowFilters,
    objects: bool,
    types: Mapping[str, str],
    purpose: Purpose,
) -> RunPlan | None:
    """Decides what a run does; None when no row of the query can fit the view.

    `view_query` is what the database may check, `filters` is what is checked of each row.
    """
    query, moment = live.query, live.changeset.time
    columns = tuple(query.schema.names)
    if form == LABELS:
        asked = label_query(query, view_query, dialect, time_us=moment)
        columns = (query.label or "",)
    elif form == TIMES:
        columns = tuple(needed(query, view_query))
        asked = narrowed(query, view_query, dialect, time_us=moment, columns=columns)
    else:
        asked = narrowed(query, view_query, dialect, time_us=moment)
    if asked is None:
        return None
    return RunPlan(
        query=query, changeset=live.changeset, asked=asked, columns=columns, filters=filters,
        form=form, objects=objects, types=types, purpose=purpose,
    )  # fmt: skip


def needed(query: SourceQuery, view_query: ViewQuery) -> list[str]:
    """Returns the columns that filters, times and paths are made from."""
    wanted = {query.key, query.label, query.time}
    wanted |= {name for each in view_query.filters for name in each.attributes()}
    if SIZE in wanted:
        return list(query.schema.names)
    return [name for name in query.schema.names if name in wanted]
