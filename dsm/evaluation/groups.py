"""Groups of examples: those of each segment, and those of each value of an attribute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import InvalidInput, NotFound
from dsm.evaluation.numeric import Array, codes, flags, integers, load
from dsm.evaluation.outcome import Outcome
from dsm.history.snapshot import Snapshots
from dsm.model.names import close_matches, printable
from dsm.repo.definitions import SEGMENT
from dsm.views.comparison.segments import mask_of
from dsm.views.selection import named
from dsm.views.selection.stored import StoredData

SEGMENTS, LABEL = "segment", "label"
GROUPS_MAX = 1000


def groups_of(outcome: Outcome, by: str) -> Iterator[tuple[str, Array]]:
    """Yields (name, places of its examples) by segment, or by the values of an attribute.

    Examples without the attribute are in no group. Raises InvalidInput, NotFound, DamagedData.
    """
    if by == SEGMENTS:
        yield from _segments(outcome)
        return
    np = load()
    names, at = values_of(outcome, by)
    order = np.argsort(at, kind="stable")
    ends = np.searchsorted(at[order], np.arange(len(names) + 1))
    for place, name in enumerate(names):
        yield name, order[ends[place] : ends[place + 1]]


def values_of(outcome: Outcome, attribute: str) -> tuple[list[str], Array]:
    """Returns the values of an attribute as texts, and the place of that of each example, or -1.

    Raises InvalidInput for an attribute that no example has, or with too many values.
    """
    column = outcome.column(attribute)
    found = pc.unique(column).drop_null()
    if len(found) > GROUPS_MAX:
        raise InvalidInput(
            f"{printable(attribute)} has {len(found):,} values, which are too many groups",
            hint="make segments of ranges: dsm segment create NAME --where 'width < 500'",
        )
    ordered = found.take(pc.sort_indices(found))
    return [_text(each) for each in ordered.to_pylist()], _places(column, ordered)


def _places(column: pa.Array, values: pa.Array) -> Array:
    if pa.types.is_string(column.type):
        return codes(column, tuple(values.to_pylist()))
    return integers(pc.index_in(column, value_set=values))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def group_of(outcome: Outcome, kind: str, name: str) -> Array:
    """Returns the places of the examples of one group. Raises NotFound with near matches."""
    names = []
    for each, at in groups_of(outcome, kind):
        if each == name:
            return at
        names.append(each)
    near = close_matches(name, names)
    raise NotFound(
        f"there is no {printable(kind)} {printable(name)!r}",
        hint=f"did you mean {near[0]}?"
        if near
        else f"there are: {', '.join(names[:20]) or 'none'}",
    )


def _segments(outcome: Outcome) -> Iterator[tuple[str, Array]]:
    np, selection = load(), outcome.selection
    log, repository = selection.log, selection.repository

    def snapshots() -> Snapshots:
        return Snapshots(repository, log)

    stored = StoredData(repository, log, snapshots)
    found = named.definitions(SEGMENT, repository, log.name, log.dataset_id).all()
    if not found:
        raise InvalidInput(
            "the dataset has no segment",
            hint="`dsm segment create NAME --where …` makes one; --by takes an attribute, too",
        )
    for each in found:
        filters = named.segment_of(each.fields, each.name)
        yield each.name, np.flatnonzero(flags(mask_of(filters, stored, outcome.rows)))


def text_codes(columns: Sequence[pa.Array]) -> tuple[list[str], list[Array]]:
    """Returns all values of columns as texts, and for each column the places of its own, or -1."""
    texts = [
        column if pa.types.is_string(column.type) else column.cast(pa.string())
        for column in columns
    ]
    names = sorted({name for each in texts for name in pc.unique(each).to_pylist()} - {None})
    return names, [codes(each, tuple(names)) for each in texts]
