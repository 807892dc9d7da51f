"""The filters of a view as conditions around a query's SQL, so that a database sends fewer rows.

Hides how dialects spell a condition. Invariants: every condition is a necessary one, so no row that
the exact filters keep is lost, whatever a column holds; every value is a bound parameter, and of a
view, label, key or path nothing is ever part of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.model.timespec import EARLIEST_US, LATEST_US
from dsm.sources.query import SourceQuery, is_text, kind_of
from dsm.sources.statement import Dialect, NotOneQuery, Statement, parse, quoted
from dsm.views.filters.bounds import (
    EXACT_INT,
    INT_MAX,
    INT_MIN,
    Number,
    Range,
    floats,
    integers,
    literal_key,
    may_match,
)  # fmt: skip
from dsm.views.filters.conditions import BOOL, NUMBER, SIZE, TEXT, Condition
from dsm.views.query.view_query import ViewQuery

if TYPE_CHECKING:
    import pyarrow as pa

# More values than these in one list, or in one query, are not worth the database's while.
LIST_MAX, VALUES_MAX = 500, 2_000
_PLAIN = re.compile(r"[ -~]*")
_WHOLE = re.compile(r"-?[0-9]{1,30}", re.ASCII)
_CANONICAL_INT = re.compile(r"0|-?[1-9][0-9]{0,29}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A query to run: `sql` has :name parameters, of which `values` has all and no others."""

    sql: str
    values: Mapping[str, object]


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
        conditions = _Conditions(source_query, dialect, time_us)
        conditions.add_filters(view_query)
    except _NothingPassesError:
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
        conditions = _Conditions(source_query, dialect, time_us)
        conditions.add_filters(view_query)
    except _NothingPassesError:
        return None
    kind = source_query.schema.field(label).type
    if not conditions.usable:
        return plain
    column = conditions.column(label)
    shown = conditions.spelling.distinct.format(column) if kind_of(kind) == "string" else column
    conditions.found.append(f"{column} IS NOT NULL")
    return conditions.around(f"SELECT DISTINCT {shown} AS {quoted(label)}") or plain


class _NothingPassesError(Exception):
    """No row of the query can pass the filters."""


@dataclass(frozen=True, slots=True)
class _Spelling:
    """How a dialect writes things. Of a text column: `text` compares as `=` does or more loosely,
    `label` without the blanks around it and exactly; `odd` is true where there is a character that
    is not printable ASCII. `value` is a text to compare with a label."""

    text: str
    text_value: str
    label: str
    label_value: str
    odd: str
    distinct: str
    types: Mapping[str, str]  # of parameters
    bytes: str | None = None  # of a text, where not every database can hold any text


_SQL_NAMES = {
    "int": "CAST({} AS bigint)", "float": "CAST({} AS double precision)",
    "bool": "CAST({} AS boolean)", "date": "CAST({} AS date)", "time": "CAST({} AS timestamp)",
    "zoned": "CAST({} AS timestamptz)", "decimal": "CAST(CAST({} AS text) AS numeric)",
}  # fmt: skip
_SPELLINGS = {
    # Of char(n) the driver hands the blanks at the end over, and a cast to text loses them. The
    # collation C compares bytes, which those of a column need not do.
    "postgresql": _Spelling(
        text="rtrim(CAST({} AS text) COLLATE \"C\", ' ')",
        text_value="rtrim(CAST({} AS text), ' ')",
        label="btrim(CAST({} AS text) COLLATE \"C\", ' ')",
        label_value="CAST({} AS text)",
        odd="CAST({} AS text) COLLATE \"C\" ~ '[^ -~]'",
        distinct='CAST({} AS text) COLLATE "C"',
        types=_SQL_NAMES,
        bytes="convert_to(rtrim(CAST({} AS text), ' '), 'UTF8')",
    ),
    # As bytes, since a column's collation outlives a cast.
    "duckdb": _Spelling(
        text="CAST({} AS VARCHAR)",
        text_value="CAST({} AS VARCHAR)",
        label="encode(trim(CAST({} AS VARCHAR)))",
        label_value="encode(CAST({} AS VARCHAR))",
        odd="regexp_matches(CAST({} AS VARCHAR), '[^ -~]')",
        distinct="decode(encode(CAST({} AS VARCHAR)))",
        types={**_SQL_NAMES, "decimal": _SQL_NAMES["float"]},
    ),
    # `|| ''` takes a column's collation and affinity away. GLOB stops at a NUL.
    "sqlite": _Spelling(
        text="({} || '')",
        text_value="{}",
        label="trim({} || '', ' ')",
        label_value="{}",
        odd="({0} GLOB '*[^ -~]*' OR instr(CAST({0} AS BLOB), x'00') > 0)",
        distinct="{} COLLATE BINARY",
        types={"int": "{}", "float": "{}"},
    ),
}
# What a column of SQLite may also hold is not compared: such rows pass.
_SQLITE_TYPES = {"int": "'integer'", "float": "'integer', 'real'", "string": "'text'"}


