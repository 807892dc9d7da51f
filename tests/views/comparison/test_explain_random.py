"""Random histories and pairs of queries: each difference has one reason, and it is true.

Compared with a slow evaluator in plain Python.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from blake3 import blake3
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from situations import Work
from tiers import LONG
from views.stories import Row, put, view_of

from dsm.errors import NotFound
from dsm.history.snapshot import example_at
from dsm.model.example import Example
from dsm.views.comparison.explain import explain
from dsm.views.comparison.why import why
from dsm.views.filters.exclude import ExcludeFilter
from dsm.views.filters.filter import Filter
from dsm.views.filters.labels import LabelFilter
from dsm.views.filters.paths import PathFilter
from dsm.views.filters.times import TimeFilter
from dsm.views.filters.where import WhereFilter
from dsm.views.query.view_query import ViewQuery
from dsm.views.view import View

DAY = 86_400_000_000
START = 1_767_225_600_000_000  # 2026-01-01
PATHS = ["a", "b", "d/c", "d/e", "f"]

LABELS = ["x", "y", "z"]
ROWS = st.tuples(
    st.sampled_from([b"1", b"2"]),
    st.lists(st.sampled_from(LABELS), unique=True, max_size=2),
    st.integers(1, 4),
    st.sampled_from([None, 1, 2, 3, 2.5]),
)
# What a changeset does to some of the paths; None removes.
STEPS = st.dictionaries(st.sampled_from(PATHS), st.none() | ROWS, min_size=1, max_size=4)
HISTORIES = st.lists(STEPS, min_size=2, max_size=6)

F = TypeVar("F", bound=Filter)


@st.composite
def queries(draw: st.DrawFn, head: int) -> dict[str, Any]:
    """What `Dataset.query` takes, over a history with so many changesets."""
    found: dict[str, Any] = {}
    chosen = draw(st.sets(st.integers(1, head), min_size=1))
    found |= draw(st.sampled_from([{"at": max(chosen)}, {"changesets": sorted(chosen)}]))
    some = st.lists(st.sampled_from(LABELS), unique=True, max_size=2)
    optional: dict[str, st.SearchStrategy[Any]] = {
        "labels": some,
        "exclude": some,
        "since": st.integers(1, 3).map(lambda day: START + (day - 1) * DAY),
        "until": st.integers(4, 5).map(lambda day: START + (day - 1) * DAY),
        "percent": st.sampled_from(["0.3", "50%", "0.8"]),
        "paths": st.sampled_from([["d/**"], ["a", "b", "d/c"], ["[a-c]"]]),
        "where": st.sampled_from([["width>=2"], ["width!=1"], ["size>0", "width<3"]]),
    }
    for name, values in optional.items():
        if draw(st.integers(0, 3)) == 0:
            found[name] = draw(values)
    if found.get("labels"):
        found["all_labels"] = draw(st.booleans())
    return found


def made(work: Work, history: list[dict[str, Row | None]]) -> None:
    for step in history:
        live = set(work.ds.snapshot().column("path").to_pylist())
        gone = [path for path, row in step.items() if row is None and path in live]
        if gone:
            work.ds.remove(gone, keep_files=True, force=True)
        put(work, {path: row for path, row in step.items() if row is not None})
        work.ds.commit("step", allow_empty=True)


Events = list[dict[str, Example | None]]  # by changeset, from 1 on


def events_of(work: Work) -> Events:
    found: Events = []
    for number in range(1, work.ds.head + 1):
        table = work.ds.snapshots.manifests.of(number)
        rows = range(0 if table is None else table.num_rows)
        assert isinstance(table, pa.Table) or not rows
        found.append({table["path"][row].as_py(): example_at(table, row) for row in rows})
    return found


def folded(query: ViewQuery, number: int) -> bool:
    runs = query.runs or ((1, query.at),)
    return any(first <= number <= last for first, last in runs)


def fold(events: Events, query: ViewQuery) -> dict[str, tuple[Example, int]]:
    """The live examples of a query's changesets, each with the number that last put it."""
    live: dict[str, tuple[Example, int]] = {}
    for number, step in enumerate(events, 1):
        for path, example in step.items() if folded(query, number) else ():
            if example is None:
                live.pop(path, None)
            else:
                live[path] = (example, number)
    return live


def of_kind(query: ViewQuery, kind: type[F], otherwise: F) -> F:
    """The filter of a kind that a query has, else one that is not one."""
    return next((each for each in query.filters if isinstance(each, kind)), otherwise)


def passes(query: ViewQuery, clause: str, example: Example) -> bool:
    """Whether an example passes all clauses of this name."""
    import fnmatch

    label = of_kind(query, LabelFilter, LabelFilter(()))
    time = of_kind(query, TimeFilter, TimeFilter())
    mine = set(example.labels)
    if clause == "path":
        return any(
            example.path.startswith("d/") if glob == "d/**"
            else fnmatch.fnmatchcase(example.path.rpartition("/")[2] if "/" not in glob
                                     else example.path, glob)
            for glob in of_kind(query, PathFilter, PathFilter(())).globs
        )  # fmt: skip
    if clause == "label":
        return set(label.labels) <= mine if label.need_all else bool(set(label.labels) & mine)
    if clause == "exclude":
        return not set(of_kind(query, ExcludeFilter, ExcludeFilter(())).labels) & mine
    if clause == "since":
        return time.since is None or example.time >= time.since
    if clause == "until":
        return time.until is None or example.time < time.until
    compared: dict[str, Callable[[Fraction, Fraction], bool]] = {
        ">=": lambda a, b: a >= b, "!=": lambda a, b: a != b,
        ">": lambda a, b: a > b, "<": lambda a, b: a < b,
    }  # fmt: skip
    for condition in of_kind(query, WhereFilter, WhereFilter(())).conditions:
        name = condition.attribute
        value = example.size if name == "size" else example.attributes.get(name)
        if value is None:
            return False
        if not compared[condition.op](Fraction(value), Fraction(condition.values[0])):  # type: ignore[arg-type]
            return False
    return True


