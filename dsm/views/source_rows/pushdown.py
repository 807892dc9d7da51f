"""The filters of a view as conditions around a query's SQL, so that a database sends fewer rows.

Invariant: every condition is a necessary one, so no row that the exact filters keep is lost,
whatever a column holds.
"""

from __future__ import annotations

from collections.abc import Sequence

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.sources.query import SourceQuery, kind_of
from dsm.sources.statement import Dialect, quoted
from dsm.views.filters.sql import Narrowed, NothingPassesError, SqlConditions
from dsm.views.query.view_query import ViewQuery


def narrowed(
    source_query: SourceQuery,
    view_query: ViewQuery,
    dialect: Dialect,
    *,
    time_us: int,
    columns: Sequence[str] | None = None,
) -> Narrowed | None:
    """Returns a query for the rows that pass the filters of a view, and perhaps others.

    None when no row can pass. `time_us` is the time of rows without one, microseconds UTC. With
    `columns`, only these are asked for, if anything is asked otherwise than the query stands. A
    query without a key is left as it stands: its rows are numbered. Raises InvalidInput for a
    column that the query has not.
    """
    for name in columns or ():
        if name not in source_query.schema.names:
            raise InvalidInput(f"the query has no column {printable(name)}")
    plain = Narrowed(source_query.sql, dict(source_query.parameters))
    try:
        conditions = SqlConditions(source_query, dialect, time_us)
        for each in view_query.filters:
            each.narrow(conditions)
    except NothingPassesError:
        return None
    if not conditions.found or source_query.key is None or not conditions.usable:
        return plain
    selected = "*" if columns is None else ", ".join(conditions.selected(name) for name in columns)
    return conditions.around(f"SELECT {selected}") or plain


def label_query(
    source_query: SourceQuery, view_query: ViewQuery, dialect: Dialect, *, time_us: int
) -> Narrowed | None:
    """Returns a query for the distinct values of the label column, in rows that may pass.

    None when there is no label column or nothing can pass. As with `narrowed`, some values may be
    of rows that other filters than those of labels do not keep. Of a database that is not known,
    and of a column of no known type, the query is as it stands, with all of its columns.
    """
    label = source_query.label
    if label is None:
        return None
    plain = Narrowed(source_query.sql, dict(source_query.parameters))
    try:
        conditions = SqlConditions(source_query, dialect, time_us)
        for each in view_query.filters:
            each.narrow(conditions)
    except NothingPassesError:
        return None
    kind = source_query.schema.field(label).type
    if not conditions.usable:
        return plain
    column = conditions.column(label)
    shown = conditions.spelling.distinct.format(column) if kind_of(kind) == "string" else column
    conditions.found.append(f"{column} IS NOT NULL")
    return conditions.around(f"SELECT DISTINCT {shown} AS {quoted(label)}") or plain
