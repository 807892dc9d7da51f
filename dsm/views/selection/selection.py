"""What a view selects: a query over a dataset, evaluated when something is asked about it.

Reading, writing and comparing take a Selection, and a Selection knows none of them. What it tells
of examples is about the stored ones; rows of queries come from `dsm.views.source_rows`.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from dsm.errors import DamagedData
from dsm.model.keywords import verbs_suggest
from dsm.repo.log import ChangesetLog
from dsm.steps import step
from dsm.views.query.view_query import ViewQuery
from dsm.views.selection.content import ContentSummary, summed_up
from dsm.views.selection.source_mode import READ, SKIP, SourceMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pyarrow as pa

    from dsm.history.fold import Layer
    from dsm.history.snapshot import Snapshots
    from dsm.model.target import Target
    from dsm.repo.repository import Repository
    from dsm.store.positions import Positions
    from dsm.views.filters.filter import Clause
    from dsm.views.selection.classes import ClassList
    from dsm.views.selection.evaluate import Evaluation
    from dsm.views.selection.live_queries import LiveQuery
    from dsm.views.selection.prepared import Record
    from dsm.views.selection.stored import StoredData


@verbs_suggest
class Selection:
    """One query over one dataset of a repository, and what it selects.

    `record` is what is remembered of an earlier evaluation; without it the query is evaluated when
    its content is asked for. `source_mode` says what becomes of the queries in the dataset; with
    `classes_of_view` its classes are those of the selected examples, not of the snapshot.
    """

    def __init__(
        self,
        repository: Repository,
        dataset: str,
        snapshots: Callable[[], Snapshots],
        query: ViewQuery,
        record: Record | None = None,
        *,
        source_mode: SourceMode = READ,
        classes_of_view: bool = False,
    ):
        self.repository = repository
        self.dataset = dataset
        self.query = query
        self.source_mode = source_mode
        self.classes_of_view = classes_of_view
        self._open_snapshots = snapshots
        self._record = record

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (
            self.repository, self.dataset, self.query, self._record, self.source_mode,
            self.classes_of_view,
        )  # fmt: skip
        return _again, (type(self), *parts)

    @cached_property
    def version(self) -> str:
        """64 hex digits: the hash of the query."""
        return self.query.version

    # --- queries in the dataset ---

    @cached_property
    def log(self) -> ChangesetLog:
        """The changesets of its dataset."""
        return ChangesetLog(self.repository, self.dataset, self.query.dataset)

    @cached_property
    def queries(self) -> list[LiveQuery]:
        """The source queries that reading it runs, sorted by name; no source is asked for this."""
        if self.source_mode == SKIP or not self.has_queries:
            return []
        from dsm.views.selection.live_queries import live_queries

        return live_queries(self.log, self.query)

    @cached_property
    def has_queries(self) -> bool:
        """Whether there are source queries in its changesets, whatever becomes of them."""
        query = self.query
        runs = query.runs or ((query.at, query.at),)
        return any(self.log.get(number).queries for _, number in runs) or any(
            self.log.get(number).documents for first, last in query.runs
            for number in range(first, last + 1)
        )  # fmt: skip

    # --- classes ---

    @property
    def target(self) -> Target:
        """What says the class of an example, as the query pins it."""
        return self.query.target

    @cached_property
    def stored_classes(self) -> ClassList:
        """The classes of the stored examples; see `class_list`."""
        return class_list(self, self.content.labels)

    # --- stored examples ---

    @cached_property
    def layers(self) -> list[Layer]:
        """The examples of the changesets that the query names, before any filter, unmerged.

        Raises DamagedData when the changeset that the query pins is not that of the dataset.
        """
        from dsm.history.fold import Layer, without_records_files

        snapshots, query = self._open_snapshots(), self.query
        if not snapshots.is_of_this_history(query.at, query.at_id):
            raise DamagedData(
                f"the view asks for changeset {query.at} of another history of {self.dataset}"
            )
        found = [Layer(snapshots.folded(query.runs))] if query.runs else snapshots.layers(query.at)
        return [without_records_files(layer) for layer in found]

    @property
    def snapshot_layers(self) -> list[Layer]:
        """The examples of the changeset that the query pins, and of all before it."""
        if self.query.runs:
            from dsm.history.fold import without_records_files

            found = self._open_snapshots().layers(self.query.at)
            return [without_records_files(layer) for layer in found]
        return self.layers

    @cached_property
    def snapshot(self) -> pa.Table:
        """The same as one table, sorted by path."""
        from dsm.views.selection.evaluate import evaluate

        everything = ViewQuery(self.query.dataset, self.query.at, self.query.at_id)
        return evaluate(self.layers, everything, ()).rows()

    @cached_property
    def clauses(self) -> list[Clause]:
        """The clauses of its filters, in the order in which they are told."""
        return self.query.clauses(self._stored)

    @cached_property
    def _stored(self) -> StoredData:
        from dsm.views.selection.stored import StoredData

        def paths_of(fields: Mapping[str, Any]) -> pa.Array:
            query = ViewQuery.from_json(dict(fields), f"a view of {self.dataset}")
            if query.dataset != self.query.dataset:
                raise DamagedData(f"a view of {self.dataset} asks for one of another dataset")
            other = Selection(self.repository, self.dataset, self._open_snapshots, query)
            return other.evaluation.rows(["path"]).column("path").combine_chunks()

        return StoredData(self.repository, self.log, self._open_snapshots, paths_of)

    @cached_property
    def evaluation(self) -> Evaluation:
        """Which rows are selected, and where the newest share ends."""
        from dsm.views.selection.evaluate import evaluate

        found = evaluate(self.layers, self.query, self.clauses)
        if self.query.balance is not None or self.query.sample is not None:
            from dsm.views.selection.evaluate import drawn_from

            found = drawn_from(found, self.query, self._stored)
        step(
            __name__, "view %s: %d of %d stored examples", self.version[:12], found.count,
            sum(layer.table.num_rows for layer in self.layers),
        )  # fmt: skip
        return found

    @cached_property
    def _table(self) -> pa.Table:
        rows = self.evaluation.rows()
        if not self.log.get(self.query.at).records_files:
            return rows
        from dsm.views.selection.read_as import with_read_as

        return with_read_as(rows, self._open_snapshots().layers(self.query.at))

    def table(self) -> pa.Table:
        """Returns the selected stored examples as an Arrow table, a row each, sorted by path.

        Columns: `path` (text); `object` (32 bytes: the BLAKE3 of its bytes); `offset` and `length`
        (int64, null); `size` (int64, bytes); `time` (timestamp in microseconds, UTC); `labels`
        (list of text, sorted); `annotation` (text of a JSON document, or null); `attr.NAME` for
        each attribute of the dataset (text, int64, float64 or bool; null where an example has
        none); `changeset` (int32: the number of the one that last put it).

        Raises DamagedData when what the changesets say cannot be read.
        """
        return self._table

    @cached_property
    def positions(self) -> Positions:
        """Where the objects of its rows probably lie: worked out for the first shuffled epoch."""
        from dsm.views.selection.positions import positions_of

        return positions_of(self.repository.store, self.table())

    @property
    def known_content(self) -> ContentSummary | None:
        """The content, when it is remembered; nothing is evaluated for this."""
        return None if self._record is None else self._record.content

    @cached_property
    def content(self) -> ContentSummary:
        """The digest, the counts and the labels of the selected examples."""
        return self.known_content or summed_up(self.evaluation)

    @property
    def ties(self) -> tuple[int, int] | None:
        """Examples of equal time that the newest share parts, and how many of them it takes.

        None where it ends between two times, and where rows of queries take part.
        """
        if self._record is not None:
            return self._record.ties
        cutoff = None if self.queries else self.evaluation.cutoff
        if cutoff is None or cutoff.taken == cutoff.tied:
            return None
        return cutoff.tied, cutoff.taken

    @cached_property
    def unknown_labels(self) -> tuple[str, ...]:
        """Labels that are to be left out and that no example has: legal, and perhaps misspelt.

        Where the view reads queries nothing is known of that, since their rows have labels too.
        """
        if self._record is not None:
            return self._record.unknown_labels
        left_out = tuple(label for each in self.query.filters for label in each.left_out())
        if not left_out or self.queries:
            return ()
        from dsm.views.filters.label_counts import unknown

        return tuple(unknown(self.snapshot, left_out))


def _again(
    kind: type[Selection],
    repository: Repository,
    dataset: str,
    query: ViewQuery,
    record: Record | None,
    mode: SourceMode,
    classes_of_view: bool,
) -> Selection:
    """Makes a copy, by pickle or `copy`: it is evaluated anew when it is asked for."""

    @cache
    def snapshots() -> Snapshots:
        from dsm.history.snapshot import Snapshots

        return Snapshots(repository, ChangesetLog(repository, dataset, query.dataset))

    return kind(
        repository, dataset, snapshots, query, record, source_mode=mode,
        classes_of_view=classes_of_view,
    )  # fmt: skip


def class_list(selection: Selection, labels: Iterable[str]) -> ClassList:
    """Returns the classes of examples with these labels: those of the target's list.

    Without one, those of the snapshot and of these, or of these alone with `classes_of_view`.
    Raises InvalidInput for an attribute whose values are no classes.
    """
    from dsm.history.fold import Layer
    from dsm.views.selection.classes import ClassList, labels_of, values_of

    target, query = selection.target, selection.query
    if target.classes is not None:
        return ClassList(target.classes, target.column, True, target.categories)
    # The changesets of a query may hold what the snapshot has no more.
    beside = [] if selection.classes_of_view else selection.snapshot_layers
    if target.attribute is not None:
        names = values_of(target.column, [*beside, Layer(selection.table())])
        return ClassList(names, target.column, categories=target.categories)
    found = {*labels}
    if not query.takes_all:
        found |= labels_of(beside)
    first = tuple(each.name for each in target.categories)
    if selection.classes_of_view:
        first = tuple(name for name in first if name in found)
    names = (*first, *sorted(found - {*first}))
    return ClassList(names, categories=target.categories)
