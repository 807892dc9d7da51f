"""Conditions around a query's SQL, in the words of its database.

Hides how dialects spell a condition. Invariants: every value is a bound parameter, and of a view,
label, key or path nothing is ever part of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from dsm.sources.key_paths import keys_of_path
from dsm.sources.query import SourceQuery, is_text, kind_of
from dsm.sources.statement import Dialect, NotOneQuery, Statement, parse, quoted
from dsm.views.filters.bounds import INT_MAX, within_64_bits

if TYPE_CHECKING:
    import pyarrow as pa

# More values than these in one list, or in one query, are not worth the database's while.
LIST_MAX, VALUES_MAX = 500, 2_000
_PLAIN = re.compile(r"[ -~]*")
_WHOLE = re.compile(r"-?[0-9]{1,30}", re.ASCII)


class NothingPassesError(Exception):
    """No row of the query can pass the filters."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A query to run: `sql` has :name parameters, of which `values` has all and no others."""

    sql: str
    values: Mapping[str, object]


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


class SqlConditions:
    """The conditions found so far, and the values that they compare with."""

    list_max = LIST_MAX

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

    def kind(self, name: str) -> str:
        return kind_of(self.type(name))

    def type(self, name: str) -> pa.DataType:
        return self.query.schema.field(name).type

    def value(self, value: object, shape: str) -> str:
        """Returns a parameter for a value, in the shape that tells the database its type."""
        while True:
            self._number += 1
            name = f"dsm_{self._number}"
            if name not in self._taken:
                break
        self.values[name] = value
        return shape.format(f":{name}")

    def loosely(self, name: str, kind: str, condition: str) -> str:
        """Lets rows pass whose value is of another type than the column's, as in SQLite."""
        if not self.sqlite:
            return condition
        column = self.column(name)
        return f"typeof({column}) NOT IN ({_SQLITE_TYPES[kind]}, 'null') OR {condition}"

    def one_of(self, name: str, kind: str, values: Sequence[object]) -> str | None:
        shape = self.spelling.types[kind]
        listed = ", ".join(self.value(value, shape) for value in values)
        return f"{self.column(name)} IN ({listed})" if listed else None

    def text_among(self, name: str, texts: Sequence[str]) -> str:
        """Says that a text is one of some."""
        column, spelling = self.column(name), self.spelling
        plain, parts = list(texts), []
        if spelling.bytes is not None:
            plain = [text for text in texts if _PLAIN.fullmatch(text)]
            odd = [text for text in texts if not _PLAIN.fullmatch(text)]
            if odd:
                shape = "CAST({} AS bytea)"
                listed = ", ".join(self.value(text.rstrip(" ").encode(), shape) for text in odd)
                parts.append(f"{spelling.bytes.format(column)} IN ({listed})")
        if plain:
            listed = ", ".join(self.value(text, spelling.text_value) for text in plain)
            parts.append(f"{spelling.text.format(column)} IN ({listed})")
        return self.loosely(name, "string", " OR ".join(parts))

    def label_among(self, name: str, labels: Sequence[str]) -> str | None:
        plain = [label for label in labels if _PLAIN.fullmatch(label)]
        if not plain:
            return None
        listed = ", ".join(self.value(label, self.spelling.label_value) for label in plain)
        return f"{self.spelling.label.format(self.column(name))} IN ({listed})"

    def integers(self, name: str, texts: Iterable[str]) -> list[str]:
        """Says that an integer is one of those that some texts spell, if it can be said."""
        numbers = sorted({int(text) for text in texts if _WHOLE.fullmatch(text)})
        if str(self.type(name)) == "uint64" and numbers and numbers[-1] > INT_MAX:
            return []
        one_of = self.one_of(name, "int", within_64_bits(numbers))
        return [self.loosely(name, "int", one_of or self.never())]

    def never(self) -> str:
        """Says that no value passes, but for those of SQLite that are of another type."""
        if not self.sqlite:
            raise NothingPassesError
        return "0"

    def is_text_column(self, name: str) -> bool:
        """Whether a column is of text as such, or of one text out of a few."""
        import pyarrow.types as types

        kind = self.type(name)
        return is_text(kind.value_type if types.is_dictionary(kind) else kind)

    def nothing_passes(self) -> NoReturn:
        """Ends it: no row can pass."""
        raise NothingPassesError

    def bools(self, labels: Iterable[str]) -> list[bool]:
        """Returns the truth values that some labels spell."""
        return [label == "true" for label in labels if label in ("true", "false")]

    def keys_of_path(self, path: str) -> list[str] | None:
        """Returns the key whose row has this path; see `dsm.sources.key_paths`.

        None, too, for a folder, since a glob takes what lies below it.
        """
        if "/" in path[len(self.query.name) + 1 :] or path.endswith("/"):
            return None
        return keys_of_path(path, self.query.name, self.query.extension)

    def is_whole(self, text: str) -> bool:
        """Whether a text spells an integer that a database may compare with."""
        return _WHOLE.fullmatch(text) is not None
