"""Runs one query against a source and hands its rows on, batch by batch.

The connection lives in a thread of its own, so that the reader can stop waiting at any moment: at
its timeout, at Ctrl-C, or when it has enough. The invariant: rows exist in memory only, at most
three batches of them, and the query on the server ends when the reader does.
"""

from __future__ import annotations

import contextlib
import queue
import re
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from dsm.errors import DsmError
from dsm.sources.access import Access
from dsm.sources.drivers import how_to_install, library
from dsm.sources.engines import session_class
from dsm.sources.failures import (
    BadQuery,
    DriverMissing,
    LimitReached,
    SourceChanged,
    SourceFailed,
    is_out_of_memory,
    translated,
)
from dsm.sources.schema import drift
from dsm.sources.sessions import BATCH_BYTES, BATCH_ROWS, MEMORY_BYTES, Limits, Session, Values
from dsm.sources.source import Source
from dsm.sources.statement import Statement, parse
from dsm.steps import step

if TYPE_CHECKING:
    import pyarrow as pa

# How long the end of a query may take before its thread is left to itself.
GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.1


def run(
    source: Source,
    sql: str,
    values: Values | None = None,
    *,
    access: Access,
    batch_rows: int = BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
    max_rows: int | None = None,
    timeout: float | None = None,
    expected: pa.Schema | None = None,
) -> Rows:
    """Runs one query that reads; returns its rows as a stream whose `schema` is known first.

    `:name` in the query is bound to `values["name"]`. More than `max_rows` rows, or `timeout`
    seconds of waiting for the source, end the stream with LimitReached. With `expected`, columns
    that differ raise SourceChanged before a row is passed on. Raises what `failures` has.
    """
    limits = Limits(batch_rows, batch_bytes, max_rows, timeout)
    return Rows(_Work(source, sql, values, limits, access), expected)


def schema_of(
    source: Source,
    sql: str,
    values: Values | None = None,
    *,
    access: Access,
    timeout: float | None = None,
) -> pa.Schema:
    """Returns the columns of a query's answer without reading a row of it.

    The query is begun, so that the source refuses what this account may not read.
    """
    work = _Work(source, sql, values, Limits(timeout=timeout), access, rows=False)
    with Rows(work, None) as rows:
        return rows.schema


def reach(source: Source, *, access: Access, timeout: float | None = None) -> None:
    """Opens and ends a session, to see that address, account and driver are good."""
    schema_of(source, "SELECT 1 AS one", access=access, timeout=timeout)


class _Work:
    """One query: checked when made, run by `work` in a thread, told through `events`."""

    def __init__(
        self,
        source: Source,
        sql: str,
        values: Values | None,
        limits: Limits,
        access: Access,
        *,
        rows: bool = True,
    ):
        for name, number in (("batch_rows", limits.batch_rows), ("max_rows", limits.max_rows)):
            if number is not None and number < 1:
                raise BadQuery(f"{name} is at least 1")
        if limits.timeout is not None and limits.timeout <= 0:
            raise BadQuery("a timeout is more than 0 seconds")
        kind = session_class(source.driver)
        self.name, self.driver, self.limits, self.rows = source.name, source.driver, limits, rows
        self.statement: Statement = parse(sql, kind.dialect)
        self.values = _complete(self.statement, values or {})
        access.check(source)  # before its driver is loaded
        library(source.driver)  # before a secret is asked for
        self._address = access.address_of(source)
        self.events: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=1)
        self.stopping = threading.Event()
        self.session: Session | None = None
        self.thread = threading.Thread(target=self._serve, name="dsm-source", daemon=True)

    def _serve(self) -> None:
        phase, failure = "connect", None
        try:
            address, self._address = self._address, ""
            self.session = session_class(self.driver)(self.driver, address, self.limits)
            del address
            if self.stopping.is_set():
                return  # nobody waited for the connection
            phase = "prepare"
            self.session.admit(self.statement)
            if self.rows:
                schema, batches = self.session.begin(self.statement, self.values)
                self._tell("schema", schema)
                phase = "read"
                with contextlib.closing(batches):
                    for batch in batches:
                        if batch.num_rows and not self._tell("batch", batch):
                            break
                        del batch
            else:
                schema = self.session.schema(self.statement, self.values)
                self.session.probe(self.statement, self.values)
                self._tell("schema", schema)
        except DsmError as error:
            failure = error
        except Exception as error:  # whatever a driver raises; its text goes no further
            failure = self._told(error, phase)
        finally:
            if self.session is not None:
                self.session.close()
        if failure is not None:
            # Without the traceback, whose frames hold the address and rows.
            self._tell("failure", failure.with_traceback(None))
        self._tell("end", None)

    def _told(self, error: Exception, phase: str) -> DsmError:
        if phase == "connect" and re.search(r"Could not load|dlsym\(\w+\) failed", str(error)):
            return DriverMissing(
                f"the driver {self.driver} is not installed, or not where drivers are looked for",
                hint=how_to_install(self.driver),
            )
        engine = None if self.session is None else self.session.engine
        if engine is not None and is_out_of_memory(error):
            return LimitReached(
                f"source {self.name}: the query takes more than {MEMORY_BYTES >> 20:,} MiB of"
                f" memory in {engine}",
                hint="ask for less at a time: fewer rows to sort, group or join, or smaller values",
            )
        found = translated(error, self.name, self.statement, phase)
        found.__context__ = None
        return found

    def _tell(self, kind: str, value: Any) -> bool:
        """Hands an event to the reader; False when the reader has gone."""
        while not self.stopping.is_set():
            try:
                self.events.put((kind, value), timeout=_POLL_SECONDS)
                return True
            except queue.Full:
                continue
        return False

    def stop(self) -> None:
        """Ends the query. Returns when it has ended, or after a grace period without it."""
        self.stopping.set()
        until = time.monotonic() + GRACE_SECONDS
        while self.thread.is_alive() and time.monotonic() < until:
            session = self.session
            if session is not None:
                # In a thread: on a dead network it would block as the query does.
                cancelling = threading.Thread(target=session.cancel, daemon=True)
                cancelling.start()
                cancelling.join(max(0.0, until - time.monotonic()))
            if session is None or not session.cancellable:
                # What cannot be cancelled, as a connection in the making, is left to itself.
                until = min(until, time.monotonic() + 2 * _POLL_SECONDS)
            self.thread.join(_POLL_SECONDS)


