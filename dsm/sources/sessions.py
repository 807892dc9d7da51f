"""Connections to databases by ADBC: how one is opened for reading only, asked and cancelled.

Invariants: nothing of an answer is held beyond one batch; parameters are bound, never part of a
statement; no session lets the database spill to a disk of this machine where it has a switch for
that. Errors of drivers leave as they are: `broker` translates them. One thread uses a session;
`cancel` may come from another. What differs between databases is in modules named after them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dsm.sources.drivers import library
from dsm.sources.failures import BadQuery, is_refusal
from dsm.sources.statement import (
    UNKNOWN,
    Dialect,
    Statement,
)

if TYPE_CHECKING:
    import pyarrow as pa

Values = Mapping[str, object]
Batches = Generator["pa.RecordBatch", None, None]
Answer = tuple["pa.Schema", Batches]
BATCH_ROWS, BATCH_BYTES = 32_768, 4 << 20
FIRST_ROWS = 256
# What an engine that runs in this process may take for one query; with the row that it answers.
MEMORY_BYTES, ROW_BYTES = 1 << 30, 64 << 20


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
    # The name of an engine that runs in this process, within MEMORY_BYTES.
    engine: str | None = None

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

    def admit(self, statement: Statement) -> None:
        """Checks that a query uses what it may use and nothing else; it is compiled, not run.

        Raises QueryRefused. Of a database that is not known, its account alone decides.
        """

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

    def probe(self, statement: Statement, values: Values) -> None:
        """Has the database begin a query, so that it says whether this account may run it.

        As cheaply as it can be had: no row is read. What a database that is not known says of a
        query within another one counts only when it is a refusal.
        """
        inner = statement.text.strip()
        try:
            with self._asking(f"SELECT * FROM ({inner}\n) AS dsm_probe WHERE 1 = 0") as asked:
                self._bind(asked, statement, values)
                self._reader(asked)
        except self.manager.Error as error:
            if is_refusal(error):
                raise

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
