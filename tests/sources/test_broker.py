"""One query against PostgreSQL, SQLite and DuckDB: rows, bounds, cancelling, failures."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dsm.errors import DsmError
from dsm.sources.failures import (
    BadQuery,
    DriverMissing,
    LimitReached,
    SourceChanged,
    SourceFailed,
    SourceRefused,
)
from dsm.sources.statement import NotOneQuery

from .conftest import MISSING, PASSWORD, ROW, Asked, Server, asked

ROOT = Path(__file__).resolve().parents[2]
INJECTIONS = [
    "'; DROP TABLE payment; --", "1 OR 1=1", '" OR ""="', "\\'; DROP TABLE payment; --",
    "$$; DROP TABLE payment; $$", ":id", "$1", "?", "%s", "é\u2028\n\t", "*/ DROP TABLE payment",
]  # fmt: skip


def told(error: BaseException) -> str:
    """Everything that a traceback, a log or a report could show of an error."""
    shown = "".join(traceback.format_exception(error)) + repr(vars(error))
    while error is not None:
        shown += repr(error) + repr(error.args)
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return shown


# --- every database ------------------------------------------------------------------------------


def test_rows_and_columns(any_source: Asked) -> None:
    """The schema is known before a row, and all rows come, in batches."""
    with any_source.run("SELECT id, customer FROM payment ORDER BY id", batch_rows=1000) as rows:
        assert rows.schema.names == ["id", "customer"]
        assert rows.passed == 0
        batches = list(rows)
        assert {rows.schema} == {batch.schema for batch in batches}
    table = pa.Table.from_batches(batches)
    assert list(range(1, 5001)) == table["id"].to_pylist()
    assert table["customer"][16].as_py() == "customer 17"
    assert rows.passed == 5000


def test_the_schema_alone(any_source: Asked) -> None:
    """schema_of gives the columns that run gives."""
    sql = "SELECT id, customer FROM payment WHERE id > :least"
    with any_source.run(sql, {"least": 5}) as rows:
        assert rows.schema.names == any_source.schema(sql, {"least": 5}).names
        assert rows.schema.types == any_source.schema(sql, {"least": 5}).types


def test_no_rows(any_source: Asked) -> None:
    """A query without rows has columns all the same."""
    with any_source.run("SELECT id, customer FROM payment WHERE id < 0") as rows:
        assert rows.schema.names == ["id", "customer"]
        assert list(rows) == []


def test_parameters_are_bound(any_source: Asked) -> None:
    """A parameter of any name and any number of uses is a value."""
    sql = "SELECT id FROM payment WHERE id >= :a AND id < :b AND id <> :a + 1 ORDER BY id;"
    assert any_source.rows(sql, {"a": 7, "b": 10}) == [{"id": 7}, {"id": 9}]


@pytest.mark.parametrize("text", INJECTIONS)
def test_values_are_not_sql(any_source: Asked, text: str) -> None:
    """Whatever a value holds comes back as it was, and does nothing else."""
    sql = (
        "SELECT CAST(:text AS VARCHAR) AS found, count(*) AS n FROM payment WHERE customer = :text"
    )
    assert [{"found": text, "n": 0}] == any_source.rows(sql, {"text": text})
    assert any_source.rows("SELECT count(*) AS n FROM payment") == [{"n": 5000}]


def test_nulls_as_parameters_and_values(any_source: Asked) -> None:
    """None is NULL, on the way in and on the way out."""
    sql = "SELECT CAST(:x AS VARCHAR) AS x, CAST(NULL AS VARCHAR) AS y, 1 AS z"
    assert any_source.rows(sql, {"x": None}) == [{"x": None, "y": None, "z": 1}]


def test_names_of_columns_are_data(any_source: Asked) -> None:
    """A column may be called what it likes."""
    sql = 'SELECT 1 AS "a; DROP TABLE payment --", 2 AS "it\'s :x", 3 AS "\u2028é"'
    (row,) = any_source.rows(sql)
    assert row == {"a; DROP TABLE payment --": 1, "it's :x": 2, "\u2028é": 3}


def test_parameters_are_complete(any_source: Asked) -> None:
    """A missing value, one too many, and one of the wrong type are told without the value."""
    with pytest.raises(BadQuery, match="least has no value"):
        any_source.rows("SELECT id FROM payment WHERE id > :least")
    with pytest.raises(BadQuery, match="no parameter :other"):
        any_source.rows("SELECT 1", {"other": 1})
    with pytest.raises(BadQuery) as caught:
        any_source.rows("SELECT :x", {"x": object()})
    assert "object at" not in told(caught.value)


@pytest.mark.parametrize("sql", ["DELETE FROM payment", "SELECT 1; DELETE FROM payment"])
def test_only_one_query_that_reads(any_source: Asked, sql: str) -> None:
    """Anything else does not reach the database."""
    with pytest.raises(NotOneQuery, match="in line 1, column"):
        any_source.rows(sql)
    assert any_source.rows("SELECT count(*) AS n FROM payment") == [{"n": 5000}]


def test_a_row_too_many(any_source: Asked) -> None:
    """The rows up to the cap are passed on, then comes exit status 6; the cap itself is no fault."""
    passed = 0
    with any_source.run("SELECT id FROM payment", max_rows=1234) as rows:
        with pytest.raises(LimitReached, match="more than 1,234 rows") as caught:
            for batch in rows:
                passed += batch.num_rows
    assert (passed, caught.value.exit_status) == (1234, 6)
    assert len(any_source.rows("SELECT id FROM payment", max_rows=5000)) == 5000


def test_what_the_query_names_is_told(any_source: Asked) -> None:
    """A mistake in the query is named by the query's own words."""
    for sql in ("SELECT id, customr FROM payment", "SELECT id FROM payments_of_old"):
        with pytest.raises(BadQuery, match="customr|payments_of_old") as caught:
            any_source.rows(sql)
        assert caught.value.exit_status == 2
    with pytest.raises(BadQuery, match="syntax"):
        any_source.schema("SELECT FROM WHERE ,")


