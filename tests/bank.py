"""A repository with stored notes and a query against an SQLite file of payments."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from situations import MOMENT, Work

from dsm.catalog import Catalog
from dsm.repo.environment import Environment
from dsm.sources import source as sources
from dsm.sources.failures import SecretMissing

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = [
    (number, number * 1.5, ["DE", "FR", None][number % 3],
     (BEGIN + timedelta(hours=number)).isoformat(), ["ok", "fraud", "ok", None][number % 4])
    for number in range(200)
]  # fmt: skip
SQL = "SELECT * FROM payment ORDER BY id"


class Bank(Work):
    """A repository with 40 stored examples in changeset 1, and a query for 200 rows in 2."""

    def __init__(self, root: Path, database: Path):
        super().__init__(root)
        self.database = database
        self.address: str | None = str(database)
        self.repo.close()
        self.repo = self._open()
        with sqlite3.connect(database) as db:
            db.execute("CREATE TABLE payment (id INTEGER PRIMARY KEY, amount REAL, country TEXT,"
                       " at TEXT, verdict TEXT)")  # fmt: skip
            db.executemany("INSERT INTO payment VALUES (?, ?, ?, ?, ?)", ROWS)
        self.ds.add({f"note/{n:02}": f"note {n}".encode() for n in range(40)}, labels=["note"])
        self.ds.commit("notes")
        sources.create(self.repo, "bank", "sqlite", "environment", "BANK", created=MOMENT)
        self.put()

    def put(self, sql: str = SQL, **asked: Any) -> int:
        roles = {"key": "id", "label": "verdict", "time": "at"}
        self.ds.add_query("bank", sql, name="pay", **{**roles, **asked})
        return self.ds.commit("query").number

    def secret_of(self, kind: str, name: str) -> str:
        if self.address is None:
            raise SecretMissing("the environment variable BANK gives no address")
        return self.address

    def _open(self) -> Catalog:
        return Catalog(
            str(self.root),
            Environment(
                self.clock, author=lambda _: "tester", current_folder=lambda: str(self.root),
                secret_of=self.secret_of, trusted_sources=lambda: "bank",
            ),
        )  # fmt: skip

    def change(self, *statements: str) -> None:
        with sqlite3.connect(self.database) as db:
            for statement in statements:
                db.execute(statement)


def time_of(row: tuple[Any, ...]) -> int:
    return round(datetime.fromisoformat(row[3]).timestamp() * 1_000_000)


def payload(row: tuple[Any, ...]) -> bytes:
    fields = dict(zip(("id", "amount", "country", "at", "verdict"), row, strict=True))
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def expected(wanted: list[tuple[Any, ...]]) -> list[str]:
    return [f"pay/{row[0]}.json" for row in wanted]