def _complete(statement: Statement, values: Values) -> dict[str, object]:
    missing = [name for name in dict.fromkeys(statement.parameters) if name not in values]
    if missing:
        raise BadQuery(
            f"parameter {missing[0]} has no value",
            hint="a colon before a word makes a parameter; write array slices with a space",
            items=tuple(missing),
        )
    unused = [name for name in values if name not in statement.parameters]
    if unused:
        raise BadQuery(f"the query has no parameter :{unused[0]}", items=tuple(unused))
    return {name: values[name] for name in statement.parameters}


class Rows:
    """The rows of a running query: iterate once, then or at any moment `close`.

    `schema` waits for the source. `passed` counts the rows handed out so far.
    """

    def __init__(self, work: _Work, expected: pa.Schema | None):
        self._work = work
        self._expected = expected
        self._schema: pa.Schema | None = None
        self._waited = 0.0
        self._ended = False
        self._put_back: pa.RecordBatch | None = None
        self.passed = 0
        step(__name__, "source %s: asking by driver %s", work.name, work.driver)
        work.thread.start()

    @property
    def schema(self) -> pa.Schema:
        """The columns. Raises SourceChanged when others were expected."""
        if self._schema is None:
            kind, schema = self._next()
            if kind != "schema":
                self.close()
                raise SourceFailed(f"source {self._work.name}: the query was ended")
            changes = [] if self._expected is None else drift(self._expected, schema)
            if changes:
                self.close()
                raise SourceChanged(
                    f"source {self._work.name}: the columns changed since they were recorded",
                    hint="record the query again with its new columns, or mend the source",
                    items=tuple(changes),
                )
            self._schema = schema
            step(__name__, "source %s: the answer has %d columns", self._work.name, len(schema))
        return self._schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        _ = self.schema
        if self._ended:
            raise StopIteration
        kind, batch = self._next()
        if kind == "end":
            self.close()
            raise StopIteration
        most = self._work.limits.max_rows
        if most is not None and self.passed + batch.num_rows > most:
            if self.passed == most:
                self.close()
                raise LimitReached(
                    f"source {self._work.name}: the query has more than {most:,} rows",
                    hint="ask for fewer rows, or raise the limit",
                )
            # The next call finds one row too many, and says so.
            kept = most - self.passed
            self._put_back = batch.slice(kept)
            batch = batch.slice(0, kept)
        self.passed += batch.num_rows
        return batch

    def _next(self) -> tuple[str, Any]:
        if self._put_back is not None:
            batch, self._put_back = self._put_back, None
            return "batch", batch
        if self._ended:
            return "end", None
        try:
            kind, value = self._event()
        except BaseException:
            self.close()
            raise
        if kind == "failure":
            self.close()
            raise value
        return kind, value

    def _event(self) -> tuple[str, Any]:
        timeout = self._work.limits.timeout
        began = time.monotonic()
        while True:
            waited = self._waited + time.monotonic() - began
            if timeout is not None and waited >= timeout:
                raise self._too_slow(timeout)
            try:
                # In short steps: a Ctrl-C is noticed between them.
                event = self._work.events.get(timeout=_step(timeout, waited))
            except queue.Empty:
                continue
            self._waited += time.monotonic() - began
            by_server = event[0] == "failure" and "57014" in event[1].message
            if by_server and timeout is not None and self._waited >= timeout * 0.9:
                raise self._too_slow(timeout)  # the server's clock was a little faster
            return event

    def _too_slow(self, timeout: float) -> LimitReached:
        return LimitReached(
            f"source {self._work.name}: the query took longer than {timeout:g} seconds",
            hint="ask for less, or raise the timeout",
        )

    def close(self) -> None:
        """Ends the query on the server and the connection. May be called more than once."""
        if not self._ended:
            self._ended = True
            self._work.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def _step(timeout: float | None, waited: float) -> float:
    return 0.5 if timeout is None else max(0.001, min(0.5, timeout - waited))