def asked(query: ViewQuery) -> list[str]:
    """The names of the clauses that a query has, in their order."""
    told = query.to_json()
    given_ = {
        "path": "paths", "label": "labels", "exclude": "exclude", "since": "since",
        "until": "until", "where": "where",
    }  # fmt: skip
    return [name for name, member in given_.items() if member in told]


def newness(example: Example) -> tuple[int, bytes]:
    """What a newest share orders by."""
    return example.time, blake3(example.path.encode()).digest()


def selected(events: Events, query: ViewQuery) -> dict[str, tuple[Example, int]]:
    """The slow evaluator: one example after the other."""
    live = fold(events, query)
    left = {
        path: row for path, row in live.items()
        if all(passes(query, clause, row[0]) for clause in asked(query))
    }  # fmt: skip
    if query.percent is not None and left:
        kept = -int(-Fraction(query.percent) * len(left) // 1)
        newest = sorted(left, key=lambda p: newness(left[p][0]), reverse=True)
        left = {path: left[path] for path in newest[:kept]}
    return left


def check_reason(
    events: Events,
    having: ViewQuery,
    lacking: ViewQuery,
    path: str,
    clause: str,
    changeset: int | None,
) -> None:
    """The clause that is named rejects the example, and none before it does."""
    live = fold(events, lacking)
    if clause == "changesets":
        assert path not in live and changeset is not None
        if folded(lacking, changeset):
            assert path in events[changeset - 1] and events[changeset - 1][path] is None
        else:
            assert changeset == selected(events, having)[path][1]
        return
    example, number = live[path]
    order = [*asked(lacking), "percent"]
    before = order[: order.index(clause)]
    assert all(passes(lacking, name, example) for name in before)
    if clause == "percent":
        assert lacking.percent is not None and path not in selected(events, lacking)
    else:
        assert not passes(lacking, clause, example)
    assert changeset in (None, max(number, selected(events, having)[path][1]))


def same(one: Example, two: Example) -> bool:
    return one.oid == two.oid and one.same_meaning(two)


# Each example builds a repository, so that shrinking one takes minutes: it is left out.
@settings(max_examples=1000 if LONG else 20, phases=[Phase.explicit, Phase.generate])
@given(HISTORIES, st.data())
def test_every_difference_has_one_true_reason(
    history: list[dict[str, Row | None]], data: st.DataObject
) -> None:
    """`explain` covers exactly what differs, and the clause that it names rejects the example."""
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder) / "work")
        made(work, history)
        events = events_of(work)
        for _ in range(4):
            views = []
            for letter in "AB":
                asked_for = data.draw(queries(work.ds.head), label=letter)
                try:
                    views.append(view_of(work, **asked_for))
                except NotFound:  # no example has a width yet
                    views.append(view_of(work, **{**asked_for, "where": []}))
            a, b = views
            before, after = selected(events, a.query), selected(events, b.query)
            assert sorted(before) == a.table()["path"].to_pylist()
            expected = {path: "dropped" for path in before.keys() - after.keys()}
            expected |= {path: "added" for path in after.keys() - before.keys()}
            expected |= {
                path: "changed" for path in before.keys() & after.keys()
                if not same(before[path][0], after[path][0])
            }  # fmt: skip
            found = explain(a, b)
            reasons = [(path, r) for r in found.reasons for path in r.paths.to_pylist()]
            assert sorted(expected.items()) == sorted((path, r.change) for path, r in reasons)
            assert found.diff.counts["changed"] == list(expected.values()).count("changed")
            assert all(count > 0 for count in (r.count for r in found.reasons))
            for path, reason in reasons:
                if reason.change == "changed":
                    assert reason.changeset == max(before[path][1], after[path][1])
                else:
                    sides = (a, b) if reason.change == "dropped" else (b, a)
                    check_reason(
                        events, sides[0].query, sides[1].query, path, reason.clause,
                        reason.changeset,
                    )  # fmt: skip
            for reason in found.reasons:
                assert [path for path, _ in reason.examples()] == reason.paths.to_pylist()
        for path in {path for step in events for path in step}:
            check_why(events, a, path)
        work.repo.close()


def check_why(events: Events, view: View, path: str) -> None:
    """`why` agrees with the slow evaluator on history, clauses, rank and verdict."""
    query, found = view.query, why(view, path)
    live = fold(events, query)
    assert found.selected == (path in selected(events, query))
    touched = [number for number, step in enumerate(events, 1) if path in step]
    assert touched == [event.number for event in found.events]
    assert [folded(query, n) for n in touched] == [event.folded for event in found.events]
    assert (found.example is not None) == (path in live)
    if path not in live:
        assert found.checks == ()
        return
    for name in asked(query):
        checks = [check.passed for check in found.checks if check.clause == name]
        assert all(checks) == passes(query, name, live[path][0]) and checks
    left = [p for p, (e, _) in live.items() if all(passes(query, c, e) for c in asked(query))]
    if query.percent is None or path not in left:
        assert found.rank is None
    else:
        newest = sorted(left, key=lambda p: newness(live[p][0]), reverse=True)
        assert found.rank is not None
        assert (found.rank.rank, found.rank.cutoff.of) == (newest.index(path) + 1, len(left))
