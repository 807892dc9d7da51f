"""Databases that hang, break off, change and answer with what nobody expects.

Every message is searched for the values of rows: it has none.
"""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Callable
from itertools import product

import pytest
from tiers import LONG, thinned

from dsm.errors import DsmError, InvalidInput
from dsm.sources.failures import SourceChanged

from .conftest import ROW, Project, Server, fails, nothing_of_rows_in

Until = Callable[[Callable[[], bool]], bool]


def sessions(server: Server) -> int:
    """How many sessions there are but for the owner's; of a cursor only its FETCH is seen."""
    return int(
        server.value(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
            "AND pid <> pg_backend_pid()"
        )
    )


# --- sources that hang or go -------------------------------------------------------------------


@pytest.mark.parametrize("parameters", [None, {"x": "1"}])
def test_a_query_that_hangs_ends_at_its_timeout(
    project: Project, server: Server, until: Until, parameters: dict[str, str] | None
) -> None:
    """Exit status 6, and the query is gone from the server."""
    sql = "SELECT pg_sleep(600)::text AS a, 'hang-1' AS b" + (
        " WHERE :x::int = 1" if parameters else ""
    )
    version = project.view(sql, timeout=1, parameters=parameters)
    assert "longer than 1 seconds" in fails(project, version, 6)
    assert until(lambda: sessions(server) == 0)


def test_a_stream_that_nobody_reads_ends_its_query(
    project: Project, server: Server, until: Until
) -> None:
    """A trainer that dies while no row comes is noticed, and the run is told as stopped."""
    version = project.view("SELECT pg_sleep(600)::text AS a, 'hang-3' AS b")
    with project.start("get", version, "-o", "-") as process:
        assert process.stdout is not None and process.stderr is not None
        asks = until(lambda: server.running("hang-3") >= 1)
        process.stdout.close()
        assert asks or process.kill()
        assert until(lambda: process.poll() is not None) or process.kill()
        assert (process.returncode, process.stderr.read()) == (141, b"")
    assert until(lambda: sessions(server) == 0)
    assert project.outcomes()[0] == ("stopped", None)


@pytest.mark.parametrize(
    ("begun", "parameters", "number", "status"),
    thinned(
        [
            (begun, parameters, number, -9 if number == signal.SIGKILL else 130)
            for begun, parameters in product([False, True], [None, {"x": "1"}])
            for number in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
        ],
        3,
    ),
)
def test_a_reader_that_goes_takes_its_query_along(
    project: Project, server: Server, until: Until, number: int, status: int,
    parameters: dict[str, str] | None, begun: bool,
) -> None:  # fmt: skip
    """Interrupted, terminated or killed, before the first row or half-way: the query ends."""
    sql = "SELECT n, repeat('x', 1000) AS a, 'hang-2' AS b FROM generate_series(1, 100000) n" + (
        "" if begun else " WHERE n < 2 OR pg_sleep(600) IS NULL"
    )
    if parameters:
        sql += " OR n = :x::int" if not begun else " WHERE n > :x::int"
    version = project.view(sql, parameters=parameters)
    with project.start("get", version, "-o", "-") as process:
        assert process.stdout is not None and process.stderr is not None
        if begun:
            process.stdout.read(100_000)
        mark = "FETCH" if parameters else "hang-2"
        asks = until(lambda: begun or server.running(mark) >= 1)
        process.send_signal(number if asks else signal.SIGKILL)
        assert asks
        process.stdout.close()
        err = process.stderr.read().decode()
    assert status == process.returncode, err
    assert until(lambda: sessions(server) == 0)
    assert err.count("\n") <= 2
    if status == 130 and begun:
        assert project.outcomes()[0] == ("stopped", None)


