"""What queries may use of a database: the lists of what is allowed against those of the engines.

Whatever an engine says that it has, and that is on no list of ours, is refused before it runs: so
is what a later release brings.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sources.conftest import Asked
from tiers import LONG, thinned

from dsm.errors import DsmError
from dsm.sources import allowed
from dsm.sources.engines import session_class
from dsm.sources.failures import BadQuery, QueryRefused
from dsm.sources.sessions import Limits, Session
from dsm.sources.statement import NotOneQuery, parse

from .conftest import ROW, Server

ROOT = Path(__file__).resolve().parents[2]


def spelt(number: int, spellings: list[str]) -> list[str]:
    """The spellings of one name that are tried: all once a week, else one, each in its turn."""
    return spellings if LONG else [spellings[number % len(spellings)]]


@contextlib.contextmanager
def opened(source: Asked) -> Iterator[Session]:
    driver = source.source.driver
    session = session_class(driver)(driver, source.address, Limits())
    try:
        yield session
    finally:
        session.close()


def admitted(session: Session, queries: list[str], refusals: int) -> list[str]:
    """The queries that are let through; at least so many others met a refusal of ours, and the rest
    a mistake that the engine or the reader of queries found."""
    found, refused = [], 0
    for sql in queries:
        try:
            session.admit(parse(sql, session.dialect))
        except QueryRefused:
            refused += 1
        except (DsmError, sqlite3.OperationalError, session.manager.Error):
            continue
        else:
            found.append(sql)
    assert refused >= refusals
    session.admit(parse("SELECT id FROM payment", session.dialect))
    return found


def rows_of(session: Any, sql: str) -> list[dict[str, Any]]:
    with session._asking(sql) as asking:
        found: list[dict[str, Any]] = session._reader(asking).read_all().to_pylist()
    return found


def test_a_refusal_names_what_it_refuses(any_source: Asked) -> None:
    """Exit status 6, one line, before a row is read; `dsm add --source` meets it as well."""
    call, name = {
        "sqlite": ("fts3_tokenizer('simple')", "function fts3_tokenizer"),
        "duckdb": ("getvariable('x')", "function getvariable"),
        "postgresql": ("pg_read_file('PG_VERSION')", "function pg_read_file"),
    }[any_source.source.driver]
    for ask in (any_source.rows, any_source.schema):
        with pytest.raises(QueryRefused, match=f"uses the {name}, which") as caught:
            ask(f"SELECT id, {call} AS x FROM payment")
        assert caught.value.exit_status == 6
        assert caught.value.__cause__ is caught.value.__context__ is None


# --- SQLite --------------------------------------------------------------------------------------


@pytest.fixture
def lite(sqlite: Asked) -> Iterator[Session]:
    with opened(sqlite) as session:
        yield session


def lite_functions(session: Session) -> list[tuple[str, int, int]]:
    """Names, numbers of arguments and flags of all functions of both SQLites."""
    sql = "SELECT name, narg, flags FROM pragma_function_list"
    with contextlib.closing(sqlite3.connect(":memory:")) as own:
        rows = own.execute(sql).fetchall()
    found = {tuple(row.values()) for row in rows_of(session, sql)} | set(rows)
    return sorted(found)  # type: ignore[arg-type]


def test_sqlite_functions_that_are_not_listed(lite: Session) -> None:
    """Each function that either SQLite has and the list has not is refused, however it is called."""
    queries = []
    for name, count, _ in lite_functions(lite):
        if name not in allowed.SQLITE_FUNCTIONS:
            arguments = ", ".join(["x'0000000000000000'"] * (max(count, 0) or 1))
            queries += [
                f'SELECT "{name}"({arguments})',
                f"SELECT 1 WHERE {name.upper()} ({arguments})",
            ]
    assert admitted(lite, queries, 40) == []


def test_sqlite_functions_that_are_listed_are_harmless(lite: Session) -> None:
    """The driver's SQLite calls each of them innocuous."""
    rows = rows_of(lite, "SELECT name, flags FROM pragma_function_list")
    flags = {row["name"]: row["flags"] for row in rows if row["name"] in allowed.SQLITE_FUNCTIONS}
    assert len(flags) > 100
    assert [name for name, each in flags.items() if not each & 0x200000] == []


