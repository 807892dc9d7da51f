"""A view: a named query over a dataset, evaluated when its examples are asked for.

`prepare` names and remembers the query; `get` materialises it, iterating reads it; the same
examples wherever and whenever.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from dsm.errors import AnswerIsNo, DamagedData, NotFound
from dsm.model.names import check_tag_name, close_matches
from dsm.progress import SILENT, Progress
from dsm.repo.repository import Repository
from dsm.views.query import Query
from dsm.views.records import Content, give_name, read_record, write_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

    from dsm.history.fold import Layer
    from dsm.history.snapshot import Snapshots
    from dsm.views.evaluate import Evaluation
    from dsm.views.materialise import GetReport
    from dsm.views.reading import ViewExample

LABELS_SHOWN = 10


class View:
    """One query of one dataset; sized and iterable, over its examples sorted by path.

    `content` is what an earlier evaluation recorded; without it the query is evaluated when
    something about its examples is asked.
    """

    def __init__(
        self,
        repository: Repository,
        dataset: str,
        snapshots: Callable[[], Snapshots],
        query: Query,
        content: Content | None = None,
    ):
        self.repository = repository
        self.dataset = dataset
        self.query_ = query
        self._open_snapshots = snapshots
        self._content = content
        # Labels that were to be left out and that no example has: legal, and perhaps misspelt.
        self.unknown_excludes: tuple[str, ...] = ()

    @cached_property
    def version(self) -> str:
        """64 hex digits."""
        return self.query_.version

    @property
    def query(self) -> dict[str, Any]:
        """The query as it is hashed."""
        return self.query_.to_json()

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
        from dsm.views.evaluate import evaluate

        everything = Query(self.query_.dataset, self.query_.at, self.query_.at_id)
        return evaluate(self.layers, everything).rows()

    @cached_property
    def evaluation(self) -> Evaluation:
        """Which rows are selected, and where the newest share ends."""
        from dsm.views.evaluate import evaluate

        return evaluate(self.layers, self.query_)

    @cached_property
    def _table(self) -> pa.Table:
        return self.evaluation.rows()

    def table(self) -> pa.Table:
        """Returns the selected examples as an Arrow table; see `Dataset.snapshot` for columns."""
        return self._table

    @property
    def content(self) -> Content:
        """The digest, the counts and the labels of the selected examples."""
        if self._content is None:
            self._content = content_of(self.evaluation)
        return self._content

    @property
    def digest(self) -> str:
        """The content digest, 64 hex digits: equal when two views hold the same examples."""
        return self.content.digest

    def __len__(self) -> int:
        return self.content.examples

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
        from dsm.views.reading import example_at, examples_at

        if isinstance(index, slice):
            return examples_at(self, index)
        return example_at(self, index)

    def iterate(
        self, order: Iterable[int] | None = None, *, seed: int | None = None, epoch: int = 0
    ) -> Iterator[ViewExample]:
        """Yields the examples in the order of paths, in that of `order`, or shuffled by a seed.

        The shuffled order depends on seed and epoch alone. Bytes are read ahead and verified.
        """
        from dsm.views.reading import iterate

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
        progress: Progress = SILENT,
    ) -> GetReport:
        """Materialises the view in folder `out`; see `dsm.views.materialise.get`."""
        from dsm.views.materialise import get

        return get(
            self, out, format=format, shard_size=shard_size, compression=compression,
            verify=verify, force=force, croissant=croissant, workers=workers, progress=progress,
        )  # fmt: skip


def content_of(evaluation: Evaluation) -> Content:
    """Sums up the selected rows, a batch at a time."""
    import pyarrow.compute as pc

    from dsm.views.digest import ContentDigest

    digest, size = ContentDigest(), 0
    labels: dict[str, int] = {}
    for batch in evaluation.batches(["path", "object", "size", "labels"]):
        digest.update(batch)
        size += pc.sum(batch.column("size")).as_py() or 0
        for label, count in label_counts(batch).items():
            labels[label] = labels.get(label, 0) + count
    return Content(digest.hexdigest(), evaluation.count, size, dict(sorted(labels.items())))


def label_counts(rows: pa.Table | pa.RecordBatch) -> dict[str, int]:
    """Counts the examples of each label, sorted by label."""
    import pyarrow.compute as pc

    if not rows.num_rows:
        return {}
    found = pc.value_counts(pc.list_flatten(rows.column("labels")))
    pairs = zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)
    return dict(sorted(pairs))


def prepare(
    repository: Repository,
    dataset: str,
    snapshots: Callable[[], Snapshots],
    query: Query,
    *,
    name: str | None = None,
) -> View:
    """Checks and remembers a query; returns its view.

    Raises NotFound for a label that no example has, AnswerIsNo when nothing is selected,
    InvalidInput when the name stands for another view.
    """
    if name is not None:
        check_tag_name(name)
    record = read_record(repository, dataset, query.version)
    view = View(repository, dataset, snapshots, query, record.content if record else None)
    if record is None:
        if not view.evaluation.count:
            _require_labels(view.snapshot, query)
            raise AnswerIsNo(_nothing_fits(view.snapshot, query), hint=_which_clause(view))
        if any(label not in view.labels for label in query.labels):
            _require_labels(view.snapshot, query)
        if query.exclude:
            view.unknown_excludes = tuple(_unknown(view.snapshot, query.exclude))
        write_record(repository, dataset, query, view.content)
    if name is not None:
        give_name(repository, dataset, name, query.version)
    return view


def _nothing_fits(snapshot: pa.Table, query: Query) -> str:
    of = "those changesets" if query.runs else f"changeset {query.at}"
    return f"no example of {of} fits the query" if snapshot.num_rows else f"{of} has no example"


def _which_clause(view: View) -> str | None:
    """Says how many examples each filter leaves by itself, so that the culprit is seen."""
    import pyarrow.compute as pc

    from dsm.views.evaluate import clauses

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


def _require_labels(table: pa.Table, query: Query) -> None:
    """Raises NotFound for a label that no example has: a misspelt one would go unnoticed."""
    for label in _unknown(table, query.labels):
        known = label_counts(table)
        near = close_matches(label, known)
        some = ", ".join(list(known)[:LABELS_SHOWN]) or "none"
        raise NotFound(
            f"no example of changeset {query.at} has the label {label!r}",
            hint=f"did you mean {near[0]}?" if near else f"labels: {some}",
        )