@pytest.mark.parametrize("parameters", [None, {"x": "0"}])
def test_a_connection_that_is_dropped_half_way(
    project: Project, server: Server, parameters: dict[str, str] | None
) -> None:
    """Exit status 8, one line, and a receipt that says so."""
    sql = "SELECT n, repeat('x', 2000) AS a, 'drops' AS b FROM generate_series(1, 200000) n" + (
        " WHERE n > :x::int" if parameters else ""
    )
    version = project.view(sql, parameters=parameters)
    with project.start("get", version, "-o", "-", "--format", "tar") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(300_000)
        dropped = server.value(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        assert dropped >= 1
        while process.stdout.read(1 << 20):
            pass
        err = process.stderr.read().decode()
    assert (process.returncode, err.count("error:")) == (8, 1), err
    assert project.outcomes()[0] == ("failed", "source")


def test_a_server_that_is_not_there(project: Project) -> None:
    """A port where nobody listens: exit status 8, and the address is not told."""
    version = project.view("SELECT 1 AS a")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"postgresql://u:secret-pw@127.0.0.1:{taken.getsockname()[1]}/x"
        done = project("get", version, "-o", "-", status=8, environment={"ADDRESS": address})
    assert "cannot be reached" in done.err or "connection" in done.err
    assert "secret-pw" not in done.err and "127.0.0.1" not in done.err
    assert nothing_of_rows_in(done.out)


def test_a_timeout_on_the_command_line(project: Project) -> None:
    """A query with `--timeout` can be committed; parameters that JSON would change are refused."""
    with pytest.raises(InvalidInput, match="parameter x is a binary fraction"):
        project.view("SELECT 1 AS a WHERE :x > 0.0", parameters={"x": 0.5})
    for number in (2**53, -(2**53), 2**80):
        with pytest.raises(InvalidInput, match=r"parameter x is a whole number beyond 2\^53"):
            project.view("SELECT 1 AS a WHERE :x > 0", parameters={"x": number})
    project.query("SELECT 1 AS a", "--timeout", "2.5")
    project("commit", "-m", "a query")
    assert b"2.5" in project("show").out


# --- how many rows -------------------------------------------------------------------------------


def test_no_rows(project: Project, server: Server) -> None:
    """A query without an answer is a view of the stored examples, in all formats."""
    version = project.view("SELECT n AS id, n::text AS label FROM generate_series(1, 0) n",
                           key="id", label="label")  # fmt: skip
    assert project.read(version) == {}
    for layout in ("webdataset", "tar"):
        done = project("get", version, "-o", "-", "--format", layout)
        assert b"stored" in done.out and nothing_of_rows_in(done.out)
    assert project.outcomes()[0] == ("complete", None)


@pytest.mark.parametrize("parameters", [None, {"x": "0"}])
def test_more_rows_than_allowed(project: Project, parameters: dict[str, str] | None) -> None:
    """Exit status 6 at the row after the last; exactly so many are no failure."""
    sql = f"SELECT n, '{ROW}' AS a FROM generate_series(1, %d) n" + (
        " WHERE n > :x::int" if parameters else ""
    )
    version = project.view(sql % 10, max_rows=10, parameters=parameters)
    assert len(project.read(version)) == 10
    version = project.view(sql % 11, max_rows=10, parameters=parameters)
    assert "more than 10 rows" in fails(project, version, 6)
    assert project.outcomes()[0] == ("failed", "limit-reached")


# VmHWM, not ru_maxrss: the latter begins at the size of the process that started this one.
MANY = """
import re, sys, dsm
count = size = 0
for batch in dsm.open(".").view(sys.argv[1]).batches():
    count += batch.num_rows
    size += batch.nbytes
print(count, re.search("VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("key", [None, "id"])
def test_memory_is_bounded_by_batches(project: Project, key: str | None) -> None:
    """Millions of rows are read in less than 500 MB for the whole process."""
    rows = 10_000_000 if LONG else 1_500_000
    version = project.view(
        "SELECT n AS id, n % 2 AS fraud, 'some text ' || n AS about, n * 1.5 AS amount "
        f"FROM generate_series(1, {rows}) n",
        key=key, label="fraud",
    )  # fmt: skip
    count, peak = map(int, project("-c", MANY, version).out.split())
    assert rows + 1 == count
    assert peak < 500_000  # kB


# --- values that nobody expects --------------------------------------------------------------------


def test_nulls(project: Project) -> None:
    """Without a label an example has none, without a time that of the changeset."""
    version = project.view(
        "SELECT * FROM (VALUES (1, 'a', timestamptz '2026-01-01', 'x'), (2, NULL, NULL, NULL), "
        "(3, '', '2026-01-02', '')) t(id, label, day, body)",
        key="id", label="label", time="day",
    )  # fmt: skip
    found = project.read(version)
    with project.opened() as repo:
        moment = repo.dataset("data").changeset(2).time
    assert [found[f"spy/{n}.json"].labels for n in (1, 2, 3)] == [("a",), (), ()]
    assert moment == found["spy/2.json"].time
    assert None is json.loads(found["spy/2.json"].bytes)["body"]


@pytest.mark.parametrize(
    ("sql", "status", "said"),
    [
        (f"SELECT '{ROW}' AS id FROM generate_series(1, 3)", 5, "2 of 3 rows"),
        (f"SELECT CASE WHEN n IN (1, 60000) THEN '{ROW}' ELSE n::text END AS id "
         "FROM generate_series(1, 60000) n", 5, "1 of 60,000 rows"),
        (f"SELECT CASE WHEN n < 5 THEN '{ROW}' || n END AS id FROM generate_series(1, 5) n", 8,
         "NULL in row 5"),
    ],
)  # fmt: skip
def test_keys_that_cannot_be(project: Project, sql: str, status: int, said: str) -> None:
    """Twice the same, also in batches far apart, or none: refused without the value."""
    version = project.view(sql, key="id")
    assert said in fails(project, version, status)
    assert project.outcomes()[0][0] == "failed"
    with pytest.raises(DsmError) as caught:
        project.read(version)
    assert ROW not in str(caught.value) + str(caught.value.__context__)


def test_keys_as_file_names(project: Project, server: Server) -> None:
    """Whatever a key holds, its example lies below the query's name, and no two share a path."""
    keys = [
        "../../etc/passwd", "..", ".", "/", "a/b", "a\\b", "new\nline", "tab\t", "quo'te\"s`",
        "ünïcode ☃", "%2F", "a%2Fb", "", " ", "-rf", "CON", ".dsm", "x" * 5000, "\x7f", "a:b",
        "e\u0301", "\u00e9", "\u202egnp", "a b", "*?[", "~root", "\U0001f600" * 300,
    ]  # fmt: skip
    server.do("DROP TABLE IF EXISTS named", "CREATE TABLE named (key text, body text)")
    for number, key in enumerate(keys):
        server.do(f"INSERT INTO named VALUES ($k${key}$k$, 'body {number}')")
    version = project.view("SELECT key, body FROM named", key="key", payload=["body"],
                           extension="txt")  # fmt: skip
    found = project.read(version)
    assert {f"body {number}" for number in range(len(keys))} == {
        bytes(each.bytes).decode() for each in found.values()
    }
    for path in found:
        assert re.fullmatch(r"spy/[^/\0-\x1f\x7f\\]+\.txt", path), path
        assert path.split("/")[1] not in ("..", ".")
        assert len(path.split("/")[1].encode()) <= 255
    out = project.folder / "unpacked"
    done = project("get", version, "-o", "-", "--format", "tar")
    import io
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(done.out)) as archive:
        archive.extractall(out, filter="data")
    assert len(keys) == len(list((out / "spy").iterdir()))


