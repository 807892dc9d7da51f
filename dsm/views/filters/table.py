"""The table of filters, in the order in which they are asked and told.

To add one, write its module (a `Filter` and its keywords), its row, and its option of `prepare`.
Those that few questions ask for are loaded when one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from dsm.views.filters import exclude, labels, paths, times, where
from dsm.views.filters.filter import Asking, Filter

FILTERS: tuple[type[Filter], ...] = (
    paths.PathFilter,
    labels.LabelFilter,
    exclude.ExcludeFilter,
    times.TimeFilter,
    where.WhereFilter,
)

# What is loaded late: its field of the query's document, its keyword ("" where names stand for
# it), its module and its class.
LATE = (
    ("splits", "", "dsm.views.filters.splits", "SplitFilter"),
    ("views", "", "dsm.views.filters.members", "MembersFilter"),
    ("only_passed", "only_passed", "dsm.views.filters.passed", "PassedFilter"),
    ("changeset_where", "changeset_where", "dsm.views.filters.trailers", "TrailerFilter"),
    ("picks", "", "dsm.views.filters.picks", "PickFilter"),
)


class NoOneFilterError(ValueError):
    """Two filters of a kind, in words, that no one filter of that kind can say."""


class Asked(paths.Asked, labels.Asked, exclude.Asked, times.Asked, where.Asked, total=False):
    """The keywords of all filters; see `Dataset.prepare` for what they mean."""

    only_passed: bool
    changeset_where: Iterable[str] | None


def asked_for(asked: Mapping[str, Any], asking: Asking) -> list[Filter]:
    """Returns the filters for the keywords of `prepare`. Raises what `Filter.asked` raises."""
    found = (each.asked(asked, asking) for each in _kinds(asked, 1))
    return [each for each in found if each is not None]


def read(fields: Mapping[str, Any]) -> list[Filter]:
    """Returns the filters of a query's document. Raises what `Filter.from_json` raises."""
    found = (each.from_json(fields) for each in _kinds(fields, 0))
    return [each for each in found if each is not None]


def as_few(filters: Iterable[Filter]) -> list[Filter]:
    """Puts filters of a kind together wherever one can say what two ask, whatever their order.

    Raises InvalidInput when nothing can pass two of them.
    """
    found: list[Filter] = []
    for each in filters:
        at = 0
        while at < len(found):
            both = found[at].joined(each) if type(found[at]) is type(each) else None
            if both is None:
                at += 1
            else:
                del found[at]
                each, at = both, 0
        found.append(each)
    return found


def in_order(filters: Iterable[Filter]) -> tuple[Filter, ...]:
    """Returns filters in the order of the table, those of a kind as one where one can say it.

    Raises InvalidInput when nothing can pass two of them, NoOneFilterError when no one filter can
    say what two of a kind ask.
    """
    found = as_few(filters)
    for each in doubled(found):
        one, other, *_ = (few for few in found if type(few) is each)
        raise NoOneFilterError(f"{one.words()[0]} and {other.words()[0]}")
    names = [name for *_, name in LATE]
    order = [*(kind.__name__ for kind in FILTERS), *names]
    return tuple(sorted(found, key=lambda each: order.index(type(each).__name__)))


def doubled(filters: Iterable[Filter]) -> list[type[Filter]]:
    """Returns the kinds of which there are several filters."""
    kinds = [type(each) for each in filters]
    return [kind for kind in dict.fromkeys(kinds) if kinds.count(kind) > 1]


def _kinds(given: Mapping[str, Any], place: int) -> Iterator[type[Filter]]:
    yield from FILTERS
    for row in LATE:
        if given.get(row[place]) is not None:
            kind: type[Filter] = getattr(import_module(row[2]), row[3])
            yield kind
