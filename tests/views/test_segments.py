"""Segments: filters with a name, with the version of the filter written out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from situations import Work

from dsm.errors import AlreadyExists, DamagedData, DsmError, InvalidInput, NotFound
from dsm.format import document
from dsm.maintenance.fsck import fsck
from dsm.views.query.describe import describe


@pytest.fixture
def streets(work: Work) -> Work:
    """Two changesets of pictures by day and night, in the city and elsewhere."""
    for number in range(2):
        rows = ["path,label,light,place,width"]
        for at in range(12):
            name = f"{number}-{at:02}.jpg"
            work.write({name: f"{number} {at}"})
            light, place = "night" if at % 3 == 0 else "day", "city" if at % 2 else "field"
            rows.append(f"{name},{'car' if at % 4 else 'bus'},{light},{place},{at * 100}")
        table = work.root.parent / f"labels{number}.csv"
        table.write_text("\n".join(rows) + "\n")
        work.ds.add(["."], label_file=str(table))
        work.ds.commit(f"changeset {number + 1}")
    return work


WRITTEN_OUT: list[tuple[list[dict[str, Any]], dict[str, Any]]] = [
    ([{"where": ["light=night"]}], {"where": ["light=night"]}),
    ([{"where": ["light=night"]}, {"where": ["width>=300"]}], {"where": ["width>=300", "light=night"]}),
    ([{"labels": ["car"]}, {"exclude": ["bus"]}], {"labels": ["car"], "exclude": ["bus"]}),
    ([{"labels": ["car"]}, {"labels": ["bus"]}], {"labels": ["car", "bus"], "all_labels": True}),
    ([{"labels": ["car", "bus"]}, {"labels": ["bus", "car"]}], {"labels": ["car", "bus"]}),
    ([{"since": "2020"}, {"since": "2021", "until": "2030"}], {"since": "2021", "until": "2030"}),
    ([{"exclude": ["a"]}, {"exclude": ["b"]}], {"exclude": ["b", "a"]}),
    ([{"paths": ["0-*"]}], {"paths": "0-*"}),
    ([{"paths": ["0-*", "1-*"]}, {"paths": ["0-*"]}], {"paths": "0-*"}),
    ([{"labels": ["car", "bus", "x"]}, {"labels": ["bus", "car"]}], {"labels": ["car", "bus"]}),
    ([{"labels": ["car"]}, {"labels": ["bus", "car"]}], {"labels": ["car"]}),
    ([{"labels": ["x", "bus"], "all_labels": True}, {"labels": ["bus", "car"]}], {"labels": ["bus", "x"], "all_labels": True}),
]  # fmt: skip


@pytest.mark.parametrize(("made", "asked"), WRITTEN_OUT, ids=str)
def test_a_segment_is_its_filter(
    streets: Work, made: list[dict[str, Any]], asked: dict[str, Any]
) -> None:
    """The question with names has the version of the question with filters, in any order."""
    names = [f"s{at}" for at in range(len(made))]
    for name, filters in zip(names, made, strict=True):
        streets.ds.segments.create(name, **filters)
    expected = streets.ds.query(**asked).version
    assert streets.ds.query(segment=names).version == expected
    assert streets.ds.query(segment=names[::-1]).version == expected
    assert streets.ds.query(segment=names[:1], **asked).version == expected
    streets.ds.segments.create("together", segment=names)
    assert streets.ds.query(segment="together").version == expected


def test_two_lists_are_two_views(streets: Work) -> None:
    """Lists that no one list can say have the version of the two views put together."""
    ds = streets.ds
    ds.label(["0-00.jpg", "0-01.jpg", "1-00.jpg"], add=["old"])
    ds.commit("three are old")
    lists: dict[str, dict[str, Any]] = {
        "labels-one": {"labels": ["car", "old"]}, "labels-other": {"labels": ["bus", "old"]},
        "paths-one": {"paths": ["0-*", "1-00*"]}, "paths-other": {"paths": ["*-00*", "*-01*"]},
    }  # fmt: skip
    for name, asked in lists.items():
        ds.segments.create(name, **asked)
    every = [*lists]
    for names in (every[:2], every[2:], every):
        views = [ds.prepare(**lists[name]) for name in names]
        found = ds.prepare(segment=names)
        assert found.version == ds.prepare(view=views[0], and_=views[1:]).version
        assert found.version == ds.query(segment=names[::-1]).version
        expected = set.intersection(*({example.path for example in view} for view in views))
        assert expected == {example.path for example in found}
    beside = ds.prepare(segment=every[:2], where=["light=night"])
    assert {example.path for example in beside} == {"0-00.jpg", "1-00.jpg"}
    assert (
        ds.query(labels=["car", "old"], segment="labels-other").version
        == ds.query(segment=every[:2]).version
    )
    both = "(label bus or old) and (label car or old)"
    assert describe(beside.query) == f"light=night, {both}, up to changeset 3"
    assert not beside.why("0-02.jpg").selected
    assert beside.why("0-00.jpg").selected
    ds.segments.create("misspelt", labels=["cat", "bus"])
    with pytest.raises(NotFound, match="no example of changeset 3 has the label 'cat'"):
        ds.prepare(segment=["labels-one", "misspelt"])


def test_a_view_outlives_its_segment(streets: Work) -> None:
    """A segment can go and come back as another one; views that were made stay what they are."""
    ds = streets.ds
    ds.segments.create("night", where=["light=night"])
    view = ds.segments.get("night").view(labels=["car"])
    paths = [example.path for example in view]
    ds.segments.remove("night")
    ds.segments.create("night", where=["light=day"])
    assert [example.path for example in streets.repo.view(view.version)] == paths
    assert ds.prepare(segment="night", labels=["car"]).version != view.version


def test_figures(streets: Work) -> None:
    """Examples, bytes, labels, values and growth are those of the view."""
    ds = streets.ds
    ds.segments.create("night", where=["light=night"])
    ds.segments.create("nothing", where=["width>9000"])
    (night, nothing) = ds.segments.stats(by="place")
    view = ds.prepare(segment="night")
    assert (night.examples, night.size, night.labels) == (len(view), view.size, view.labels)
    assert (night.of, night.number) == (24, 2)
    assert night.growth == ((1, 4), (2, 8))
    assert night.values == {"city": 4, "field": 4}
    assert (nothing.examples, nothing.times, nothing.labels, nothing.values) == (0, None, {}, {})
    assert ds.segments.stats(["night"], at=1)[0].examples == 4
    assert ds.segments.stats(["night"], by="label")[0].values == view.labels


def test_coverage(streets: Work) -> None:
    """What is in no segment and in several is counted, pair by pair."""
    ds = streets.ds
    ds.segments.create("night", where=["light=night"])
    ds.segments.create("city", where=["place=city"])
    ds.segments.create("wide", where=["width>=600"])
    found = ds.segments.coverage()
    masks = {
        name: {example.path for example in ds.prepare(segment=name)}
        for name in ("city", "night", "wide")
    }
    everything = {example.path for example in ds.ls()}
    times = {path: sum(path in mask for mask in masks.values()) for path in everything}
    assert found.none == sum(count == 0 for count in times.values())
    assert found.several == sum(count > 1 for count in times.values())
    assert {(one, two): count for one, two, count in found.overlaps} == {
        (one, two): len(masks[one] & masks[two])
        for one, two in (("city", "night"), ("city", "wide"), ("night", "wide"))
    }


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({}, InvalidInput, "needs a filter"),
        ({"where": ["lihgt=night"]}, NotFound, "no example has an attribute"),
        ({"segment": "nobody"}, NotFound, "no segment 'nobody'"),
        ({"split": "nobody:train"}, NotFound, "no split 'nobody'"),
        ({"since": "2021", "until": "2020"}, InvalidInput, "no time"),
        ({"segment": "many", "labels": ["car", "x"]}, InvalidInput, "no one filter says"),
        ({"segment": "late", "until": "2020"}, InvalidInput, "no time"),
    ],
)  # fmt: skip
def test_segments_that_make_no_sense(
    streets: Work, asked: dict[str, Any], error: type[DsmError], message: str
) -> None:
    """Each is refused in one line, and nothing is left."""
    streets.ds.segments.create("many", labels=["car", "bus"])
    streets.ds.segments.create("late", since="2021")
    with pytest.raises(error, match=message):
        streets.ds.segments.create("s", **asked)
    assert [each.name for each in streets.ds.segments] == ["late", "many"]


def test_names(streets: Work) -> None:
    """A segment is renamed, never overwritten, and found by near matches."""
    segments = streets.ds.segments
    segments.create("night", where=["light=night"], description="why")
    made = segments.get("night").definition
    with pytest.raises(AlreadyExists, match="never changes"):
        segments.create("night", labels=["car"])
    renamed = segments.rename("night", "dark")
    assert [each.name for each in segments] == ["dark"]
    assert (renamed.definition.author, renamed.definition.time) == (made.author, made.time)
    assert renamed.definition.message == "why"
    segments.create("night", labels=["car"])
    with pytest.raises(AlreadyExists, match="already, and it never changes"):
        segments.rename("night", "dark")
    with pytest.raises(NotFound) as caught:
        segments.get("drak")
    assert caught.value.hint == "did you mean dark?"


def test_a_damaged_segment_is_found(streets: Work) -> None:
    """A segment that is not spelt as dsm spells it is refused, and fsck tells of it."""
    streets.ds.segments.create("s", labels=["car", "bus"])
    assert (fsck(streets.repo).findings, fsck(streets.repo).strays) == ((), ())
    path = Path(streets.repo.layout.definitions("data", "segment")) / "s.json"
    fields = document.decode(path.read_bytes(), "s")
    for broken in ({}, {"labels": {"any": ["car", "bus"]}}, {"new": 1}, {"labels": 7}, []):
        path.unlink()
        path.write_bytes(document.encode({**fields, "definition": broken}))
        with pytest.raises(
            DamagedData,
            match="asks for something that this dsm|does not define a segment: a list|does not define a segment",
        ):
            streets.ds.prepare(segment="s")
        assert [finding.kind for finding in fsck(streets.repo).findings] == ["document"]
