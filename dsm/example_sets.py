"""What one word names: the examples of a view, of a changeset, of a range of them, of a dataset.

The commands that compare and describe take any of these: `baseline`, `3`, `v1..head`, `photos`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Unpack

from dsm.datasets import Dataset
from dsm.errors import InvalidInput, NotFound
from dsm.model.column_names import CONTENT, RECORD_FIELD
from dsm.model.names import close_matches, printable
from dsm.statistics.drift import Drift, DriftAsked, judged, thresholds
from dsm.statistics.samples import fields_asked
from dsm.statistics.summary import Summary, summarised
from dsm.views.reading.record_columns import record_columns
from dsm.views.selection.columns_apart import ColumnsApart
from dsm.views.selection.prepared import find_record, list_records
from dsm.views.view import View

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.repo.repository import Repository

VIEW, CHANGESET, CHANGESETS, DATASET = "view", "changeset", "changesets", "dataset"


@dataclass(frozen=True)
class ExampleSet:
    """Examples that a word names; `kind` says as what.

    `number` is that of the changeset whose snapshot holds them, `after` that of the one before a
    range. `view` is the view that has these examples, of a range None; `shown` one that has them
    among others.
    """

    word: str
    kind: str
    dataset: str
    number: int
    after: int | None = None
    view: View | None = None
    read: Callable[[bool | Sequence[str]], pa.Table] | None = None
    around: View | None = None

    @property
    def shown(self) -> View | None:
        """A view that has its examples: of a range all of the snapshot."""
        return self.view or self.around

    @property
    def words(self) -> str:
        """It for people: "view baseline", "changeset 3", "changesets 2..4"."""
        if self.kind == VIEW:
            return f"view {printable(self.word)}"
        if self.kind == CHANGESETS:
            return f"changesets {self.after}..{self.number} of {self.dataset}"
        return f"changeset {self.number} of {self.dataset}"

    @property
    def has_records(self) -> bool:
        """Whether records files were added to its dataset."""
        return self.shown is not None and self.shown.log.get(self.number).records_files > 0

    def table(self, *, fields: bool | Sequence[str] = False) -> pa.Table:
        """Returns its stored examples, with `fields` those of records too; see `View.table`.

        A list names those that are read; dots lead into nested objects.
        """
        assert self.read is not None
        return self.read(fields)

    def columns_apart(self) -> ColumnsApart:
        """Returns its columns but for fields of records, one after the other."""
        assert self.shown is not None
        return ColumnsApart(self.shown.evaluation, self.after)

    def stats(
        self, columns: Sequence[str] | None = None, *, fields: bool = False, content: bool = False
    ) -> Summary:
        """Sums up its columns, or some of them; see `View.stats`. Of fields of records those are
        read that `columns` names; with `content`, or where it names a column of that, content is
        decoded. Raises NotFound for a column that it has not."""
        named, content = self._asked(columns or (), content)
        if not (fields or content or named):
            return summarised(self.columns_apart(), columns)
        try:
            return summarised(self._figures(fields or named, content), columns)
        except NotFound:
            if fields or not named:
                raise
            return summarised(self._figures(True, content), columns)  # which tells what there is

    def drift(
        self, other: ExampleSet, *, fields: bool = False, content: bool = False,
        **asked: Unpack[DriftAsked],
    ) -> Drift:  # fmt: skip
        """Compares how the columns of `other` spread with those here; see `View.drift`. Of fields
        of records those are read that are named; with `content`, or where a column of that is
        named, content is decoded."""
        views = self.view, other.view
        apart = views[0].selected_apart(views[1]) if views[0] and views[1] else ()
        at = thresholds(apart, **asked)
        told = (*(at.columns or ()), *at.ignore)
        named, content = self._asked(told, content)
        named = [each for each in named if each in other._asked(told, content)[0]]
        if not (fields or content or named):
            return judged(self.columns_apart(), other.columns_apart(), at)
        try:
            wanted = fields or named
            return judged(self._figures(wanted, content), other._figures(wanted, content), at)
        except NotFound:
            if fields or not named:
                raise
            return judged(self._figures(True, content), other._figures(True, content), at)

    def _asked(self, names: Sequence[str], content: bool) -> tuple[list[str], bool]:
        """Returns which fields of records names ask for, and whether for content."""
        of_content = any(name.startswith(CONTENT) for name in names)
        return fields_asked(names, self.columns_apart()), content or of_content

    def _figures(self, fields: bool | Sequence[str], content: bool) -> pa.Table:
        """Returns a table with what figures are asked of."""
        table = self.table(fields=fields)
        if not content:
            return table
        from dsm.checks.content_columns import with_content
        from dsm.checks.facts import facts_of

        assert self.shown is not None
        return with_content(table, partial(facts_of, self.shown.repository))


def find(
    repo: Repository, dataset: Dataset, dataset_of: Callable[[str], Dataset], word: str | None
) -> ExampleSet:
    """Finds what a word names: first a changeset of `dataset`, then a view, then another dataset.

    None is the head. Raises NotFound with near matches, AmbiguousName, InvalidInput.
    """
    if word is None:
        return _snapshot("head", CHANGESET, dataset, dataset.resolve("head"))
    first, dots, last = word.partition("..")
    if dots and "/" not in word:
        return _range(word, dataset, first or "head", last or "head")
    try:
        number = dataset.resolve(word)
    except (NotFound, InvalidInput) as error:
        return _other(repo, dataset, dataset_of, word, error)
    return _snapshot(word, CHANGESET, dataset, number)


def _table(view: View, fields: bool | Sequence[str]) -> pa.Table:
    """Returns the examples of a view, with all fields of records or with some."""
    if isinstance(fields, bool):
        return view.table(fields=fields)
    table = view.table()
    names = [RECORD_FIELD + name for name in fields]
    return record_columns(view.repository, table, names).beside(table)


def _snapshot(word: str, kind: str, dataset: Dataset, number: int) -> ExampleSet:
    view = View(
        dataset.repo, dataset.name, lambda: dataset.snapshots, dataset.query(at=number)
    ).without_sources()
    return ExampleSet(
        word, kind, dataset.name, number, view=view, read=lambda fields: _table(view, fields)
    )


def _range(word: str, dataset: Dataset, first: str, last: str) -> ExampleSet:
    after, number = dataset.resolve(first), dataset.resolve(last)
    if after > number:
        raise InvalidInput(
            f"changeset {after} comes after {number}", hint=f"write {number}..{after}"
        )
    whole = _snapshot(word, CHANGESET, dataset, number)

    def read(fields: bool | Sequence[str]) -> pa.Table:
        import pyarrow.compute as pc

        table = whole.table(fields=fields)
        return table.filter(pc.greater(table.column("changeset"), after))

    return ExampleSet(
        word, CHANGESETS, dataset.name, number, after=after, read=read, around=whole.view
    )


def _other(
    repo: Repository,
    dataset: Dataset,
    dataset_of: Callable[[str], Dataset],
    word: str,
    error: NotFound | InvalidInput,
) -> ExampleSet:
    try:
        record = find_record(repo, word)
    except (NotFound, InvalidInput):
        if word in repo.datasets():
            other = dataset_of(word)
            return _snapshot(word, DATASET, other, other.resolve("head"))
        names = [n for each in list_records(repo, dataset.name) for n in each.names]
        near = close_matches(word, [*names, *repo.datasets()], 1)
        if near:
            raise NotFound(
                f"there is no changeset, view or dataset {printable(word)}",
                hint=f"did you mean {near[0]}?",
            ) from None
        raise error from None
    owner = dataset_of(record.dataset)
    view = View(repo, owner.name, lambda: owner.snapshots, record.query, record).without_sources()
    return ExampleSet(
        word, VIEW, owner.name, record.query.at, view=view,
        read=lambda fields: _table(view, fields),
    )  # fmt: skip
