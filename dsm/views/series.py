"""Series of views for one experiment: one question with other shares, or with one thing less.

Each view of a series is prepared like any other, so that its version can be trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dsm.errors import AnswerIsNo, InvalidInput
from dsm.model.names import printable
from dsm.views.filters import table
from dsm.views.filters.filter import Asking
from dsm.views.query.draws import asked_sample
from dsm.views.query.resolve import Percent, share_of, together
from dsm.views.query.view_query import ChangesetRange, ViewQuery
from dsm.views.selection.named import definitions, segment_of

if TYPE_CHECKING:
    from dsm.repo.definitions import Definitions
    from dsm.views.view import View

DROPS = CHANGESET, LABEL, SEGMENT = ("changeset", "label", "segment")
# A view is evaluated for each of them.
VIEWS_MAX = 10_000


class Step:
    """One view of a series: `what` tells it from the others, such as "10%" or a label.

    `view` is None where nothing is left; it is `same` where nothing is missing that the whole has.
    """

    def __init__(self, what: str, view: View | None, same: bool = False):
        self.what, self.view, self.same = what, view, same

    def __repr__(self) -> str:
        return f"<step {self.what}: {self.view!r}>"


def sweep(
    view: View,
    prepare: Callable[[ViewQuery], View],
    *,
    newest: Iterable[Percent] | None = None,
    sample: Iterable[str | int | float] | None = None,
) -> list[Step]:
    """Prepares a view again with each of these newest shares, or each of these samples.

    They stand for the share (or the sample) that it has; a larger one contains a smaller one.
    `prepare` records a query. Raises InvalidInput for none of the two or both, an empty list and
    what `Dataset.prepare` does not take; and AnswerIsNo when no example fits.
    """
    if (newest is None) == (sample is None):
        raise InvalidInput("a sweep goes over newest shares or over samples", hint="give one of it")
    steps = []
    if newest is not None:
        for given in newest:
            steps.append((given, replace(view.query, percent=share_of(given))))
    else:
        seed = view.query.sample.seed if view.query.sample else None
        for amount in sample or ():
            asked = asked_sample({"sample": amount, "seed": seed})
            steps.append((amount, replace(view.query, sample=asked)))
    if not steps:
        raise InvalidInput("there is nothing to go over", hint="such as 10%,50%,100%")
    return [Step(str(given).strip(), prepare(query)) for given, query in steps]


def ablate(view: View, prepare: Callable[[ViewQuery], View], drop: str) -> list[Step]:
    """Prepares a view without each of its changesets, of its labels, or of the dataset's segments.

    Without a changeset is as if it had not been made; without a label (or a segment) are the
    examples of the view that do not have it (that it does not take). `drop` is "changeset",
    "label" or "segment", `prepare` records a query. Raises InvalidInput for another word, for
    changesets of a view that is put together of others, and for more than 10,000 views.
    """
    if drop not in DROPS:
        raise InvalidInput(
            f"'{printable(str(drop))}' is nothing to drop", hint="changeset, label or segment"
        )
    found = {CHANGESET: _without_changesets, LABEL: _without_labels, SEGMENT: _without_segments}
    steps = []
    for what, query in _bounded(found[drop](view)):
        rest = None
        if query is not None:
            with suppress(AnswerIsNo):
                rest = prepare(query)
        steps.append(Step(what, rest, rest is not None and rest.digest == view.digest))
    return steps


def _bounded(queries: Iterator[tuple[str, ViewQuery | None]]) -> list[tuple[str, ViewQuery | None]]:
    found = []
    for each in queries:
        found.append(each)
        if len(found) > VIEWS_MAX:
            raise InvalidInput(
                f"that makes more than {VIEWS_MAX:,} views", hint="ablate a view of less"
            )
    return found


def _without_changesets(view: View) -> Iterator[tuple[str, ViewQuery | None]]:
    query = view.query
    if "views" in query.to_json():
        raise InvalidInput(
            "a view that is put together of others is not asked again without a changeset",
            hint="ablate one of those that it is put together of",
        )
    runs = query.runs or ((1, query.at),)
    for number in (n for first, last in runs for n in range(first, last + 1)):
        rest = tuple(_runs_without(runs, number))
        if not rest:
            yield str(number), None
            continue
        newest = view.log.get(rest[-1][1])
        left = () if rest == ((1, newest.number),) else rest
        yield str(number), replace(query, at=newest.number, at_id=newest.id, runs=left)


def _runs_without(runs: Iterable[ChangesetRange], number: int) -> Iterator[ChangesetRange]:
    for first, last in runs:
        if not first <= number <= last:
            yield first, last
            continue
        if first < number:
            yield first, number - 1
        if number < last:
            yield number + 1, last


def _without_labels(view: View) -> Iterator[tuple[str, ViewQuery | None]]:
    for label in droppable(view, LABEL):
        yield label, without(view, LABEL, (label,))


def _without_segments(view: View) -> Iterator[tuple[str, ViewQuery | None]]:
    for name in droppable(view, SEGMENT):
        yield name, without(view, SEGMENT, (name,))


def droppable(view: View, drop: str) -> list[str]:
    """Returns the labels of a view, or the names of the segments of its dataset, sorted."""
    if drop == LABEL:
        return list(view.labels)
    return [each.name for each in _segments(view).all()]


def without(view: View, drop: str, names: Iterable[str]) -> ViewQuery:
    """Returns the query of a view without the examples of some labels, or of some segments.

    Raises NotFound for a segment that is not there.
    """
    if drop == LABEL:
        parts = [table.asked_for({"labels": list(names)}, Asking({}, 0))]
    else:
        found = _segments(view)
        parts = [segment_of(found.get(name).fields, name) for name in names]
    query = view.query
    others = [
        ViewQuery(query.dataset, query.at, query.at_id, table.in_order(part), query.runs)
        for part in parts
    ]
    return together(view.log, query, others, "minus")


def _segments(view: View) -> Definitions:
    return definitions(SEGMENT, view.repository, view.dataset, view.query.dataset)
