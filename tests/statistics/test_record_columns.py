"""Columns of records, with all that lines of JSON hold, have the figures of scipy."""

from __future__ import annotations

import json
import math
import random
import warnings
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pytest import approx
from situations import Work

from dsm.example_sets import ExampleSet
from dsm.statistics.drift import ColumnDrift

stats = pytest.importorskip("scipy.stats", reason="needs scipy")
COUNT = 300
FIELDS = ["score", "count", "ok", "day", "at", "side", "text", "meta.depth", "meta.deep.kind"]


def record(number: int, chance: random.Random, shift: float) -> dict[str, Any]:
    """A record some of whose values are NaN, null or missing."""
    day = date(2024, 1, 1) + timedelta(days=int(chance.gauss(200, 40) + 30 * shift))
    at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.gauss(1e6, 1e5))
    found: dict[str, Any] = {
        "id": number,
        "score": math.nan if chance.random() < 0.1 else chance.gauss(shift, 1),
        "count": None if chance.random() < 0.1 else int(chance.gauss(50 + shift, 9)),
        "ok": chance.random() < 0.5 + shift / 5,
        "day": day.isoformat(),
        "at": at.isoformat(),
        "side": chance.choice("aab" if shift else "abc"),
        "text": "word " * chance.randrange(1, 9) + str(number),
        "meta": {"depth": chance.random() + shift / 4, "deep": {"kind": chance.choice(["x", "é"])}},
    }
    return {name: value for name, value in found.items() if name == "id" or chance.random() > 0.05}


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], ...]:
    """Two samples of records, of which the second is shifted."""
    chance = random.Random(11)
    return tuple([record(n, chance, shift) for n in range(COUNT)] for shift in (0.0, 0.5))


@pytest.fixture(scope="module")
def sets(
    tmp_path_factory: pytest.TempPathFactory, sides: tuple[list[dict[str, Any]], ...]
) -> tuple[ExampleSet, ...]:
    """The samples, each put by a changeset of its own."""
    work = Work(tmp_path_factory.mktemp("columns"))
    for name, rows in zip(("a.jsonl", "b.jsonl"), sides, strict=True):
        work.path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        work.ds.add([name], records=True, key_field="id")
        work.ds.commit(name)
    return tuple(work.repo.example_set(word, dataset="data") for word in ("1", "1..2"))


def values(rows: list[dict[str, Any]], field: str) -> list[Any]:
    """What the records have in a field, by Python alone."""
    found = []
    for row in rows:
        value: Any = row
        for part in field.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None and value == value:
            found.append(value)
    return found


def as_numbers(field: str, told: list[Any]) -> list[float]:
    if field in ("day", "at"):
        times = [datetime.fromisoformat(each) for each in told]
        zoned = [each if each.tzinfo else each.replace(tzinfo=UTC) for each in times]
        return [(each - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)
                for each in zoned]  # fmt: skip
    return [len(each) if isinstance(each, str) else each for each in told]


def drifts(sets: tuple[ExampleSet, ...]) -> dict[str, ColumnDrift]:
    found = sets[0].drift(sets[1], columns=[f"record.{field}" for field in FIELDS])
    return {each.column: each for each in found.columns}


def test_drift_agrees_with_scipy(
    sets: tuple[ExampleSet, ...], sides: tuple[list[dict[str, Any]], ...]
) -> None:
    """Numbers, times and lengths of texts by Kolmogorov-Smirnov and Anderson-Darling, others by
    chi-square; what is null, NaN or not there is left out."""
    found = drifts(sets)
    for field in FIELDS:
        column, told = found[f"record.{field}"], [values(rows, field) for rows in sides]
        assert [column.a.missing, column.b.missing] == [COUNT - len(each) for each in told]
        if field in ("ok", "side", "meta.deep.kind"):
            counts = [
                Counter(str(v).lower() if field == "ok" else v for v in each) for each in told
            ]
            names = sorted({*counts[0], *counts[1]})
            wanted = stats.chi2_contingency(
                [[each[name] for name in names] for each in counts], correction=False
            )
            measure, statistic = column.measures["chi_square"], wanted.statistic
        else:
            numbers = [as_numbers(field, each) for each in told]
            wanted = stats.ks_2samp(*numbers)
            measure, statistic = column.measures["kolmogorov_smirnov"], wanted.statistic
            darling = column.measures["anderson_darling"].statistic
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # its p-values are capped
                assert darling == approx(stats.anderson_ksamp(numbers).statistic, rel=1e-9)
        assert measure.statistic == approx(statistic, rel=1e-9), field
        assert measure.p_value == approx(wanted.pvalue, rel=1e-9, abs=1e-12), field


def test_stats_agree_with_scipy(
    sets: tuple[ExampleSet, ...], sides: tuple[list[dict[str, Any]], ...]
) -> None:
    """Means, deviations and how often each value occurs, of whatever type."""
    found = sets[0].stats([f"record.{field}" for field in FIELDS])
    for field in FIELDS:
        column, told = found[f"record.{field}"], values(sides[0], field)
        assert column.missing == COUNT - len(told)
        if column.numbers is None:
            assert dict(column.counts) == Counter(
                str(v).lower() if field == "ok" else v for v in told
            )
            continue
        numbers = as_numbers(field, told)
        assert (column.numbers.quantiles[0], column.numbers.quantiles[-1]) == (
            min(numbers), max(numbers),
        )  # fmt: skip
        if column.kind != "time":
            described = stats.describe(numbers)
            assert column.numbers.mean == approx(described.mean, rel=1e-9)
            assert column.numbers.deviation == approx(math.sqrt(described.variance), rel=1e-9)


def test_dates_that_are_none_on_one_side_stay_texts(tmp_path: Any) -> None:
    """Of dates beside other texts, no value is compared in another spelling."""
    work = Work(tmp_path)
    rows = [["2024-01-01"] * 6, ["2024-01-01"] * 5 + ["soon"]]
    for name, days in zip("ab", rows, strict=True):
        work.ds.add_records(
            [{"day": day, "n": n} for n, day in enumerate(days)], name=f"{name}.jsonl"
        )
        work.ds.commit(name)
    one, two = (work.repo.example_set(word, dataset="data") for word in ("1", "1..2"))
    found = {each.column: each for each in one.drift(two, fields=True).columns}["record.day"]
    assert (found.kind, found.a.counts, found.b.counts) == (
        "category", {"2024-01-01": 6}, {"2024-01-01": 5, "soon": 1},
    )  # fmt: skip
