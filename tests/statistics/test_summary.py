"""What a table of examples holds, column by column."""

from __future__ import annotations

import math
import random
import statistics
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from dsm.errors import NotFound
from dsm.statistics.samples import even_edges
from dsm.statistics.summary import NAMES, Summary, summarised


def summary(*, columns: list[str] | None = None, **attributes: Any) -> Summary:
    """The summary of examples with these attributes, and three labels among the first two."""
    count = len(next(iter(attributes.values())))
    labels: list[list[str]] = [["cat"], ["cat", "dog"], *([] for _ in range(count - 2))]
    named = {f"attr.{name}": values for name, values in attributes.items()}
    table = pa.table(
        {
            "size": pa.array(range(count), pa.int64()),
            "time": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * count, pa.timestamp("us", "UTC")),
            "labels": pa.array(labels, pa.list_(pa.string())),
            **named,
        }
    )
    return summarised(table, columns)


def test_numbers_agree_with_python() -> None:
    """Mean, deviation, ends and the lower median are those of Python; every value is in a bin."""
    chance = random.Random(5)
    values = [chance.gauss(10, 3) for _ in range(1001)]
    numbers = summary(width=pa.array([*values, None, math.nan]))["attr.width"].numbers
    assert numbers is not None
    told = dict(zip(NAMES, numbers.quantiles, strict=True))
    assert (told["min"], told["max"]) == (min(values), max(values))
    assert told["median"] == statistics.median_low(values)
    assert numbers.mean == pytest.approx(statistics.fmean(values), rel=1e-12)
    assert numbers.deviation == pytest.approx(statistics.stdev(values), rel=1e-12)
    assert sum(numbers.counts) == len(values)
    assert len(numbers.counts) == len(numbers.edges) + 1


def test_what_is_missing_is_counted() -> None:
    """Examples without a label, a value, or with NaN; a column of nothing has no numbers."""
    found = summary(
        a=pa.array([1.0, math.nan, None, 2.0]), b=pa.array([None] * 4, pa.int64()),
        c=pa.array(["x", None, "x", "y"]), d=pa.array([True, True, None, False]),
    )  # fmt: skip
    assert {each.column: each.missing for each in found.columns} == {
        "labels": 2, "size": 0, "time": 0, "attr.a": 2, "attr.b": 4, "attr.c": 1, "attr.d": 1,
    }  # fmt: skip
    assert found["attr.b"].numbers is None
    assert found["labels"].counts == (("cat", 2), ("dog", 1))
    assert found["attr.c"].counts == (("x", 2), ("y", 1))
    assert found["attr.d"].counts == (("true", 2), ("false", 1))


def test_no_example_has_figures_too() -> None:
    """A table without rows has every column, and nothing in it."""
    table = pa.table(
        {
            "size": pa.array([], pa.int64()),
            "time": pa.array([], pa.timestamp("us", "UTC")),
            "labels": pa.array([], pa.list_(pa.string())),
        }
    )
    found = summarised(table)
    assert [(each.column, each.missing, each.numbers) for each in found.columns] == [
        ("labels", 0, None), ("size", 0, None), ("time", 0, None),
    ]  # fmt: skip


def test_infinite_numbers_have_no_mean() -> None:
    """Quantiles are told, a mean and bins are not those of infinity."""
    numbers = summary(a=pa.array([1.0, 2.0, math.inf, -math.inf]))["attr.a"].numbers
    assert numbers is not None
    assert (numbers.quantiles[0], numbers.quantiles[-1]) == (-math.inf, math.inf)
    assert (numbers.mean, sum(numbers.counts)) == (None, 4)


def test_some_columns_alone() -> None:
    """Columns are chosen by name, attributes without their prefix."""
    found = summary(columns=["width", "labels"], width=pa.array([1, 2]))
    assert [each.column for each in found.columns] == ["attr.width", "labels"]
    with pytest.raises(NotFound, match=r"no example has the column height"):
        summary(columns=["height"], width=pa.array([1, 2]))


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        (range(0, 160), [*range(10, 160, 10)]),
        ([1, 2, 3], [2]),
        ([5, 5], []),
        ([2**62, 2**62 + 4], [2**62 + 1, 2**62 + 2, 2**62 + 3]),
        ([*range(99)] * 3 + [10**9], [*range(10, 99, 10)]),
    ],
)
def test_edges_are_round_and_few(values: Any, edges: list[int]) -> None:
    """Bins end at round numbers between the ends, whatever outlier there is."""
    assert even_edges(pa.chunked_array([pa.array(values, pa.int64())])) == edges
