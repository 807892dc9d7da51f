"""Sessions with DuckDB."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from dsm.sources import duckdb_rules
from dsm.sources.sessions import MEMORY_BYTES, Session, Values
from dsm.sources.statement import DUCKDB, Statement

# Before the database is opened, so that nothing of its own choice is loaded with it.
_SETTINGS = {
    "temp_directory": "",
    "memory_limit": f"{MEMORY_BYTES >> 20}MiB",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
}


class DuckdbSession(Session):
    """DuckDB: opened read-only, without access to other files, and never spilling to a disk;
    what needs more than MEMORY_BYTES fails."""

    dialect = DUCKDB
    engine = "DuckDB"

    def _address(self, address: str) -> dict[str, str]:
        if address.startswith("duckdb:"):
            address = urlsplit(address).path.removeprefix("/")
        return {"path": address, "access_mode": "read_only", **_SETTINGS}

    def admit(self, statement: Statement) -> None:
        duckdb_rules.check(self._rows, statement.text)

    def probe(self, statement: Statement, values: Values) -> None:
        """Nothing: whoever may open the file may read all of it."""

    def _rows(self, text: str, value: str | None) -> list[dict[str, Any]]:
        import pyarrow as pa

        with self._asking(text) as asked:
            if value is not None:
                asked.bind(pa.RecordBatch.from_pydict({"1": [value]}))
            found: list[dict[str, Any]] = self._reader(asked).read_all().to_pylist()
        return found

    def _read_only(self) -> None:
        self._do("SET enable_external_access = false")
        self._do("SET lock_configuration = true")
