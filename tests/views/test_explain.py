"""Why views differ: each example has one reason, and the reason is true.

Random histories and pairs of queries are compared with a slow evaluator in plain Python.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from situations import Work

from dsm.errors import InvalidInput, NotFound
from dsm.history.snapshot import example_at
from dsm.model.example import Example
from dsm.views.comparing import ASPECTS, compare
from dsm.views.describe import describe
from dsm.views.explain import Explanation, explain
from dsm.views.query import Query
from dsm.views.statistics import sizes, times
from dsm.views.view import View
from dsm.views.why import why

LONG = os.environ.get("DSM_TEST_LONG") == "1"
DAY = 86_400_000_000
START = 1_767_225_600_000_000  # 2026-01-01

Row = tuple[bytes, list[str], int, float | None]  # content, labels, day of 2026, width


def put(work: Work, rows: Mapping[str, Row]) -> None:
    """Adds examples with labels, time and the attribute width."""
    lines = []
    for path, (_, labels, day, width) in rows.items():
        fields = {"path": path, "labels": labels, "time": f"2026-01-{day:02}", "width": width}
        lines.append(json.dumps({k: v for k, v in fields.items() if v is not None}) + "\n")
    table = work.root.parent / f"{work.root.name}.jsonl"
    table.write_text("".join(lines))
    work.ds.add({path: row[0] for path, row in rows.items()}, label_file=str(table))


def view_of(work: Work, **query: Any) -> View:
    """A view that may be empty, and is not recorded."""
    ds = work.ds
    return View(work.repo, ds.name, lambda: ds.snapshots, ds.query(**query))


def told(found: Explanation) -> list[tuple[str, str, int | None, str, list[tuple[str, str]]]]:
    return [(r.change, r.clause, r.changeset, r.text, list(r.examples())) for r in found.reasons]


@pytest.fixture
def story(work: Work) -> Work:
    """Five changesets: 1 adds a to f; 2 relabels b; 3 adds g; 4 deletes c; 5 changes d."""
    put(work, {p: (p.encode() * 3, ["cat"], day, 100 * day) for day, p in enumerate("abcdef", 1)})
    work.ds.commit("one")
    work.ds.label(["b"], set=["dog"])
    work.ds.commit("two")
    put(work, {"g": (b"g", ["cat"], 20, None)})
    work.ds.commit("three")
    work.ds.remove(["c"], keep_files=True, force=True)
    work.ds.commit("four")
    put(work, {"d": (b"other", ["cat"], 4, 400)})
    work.ds.commit("five")
    return work


# --- what differs ---------------------------------------------------------------------------------


def test_what_differs(story: Work) -> None:
    """Added, dropped and changed examples, and in what they changed."""
    diff = compare(view_of(story, at=1), view_of(story))
    assert diff.counts == {"added": 1, "dropped": 1, "changed": 2}
    assert diff.added.column("path").to_pylist() == ["g"]
    assert diff.dropped.column("path").to_pylist() == ["c"]
    assert diff.before.column("path").to_pylist() == diff.after.column("path").to_pylist()
    assert diff.after.column("path").to_pylist() == ["b", "d"]
    assert diff.aspects() == [("labels",), ("content",)]
    assert compare(view_of(story), view_of(story)).same
    assert compare(view_of(story, percent=".5"), view_of(story, percent="50%")).same


def test_an_example_put_again_as_it_was_is_no_difference(story: Work) -> None:
    """A relabelling and its revert leave two views the same, though other changesets made them."""
    story.ds.revert(2)
    assert compare(view_of(story, at=1, paths=["b"]), view_of(story, paths=["b"])).same


def test_an_attribute_that_became_float_is_no_difference(work: Work) -> None:
    """An int and the same float are one value; another float is another one."""
    put(work, {"a": (b"a", [], 1, 5), "b": (b"b", [], 1, 6)})
    work.ds.commit("one")
    put(work, {"c": (b"c", [], 1, 0.5), "a": (b"a", [], 1, 5.5)})
    work.ds.commit("two")
    diff = compare(view_of(work, at=1), view_of(work))
    assert diff.counts == {"added": 1, "dropped": 0, "changed": 1}
    assert diff.aspects() == [("attributes",)]


def test_views_of_two_datasets_are_not_compared(story: Work) -> None:
    """There is nothing that the examples of two datasets have in common."""
    other = story.repo.create_dataset("other", root="other")
    other.add({"x": b"x"})
    other.commit("one")
    with pytest.raises(InvalidInput):
        explain(view_of(story), other.prepare())


# --- reasons --------------------------------------------------------------------------------------


def test_the_changesets_decide(story: Work) -> None:
    """Arrived later, deleted, changed: with the number."""
    assert told(explain(view_of(story, at=1), view_of(story))) == [
        ("added", "changesets", 3, "arrived in changeset 3, A stops at changeset 1", [("g", "")]),
        ("changed", "changesets", 5, "content changed in changeset 5", [("d", "was 3 B, is 5 B")]),
        ("dropped", "changesets", 4, "deleted in changeset 4", [("c", "")]),
        ("changed", "changesets", 2, "relabelled in changeset 2", [("b", "was cat, is dog")]),
    ]


def test_the_other_way_round(story: Work) -> None:
    """What B lacks is said of B."""
    assert told(explain(view_of(story), view_of(story, changesets="2-4"))) == [
        (
            "dropped", "changesets", 1, "changeset 1, which holds it, is not among those of B",
            [("a", ""), ("e", ""), ("f", "")],
        ),
        ("dropped", "changesets", 5, "is of changeset 5, B stops at changeset 4", [("d", "")]),
    ]  # fmt: skip


def test_a_clause_of_the_query_decides(story: Work) -> None:
    """The first filter that rejects an example, with the example's own value."""
    everything = view_of(story)
    asked = {
        "label": ({"labels": ["dog"]}, "B asks that label is dog", ("a", "label cat")),
        "exclude": ({"exclude": ["cat"]}, "B asks that label is not cat", ("a", "label cat")),
        "path": ({"paths": ["b"]}, "B asks that path is b", ("a", "")),
        "since": (
            {"since": "2026-01-02"}, "B asks that time is 2026-01-02T00:00:00Z or later",
            ("a", "time 2026-01-01T00:00:00Z"),
        ),
        "until": (
            {"until": "2026-01-06"}, "B asks that time is before 2026-01-06T00:00:00Z",
            ("f", "time 2026-01-06T00:00:00Z"),
        ),
        "where": ({"where": ["width>=200"]}, "B asks that width>=200", ("a", "width=100")),
        "percent": (
            {"percent": "0.6"},
            "older than the newest 60 % of B: its cut-off is 2026-01-04T00:00:00Z",
            ("a", "time 2026-01-01T00:00:00Z"),
        ),
    }  # fmt: skip
    for clause, (query, text, example) in asked.items():
        (reason,) = explain(everything, view_of(story, **query)).reasons
        assert ("dropped", clause, None, text) == (
            reason.change, reason.clause, reason.changeset, reason.text,
        )  # fmt: skip
        assert example in list(reason.examples())
        (mirrored,) = explain(view_of(story, **query), everything).reasons
        assert (mirrored.change, mirrored.clause) == ("added", clause)
        assert mirrored.text == text.replace("B asks", "A asks").replace("of B", "of A")
        assert list(mirrored.examples()) == list(reason.examples())


