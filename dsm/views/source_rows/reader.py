"""The queries of a view: which there are, and what a reading of the view gets of their rows.

A query becomes examples like those that are stored, in the order of the source's answer. The
invariant: where a newest share ends is decided over stored examples and rows together, once for a
reading.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import InvalidInput
from dsm.format.manifest import TIME
from dsm.sources import source as sources
from dsm.sources.access import Access
from dsm.sources.engines import session_class
from dsm.sources.source import Source
from dsm.views.filters.filter import Clause
from dsm.views.filters.label_counts import counts as label_counts
from dsm.views.query.view_query import ViewQuery
from dsm.views.selection.classes import ClassList
from dsm.views.selection.evaluate import Cutoff, Evaluation, cut_at, evaluate
from dsm.views.selection.live_queries import LiveQuery
from dsm.views.selection.selection import Selection, class_list
from dsm.views.source_rows.dummy import rows_for
from dsm.views.source_rows.plan import COLUMNS, EXAMPLES, LABELS, TIMES, Purpose, plan_run
from dsm.views.source_rows.row_filters import RowFilters, examples_of
from dsm.views.source_rows.run import Batches, batch_as, run

# What a run of the query is for that the reader does not see, as receipts tell it.
_CONSUMERS = {LABELS: "labels", TIMES: "count"}
# Dummy rows are drawn until enough of them fit the view, or so many times as many did not.
DRAWS, DRAWN = 50, 10_000


def classes_of(selection: Selection) -> ClassList:
    """Returns the classes of what reading a selection yields.

    Without a list the sources of its queries are asked for the labels of rows. Raises what
    `SourceRowReader.class_list` does.
    """
    if not selection.queries:
        return selection.stored_classes
    return SourceRowReader(selection, "classes").class_list()


class SourceRowReader:
    """One reading of a view with queries: the stored examples and then the rows of each query.

    `consumer` is the word for receipts; without `objects` rows do not say the hash of their
    content, which takes a while. The share that a view asks for is cut where it ends at the
    moment of this reading.
    """

    def __init__(
        self,
        selection: Selection,
        consumer: str,
        *,
        objects: bool = True,
        cutoff: Cutoff | None = None,
    ):
        self.selection = selection
        self.objects = objects
        self.query = selection.query
        self.consumer = consumer
        self._cutoff = cutoff
        if selection.source_mode.dummy_rows is None:
            # Before anything is passed on.
            for each in selection.queries:
                self._source(each)
        drawn = (self.query.balance, self.query.sample)
        if selection.queries and any(draw is not None for draw in drawn):
            raise InvalidInput(
                "rows of queries are not stored: nothing can be drawn from all of them",
                hint="leave them out with --skip-sources (view.without_sources())",
            )
        for found in self.query.filters if selection.queries else ():
            if (what := found.needs_stored()) is not None:
                raise InvalidInput(
                    f"rows of queries are not stored: {what} cannot be asked of them",
                    hint="leave them out with --skip-sources (view.without_sources())",
                )
        self.types = dict(selection.log.get(self.query.at).attributes)

    @cached_property
    def _evaluation(self) -> Evaluation:
        if self._cutoff is not None:
            found = evaluate(self.selection.layers, self._uncut, self._clauses)
            return cut_at(found, self._cutoff)
        beside = None if self.query.percent is None else self._times_and_paths()
        return evaluate(self.selection.layers, self.query, self._clauses, beside)

    @property
    def cutoff(self) -> Cutoff | None:
        """Where the newest share ends, None when the view asks for none."""
        return None if self.query.percent is None else self._evaluation.cutoff

    @property
    def _clauses(self) -> tuple[Clause, ...]:
        return tuple(self.selection.clauses)

    @property
    def _uncut(self) -> ViewQuery:
        return replace(self.query, percent=None)

    def stored(self) -> pa.Table:
        """Returns the stored examples that fit, sorted by path."""
        return self._evaluation.rows()

    def batches(self) -> Batches:
        """Yields the rows of all queries that fit, as examples with their content.

        Raises what the broker raises, SourceChanged before a row is passed on when columns are
        others than were recorded, and KeyRepeats.
        """
        filters = RowFilters(self._clauses, self.cutoff)
        for each in self.selection.queries:
            yield from self._rows(each, EXAMPLES, filters)

    def columns(self, each: LiveQuery) -> Batches:
        """Yields the rows of a query that fit, in the columns of its own answer."""
        yield from self._rows(each, COLUMNS, RowFilters(self._clauses, self.cutoff))

    def labels(self) -> list[str]:
        """Returns the labels that the rows of the queries have, sorted; asks the sources.

        Those of all rows, as classes are those of the whole snapshot, unless the selection has
        classes of its own: then of rows that fit its filters of labels.
        """
        query = self.query
        asked = query if self.selection.classes_of_view else query.narrowed_to("")
        only = query.narrowed_to("labels") if self.selection.classes_of_view else asked
        found: set[str] = set()
        for each in self.selection.queries:
            for batch in self._rows(each, LABELS, RowFilters(tuple(only.clauses()), None), asked):
                found.update(pc.unique(pc.list_flatten(batch.column("labels"))).to_pylist())
        return sorted(found)

    def class_list(self) -> ClassList:
        """Returns the classes of stored examples and rows together.

        Raises InvalidInput where only a list could say them, and what asking a source raises.
        """
        target = self.selection.target
        if target.classes is not None:
            return ClassList(target.classes, target.column, True, target.categories)
        if target.attribute is not None:
            raise InvalidInput(
                f"which values of {target.column} the rows of queries have is not known before",
                hint=f"list the classes: dsm prepare --target {target.column} --classes A,B",
            )
        return class_list(self.selection, {*label_counts(self.stored()), *self.labels()})

    def _times_and_paths(self) -> pa.Table:
        """Returns time and path of the rows that fit, by a run of their own."""
        schema = pa.schema([("time", TIME), ("path", pa.string())])
        filters = RowFilters(self._clauses, None)
        found = [
            batch.select(schema.names)
            for each in self.selection.queries
            for batch in self._rows(each, TIMES, filters)
        ]
        return pa.Table.from_batches(found).cast(schema) if found else schema.empty_table()

    def _rows(
        self, each: LiveQuery, form: str, filters: RowFilters, asked: ViewQuery | None = None
    ) -> Batches:
        """Yields the rows that pass `filters`; the database may check those of `asked`."""
        if (count := self.selection.source_mode.dummy_rows) is not None:
            yield from self._dummies(each, count, form, filters)
            return
        selection = self.selection
        source = self._source(each)
        consumer = _CONSUMERS.get(form, self.consumer)
        plan = plan_run(
            each, asked or self.query, session_class(source.driver).dialect, form=form,
            filters=filters, objects=self.objects, types=self.types,
            purpose=Purpose(selection.dataset, selection.version, consumer),
        )  # fmt: skip
        if plan is None:
            return
        # Closed at once when the reader stops: the query on the server ends with it.
        with closing(run(plan, source, selection.repository)) as batches:
            yield from batches

    def _source(self, each: LiveQuery) -> Source:
        """Returns the source of a query. Raises NotFound, SourceUntrusted."""
        source = sources.find(self.selection.repository, each.query.source)
        Access(self.selection.repository).check(source)
        return source

    def _dummies(self, each: LiveQuery, count: int, form: str, filters: RowFilters) -> Batches:
        """Yields so many dummy rows, less those beyond a newest share; no source takes part."""
        query, left, first = each.query, count, 0
        examples = examples_of(query, query.schema, each.changeset, self.types)
        others = replace(filters, cutoff=None)
        for draw in range(DRAWS + count // DRAWN):
            drawn = min(max(left, 16), DRAWN)
            rows = rows_for(query, self.query, each.changeset.time, drawn, first, draw)
            found, kept = others.kept(examples, rows, first, content=form != COLUMNS)
            found, kept = found.slice(0, left), kept.slice(0, left)
            first += rows.num_rows
            left -= found.num_rows
            if filters.cutoff is not None:
                newest = filters.cutoff.mask(pa.Table.from_batches([found])).combine_chunks()
                found, kept = found.filter(newest), kept.filter(newest)
            if found.num_rows:
                yield batch_as(form, found, kept)
            if not left:
                return
