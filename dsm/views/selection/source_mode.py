"""What a view does about rows of queries: read them, skip them, or make dummy ones up."""

from __future__ import annotations

from typing import NamedTuple

from dsm.errors import InvalidInput


class SourceMode(NamedTuple):
    """One of READ, SKIP and `dummy(rows)`; `word` is what materialised views say of it."""

    word: str
    dummy_rows: int | None = None  # for each query; None unless rows are dummies


READ = SourceMode("read")
SKIP = SourceMode("skipped")


def dummy(rows: int) -> SourceMode:
    """So many dummy rows for each query. Raises InvalidInput for a negative number."""
    if rows < 0:
        raise InvalidInput("a number of rows is not negative")
    return SourceMode("dummy", rows)