def test_a_missing_attribute_is_said(story: Work) -> None:
    """An example without the attribute is told from one with another value."""
    (reason,) = explain(view_of(story), view_of(story, where=["width>0"])).reasons
    assert list(reason.examples()) == [("g", "no width")]


def test_data_that_changed_is_told_from_a_question_that_changed(story: Work) -> None:
    """Asked the same before and after: it was relabelled, and the changeset is named."""
    cats = {"labels": ["cat"], "paths": ["b"]}
    assert told(explain(view_of(story, at=1, **cats), view_of(story, **cats))) == [
        (
            "dropped", "label", 2, "relabelled in changeset 2; B asks that label is cat",
            [("b", "was cat, is dog")],
        )
    ]  # fmt: skip
    assert told(explain(view_of(story, **cats), view_of(story, at=1, **cats))) == [
        (
            "added", "label", 2,
            "relabelled in changeset 2, which is not among those of B; A asks that label is cat",
            [("b", "was cat, is dog")],
        )
    ]  # fmt: skip


def test_the_cut_off_moves(story: Work) -> None:
    """A newer example pushes an old one out of the newest share."""
    half = {"percent": "50%", "paths": ["a", "b", "e", "f", "g"]}
    found = explain(view_of(story, at=2, **half), view_of(story, at=3, **half))
    assert told(found) == [
        (
            "added", "changesets", 3, "arrived in changeset 3, A stops at changeset 2",
            [("g", "")],
        ),
    ]  # fmt: skip
    less = {"percent": "30%", "paths": ["a", "b", "e", "f", "g"]}
    assert told(explain(view_of(story, at=2, **half), view_of(story, at=3, **less)))[-1] == (
        "dropped", "percent", None,
        "older than the newest 30 % of B: cut-off moved from 2026-01-05T00:00:00Z to"
        " 2026-01-06T00:00:00Z",
        [("e", "time 2026-01-05T00:00:00Z")],
    )  # fmt: skip