def test_an_early_end(any_source: Asked) -> None:
    """A reader that closes, or leaves, after one batch ends the query; closing twice is fine."""
    others = threading.enumerate()  # a query of SQLite outlives its reader
    with any_source.run("SELECT a.id FROM payment a, payment b") as rows:
        next(rows)
    rows.close()
    assert list(rows) == []
    mine = [t for t in threading.enumerate() if t not in others]
    assert not [t for t in mine if t.name == "dsm-source"]


def test_columns_that_changed_are_named_first(any_source: Asked) -> None:
    """With a recorded schema that differs, no row is passed on."""
    recorded = pa.schema([("id", pa.binary()), ("gone", pa.string())])
    with any_source.run("SELECT id, customer FROM payment", expected=recorded) as rows:
        with pytest.raises(SourceChanged) as caught:
            next(rows)
    assert caught.value.items[:2] == ("column gone is gone", "column customer was added (string)")
    assert "column id was binary and is int" in caught.value.items[2]
    assert rows.passed == 0


def test_no_secret_and_no_row_in_errors(any_source: Asked, server: Server, tmp_path: Path) -> None:
    """Neither address nor row is in an error, its context or its traceback."""
    driver = any_source.source.driver
    wrong = server.stranger if driver == "postgresql" else str(tmp_path / PASSWORD / "none.db")
    nowhere = f"postgresql://u:{PASSWORD}@127.0.0.1:1/x" if driver == "postgresql" else wrong + "/"
    failures: list[DsmError] = []
    for source, sql in (
        (asked(driver, wrong), "SELECT 1"),
        (asked(driver, nowhere), "SELECT 1"),
        (asked(driver, f"nonsense {PASSWORD} ="), "SELECT 1"),
        (any_source, "SELECT nope FROM payment"),
        (any_source, "SELECT CAST(word AS INTEGER) AS n FROM spoilt")
        if driver != "sqlite"
        else (any_source, "SELECT word FROM spoilt"),
    ):
        with pytest.raises(DsmError) as caught:
            source.rows(sql)
        failures.append(caught.value)
    shown = "".join(map(told, failures))
    assert PASSWORD not in shown and ROW not in shown
    assert all(failure.__cause__ is failure.__context__ is None for failure in failures)
    assert [SourceFailed, SourceFailed] == [type(f) for f in failures[1:3]]
    assert SourceFailed is type(failures[4])