def test_sqlite_tables_that_are_not_in_the_file(lite: Session) -> None:
    """No virtual table but those of JSON: none of a module, none of a pragma, none by a join."""
    modules = {row["name"] for row in rows_of(lite, "SELECT name FROM pragma_module_list")}
    modules |= {
        f"pragma_{row['name']}" for row in rows_of(lite, "SELECT name FROM pragma_pragma_list")
    }
    modules |= {
        "sqlite_stmt",
        "bytecode",
        "tables_used",
        "generate_series",
        "fsdir",
        "csv",
        "zipfile",
    }
    assert len(modules) > 60
    queries = []
    for name in sorted(modules - allowed.SQLITE_TABLE_FUNCTIONS):
        queries += [f"SELECT * FROM {name}", f"SELECT 1 FROM payment, main.{name}('payment')"]
    assert admitted(lite, queries, 100) == []
    sql = "SELECT json_each.value FROM payment, json_each('[1, 2]'), json_tree('{}')"
    assert admitted(lite, [sql], 0) == [sql]


def test_sqlite_is_called_at_no_address(sqlite: Asked) -> None:
    """A tokenizer cannot be set, with a pointer in a parameter or in the text."""
    for sql, values in (
        ("SELECT fts3_tokenizer(:name, :pointer)", {"name": "x", "pointer": "AAAAAAAA"}),
        ("SELECT fts3_tokenizer('x', x'4141414141414141')", None),
        ("SELECT * FROM (SELECT fts3_tokenizer(:name, :pointer) AS x)", {"name": "x", "pointer": "A"}),
        ("SELECT id FROM payment ORDER BY fts3_tokenizer(:name, :p)", {"name": "x", "p": "AAAAAAAA"}),
        ("WITH a AS (SELECT 1 AS x) SELECT sum(x) FILTER (WHERE fts3_tokenizer(:n, :p)) FROM a",
         {"n": "x", "p": "AAAAAAAA"}),
    ):  # fmt: skip
        with pytest.raises(QueryRefused, match="fts3_tokenizer"):
            sqlite.rows(sql, values)


HOSTILE_SCHEMA = (
    "CREATE VIEW loads AS SELECT load_extension('/tmp/x.so') AS x",
    "CREATE VIEW points AS SELECT fts3_tokenizer('simple') AS x",
    "CREATE VIEW nested AS SELECT * FROM points",
    "CREATE VIEW asks AS SELECT * FROM pragma_database_list",
    "CREATE VIEW trees AS SELECT rtreenode(2, x'00') AS x",
    "CREATE VIRTUAL TABLE words USING fts4(body)",
    "CREATE VIRTUAL TABLE boxes USING rtree(id, least, most)",
    "CREATE VIRTUAL TABLE JSON_each USING fts4(body)",
    # Which SQLite itself takes for harmless.
    "CREATE TABLE typed (a, b AS (subtype(a)))",
    "CREATE TABLE fine (a, b AS (abs(a)))",
    "CREATE VIEW sound AS SELECT upper(customer) AS x FROM payment",
)


def test_sqlite_files_that_somebody_else_made(sqlite: Asked) -> None:
    """What a file brings along passes the same list: views, virtual tables, generated columns."""
    with contextlib.closing(sqlite3.connect(sqlite.address)) as made:
        for statement in HOSTILE_SCHEMA:
            made.execute(statement)
        made.commit()
    for name in ("loads", "points", "nested", "asks", "trees", "words", "boxes", "json_each"):
        for sql in (f"SELECT * FROM {name}", f"SELECT 1 FROM {name}"):
            with pytest.raises((QueryRefused, BadQuery)):
                sqlite.rows(sql)
    with pytest.raises(QueryRefused, match="the function subtype"):
        sqlite.rows("SELECT b FROM typed")
    assert sqlite.rows("SELECT a, b FROM fine") == []
    assert len(sqlite.rows("SELECT x FROM sound")) == 5000
    with contextlib.closing(sqlite3.connect(sqlite.address)) as made:
        # The name of a row of the schema need not be that in its text.
        made.execute("PRAGMA writable_schema = ON")
        made.execute("UPDATE sqlite_schema SET name = 'x', tbl_name = 'x' WHERE name = 'JSON_each'")
        made.commit()
    with pytest.raises(
        (QueryRefused, BadQuery), match="source pay: the database does not accept the query"
    ):
        sqlite.rows("SELECT * FROM json_each")