def test_of_equal_times_the_path_decides(work: Work) -> None:
    """What is as old as the cut-off is not called older than it."""
    put(work, {path: (b"1", [], day, None) for path, day in (("a", 1), ("b", 2), ("c", 2))})
    work.ds.commit("one")
    found = explain(view_of(work), view_of(work, percent="30%"))
    assert told(found) == [
        (
            "dropped", "percent", None,
            "older than the newest 30 % of B: its cut-off is 2026-01-02T00:00:00Z",
            [("a", "time 2026-01-01T00:00:00Z"),
             ("b", "time 2026-01-02T00:00:00Z, that of the cut-off: the path decides")],
        )
    ]  # fmt: skip


def test_a_deletion_counts_only_after_what_was_put(work: Work) -> None:
    """Of a list of changesets, the first deletion after the last put decided."""
    row: Row = (b"1", [], 1, None)
    for content in (b"1", None, b"2", None):
        if content is None:
            work.ds.remove(["a"], keep_files=True, force=True)
        else:
            put(work, {"a": (content, [], 1, None), f"more {content!r}": row})
        work.ds.commit("next")
    first = view_of(work, changesets="1")

    def reasons(changesets: str) -> list[tuple[int | None, str]]:
        found = explain(first, view_of(work, changesets=changesets, paths=["a"]))
        return [(r.changeset, r.text) for r in found.reasons if "a" in r.paths.to_pylist()]

    assert reasons("1,2,4") == [(2, "deleted in changeset 2")]
    assert reasons("1,4") == [(4, "deleted in changeset 4")]
    assert reasons("3-4") == [(4, "deleted in changeset 4")]
    assert reasons("2,4") == [(1, "changeset 1, which holds it, is not among those of B")]
    assert told(explain(view_of(work, at=3, paths=["a"]), view_of(work, at=2))) == [
        ("added", "path", None, "A asks that path is a", [("more b'1'", "")]),
        ("dropped", "changesets", 3, "arrived in changeset 3, B stops at changeset 2", [("a", "")]),
    ]


# --- random histories -----------------------------------------------------------------------------

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
        table = work.ds.snapshots.manifest(number)
        rows = range(0 if table is None else table.num_rows)
        assert isinstance(table, pa.Table) or not rows
        found.append({table["path"][row].as_py(): example_at(table, row) for row in rows})
    return found


def folded(query: Query, number: int) -> bool:
    runs = query.runs or ((1, query.at),)
    return any(first <= number <= last for first, last in runs)


def fold(events: Events, query: Query) -> dict[str, tuple[Example, int]]:
    """The live examples of a query's changesets, each with the number that last put it."""
    live: dict[str, tuple[Example, int]] = {}
    for number, step in enumerate(events, 1):
        for path, example in step.items() if folded(query, number) else ():
            if example is None:
                live.pop(path, None)
            else:
                live[path] = (example, number)
    return live