# --- PostgreSQL ----------------------------------------------------------------------------------


def test_postgresql_is_read_only(server: Server, postgresql: Asked) -> None:
    """Functions and clauses that write are refused by the session; so is leaving it."""
    server.do(
        "CREATE OR REPLACE FUNCTION emptied(int) RETURNS int AS"
        " 'DELETE FROM payment; SELECT 1' LANGUAGE sql"
    )
    for sql in (
        "WITH gone AS (DELETE FROM payment RETURNING *) SELECT * FROM gone",
        "SELECT nextval(pg_get_serial_sequence('payment', 'id')::regclass)"
        " FROM (SELECT set_config('transaction_read_only', 'off', false)) x",
        "SELECT lo_create(4711)",
    ):
        with pytest.raises(
            DsmError, match="source pay: the query tried to|the query uses the function"
        ):
            postgresql.rows(sql)
        with pytest.raises(
            DsmError, match="source pay: the query tried to|the query uses the function"
        ):
            postgresql.rows(f"{sql} -- :x" if "FROM gone" not in sql else sql)
    with pytest.raises(SourceRefused, match="read-only"):
        postgresql.rows("SELECT emptied(:x)", {"x": 1})
    assert postgresql.rows("SELECT count(*) AS n FROM payment") == [{"n": 5000}]


def test_postgresql_types(postgresql: Asked) -> None:
    """Numbers, times, lists, JSON and bytes arrive typed, also beside NULLs."""
    sql = """SELECT 1.50::numeric(10,2) AS n, 'b8a1b7a2-0000-4000-8000-000000000001'::uuid AS u,
        '{"a": 1}'::jsonb AS j, array['x', NULL] AS l, '\\x00ff'::bytea AS b,
        '2026-01-02 03:04:05+02'::timestamptz AS t, NULL::int AS i, true AS yes,
        '2026-01-02'::date AS d, 'NaN'::float8 AS f"""
    schema = postgresql.schema(sql)
    assert pa.timestamp("us", "UTC") == schema.field("t").type
    assert pa.list_(pa.field("item", pa.string())) == schema.field("l").type
    for values, query in ((None, sql), ({"x": 1}, sql + " WHERE :x::int = 1")):
        with postgresql.run(query, values) as rows:
            (batch,) = list(rows)
        plain = {
            name: (column.storage if isinstance(column, pa.ExtensionArray) else column)[0].as_py()
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }
        assert tuple(plain[name] for name in ("n", "b", "l", "i", "yes")) == (
            "1.50",
            b"\x00\xff",
            ["x", None],
            None,
            True,
        )
        assert plain["j"] == '{"a": 1}'
        assert plain["t"].isoformat() == "2026-01-02T01:04:05+00:00"


def test_postgresql_parameters_take_the_types_they_need(postgresql: Asked) -> None:
    """Text becomes a number, a day, a moment or a uuid where the query asks for one."""
    sql = (
        "SELECT count(*) AS n FROM payment WHERE id > :least AND day >= :day "
        "AND amount > :amount::numeric AND now() > :moment::timestamptz AND :u::uuid IS NOT NULL"
    )
    values = {
        "least": "4990", "day": "2026-01-01", "amount": "6240.5", "moment": "2026-01-01",
        "u": "b8a1b7a2-0000-4000-8000-000000000001",
    }  # fmt: skip
    assert postgresql.rows(sql, values) == [{"n": 8}]
    moment = "SELECT :t::timestamptz AS t"
    for text, hour in (("2026-01-01 12:00:00", 12), ("2026-01-01 12:00:00+02:00", 10)):
        assert hour == postgresql.rows(moment, {"t": text})[0]["t"].hour
    with pytest.raises(BadQuery, match="parameter least is not a value of type int32") as caught:
        postgresql.rows(sql, {**values, "least": ROW})
    assert ROW not in told(caught.value)


