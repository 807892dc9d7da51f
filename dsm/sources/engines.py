"""Which kind of session a driver gets: one that knows the database, or the general one."""

from __future__ import annotations

from dsm.sources.drivers import plain_name
from dsm.sources.duckdb import DuckdbSession
from dsm.sources.postgresql import PostgresqlSession
from dsm.sources.sessions import Session
from dsm.sources.sqlite import SqliteSession

_SESSIONS: dict[str, type[Session]] = {
    "postgresql": PostgresqlSession, "sqlite": SqliteSession, "duckdb": DuckdbSession,
}  # fmt: skip


def session_class(driver: str) -> type[Session]:
    """Returns the kind of session that a driver gets."""
    return _SESSIONS.get(plain_name(driver), Session)
