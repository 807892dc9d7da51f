"""Views by trailers: what changesets with a ticket, an annotator or another mark last put."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from situations import Work

from dsm.errors import AnswerIsNo, DamagedData
from dsm.format import document
from dsm.views.comparison.explain import explain
from dsm.views.comparison.why import why
from dsm.views.query.describe import describe
from dsm.views.query.view_query import ViewQuery


@pytest.fixture
def three(work: Work) -> Work:
    """Three changesets; the second puts one example of the first again."""
    ds = work.ds
    ds.add({"a": b"1", "b": b"2"})
    ds.commit("first", trailers=["ticket=A-17", "annotator=ada"])
    ds.add({"b": b"3", "c": b"4"})
    ds.commit("second", trailers={"ticket": ["A-18", "A-19"]})
    ds.add({"d": b"5"})
    ds.commit("third")
    return work


def paths(work: Work, **asked: Any) -> list[str]:
    return [example.path for example in work.ds.prepare(**asked)]


def test_examples_by_the_trailers_of_their_changeset(three: Work) -> None:
    """An example belongs to the changeset that last put it, and all conditions hold."""
    assert paths(three, changeset_where=["ticket=A-17"]) == ["a"]
    assert paths(three, changeset_where="ticket=A-17", at=1) == ["a", "b"]
    assert paths(three, changeset_where=["ticket=A-19"]) == ["b", "c"]
    assert paths(three, changeset_where=["ticket!=A-18"]) == ["a", "d"]
    assert paths(three, changeset_where=["ticket in A-17,A-18"]) == ["a", "b", "c"]
    assert paths(
        three, changeset_where=["ticket=A-18", "ticket=A-19"], paths=["b"], changesets="2"
    ) == ["b"]
    with pytest.raises(AnswerIsNo) as caught:
        three.ds.prepare(changeset_where=["ticket=A-17", "annotator=bob"])
    assert caught.value.hint == (
        "matches per filter alone: its changeset has annotator=bob 0; its changeset has ticket=A-17 1"
    )


def test_it_is_part_of_the_question(three: Work) -> None:
    """The order of conditions makes no difference to the version; the condition itself does."""
    ds = three.ds
    one = ds.prepare(changeset_where=["ticket=A-17", "annotator=ada"])
    assert one.version == ds.prepare(changeset_where=["annotator=ada", "Ticket=A-17"]).version
    assert one.version != ds.prepare(changeset_where=["ticket=A-17"]).version
    asked = one.query.to_json()
    assert asked["changeset_where"] == [
        {"key": "annotator", "op": "=", "values": ["ada"]},
        {"key": "ticket", "op": "=", "values": ["A-17"]},
    ]
    assert ViewQuery.from_json(asked, "here") == one.query
    assert describe(one.query) == (
        "changeset annotator=ada, changeset ticket=A-17, up to changeset 3"
    )
    for bad in ([], asked["changeset_where"][::-1], [{"key": "K", "op": "=", "values": ["v"]}], 7):
        with pytest.raises(
            DamagedData,
            match="here asks for something that this|here is not a view's query: a|int' object is not iterable",
        ):
            ViewQuery.from_json({**asked, "changeset_where": bad}, "here")


def test_version_of_a_question_by_trailers(golden: Callable[[str, str], None]) -> None:
    """Its published version never changes, and what was asked before has the version it had."""
    fields = {
        "format": 1, "kind": "view", "dataset": "00112233445566778899aabbccddeeff",
        "at": {"changeset": "0123456789abcdef" * 4, "number": 12},
        "changeset_where": [
            {"key": "annotator", "op": "=", "values": ["ada", "猫"]},
            {"key": "ticket", "op": "!=", "values": ["A-17"]},
        ],
    }  # fmt: skip
    query = ViewQuery.from_json(fields, "here")
    plain = replace(query, filters=())
    golden(
        "views/version-trailers-v1.txt",
        "".join(
            f"{q.version}  {document.canonical(q.to_json()).decode()}\n" for q in (query, plain)
        ),
    )


def test_why_and_explain_tell_it(three: Work) -> None:
    """An example that another changeset put is left out by this clause."""
    view = three.ds.prepare(changeset_where=["ticket=A-17"])
    checks = [(check.clause, check.passed) for check in why(view, "b").checks]
    assert checks == [("changeset-where", False)]
    reasons = explain(three.ds.prepare(), view).reasons
    assert [(reason.change, reason.text, reason.count) for reason in reasons] == [
        ("dropped", "B asks that its changeset has ticket=A-17", 3)
    ]


def test_the_log_by_trailers(three: Work) -> None:
    """`log` takes the same conditions, beside the others."""
    ds = three.ds
    assert [each.number for each in ds.log(where=["ticket=A-17"])] == [1]
    assert [each.number for each in ds.log(where="ticket!=A-18")] == [3, 1]
    assert list(ds.log(where=["ticket=A-17", "annotator=bob"])) == []
    assert [each.number for each in ds.log(where=["ticket=A-18"], grep="second")] == [2]