class _Conditions:
    """The conditions found so far, and the values that they compare with."""

    def __init__(self, query: SourceQuery, dialect: Dialect, time_us: int):
        self.query, self.dialect, self.time_us = query, dialect, time_us
        spelling = _SPELLINGS.get(dialect.name) if dialect.known else None
        # For a database that is not known the conditions still tell when nothing can pass.
        self.spelling = spelling or _SPELLINGS["postgresql"]
        self.sqlite = self.spelling is _SPELLINGS["sqlite"]
        self.found: list[str] = []
        self.values: dict[str, object] = {}
        self.statement: Statement = parse(query.sql, dialect)
        self._taken = {*query.parameters, *self.statement.parameters}
        self._number = 0
        # Quoted or not, some databases do not tell `A` from `a`.
        folded = {name.casefold() for name in query.schema.names}
        self.usable = spelling is not None and len(folded) == len(query.schema.names)

    def around(self, select: str) -> Narrowed | None:
        """Returns the query within these conditions; None when it cannot be had."""
        # The newline ends a comment of the query's own.
        sql = f"{select} FROM (\n{self.statement.source}\n) AS dsm_rows WHERE "
        sql += " AND ".join(f"({condition})" for condition in self.found)
        if len(self.values) > VALUES_MAX:
            return None
        values = {**self.query.parameters, **self.values}
        try:
            complete = set(parse(sql, self.dialect).parameters) == set(values)
        except NotOneQuery:
            return None
        return Narrowed(sql, values) if complete else None

    def column(self, name: str) -> str:
        # With the table's name: SQLite takes "x" for a text where there is no such column.
        return f"dsm_rows.{quoted(name)}"

    def selected(self, name: str) -> str:
        return f"{self.column(name)} AS {quoted(name)}"

    def add_filters(self, view: ViewQuery) -> None:
        """Adds all that can be said. Raises _NothingPassesError."""
        self._add_paths(view.paths)
        if view.labels:
            self._add_labels(view.labels, view.all_labels)
        if view.exclude:
            self._add_exclude(view.exclude)
        self._add_times(view.since, view.until)
        for condition in view.where:
            self._add_condition(condition)

    # --- words ------------------------------------------------------------------------------

    def _kind(self, name: str) -> str:
        return kind_of(self._type(name))

    def _type(self, name: str) -> pa.DataType:
        return self.query.schema.field(name).type

    def _value(self, value: object, shape: str) -> str:
        """Returns a parameter for a value, in the shape that tells the database its type."""
        while True:
            self._number += 1
            name = f"dsm_{self._number}"
            if name not in self._taken:
                break
        self.values[name] = value
        return shape.format(f":{name}")

    def _loosely(self, name: str, kind: str, condition: str) -> str:
        """Lets rows pass whose value is of another type than the column's, as in SQLite."""
        if not self.sqlite:
            return condition
        column = self.column(name)
        return f"typeof({column}) NOT IN ({_SQLITE_TYPES[kind]}, 'null') OR {condition}"

    def _one_of(self, name: str, kind: str, values: Sequence[object]) -> str | None:
        shape = self.spelling.types[kind]
        listed = ", ".join(self._value(value, shape) for value in values)
        return f"{self.column(name)} IN ({listed})" if listed else None

    def _text_among(self, name: str, texts: Sequence[str]) -> str:
        """Says that a text is one of some."""
        column, spelling = self.column(name), self.spelling
        plain, parts = list(texts), []
        if spelling.bytes is not None:
            plain = [text for text in texts if _PLAIN.fullmatch(text)]
            odd = [text for text in texts if not _PLAIN.fullmatch(text)]
            if odd:
                shape = "CAST({} AS bytea)"
                listed = ", ".join(self._value(text.rstrip(" ").encode(), shape) for text in odd)
                parts.append(f"{spelling.bytes.format(column)} IN ({listed})")
        if plain:
            listed = ", ".join(self._value(text, spelling.text_value) for text in plain)
            parts.append(f"{spelling.text.format(column)} IN ({listed})")
        return self._loosely(name, "string", " OR ".join(parts))

    # --- labels -----------------------------------------------------------------------------

    def _add_labels(self, labels: Sequence[str], need_all: bool) -> None:
        name = self.query.label
        if name is None:
            raise _NothingPassesError
        kind = self._kind(name)
        if kind in ("int", "string", "bool") and need_all and len(labels) > 1:
            raise _NothingPassesError
        if len(labels) > LIST_MAX:
            return
        if kind == "string" and _is_text_column(self._type(name)):
            # Odd ones may become any label, by normalisation and by what else counts as blank.
            odd = self.spelling.odd.format(self.column(name))
            condition = " OR ".join(filter(None, (odd, self._label_among(name, labels))))
            self.found.append(self._loosely(name, "string", condition))
        elif kind == "int":
            self.found += self._integers(name, labels)
        elif kind == "bool" and not self.sqlite:
            self.found.append(self._one_of(name, "bool", _bools(labels)) or self._never())

    def _label_among(self, name: str, labels: Sequence[str]) -> str | None:
        plain = [label for label in labels if _PLAIN.fullmatch(label)]
        if not plain:
            return None
        listed = ", ".join(self._value(label, self.spelling.label_value) for label in plain)
        return f"{self.spelling.label.format(self.column(name))} IN ({listed})"

    def _integers(self, name: str, texts: Iterable[str]) -> list[str]:
        """Says that an integer is one of those that some texts spell, if it can be said."""
        numbers = sorted({int(text) for text in texts if _WHOLE.fullmatch(text)})
        if str(self._type(name)) == "uint64" and numbers and numbers[-1] > INT_MAX:
            return []
        numbers = [number for number in numbers if INT_MIN <= number <= INT_MAX]
        return [self._loosely(name, "int", self._one_of(name, "int", numbers) or self._never())]

    def _never(self) -> str:
        """Says that no value passes, but for those of SQLite that are of another type."""
        if not self.sqlite:
            raise _NothingPassesError
        return "0"

    def _add_exclude(self, labels: Sequence[str]) -> None:
        name = self.query.label
        if name is None or len(labels) > LIST_MAX:
            return
        kind, column = self._kind(name), self.column(name)
        unwanted: str | None = None
        keep = ""
        if kind == "string" and _is_text_column(self._type(name)):
            unwanted = self._label_among(name, labels)
            keep = f"{self.spelling.odd.format(column)} OR "
        elif kind == "int":
            numbers = [int(text) for text in labels if _CANONICAL_INT.fullmatch(text)]
            unwanted = self._one_of(name, "int", [n for n in numbers if INT_MIN <= n <= INT_MAX])
        elif kind == "bool" and not self.sqlite:
            unwanted = self._one_of(name, "bool", _bools(labels))
        if unwanted is not None:
            condition = self._loosely(name, kind, f"{keep}NOT ({unwanted})")
            self.found.append(f"{column} IS NULL OR {condition}")

    # --- times ------------------------------------------------------------------------------

    def _add_times(self, since: int | None, until: int | None) -> None:
        passes = (since is None or self.time_us >= since) and (
            until is None or self.time_us < until
        )
        name = self.query.time
        if name is None:
            if not passes:
                raise _NothingPassesError
            return
        if since is not None and until is not None and since >= until:
            raise _NothingPassesError
        if self._kind(name) != "time" or self.sqlite:
            return
        bounds = []
        for op, limit in ((">=", since), ("<=", until)):
            if limit is None:
                continue
            # A microsecond more, whichever way finer times are rounded.
            limit += -1 if op == ">=" else 1
            if EARLIEST_US <= limit <= LATEST_US:
                bounds.append(f"{self._time(name)} {op} {self._moment(name, limit)}")
        if not bounds:
            return
        condition = " AND ".join(bounds)
        if passes:
            condition = f"{self.column(name)} IS NULL OR ({condition})"
        self.found.append(condition)

    def _time(self, name: str) -> str:
        # As the coarser type: the finer one does not reach as far.
        finer = getattr(self._type(name), "unit", "us") == "ns"
        return f"CAST({self.column(name)} AS timestamp)" if finer else self.column(name)

    def _moment(self, name: str, limit: int) -> str:
        import pyarrow.types as types

        kind, types_of = self._type(name), self.spelling.types
        moment = _EPOCH + timedelta(microseconds=limit)
        if types.is_date(kind):
            return self._value(date(moment.year, moment.month, moment.day), types_of["date"])
        if types.is_timestamp(kind) and kind.tz:
            return self._value(moment, types_of["zoned"])
        return self._value(moment.replace(tzinfo=None), types_of["time"])

    # --- attributes -------------------------------------------------------------------------

    def _add_condition(self, condition: Condition) -> None:
        name = condition.attribute
        if name == SIZE:
            return
        kind = self.query.attributes.get(name)
        if kind is None:
            raise _NothingPassesError  # it is null in every row
        present = f"{self.column(name)} IS NOT NULL"
        self.found.append(present)
        if len(condition.values) > LIST_MAX:
            return
        if condition.kind == TEXT and kind == "string" and _is_text_column(self._type(name)):
            if condition.op in ("=", "in"):
                self.found.append(self._text_among(name, condition.values))
        elif condition.kind == BOOL and kind == "bool" and not self.sqlite:
            same = condition.op != "!="
            values = [(text == "true") == same for text in condition.values]
            self.found.append(self._one_of(name, "bool", values) or self._never())
        elif condition.kind == NUMBER and self._kind(name) in ("int", "float", "decimal"):
            self._add_number(name, condition)

    def _add_number(self, name: str, condition: Condition) -> None:
        kind = self._kind(name)
        if self.sqlite and kind == "decimal":
            return
        if condition.op == "!=":
            value = Fraction(condition.values[0])
            if kind == "int" and abs(value) < EXACT_INT and value.denominator == 1:
                shown = self._value(int(value), self.spelling.types[kind])
                self.found.append(self._loosely(name, kind, f"{self.column(name)} <> {shown}"))
            return
        ranges = [
            self._range(kind, "=" if condition.op == "in" else condition.op, text)
            for text in condition.values
        ]
        if (None, None) in ranges:
            return
        parts = [self._within(name, kind, found) for found in ranges if found is not None]
        self.found.append(self._loosely(name, kind, " OR ".join(parts) or self._never()))

    def _range(self, kind: str, op: str, text: str) -> Range | None:
        if kind == "int":
            return integers(op, text)
        return floats(op, text, exact=kind == "float" and not self.sqlite)

    def _within(self, name: str, kind: str, found: Range) -> str:
        column, shape = self.column(name), self.spelling.types[kind]
        if kind == "decimal" and self.dialect.name == "duckdb":
            column = f"CAST({column} AS double precision)"
        parts = []
        low, high = found
        if low is not None and low == high:
            return f"{column} = {self._value(self._spelt(kind, low), shape)}"
        if low is not None:
            parts.append(f"{column} >= {self._value(self._spelt(kind, low), shape)}")
        if high is not None:
            parts.append(f"{column} <= {self._value(self._spelt(kind, high), shape)}")
        return f"({' AND '.join(parts)})"

    def _spelt(self, kind: str, number: Number) -> object:
        """Returns a bound as it is handed over: of exact decimals, as text."""
        return repr(number) if kind == "decimal" and self.dialect.name != "duckdb" else number

    # --- paths ------------------------------------------------------------------------------

    def _add_paths(self, globs: Sequence[str]) -> None:
        if not globs:
            return
        possible = [glob for glob in globs if may_match(glob, self.query.name)]
        if not possible:
            raise _NothingPassesError
        name = self.query.key
        if name is None or len(possible) > LIST_MAX:
            return
        keys = []
        for glob in possible:
            literal = literal_key(glob, self.query.name, self.query.extension)
            if literal is None:
                return
            keys += literal
        if not keys:
            raise _NothingPassesError
        kind, missing = self._kind(name), f"{self.column(name)} IS NULL OR "
        if kind == "string" and _is_text_column(self._type(name)):
            self.found.append(missing + self._text_among(name, keys))
        elif kind == "int" and all(_WHOLE.fullmatch(key) for key in keys):
            self.found += [missing + condition for condition in self._integers(name, keys)]


def _bools(labels: Iterable[str]) -> list[bool]:
    return [label == "true" for label in labels if label in ("true", "false")]


def _is_text_column(kind: pa.DataType) -> bool:
    """Whether a column is of text as such, or of one text out of a few."""
    import pyarrow.types as types

    return is_text(kind.value_type if types.is_dictionary(kind) else kind)
