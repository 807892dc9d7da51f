"""A query in words: the one place that says what a view asks for, in a line for people."""

from __future__ import annotations

from dsm.model.target import DEFAULT
from dsm.views.filters.conditions import decimal_text
from dsm.views.query.view_query import ChangesetRange, ViewQuery


def describe(query: ViewQuery) -> str:
    """Returns what a query asks for, such as "label cat or dog, newest 80 %, changesets 1, 3-5"."""
    parts = [words for each in query.filters for words in each.words()]
    if query.percent is not None:
        parts.append(newest_text(query.percent))
    parts += [draw.words() for draw in (query.balance, query.sample) if draw is not None]
    if query.target != DEFAULT:
        parts = [*(parts or ["all examples"]), f"classes from {query.target.words()}"]
    return ", ".join([*(parts or ["all examples"]), changesets_text(query)])


def newest_text(percent: str) -> str:
    """Returns "newest 80 %" for the share 0.8."""
    return f"newest {decimal_text(percent + 'e2')} %"


def changesets_text(query: ViewQuery) -> str:
    """Returns which changesets a query folds: "changesets 1, 3-5", or "up to changeset 5"."""
    if not query.runs:
        return f"up to changeset {query.at}"
    noun = "changeset" if query.runs[0] == (query.at, query.at) else "changesets"
    return f"{noun} " + ", ".join(map(_run, query.runs))


def _run(run: ChangesetRange) -> str:
    first, last = run
    return str(first) if first == last else f"{first}-{last}"
