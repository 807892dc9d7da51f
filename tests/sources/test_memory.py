"""Queries against hostile databases end with a named refusal before they take the machine's memory."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from dsm.sources.failures import LimitReached
from dsm.sources.sessions import ROW_BYTES

from .conftest import Asked

# The limits of an engine hold for a whole process, so each of these runs in one of its own, with a
# small one; what it takes is bounded by the system as well.
PROGRAM = """
import resource, sys
from dsm.sources import sessions
sessions.MEMORY_BYTES = 64 << 20
from dsm.sources import broker
from dsm.sources.failures import LimitReached
from dsm.sources.source import Source

class Anybody:
    def check(self, source): pass
    def address_of(self, source): return sys.argv[2]

source = Source("0" * 32, "pay", sys.argv[1], "environment", "ADDRESS", 0)
with broker.run(source, "SELECT 1 AS one", access=Anybody()) as rows:
    assert 1 == sum(batch.num_rows for batch in rows)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    with broker.run(source, sys.argv[3], access=Anybody()) as rows:
        for batch in rows:
            pass
except LimitReached as error:
    print(error.message)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""
THOUSAND = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
SQLITE = {
    "a giant value": "SELECT hex(zeroblob(300000000)) AS x",
    "a giant text": "SELECT printf('%.*c', 900000000, 'x') AS x",
    "values gathered": f"{THOUSAND} SELECT group_concat(printf('%.*c', 4000, 'x')) AS x FROM n a, n b",
    "a cross join, sorted": f"{THOUSAND} SELECT a.i AS x FROM n a, n b, n c ORDER BY random()",
    "distinct rows": f"{THOUSAND} SELECT DISTINCT a.i || '/' || b.i || '/' || c.i AS x"
    " FROM n a, n b, n c",
}  # fmt: skip
DUCKDB = {
    "values gathered": "SELECT string_agg(a.i::VARCHAR) AS x FROM range(9999) a(i), range(9999) b(i)",
    "a list": "SELECT list(a.i) AS x FROM range(9999) a(i), range(9999) b(i)",
    "a cross join, sorted": "SELECT a.i AS x FROM range(9999) a(i), range(9999) b(i)"
    " ORDER BY hash(a.i, b.i)",
    "giant values": "SELECT repeat('x', 1000000 + i::INTEGER) AS x FROM range(4000) r(i)",
}  # fmt: skip


def ends_within(driver: str, address: str, sql: str) -> None:
    """The query is refused by name, and the process grew by less than ten times its limit."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, driver, address, sql],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    said, grown = done.stdout.splitlines()
    assert "the query takes more than 64 MiB of memory in " in said
    assert int(grown) < 640


@pytest.mark.parametrize("name", SQLITE)
def test_memory_of_sqlite_is_bounded(sqlite: Asked, name: str) -> None:
    """Giant values, sorts and aggregates end at the limit of the heap."""
    ends_within("sqlite", sqlite.address, SQLITE[name])


@pytest.mark.parametrize("name", DUCKDB)
def test_memory_of_duckdb_is_bounded(duckdb: Asked, name: str) -> None:
    """Nothing is spilled to a disk, so what does not fit into the limit ends."""
    ends_within("duckdb", duckdb.address, DUCKDB[name])


def test_a_row_of_sqlite_has_a_largest_size(sqlite: Asked, tmp_path: Path) -> None:
    """One byte more than the limit, in one value or in several, is refused; as much is read."""
    with contextlib.closing(sqlite3.connect(sqlite.address)) as made:
        made.execute("CREATE TABLE scan (id INTEGER PRIMARY KEY, a BLOB, b)")
        made.execute(f"INSERT INTO scan VALUES (1, zeroblob({ROW_BYTES - 9}), '123456789')")
        made.execute(f"INSERT INTO scan VALUES (2, zeroblob({ROW_BYTES - 9}), '1234567890')")
        made.commit()
    with sqlite.run("SELECT * FROM scan WHERE id = 1") as rows:
        batches = list(rows)
    assert sum(batch.num_rows for batch in batches) == 1
    with pytest.raises(LimitReached, match="a row of more than 64 MiB") as caught:
        sqlite.rows("SELECT * FROM scan WHERE id = 2")
    assert caught.value.__context__ is None and caught.value.__cause__ is None
    assert sqlite.rows("SELECT id FROM scan WHERE id = 2") == [{"id": 2}]


@pytest.mark.parametrize("first_large", [1, 17, 4097, 4200])
def test_large_rows_of_sqlite_come_by_few(sqlite: Asked, first_large: int) -> None:
    """From the first row above 256 KiB on; all rows come once, in order, with the types of before."""
    columns = (
        "id, iif(id >= :large, zeroblob(300000), x'00') AS scan, iif(id > 40, day, NULL) AS day"
    )
    sql = f"SELECT {columns}, amount, NULL AS none FROM payment WHERE id < :large + 40 ORDER BY id"
    with sqlite.run(sql, {"large": first_large}) as rows:
        batches = [(batch.num_rows, batch.nbytes, batch.schema) for batch in rows]
        assert len({schema for _, _, schema in batches}) == 1
    assert max(size for _, size, _ in batches) < 20 * 300_000
    found = sqlite.rows(sql, {"large": first_large})
    assert [row["id"] for row in found] == list(range(1, first_large + 40))
    assert {len(row["scan"]) for row in found[first_large - 1 :]} == {300_000}
    assert [row["day"] for row in found[40:42]] == ["2026-01-14", "2026-01-15"][: len(found) - 40]
    with contextlib.closing(sqlite3.connect(sqlite.address)) as own:
        expected = own.execute(sql, {"large": first_large}).fetchall()
    assert expected == [tuple(row.values()) for row in found]


@pytest.mark.parametrize(
    "changing",
    ["random() AS n", "current_timestamp AS n", "date('now') AS n", "hex(randomblob(2)) AS n"],
)
def test_a_query_that_answers_otherwise_is_not_asked_twice(sqlite: Asked, changing: str) -> None:
    """Rows that were passed on could come again, and others not at all: the late row is refused."""
    sql = "SELECT id, zeroblob(iif(id = {}, 300000, 1)) AS scan, {} FROM payment"
    with pytest.raises(LimitReached, match="a row of more than 256 KiB comes late"):
        sqlite.rows(sql.format(4500, changing))
    assert len(sqlite.rows(sql.format(30, changing))) == 5000
