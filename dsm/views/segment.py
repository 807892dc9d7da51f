"""Segments of a dataset: filters with a name, and what they make of a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Unpack

from dsm.errors import AnswerIsNo, InvalidInput
from dsm.repo.definitions import SEGMENT, Definition, check_definition_name
from dsm.views.filters.split_definition import column_of
from dsm.views.query.resolve import FilterAsked, asked_filters
from dsm.views.selection import named

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.history.snapshot import Snapshots
    from dsm.repo.log import ChangesetLog
    from dsm.repo.repository import Repository
    from dsm.views.comparison.segments import Coverage, SegmentFigures
    from dsm.views.filters.filter import Filter
    from dsm.views.selection.stored import StoredData
    from dsm.views.view import View


class Segments:
    """The segments of one dataset, by name; sized, and iterable in the order of names.

    `prepare` is that of the dataset.
    """

    def __init__(
        self,
        repository: Repository,
        log: ChangesetLog,
        snapshots: Callable[[], Snapshots],
        prepare: Callable[..., View],
    ):
        self._repository = repository
        self._log = log
        self._snapshots = snapshots
        self.prepare = prepare
        self._definitions = named.definitions(SEGMENT, repository, log.name, log.dataset_id)

    def __iter__(self) -> Iterator[Segment]:
        return (Segment(each, self) for each in self._definitions.all())

    def __len__(self) -> int:
        return len(self._definitions.names())

    def __contains__(self, name: object) -> bool:
        return name in self._definitions.names()

    def get(self, name: str) -> Segment:
        """Returns a segment. Raises NotFound with near matches, DamagedData."""
        return Segment(self._definitions.get(name), self)

    def remove(self, name: str) -> Segment:
        """Removes a segment; views that were made with it stay. Raises NotFound, DamagedData."""
        return Segment(self._definitions.remove(name), self)

    def rename(self, old: str, new: str) -> Segment:
        """Gives a segment another name; views that were made with it stay.

        The new one comes first: an interruption leaves both. Raises NotFound, AlreadyExists,
        InvalidInput, DamagedData.
        """
        found = self._definitions.get(old)
        if old == check_definition_name(SEGMENT, new):
            return Segment(found, self)
        renamed = Definition(
            new, found.fields, found.number, found.changeset,
            author=found.author, time=found.time, message=found.message,
        )  # fmt: skip
        self._definitions.create(renamed)
        self._definitions.remove(old)
        return Segment(renamed, self)

    def create(self, name: str, *, description: str = "", **asked: Unpack[FilterAsked]) -> Segment:
        """Makes a segment of any filters of `Dataset.prepare`; it never changes.

        Relative times become moments now. Raises InvalidInput, NotFound for an attribute or another
        name, AlreadyExists, and AnswerIsNo where there is no changeset yet.
        """
        check_definition_name(SEGMENT, name)
        if not self._log.head():
            raise AnswerIsNo(
                f"dataset {self._log.name} has no changeset yet", hint="`dsm commit` first"
            )
        environment = self._repository.environment
        changeset = self._log.get(self._log.head())
        things = named.NamedThings(
            self._repository, self._log.name, self._log.dataset_id, self._snapshots
        )
        filters = asked_filters(asked, changeset, now_us=environment.clock(), named=lambda: things)
        if not filters:
            raise InvalidInput(
                "a segment needs a filter", hint="such as --where 'light=night' or --label cat"
            )
        fields: dict[str, Any] = {}
        for each in filters:
            fields |= each.to_json()
        made = Definition(
            name, fields, changeset.number, changeset.id,
            author=self._repository.author, time=environment.clock(), message=description,
        )  # fmt: skip
        from dsm.views.selection.lists import lists_stored

        with lists_stored(self._repository, filters, fields):
            self._definitions.create(made)
        return Segment(made, self)

    def stats(
        self, names: Iterable[str] | None = None, *, by: str | None = None,
        at: str | int | None = None,
    ) -> list[SegmentFigures]:  # fmt: skip
        """Returns the figures of segments (of all) in a snapshot (that of the head).

        `by` is "label" or an attribute, whose values are counted. Raises NotFound, and what
        `Dataset.resolve` raises.
        """
        from dsm.views.comparison.segments import figures

        chosen = [*self] if names is None else [self.get(name) for name in names]
        number, table, stored = self._stored(at)
        column = None
        if by is not None:
            column = column_of(by, "--by", self._log.get(number).attributes, labels=True)
        return [figures(each.name, each.filters, stored, table, number, column) for each in chosen]

    def coverage(self, at: str | int | None = None) -> Coverage:
        """Returns how many examples of a snapshot are in none of the segments, and in several.

        Raises what `Dataset.resolve` raises.
        """
        from dsm.views.comparison.segments import coverage

        number, table, stored = self._stored(at)
        return coverage({each.name: each.filters for each in self}, stored, table, number)

    def _stored(self, reference: str | int | None) -> tuple[int, pa.Table, StoredData]:
        from dsm.views.selection.stored import StoredData

        number = self._log.resolve("head" if reference is None else reference)
        stored = StoredData(self._repository, self._log, self._snapshots)
        return number, self._snapshots().examples(number), stored


class Segment:
    """A named filter of a dataset."""

    def __init__(self, definition: Definition, owner: Segments):
        self.definition = definition
        self.filters: list[Filter] = named.segment_of(definition.fields, definition.name)
        self._owner = owner

    @property
    def name(self) -> str:
        return self.definition.name

    def words(self) -> str:
        """Returns what it asks for, in a few words."""
        return ", ".join(words for each in self.filters for words in each.words())

    def view(self, **asked: Any) -> View:
        """Prepares its view; `asked` narrows it as in `Dataset.prepare`, and raises the same."""
        given = asked.pop("segment", None)
        more = [given] if isinstance(given, str) else list(given or ())
        view: View = self._owner.prepare(segment=[self.name, *more], **asked)
        return view

    def __repr__(self) -> str:
        return f"<segment {self.name}: {self.words()}>"
