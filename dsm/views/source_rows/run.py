"""One run of one query for a view: asked, filtered, noted in a receipt, passed on and gone.

Invariants: every row that is passed on fits the view exactly, whatever the source was asked for; a
receipt was begun before the first one; and of a row nothing outlives its batch but 64 bits.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import Conflict, DsmError
from dsm.model.changeset import Changeset
from dsm.repo.repository import Repository
from dsm.sources import broker, receipts
from dsm.sources.digest import Hasher, RowDigest, mixed
from dsm.sources.examples import Examples
from dsm.sources.failures import BadQuery, SourceChanged, SourceFailed
from dsm.sources.query import SourceQuery
from dsm.sources.source import Source
from dsm.views.filters.conditions import SIZE
from dsm.views.filters.filter import Clause
from dsm.views.filters.sql import Narrowed
from dsm.views.query.view_query import ViewQuery
from dsm.views.selection.evaluate import Cutoff

_log = logging.getLogger(__name__)
Batches = Generator["pa.RecordBatch", None, None]
# What a run is for: rows as examples, rows as they are, or only what filters and labels need.
EXAMPLES, COLUMNS, TIMES, LABELS = "examples", "columns", "times", "labels"
_COMPARABLE = (
    "int", "uint", "float", "double", "string", "large_string", "date32", "date64", "timestamp",
)  # fmt: skip


class KeyRepeats(Conflict):
    """Two rows of a query have the same key, so two examples would have the same path."""

    code = "key-repeats"


@dataclass(frozen=True)
class Filters:
    """The filters of a view as they are applied to rows of a source: exactly, as to stored ones."""

    query: ViewQuery
    cutoff: Cutoff | None

    @cached_property
    def _clauses(self) -> tuple[list[Clause], list[Clause]]:
        """Those that need no payload, and the others."""
        found = self.query.clauses()
        late = [clause for clause in found if clause.value.column == SIZE]
        return [clause for clause in found if clause.value.column != SIZE], late

    @property
    def all_pass(self) -> bool:
        """Whether there is nothing to filter by."""
        return self.cutoff is None and not any(self._clauses)

    def kept(
        self,
        examples: Examples,
        rows: pa.RecordBatch,
        first: int,
        *,
        content: bool,
        objects: bool = True,
    ) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """Returns the examples of those rows that fit, and these rows; the first has this number.

        Without `content` the examples have none, unless a filter asked for it; without `objects`
        they do not say the hash of it.
        """
        early, late = self._clauses
        found = examples.convert(rows, first, content=False)
        mask = self._mask(found, early, self.cutoff)
        if mask is not None:
            found, rows = found.filter(mask), rows.filter(mask)
        if content or late:
            found = examples.with_content(found, rows, objects=objects)
        mask = self._mask(found, late, None)
        return (found, rows) if mask is None else (found.filter(mask), rows.filter(mask))

    @staticmethod
    def _mask(batch: pa.RecordBatch, which: list[Clause], cutoff: Cutoff | None) -> Any:
        table = pa.Table.from_batches([batch])
        masks = [clause.mask(table) for clause in which]
        if cutoff is not None:
            masks.append(cutoff.mask(table))
        if not masks:
            return None
        return reduce(pc.and_, masks).combine_chunks()


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is to do: for whom, with which text, and in which form rows are passed on."""

    repository: Repository
    source: Source
    query: SourceQuery
    changeset: Changeset
    asked: Narrowed
    filters: Filters
    form: str
    consumer: str
    dataset: str
    version: str
    types: dict[str, str]
    objects: bool


