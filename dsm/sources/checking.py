"""Whether recorded queries still run: their columns are asked for, and no row is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dsm.errors import DsmError
from dsm.repo.repository import Repository
from dsm.sources import broker
from dsm.sources import source as sources
from dsm.sources.access import Access
from dsm.sources.query import SourceQuery
from dsm.sources.recording import COLUMNS_SECONDS
from dsm.sources.schema import drift


@dataclass(frozen=True, slots=True)
class QueryCheck:
    """What a source said about a query: `problem` is None when it runs as it was recorded.

    `code` is that of the error class; `changes` tell of each column that differs.
    """

    name: str
    source: str
    problem: str | None = None
    code: str | None = None
    hint: str | None = None
    changes: tuple[str, ...] = ()


def check_queries(repository: Repository, queries: Mapping[str, SourceQuery]) -> list[QueryCheck]:
    """Asks the source of each query for its columns; none of the failures is raised."""
    return [_check(repository, query) for _, query in sorted(queries.items())]


def _check(repository: Repository, query: SourceQuery) -> QueryCheck:
    try:
        source = sources.find(repository, query.source)
        found = broker.schema_of(
            source, query.sql, query.parameters, access=Access(repository),
            timeout=query.timeout or COLUMNS_SECONDS,
        )  # fmt: skip
    except DsmError as error:
        return QueryCheck(query.name, query.source, error.message, error.code, error.hint)
    changes = tuple(drift(query.schema, found))
    if changes:
        return QueryCheck(
            query.name, query.source, "the columns changed since they were recorded",
            "source-changed", "record the query again with its new columns, or mend the source",
            changes,
        )  # fmt: skip
    return QueryCheck(query.name, query.source)
