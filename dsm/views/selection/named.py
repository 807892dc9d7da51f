"""What the names in a question stand for: definitions of a dataset, read when they are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dsm.errors import DamagedData, InvalidInput
from dsm.repo.definitions import SEGMENT, SPLIT, Definitions
from dsm.views.filters import split_definition

if TYPE_CHECKING:
    from dsm.history.snapshot import Snapshots
    from dsm.repo.repository import Repository
    from dsm.views.filters.filter import Filter
    from dsm.views.query.view_query import ChangesetRange, ViewQuery


def definitions(kind: str, repository: Repository, dataset: str, dataset_id: str) -> Definitions:
    """Returns the splits, or the segments, of a dataset."""
    check = split_definition.split_of if kind == SPLIT else segment_of
    return Definitions(repository, dataset, dataset_id, kind, check)


def segment_of(fields: Any, where: str) -> list[Filter]:
    """Returns the filters that a segment's document says. Raises DamagedData."""
    from dsm.views.filters import table

    try:
        found = table.read(fields)
        told: dict[str, Any] = {}
        for each in found:
            told |= each.to_json()
    except (KeyError, TypeError, ValueError, AttributeError, InvalidInput) as error:
        raise DamagedData(f"{where} does not define a segment: {error}") from error
    if not found or told != fields:
        raise DamagedData(f"{where} asks for something that this dsm does not know")
    return found


class NamedThings:
    """The splits, segments, views and examples of one dataset, by name."""

    def __init__(
        self,
        repository: Repository,
        dataset: str,
        dataset_id: str,
        snapshots: Callable[[], Snapshots],
    ):
        self._of = (repository, dataset, dataset_id)
        self._snapshots = snapshots

    def split_filter(self, text: str) -> Filter | None:
        """Returns the filter of a part of a split, `NAME:PART`; None when all are in it.

        Raises NotFound with near matches, InvalidInput.
        """
        name, part = split_definition.named_part(text)
        found = definitions(SPLIT, *self._of).get(name)
        return split_definition.filter_of(split_definition.split_of(found.fields, name), name, part)

    def segment_filters(self, name: str) -> list[Filter]:
        """Returns the filters of a segment. Raises NotFound with near matches, DamagedData."""
        return segment_of(definitions(SEGMENT, *self._of).get(name).fields, name)

    def pick_filter(
        self, given: Any, missing: str | None, number: int, runs: Sequence[ChangesetRange]
    ) -> Filter:
        """Returns the filter of picked examples of changeset `number`, or of those of `runs`.

        Raises NotFound with what is unknown, AnswerIsNo, InvalidInput.
        """
        from dsm.history.fold import examples_in
        from dsm.views.selection.picked import pick_filter

        snapshots = self._snapshots()
        if runs:
            table, of = examples_in(snapshots.folded(runs)), "those changesets"
        else:
            table, of = snapshots.examples(number), f"changeset {number}"
        return pick_filter(given, missing, table, of)

    def view_query(self, text: str) -> ViewQuery:
        """Returns the query of a prepared view, by version or name.

        Raises NotFound with near matches, AmbiguousName, InvalidInput.
        """
        from dsm.views.selection.prepared import find_record

        return find_record(self._of[0], text).query
