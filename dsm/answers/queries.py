"""Source queries and their changes: what `dsm add --source` and `dsm source check` answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dsm.model.queries import Document, QueryChange

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.sources.checking import QueryCheck
    from dsm.sources.query import SourceQuery


def query_fields(document: Document) -> dict[str, Any]:
    """Returns the document of a query, with its columns by name and type."""
    from dsm.sources.query import SourceQuery

    columns = SourceQuery.from_json("query", document).schema
    fields = {name: value for name, value in document.items() if name != "schema"}
    return {**fields, "columns": columns_fields(columns)}


def columns_fields(schema: pa.Schema) -> list[dict[str, Any]]:
    """Returns the columns of a query by name and type."""
    from dsm.sources.schema import type_text

    return [{"name": column.name, "type": type_text(column.type)} for column in schema]


def query_change_fields(change: QueryChange) -> dict[str, Any]:
    """Returns a change of a query with the query before and after it."""
    return {
        "kind": change.kind,
        "name": change.name,
        "before": None if change.before is None else query_fields(change.before),
        "after": None if change.after is None else query_fields(change.after),
    }


def added_query_answer(query: SourceQuery, change: str) -> dict[str, Any]:
    """Returns what `dsm add --source` answers; `change` is what recording the query came to."""
    return {"name": query.name, "change": change, **query_fields(query.to_json())}


def check_fields(check: QueryCheck) -> dict[str, Any]:
    """Returns what a source said about a query."""
    return {
        "name": check.name,
        "source": check.source,
        "runs": check.problem is None,
        "problem": check.problem,
        "code": check.code,
        "changes": list(check.changes),
    }


def check_answer(dataset: str, checks: Iterable[QueryCheck]) -> dict[str, Any]:
    """Returns what `dsm source check` answers."""
    return {"dataset": dataset, "queries": map(check_fields, checks)}