@pytest.mark.parametrize("values", [None, {"x": 1}])
def test_a_query_that_hangs(
    server: Server, postgresql: Asked, values: Any, until: Callable[[Callable[[], bool]], bool]
) -> None:
    """The timeout ends the query here and on the server, with exit status 6."""
    sql = "SELECT pg_sleep(600), 'hangs'" + (" WHERE :x::int = 1" if values else "")
    with pytest.raises(LimitReached, match="longer than 0.3 seconds") as caught:
        postgresql.rows(sql, values, timeout=0.3)
    assert caught.value.exit_status == 6
    assert until(lambda: server.running("hangs") == 0)


def test_a_server_that_never_answers() -> None:
    """The timeout counts while the connection is being made, too."""
    pytest.importorskip("adbc_driver_postgresql", reason=MISSING)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"postgresql://u:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(LimitReached, match="longer than 0.2 seconds"):
            asked("postgresql", address).rows("SELECT 1", timeout=0.2)


def test_closing_cancels_on_the_server(
    server: Server, postgresql: Asked, until: Callable[[Callable[[], bool]], bool]
) -> None:
    """A reader that stops while the query works leaves no query behind."""
    sql = "SELECT id, 'stops' FROM payment WHERE id < 3 OR pg_sleep(600) IS NULL"
    rows = postgresql.run(sql)
    assert rows.schema.names == ["id", "?column?"]
    assert until(lambda: server.running("stops") == 1)
    rows.close()
    assert until(lambda: server.running("stops") == 0)


def test_forgetting_the_rows_cancels_as_well(
    server: Server, postgresql: Asked, until: Callable[[Callable[[], bool]], bool]
) -> None:
    """A stream that nobody holds any more ends its query."""
    rows = postgresql.run("SELECT pg_sleep(600), 'forgotten'")
    assert until(lambda: server.running("forgotten") == 1)
    del rows
    assert until(lambda: server.running("forgotten") == 0)


