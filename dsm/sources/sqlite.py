"""Sessions with SQLite, and the types of its columns."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

from dsm.model.names import printable
from dsm.sources import sqlite_rules
from dsm.sources.failures import BadQuery, LimitReached, SourceFailed, place_of
from dsm.sources.schema import ANY_TYPE
from dsm.sources.sessions import MEMORY_BYTES, ROW_BYTES, Answer, Batches, Session, Values, bound
from dsm.sources.statement import SQLITE, Statement, quoted

if TYPE_CHECKING:
    import pyarrow as pa


# Rows of a batch, and of one where they are large: MEMORY_BYTES at most in either.
MANY_ROWS, FEW_ROWS = 4096, MEMORY_BYTES // ROW_BYTES
# What lies in a database may have been made by somebody else: its views call harmless functions
# only, and its pages are checked before they are read, never mapped.
_SETTINGS = (
    "temp_store = MEMORY", "trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0",
    f"hard_heap_limit = {MEMORY_BYTES}",  # of all sessions: it can only be lowered
)  # fmt: skip


class SqliteSession(Session):
    """SQLite, opened read-only. A column has the type of its first rows, else the declared one."""

    dialect = SQLITE
    engine = "SQLite"
    place = ""

    def _address(self, address: str) -> dict[str, str]:
        path, _, query = address.removeprefix("sqlite:///").partition("?")
        if path.startswith("file:"):
            place = path if "%" in path else "file:" + quote(path[5:])
        else:
            place, query = "file:" + quote(address.removeprefix("sqlite:///")), ""
        kept = [(k, v) for k, v in parse_qsl(query) if k in ("vfs", "cache", "immutable")]
        self.place = f"{place}?{urlencode([*kept, ('mode', 'ro')])}"
        return {"uri": self.place}

    def _read_only(self) -> None:
        for setting in _SETTINGS:
            self._do(f"PRAGMA {setting}")

    def admit(self, statement: Statement) -> None:
        problem: BadQuery | None = None
        try:
            sqlite_rules.check(self.place, statement)
        except sqlite3.OperationalError as error:
            if "syntax error" not in str(error):
                raise
            problem = BadQuery(
                f"the query has a syntax error{place_of(error, statement)}",
                hint=f"Python's SQLite, {sqlite3.sqlite_version}, checks it: what only later"
                " releases understand cannot be used",
            )
        if problem is not None:  # without the context, which is the driver's
            raise problem
        sqlite_rules.check_program(self._program(statement))

    def _program(self, statement: Statement) -> list[tuple[str, str | None]]:
        """Returns the operations of a query as SQLite compiles it, each with its fourth operand."""
        # Of more rows than any program has: the types of a column are those of a batch.
        options = {"adbc.sqlite.query.batch_rows": str(1 << 20)}
        with self._asking(f"EXPLAIN {statement.with_nulls()}", options) as asked:
            program = self._reader(asked).read_all()
        return list(zip(program["opcode"].to_pylist(), program["p4"].to_pylist(), strict=True))

    def probe(self, statement: Statement, values: Values) -> None:
        """Nothing: whoever may open the file may read all of it."""

    def schema(self, statement: Statement, values: Values) -> pa.Schema:
        import pyarrow as pa

        for name in statement.parameters:
            bound(name, values[name], None)
        # A view without a row to it: SQLite tells the declared types of columns nowhere else.
        self._do(f"CREATE TEMP VIEW dsm_columns AS {statement.with_nulls()}")
        with self._asking("SELECT name, type FROM pragma_table_info('dsm_columns')") as asked:
            columns = self._reader(asked).read_all().to_pylist()
        self._do("DROP VIEW temp.dsm_columns")
        self._do("PRAGMA query_only = ON")
        return pa.schema([(row["name"], _declared(row["type"] or "")) for row in columns])

    def begin(self, statement: Statement, values: Values) -> Answer:
        import pyarrow as pa

        declared = self.schema(statement, values)
        batches = self._typed(statement, values, declared)
        first = next(batches, None)
        if first is None:
            return declared, batches
        fields = []
        for field, column in zip(declared, first.columns, strict=True):
            free = ANY_TYPE if pa.types.is_binary(field.type) else None
            fields.append(pa.field(field.name, _settled(field.type, column), metadata=free))
        schema = pa.schema(fields)

        def all_of_them(batch: pa.RecordBatch | None) -> Batches:
            with contextlib.closing(batches):
                while batch is not None:
                    yield conformed(batch, schema)
                    batch = next(batches, None)

        return schema, all_of_them(first)

    def _typed(self, statement: Statement, values: Values, declared: pa.Schema) -> Batches:
        """Yields the batches of a query: many rows each, until one is met of which so many would
        need too much memory; few each from there on, as the driver takes no other size half-way.

        One transaction, so that the second query goes on where the first one was.
        """
        self._do("BEGIN")
        passed, kinds, too_large = 0, _guessed(declared), False
        try:
            for batch in self._asked(statement, values, kinds, MANY_ROWS):
                passed += batch.num_rows
                declared = batch.schema
                yield batch
                del batch
            return
        except _RowTooLarge:
            pass
        if not passed:
            declared = self._kinds(statement, values, kinds)
        elif not self._answers_alike(statement):
            raise LimitReached(
                f"a row of more than {MEMORY_BYTES // MANY_ROWS >> 10} KiB comes late in a query"
                " that may not answer twice alike",
                hint="leave random() and the time of now out, or cut large values with substr()",
            )
        try:
            yield from self._asked(statement, values, declared, FEW_ROWS, passed)
        except _RowTooLarge:
            too_large = True
        if too_large:  # without the context, which is the driver's
            raise LimitReached(
                f"the query has a row of more than {ROW_BYTES >> 20} MiB",
                hint="leave its large values out, or cut them with substr()",
            )

    def _asked(
        self, statement: Statement, values: Values, kinds: pa.Schema, rows: int, passed: int = 0
    ) -> Batches:
        """Yields the rows after the first `passed` ones, `rows` a batch. Raises _RowTooLarge.

        The driver guesses types from the first rows, and takes NULL for an integer: the first of
        all is one of ours, which has the types of `kinds`.
        """
        row = ", ".join(
            f"{_FIRST_VALUES.get(str(field.type), 'NULL')} AS {quoted(field.name)}"
            for field in kinds
        )
        query = f"(\n{statement.text})"
        if passed:
            query = f"(SELECT * FROM {query} LIMIT -1 OFFSET {passed})"
        bounds = _in_bounds(kinds, MEMORY_BYTES // rows)
        text = f"SELECT {row} UNION ALL SELECT * FROM {query}{bounds}"
        ours = 1
        # One more, for the row of ours.
        options = {"adbc.sqlite.query.batch_rows": str(min(self.limits.batch_rows, rows) + 1)}
        with self._asking(text, options) as asked:
            self._bind(asked, statement, values)
            try:
                for batch in self._reader(asked):
                    if batch.num_rows > ours:
                        yield batch.slice(ours)
                    ours = 0
                    del batch
            except (self.manager.Error, OSError) as error:
                if _TOO_LARGE not in str(error):
                    raise
                raise _RowTooLarge from None

    def _answers_alike(self, statement: Statement) -> bool:
        """Tells whether a query, asked again of the same data, has the same answer."""
        called = {(p4 or "").partition("(")[0].lower() for _, p4 in self._program(statement)}
        told = {"now", "localtime"} & set(re.findall(r"\w+", statement.source.lower()))
        return not (called & _OF_CHANCE or (called & _OF_TIME and told))

    def _kinds(self, statement: Statement, values: Values, guessed: pa.Schema) -> pa.Schema:
        """Returns the types of columns by as many rows as have the say otherwise, their values
        cut to one character."""
        import pyarrow as pa

        short = ", ".join(
            f"CASE WHEN typeof({name}) IN ('text', 'blob') THEN substr({name}, 1, 1)"
            f" ELSE {name} END AS {name}"
            for name in (quoted(field.name) for field in guessed)
        )
        text = f"SELECT {short} FROM (\n{statement.text}) LIMIT {MANY_ROWS}"
        options = {"adbc.sqlite.query.batch_rows": str(MANY_ROWS)}
        with self._asking(text, options) as asked:
            self._bind(asked, statement, values)
            found = self._reader(asked).read_all().schema
        return pa.schema(
            mine if str(mine.type) in _FIRST_VALUES else theirs
            for mine, theirs in zip(guessed, found, strict=True)
        )


_OF_CHANCE = {"random", "randomblob", "current_date", "current_time", "current_timestamp"}
_OF_TIME = {"date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff"}


class _RowTooLarge(Exception):
    """A row is larger than one of a batch may be."""


# Types whose values differ from NULL to the driver of SQLite, and a value of each.
_FIRST_VALUES = {"string": "''", "double": "0.0", "binary": "x''"}
# Stands in the error by which SQLite ends a query with a row that is too large.
_TOO_LARGE = "dsm: this row is too large"


def _guessed(declared: pa.Schema) -> pa.Schema:
    """Returns the declared types, null where they say nothing."""
    import pyarrow as pa

    return pa.schema(
        field.with_type(pa.null()) if pa.types.is_binary(field.type) else field
        for field in declared
    )


def _in_bounds(kinds: pa.Schema, size: int) -> str:
    """Returns a condition that holds for rows of `size` bytes or less, and fails at any other."""
    import pyarrow.types as types

    sizes = [
        f"ifnull(octet_length({quoted(field.name)}), 0)" for field in kinds
        if not (types.is_integer(field.type) or types.is_floating(field.type))
    ]  # fmt: skip
    if not sizes:
        return ""
    return f" WHERE {' + '.join(sizes)} <= {size} OR json_extract('{{}}', '{_TOO_LARGE}')"


def _declared(text: str) -> Any:
    """Returns the type that a declared one stands for, by SQLite's rules; null if not clear.

    Binary may also stand for no type: of columns without one SQLite says that they are a BLOB.
    """
    import pyarrow as pa

    upper = text.upper()
    if "INT" in upper:
        return pa.int64()
    if any(word in upper for word in ("CHAR", "CLOB", "TEXT")):
        return pa.string()
    if "BLOB" in upper:
        return pa.binary()
    if any(word in upper for word in ("REAL", "FLOA", "DOUB")):
        return pa.float64()
    return pa.null()


def _settled(declared: Any, column: pa.Array) -> Any:
    """Returns the type that a column is given: what it holds, or when empty, as declared."""
    import pyarrow as pa

    unknown = pa.types.is_null(declared)
    if column.null_count == len(column):
        return column.type if unknown else declared
    whole = pa.types.is_integer(column.type) and pa.types.is_floating(declared)
    return declared if whole else column.type


def conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Returns a batch in the types of `schema`. Raises SourceFailed, which quotes no value."""
    import pyarrow as pa

    columns = []
    for field, column in zip(schema, batch.columns, strict=True):
        if column.null_count == len(column):
            column = pa.nulls(len(column), field.type)
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except pa.ArrowException:
            break
    else:
        return pa.RecordBatch.from_arrays(columns, schema=schema)
    raise SourceFailed(
        f"column {printable(field.name)} holds values that are not {field.type}",
        hint="CAST it in the query, so that all of its rows are alike",
    )
