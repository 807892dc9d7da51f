"""A view: a selection of a dataset's examples with its verbs, evaluated when they are asked for.

`prepare` names and remembers the query; `get` materialises it, iterating reads it; the same
stored examples wherever and whenever. Rows of queries in the dataset come from their sources each
time, and are never kept.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO, Unpack

from dsm.errors import InvalidInput, NotFound
from dsm.model.keywords import verbs_suggest
from dsm.progress import SILENT, Progress
from dsm.views.selection.selection import Selection
from dsm.views.selection.source_mode import SKIP, SourceMode, dummy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

    from dsm.statistics.drift import Drift, DriftAsked
    from dsm.statistics.summary import Summary
    from dsm.views.comparison.differences import ViewDiff
    from dsm.views.comparison.explain import Explanation
    from dsm.views.comparison.statistics import ClassFigures
    from dsm.views.comparison.why import Why
    from dsm.views.reading.example import ViewExample
    from dsm.views.writing.options import GetPlan, GetReport

DUMMY_ROWS = 100


class NumberUnknown(InvalidInput, TypeError):
    """How many rows a query gives, and which is the third, is known only when it has run."""

    code = "number-unknown"


@verbs_suggest
class View(Selection):
    """One query of one dataset; sized and iterable, over its examples sorted by path.

    Where the dataset has queries, iterating runs them; `without_sources` does not, and
    `with_dummy_rows` has so many dummy rows stand for each. What is told of the content is always
    about the stored examples.
    """

    def without_sources(self) -> View:
        """Returns the same view of the stored examples alone: no source is asked."""
        return self._read_as(SKIP)

    def with_dummy_rows(self, count: int = DUMMY_ROWS) -> View:
        """Returns the same view with so many dummy rows for each query: no source is asked.

        They have the columns that were recorded, and labels and times that fit the view. Raises
        InvalidInput for a negative number.
        """
        return self._read_as(dummy(count))

    def _read_as(self, mode: SourceMode) -> View:
        return View(
            self.repository, self.dataset, self._open_snapshots, self.query, self._record,
            source_mode=mode, classes_of_view=self.classes_of_view,
        )  # fmt: skip

    def with_classes_of_view(self) -> View:
        """Returns the same view with the classes of its own examples, not those of the snapshot.

        Then another view may give the same class another index. A list of classes that the query
        has counts all the same.
        """
        return View(
            self.repository, self.dataset, self._open_snapshots, self.query, self._record,
            source_mode=self.source_mode, classes_of_view=True,
        )  # fmt: skip

    # --- what it holds ---

    @property
    def digest(self) -> str:
        """The content digest, 64 hex digits: equal when two views hold the same examples."""
        return self.content.digest

    def __len__(self) -> int:
        """How many examples it has. Raises NumberUnknown where there are queries."""
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

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The classes in the order of their indices: what `example.target` counts.

        Those of the list that the query has; else all labels (or values of the target's attribute)
        of the snapshot that it pins, sorted, so that they are the same for each part of it. Where
        rows of queries are read and no list is given, the sources are asked for their labels.
        Raises InvalidInput when the target's values are no classes.
        """
        from dsm.views.source_rows.reader import classes_of

        return classes_of(self).names

    def class_figures(self) -> ClassFigures:
        """Counts the stored examples of each class: `names`, `counts`, `weights` for a loss.

        Rows of queries are not asked for. Raises InvalidInput when the target's values are no
        classes.
        """
        from dsm.views.comparison.statistics import class_figures

        return class_figures(super().table(), self.stored_classes)

    # --- examples ---

    def __iter__(self) -> Iterator[ViewExample]:
        return self.iterate()

    def __contains__(self, path: object) -> bool:
        """Whether a stored example has this path; what rows of queries bring is not known here."""
        from dsm.views.reading.iterate import row_of

        return isinstance(path, str) and row_of(self, path) is not None

    def __getitem__(self, index: int | slice | str) -> Any:
        """Returns an example by its path or its position in the order of paths, a list for a slice.

        Raises IndexError, NotFound for a path that no stored example of the view has, and
        NumberUnknown where rows of queries have no fixed places.
        """
        from dsm.views.reading.iterate import example_at, example_of, examples_at

        if isinstance(index, str):
            return example_of(self, index)
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
        `order` may name an index never or several times, and may be endless.

        Rows of queries follow, in the order of their source's answer; with a seed they are
        shuffled through a buffer and mixed in.

        Raises InvalidInput for an order and a seed together, or an order where there are queries;
        IndexError for an index that there is not; ObjectMissing or ObjectDamaged when the bytes of
        an example are read; KeyRepeats and what `dsm.sources.failures` has for rows of queries.
        """
        from dsm.views.reading.iterate import iterate

        return iterate(self, order, seed=seed, epoch=epoch)

    def get(
        self,
        out: str | os.PathLike[str],
        *,
        format: str = "webdataset",
        shard_size: int = 256_000_000,
        compression: str = "none",
        verify: bool = False,
        force: bool = False,
        croissant: bool | None = None,
        workers: int | None = None,
        allow_persist: bool = False,
        sink: BinaryIO | None = None,
        progress: Progress = SILENT,
    ) -> GetReport:
        """Materialises the view in folder `out`; see `dsm.views.writing.get.get`.

        With "-" one tar is written to `sink`, a binary file. A view with queries is only streamed,
        or with `allow_persist` written to a folder outside the repository; see
        `dsm.views.writing.with_source_rows`.

        Raises OtherContent when the folder holds something else; UnsafeTarget when a link or a file
        stands where a folder must be; PathsCollide when letter case does
        not count there; NotKept when rows of queries would be kept; DamagedData, ObjectMissing or
        ObjectDamaged when what is stored or verified is not what it should be; what
        `dsm.sources.failures` has; InvalidInput, StorageFailed.
        """
        from dsm.views.writing.worker_count import expected

        out = os.fspath(out)
        count = self.repository.workers if workers is None else workers
        content = None if self.queries else self.known_content
        with expected(content, out, format, compression, shard_size, count):
            from dsm.views.writing.get import get

            return get(
                self, out, format=format, shard_size=shard_size, compression=compression,
                verify=verify, force=force, croissant=croissant, workers=count,
                allow_persist=allow_persist, sink=sink, progress=progress,
            )  # fmt: skip

    def plan_get(
        self,
        out: str | os.PathLike[str],
        *,
        format: str = "webdataset",
        shard_size: int = 256_000_000,
        compression: str = "none",
        force: bool = False,
        allow_persist: bool = False,
    ) -> GetPlan:
        """Returns what `get` would do into folder `out` now, and which files `force` replaces.

        Nothing is changed. Raises what `get` raises before it writes: OtherContent, NotKept,
        UnsafeTarget, DamagedData, ObjectMissing, ObjectDamaged, InvalidInput, StorageFailed.
        """
        from dsm.views.writing.get import plan_get

        return plan_get(
            self, os.fspath(out), format=format, shard_size=shard_size, compression=compression,
            force=force, allow_persist=allow_persist,
        )  # fmt: skip

    def columns(self, query: str | None = None) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a query that fit the view, in the columns of its own answer.

        For what learns from tables: no payload is made. `query` may be left away when there is
        one only. Raises NotFound when no single query is meant, KeyRepeats, and what
        `dsm.sources.failures` has.
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

        Rows of queries do not say the hash of their bytes: there, `object` is null. Raises
        ObjectMissing, ObjectDamaged, KeyRepeats, and what `dsm.sources.failures` has.
        """
        from dsm.views.reading.iterate import batches

        return batches(self)

    # --- other views ---

    def diff(self, other: View) -> ViewDiff:
        """Compares: which examples `other` has that this view lacks, the other way, and changed.

        Raises InvalidInput for views of two datasets.
        """
        from dsm.views.comparison.differences import compare

        return compare(self, other)

    def __and__(self, other: View) -> View:
        """Returns the view of the examples that are in both, by path. Raises InvalidInput."""
        return self._with(other, "and_")

    def __or__(self, other: View) -> View:
        """Returns the view of the examples that are in either. Raises InvalidInput."""
        return self._with(other, "or_")

    def __add__(self, other: View) -> View:
        """Returns the view of the examples that are in either. Raises InvalidInput."""
        return self._with(other, "or_")

    def __sub__(self, other: View) -> View:
        """Returns the view of the examples of this one that are not in `other`.

        Raises InvalidInput.
        """
        return self._with(other, "minus")

    def _with(self, other: View, how: str) -> View:
        from dsm.views.query.resolve import together

        if not isinstance(other, View):
            return NotImplemented
        query = together(self.log, self.query, [other.query], how)
        return View(
            self.repository, self.dataset, self._open_snapshots, query,
            source_mode=self.source_mode,
        )  # fmt: skip

    def stats(self, *, fields: bool = False) -> Summary:
        """Sums up its stored examples by column: labels, size (bytes), time, each attribute.

        With `fields` the fields of records, too. Raises what `table` raises: DamagedData, and with
        `fields` InvalidInput, ObjectMissing and ObjectDamaged.
        """
        from dsm.statistics.summary import summarised
        from dsm.views.selection.columns_apart import ColumnsApart

        return summarised(self.table(fields=True) if fields else ColumnsApart(self.evaluation))

    def drift(self, other: View, *, fields: bool = False, **at: Unpack[DriftAsked]) -> Drift:
        """Compares how the columns of `other` spread with those here; `drifted` is the verdict.

        A column drifts when its p-value, corrected for all columns by `correction` ("holm" or
        "benjamini-hochberg"), is below `level`, its population stability index at least `psi` and
        its Jensen-Shannon distance at least `js`. All columns decide but the time, those to
        `ignore` and those that both views select on, each in its own way; or only `columns`. The
        views may be of two datasets.

        Raises InvalidInput for thresholds that mean nothing, NotFound for a column that neither
        has, DamagedData, and with `fields` ObjectMissing and ObjectDamaged.
        """
        from dsm.statistics.drift import judged, thresholds

        asked = thresholds(self.selected_apart(other), **at)
        if fields:
            return judged(self.table(fields=True), other.table(fields=True), asked)
        from dsm.views.selection.columns_apart import ColumnsApart

        return judged(ColumnsApart(self.evaluation), ColumnsApart(other.evaluation), asked)

    def selected_apart(self, other: View) -> tuple[str, ...]:
        """Returns the columns that both views select on, each in its own way, sorted."""
        mine, theirs = self.query.selects_on(), other.query.selects_on()
        return tuple(sorted(each for each in mine if mine[each] != theirs.get(each, mine[each])))

    def explain(self, other: View) -> Explanation:
        """Finds what decided for each example in which two views differ: a filter or a changeset.

        Raises InvalidInput for views of two datasets.
        """
        from dsm.views.comparison.explain import explain

        return explain(self, other)

    def why(self, path: str) -> Why:
        """Holds one example against every filter of the view; `selected` tells whether it is in.

        Raises NotFound when no changeset of the dataset ever held it, InvalidInput for what is no
        path.
        """
        from dsm.views.comparison.why import why

        return why(self, path)

    def table(self, *, fields: bool = False) -> pa.Table:
        """Returns the selected stored examples as an Arrow table, a row each, sorted by path.

        Columns: `path` (text); `object` (32 bytes: the BLAKE3 of its bytes); `offset` and `length`
        (int64, null); `size` (int64, bytes); `time` (timestamp in microseconds, UTC); `labels`
        (list of text, sorted); `annotation` (text of a JSON document, or null); `attr.NAME` for
        each attribute of the dataset (text, int64, float64 or bool; null where an example has
        none); `changeset` (int32: the number of the one that last put it). With `fields` also
        `record.NAME` for each field of records, in the type of its values, or as JSON text where
        they have none in common; all of them are read, and held in memory.

        Raises DamagedData when what the changesets say cannot be read, and with `fields`
        InvalidInput for a record without fields, ObjectMissing and ObjectDamaged.
        """
        if not fields:
            return super().table()
        from dsm.views.reading.fields import table_with_fields

        return table_with_fields(self)

    def to_pandas(self, *, fields: bool = False) -> Any:
        """Returns the stored examples as a pandas DataFrame, with the columns of `table`.

        A column of integers that has nulls is one of pandas' nullable integers (`Int64`), so that
        none is rounded. Raises ImportError without pandas, and what `table` raises: DamagedData,
        and with `fields` InvalidInput, ObjectMissing and ObjectDamaged.
        """
        from dsm.views.reading.data_frame import data_frame

        return data_frame(self.table(fields=fields))

    def to_hf(self, **options: Any) -> Any:
        """Returns the stored examples as a `datasets.Dataset` of Hugging Face.

        It has the columns of `get(format="parquet")`: images are decoded when they are asked for,
        classes have their names. Of records alone it has those of `table(fields=True)`. The library
        keeps a copy on disk, in its cache; `options` are those of
        `datasets.Dataset.from_generator`, such as `cache_dir`. Raises ImportError without the
        package.
        """
        from dsm.views.writing.to_hf import to_hf

        return to_hf(self.without_sources(), options)

    def to_mlflow(self, name: str | None = None) -> Any:
        """Returns the view for `mlflow.log_input`: a dataset of MLflow with its name and digest.

        The name is that of the dataset unless one is given. Schema, counts and the version go with
        it, and no example; `mlflow.data.get_source(...).load()` gives the view again. Raises
        ImportError without MLflow, InvalidInput for a view that is not prepared, such as one put
        together by `&`.
        """
        from dsm.views.writing.to_mlflow import to_mlflow

        return to_mlflow(self, name)

    def _repr_html_(self) -> str:
        from dsm.views.reading.html import view_html

        return view_html(self)

    def __repr__(self) -> str:
        known = self.known_content
        number = 0 if known is None else known.examples
        count = "" if known is None else f": {number:,} example{'s' * (number != 1)}"
        return f"<view {self.version[:12]} of {self.dataset}{count}>"