def passes(query: Query, clause: str, example: Example) -> bool:
    """Whether an example passes all clauses of this name."""
    import fnmatch

    mine = set(example.labels)
    if clause == "path":
        return any(
            example.path.startswith("d/") if glob == "d/**"
            else fnmatch.fnmatchcase(example.path.rpartition("/")[2] if "/" not in glob
                                     else example.path, glob)
            for glob in query.paths
        )  # fmt: skip
    if clause == "label":
        return set(query.labels) <= mine if query.all_labels else bool(set(query.labels) & mine)
    if clause == "exclude":
        return not set(query.exclude) & mine
    if clause == "since":
        return query.since is None or example.time >= query.since
    if clause == "until":
        return query.until is None or example.time < query.until
    compared: dict[str, Callable[[Fraction, Fraction], bool]] = {
        ">=": lambda a, b: a >= b, "!=": lambda a, b: a != b,
        ">": lambda a, b: a > b, "<": lambda a, b: a < b,
    }  # fmt: skip
    for condition in query.where:
        name = condition.attribute
        value = example.size if name == "size" else example.attributes.get(name)
        if value is None:
            return False
        if not compared[condition.op](Fraction(value), Fraction(condition.values[0])):  # type: ignore[arg-type]
            return False
    return True


def asked(query: Query) -> list[str]:
    """The names of the clauses that a query has, in their order."""
    given_ = {
        "path": query.paths, "label": query.labels, "exclude": query.exclude,
        "since": query.since is not None, "until": query.until is not None, "where": query.where,
    }  # fmt: skip
    return [name for name, value in given_.items() if value]


def selected(events: Events, query: Query) -> dict[str, tuple[Example, int]]:
    """The slow evaluator: one example after the other."""
    live = fold(events, query)
    left = {
        path: row for path, row in live.items()
        if all(passes(query, clause, row[0]) for clause in asked(query))
    }  # fmt: skip
    if query.percent is not None and left:
        kept = -int(-Fraction(query.percent) * len(left) // 1)
        newest = sorted(left, key=lambda p: (left[p][0].time, p), reverse=True)
        left = {path: left[path] for path in newest[:kept]}
    return left


def check_reason(
    events: Events, having: Query, lacking: Query, path: str, clause: str, changeset: int | None
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
@settings(max_examples=1000 if LONG else 40, phases=[Phase.explicit, Phase.generate])
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
            before, after = selected(events, a.query_), selected(events, b.query_)
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
                        events, sides[0].query_, sides[1].query_, path, reason.clause,
                        reason.changeset,
                    )  # fmt: skip
            for reason in found.reasons:
                assert [path for path, _ in reason.examples()] == reason.paths.to_pylist()
        for path in {path for step in events for path in step}:
            check_why(events, a, path)
        work.repo.close()


def check_why(events: Events, view: View, path: str) -> None:
    """`why` agrees with the slow evaluator on history, clauses, rank and verdict."""
    query, found = view.query_, why(view, path)
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
        newest = sorted(left, key=lambda p: (live[p][0].time, p), reverse=True)
        assert found.rank is not None
        assert (found.rank.rank, found.rank.cutoff.of) == (newest.index(path) + 1, len(left))


# --- one example ----------------------------------------------------------------------------------


def test_why_tells_the_rank(story: Work) -> None:
    """The rank by time, how many are kept, and where the cut-off lies."""
    view = view_of(story, labels=["cat"], percent="0.5")
    assert str(why(view, "a").rank) == (
        "rank 5 of 5 by time and path; the newest 50 % keeps 3; cut-off 2026-01-05T00:00:00Z"
    )
    assert [why(view, path).selected for path in "abcdefg"] == [
        False, False, False, False, True, True, True,
    ]  # fmt: skip


def test_why_of_an_unknown_path(story: Work) -> None:
    """No changeset ever held it: not found, with a near match."""
    put(story, {"train/cat 17.jpg": (b"17", ["cat"], 1, None)})
    story.ds.commit("six")
    with pytest.raises(NotFound) as caught:
        why(view_of(story), "train/cat 71.jpg")
    assert caught.value.hint == "did you mean train/cat 17.jpg?"
    with pytest.raises(InvalidInput):
        why(view_of(story), "../x")


# --- words and statistics -------------------------------------------------------------------------


def test_queries_in_words(story: Work) -> None:
    """One line says all that a query asks for."""

    def words(**query: Any) -> str:
        return describe(story.ds.query(**query))

    assert words() == "all examples, up to changeset 5"
    assert words(changesets="3") == "all examples, changeset 3"
    assert words(changesets="1-5", labels=["cat"]) == "label cat, up to changeset 5"
    assert words(labels=["dog", "cat"], percent=".805", changesets="1,3-5") == (
        "label cat or dog, newest 80.5 %, changesets 1, 3-5"
    )
    assert words(
        labels=["dog", "cat"], all_labels=True, exclude=["night"], since="2026-01-01",
        until="2026-02-01", paths=["d/**", "*.jpg"], where=["width>=2", "size<10"], at=2,
    ) == (
        "path *.jpg or d/**, label cat and dog, not label night, since 2026-01-01T00:00:00Z,"
        " until 2026-02-01T00:00:00Z, size<10, width>=2, up to changeset 2"
    )  # fmt: skip


def table_of(instants: list[int]) -> pa.Table:
    kind = pa.timestamp("us", tz="UTC")
    return pa.table({"time": pa.array(instants, pa.int64()).cast(kind), "size": instants})


@pytest.mark.parametrize(
    ("instants", "width", "unit", "labels"),
    [
        ([START], 1, "second", ["2026-01-01 00:00:00"]),
        ([START, START + 2_999_999], 1, "second", [f"2026-01-01 00:00:0{n}" for n in range(3)]),
        ([START, START + 2 * DAY], 6, "hour", None),
        ([START, START + 30 * DAY], 1, "week", ["2025-12-29", "2026-01-05", "2026-01-12",
                                               "2026-01-19", "2026-01-26"]),
        ([START - 1, START + 365 * DAY], 1, "month", None),
        ([-START, START], 10, "year", None),
        ([-62_135_596_800_000_000, 253_402_300_799_999_999], 1000, "year",
         ["0001", *(f"{n}000" for n in range(1, 10))]),
    ],
)  # fmt: skip
def test_bins_of_time(instants: list[int], width: int, unit: str, labels: list[str] | None) -> None:
    """Few bins that people can read, without gaps, that count each example once."""
    found = times(table_of(instants))
    assert found is not None
    assert (found.width, found.unit) == (width, unit)
    assert labels is None or [each.label for each in found.bins] == labels
    assert sum(each.count for each in found.bins) == len(instants)
    assert len(found.bins) <= 16
    assert found.bins[0].start <= min(instants) or found.unit == "year"


@given(st.lists(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999), min_size=1))
def test_each_example_is_in_the_bin_of_its_time(instants: list[int]) -> None:
    """A bin counts what lies between its start and the next one's."""
    found = times(table_of(instants))
    assert found is not None
    ends = [each.start for each in found.bins[1:]] + [1 << 62]
    for each, end in zip(found.bins, ends, strict=True):
        assert each.count == sum(each.start <= instant < end for instant in instants)