def test_huge_values(project: Project) -> None:
    """A text of 60 MB, and 1,600 columns, come whole."""
    version = project.view("SELECT repeat('0123456789', 6000000) AS body", payload=["body"],
                           extension="txt")  # fmt: skip
    (example,) = project.read(version).values()
    assert len(example.bytes) == 60_000_000
    columns = ", ".join(f"{n} AS c{n}" for n in range(1600))
    version = project.view(f"SELECT {columns}")
    (example,) = project.read(version).values()
    assert {f"c{n}": n for n in range(1600)} == json.loads(example.bytes)


def test_odd_types(project: Project, server: Server) -> None:
    """Every type of PostgreSQL's becomes JSON that can be read, NULL and infinity too."""
    server.do("DROP TYPE IF EXISTS mood CASCADE", "CREATE TYPE mood AS ENUM ('sad', 'ok')")
    expressions = {
        "number": "12345678901234567890.123456789::numeric", "whole": "7::numeric(3)",
        "nan": "'NaN'::numeric", "float_nan": "'NaN'::float8", "infinity": "'-Infinity'::float8",
        "uuid": "'ca9a7717-0000-4000-8000-00000000ca9a'::uuid", "json": "'{\"a\": [1, null]}'::json",
        "jsonb": "'[1, {\"b\": \"\\u00e9\"}]'::jsonb", "ints": "ARRAY[1, NULL, 3]",
        "grid": "ARRAY[[1, 2], [3, 4]]", "texts": "ARRAY['a\"b', NULL, '']", "none": "'{}'::int[]",
        "bytes": "'\\xdeadbeef00'::bytea", "zone": "timestamptz '2026-01-01 12:00+02'",
        "forever": "'infinity'::timestamptz", "plain": "timestamp '0044-03-15 BC'",
        "day": "date '2026-01-01'", "hour": "time '12:00:01.5'", "span": "interval '1 mon 2 days'",
        "mood": "'sad'::mood", "address": "'10.0.0.1/8'::inet", "place": "point(1, 2)",
        "range": "int4range(1, 5)", "bits": "B'101'", "money": "12.5::money", "xml": "'<a/>'::xml",
        "flag": "true", "letter": "'x'::\"char\"", "fixed": "'ab'::char(5)", "oid": "5::oid",
        "words": "to_tsvector('a fat cat')", "row": "ROW(1, 'a')", "void": "NULL",
        "moods": "ARRAY['sad'::mood]", "uuids": "ARRAY['ca9a7717-0000-4000-8000-00000000ca9a'::uuid]",
        "numbers": "ARRAY[1.5::numeric]", "path": "'name'::name", "hours": "timetz '12:00+02'",
    }  # fmt: skip
    wrong = {}
    for name, expression in expressions.items():
        sql = f'SELECT {expression} AS "{name}" UNION ALL SELECT NULL'
        if name in ("xml", "json", "place"):  # which cannot be compared
            sql = f'SELECT {expression} AS "{name}"'
        try:
            for example in project.read(project.view(sql)).values():
                json.loads(example.bytes, parse_constant=lambda text: 1 / 0)
        except DsmError as error:
            told = "refused: " if error.exit_status in (2, 8) else "wrong: "
            wrong[name] = told + error.message
        except Exception as error:
            wrong[name] = repr(error)
    # A server may be built without XML; the driver does not know what to make of a row.
    assert wrong.pop("xml", "refused: ").startswith("refused: ")
    assert wrong.pop("row").startswith("refused: ")
    assert wrong == {}