class Run:
    """One run of one query."""

    def __init__(self, order: Order):
        self._order = order
        self._rows = self._size = 0

    def batches(self) -> Batches:
        """Yields what the order asks for, batch by batch; ends the query when it is closed."""
        with self._answer() as rows:
            yield from self._noted(rows)

    def _answer(self) -> broker.Rows:
        """Starts the query; the columns are known and as they were recorded."""
        order = self._order
        own = Narrowed(order.query.sql, dict(order.query.parameters))
        if order.asked.sql != own.sql:
            try:
                return self._started(order.asked, order.filters.query)
            except BadQuery as error:
                # A column that is gone fails where we filter by it: the query as it was recorded
                # says what changed, or does without our conditions.
                _log.debug("query %s: not so (%s), but as recorded", order.query.name, error.code)
        try:
            return self._started(own, None)
        except BadQuery as error:
            raise SourceChanged(
                f"{error.message}; when it was recorded it ran",
                hint="`dsm check` asks again",
            ) from None

    def _started(self, asked: Narrowed, narrowed_for: ViewQuery | None) -> broker.Rows:
        order, query = self._order, self._order.query
        names = set(query.schema.names)
        if narrowed_for is not None and order.form == TIMES:
            names = set(needed(query, narrowed_for))
        elif narrowed_for is not None and order.form == LABELS:
            names = {query.label or ""}
        _log.debug("query %s, for %s: %s", query.name, order.form, " ".join(asked.sql.split()))
        rows = broker.run(
            order.source, asked.sql, asked.values, secret_of=order.repository.environment.secret_of,
            max_rows=query.max_rows, timeout=query.timeout,
            expected=pa.schema([field for field in query.schema if field.name in names]),
        )  # fmt: skip
        try:
            _ = rows.schema
        except BaseException:
            rows.close()
            raise
        return rows

    def _noted(self, rows: broker.Rows) -> Batches:
        order = self._order
        repository = order.repository
        key = receipts.digest_key(repository)
        log = receipts.Log(repository, author=repository.author, clock=repository.environment.clock)
        running = log.begin(
            order.query, order.source, dataset=order.dataset, version=order.version,
            changeset=order.changeset.number, consumer=order.consumer, columns=rows.schema,
        )  # fmt: skip
        began = time.perf_counter()
        digest = RowDigest(key) if order.form in (EXAMPLES, COLUMNS) else None
        outcome, failure = receipts.STOPPED, None
        try:
            yield from self._passed_on(rows, digest)
            outcome = receipts.COMPLETE
        except Exception as error:
            outcome, failure = receipts.FAILED, error if isinstance(error, DsmError) else None
            raise
        finally:
            _log.debug(
                "query %s: %s; %d rows came, %d passed on, receipt %s",
                order.query.name, outcome, rows.passed, self._rows, running.id,
            )  # fmt: skip
            whole = digest is not None and outcome == receipts.COMPLETE
            running.end(
                outcome, self._rows, self._size, time.perf_counter() - began,
                digest.hexdigest() if digest is not None and whole else None, failure,
            )  # fmt: skip

    def _passed_on(self, rows: broker.Rows, digest: RowDigest | None) -> Batches:
        order = self._order
        query = order.query
        if order.form == LABELS:  # the label alone may be there, each once
            query = replace(query, key=None, time=None)
        examples = examples_of(
            query, rows.schema, order.changeset, order.types, numbered=order.form != LABELS
        )
        keys = Keys(query)
        first = 0
        for batch in rows:
            if order.form == COLUMNS and order.filters.all_pass:
                passed = kept = batch
            else:
                found, kept = order.filters.kept(
                    examples, batch, first, content=order.form == EXAMPLES,
                    objects=order.objects,
                )  # fmt: skip
                passed = batch_as(order.form, found, kept)
            first += batch.num_rows
            if not kept.num_rows:
                continue
            keys.take(kept)
            if digest is not None:
                digest.update(kept)
                self._size += _bytes_of(passed, order.form)
            self._rows += kept.num_rows
            yield passed
        keys.check()


def batch_as(form: str, found: pa.RecordBatch, kept: pa.RecordBatch) -> pa.RecordBatch:
    """Returns rows in the form that was asked for."""
    return kept if form == COLUMNS else found


def _bytes_of(passed: pa.RecordBatch, form: str) -> int:
    if form == COLUMNS:
        return int(passed.nbytes)
    return int(pc.sum(passed.column("size")).as_py() or 0)


def examples_of(
    query: SourceQuery,
    schema: pa.Schema,
    changeset: Changeset,
    types: dict[str, str],
    *,
    numbered: bool = True,
) -> Examples:
    """Returns what makes examples of the rows of a query; for `numbered` see there."""
    return Examples(
        query, schema, changeset=changeset.number, time_us=changeset.time, types=types,
        numbered=numbered,
    )  # fmt: skip


def needed(query: SourceQuery, view_query: ViewQuery) -> list[str]:
    """Returns the columns that filters, times and paths are made from."""
    wanted = {query.key, query.label, query.time}
    wanted |= {name for each in view_query.filters for name in each.attributes()}
    if SIZE in wanted:
        return list(query.schema.names)
    return [name for name in query.schema.names if name in wanted]


class Keys:
    """Watches that no key comes twice, of keys that come in order with next to no work.

    Of the others 64 bits are held for each, and looked through when four times as many have come.
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
