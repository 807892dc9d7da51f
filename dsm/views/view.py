"""A view: a named query over a dataset, evaluated when its examples are asked for.

`prepare` names and remembers the query; `get` materialises it, iterating reads it; the same
stored examples wherever and whenever. Rows of queries in the dataset come from their sources each
time, and are never kept.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dsm.errors import AnswerIsNo, DamagedData, InvalidInput, NotFound
from dsm.model.names import close_matches
from dsm.progress import SILENT, Progress
from dsm.repo.log import ChangesetLog
from dsm.repo.workplace import Workplace
from dsm.views.query.view_query import ViewQuery
from dsm.views.selection.prepared import (
    ContentSummary,
    check_view_name,
    give_name,
    read_record,
    write_record,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

    from dsm.history.fold import Layer
    from dsm.history.snapshot import Snapshots
    from dsm.store.positions import Positions
    from dsm.views.reading.window import ViewExample
    from dsm.views.selection.evaluate import Evaluation
    from dsm.views.source_rows.reader import LiveQuery
    from dsm.views.writing.get import GetReport

LABELS_SHOWN = 10
DUMMY_ROWS = 100


class NumberUnknown(InvalidInput, TypeError):
    """How many rows a query gives, and which is the third, is known only when it has run."""

    code = "number-unknown"


class View:
    """One query of one dataset; sized and iterable, over its examples sorted by path.

    `content` is what an earlier evaluation recorded; without it the query is evaluated when
    something about its examples is asked. Where the dataset has queries, iterating runs them, with
    `skip_sources` it does not, with `dummy_rows` so many made-up rows stand for each. What is told
    of the content is always about the stored examples.
    """

    def __init__(
        self,
        repository: Workplace,
        dataset: str,
        snapshots: Callable[[], Snapshots],
        query: ViewQuery,
        content: ContentSummary | None = None,
        *,
        skip_sources: bool = False,
        dummy_rows: int | None = None,
    ):
        self.repository = repository
        self.dataset = dataset
        self.query_ = query
        self._open_snapshots = snapshots
        self._content = content
        # Labels that were to be left out and that no example has: legal, and perhaps misspelt.
        self.unknown_excludes: tuple[str, ...] = ()
        self.skip_sources = skip_sources
        self.dummy_rows = dummy_rows

    @cached_property
    def version(self) -> str:
        """64 hex digits."""
        return self.query_.version

    @property
    def query(self) -> dict[str, Any]:
        """The query as it is hashed."""
        return self.query_.to_json()

    # --- queries in the dataset ---

    @cached_property
    def log(self) -> ChangesetLog:
        """The changesets of its dataset."""
        return ChangesetLog(self.repository, self.dataset, self.query_.dataset)

    @cached_property
    def queries(self) -> list[LiveQuery]:
        """The queries that reading it runs, sorted by name; no source is asked for this."""
        if self.skip_sources or not self.has_queries:
            return []
        from dsm.views.source_rows.reader import live_queries

        return live_queries(self.log, self.query_)

    @cached_property
    def has_queries(self) -> bool:
        """Whether there are queries in its changesets, to be run or skipped."""
        query = self.query_
        runs = query.runs or ((query.at, query.at),)
        return any(self.log.get(number).queries for _, number in runs) or any(
            self.log.get(number).documents for first, last in query.runs
            for number in range(first, last + 1)
        )  # fmt: skip

    def without_sources(self) -> View:
        """Returns the same view of the stored examples alone: no source is asked."""
        return self._read_as(skip_sources=True)

    def with_dummy_rows(self, count: int = DUMMY_ROWS) -> View:
        """Returns the same view with so many made-up rows for each query: no source is asked.

        They have the columns that were recorded, and labels and times that fit the view.
        """
        if count < 0:
            raise InvalidInput("a number of rows is not negative")
        return self._read_as(dummy_rows=count)

    def _read_as(self, **how: Any) -> View:
        return View(
            self.repository, self.dataset, self._open_snapshots, self.query_, self._content, **how
        )

    # --- what it holds ---

    @cached_property
    def layers(self) -> list[Layer]:
        """The examples of the changesets that the query names, before any filter, unmerged."""
        from dsm.history.fold import Layer

        snapshots, query = self._open_snapshots(), self.query_
        if not snapshots.is_of_this_history(query.at, query.at_id):
            raise DamagedData(
                f"the view asks for changeset {query.at} of another history of {self.dataset}"
            )
        return [Layer(snapshots.folded(query.runs))] if query.runs else snapshots.layers(query.at)

    @cached_property
    def snapshot(self) -> pa.Table:
        """The same as one table, sorted by path."""
        from dsm.views.selection.evaluate import evaluate

        everything = ViewQuery(self.query_.dataset, self.query_.at, self.query_.at_id)
        return evaluate(self.layers, everything).rows()

    @cached_property
    def evaluation(self) -> Evaluation:
        """Which rows are selected, and where the newest share ends."""
        from dsm.views.selection.evaluate import evaluate

        found = evaluate(self.layers, self.query_)
        logging.getLogger(__name__).debug(
            "view %s: %d of %d stored examples", self.version[:12], found.count,
            sum(layer.table.num_rows for layer in self.layers),
        )  # fmt: skip
        return found

    @cached_property
    def _table(self) -> pa.Table:
        return self.evaluation.rows()

    def table(self) -> pa.Table:
        """Returns the selected examples as an Arrow table; see `Dataset.snapshot` for columns."""
        return self._table

    @cached_property
    def positions(self) -> Positions:
        """Where the objects of its rows probably lie: worked out for the first shuffled epoch."""
        from dsm.views.reading.window import positions_of

        return positions_of(self.repository.store, self.table())

    @property
    def content(self) -> ContentSummary:
        """The digest, the counts and the labels of the selected examples."""
        if self._content is None:
            self._content = content_of(self.evaluation)
        return self._content

    @property
    def digest(self) -> str:
        """The content digest, 64 hex digits: equal when two views hold the same examples."""
        return self.content.digest

    def __len__(self) -> int:
        if self.queries:
            raise NumberUnknown(
                "how many examples a view with queries has is known only when they have run",
                hint="`view.content.examples` counts the stored ones, without_sources() has these",
            )
        return self.content.examples

    def __bool__(self) -> bool:
        return bool(self.queries) or self.content.examples > 0

    @property
    def size(self) -> int:
        """The bytes of all selected examples."""
        return self.content.size

    @property
    def labels(self) -> dict[str, int]:
        """How many selected examples have each label, sorted by label."""
        return self.content.labels

    # --- examples ---

    def __iter__(self) -> Iterator[ViewExample]:
        return self.iterate()

    def __getitem__(self, index: int | slice) -> Any:
        """Returns an example by its position in the order of paths, or a list for a slice."""
        from dsm.views.reading.window import example_at, examples_at

        if self.queries:
            raise NumberUnknown(
                "the rows of a query have no fixed places", hint="iterate over the view instead"
            )
        if isinstance(index, slice):
            return examples_at(self, index)
        return example_at(self, index)

    def iterate(
        self, order: Iterable[int] | None = None, *, seed: int | None = None, epoch: int = 0
    ) -> Iterator[ViewExample]:
        """Yields the examples in the order of paths, in that of `order`, or shuffled by a seed.

        The shuffled order depends on seed and epoch alone. Bytes are read ahead and verified.

        Rows of queries follow, in the order of their source's answer; with a seed they are
        shuffled through a buffer and mixed in. Raises what `dsm.sources.failures` has.
        """
        from dsm.views.reading.window import iterate

        return iterate(self, order, seed=seed, epoch=epoch)

    def get(
        self,
        out: str,
        *,
        format: str = "webdataset",
        shard_size: int = 256_000_000,
        compression: str = "none",
        verify: bool = False,
        force: bool = False,
        croissant: bool | None = None,
        workers: int | None = None,
        allow_persist: bool = False,
        progress: Progress = SILENT,
    ) -> GetReport:
        """Materialises the view in folder `out`; see `dsm.views.writing.get.get`.

        A view with queries is only streamed (`out` is "-"), or with `allow_persist` written to a
        folder outside the repository; see `dsm.views.writing.with_source_rows`.
        """
        from dsm.views.writing.worker_count import expected

        count = self.repository.workers if workers is None else workers
        content = None if self.queries else self._content
        with expected(content, out, format, compression, shard_size, count):
            from dsm.views.writing.get import get

            return get(
                self, out, format=format, shard_size=shard_size, compression=compression,
                verify=verify, force=force, croissant=croissant, workers=count,
                allow_persist=allow_persist, progress=progress,
            )  # fmt: skip

    def columns(self, query: str | None = None) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a query that fit the view, in the columns of its own answer.

        For what learns from tables: no payload is made. `query` may be left away when there is
        one only. Raises NotFound, and what `dsm.sources.failures` has.
        """
        from dsm.views.source_rows.reader import SourceRowReader

        found = [each for each in self.queries if query in (None, each.query.name)]
        if len(found) != 1:
            names = ", ".join(each.query.name for each in self.queries) or "none"
            what = "which query is meant?" if query is None else f"the view has no query {query}"
            raise NotFound(what, hint=f"queries of the view: {names}")
        return SourceRowReader(self, "columns").columns(found[0])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields all examples as Arrow batches: the columns of `table` and `content`, the bytes.

        Rows of queries do not say the hash of their bytes: there, `object` is null.
        """
        from dsm.views.reading.window import batches

        return batches(self)


def content_of(evaluation: Evaluation) -> ContentSummary:
    """Sums up the selected rows, a batch at a time."""
    import pyarrow.compute as pc

    from dsm.views.selection.digest import ContentDigest

    digest, size = ContentDigest(), 0
    labels: dict[str, int] = {}
    for batch in evaluation.batches(["path", "object", "size", "labels"]):
        digest.update(batch)
        size += pc.sum(batch.column("size")).as_py() or 0
        for label, count in label_counts(batch).items():
            labels[label] = labels.get(label, 0) + count
    return ContentSummary(digest.hexdigest(), evaluation.count, size, dict(sorted(labels.items())))


def label_counts(rows: pa.Table | pa.RecordBatch) -> dict[str, int]:
    """Counts the examples of each label, sorted by label."""
    import pyarrow.compute as pc

    if not rows.num_rows:
        return {}
    found = pc.value_counts(pc.list_flatten(rows.column("labels")))
    pairs = zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)
    return dict(sorted(pairs))


def prepare(
    repository: Workplace,
    dataset: str,
    snapshots: Callable[[], Snapshots],
    query: ViewQuery,
    *,
    name: str | None = None,
) -> View:
    """Checks and remembers a query; returns its view.

    Raises NotFound for a label that no example has, AnswerIsNo when nothing is selected,
    InvalidInput when the name stands for another view.
    """
    if name is not None:
        check_view_name(name)
    record = read_record(repository, dataset, query.version)
    view = View(repository, dataset, snapshots, query, record.content if record else None)
    if record is None:
        if not view.evaluation.count and not view.queries:
            _require_labels(view.snapshot, query)
            raise AnswerIsNo(_nothing_fits(view.snapshot, query), hint=_which_clause(view))
        if any(label not in view.labels for label in query.labels) and not view.queries:
            _require_labels(view.snapshot, query)
        if query.exclude and not view.queries:
            view.unknown_excludes = tuple(_unknown(view.snapshot, query.exclude))
        write_record(repository, dataset, query, view.content)
    if name is not None:
        give_name(repository, dataset, name, query.version)
    return view


def _nothing_fits(snapshot: pa.Table, query: ViewQuery) -> str:
    of = "those changesets" if query.runs else f"changeset {query.at}"
    return f"no example of {of} fits the query" if snapshot.num_rows else f"{of} has no example"


def _which_clause(view: View) -> str | None:
    """Says how many examples each filter leaves by itself, so that the culprit is seen."""
    import pyarrow.compute as pc

    from dsm.views.selection.evaluate import clauses

    found = clauses(view.query_)
    if not found or not view.snapshot.num_rows:
        return None
    counts = [(pc.sum(c.mask(view.snapshot)).as_py() or 0, c.text) for c in found]
    return "by themselves: " + "; ".join(f"{text}: {count:,}" for count, text in counts)


def _unknown(table: pa.Table, asked: tuple[str, ...]) -> list[str]:
    """Returns those of the labels that no example of a snapshot has."""
    if not asked:
        return []
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pc.unique(pc.list_flatten(table.column("labels")))
    there = pc.is_in(pa.array(asked, pa.string()), value_set=known).to_pylist()
    return [label for label, found in zip(asked, there, strict=True) if not found]


def _require_labels(table: pa.Table, query: ViewQuery) -> None:
    """Raises NotFound for a label that no example has: a misspelt one would go unnoticed."""
    for label in _unknown(table, query.labels):
        known = label_counts(table)
        near = close_matches(label, known)
        some = ", ".join(list(known)[:LABELS_SHOWN]) or "none"
        raise NotFound(
            f"no example of changeset {query.at} has the label {label!r}",
            hint=f"did you mean {near[0]}?" if near else f"labels: {some}",
        )