@pytest.mark.parametrize("label", ["a\x07b", "new\nline", "\x85.", "x" * 256])
def test_labels_that_cannot_be(project: Project, server: Server, label: str) -> None:
    """Control characters and too long ones: refused without the value."""
    server.do("DROP TABLE IF EXISTS labelled", "CREATE TABLE labelled (label text)")
    server.do(f"INSERT INTO labelled VALUES ('fine'), ($k${ROW}{label}$k$)")
    version = project.view("SELECT label FROM labelled", label="label")
    for layout in ("webdataset", "tar"):
        assert label not in fails(project, version, 8, "--format", layout)
    with pytest.raises(DsmError, match="the label in row 2 is none"):
        project.read(version)


def test_the_row_of_a_label_is_one_of_the_query(project: Project, server: Server) -> None:
    """The number that is told is that of a row of the answer, whatever is asked first."""
    server.do("DROP TABLE IF EXISTS labelled", "CREATE TABLE labelled (label text)")
    server.do("INSERT INTO labelled SELECT 'fine' FROM generate_series(1, 9)",
              "INSERT INTO labelled VALUES ($k$new\nline$k$)")  # fmt: skip
    err = fails(project, project.view("SELECT label FROM labelled", label="label"), 8)
    assert "row" not in err or "row 10" in err