def test_sqlite_settings(lite: Session) -> None:
    """A session reads only, maps nothing, checks pages, trusts no schema and spills to no disk."""
    lite.schema(parse("SELECT 1", lite.dialect), {})
    settings = ("query_only", "trusted_schema", "cell_size_check", "mmap_size", "temp_store")
    found = {name: rows_of(lite, f"PRAGMA {name}") for name in settings}
    values = {name: next(iter(rows[0].values())) if rows else 0 for name, rows in found.items()}
    assert values == {
        "query_only": 1, "trusted_schema": 0, "cell_size_check": 1, "mmap_size": 0, "temp_store": 2,
    }  # fmt: skip


NO_QUERIES = (
    "ATTACH 'other.db' AS other", "DETACH main", "PRAGMA journal_mode = WAL", "VACUUM INTO 'x.db'",
    "EXPLAIN SELECT 1", "BEGIN", "SAVEPOINT a", "CREATE TEMP TABLE a (b)", "DROP TABLE payment",
    "REPLACE INTO payment VALUES (1, 2, 3, 4)", "REINDEX", "ANALYZE", "UPDATE payment SET id = 1",
    "WITH a AS (SELECT 1) DELETE FROM payment", "WITH a AS (SELECT 1) INSERT INTO payment SELECT 1",
    "SELECT 1; ATTACH 'other.db' AS other",
)  # fmt: skip


@pytest.mark.parametrize("sql", NO_QUERIES)
def test_sqlite_statements_that_are_no_queries(sqlite: Asked, sql: str) -> None:
    """None of them runs, not behind WITH either."""
    with pytest.raises(
        (NotOneQuery, QueryRefused),
        match="the query does not begin as one|the query uses something that|the query has a second statement",
    ):
        sqlite.rows(sql)
    assert sqlite.rows("SELECT count(*) AS n, max(id) AS most FROM payment") == [
        {"n": 5000, "most": 5000}
    ]


def test_sqlite_queries_as_people_write_them(sqlite: Asked) -> None:
    """What computes with values runs, also what only the driver's SQLite knows."""
    sql = """
        WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3)
        SELECT upper(customer) AS u, CAST(amount AS INTEGER) AS a, coalesce(day, 'x') AS d,
          row_number() OVER (PARTITION BY day ORDER BY id) AS number,
          sum(amount) OVER (ORDER BY id ROWS 2 PRECEDING) AS running, customer LIKE 'c%' AS likes,
          json_extract('{"a": 1}', '$.a') AS j, '{"a": 1}' ->> 'a' AS k, strftime('%Y', day) AS y,
          concat(customer, '-', id) AS c, iif(id > 1, 'a', 'b') AS i, octet_length(customer) AS o,
          (SELECT string_agg(value, ',') FROM json_each('["a","b"]')) AS s, printf('%05d', id) AS p
        FROM payment JOIN r ON r.n = payment.id WHERE customer GLOB 'c*' AND id BETWEEN 1 AND :most
        GROUP BY id HAVING count(*) = 1 ORDER BY id DESC NULLS LAST LIMIT 10
    """
    rows = sqlite.rows(sql, {"most": 2})
    assert [row["c"] for row in rows] == ["customer 2-2", "customer 1-1"]
    assert {row["s"] for row in rows} == {"a,b"}


# --- DuckDB --------------------------------------------------------------------------------------


@pytest.fixture
def duck(duckdb: Asked) -> Iterator[Session]:
    with opened(duckdb) as session:
        yield session


def duck_functions(session: Session) -> dict[str, set[str]]:
    """Names of functions by their kind."""
    found: dict[str, set[str]] = {}
    sql = "SELECT DISTINCT function_type AS kind, function_name AS name FROM duckdb_functions()"
    for row in rows_of(session, sql):
        found.setdefault(row["kind"], set()).add(row["name"])
    return found


def test_duckdb_functions_that_are_not_listed(duck: Session) -> None:
    """Each function of DuckDB's that the list has not is refused, with a schema before it, too."""
    functions = duck_functions(duck)
    queries = []
    for kind in functions.keys() - {"table", "table_macro", "pragma"}:
        for number, name in enumerate(thinned(sorted(functions[kind]), 3)):
            if name.replace("_", "").isalnum() and name.lower() not in allowed.DUCKDB_FUNCTIONS:
                queries += spelt(
                    number,
                    [
                        f'SELECT "{name}"(NULL)',
                        f"SELECT 1 WHERE main.{name.upper()}()",
                        f"SELECT sum(id) FILTER (WHERE {name}(id)) OVER () FROM payment",
                    ],
                )
    assert admitted(duck, queries, 300 if LONG else 100) == []


