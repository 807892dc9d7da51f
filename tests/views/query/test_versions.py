"""Versions: one for every way to ask the same, different ones for different questions, O(1)."""

from __future__ import annotations

import builtins
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from situations import Work

from dsm.errors import InvalidInput, NotFound
from dsm.model.timespec import format_time
from dsm.views.filters.conditions import decimal_text, parse_condition
from dsm.views.filters.times import TimeFilter
from dsm.views.query.view_query import ViewQuery

TYPES = {"width": "int", "score": "float", "camera": "string", "day": "bool", "a b": "int"}


@pytest.fixture
def five(work: Work) -> Work:
    """Five changesets; the third has the tag `v3`; attributes of every type."""
    rows = "path,width,score,camera,day\nf1,1,0.5,left,true\n"
    (work.root.parent / "labels.csv").write_text(rows)
    for number in range(1, 6):
        work.write({f"f{number}": str(number)})
        work.ds.add(["."], labels=["cat", "dog"], label_file="../labels.csv")
        work.ds.commit(f"changeset {number}")
    work.ds.tag("v3", 3)
    return work


SAME: list[list[dict[str, Any]]] = [
    [{}, {"at": 5}, {"at": "head"}, {"changesets": "1-5"}, {"changesets": "5,1-4,2"},
     {"changesets": [1, 2, 3, 4, 5]}, {"percent": 1}, {"percent": "100%"}, {"percent": 1.0},
     {"percent": "1.000"}, {"labels": []}, {"where": ()}, {"since": "0001-01-01"}],
    [{"at": 3}, {"at": "v3"}, {"at": "head~2"}, {"changesets": "1-3"}, {"changesets": "1,2,3"}],
    [{"changesets": "1,3-5"}, {"changesets": "3-5,1"}, {"changesets": [5, 4, 3, 1, 1]},
     {"changesets": " 3 - 4 , 5,1 "}, {"changesets": ["3-5", 1]}],
    [{"labels": ["cat"]}, {"labels": ["cat", "cat"]}, {"labels": " cat "}, {"labels": ("cat",)},
     {"labels": ["cat"], "all_labels": True}],
    [{"labels": ["dog", "cat"]}, {"labels": ["cat", "dog"]}],
    [{"labels": ["dog", "cat"], "all_labels": True}],
    [{"exclude": ["nobody", "has"]}, {"exclude": ["has", "nobody", "has"]}],
    [{"percent": "0.80"}, {"percent": "80%"}, {"percent": ".8"}, {"percent": 0.8},
     {"percent": "8e-1"}, {"percent": "80.0 %"}],
    [{"percent": "0.1"}, {"percent": 0.1}, {"percent": "10%"}],
    [{"since": "2020-01-01"}, {"since": "2020-01-01T00:00:00Z"}, {"since": "2020"},
     {"since": "2020-01-01T05:30:00+05:30"}, {"since": "2019-12-31T23:00:00-01:00"},
     {"since": date(2020, 1, 1)}, {"since": datetime(2020, 1, 1)},
     {"since": datetime(2020, 1, 1, tzinfo=UTC)}, {"since": 1_577_836_800_000_000},
     {"since": datetime(2020, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))}],
    [{"until": "2100-01-01"}, {"until": "2100-01-01T00:00:00.000000Z"}],
    [{"paths": ["f*"]}, {"paths": "f*"}, {"paths": ["f*/"]}, {"paths": ["./f*", "f*"]},
     {"paths": ["././f*"]}, {"paths": [" .// ./ f* // / "]}],
    [{"where": ["width>=1"]}, {"where": "width >= 1.0"}, {"where": ["width>=01", "width >=1"]},
     {"where": ["width>=1e0"]}],
    [{"where": ["camera=left"]}, {"where": ["camera == left"]}, {"where": ["camera in left"]},
     {"where": ['camera="left"']}, {"where": ["camera in (left, left)"]}],
    [{"where": ["camera in left,right"]}, {"where": ["camera in right,left,"]},
     {"where": ["camera in [ right , left ]"]}],
    [{"where": ["day=true"]}, {"where": ["day = TRUE"]}, {"where": ["day=yes"]},
     {"where": ["day=1"]}],
    [{"where": ["width>0", "score<1"]}, {"where": ["score<1", "width>0"]}],
    [{"where": ["size>0"]}],
]  # fmt: skip


