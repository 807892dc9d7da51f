"""Connections to databases by ADBC: how each is opened for reading only, asked and cancelled.

Hides what differs between PostgreSQL, SQLite, DuckDB and other drivers. Invariants: nothing of an
answer is held beyond one batch; parameters are bound, never part of a statement; no session lets
the database spill to a disk of this machine where it has a switch for that. Errors of drivers
leave as they are: `broker` translates them. One thread uses a session; `cancel` may come from
another.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from dsm.model.names import printable
from dsm.sources.failures import BadQuery, DriverMissing, SourceFailed
from dsm.sources.schema import ANY_TYPE
from dsm.sources.statement import (
    DUCKDB,
    POSTGRESQL,
    SQLITE,
    UNKNOWN,
    Dialect,
    Statement,
    quoted,
)

if TYPE_CHECKING:
    import pyarrow as pa

Values = Mapping[str, object]
Batches = Generator["pa.RecordBatch", None, None]
Answer = tuple["pa.Schema", Batches]
BATCH_ROWS, BATCH_BYTES = 32_768, 4 << 20
FIRST_ROWS = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one run. A driver counts a batch in rows or in bytes; `timeout` is in seconds of
    waiting for the source, so the time that the reader takes for itself does not count."""

    batch_rows: int = BATCH_ROWS
    batch_bytes: int = BATCH_BYTES
    max_rows: int | None = None
    timeout: float | None = None


class Session:
    """A connection through a driver of which nothing particular is known."""

    dialect: Dialect = UNKNOWN
    cancellable = True  # until the driver says otherwise

    def __init__(self, driver: str, address: str, limits: Limits):
        self.manager = import_module("adbc_driver_manager")
        self.limits = limits
        self._lock = threading.Lock()
        self._running: Any = None
        self._connection: Any = None
        self._database = self.manager.AdbcDatabase(**library(driver), **self._address(address))
        try:
            self._connection = self.manager.AdbcConnection(self._database)
            self._read_only()
        except BaseException:
            self.close()
            raise

    def _address(self, address: str) -> dict[str, str]:
        return {"uri": address}

    def _read_only(self) -> None:
        # Not every driver knows these; the query was checked to be one that reads all the same.
        with contextlib.suppress(self.manager.Error):
            self._connection.set_options(**{"adbc.connection.readonly": "true"})
        with contextlib.suppress(self.manager.Error):
            self._connection.set_autocommit(False)

    def schema(self, statement: Statement, values: Values) -> pa.Schema:
        """Returns the columns of the answer; no row is read."""
        import pyarrow as pa

        with self._asking(statement.text) as asked:
            self._bind(asked, statement, values)
            try:
                return pa.schema(asked.execute_schema())
            except self.manager.NotSupportedError as error:
                if error.sqlstate:  # the database says so of the query, not the driver of itself
                    raise
        inner = statement.text.strip()
        with self._asking(f"SELECT * FROM ({inner}\n) AS dsm_columns WHERE 1 = 0") as asked:
            self._bind(asked, statement, values)
            return self._reader(asked).schema

    def begin(self, statement: Statement, values: Values) -> Answer:
        """Starts a query; returns its columns, and its batches as they come."""
        schema = self.schema(statement, values)
        return schema, self._batches(statement, values)

    def _options(self) -> dict[str, str]:
        return {}

    def _batches(self, statement: Statement, values: Values) -> Batches:
        with self._asking(statement.text, self._options()) as asked:
            self._bind(asked, statement, values)
            yield from self._reader(asked)

    def cancel(self) -> None:
        """Asks the database to end the query that runs, if any. May block on a dead network."""
        with self._lock:
            if self._running is None or not self.cancellable:
                return
            try:
                self._running.cancel()
            except self.manager.NotSupportedError:
                self.cancellable = False
            except self.manager.Error:
                pass  # the query ended by itself, or the connection did

    def close(self) -> None:
        """Ends the connection, and with it the transaction."""
        for handle in (self._connection, self._database):
            if handle is not None:
                # What a broken connection answers to its end is of no interest.
                with contextlib.suppress(self.manager.Error):
                    handle.close()

    # --- one statement -------------------------------------------------------------------------

    @contextlib.contextmanager
    def _asking(self, text: str, options: Mapping[str, str] | None = None) -> Iterator[Any]:
        asked = self.manager.AdbcStatement(self._connection)
        with self._lock:
            self._running = asked
        try:
            if options:
                asked.set_options(**options)
            asked.set_sql_query(text)
            yield asked
        finally:
            with self._lock:
                self._running = None
                with contextlib.suppress(self.manager.Error):
                    asked.close()

    def _do(self, text: str) -> None:
        with self._asking(text) as asked:
            asked.execute_update()

    def _reader(self, asked: Any) -> Any:
        handle, _ = asked.execute_query()
        # Unlike Arrow's own, this reader keeps the SQLSTATE of what fails half-way.
        reader = import_module("adbc_driver_manager._reader").AdbcRecordBatchReader
        return reader._import_from_c(handle.address)

    def _bind(self, asked: Any, statement: Statement, values: Values) -> pa.RecordBatch | None:
        """Binds parameters, in the types that the database asks for where it says them."""
        if not statement.parameters:
            return None
        import pyarrow as pa

        asked.prepare()
        types: list[Any] = [None] * len(statement.parameters)
        # Any other error is the query's, and would only be told less well later.
        with contextlib.suppress(self.manager.NotSupportedError, pa.ArrowException):
            found = pa.schema(asked.get_parameter_schema()).types
            if len(found) == len(types):
                types = list(found)
        arrays = [
            bound(name, values[name], kind)
            for name, kind in zip(statement.parameters, types, strict=True)
        ]
        arrays = [self._sent(array) for array in arrays]
        batch = pa.RecordBatch.from_arrays(arrays, [f"p{n}" for n in range(len(arrays))])
        asked.bind(batch)
        return batch

    def _sent(self, array: pa.Array) -> pa.Array:
        return array


