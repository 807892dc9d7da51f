"""The columns of a table of examples as samples: which there are, and how each is looked at.

A column is looked at as numbers, as times, as categories (labels, words, truth values), or as texts
when hardly two values are equal: of texts the lengths are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import NotFound
from dsm.model.attributes import MISSING_TEXTS
from dsm.model.column_names import CELLS, CONTENT, JSON, RECORD_FIELD, WRITTEN
from dsm.model.names import close_matches, printable

NUMBER, TIME, CATEGORY, TEXT = "number", "time", "category", "text"
OWN = ("labels", "size", "time")
PREFIXES = ("attr.", "record.", CONTENT)
# Objects with more fields than this are no columns: their keys are values.
NESTED_MAX = 200
# What cells of text look like that are of a type; a zip code such as 00501 is text.
CELL_TYPES = (
    (pa.int64(), r"\A-?(0|[1-9][0-9]{0,18})\z"),
    (pa.float64(), r"\A-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\z"),
    (pa.bool_(), r"\A(true|false|True|False)\z"),
)
_ISO = re.compile(r"\d{4}-\d\d-\d\d")
# With more distinct values than this, only the frequent ones are told apart.
CATEGORIES_MAX = 1000
# Words that hardly repeat are texts, when there are more of them than these.
_WORDS_MAX = 100


class Columns(Protocol):
    """What figures ask of a table, or of what gives one column after the other."""

    schema: pa.Schema
    num_rows: int

    @property
    def column_names(self) -> list[str]: ...

    def column(self, name: str) -> pa.ChunkedArray:
        """Returns a column by its name."""


@dataclass(frozen=True, slots=True)
class Categories:
    """How often each value occurs; `rest` are the rare ones beyond `CATEGORIES_MAX`.

    `distinct` is the number of different values, those of the rest included.
    """

    counts: dict[str, int]
    rest: int
    distinct: int


def looked_at(table: Any) -> Any:
    """Returns a table whose nested fields of records are columns of their own, `record.a.b`, and
    whose texts are what all of a column are: numbers and truth values of cells, dates, times."""
    for field in table.schema:
        if field.name.startswith(RECORD_FIELD) and pa.types.is_struct(field.type):
            table = _unnested(table, field)
    for at, field in enumerate(table.schema):
        if field.name.startswith(RECORD_FIELD) and pa.types.is_string(field.type):
            column, written = table.column(at), (field.metadata or {}).get(WRITTEN)
            column = of_cells(column) if written == CELLS else column
            kept = None if written == CELLS else field.metadata
            column = of_times(column) if written != JSON else column
            table = table.set_column(at, pa.field(field.name, column.type, metadata=kept), column)
    return table


def both_looked_at(a: Columns, b: Columns) -> tuple[Any, Any]:
    """Returns two tables as `looked_at` does each, but for texts that are something else in one
    of them alone: those stay texts in both."""
    one, other = looked_at(a), looked_at(b)
    both = set(one.column_names) & set(other.column_names) & {*a.column_names} & {*b.column_names}
    for name in (each for each in both if each.startswith(RECORD_FIELD)):
        kinds = one.schema.field(name).type, other.schema.field(name).type
        if kinds[0] != kinds[1] and any(map(pa.types.is_string, kinds)):
            one, other = (
                each.set_column(each.schema.get_field_index(name), name, raw.column(name))
                for each, raw in ((one, a), (other, b))
            )
    return one, other


def of_times(column: Any) -> Any:
    """Returns texts as times in UTC where all of them are dates or times as ISO 8601 has them."""
    if not pa.types.is_string(column.type) or column.null_count == len(column):
        return column
    first = column.slice(pc.index(pc.is_valid(column), True).as_py(), 1)[0].as_py()
    if not _ISO.match(first):
        return column
    utc = pa.timestamp("us", "UTC")
    for kind in (utc, pa.timestamp("us")):  # with a zone, and without
        try:
            return column.cast(kind).cast(utc)
        except pa.ArrowException:
            continue
    return column


def _unnested(table: pa.Table, field: pa.Field) -> pa.Table:
    """Returns a table with the fields of a column of objects in its place; of very many none."""
    column = table.column(field.name)
    pending = [(field.name, column)]
    found: dict[str, Any] = {}
    while pending and len(found) + len(pending) <= NESTED_MAX:
        name, column = pending.pop(0)
        if not pa.types.is_struct(column.type):
            found[name] = column
            continue
        for inner in column.type:
            pending.append((f"{name}.{inner.name}", pc.struct_field(column, inner.name)))
    if pending:
        return table
    table = table.drop_columns([field.name])
    for name, column in found.items():
        if name not in table.column_names:
            table = table.append_column(name, column)
    return table


def of_cells(column: Any) -> Any:
    """Returns cells of text in the narrowest type that holds all of them; empty ones are null."""
    column = cells(column)
    if column.null_count == len(column):
        return column
    for kind, form in CELL_TYPES:
        fits = pc.match_substring_regex(column, form)
        if pc.all(fits, min_count=0).as_py():
            try:
                return column.cast(kind)
            except pa.ArrowException:  # an integer of more than 64 bits
                continue
    return column


def cells(column: Any) -> Any:
    """Returns cells of text, null where one is empty or says that it is."""
    lacks = pc.is_in(column, value_set=pa.array(["", *sorted(MISSING_TEXTS)]))
    return pc.if_else(lacks, pa.scalar(None, column.type), column)


def names_in(*tables: Columns) -> list[str]:
    """Returns the columns that can be looked at: labels, size, time, attributes, record fields."""
    found = {
        field.name
        for table in tables
        for field in table.schema
        if field.name.startswith(PREFIXES) and _is_flat(field.type)
    }
    return [*OWN, *sorted(found)]


def known_column(name: str, known: Sequence[str]) -> str:
    """Returns the full name of a column: "width" may stand for "attr.width".

    Raises NotFound with near matches.
    """
    for full in (name, *(prefix + name for prefix in PREFIXES)):
        if full in known:
            return full
    near = close_matches(name, list(known), 1)
    raise NotFound(
        f"no example has the column {printable(name)}",
        hint=f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}",
    )


def fields_asked(names: Iterable[str], table: Columns) -> list[str]:
    """Returns which fields of records are asked for by names that a table has no column of."""
    known = names_in(table)
    others = (name for name in names if not name.startswith(CONTENT))
    plain = [name.removeprefix(RECORD_FIELD) for name in others
             if name not in known and f"attr.{name}" not in known]  # fmt: skip
    return [*dict.fromkeys(plain)]


def _is_flat(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind):
        return bool(pa.types.is_string(kind.value_type))
    return not (pa.types.is_nested(kind) or _is_binary(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )  # fmt: skip


def sample_of(table: Columns, name: str) -> Any:
    """Returns a column; nulls for one that no example of this table has."""
    if name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows)])
    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        # Microseconds, whatever unit a record had.
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column


def kind_of(*columns: Any) -> str:
    """Returns how columns of one name are looked at together."""
    types = [column.type for column in columns if not pa.types.is_null(column.type)]
    if types and all(map(pa.types.is_timestamp, types)):
        return TIME
    if all(map(_is_number, types)):
        return NUMBER
    if types and all(pa.types.is_string(t) or pa.types.is_large_string(t) for t in types):
        values = sum(len(column) - column.null_count for column in columns)
        if values > _WORDS_MAX:
            distinct = sum(pc.count_distinct(c).as_py() for c in columns if c.type in types)
            if distinct > _WORDS_MAX and distinct * 2 > values:
                return TEXT
    return CATEGORY


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def numbers_of(column: Any, kind: str) -> Any:
    """Returns numbers, microseconds of times and lengths of texts as a column of numbers."""
    if pa.types.is_null(column.type):
        return column.cast(pa.int64())
    if kind == TEXT:
        return pc.utf8_length(column).cast(pa.int64())
    if kind == TIME:
        return column.cast(pa.int64())
    if pa.types.is_decimal(column.type) or pa.types.is_float16(column.type):
        return column.cast(pa.float64())
    return column


def without_value(column: Any) -> int:
    """Returns how many examples have no label, no value, or NaN."""
    if pa.types.is_list(column.type):
        return len(column) - (pc.sum(pc.greater(pc.list_value_length(column), 0)).as_py() or 0)
    missing: int = column.null_count
    if pa.types.is_floating(column.type):
        missing += pc.sum(pc.is_nan(column)).as_py() or 0
    return missing


def categories_of(*columns: Any) -> list[Categories]:
    """Counts the values of columns of one name; the same values are told apart in all of them.

    An example with two labels counts once for each of them.
    """
    counted = [_counted(column) for column in columns]
    frequent = None
    if max(len(values) for values, _ in counted) > CATEGORIES_MAX:
        frequent = pa.concat_arrays([_frequent(*each) for each in counted])
    return [_categories(values, numbers, frequent) for values, numbers in counted]


def _counted(column: Any) -> tuple[pa.Array, pa.Array]:
    """Returns the distinct values of a column, as text, and how often each occurs."""
    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    if pa.types.is_null(column.type):
        return pa.array([], pa.string()), pa.array([], pa.int64())
    column = column.drop_null()
    if pa.types.is_floating(column.type):
        column = column.filter(pc.invert(pc.is_nan(column)))
    found = pc.value_counts(column)
    return found.field("values").cast(pa.string()), found.field("counts").cast(pa.int64())


def _frequent(values: pa.Array, numbers: pa.Array) -> pa.Array:
    """Returns the values that occur most often, none that occurs once only."""
    several = pc.greater(numbers, 1)
    values, numbers = values.filter(several), numbers.filter(several)
    if len(values) <= CATEGORIES_MAX:
        return values
    order = pc.array_sort_indices(numbers, order="descending").slice(0, CATEGORIES_MAX)
    return values.take(order)


def _categories(values: pa.Array, numbers: pa.Array, frequent: pa.Array | None) -> Categories:
    distinct, total = len(values), pc.sum(numbers).as_py() or 0
    if frequent is not None:
        kept = pc.is_in(values, value_set=frequent)
        values, numbers = values.filter(kept), numbers.filter(kept)
    counts = dict(zip(values.to_pylist(), numbers.to_pylist(), strict=True))
    return Categories(counts, total - sum(counts.values()), distinct)


def even_edges(*columns: Any, bins: int = 16) -> list[float]:
    """Returns the upper ends of the lower bins for a histogram: round numbers, evenly apart.

    The first and the last bin are open: far outliers do not press all others into one bin.
    """
    ends = [end for column in columns for end in _bulk(column)]
    if not ends:
        return []
    low, high = min(ends), max(ends)
    if low == high:
        return []
    if not all(isinstance(end, int) for end in ends) and high - low == float("inf"):
        return []
    step = _round_step((high - low) / bins)
    if all(isinstance(end, int) for end in ends):
        whole = max(1, round(step))
        return list(_whole_edges(int(low), int(high), whole))
    first = int(low // step) + 1
    return [(first + i) * step for i in range(bins + 1) if (first + i) * step < high]


def _whole_edges(low: int, high: int, step: int) -> Iterator[int]:
    edge = (low // step + 1) * step
    while edge < high:
        yield edge
        edge += step


def _bulk(column: Any) -> tuple[Any, ...]:
    """Returns between which ends nearly all values lie: all of them unless a few are far out."""
    values = column.drop_null()
    if pa.types.is_floating(values.type):
        values = values.filter(pc.is_finite(values))
    if not len(values):
        return ()
    shares = [0, 0.01, 0.99, 1]
    low, first, last, high = pc.quantile(values, shares, interpolation="lower").to_pylist()
    far_out = first < last and high - low > 3 * (last - first)
    return (first, last) if far_out else (low, high)


def _round_step(least: float) -> float:
    """Returns the least of 1, 2 and 5 times a power of ten that is not below a number."""
    power = 10.0 ** int(f"{least:e}".partition("e")[2])
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-12))