@pytest.fixture
def versions(five: Work) -> list[list[str]]:
    return [[five.ds.query(**asked).version for asked in group] for group in SAME]


def test_equal_questions_have_one_version(versions: list[list[str]]) -> None:
    """However a question is written, its version is the same."""
    assert [len(set(group)) for group in versions] == [1] * len(SAME)


def test_different_questions_have_different_versions(versions: list[list[str]]) -> None:
    """No two questions share a version."""
    assert len({version for group in versions for version in group}) == len(SAME)


def test_a_version_reads_no_data(five: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Naming a view opens headers of changesets, never a manifest or a pack."""
    opened: list[str] = []
    real = builtins.open

    def spy(path: Any, *args: Any, **kwargs: Any) -> Any:
        opened.append(str(path))
        return real(path, *args, **kwargs)

    five.reopen()
    monkeypatch.setattr(builtins, "open", spy)
    ds = five.ds
    version = ds.query(labels=["cat"], percent=0.8, where=["width>=1"], changesets="2-4").version
    assert len(version) == 64
    touched = [path for path in opened if "manifests" in path or "packs" in path]
    assert touched == []
    assert "snapshots" not in vars(ds)


def test_later_changesets_change_nothing(five: Work) -> None:
    """The version of a snapshot is the same whatever is committed after it."""
    before = five.ds.query(at=4, labels=["cat"]).version
    five.commit("six", f6="6")
    assert five.ds.query(at=4, labels=["cat"]).version == before
    assert five.ds.query(labels=["cat"]).version != before


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"at": 9}, NotFound, "no changeset 9"),
        ({"at": "nobody"}, NotFound, "no changeset or tag"),
        ({"changesets": "4-9"}, NotFound, "no changeset 9"),
        ({"changesets": "0-2"}, NotFound, "no changeset 0"),
        ({"changesets": "5-4"}, InvalidInput, "backwards"),
        ({"changesets": ""}, InvalidInput, "is no changeset"),
        ({"changesets": []}, InvalidInput, "no changeset is listed"),
        ({"changesets": "1;3"}, InvalidInput, "is no changeset"),
        ({"changesets": "1", "at": 1}, InvalidInput, "not both"),
        ({"percent": 0}, InvalidInput, "not a share"),
        ({"percent": "-10%"}, InvalidInput, "not a share"),
        ({"percent": 1.01}, InvalidInput, "not a share"),
        ({"percent": "80"}, InvalidInput, "not a share"),
        ({"percent": "101%"}, InvalidInput, "not a share"),
        ({"percent": "nan"}, InvalidInput, "not a share"),
        ({"percent": "1e-999999999"}, InvalidInput, "not a share"),
        ({"percent": float("inf")}, InvalidInput, "not a share"),
        ({"percent": ""}, InvalidInput, "not a share"),
        ({"since": "tomorrow-ish"}, InvalidInput, "not a time"),
        ({"since": "2020-02-30"}, InvalidInput, "no such day"),
        ({"since": 2.5}, InvalidInput, "not a time"),
        ({"since": "2021", "until": "2020"}, InvalidInput, "no time is at or after"),
        ({"since": "2021", "until": "2021"}, InvalidInput, "no time is at or after"),
        ({"all_labels": True}, InvalidInput, "all of which labels"),
        ({"labels": [""]}, InvalidInput, "a label is empty"),
        ({"paths": [""]}, InvalidInput, "no path"),
        ({"paths": ["/f1"]}, InvalidInput, "no path"),
        ({"where": ["height>1"]}, NotFound, "no example has an attribute 'height'"),
        ({"where": ["width"]}, InvalidInput, "not a condition"),
        ({"where": ["width>"]}, InvalidInput, "compares with nothing"),
        ({"where": ["camera in "]}, InvalidInput, "compares with nothing"),
        ({"where": ["width>wide"]}, InvalidInput, "not a number"),
        ({"where": ["width>1e9999"]}, InvalidInput, "not a number"),
        ({"where": ["day>true"]}, InvalidInput, "true or false"),
        ({"where": ["day=perhaps"]}, InvalidInput, "neither true nor false"),
        ({"where": [""]}, InvalidInput, "not a condition"),
        ({"where": ['camera in "left']}, InvalidInput, "a quote is open"),
    ],
)  # fmt: skip
def test_questions_that_make_no_sense(
    five: Work, asked: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Each is refused in one line that says what is wrong."""
    with pytest.raises(error, match=message):
        five.ds.query(**asked)


def test_near_matches(five: Work) -> None:
    """A misspelt attribute or label is answered with the one that was meant."""
    with pytest.raises(NotFound, match="no example has an attribute 'widht'") as caught:
        five.ds.query(where=["widht>=1"])
    assert caught.value.hint == "did you mean width?"
    with pytest.raises(NotFound, match="no example of changeset 5 has the label") as caught:
        five.ds.prepare(labels=["cta"])
    assert caught.value.hint == "did you mean cat?"


@pytest.mark.parametrize(
    ("text", "attribute", "op", "values"),
    [
        ("width>=512", "width", ">=", ("512",)),
        (" width  !=  -0.50 ", "width", "!=", ("-0.5",)),
        ("score<.5", "score", "<", ("0.5",)),
        ("camera=a=b", "camera", "=", ("a=b",)),
        ("camera=", "camera", "=", ("",)),
        ('camera="in, out"', "camera", "=", ("in, out",)),
        ('camera in "a,b", c', "camera", "in", ("a,b", "c")),
        ('camera in left, ""', "camera", "in", ("", "left")),
        ('camera in ("", left,)', "camera", "in", ("", "left")),
        ("camera in left,", "camera", "=", ("left",)),
        (r'camera="say \"hi\""', "camera", "=", ('say "hi"',)),
        ('"a b">3', "a b", ">", ("3",)),
        ("a b > 3", "a b", ">", ("3",)),
        ("size<=1e3", "size", "<=", ("1000",)),
        ("camera=猫", "camera", "=", ("猫",)),
    ],
)
def test_conditions_as_they_are_typed(
    text: str, attribute: str, op: str, values: tuple[str, ...]
) -> None:
    """Blanks, quotes, operators in values and Unicode are read as one would expect."""
    found = parse_condition(text, TYPES)
    assert (found.attribute, found.op, found.values) == (attribute, op, values)


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("0", "0"), ("-0", "0"), ("+1", "1"), ("007", "7"), ("1.", "1"), (".50", "0.5"),
        ("1e3", "1000"), ("1.5E-3", "0.0015"), ("-12.3400", "-12.34"), ("0.0000", "0"),
        ("123456789012345678901234567890.5", "123456789012345678901234567890.5"),
    ],
)  # fmt: skip
def test_one_spelling_of_a_number(text: str, spelt: str) -> None:
    """Exact decimals have one spelling, and digits are never lost."""
    assert decimal_text(text) == spelt