def bound(name: str, value: object, kind: Any) -> pa.Array:
    """Returns a parameter as an array of one value. Raises BadQuery, which does not repeat it."""
    import pyarrow as pa
    import pyarrow.types as types

    try:
        given = pa.array([value])
        plain = kind is not None and (
            types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
            or types.is_temporal(kind) or types.is_string(kind) or types.is_binary(kind)
        )  # fmt: skip
        if types.is_null(given.type):
            return given.cast(kind if plain else pa.string())
        if plain and types.is_timestamp(kind) and kind.tz and types.is_string(given.type):
            return _moment(str(value), kind)
        if plain and not (types.is_integer(kind) and types.is_floating(given.type)):
            return given.cast(kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        pass
    else:
        return given
    wanted = "a value that a database knows" if kind is None else f"a value of type {kind}"
    raise BadQuery(f"parameter {name} is not {wanted}")


def _moment(text: str, kind: Any) -> pa.Array:
    """Returns a time with a zone; a text without one is UTC."""
    import pyarrow as pa

    try:
        return pa.array([text]).cast(kind)
    except pa.ArrowInvalid:
        plain = pa.array([text]).cast(pa.timestamp(kind.unit))
        return plain.cast(pa.int64()).cast(kind)


class PostgresqlSession(Session):
    """PostgreSQL: a read-only transaction; COPY without parameters, a cursor with them."""

    dialect = POSTGRESQL

    def _read_only(self) -> None:
        self._do("BEGIN TRANSACTION READ ONLY")
        # Local to the transaction, so that a pooled connection is handed on as it was.
        settings = {
            "standard_conforming_strings": "on",  # as `statement` reads strings
            "cursor_tuple_fraction": "1",
            "TimeZone": "UTC",  # as `_sent` sends times
            "client_encoding": "UTF8",  # as Arrow keeps text, whatever the database does
            "idle_in_transaction_session_timeout": "0",
            # In COPY the server's clock also runs while the reader works: there we watch alone.
            "statement_timeout": str(int((self.limits.timeout or 0) * 1000)),
        }
        calls = ", ".join(f"set_config('{key}', '{v}', true)" for key, v in settings.items())
        self._ask(f"SELECT {calls}")
        # The server ends the query when we are killed (PostgreSQL 14 and newer, on Linux).
        self._do("SAVEPOINT dsm")
        try:
            self._do("SET LOCAL client_connection_check_interval = '1s'")
        except self.manager.Error:
            self._do("ROLLBACK TO SAVEPOINT dsm")

    def _ask(self, text: str) -> None:
        with self._asking(text, {"adbc.postgresql.use_copy": "false"}) as asked:
            self._reader(asked).read_all()

    def begin(self, statement: Statement, values: Values) -> Answer:
        schema = self.schema(statement, values)
        if statement.parameters:
            return schema, self._fetched(statement, values)
        return schema, self._copied(statement)

    def _sent(self, array: pa.Array) -> pa.Array:
        import pyarrow as pa

        # The driver ends our transaction when it binds a time with a zone.
        if pa.types.is_timestamp(array.type) and array.type.tz:
            return array.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).cast(pa.timestamp("us"))
        return array

    def _copied(self, statement: Statement) -> Batches:
        self._do("SET LOCAL statement_timeout = 0")
        options = {"adbc.postgresql.batch_size_hint_bytes": str(self.limits.batch_bytes)}
        with self._asking(statement.text, options) as asked:
            yield from self._reader(asked)

    def _fetched(self, statement: Statement, values: Values) -> Batches:
        # The driver would hold the whole answer of a query with parameters.
        with self._asking(statement.text) as asked:
            batch = self._bind(asked, statement, values)
        with self._asking(f"DECLARE dsm NO SCROLL CURSOR FOR {statement.text}") as asked:
            asked.prepare()
            asked.bind(batch)
            asked.execute_update()
        rows = min(FIRST_ROWS, self.limits.batch_rows)
        while True:
            count = size = 0
            options = {"adbc.postgresql.use_copy": "false"}
            with self._asking(f"FETCH {rows} FROM dsm", options) as asked:
                for batch in self._reader(asked):
                    count, size = count + batch.num_rows, size + batch.get_total_buffer_size()
                    yield batch
                    del batch
            if count < rows:
                return
            # As many as fit into a batch, and at most four times as many as before.
            fit = self.limits.batch_bytes * count // max(size, 1)
            rows = max(1, min(fit, rows * 4, self.limits.batch_rows))


