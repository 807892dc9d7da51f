"""Queries in a dataset's history: names with documents, staged, put and removed like examples.

What a document says is told in `dsm.sources.query`; here only that it is JSON, and which attributes
its examples have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StagedQuery:
    """A query that the next changeset puts, or with no document removes.

    `base` is the head that it was judged against.
    """

    document: Document | None
    base: int


@dataclass(frozen=True, slots=True)
class QueryChange:
    """What happened to one query: `kind` is added, modified or deleted."""

    kind: str
    name: str
    before: Document | None = None
    after: Document | None = None


def query_changes(
    before: Mapping[str, Document], after: Mapping[str, Document]
) -> list[QueryChange]:
    """Compares two sets of queries by name; equal ones are left out."""
    changes = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old != new:
            kind = "added" if old is None else "deleted" if new is None else "modified"
            changes.append(QueryChange(kind, name, old, new))
    return changes


def with_queries(
    standing: Mapping[str, Document], staged: Mapping[str, StagedQuery]
) -> dict[str, Document]:
    """Returns the documents, by name, that stand once what is staged is committed."""
    after = {name: document for name, document in standing.items() if name not in staged}
    put = {name: each.document for name, each in staged.items() if each.document is not None}
    return {**after, **put}


def attributes_of(documents: Mapping[str, Document]) -> list[tuple[str, str, str]]:
    """Returns (query, attribute, type) of all of them, sorted."""
    return sorted(
        (name, attribute, kind)
        for name, document in documents.items()
        for attribute, kind in document["attributes"].items()
    )
