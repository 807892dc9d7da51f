"""Drift of the columns of two tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from situations import Work

from dsm.errors import InvalidInput, NotFound
from dsm.statistics.drift import ColumnDrift, Thresholds, drift, judged, thresholds
from dsm.views.view import View

START = datetime(2026, 1, 1, tzinfo=UTC)


def table(sizes: list[int], labels: list[list[str]], **attributes: Any) -> pa.Table:
    """A table like that of a view: an hour between the times of two examples."""
    times = [START + timedelta(hours=i) for i in range(len(sizes))]
    columns = {
        "size": pa.array(sizes, pa.int64()),
        "time": pa.array(times, pa.timestamp("us", tz="UTC")),
        "labels": pa.array(labels, pa.list_(pa.string())),
        **{f"attr.{name}": values for name, values in attributes.items()},
    }
    return pa.table(columns)


def found_of(a: pa.Table, b: pa.Table, **options: str) -> dict[str, ColumnDrift]:
    return {each.column: each for each in drift(a, b, **options)}


def test_what_moved_is_found_and_nothing_else() -> None:
    """Shifted sizes and labels drift; equal times and attributes do not."""
    near, far = list(range(100)), list(range(80, 180))
    score = pa.array([i % 7 / 7 for i in range(100)])
    a = table(near, [["cat"], ["dog"]] * 50, score=score)
    b = table(far, [["cat"]] * 90 + [["dog"]] * 10, score=score)
    found = found_of(a, b)
    assert list(found) == ["labels", "size", "time", "attr.score"]
    assert {"labels", "size"} == {name for name, each in found.items() if each.drifted()}
    assert not any(each.drifted() for each in drift(a, a))
    assert found["size"].measures["kolmogorov_smirnov"].statistic == 0.8
    assert found["labels"].b.counts == {"cat": 90, "dog": 10}


def test_all_columns_are_corrected_for() -> None:
    """The least p-value is multiplied by the number of columns that have one."""
    a = table([1, 2, 3, 4], [["x"]] * 4)
    b = table([3, 4, 5, 6], [["x"]] * 4)
    for correction in ("holm", "benjamini-hochberg"):
        size = found_of(a, b, correction=correction)["size"]
        p_value = size.measures["kolmogorov_smirnov"].p_value
        assert p_value is not None
        assert min(1.0, p_value * 3) == pytest.approx(size.corrected)
    with pytest.raises(InvalidInput, match="none is no correction"):
        drift(a, b, "none")


def test_sides_without_examples_or_values_have_no_answer() -> None:
    """Nothing drifts where there is nothing to compare, and each measure says so."""
    empty, some = table([], []), table([1, 2], [["x"], []], score=pa.array([1.5, None]))
    for a, b in ((empty, some), (some, empty), (empty, empty)):
        for each in drift(a, b):
            assert (each.corrected, each.drifted()) == (None, False)
            assert {"a side has no values"} == {m.reason for m in each.measures.values()}
    labels = found_of(some, empty)["labels"]
    assert (labels.a.examples, labels.a.missing, labels.a.counts) == (2, 1, {"x": 1})


def test_an_attribute_of_one_side_is_missing_on_the_other() -> None:
    """A side where no example has the attribute counts all of its examples as missing."""
    a = table([1, 2], [[], []], score=pa.array([1, 2]), place=pa.array(["x", None]))
    b = table([1, 2, 3], [[], [], []])
    found = found_of(a, b)
    assert (found["attr.score"].a.missing, found["attr.score"].b.missing) == (0, 3)
    assert (found["attr.place"].a.missing, found["attr.place"].b.missing) == (1, 3)
    assert (found["attr.score"].kind, found["attr.place"].kind) == ("number", "category")


def test_an_attribute_of_two_types_is_compared_as_text() -> None:
    """Truth values and numbers of another dataset's attribute are categories."""
    a = table([1, 2], [[], []], flag=pa.array([True, False]))
    b = table([1, 2], [[], []], flag=pa.array(["true", "no"]))
    flag = found_of(a, b)["attr.flag"]
    assert (flag.a.counts, flag.b.counts) == ({"true": 1, "false": 1}, {"true": 1, "no": 1})


