"""Sessions with PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsm.model.names import printable
from dsm.sources.allowed import POSTGRESQL_VOLATILE
from dsm.sources.failures import QueryRefused
from dsm.sources.sessions import FIRST_ROWS, Answer, Batches, Session, Values
from dsm.sources.statement import POSTGRESQL, Statement, called_names

if TYPE_CHECKING:
    import pyarrow as pa


_NO_COPY = {"adbc.postgresql.use_copy": "false"}
# Functions that came with the server or an extension, and whose calls may have effects: on files,
# on other sessions, on settings, by running text as a query.
_WITH_EFFECTS = """
SELECT proname::text FROM pg_catalog.pg_proc AS called
WHERE provolatile = 'v' AND proname = ANY (ARRAY[{}]::name[])
  AND (
    pronamespace = 'pg_catalog'::regnamespace OR EXISTS (
      SELECT FROM pg_catalog.pg_depend
      WHERE classid = 'pg_catalog.pg_proc'::regclass AND objid = called.oid AND deptype = 'e'
    )
  )
ORDER BY proname LIMIT 1
"""


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
            "client_min_messages": "error",  # libpq prints notices, which may quote rows
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

    def admit(self, statement: Statement) -> None:
        names = sorted(called_names(statement, POSTGRESQL) - POSTGRESQL_VOLATILE)
        if not names:
            return
        listed = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
        with self._asking(_WITH_EFFECTS.format(listed), _NO_COPY) as asked:
            found = self._reader(asked).read_all().column(0).to_pylist()
        if found:
            raise QueryRefused(
                f"the query uses the function {printable(found[0])}, which may do more than read",
                hint="dsm runs functions that PostgreSQL calls stable or immutable, and those that"
                " the owners of the database wrote",
            )

    def _ask(self, text: str) -> None:
        with self._asking(text, _NO_COPY) as asked:
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

    def probe(self, statement: Statement, values: Values) -> None:
        # A plan alone tells no rights: they are looked at when a query is begun, as a cursor is.
        self._declare("dsm_probe", statement, values)

    def _declare(self, cursor: str, statement: Statement, values: Values) -> None:
        with self._asking(statement.text) as asked:
            batch = self._bind(asked, statement, values)
        with self._asking(f"DECLARE {cursor} NO SCROLL CURSOR FOR {statement.text}") as asked:
            if batch is not None:
                asked.prepare()
                asked.bind(batch)
            asked.execute_update()

    def _fetched(self, statement: Statement, values: Values) -> Batches:
        # The driver would hold the whole answer of a query with parameters.
        self._declare("dsm", statement, values)
        rows = min(FIRST_ROWS, self.limits.batch_rows)
        while True:
            count = size = 0
            with self._asking(f"FETCH {rows} FROM dsm", _NO_COPY) as asked:
                for batch in self._reader(asked):
                    count, size = count + batch.num_rows, size + batch.get_total_buffer_size()
                    yield batch
                    del batch
            if count < rows:
                return
            # As many as fit into a batch, and at most four times as many as before.
            fit = self.limits.batch_bytes * count // max(size, 1)
            rows = max(1, min(fit, rows * 4, self.limits.batch_rows))
