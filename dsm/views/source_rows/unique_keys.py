"""No two rows of a query with one key, since two examples would have one path."""

from __future__ import annotations

import os
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import Conflict
from dsm.sources.digest import Hasher, mixed
from dsm.sources.failures import SourceFailed
from dsm.sources.query import SourceQuery

_COMPARABLE = (
    "int", "uint", "float", "double", "string", "large_string", "date32", "date64", "timestamp",
)  # fmt: skip


class KeyRepeats(Conflict):
    """Two rows of a query have the same key, so two examples would have the same path."""

    code = "key-repeats"


class UniqueKeys:
    """Watches that no key comes twice, of keys that come in order with next to no work.

    Of the others a hash of 64 bits is kept for each until the run ends; all are compared whenever
    there are four times as many as the last time.
    """

    def __init__(self, query: SourceQuery):
        self._query = query
        self._hasher = Hasher(os.urandom(32))
        self._hashes: list[pa.Array] = []
        self._count = 0
        self._looked = 1 << 16
        self._last: Any = None
        self._in_order = True

    def take(self, rows: pa.RecordBatch) -> None:
        """Takes the keys of some rows of the answer. Raises KeyRepeats."""
        if self._query.key is None:
            return
        column = rows.column(self._query.key)
        if column.null_count:
            raise SourceFailed(
                f"source {self._query.source}: the key is NULL in a row",
                hint="name a key column without NULLs, or COALESCE it",
            )
        self._in_order = self._in_order and self._follows(column)
        # Mixed, and so copied: a number's own bits would keep the whole batch in memory.
        self._hashes.append(mixed(self._hasher.values(column)))
        self._count += len(column)
        if not self._in_order and self._count > self._looked:
            self.check()
            self._looked = 4 * self._count

    def _follows(self, column: pa.Array) -> bool:
        """Whether these keys are all greater than those before, each than the one before it."""
        kind = column.type
        plain = str(kind).rstrip("0123456789").partition("[")[0]
        if column.null_count or plain not in _COMPARABLE:
            return False
        first, last = column[0], column[len(column) - 1]
        if self._last is not None and not pc.greater(first, self._last).as_py():
            return False
        self._last = last
        rising = pc.greater(column.slice(1), column.slice(0, len(column) - 1))
        return len(column) == 1 or bool(pc.all(rising).as_py())

    def check(self) -> None:
        """Raises KeyRepeats when two keys so far are the same."""
        if self._in_order or not self._count:
            return
        different = pc.count_distinct(pa.chunked_array(self._hashes)).as_py()
        if different != self._count:
            raise KeyRepeats(
                f"query {self._query.name} gives {self._count - different:,} of {self._count:,}"
                " rows a key that another row has",
                hint="name a key column whose values are all different, or make one in the query",
            )