def test_sizes_at_a_glance() -> None:
    """Least, lower median, greatest and sum; nothing for no example."""
    found = sizes(table_of([5, 1, 9, 4]))
    assert found is not None
    assert (found.least, found.median, found.greatest, found.total) == (1, 4, 9, 19)
    assert sizes(table_of([])) is None
    assert times(table_of([])) is None


def test_aspects_are_told_apart(work: Work) -> None:
    """Labels, attributes and time are compared one by one."""
    put(work, {p: (b"1", ["x"], 1, 1) for p in ("attributes", "labels", "time", "two")})
    work.ds.commit("one")
    put(work, {"attributes": (b"1", ["x"], 1, 2), "labels": (b"1", ["x", "y"], 1, 1),
               "time": (b"1", ["x"], 2, 1), "two": (b"1", ["y"], 1, 3)})  # fmt: skip
    work.ds.commit("two")
    diff = compare(view_of(work, at=1), view_of(work))
    assert set().union(*diff.aspects()) < set(ASPECTS)
    assert diff.aspects() == [("attributes",), ("labels",), ("time",), ("labels", "attributes")]
    found = {path: (r.text, text) for r in explain(diff.a, diff.b).reasons
             for path, text in r.examples()}  # fmt: skip
    assert found == {
        "attributes": ("attributes changed in changeset 2", "width was 1, is 2"),
        "labels": ("relabelled in changeset 2", "was x, is x, y"),
        "time": (
            "time changed in changeset 2", "was 2026-01-01T00:00:00Z, is 2026-01-02T00:00:00Z",
        ),
        "two": ("relabelled in changeset 2", "was x, is y"),
    }  # fmt: skip