@pytest.mark.parametrize("values", [None, {"x": 0}])
def test_a_connection_that_breaks_half_way(server: Server, postgresql: Asked, values: Any) -> None:
    """Rows that came are passed on; then the source has failed, with exit status 8."""
    sql = "SELECT a.id, 'breaks', repeat('x', 1000) FROM payment a, payment b" + (
        " WHERE a.id > :x" if values else ""
    )
    with postgresql.run(sql, values) as rows:
        assert next(rows).num_rows > 0
        server.do(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        with pytest.raises(SourceFailed) as caught:
            for _ in rows:
                pass
    assert caught.value.exit_status == 8
    assert PASSWORD not in told(caught.value)


def test_huge_values_make_small_batches(postgresql: Asked) -> None:
    """A batch is bounded in bytes, with parameters and without."""
    sql = "SELECT repeat('x', 100000) AS x FROM generate_series(1, 500) n"
    for values, query in ((None, sql), ({"x": 0}, sql + " WHERE n > :x")):
        sizes = []
        with postgresql.run(query, values, batch_bytes=1 << 20) as rows:
            for batch in rows:
                sizes.append(batch.num_rows)
        assert sum(sizes) == 500
        # The first FETCH does not know the size of a row yet.
        assert max(sizes[1:]) <= 22


# --- SQLite and DuckDB ---------------------------------------------------------------------------


def test_sqlite_types(sqlite: Asked) -> None:
    """Columns without a value in the first rows have the declared type; nothing tells, unknown."""
    sql = "SELECT id, NULL AS x, CASE WHEN id > 9 THEN id END AS late, amount FROM payment"
    schema = sqlite.schema(sql)
    assert [pa.int64(), pa.null(), pa.null(), pa.float64()] == schema.types
    with sqlite.run(sql) as rows:
        assert [str(t) for t in rows.schema.types] == ["int64", "int64", "int64", "double"]


def test_sqlite_columns_that_begin_with_nulls(sqlite: Asked) -> None:
    """However many rows have NULL first, a column has its declared type, and rows their order."""
    with contextlib.closing(sqlite3.connect(sqlite.address)) as made:
        made.execute("CREATE TABLE visit (id INTEGER, word TEXT, pulse REAL, scan BLOB)")
        made.executemany("INSERT INTO visit (id) VALUES (?)", [(n,) for n in range(9000)])
        made.execute("INSERT INTO visit VALUES (9000, 'ill', 71.5, NULL)")
        made.commit()
    sql = "SELECT * FROM visit WHERE id >= :first ORDER BY id % 7, id"
    with sqlite.run(sql, {"first": 0}, batch_rows=1000) as rows:
        types = [str(kind) for kind in rows.schema.types]
        table = [row for batch in rows for row in batch.to_pylist()]
    assert types == ["int64", "string", "double", "binary"]
    assert sorted(range(9001), key=lambda n: (n % 7, n)) == [row["id"] for row in table]
    last = next(row for row in table if row["id"] == 9000)
    assert last == {"id": 9000, "word": "ill", "pulse": 71.5, "scan": None}


def test_sqlite_columns_without_a_type(sqlite: Asked) -> None:
    """SQLite says BLOB of them; they hold what they hold, and are as they were recorded."""
    with contextlib.closing(sqlite3.connect(sqlite.address)) as made:
        made.execute("CREATE TABLE made AS SELECT 'ill' || 1 AS word, 1.5 AS pulse, x'00' AS scan")
        made.commit()
    sql = "SELECT * FROM made"
    recorded = sqlite.schema(sql)
    assert sqlite.rows(sql, expected=recorded) == [{"word": "ill1", "pulse": 1.5, "scan": b"\0"}]


def test_sqlite_types_that_change(sqlite: Asked) -> None:
    """A column of no known type is guessed; what then comes is told, with a way out that works."""
    late = "CASE WHEN id > 4500 THEN customer END"
    with pytest.raises(SourceFailed, match="not of the type of its first rows") as caught:
        sqlite.rows(f"SELECT {late} AS late FROM payment")
    assert "CAST" in str(caught.value.hint)
    assert len(sqlite.rows(f"SELECT CAST({late} AS TEXT) AS late FROM payment")) == 5000


def test_sqlite_stops_waiting(sqlite: Asked) -> None:
    """SQLite's driver cannot be cancelled; the reader gets on at its timeout all the same."""
    endless = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r LIMIT 9000000) "
    with pytest.raises(LimitReached, match=r"source pay: the query took longer than 0\.05 seconds"):
        sqlite.rows(endless + "SELECT count(*) FROM r", timeout=0.05)


def test_sqlite_makes_no_file(tmp_path: Path, sqlite: Asked) -> None:
    """An address that leads nowhere, or asks for writing, does not create a database."""
    before = sorted(os.listdir(tmp_path))
    for address in (str(tmp_path / "new.db"), f"file:{tmp_path}/new.db?mode=rwc"):
        with pytest.raises(SourceFailed, match="source pay: cannot be reached"):
            asked("sqlite", address).rows("SELECT 1")
    assert before == sorted(os.listdir(tmp_path))


def test_duckdb_reads_its_own_file_only(duckdb: Asked, tmp_path: Path) -> None:
    """Other files are out of reach, and a long query is cancelled."""
    (tmp_path / "other.csv").write_text(f"a\n{ROW}\n")
    with pytest.raises(DsmError) as caught:
        duckdb.rows(f"SELECT * FROM read_csv('{tmp_path}/other.csv')")
    assert ROW not in told(caught.value)
    with pytest.raises(LimitReached, match=r"source pay: the query took longer than 0\.2 seconds"):
        duckdb.rows("SELECT count(*) FROM range(100000000000) t(a) WHERE a % 7 = 3", timeout=0.2)


