"""Dummy rows that stand for those of a query, so that nobody needs access to develop with a view.

No source takes part: a pure function of the columns that were recorded, the view and a seed. The
invariant: keys differ, and labels and times are such as the view asks for.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa

from dsm.format.manifest import TIME
from dsm.sources import dummy
from dsm.sources.query import SourceQuery, is_numeric_text, kind_of
from dsm.views.filters.filter import DummyWish
from dsm.views.query.view_query import ViewQuery

SPAN_US = 365 * 86_400_000_000


def rows_for(
    query: SourceQuery, view_query: ViewQuery, time_us: int, count: int, first: int, seed: int
) -> pa.RecordBatch:
    """Returns dummy rows whose keys differ, and whose labels and times fit a view.

    `first` is the number of rows made before; `time_us` is used where a view asks for no time.
    """
    rows, wish = dummy.rows(query.schema, count, seed=seed), DummyWish()
    for each in view_query.filters:
        each.shape(wish)
    for name, values in (
        (query.key, [f"dummy-{first + row}" for row in range(count)]),
        (query.label, _label_values(query, wish, count, Random(f"{seed}/label"))),
        (query.time, _time_values(wish, time_us, count, Random(f"{seed}/time"))),
    ):
        if name is not None and values:
            place = rows.schema.get_field_index(name)
            column = _as_column(values, first, rows.schema.field(place).type)
            if column is not None:
                rows = rows.set_column(place, name, column)
    return rows


def _label_values(query: SourceQuery, wish: DummyWish, count: int, random: Random) -> list[Any]:
    wanted = [label for label in wish.labels if label not in wish.unwanted]
    if not wanted:
        wanted = [f"dummy-{letter}" for letter in "abc"]
        if query.label is not None and kind_of(query.schema.field(query.label).type) == "int":
            wanted = ["0", "1"]
    return [random.choice(wanted) for _ in range(count)]


def _time_values(wish: DummyWish, time_us: int, count: int, random: Random) -> list[datetime]:
    since, until = wish.since, wish.until
    if until is None:
        until = time_us if since is None or since < time_us else since + SPAN_US
    if since is None:
        since = until - SPAN_US
    picked = [random.randrange(since, until) for _ in range(count)]
    return [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at) for at in picked]


def _as_column(values: list[Any], first: int, kind: pa.DataType) -> pa.Array | None:
    """Returns values as a column of a type; numbers where it has numbers, None where neither."""
    what, of = kind_of(kind), kind
    try:
        if isinstance(kind, pa.BaseExtensionType):
            return _as_extension(values, first, kind)
        if pa.types.is_dictionary(kind):
            plain = _as_column(values, first, kind.value_type)
            return None if plain is None else plain.cast(kind)
        if what == "list":
            return pa.array([[value] for value in values], kind)
        if what == "bool":
            return pa.array([value == "true" for value in values], kind)
        if what == "unknown":
            of = pa.string()
        if what in ("int", "decimal", "float") and str(values[0]).startswith("dummy-"):
            return pa.array(range(first, first + len(values)), pa.int64()).cast(kind)
        if isinstance(values[0], datetime):
            if what == "string":
                return pa.array(
                    [moment.isoformat().replace("+00:00", "Z") for moment in values], kind
                )
            moments = pa.array(values, TIME)
            return moments.cast(kind, safe=False)
        return pa.array(values, pa.string()).cast(of)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None


def _as_extension(values: list[Any], first: int, kind: pa.DataType) -> pa.Array | None:
    """Returns keys of a type that is stored as another: numbers as text, or as bytes."""
    storage, count = kind.storage_type, len(values)
    numbers = range(first, first + count)
    if pa.types.is_fixed_size_binary(storage):
        stored = pa.array([n.to_bytes(storage.byte_width, "big") for n in numbers], storage)
    elif is_numeric_text(kind):
        stored = pa.array([str(n) for n in numbers], storage)
    else:
        stored = pa.array(values, pa.string()).cast(storage)
    return pa.ExtensionArray.from_storage(kind, stored)
