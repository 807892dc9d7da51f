"""Recording a query in a dataset: the source is asked for its columns, and for nothing else.

The invariant: of a source's rows nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict, Unpack

from dsm.errors import InvalidInput
from dsm.model.names import dataset_name_for, printable
from dsm.model.queries import Document
from dsm.repo.repository import Repository
from dsm.sources import broker
from dsm.sources import source as sources
from dsm.sources.access import Access
from dsm.sources.query import SourceQuery, Value, define, refuse_large
from dsm.sources.schema import type_text

COLUMNS_SECONDS = 30.0


class QueryAsked(TypedDict, total=False):
    """The keywords of `query_of`; see `Dataset.add_query` for what they mean."""

    parameters: Mapping[str, Value] | None
    key: str | None
    label: str | None
    time: str | None
    payload: Iterable[str] | None
    extension: str | None
    max_rows: int | None
    timeout: float | None
    purpose: str | None


def query_of(
    repository: Repository,
    source_name: str,
    sql: str,
    *,
    name: str | None = None,
    **asked: Unpack[QueryAsked],
) -> SourceQuery:
    """Returns a query as it is to be recorded, with the columns that its source answers.

    Raises NotFound for a source that is not there, and what the broker raises.
    """
    source = sources.find(repository, source_name)
    refuse_large(asked.get("parameters"))
    schema = broker.schema_of(
        source, sql, asked.get("parameters"), access=Access(repository),
        timeout=asked.get("timeout") or COLUMNS_SECONDS,
    )  # fmt: skip
    if not schema.names:
        raise InvalidInput("the query gives no column")
    return define(name or dataset_name_for(source_name), source_name, sql, schema, **asked)


def columns_text(query: SourceQuery) -> list[str]:
    """Returns a line for each column of a query: its name, its type and what it is for."""
    roles: dict[str, str] = {}
    for role, names in (
        ("payload", query.payload or query.schema.names), ("attribute", list(query.attributes)),
        ("time", [query.time]), ("label", [query.label]), ("key", [query.key]),
    ):  # fmt: skip
        for name in names:
            if name is not None:
                roles[name] = f"{roles[name]}, {role}" if name in roles else role
    wide = max(len(printable(name)) for name in query.schema.names)
    return [
        f"{printable(field.name):{wide}}  {printable(type_text(field.type))}"
        f"  {roles.get(field.name, '')}".rstrip()
        for field in query.schema
    ]


def decoded(documents: Mapping[str, Document]) -> dict[str, SourceQuery]:
    """Returns queries by name from their documents. Raises DamagedData."""
    return {name: SourceQuery.from_json(name, each) for name, each in documents.items()}
