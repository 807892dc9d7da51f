"""The schema of a dataset, classes and outliers, and how one contract differs from another."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from situations import Work

from dsm.checks.contract import BadContract, read_contract
from dsm.checks.schema_diff import compared
from dsm.errors import NotFound

SCHEMA = """\
[dataset.data.schema]
media-types = ["text/plain"]
extensions = [".txt"]
classes = ["cat", "dog"]
labels = { max = 2, severity = "warning" }
size = { max = "1 kB" }
attributes.width = { type = "int", min = 1, required = true }
on = "commit"
reason = "so it is"
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Twelve examples with a number each, which fit the schema."""
    work = Work(tmp_path_factory.mktemp("schema"))
    ds = work.ds
    for n in range(12):
        ds.add({f"{n}.txt": b"text %d" % n}, labels=[("cat", "dog")[n % 2]])
        ds.label([f"{n}.txt"], attributes={"width": 10 + n})
    ds.commit("sound")
    ds.set_target("labels", ["cat", "dog"])
    work.path("dsm.toml").write_text(SCHEMA)
    return work


def broken(work: Work, rules: str | None = None) -> list[tuple[str, str | None, str]]:
    """What is found in the stage, which is then empty."""
    path = work.path("rules.toml")
    path.write_text(SCHEMA if rules is None else f"[dataset.data.rules]\n{rules}\n")
    found = work.ds.check(staged=True, rules=path).findings()
    told = [(each.rule, each.path, each.text) for each in found]
    work.ds.unstage()
    return told


def test_a_schema_stands_for_rules() -> None:
    """Each entry is a rule at its line, with what the schema says of all."""
    contract = read_contract(SCHEMA.encode(), "dsm.toml", "data")
    rules = [(rule.name, rule.line, rule.severity, rule.reason) for rule in contract.rules]
    assert rules == [
        ("media-types", 2, "error", "so it is"), ("extensions", 3, "error", "so it is"),
        ("classes", 4, "error", "so it is"), ("labels", 5, "warning", "so it is"),
        ("size", 6, "error", "so it is"), ("attribute", 7, "error", "so it is"),
    ]  # fmt: skip
    assert len(contract.on("commit").rules) == 6


def test_what_does_not_fit_the_schema(work: Work) -> None:
    """Sound data pass; each way to break the schema is found by its rule."""
    assert work.ds.check().errors == 0
    work.ds.add({"a.md": b"text", "b.txt": b"\x89PNG\r\n\x1a\n"}, labels=["cat"])
    work.ds.add({"c.txt": b"c", "d.txt": b"d"}, labels=["cta"])
    work.ds.label(["a.md", "b.txt", "d.txt"], attributes={"width": 1})
    assert {(rule, path) for rule, path, _ in broken(work)} == {
        ("extensions", "a.md"), ("media-types", "b.txt"), ("classes", "c.txt"),
        ("classes", "d.txt"), ("attribute", "c.txt"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("schema = 1", "schema is no table"),
        ("schema.clases = ['a']", "did you mean classes?"),
        ("schema.labels = 1", "labels is no table"),
        ("schema.attributes.width = 1", "attribute 'width' is no table"),
        ("schema.attributes.width.name = 'x'", "stands before it"),
        ("schema.attributes.width.mni = 1", "did you mean min?"),
        ("schema.classes = ['a', 'a']", "names a class twice"),
        ("schema.on = 'push'", 'on is "check"'),
        ("schema = { on = 'push', size = {} }", 'on is "check"'),
    ],
)
def test_mistakes_of_a_schema(text: str, told: str) -> None:
    """They are told with their line."""
    if text == "schema.on = 'push'":
        text += "\nschema.size = {}"
    with pytest.raises(BadContract) as caught:
        read_contract(f"\n[dataset.data]\n{text}\n".encode(), "dsm.toml", "data")
    assert told in caught.value.items[0] and caught.value.items[0].startswith("dsm.toml:")


def test_classes_are_pinned_in_their_order(work: Work) -> None:
    """A dataset whose classes are not pinned, or otherwise, is found; tags beside a class are
    none of it."""
    work.ds.add({"x.txt": b"x"}, labels=["cat", "sleepy"])
    assert broken(work, 'classes.are = ["cat", "dog"]') == []
    work.ds.add({"x.txt": b"x"}, labels=["cat"])
    (found,) = broken(work, 'classes.are = ["dog", "cat"]')
    assert found[2].startswith("the classes of the dataset are others, or in another order")
    work.ds.add({"x.txt": b"x"}, labels=["sleepy"])
    assert broken(work, 'classes.are = ["cat", "dog"]') == [
        ("classes", "x.txt", "none of its labels is a class: sleepy")
    ]
    work.ds.set_target("labels")
    work.ds.add({"x.txt": b"x"}, labels=["cat"])
    (found,) = broken(work, 'classes.are = ["cat", "dog"]')
    assert found[2].endswith("`dsm dataset set --classes cat,dog` pins them")
    work.ds.set_target("labels", ["cat", "dog"])


@pytest.mark.parametrize("method", ["iqr", "z-score"])
def test_outliers_are_where_statistics_says(work: Work, method: str) -> None:
    """The bounds are those of Python's own statistics; what lies between them passes."""
    values = [float(10 + n) for n in range(12)]
    for width, out in ((25, False), (500, True)):
        work.ds.add({"x.txt": b"x"}, labels=["cat"])
        work.ds.label(["x.txt"], attributes={"width": width})
        all_ = [*values, float(width)]
        if method == "iqr":
            first, _, third = statistics.quantiles(all_, n=4, method="inclusive")
            low, high = first - 1.5 * (third - first), third + 1.5 * (third - first)
        else:
            mean, deviation = statistics.fmean(all_), statistics.pstdev(all_)
            low, high = mean - 3 * deviation, mean + 3 * deviation
        factor = 1.5 if method == "iqr" else 3
        found = broken(
            work, f'outliers = {{ of = "attr.width", method = "{method}", factor = {factor} }}'
        )
        assert (not low <= width <= high) == out
        told = f"width {width:,} lies outside of {low:,.6g} to {high:,.6g}, where the others lie"
        assert found == ([("outliers", "x.txt", told)] if out else [])