def test_duckdb_table_functions_that_are_not_listed(duck: Session) -> None:
    """None that reads files, runs text, takes addresses or tells of the machine is ever bound."""
    functions = duck_functions(duck)
    names = functions["table"] | functions["table_macro"] | functions["pragma"]
    assert {"read_csv", "arrow_scan", "query", "glob", "duckdb_secrets"} <= names
    queries = []
    for number, name in enumerate(sorted(names - allowed.DUCKDB_TABLE_FUNCTIONS)):
        queries += spelt(
            number,
            [
                f"SELECT * FROM {name}('payment')",
                f"FROM (SELECT * FROM payment, {name}())",
                f"SELECT (SELECT count(*) FROM main.{name.upper()}(1, 2, 3))",
                f"WITH a AS (SELECT * FROM {name}()) SELECT * FROM a",
            ],
        )
    assert admitted(duck, queries, 400 if LONG else 100) == []


def test_duckdb_tables_that_are_not_in_the_file(duck: Session, tmp_path: Path) -> None:
    """Neither DuckDB's own views, nor a file in the place of a table."""
    (tmp_path / "other.csv").write_text(f"a\n{ROW}\n")
    views = rows_of(
        duck, "SELECT schema_name AS s, view_name AS n FROM duckdb_views() WHERE internal"
    )
    queries = [f'SELECT * FROM {row["s"]}."{row["n"]}"' for row in views]
    queries += [f'FROM "{row["n"]}"' for row in views if row["s"] in ("main", "pg_catalog")]
    queries += ["FROM (DESCRIBE payment)", "FROM (SUMMARIZE payment)", "FROM (SHOW TABLES)"]
    assert admitted(duck, queries, 60) == []
    for name in (
        f"'{tmp_path}/other.csv'",
        f'"{tmp_path}/other.csv"',
        f"'file://{tmp_path}/other.csv'",
    ):
        with pytest.raises(Exception, match="Permission Error|Catalog Error"):
            rows_of(duck, f"SELECT * FROM {name}")


HOSTILE_DUCKDB = (
    "CREATE VIEW reads AS SELECT * FROM duckdb_settings()",
    "CREATE VIEW nested(x) AS WITH a AS (SELECT 1) SELECT name FROM reads",
    "CREATE MACRO tells(x) AS getvariable(x)",
    "CREATE MACRO abs(x) AS current_setting('home_directory')",
    "CREATE MACRO listed() AS TABLE SELECT * FROM duckdb_secrets()",
    "CREATE MACRO asks(q) AS TABLE SELECT * FROM query(q)",
    "CREATE SEQUENCE counter",
    "CREATE TABLE counted (a INT, b AS (write_log(a::VARCHAR)))",
    "CREATE VIEW sound AS SELECT upper(customer) AS x FROM payment",
    "CREATE MACRO plus(a, b) AS a + b",
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
)


def test_duckdb_files_that_somebody_else_made(duckdb: Asked) -> None:
    """What a file brings along passes the same list: views, macros, generated columns."""
    import duckdb as library

    with library.connect(duckdb.address) as made:
        for statement in HOSTILE_DUCKDB:
            made.execute(statement)
    hostile = [
        "SELECT * FROM reads", "SELECT 1 FROM nested", "SELECT tells('x')", "SELECT abs(-1)",
        "FROM listed()", "FROM asks('SELECT 1')", "SELECT a FROM counted", "SELECT nextval('counter')",
    ]  # fmt: skip
    with opened(duckdb) as session:
        assert admitted(session, hostile, len(hostile)) == []
    sql = "SELECT plus(1, 2) AS n, 'ok'::mood AS m, count(*) AS c FROM sound"
    assert duckdb.rows(sql) == [{"n": 3, "m": "ok", "c": 5000}]