def test_real_views_are_compared(work: Work) -> None:
    """The tables of two views: labels, sizes, times and typed attributes, stored and read."""
    cats = [{"text": "x", "label": "cat", "score": i % 3 + 0.5, "camera": "n"} for i in range(20)]
    dogs = [
        {"text": "y" * 20, "label": "dog", "score": i % 3 + 9.5, "night": True} for i in range(20)
    ]
    attributes = ["score", "camera", "night"]
    work.ds.add_records(cats + dogs, name="a.jsonl", label="label", attributes=attributes)
    work.ds.commit("all")
    a, b = (work.ds.prepare(labels=[label]).table() for label in ("cat", "dog"))
    found = found_of(a, b)
    columns = ["labels", "size", "time", "attr.camera", "attr.night", "attr.score"]
    assert columns == list(found)
    assert found["labels"].a.counts == {"cat": 20}
    assert found["size"].measures["kolmogorov_smirnov"].statistic == 1.0
    assert {"labels", "size", "attr.score"} == {
        name for name, each in found.items() if each.values_drifted()
    }
    assert {"attr.camera", "attr.night"} == {
        name for name, each in found.items() if each.presence_drifted()
    }
    assert (found["attr.night"].a.missing, found["attr.night"].b.counts) == (20, {"true": 20})


def test_a_difference_must_be_certain_and_large() -> None:
    """What many examples make certain is no drift while it is small, nor a large one of few."""
    many = table([i % 100 for i in range(20_000)], [[]] * 20_000)
    shifted = table([i % 100 + 3 for i in range(20_000)], [[]] * 20_000)
    few, other = table([1, 2, 3], [["a"]] * 3), table([7, 8, 9], [["a"]] * 3)
    for a, b, loose in ((many, shifted, {"psi": 0.0}), (few, other, {"level": 1.0})):
        assert not judged(a, b, Thresholds(columns=("size",))).drifted
        assert judged(a, b, thresholds(columns="size", **loose)).drifted  # type: ignore[arg-type]


def test_the_time_decides_when_it_is_named() -> None:
    """Later examples have drifted in time: it is told, and fails nobody who does not ask for it."""
    a = table(list(range(100)), [[]] * 100)
    b = a.set_column(1, "time", pa.array([START + timedelta(days=9)] * 100, a.column("time").type))
    found = judged(a, b)
    assert ([each.column for each in found.moved], found.drifted) == (["time"], False)
    assert judged(a, b, thresholds(columns=["time"])).drifted
    assert not judged(a, b, thresholds(columns=["time"], ignore=["time"])).drifted


def test_an_attribute_may_be_named_without_its_prefix() -> None:
    """ "score" is attr.score; one that there is not has near matches."""
    a = table([1, 2], [[], []], score=pa.array([1.0, 2.0]))
    assert judged(a, a, thresholds(columns=["score"])).thresholds.columns == ("attr.score",)
    with pytest.raises(NotFound) as caught:
        judged(a, a, thresholds(ignore=["attr.scor"]))
    assert caught.value.hint == "did you mean attr.score?"


@pytest.mark.parametrize(
    "asked", [{"level": 0.0}, {"level": float("nan")}, {"psi": -1.0}, {"js": 2.0}]
)
def test_thresholds_that_mean_nothing_are_refused(asked: dict[str, Any]) -> None:
    """A level is above 0, an index at least 0, a distance at most 1."""
    with pytest.raises(
        InvalidInput, match=r"^the (level is above 0|least PSI is|least Jensen-Shannon distance is)"
    ):
        thresholds(**asked)