def test_an_isolation_forest_is_that_of_scikit_learn(tmp_path: Path) -> None:
    """What stands apart is what scikit-learn's forest scores higher; who lacks a number is not
    judged, and the same data have the same scores again."""
    numpy = pytest.importorskip("numpy")
    ensemble = pytest.importorskip("sklearn.ensemble")
    ds = Work(tmp_path).ds
    rows: list[dict[str, object]] = [{"width": n % 17, "height": n % 5 * 1.5} for n in range(200)]
    rows += [{"width": 40, "height": 3.0}, {"width": 900}, {"width": 8, "height": -70.0}]
    ds.add_records(rows, name="a.jsonl", attributes=["width", "height"])
    ds.commit("rows")
    rules = tmp_path / "rules.toml"
    for columns in (["attr.width"], ["attr.width", "attr.height"]):
        whole = [
            r
            for r in ds.snapshot().select(["path", *columns]).to_pylist()
            if None not in r.values()
        ]
        matrix = numpy.array([[float(row[each]) for each in columns] for row in whole])
        forest = ensemble.IsolationForest(random_state=0).fit(matrix)
        scores = -forest.score_samples(matrix)
        for factor in (0.5, 0.7):
            rules.write_text(
                "[dataset.data.rules]\n"
                f'outliers = {{ of = {columns}, method = "isolation-forest", factor = {factor} }}\n'
            )
            found = list(ds.check(rules=rules).findings())
            high = [r["path"] for r, score in zip(whole, scores, strict=True) if score > factor]
            assert [each.path for each in found] == high and high
    assert found[0].text == (
        "width and height: 8 and -70 stands apart from the others, with a score above 0.7"
    )


def test_a_forest_has_a_score_and_several_columns() -> None:
    """Its factor is a score below 1, and no other method takes several columns."""
    forest = 'of = ["size", "attr.width"], method = "isolation-forest"'
    for options in (f"{forest}, factor = 1", 'of = ["size", "attr.width"]', 'of = "width"'):
        with pytest.raises(BadContract, match=r"x has 1 mistake"):
            read_contract(f"[dataset.data.rules]\noutliers = {{ {options} }}".encode(), "x", "data")