def test_a_query_survives_its_document(five: Work) -> None:
    """What is hashed can be read back, for every kind of question."""
    for group in SAME:
        query = five.ds.query(**group[0])
        assert ViewQuery.from_json(query.to_json(), "here") == query


def test_times_are_shown_as_they_are_hashed(five: Work) -> None:
    """A relative time is resolved once, when it is asked."""
    query = five.ds.query(since="7d")
    (asked,) = query.filters
    assert isinstance(asked, TimeFilter) and asked.since is not None
    assert query.to_json()["since"] == format_time(asked.since)


def test_numbers_against_text(work: Work) -> None:
    """An order of numbers on a text attribute is refused and names the example that made it text."""
    table = work.root.parent / "ages.csv"
    table.write_text("path,age,zip\na,25,01\nb,over 9,02\nc,101,03\n")
    work.ds.add({"a": b"1", "b": b"2", "c": b"3"}, label_file=str(table))
    work.ds.commit("ages")
    for op in ("<", "<=", ">", ">="):
        with pytest.raises(InvalidInput, match=r"text in this dataset: 'b' has 'over 9'") as caught:
            work.ds.query(where=[f"age {op} 18"])
        assert caught.value.code == "number-against-text"
    with pytest.raises(InvalidInput, match=r"text in this dataset\n"):
        work.ds.query(where=["zip>=2"])
    assert [e.path for e in work.ds.prepare(where=['zip>="02"'])] == ["b", "c"]
    assert [e.path for e in work.ds.prepare(where=["age=25"])] == ["a"]
    assert [e.path for e in work.ds.prepare(where=["age>=over"])] == ["b"]
