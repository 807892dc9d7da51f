"""Sessions with SQLite, and the types of its columns."""

from __future__ import annotations

import contextlib
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
        # Of more rows than any program has: the types of a column are those of a batch.
        options = {"adbc.sqlite.query.batch_rows": str(1 << 20)}
        with self._asking(f"EXPLAIN {statement.with_nulls()}", options) as asked:
            program = self._reader(asked).read_all()
        sqlite_rules.check_program(
            zip(program["opcode"].to_pylist(), program["p4"].to_pylist(), strict=True)
        )

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
        """Yields the batches of a query. Its driver guesses types from the first rows, and takes
        NULL for an integer: the first of all is one of ours, which has the declared types."""
        row = ", ".join(
            f"{_FIRST_VALUES.get(str(field.type), 'NULL')} AS {quoted(field.name)}"
            for field in declared
        )
        text = f"SELECT {row} UNION ALL SELECT * FROM (\n{statement.text}){_in_bounds(declared)}"
        ours, too_large = 1, False
        with self._asking(text, self._options()) as asked:
            self._bind(asked, statement, values)
            try:
                for batch in self._reader(asked):
                    if batch.num_rows > ours:
                        yield batch.slice(ours)
                    ours = 0
            except self.manager.Error as error:
                if _TOO_LARGE not in str(error):
                    raise
                too_large = True
        if too_large:  # without the context, which is the driver's
            raise LimitReached(
                f"the query has a row of more than {ROW_BYTES >> 20} MiB",
                hint="leave its large values out, or cut them with substr()",
            )

    def _options(self) -> dict[str, str]:
        # One more, for the row of ours.
        return {"adbc.sqlite.query.batch_rows": str(min(self.limits.batch_rows, 4096) + 1)}


# Types whose values differ from NULL to the driver of SQLite, and a value of each.
_FIRST_VALUES = {"string": "''", "double": "0.0"}


# Stands in the error by which SQLite ends a query with a row that is too large.
_TOO_LARGE = "dsm: this row is too large"


def _in_bounds(declared: pa.Schema) -> str:
    """Returns a condition that holds for all rows, and fails at one that is too large."""
    import pyarrow.types as types

    sizes = [
        f"ifnull(octet_length({quoted(field.name)}), 0)" for field in declared
        if not (types.is_integer(field.type) or types.is_floating(field.type))
    ]  # fmt: skip
    if not sizes:
        return ""
    return f" WHERE {' + '.join(sizes)} <= {ROW_BYTES} OR json_extract('{{}}', '{_TOO_LARGE}')"


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
