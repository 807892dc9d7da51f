"""Sweeps and ablations: whole experiments of prepared views, one version each."""

from __future__ import annotations

from typing import Any

import pytest
from situations import Work

from dsm.errors import DsmError, InvalidInput, NotFound
from dsm.views import series


@pytest.fixture
def zoo(work: Work) -> Work:
    """Three changesets: six cats, six dogs (one a cat as well), and one that nothing was put in."""
    work.ds.add({f"cat/{at}": b"c%d" % at for at in range(6)}, labels=["cat"])
    work.ds.commit("cats")
    work.ds.add({f"dog/{at}": b"d%d" % at for at in range(5)}, labels=["dog"])
    work.ds.add({"dog/cat": b"both"}, labels=["dog", "cat"])
    work.ds.commit("dogs")
    work.ds.commit("nothing", allow_empty=True)
    return work


def paths(view: Any) -> set[str]:
    return {example.path for example in view}


def test_a_sweep_is_the_same_question_with_other_shares(zoo: Work) -> None:
    """Each version is the one that prepare gives; larger shares hold the smaller ones."""
    whole = zoo.ds.prepare(labels=["cat"], percent="50%", name="cats")
    steps = zoo.repo.sweep("cats", newest=["20%", 0.5, "100%"])
    asked = [zoo.ds.query(labels=["cat"], percent=share).version for share in ("20%", "50%", "1")]
    assert [step.view and step.view.version for step in steps] == asked
    assert asked[1] == whole.version
    assert [step.what for step in steps] == ["20%", "0.5", "100%"]
    drawn = [step.view for step in zoo.repo.sweep(whole, sample=[1, "50%", 4])]
    taken = [paths(view) for view in drawn]
    assert [len(each) for each in taken] == [1, 2, 4]
    assert taken[0] < taken[1] < taken[2]
    assert {step.view.version for step in steps if step.view} <= {
        view.version for view in zoo.repo.views()
    }


def test_without_each_changeset(zoo: Work) -> None:
    """It is as if the changeset had not been made, the newest one among them."""
    whole = zoo.ds.prepare(percent="50%")
    first, second, third = zoo.repo.ablate(whole, "changeset")
    asked: list[dict[str, Any]] = [{"changesets": "2,3"}, {"changesets": "1,3"}, {"at": 2}]
    for step, keywords in zip((first, second, third), asked, strict=True):
        assert step.view is not None
        assert step.view.version == zoo.ds.query(percent="50%", **keywords).version
    assert [step.same for step in (first, second, third)] == [False, False, True]
    assert second.view is not None
    assert {path.split("/")[0] for path in paths(second.view)} == {"cat"}
    (only,) = zoo.repo.ablate(zoo.ds.prepare(changesets="2"), "changeset")
    assert (only.what, only.view) == ("2", None)


def test_without_each_label_and_segment(zoo: Work) -> None:
    """What is left are the examples of the view that do not have it."""
    zoo.ds.segments.create("even", paths=["*/0", "*/2", "*/4"])
    zoo.ds.segments.create("nothing", paths=["nowhere"])
    whole = zoo.ds.prepare(exclude=["bird"], sample=8, name="some")
    cat, dog = zoo.repo.ablate("some", "label")
    assert (cat.what, dog.what) == ("cat", "dog")
    for step in (cat, dog):
        assert step.view is not None
        assert paths(step.view) == {e.path for e in whole if step.what not in e.labels}
        spelt = zoo.ds.query(view=whole, minus=zoo.ds.prepare(labels=[step.what]))
        assert step.view.version == spelt.version
    even, nothing = zoo.repo.ablate("some", "segment")
    assert even.view is not None
    assert paths(even.view) == {path for path in paths(whole) if path[-1] not in "024"}
    assert (nothing.what, nothing.same) == ("nothing", True)
    cats = zoo.ds.prepare(labels=["cat"])
    assert [(s.what, s.view is None) for s in zoo.repo.ablate(cats, "label")] == [
        ("cat", True), ("dog", False),
    ]  # fmt: skip
    inner = zoo.repo.ablate(whole - zoo.ds.prepare(labels=["dog"]), "label")
    assert [step.what for step in inner] == ["cat"]


BAD: list[tuple[str, dict[str, Any], type[DsmError], str]] = [
    ("sweep", {}, InvalidInput, "over newest shares or over samples"),
    ("sweep", {"newest": ["1%"], "sample": [1]}, InvalidInput, "over newest shares or over"),
    ("sweep", {"newest": ["200%"]}, InvalidInput, "'200%' is not a share of the examples"),
    ("sweep", {"sample": ["many"]}, InvalidInput, "many"),
    ("ablate", {"drop": "colour"}, InvalidInput, "'colour' is nothing to drop"),
]


@pytest.mark.parametrize(("verb", "asked", "error", "message"), BAD)
def test_series_that_make_no_sense(
    zoo: Work, verb: str, asked: dict[str, Any], error: type[DsmError], message: str
) -> None:
    """Each ends in one error, and nothing is prepared."""
    view = zoo.ds.prepare(name="all")
    with pytest.raises(error, match=message):
        getattr(zoo.repo, verb)("all", **asked)
    with pytest.raises(NotFound, match="'oll'"):
        getattr(zoo.repo, verb)("oll", **(asked if verb == "ablate" else {"newest": ["1%"]}))
    assert [each.version for each in zoo.repo.views()] == [view.version]


def test_what_has_no_changesets_of_its_own_and_too_much(
    zoo: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Views of views have the changesets of those; a series is bounded before it begins."""
    whole = zoo.ds.prepare()
    apart = whole - zoo.ds.prepare(labels=["dog"])
    with pytest.raises(InvalidInput, match="put together of others"):
        zoo.repo.ablate(apart, "changeset")
    before = len(zoo.repo.views())
    monkeypatch.setattr(series, "VIEWS_MAX", 2)
    with pytest.raises(InvalidInput, match="more than 2 views"):
        zoo.repo.ablate(whole, "changeset")
    assert len(zoo.repo.views()) == before