def test_duckdb_settings_are_locked(duck: Session) -> None:
    """No setting of DuckDB's that matters can be changed, not by its own statements either."""
    changed = set()
    for row in rows_of(duck, "SELECT name, value FROM duckdb_settings()"):
        for statement in (f"SET {row['name']} = '{row['value']}'", f"RESET {row['name']}"):
            with contextlib.suppress(duck.manager.Error):
                duck._do(statement)
                changed.add(row["name"])
    assert changed == {"schema", "search_path"}  # in which schema a name is looked for first
    found = {row["name"]: row["value"] for row in rows_of(duck, "SELECT * FROM duckdb_settings()")}
    assert {
        "access_mode": "read_only", "enable_external_access": "false", "lock_configuration": "true",
        "autoload_known_extensions": "false", "autoinstall_known_extensions": "false",
        "allow_community_extensions": "false", "allow_persistent_secrets": "false",
        "allow_unsigned_extensions": "false", "temp_directory": "",
    }.items() <= found.items()  # fmt: skip


DUCKDB_STATEMENTS = (
    "ATTACH 'x.db'", "COPY payment TO 'x.csv'", "COPY (SELECT 1) TO 'x.csv'", "EXPORT DATABASE 'x'",
    "IMPORT DATABASE 'x'", "INSTALL httpfs", "LOAD httpfs", "SET threads = 1", "RESET threads",
    "PRAGMA database_list", "CALL enable_logging()", "CHECKPOINT", "USE main", "EXECUTE x",
    "PREPARE x AS SELECT 1", "DESCRIBE payment", "SUMMARIZE payment", "EXPLAIN SELECT 1", "SHOW TABLES",
    "CREATE SECRET x (TYPE s3)", "PIVOT payment ON day", "DELETE FROM payment", "VACUUM",
    "WITH a AS (SELECT 1) DELETE FROM payment", "SELECT 1; SET threads = 1",
)  # fmt: skip


@pytest.mark.parametrize("sql", DUCKDB_STATEMENTS)
def test_duckdb_statements_that_are_no_queries(duckdb: Asked, sql: str) -> None:
    """None of them runs, not behind WITH either."""
    with pytest.raises(
        (NotOneQuery, QueryRefused),
        match="the query does not begin as one|the query, or a view that it|the query has a second statement",
    ):
        duckdb.rows(sql)


DUCKDB_QUERIES = """
    SELECT * EXCLUDE (day), COLUMNS('i.*') AS again FROM payment WHERE id BETWEEN 1 AND :most
    FROM payment SELECT customer, amount::DOUBLE WHERE id IN (1, 2) ORDER BY ALL LIMIT 50%
    SELECT day, sum(amount) FILTER (WHERE id > 3), list(id ORDER BY id) FROM payment GROUP BY ALL
    SELECT id, row_number() OVER w FROM payment WINDOW w AS (PARTITION BY day ORDER BY id) QUALIFY id < 9
    WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r
    SELECT [x * 2 FOR x IN [1, 2] IF x > 1], list_transform([1], lambda x: x + 1), {'a': 1}, MAP {'a': 1}
    SELECT extract(year FROM day), date_trunc('month', day), day + INTERVAL 1 DAY FROM payment
    SELECT regexp_replace(customer, 'c', 'd'), customer ILIKE 'C%', split_part(customer, ' ', 2) FROM payment
    SELECT unnest([1, 2]), n FROM range(3) t(n), generate_series(1, 2), (VALUES (1, 'a')) v(x, y)
    SELECT CASE WHEN id > 1 THEN 'a' END, TRY_CAST(customer AS INT), amount::DECIMAL(12, 3) FROM payment
    SELECT EXISTS (SELECT 1), (SELECT max(id) FROM payment), id = ANY (SELECT 1) FROM payment
    SELECT id FROM payment UNION ALL SELECT 1 EXCEPT SELECT 2 INTERSECT SELECT 3
    SELECT * FROM payment USING SAMPLE 5 ROWS
    SELECT DISTINCT ON (day) day, id FROM payment ORDER BY day, id
    SELECT day, count(*) FROM payment GROUP BY GROUPING SETS ((day), ())
    SELECT to_json({'a': id}) ->> 'a', json_extract('{"a": 1}', '$.a') FROM payment
    SELECT id & 1, id // 2, 2 ** id, NOT true, id IS NOT DISTINCT FROM 2, 5!, @id, customer || 'x' FROM payment
""".strip().splitlines()


@pytest.mark.parametrize("sql", [sql.strip() for sql in DUCKDB_QUERIES])
def test_duckdb_queries_as_people_write_them(duckdb: Asked, sql: str) -> None:
    """What computes with values runs."""
    with duckdb.run(sql, {"most": 5} if ":most" in sql else None) as rows:
        assert sum(batch.num_rows for batch in rows) >= 1