def test_texts_are_compared_by_their_length_and_rare_values_as_one() -> None:
    """Sentences that never repeat are longer or not; of 5,000 ids the frequent ones count."""
    n = 6000
    short = [f"sentence {i}" for i in range(n)]
    ids = [f"id {i // 2}" for i in range(n - 1000)] + ["often"] * 1000
    a = table([1] * n, [[]] * n, text=pa.array(short), camera=pa.array(ids))
    b = table([1] * n, [[]] * n, text=pa.array([f"{s} and more" for s in short]),
              camera=pa.array([each.replace("id", "number") for each in ids]))  # fmt: skip
    found = found_of(a, b)
    assert (found["attr.text"].kind, found["attr.camera"].kind) == ("text", "category")
    assert (found["attr.text"].a.middle, found["attr.text"].b.middle) == (13, 22)
    camera = found["attr.camera"].a
    assert camera.counts["often"] == 1000
    assert camera.distinct == 2501
    assert sum(camera.counts.values()) + camera.rest == n
    assert camera.rest > 0


def test_a_move_below_a_constant_is_found() -> None:
    """A reference of one value has a bin of its own: what lies below is not counted with it."""
    a, b = table([7] * 100, [[]] * 100), table([5] * 100, [[]] * 100)
    assert [each.column for each in judged(a, b).moved] == ["size"]
    assert [each.column for each in judged(b, a).moved] == ["size"]


def test_what_both_views_select_on_does_not_decide(work: Work) -> None:
    """Sides of a split by an attribute, and views of two labels, differ in it because they were
    asked to; what only one of them selects on, or both alike, decides as ever."""
    rows = [{"label": ("cat", "dog")[n % 2], "site": f"s{n % 8}"} for n in range(400)]
    work.ds.add_records(rows, name="a.jsonl", label="label", attributes=["site"])
    work.ds.commit("first")
    every = work.ds.prepare()
    sites = [work.ds.prepare(where=[f"site in s{n},s{n + 1}"]) for n in (0, 4)]
    labels = [work.ds.prepare(labels=[label]) for label in ("cat", "dog")]

    def drifted(a: View, b: View, **at: Any) -> list[str]:
        found = a.drift(b, **at)
        return [c.column for c in found.moved if found.thresholds.decides(c.column)]

    assert sites[0].drift(sites[1]).thresholds.selected == ("attr.site",)
    assert drifted(*sites) == []
    assert drifted(*sites, columns=["site"]) == ["attr.site"]
    assert drifted(every, sites[0]) == ["attr.site"]
    assert drifted(*labels) == ["attr.site"]
    both = [work.ds.prepare(where=["site != s9"], labels=[label]) for label in ("cat", "dog")]
    assert drifted(*both) == ["attr.site"]
    work.ds.splits.create("cv", "a=50%,b=50%", group="site")
    parts = [work.ds.prepare(split=f"cv:{name}") for name in "ab"]
    assert drifted(*parts, ignore=["labels"]) == []


def test_views_are_compared_column_by_column(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of views and of ranges take out one column after the other, and no paths; they are
    those of whole tables, also where examples lie in several layers."""
    for part in range(3):
        files = {f"{part}/{n:02}": b"x" * (n + 30 * part) for n in range(30)}
        work.ds.add(files, labels=["cat"])
        rows = [{"id": f"{part}/{n}", "w": part} if n < 20 else {"id": f"{part}/{n}"}
                for n in range(30)]  # fmt: skip
        work.ds.add_records(rows, name=f"{part}.jsonl", key="id", attributes=["w"])
        work.ds.commit(f"part {part}")
    one, two, last = (work.repo.example_set(w, dataset="data") for w in ("1", "head", "1..head"))
    wanted = judged(one.table(), two.table())
    monkeypatch.setattr(View, "table", lambda *_, **__: pytest.fail("a whole table"))
    assert one.drift(two) == wanted
    assert (one.stats().examples, last.stats().examples) == (60, 120)
    assert last.stats()["attr.w"].missing == 80
    assert one.drift(last).examples == (60, 120)