# --- sources that change -----------------------------------------------------------------------


CHANGES = [
    ("ALTER TABLE visit DROP COLUMN ward", "column ward is gone"),
    ("ALTER TABLE visit ALTER COLUMN ward TYPE text", "column ward was int32 and is string"),
    ("ALTER TABLE visit ADD COLUMN extra int", "column extra was added"),
    ("ALTER TABLE visit RENAME COLUMN ward TO room", "column ward is gone"),
    ("ALTER TABLE visit ALTER COLUMN id TYPE bigint", "column id was int32 and is int64"),
]


@pytest.mark.parametrize(
    ("change", "said", "layout"),
    [(*each, ("webdataset", "tar")[n % 2]) for n, each in enumerate(CHANGES)]
    + ([(*each, ("tar", "webdataset")[n % 2]) for n, each in enumerate(CHANGES)] if LONG else []),
)
def test_columns_that_changed(
    project: Project, server: Server, table: str, change: str, said: str, layout: str
) -> None:
    """Exit status 5 names the column before a row is passed on; stored examples are there still."""
    version = project.view("SELECT * FROM visit", key="id", label="ward", time="day")
    server.do(change)
    done = project("get", version, "-o", "-", "--format", layout, status=5)
    assert said in done.err
    assert nothing_of_rows_in(done.out)
    with pytest.raises(SourceChanged) as caught:
        project.read(version)
    assert any(said in item for item in caught.value.items)
    assert b"stored" in project("get", version, "-o", "-", "--skip-sources").out


def test_a_table_that_is_gone(project: Project, server: Server, table: str) -> None:
    """The name that the query has is told."""
    version = project.view("SELECT id, name FROM visit")
    server.do("DROP TABLE visit")
    assert "does not exist" in fails(project, version, 5)


def test_without_the_credentials(project: Project, table: str) -> None:
    """Who has the repository alone sees the query, is refused its rows, and trains on the rest."""
    version = project.view("SELECT id, name FROM visit", key="id")
    nothing = {"environment": {"ADDRESS": ""}}
    err = fails(project, version, 6, **nothing)
    assert "ADDRESS" in err
    assert b"FROM visit" in project("show", **nothing).out
    done = project("get", version, "-o", "-", "--skip-sources", **nothing)
    assert b"stored" in done.out and nothing_of_rows_in(done.out)
    project("source", "remove", "pay")
    assert "pay" in fails(project, version, 4)
    project("get", version, "-o", "-", "--skip-sources", **nothing)


def test_a_role_that_may_not_read(project: Project, server: Server, table: str) -> None:
    """Exit status 6, without an explanation by the database that quotes anything."""
    version = project.view("SELECT id, name FROM visit")
    server.do("DROP ROLE IF EXISTS stranger", "CREATE ROLE stranger LOGIN")
    address = server.address.replace("//postgres:", "//stranger:")
    err = fails(project, version, 6, environment={"ADDRESS": address})
    assert "may not read" in err
    # A check begins the query, so that it says so as well: the columns alone are told to anybody.
    for words in (("source", "check"), ("status", "--sources")):
        checked = project(*words, status=1, environment={"ADDRESS": address})
        assert "may not read" in checked.out.decode() + checked.err
    for sql in ("SELECT id, name FROM visit", "SELECT id FROM visit WHERE id > :id::int"):
        words = ("source", "test", "pay", "-e", sql, *(("--param", "id=1") if ":" in sql else ()))
        refused = project(*words, status=6, environment={"ADDRESS": address})
        assert "may not read" in refused.err
        project(*words)
    server.do("DROP ROLE stranger")