def test_a_driver_that_is_not_there() -> None:
    """The line that installs it is the hint, and no address is asked for."""
    for name in ("nosuchdatabase", "adbc_driver_nosuchdatabase"):
        with pytest.raises(DriverMissing) as caught:
            asked(name, PASSWORD).rows("SELECT 1")
        assert "dbc install nosuchdatabase" in str(caught.value.hint)
        assert PASSWORD not in told(caught.value)


@pytest.mark.parametrize(
    ("driver", "hint"),
    [("postgres", "--driver postgresql"), ("sqlite3", "--driver sqlite"),
     ("duck", "--driver duckdb"), ("snowflake", "pip install adbc-driver-snowflake"),
     ("mysql", "dbc install mysql")],
)  # fmt: skip
def test_a_driver_by_a_name_that_is_nearly_right(driver: str, hint: str) -> None:
    """What is meant is named, be there a library of that name or none; nobody else's package is."""
    with pytest.raises(DriverMissing) as caught:
        asked(driver, "x").rows("SELECT 1")
    assert hint in str(caught.value.hint)


def test_a_database_that_is_not_known(
    sqlite: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any ADBC driver works by the general rules: here SQLite's, as if it were another."""
    monkeypatch.setattr("dsm.sources.engines._SESSIONS", {})
    os.symlink(sqlite.address, tmp_path / "plain.db")
    other = asked("adbc_driver_sqlite", f"file:{tmp_path}/plain.db?mode=ro")
    sql = "SELECT id, :x AS x FROM payment WHERE customer = :x OR id = :n"
    assert other.schema(sql, {"x": "a", "n": 1}).names == ["id", "x"]
    text = "'; DROP TABLE payment"
    assert other.rows(sql, {"x": text, "n": 7}) == [{"id": 7, "x": text}]
    with pytest.raises(NotOneQuery, match="the query has a semicolon before its end, in line"):
        other.rows("SELECT ';'")


def test_limits_are_checked(sqlite: Asked) -> None:
    """A cap of nothing or a timeout of nothing is a mistake."""
    for more in ({"max_rows": 0}, {"timeout": 0}, {"batch_rows": 0}):
        with pytest.raises(
            BadQuery,
            match="max_rows is at least 1|a timeout is more than 0 seconds|batch_rows is at least 1",
        ):
            sqlite.run("SELECT 1", **more)


ENDLESS = """
import sys
from dsm.sources import broker
from dsm.sources.source import Source
source = Source("0" * 32, "pay", "postgresql", "environment", "ADDRESS", 0)
class Anyone:
    check = staticmethod(lambda source: None)
    address_of = staticmethod(lambda source: sys.argv[1])
rows = broker.run(source, "SELECT pg_sleep(600), 'killed'", access=Anyone())
print(rows.schema.names, flush=True)
next(rows)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_reader_ends_its_query(
    server: Server, number: signal.Signals, until: Callable[[Callable[[], bool]], bool]
) -> None:
    """Ctrl-C cancels; the server finds out by itself that a killed process has gone."""
    words = [sys.executable, "-c", ENDLESS, server.address]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, env=env) as process:
        assert process.stdout and process.stderr
        assert b"pg_sleep" in process.stdout.readline()
        assert until(lambda: server.running("killed") == 1)
        process.send_signal(number)
        assert until(lambda: server.running("killed") == 0)
        assert PASSWORD.encode() not in process.stderr.read()
    assert process.returncode == -number


def test_text_of_a_database_in_another_encoding(server: Server) -> None:
    """Text is UTF-8 here, whatever the database keeps it in."""
    server.do(
        "DROP DATABASE IF EXISTS latin",
        "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    )
    latin = asked("postgresql", server.address.replace("/postgres?", "/latin?"))
    assert latin.rows("SELECT chr(233) AS e, :x::text AS x", {"x": "é"}) == [{"e": "é", "x": "é"}]