class SqliteSession(Session):
    """SQLite, opened read-only. A column has the type of its first rows, else the declared one."""

    dialect = SQLITE

    def _address(self, address: str) -> dict[str, str]:
        path, _, query = address.removeprefix("sqlite:///").partition("?")
        if path.startswith("file:"):
            place = path if "%" in path else "file:" + quote(path[5:])
        else:
            place, query = "file:" + quote(address.removeprefix("sqlite:///")), ""
        kept = [(k, v) for k, v in parse_qsl(query) if k in ("vfs", "cache", "immutable")]
        return {"uri": f"{place}?{urlencode([*kept, ('mode', 'ro')])}"}

    def _read_only(self) -> None:
        self._do("PRAGMA temp_store = MEMORY")

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
        text = f"SELECT {row} UNION ALL SELECT * FROM (\n{statement.text})"
        ours = 1
        with self._asking(text, self._options()) as asked:
            self._bind(asked, statement, values)
            for batch in self._reader(asked):
                if batch.num_rows > ours:
                    yield batch.slice(ours)
                ours = 0

    def _options(self) -> dict[str, str]:
        # One more, for the row of ours.
        return {"adbc.sqlite.query.batch_rows": str(min(self.limits.batch_rows, 4096) + 1)}


# Types whose values differ from NULL to the driver of SQLite, and a value of each.
_FIRST_VALUES = {"string": "''", "double": "0.0"}


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


class DuckdbSession(Session):
    """DuckDB: opened read-only, without access to other files, and never spilling to a disk."""

    dialect = DUCKDB

    def _address(self, address: str) -> dict[str, str]:
        if address.startswith("duckdb:"):
            address = urlsplit(address).path.removeprefix("/")
        return {"path": address, "access_mode": "read_only", "temp_directory": ""}

    def _read_only(self) -> None:
        self._do("SET enable_external_access = false")
        self._do("SET lock_configuration = true")


_SESSIONS: dict[str, type[Session]] = {
    "postgresql": PostgresqlSession, "sqlite": SqliteSession, "duckdb": DuckdbSession,
}  # fmt: skip


def session_class(driver: str) -> type[Session]:
    """Returns the kind of session that a driver gets."""
    return _SESSIONS.get(plain_name(driver), Session)


def plain_name(driver: str) -> str:
    """Returns `postgresql` for `postgresql` and for `adbc_driver_postgresql`."""
    return driver.replace("-", "_").removeprefix("adbc_driver_")


def library(driver: str) -> dict[str, str]:
    """Returns where a driver's code lies, as the driver manager takes it. Raises DriverMissing."""
    name = plain_name(driver)
    try:
        import_module("adbc_driver_manager")
        module: Any = import_module(f"adbc_driver_{name}")
        if name == "duckdb":
            return {"driver": module.driver_path(), "entrypoint": "duckdb_adbc_init"}
        return {"driver": module._driver_path()}
    except ImportError as error:
        missing = error.name or ""
    if name in _SESSIONS or missing == "adbc_driver_manager":
        hint = "pip install 'dsm[sources]'"
        raise DriverMissing(f"the driver for {name} is not installed", hint=hint)
    # The driver manager knows those that are installed without a Python package.
    return {"driver": driver}
