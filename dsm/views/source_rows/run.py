"""One run of one query for a view: asked, filtered, noted in a receipt, passed on and gone.

Invariants: every row that is passed on fits the view exactly, whatever the source was asked for; a
receipt was begun before the first one; and after its batch a row is gone, but for a hash of 64 bits
of its key.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import DsmError
from dsm.repo.repository import Repository
from dsm.sources import broker, receipts
from dsm.sources.access import Access
from dsm.sources.digest import RowDigest
from dsm.sources.failures import BadQuery, SourceChanged
from dsm.sources.source import Source
from dsm.steps import step
from dsm.views.filters.sql import Narrowed
from dsm.views.source_rows.plan import COLUMNS, EXAMPLES, LABELS, RunPlan
from dsm.views.source_rows.row_filters import examples_of
from dsm.views.source_rows.unique_keys import UniqueKeys

Batches = Generator["pa.RecordBatch", None, None]


def run(plan: RunPlan, source: Source, repository: Repository) -> Batches:
    """Yields what a plan asks for, batch by batch; ends the query when it is closed.

    Raises what `dsm.sources.failures` has, SourceChanged before a row is passed on when columns are
    others than were recorded, and KeyRepeats.
    """
    running = _SourceRun(plan, source, repository)
    with running.answer() as rows:
        yield from running.noted(rows)


class _SourceRun:
    """What is known of a run while it goes on: how many rows and bytes were passed on."""

    def __init__(self, plan: RunPlan, source: Source, repository: Repository):
        self._plan, self._source, self._repository = plan, source, repository
        self._rows = self._size = 0

    def answer(self) -> broker.Rows:
        """Starts the query; the columns are known and as they were recorded."""
        plan, own = self._plan, self._plan.as_recorded
        if plan.asked.sql != own.sql:
            try:
                return self._started(plan.asked, plan.columns)
            except BadQuery as error:
                # A column that is gone fails where we filter by it: the query as it was recorded
                # says what changed, or does without our conditions.
                step(__name__, "query %s: not so (%s), as recorded", plan.query.name, error.code)
        try:
            return self._started(own, tuple(plan.query.schema.names))
        except BadQuery as error:
            raise SourceChanged(
                f"{error.message}; when it was recorded it ran",
                hint="`dsm source check` asks again",
            ) from None

    def _started(self, asked: Narrowed, columns: tuple[str, ...]) -> broker.Rows:
        plan, query = self._plan, self._plan.query
        step(__name__, "query %s, for %s: %s", query.name, plan.form, " ".join(asked.sql.split()))
        rows = broker.run(
            self._source, asked.sql, asked.values, access=Access(self._repository),
            max_rows=query.max_rows, timeout=query.timeout,
            expected=pa.schema([field for field in query.schema if field.name in columns]),
        )  # fmt: skip
        try:
            _ = rows.schema
        except BaseException:
            rows.close()
            raise
        return rows

    def noted(self, rows: broker.Rows) -> Batches:
        plan, repository = self._plan, self._repository
        key = receipts.digest_key(repository)
        log = receipts.Log(repository, author=repository.author, clock=repository.environment.clock)
        running = log.begin(
            plan.query, self._source, dataset=plan.purpose.dataset, version=plan.purpose.version,
            changeset=plan.changeset.number, consumer=plan.purpose.consumer, columns=rows.schema,
        )  # fmt: skip
        began = time.perf_counter()
        digest = RowDigest(key) if plan.form in (EXAMPLES, COLUMNS) else None
        outcome, failure = receipts.STOPPED, None
        try:
            yield from self._passed_on(rows, digest)
            outcome = receipts.COMPLETE
        except Exception as error:
            outcome, failure = receipts.FAILED, error if isinstance(error, DsmError) else None
            raise
        finally:
            step(
__name__,
                "query %s: %s; %d rows came, %d passed on, receipt %s",
                plan.query.name, outcome, rows.passed, self._rows, running.id,
            )  # fmt: skip
            whole = digest is not None and outcome == receipts.COMPLETE
            running.end(
                outcome, self._rows, self._size, time.perf_counter() - began,
                digest.hexdigest() if digest is not None and whole else None, failure,
            )  # fmt: skip

    def _passed_on(self, rows: broker.Rows, digest: RowDigest | None) -> Batches:
        plan, query = self._plan, self._plan.query
        if plan.form == LABELS:  # the label alone may be there, each once
            query = replace(query, key=None, time=None)
        examples = examples_of(
            query, rows.schema, plan.changeset, plan.types, numbered=plan.form != LABELS
        )
        keys = UniqueKeys(query)
        first = 0
        for batch in rows:
            if plan.form == COLUMNS and plan.filters.all_pass:
                passed = kept = batch
            else:
                found, kept = plan.filters.kept(
                    examples, batch, first, content=plan.form == EXAMPLES,
                    objects=plan.objects,
                )  # fmt: skip
                passed = batch_as(plan.form, found, kept)
            first += batch.num_rows
            if not kept.num_rows:
                continue
            keys.take(kept)
            if digest is not None:
                digest.update(kept)
                self._size += _bytes_of(passed, plan.form)
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
