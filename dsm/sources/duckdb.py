"""Sessions with DuckDB."""

from __future__ import annotations

from urllib.parse import urlsplit

from dsm.sources.sessions import Session
from dsm.sources.statement import DUCKDB


class DuckdbSession(Session):
    """DuckDB: opened read-only, without access to other files, and never spilling to a disk."""

    dialect = DUCKDB

    def _address(self, address: str) -> dict[str, str]:
        if address.startswith("duckdb:"):
            address = urlsplit(address).path.removeprefix("/")
        return {"path": address, "access_mode": "read_only", "temp_directory": ""}

    def _read_only(self) -> None:
        self._do("SET enable_external_access = false")
        self._do("SET lock_configuration = true")