NEWER = """\
[dataset.data.schema]
media-types = ["text/plain", "application/json"]
classes = ["dog", "cat"]
labels = { max = 1 }
size = { max = "6 B" }
attributes.width = { type = "int", min = 0 }
attributes.height = { required = true }
"""


@pytest.mark.parametrize(
    ("rule", "old", "new", "changes"),
    [
        ("personal-data", {"kinds": ["email"]}, {"kinds": ["email", "ip"]},
         [("narrower", "kinds has ip, too")]),
        ("personal-data", {"in": ["path", "labels"]}, {"in": ["path"]},
         [("wider", "in has labels no more")]),
        ("personal-data", {}, {"kinds": ["ip"]}, [("wider", "kinds is ip")]),
        ("personal-data", {"kinds": ["ip"]}, {}, [("narrower", "kinds is any, was ip")]),
        ("personal-data", {}, {"names": "a:b"}, [("narrower", "names is a.py, b")]),
        ("personal-data", {"names": "a:b"}, {"names": "a:c"},
         [("other", "names is a.py, c, was a.py, b")]),
        ("pandera", {"schema": "a:b"}, {"schema": "a:b", "fields": ["x"]},
         [("narrower", "fields is x")]),
        ("decodes", {"extensions": [".a"]}, {"extensions": [".a", ".b"]},
         [("narrower", "extensions has .b, too")]),
        ("attribute", {"name": "record.a"}, {"name": "record.a", "optional": True},
         [("wider", "optional now")]),
        ("attribute", {"name": "record.a", "optional": True}, {"name": "record.a"},
         [("narrower", "not optional any more")]),
        ("attribute", {"name": "record.a", "min-chars": 2}, {"name": "record.a", "min-chars": 3},
         [("narrower", "min-chars is 3, was 2")]),
    ],
)  # fmt: skip
def test_what_is_looked_at_is_wider_the_less_it_is(
    rule: str, old: dict[str, Any], new: dict[str, Any], changes: list[tuple[str, str]]
) -> None:
    """More kinds, places and files that are looked at ask for more, as do rules not optional."""
    contracts = []
    for asked in (old, new):
        said = ", ".join(f"{key} = {json.dumps(value)}" for key, value in asked.items())
        text = f"[dataset.data.rules]\n{rule} = {{ {said} }}\n"
        contracts.append(read_contract(text.encode(), "dsm.toml", "data"))
    before, after = (each.rules[0] for each in contracts)
    assert list(compared(before, after)) == changes


def test_what_is_wider_and_what_is_narrower(work: Work, tmp_path: Path) -> None:
    """Each difference has its kind; what narrows lists the examples that do not fit any more."""
    newer = tmp_path / "newer.toml"
    newer.write_text(NEWER)
    found = work.ds.schema_diff(work.path("dsm.toml"), rules=newer)
    told = [(change.kind, change.rule, change.text, change.findings) for change in found]
    assert told == [
        ("narrower", "attribute height", "it is new", 12),
        ("wider", "attribute width", "min is 0, was 1", 0),
        ("wider", "attribute width", "not required any more", 0),
        ("other", "classes", "are is in another order: indices of classes shift", 1),
        ("wider", "extensions", "it is gone", 0),
        ("narrower", "labels", "it is an error", 0),
        ("narrower", "labels", "max is 1, was 2", 0),
        ("wider", "media-types", "allow has application/json, too", 0),
        ("narrower", "size", "max is 6, was 1,000", 2),
    ]  # fmt: skip
    assert found[-1].paths == ("10.txt", "11.txt")
    assert [change.breaks for change in found].count(True) == 3
    back = work.ds.schema_diff(newer)
    assert [change.kind for change in back if change.rule == "size"] == ["wider"]
    assert work.ds.schema_diff(work.path("dsm.toml")) == ()
    with pytest.raises(NotFound, match=r"no .*old\.toml"):
        work.ds.schema_diff(tmp_path / "old.toml")
