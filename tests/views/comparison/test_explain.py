"""Why views differ: each example has one reason, and the reason is true."""

from __future__ import annotations

from typing import Any

import pytest
from situations import Work
from views.stories import Row, put, view_of

from dsm.errors import InvalidInput, NotFound
from dsm.views.comparison.differences import ASPECTS, compare
from dsm.views.comparison.explain import Explanation, explain
from dsm.views.comparison.why import why
from dsm.views.query.describe import describe

DAY = 86_400_000_000
START = 1_767_225_600_000_000  # 2026-01-01


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
    with pytest.raises(InvalidInput, match="views are of two datasets, data and other"):
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
             ("b", "time 2026-01-02T00:00:00Z, that of the cut-off: the path's hash decides")],
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


# --- one example ----------------------------------------------------------------------------------


def test_why_tells_the_rank(story: Work) -> None:
    """The rank by time, how many are kept, and where the cut-off lies."""
    view = view_of(story, labels=["cat"], percent="0.5")
    assert str(why(view, "a").rank) == (
        "rank 5 of 5 by time and hash of path; the newest 50 % keeps 3; cut-off 2026-01-05T00:00:00Z"
    )
    assert [why(view, path).selected for path in "abcdefg"] == [
        False, False, False, False, True, True, True,
    ]  # fmt: skip


def test_why_of_an_unknown_path(story: Work) -> None:
    """No changeset ever held it: not found, with a near match."""
    put(story, {"train/cat 17.jpg": (b"17", ["cat"], 1, None)})
    story.ds.commit("six")
    with pytest.raises(NotFound, match=r"of data has an example train/cat 71\.jpg") as caught:
        why(view_of(story), "train/cat 71.jpg")
    assert caught.value.hint == "did you mean train/cat 17.jpg?"
    with pytest.raises(InvalidInput, match=r"the path '\.\./x' has the component '\.\.'"):
        why(view_of(story), "../x")


# --- words -----------------------------------------------------------------------------------------


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
