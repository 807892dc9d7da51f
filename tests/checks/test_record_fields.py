"""Rules on the fields of records: each is found in JSON, in cells of text, nested and mixed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from histories import fresh
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import Work

from dsm.checks.contract import BadContract, read_contract
from dsm.checks.rule import Subject
from dsm.checks.run import run
from dsm.errors import NotFound

ROWS: list[dict[str, Any]] = [
    {"id": n, "text": f"text {n}", "score": n / 10, "ok": n % 2 == 0, "side": "ab"[n % 2],
     "tags": ["x"], "meta": {"lang": "en", "n": n}}
    for n in range(20)
]  # fmt: skip
Told = list[tuple[str | None, str]]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Twenty records of JSON, three rows of a table, and one file that is no record."""
    work = Work(tmp_path_factory.mktemp("fields"))
    work.ds.add({"picture.jpg": b"\xff\xd8\xff\xe0 picture"})
    add(work, "a.jsonl", ROWS)
    work.path("t.csv").write_text("id,width,zip\n1,10,00501\n2,,10001\n3,12.5,90210\n")
    work.ds.add(["t.csv"], records=True, key_field="id")
    work.ds.commit("sound")
    return work


def add(work: Work, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Stages a file of records with the key `id`."""
    work.path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    work.ds.add([name], records=True, key_field="id")


def told(work: Work, rules: str, **asked: Any) -> Told:
    """What rules say of the head, or of what is asked for."""
    path = work.path("rules.toml")
    path.write_text(f"[dataset.data.rules]\n{rules}\n")
    found = work.ds.check(rules=path, **asked).findings()
    return [(each.path, each.text) for each in found]


def attribute(name: str, **asked: Any) -> str:
    said = ", ".join(f"{key} = {json.dumps(value)}" for key, value in asked.items())
    return f'attribute = [{{ name = "{name}", {said} }}]'


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (attribute("record.id", type="int", required=True, min=0, max=19), ["t"]),
        (attribute("record.score", type="float", max=1.85), ["record.score 1.9 is above 1.85"]),
        (attribute("record.score", type="int", optional=True), 18),
        (attribute("record.ok", type="bool", values=[True]), 10),
        (attribute("record.text", pattern="text [0-9]"), 10),
        (attribute("record.text", **{"max-chars": 6}), 10),
        (attribute("record.tags", type="list"), 0),
        (attribute("record.tags", type="object"), 20),
        (attribute("record.meta", type="object"), 0),
        (attribute("record.meta.lang", values=["en"]), 0),
        (attribute("record.meta.n", type="int", max=18), ["record.meta.n 19 is above 18"]),
        (attribute("record.side", unique=True), 20),
        (attribute("record.width", type="float", min=11), ["record.width 10.0 is below 11"]),
        (attribute("record.width", **{"max-missing": 0.1}),
         ["91.30% of the records have no record.width, more than 10.00%"]),
        (attribute("record.zip", type="int"), ["record.zip 00501 is no integer"]),
        (attribute("record.zip", pattern="[0-9]{5}"), 0),
        ('outliers.of = "record.score"', 0),
        ('outliers = { of = "record.id", method = "z-score", factor = 1.5 }', 2),
        ('outliers.of = "record.text"', ["field record.text is no number: it has no outliers"]),
    ],
)  # fmt: skip
def test_a_rule_on_a_field(work: Work, rule: str, found: int | list[str]) -> None:
    """Values of each type are judged one by one; files that are no records are not."""
    said = told(work, rule)
    if isinstance(found, int):
        assert (len(said), {path for path, _ in said} <= {None} | _records()) == (found, True)
    elif found == ["t"]:
        assert said == []
    else:
        assert [text for _, text in said] == found


def _records() -> set[str]:
    return {f"a.jsonl#{n}" for n in range(20)} | {f"t.csv#{n}" for n in range(1, 4)}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (attribute("record.txet", type="string"), "no record has the field txet; did you mean text?"),
        (attribute("record.meta.lagn", pattern="en"),
         "no record has the field meta.lagn; did you mean meta.lang?"),
        (attribute("record.txet", optional=True), None),
        ('outliers.of = "record.scoer"', "no record has the field scoer; did you mean score?"),
        ('outliers = { of = "record.scoer", optional = true }', None),
        ('leakage.by = "record.sid"', "no record has the field sid; did you mean side?"),
        (attribute("widht", min=1), "no example has the attribute widht"),
        ('outliers.of = "attr.widht"', "no example has the attribute widht"),
        ('leakage.by = "attr.sid"', "no example has the attribute sid"),
        ('image.extensions = [".jpgg"]', "no example has a name that ends in .jpgg"),
        ('text = { extensions = [".md"], optional = true }', None),
        ("label-counts.max = 9", "no example has a label"),
        ("balance.max-ratio = 9", "no example has a label"),
        ('label-counts = { labels = ["cta"], max-share = 1 }', "no example has the label cta"),
        ('label-counts = { labels = ["cta"], max = 1, optional = true }', None),
        ('label-counts = { labels = ["cta"], min = 1 }',
         "label cta has 0 examples, fewer than 1"),
    ],
)  # fmt: skip
def test_a_name_that_nobody_has(work: Work, rule: str, said: str | None) -> None:
    """A rule that looks at nothing does not pass: it names the nearest name that there is."""
    assert told(work, rule) == ([] if said is None else [(None, said)])


def test_a_view_without_examples_is_no_side(work: Work) -> None:
    """Leakage between views, and drift from one, say so where one of them has no examples."""
    table = work.ds.snapshot()
    none = table.slice(0, 0)
    subject = Subject(table, table, view=lambda name: none, baseline=lambda word, names: none)
    rules = 'leakage.views = ["one", "other"]\ndrift.against = "one"'
    contract = read_contract(f"[dataset.data.rules]\n{rules}".encode(), "dsm.toml", "data")
    assert [each.text for each in run(contract, subject).findings()] == [
        "view one has no examples to compare", "view other has no examples to compare",
        "one has no examples to compare with",
    ]  # fmt: skip


def test_rules_for_a_dataset_of_nearly_this_name_stop_a_commit(tmp_path: Path) -> None:
    """A slip in the name of the dataset is told by the commit that nothing would judge; rules for
    a dataset of another name are none of its business."""
    work = Work(tmp_path)
    work.ds.add({"a.jpg": b"a"})
    contract = '[dataset.{}.rules]\nsize = {{ on = "commit" }}\n'
    work.path("dsm.toml").write_text(contract.format("dtaa"))
    with pytest.raises(BadContract) as caught:
        work.ds.commit("x")
    assert [each.partition("dsm.toml:1: ")[2] for each in caught.value.items] == [
        "there is no dataset dtaa; did you mean data?"
    ]
    work.path("dsm.toml").write_text(contract.format("others"))
    assert work.ds.commit("x").number == 1


def test_a_field_is_judged_where_a_change_put_it(work: Work) -> None:
    """What is staged is judged alone, beside all others where the rule asks for them."""
    add(work, "b.jsonl", [{"id": 7, "text": "text 3", "score": "high"}, {"id": 8, "text": None}])
    rules = [attribute("record.text", type="string", required=True, unique=True),
             attribute("record.score", type="float")]  # fmt: skip
    found = [each for rule in rules for each in told(work, rule, staged=True)]
    work.ds.unstage()
    work.path("b.jsonl").unlink()
    assert found == [
        ("b.jsonl#8", "it has no record.text"),
        ("b.jsonl#7", "another example has the same record.text, text 3"),
        ("b.jsonl#7", "record.score high is no number"),
    ]


def test_a_change_without_records_says_nothing_of_fields(work: Work) -> None:
    """A picture alone is no reason to read all records, nor to miss their fields."""
    work.ds.add({"other.jpg": b"\xff\xd8\xff\xe0 other"})
    found = told(work, attribute("record.text", required=True, unique=True), staged=True)
    work.ds.unstage()
    assert found == []


def test_drift_of_a_field(work: Work) -> None:
    """A field drifts from a baseline, a changeset or a view, where the rule names it."""
    work.ds.prepare(labels=None, name="all")
    add(work, "b.jsonl", [{"id": n, "score": 9.0 + n} for n in range(40)])
    rules = ["head", "all"]
    found = [
        told(work, f'drift = {{ against = "{each}", columns = ["record.score"] }}', staged=True)
        for each in rules
    ]
    work.ds.unstage()
    work.path("b.jsonl").unlink()
    assert [[text.partition(":")[0] for _, text in each] for each in found] == [
        [f"record.score has drifted from {each}"] for each in rules
    ]
    with pytest.raises(NotFound) as caught:
        told(work, 'drift = { against = "all", columns = ["record.scoer"] }')
    assert caught.value.message.partition("rules.toml:2: ")[2] == (
        "rule drift: no example has the column record.scoer"
    )


def test_leakage_by_a_field(work: Work) -> None:
    """Content that stands in two records is on two sides where a field says so."""
    same = {"question": "q", "answer": "a"}
    work.path("c.jsonl").write_text(json.dumps(same) + "\n")
    work.path("d.jsonl").write_text(json.dumps(same) + "\n")
    work.ds.add(["c.jsonl", "d.jsonl"], records=True)
    by_folder, by_field = (
        told(work, f'leakage.by = "{by}"', staged=True) for by in ("folder", "record.question")
    )
    work.ds.unstage()
    assert ([path and path.partition("#")[0] for path, _ in by_folder], by_field) == (
        ["c.jsonl", "d.jsonl"], [],
    )  # fmt: skip


def test_fields_stand_in_the_schema() -> None:
    """`fields` of a schema has a table for each field, with its own line."""
    text = b"""[dataset.data.schema]
fields.text = { type = "string", required = true }
fields."meta.lang" = { values = ["en"] }
"""
    rules = read_contract(text, "dsm.toml", "data").rules
    assert [(rule.asked["name"], rule.line) for rule in rules] == [
        ("record.text", 2), ("record.meta.lang", 3),
    ]  # fmt: skip
    with pytest.raises(BadContract) as caught:
        read_contract(b'[dataset.data.schema]\nfields.a = 3\nfields.b.name = "c"', "x", "data")
    assert caught.value.items == (
        "x:2: field 'a' is no table", "x:3: the name of the field stands before it",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"type": "string", "min": 1}, "type string is no number: it has no range"),
        ({"type": "int", "pattern": "a"}, "type int is no text: it has no pattern and no characters"),
        ({"min-chars": 3, "max-chars": 2}, "min-chars is above max-chars"),
        ({"required": True, "optional": True}, "it is required or optional"),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together(asked: dict[str, Any], said: str) -> None:
    """What no value can fit is a mistake of the contract, told with its line."""
    text = f"[dataset.data.rules]\n{attribute('record.a', **asked)}"
    with pytest.raises(BadContract) as caught:
        read_contract(text.encode(), "dsm.toml", "data")
    assert caught.value.items == (f"dsm.toml:2: rule attribute: {said}",)


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text("a1.é", max_size=3)
    | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=4,
)  # fmt: skip
_records_of = st.dictionaries(st.sampled_from(["a", "b", "a.b", "c"]), _values, max_size=4)


@settings(max_examples=25)
@given(records=st.lists(_records_of, min_size=1, max_size=4))
def test_any_records_pass_what_is_learnt_of_them(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]]
) -> None:
    """Whatever fields records have, of whatever types, the learnt contract takes them."""
    work = fresh(tmp_path_factory.mktemp("learn"))
    add(work, "a.jsonl", [{"id": n, **record} for n, record in enumerate(records)])
    work.ds.commit("records")
    work.path("dsm.toml").write_text(work.ds.learnt_contract())
    assert [each.told for each in work.ds.check().findings()] == []


def test_fields_of_some_names(work: Work) -> None:
    """A table has the fields that are named alone, nested ones by dots."""
    table = work.repo.example_set("head", dataset="data").table(
        fields=["meta.lang", "zip", "nobody"]
    )
    added = [name for name in table.column_names if name.startswith("record.")]
    assert added == ["record.meta.lang", "record.zip"]
    assert table.column("record.zip").to_pylist() == [None] * 21 + ["00501", "10001", "90210"]


def test_statistics_of_fields_that_are_named(work: Work, tmp_path: Path) -> None:
    """A column of `stats` and `drift` that is a field is read without being asked twice."""
    found = work.repo.example_set("head", dataset="data").stats(["score", "record.meta.n", "width"])
    assert [each.column for each in found.columns] == [
        "record.score", "record.meta.n", "record.width",
    ]  # fmt: skip
    assert [each.kind for each in found.columns] == ["number"] * 3
    with pytest.raises(NotFound) as caught:
        work.repo.example_set("head", dataset="data").stats(["record.scoer"])
    assert caught.value.hint == "did you mean record.score?"
    one = work.repo.example_set("head", dataset="data")
    drift = one.drift(one, columns=["record.score"])
    assert ([each.column for each in drift.columns][-1], drift.drifted) == ("record.score", False)
