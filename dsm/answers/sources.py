"""Sources and the runs of their queries: what `dsm source` and `dsm receipts` answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from dsm.answers.queries import columns_fields
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.sources.receipts import Receipt
    from dsm.sources.source import Source


def source_answer(source: Source, trusted: bool) -> dict[str, Any]:
    """Returns what `dsm source show` answers: where the address is read from, never the address."""
    return {
        "name": source.name,
        "id": source.id,
        "driver": source.driver,
        "secret": {"kind": source.kind, "name": source.secret},
        "created": format_time(source.created),
        "digest": source.digest,
        "trusted": trusted,
    }


def forgotten_source_answer(name: str) -> dict[str, Any]:
    """Returns what `dsm source remove` answers; a damaged source can be removed as well."""
    return {"name": name}


def sources_answer(sources: Iterable[Source], trusted: Callable[[Source], bool]) -> dict[str, Any]:
    """Returns what `dsm source list` answers."""
    return {"sources": (source_answer(each, trusted(each)) for each in sources)}


def source_test_answer(name: str, schema: pa.Schema | None) -> dict[str, Any]:
    """Returns what `dsm source test` answers; `schema` is that of the query that was tried."""
    columns = None if schema is None else columns_fields(schema)
    return {"name": name, "answers": True, "columns": columns}


def receipts_answer(receipts: Iterable[Receipt]) -> dict[str, Any]:
    """Returns what `dsm receipts` answers."""
    return {"receipts": map(_receipt_fields, receipts)}


def _receipt_fields(receipt: Receipt) -> dict[str, Any]:
    return {
        "id": receipt.id,
        "time": format_time(receipt.time),
        "author": receipt.author,
        "dataset": receipt.dataset,
        "version": receipt.version,
        "query": receipt.query,
        "changeset": receipt.changeset,
        "source": receipt.source,
        "source_id": receipt.source_id,
        "driver": receipt.driver,
        "purpose": receipt.purpose,
        "consumer": receipt.consumer,
        "outcome": receipt.outcome,
        "rows": receipt.rows,
        "bytes": receipt.bytes,
        "duration": receipt.duration,
        "columns": [{"name": name, "type": kind} for name, kind in receipt.columns],
        "digest": receipt.digest,
        "error": receipt.error,
    }
