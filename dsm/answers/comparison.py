"""Why views differ: what `dsm view diff`, `dsm view explain` and `dsm why` answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from dsm.answers.examples import example_fields
from dsm.answers.queries import query_change_fields
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.datasets import Dataset
    from dsm.model.example import Example
    from dsm.views.comparison.differences import ViewDiff
    from dsm.views.comparison.explain import Explanation
    from dsm.views.comparison.past import Event
    from dsm.views.comparison.why import Rank, Why
    from dsm.views.view import View


EXAMPLES_AT_ONCE = 4096


def view_diff_answer(diff: ViewDiff) -> dict[str, Any]:
    """Returns what `dsm view diff` answers."""
    return {**_head(diff), "examples": _differences(diff)}


def explain_answer(explanation: Explanation) -> dict[str, Any]:
    """Returns what `dsm view explain` answers."""
    reasons = [
        {
            "change": reason.change,
            "clause": reason.clause,
            "reason": reason.text,
            "changeset": reason.changeset,
            "examples": reason.count,
        }
        for reason in explanation.reasons
    ]
    return {**_head(explanation.diff), "reasons": reasons, "examples": _explained(explanation)}


def _head(diff: ViewDiff) -> dict[str, Any]:
    return {
        "before": diff.a.version,
        "after": diff.b.version,
        "dataset": diff.a.dataset,
        **diff.counts,
        "queries": [query_change_fields(change) for change in diff.queries],
    }


def _differences(diff: ViewDiff) -> Iterator[dict[str, Any]]:
    from dsm.history.snapshot import examples_of

    for example in examples_of(diff.added):
        yield {
            "path": example.path, "change": "added", "what": [],
            "before": None, "after": example_fields(example),
        }  # fmt: skip
    for example in examples_of(diff.dropped):
        yield {
            "path": example.path, "change": "dropped", "what": [],
            "before": example_fields(example), "after": None,
        }  # fmt: skip
    for before, after, aspects in changed_examples(diff):
        yield {
            "path": after.path, "change": "changed", "what": list(aspects),
            "before": example_fields(before), "after": example_fields(after),
        }  # fmt: skip


def _explained(explanation: Explanation) -> Iterator[dict[str, Any]]:
    for reason in explanation.reasons:
        for path, detail in reason.examples():
            yield {
                "path": path, "change": reason.change, "clause": reason.clause,
                "reason": reason.text, "detail": detail or None, "changeset": reason.changeset,
            }  # fmt: skip


def changed_examples(
    diff: ViewDiff, limit: int | None = None
) -> Iterator[tuple[Example, Example, tuple[str, ...]]]:
    """Yields the changed examples as A and as B hold them, and in what they differ."""
    from dsm.history.snapshot import examples_of

    count = diff.before.num_rows if limit is None else min(limit, diff.before.num_rows)
    for start in range(0, count, EXAMPLES_AT_ONCE):
        size = min(EXAMPLES_AT_ONCE, count - start)
        before = examples_of(diff.before.slice(start, size))
        after = examples_of(diff.after.slice(start, size))
        yield from zip(before, after, diff.aspects(start, start + size), strict=True)


def why_answer(found: Why, view: View, dataset: Dataset) -> dict[str, Any]:
    """Returns what `dsm why` answers; `dataset` is that of the view."""
    history = [
        {
            "changeset": event.number,
            "time": format_time(dataset.changeset(event.number).time),
            "what": what,
            "labels": None if event.example is None else list(event.example.labels),
            "in_view": event.folded,
        }
        for event, what in what_happened(found.events)
    ]
    return {
        "path": found.path,
        "view": view.version,
        "dataset": view.dataset,
        "selected": found.selected,
        "example": None if found.example is None else example_fields(found.example),
        "history": history,
        "clauses": [
            {"clause": c.clause, "asks": c.text, "value": c.value or None, "passed": c.passed}
            for c in found.checks
        ],
        "newest": None if found.rank is None else _rank_fields(found.rank),
    }


def _rank_fields(rank: Rank) -> dict[str, Any]:
    cutoff = rank.cutoff
    return {
        "rank": rank.rank,
        "of": cutoff.of,
        "keeps": cutoff.kept,
        "share": rank.share,
        "passed": rank.passed,
        "cutoff": {"time": format_time(cutoff.time), "path": cutoff.path},
    }


def what_happened(events: Iterable[Event]) -> Iterator[tuple[Event, str]]:
    """Yields what each changeset did to one example: added, modified, relabelled or deleted it."""
    before: Example | None = None
    for event in events:
        now = event.example
        if now is None:
            what = "deleted"
        elif before is None:
            what = "added"
        else:
            what = "relabelled" if before.oid == now.oid else "modified"
        yield event, what
        before = now
