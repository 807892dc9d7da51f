"""Views put together: by path, with one version for what is the same in another order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from situations import Work

from dsm.errors import DamagedData, DsmError, InvalidInput, NotFound
from dsm.views.filters.members import DEPTH_MAX
from dsm.views.query.view_query import ViewQuery


@pytest.fixture
def zoo(work: Work) -> Work:
    """Twenty examples with labels by what their numbers divide by; two changesets."""
    for at in range(20):
        labels = [name for name, each in (("two", 2), ("three", 3), ("five", 5)) if at % each == 0]
        work.ds.add({f"{at:02}": str(at).encode()}, labels=labels)
    work.ds.commit("twenty")
    work.ds.label(["01"], set=["two"])
    work.ds.remove(["00"], keep_files=True, force=True)
    work.ds.commit("one relabelled, one gone")
    return work


def paths(view: Any) -> set[str]:
    return {example.path for example in view}


def test_sets(zoo: Work) -> None:
    """And, or and minus are those of sets of paths."""
    a, b = zoo.ds.prepare(labels=["two"]), zoo.ds.prepare(labels=["three"])
    assert paths(a & b) == paths(a) & paths(b)
    assert paths(a | b) == paths(a + b) == paths(a) | paths(b)
    assert paths(a - b) == paths(a) - paths(b)
    assert paths(a - (a - b)) == paths(a & b)
    assert len(a - b) == len(paths(a - b))


def test_equal_expressions_have_one_version(zoo: Work) -> None:
    """Order, doubles and brackets make no difference; names and verbs give the same versions."""
    ds = zoo.ds
    a, b, c = (ds.prepare(labels=[n], name=n) for n in ("two", "three", "five"))
    same = [
        [a & b, b & a, a & a & b, a & b & a], [a + b + c, c | (b | a), (c + a) + (b + b)],
        [a - b - c, a - (c + b), a - c - b], [a, a & a, a + a], [a - (b & c), a - (c & b)],
    ]  # fmt: skip
    versions = [{view.version for view in group} for group in same]
    assert [len(found) for found in versions] == [1] * len(same)
    assert len(set.union(*versions)) == len(same)
    assert ds.prepare(view="two", and_="three").version == (a & b).version
    assert ds.prepare(view=a, or_=[b, "five"]).version == (a + b + c).version
    assert ds.prepare(view="two", minus=["five", "three"]).version == (a - b - c).version
    assert ds.prepare(view="two").version == a.version


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    words=st.recursive(
        st.sampled_from(["two", "three", "five"]),
        lambda inner: st.tuples(st.sampled_from(["and", "or", "minus"]), inner, inner),
        max_leaves=6,
    )
)
def test_expressions_against_sets(zoo: Work, words: Any) -> None:
    """Any expression holds what the same expression of sets holds, and survives its document."""

    def view(words: Any) -> Any:
        if isinstance(words, str):
            return zoo.ds.prepare(labels=[words])
        how, one, other = words[0], view(words[1]), view(words[2])
        return one & other if how == "and" else one | other if how == "or" else one - other

    def expected(words: Any) -> set[str]:
        if isinstance(words, str):
            return paths(zoo.ds.prepare(labels=[words]))
        one, other = expected(words[1]), expected(words[2])
        return (
            one & other if words[0] == "and" else one | other if words[0] == "or" else one - other
        )

    found = view(words)
    assert paths(found) == expected(words)
    assert ViewQuery.from_json(found.query.to_json(), "here") == found.query


def test_views_of_several_changesets(zoo: Work) -> None:
    """Each view counts over its own changesets; examples are as the newest of them has them."""
    old, new = zoo.ds.prepare(labels=["two"], at=1), zoo.ds.prepare(labels=["two"])
    assert (old | new).query.at == 2
    assert paths(new - old) == {"01"}
    assert paths(old - new) == set()  # what only the old one has is gone by now
    assert paths(old & new) == paths(old) - {"00"}
    assert paths(zoo.ds.prepare(view=old, minus=new, at=1)) == {"00"}
    assert (old & new).version == (new & old).version


def test_with_filters_and_draws(zoo: Work) -> None:
    """What views take is narrowed by filters, and drawn from."""
    ds = zoo.ds
    a, b = (
        ds.prepare(labels=["two"], name="a"),
        ds.prepare(labels=["three"], percent="50%", name="b"),
    )
    found = ds.prepare(view="a", minus="b", exclude=["five"], sample=3, name="c")
    pool = {e.path for e in a if "five" not in e.labels} - paths(b)
    assert len(found) == 3 and paths(found) < pool
    assert zoo.reopen().prepare(view="c", or_="a").query.at == 2
    assert paths(zoo.repo.view("c")) == paths(found)
    why = a.why("06"), found.why("10")
    assert [check.clause for check in why[1].checks] == ["exclude", "view"]
    reasons = ds.prepare().explain(found).reasons
    assert sum(reason.count for reason in reasons) == len(ds) - 3
    assert {reason.clause for reason in reasons} <= {"view", "exclude", "sample"}


def test_views_outlive_their_operands(zoo: Work) -> None:
    """What is put together needs none of the views that it was made of."""
    from dsm.views.selection.prepared import remove_record

    a, b = zoo.ds.prepare(labels=["two"]), zoo.ds.prepare(labels=["three"])
    both = zoo.ds.prepare(view=a, and_=b, name="both")
    expected = paths(both)
    for view in (a, b):
        remove_record(zoo.repo, "data", view.version)
    zoo.reopen()
    found = zoo.repo.view("both")
    assert paths(found) == expected == {e["path"] for e in found.table().to_pylist()}


def test_nesting_is_bounded(zoo: Work) -> None:
    """Views of views of views end in an error, not in a recursion."""
    view = zoo.ds.prepare(labels=["two"])
    everything = zoo.ds.prepare()
    with pytest.raises(InvalidInput, match=f"more than {DEPTH_MAX} deep"):
        for _ in range(2 * DEPTH_MAX):
            view = zoo.ds.prepare(view=everything, minus=view, percent="90%")


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"view": "nobody"}, NotFound, "no view 'nobody'"),
        ({"and_": "a"}, InvalidInput, "with a first one"),
        ({"minus": ["a"]}, InvalidInput, "with a first one"),
    ],
)
def test_what_makes_no_sense(
    zoo: Work, asked: dict[str, Any], error: type[DsmError], message: str
) -> None:
    """Each is refused in one line."""
    zoo.ds.prepare(labels=["two"], name="a")
    with pytest.raises(error, match=message):
        zoo.ds.query(**asked)


def test_views_of_other_datasets_are_refused(zoo: Work) -> None:
    """Paths of two datasets have nothing to do with each other."""
    other = zoo.repo.create_dataset("other")
    other.add({"02": b"2"})
    other.commit("one")
    with pytest.raises(InvalidInput, match="two datasets"):
        _ = zoo.ds.prepare() & other.prepare()


@pytest.mark.parametrize(
    "views",
    [{}, {"all": []}, {"any": [1]}, {"not": {"not": {}}}, {"view": {}}, {"view": 3}, [], {"x": 1}],
)
def test_expressions_that_are_spelt_otherwise_are_refused(zoo: Work, views: Any) -> None:
    """A query that dsm would not have written is damaged, not guessed at."""
    with pytest.raises(DamagedData, match="here is not a view's query"):
        ViewQuery.from_json(zoo.ds.query().to_json() | {"views": views}, "here")
    a, b = zoo.ds.prepare(labels=["two"]), zoo.ds.prepare(labels=["three"])
    fields = (a & b).query.to_json()
    for broken in (fields["views"]["all"][::-1], fields["views"]["all"][:1]):
        with pytest.raises(DamagedData, match="here is not a view's query: its views are"):
            ViewQuery.from_json(fields | {"views": {"all": broken}}, "here")