# --- PostgreSQL ----------------------------------------------------------------------------------


def test_postgresql_functions_with_effects(server: Server, postgresql: Asked) -> None:
    """Each function of the server's that it calls volatile is refused, but for those of the list."""
    sql = "SELECT DISTINCT proname FROM pg_proc WHERE provolatile = 'v' AND pronamespace = 'pg_catalog'::regnamespace"
    with server.owner.cursor() as cursor:
        cursor.execute(sql)
        names = {row[0] for row in cursor.fetchall()}
    assert {
        "pg_read_file",
        "lo_export",
        "pg_terminate_backend",
        "set_config",
        "query_to_xml",
    } <= names
    queries = []
    for name in names - allowed.POSTGRESQL_VOLATILE:
        queries += [
            f'SELECT pg_catalog."{name}"(NULL)',
            f"SELECT 1 FROM {name} /* x */ (NULL, :x)",
        ][: 1 + name.islower()]
    with opened(postgresql) as session:
        assert admitted(session, queries, 300) == []


SPELLINGS = (
    "SELECT PG_READ_FILE('PG_VERSION')", "SELECT pg_read_file\n--\n('PG_VERSION')",
    'SELECT "pg_read_file"(\'PG_VERSION\')', "SELECT pg_catalog . pg_read_file ('PG_VERSION')",
    "SELECT * FROM ROWS FROM (pg_ls_dir('.')) AS x", "SELECT 1 WHERE EXISTS (TABLE pg_ls_dir('.'))",
    "SELECT * FROM LATERAL pg_ls_dir('.') AS x", "VALUES (pg_terminate_backend(0))",
    "SELECT set_config('role', 'postgres', false)", "SELECT query_to_xml('SELECT 1', true, true, '')",
    "WITH a AS (SELECT pg_notify('a', 'b')) SELECT * FROM a", "SELECT lo_import('/etc/passwd')",
    "SELECT U&\"pg\\005fread_file\"('PG_VERSION')", "SELECT u&\"pg\\005fread_file\" ('PG_VERSION')",
    "SELECT * FROM pg_catalog.U&\"pg!005fls_dir\" UESCAPE '!' ('.')",
)  # fmt: skip


@pytest.mark.parametrize("sql", SPELLINGS)
def test_postgresql_functions_however_they_are_spelt(postgresql: Asked, sql: str) -> None:
    """In capitals, quoted, with a schema, by escapes, wherever a function may stand."""
    with pytest.raises((QueryRefused, NotOneQuery, BadQuery)) as caught:
        postgresql.rows(sql)
    assert isinstance(caught.value, (QueryRefused, NotOneQuery)) or "syntax" in caught.value.message


def test_postgresql_functions_of_its_owners_run(server: Server, postgresql: Asked) -> None:
    """One that its owner did not declare is volatile; it may read, and a column is no function."""
    server.do(
        "CREATE OR REPLACE FUNCTION shown(int) RETURNS text AS"
        " 'SELECT customer FROM payment WHERE id = $1' LANGUAGE sql"
    )
    sql = "SELECT shown(id) AS a, random() < 2 AS b, gen_random_uuid() IS NULL AS c FROM payment WHERE id IN (1)"
    assert postgresql.rows(sql) == [{"a": "customer 1", "b": True, "c": False}]


NOTICE = """
import sys
from dsm.sources import broker
from dsm.sources.source import Source
source = Source("0" * 32, "pay", "postgresql", "environment", "ADDRESS", 0)
class Anyone:
    check = staticmethod(lambda source: None)
    address_of = staticmethod(lambda source: sys.argv[1])
for sql, values in (("SELECT noisy(id) FROM payment", None), ("SELECT noisy(id) FROM payment WHERE id > :x", {"x": 1})):
    with broker.run(source, sql, values, access=Anyone()) as rows:
        print(sum(batch.num_rows for batch in rows))
"""


def test_postgresql_notices_are_not_printed(server: Server) -> None:
    """libpq would print what a function says, with values of rows, to standard error."""
    server.do(
        "CREATE OR REPLACE FUNCTION noisy(n int) RETURNS int AS $$ BEGIN"
        f" RAISE WARNING '{ROW} %', n; RETURN n; END $$ LANGUAGE plpgsql"
    )
    done = subprocess.run(
        [sys.executable, "-c", NOTICE, server.address], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "5000\n4999\n", "")
