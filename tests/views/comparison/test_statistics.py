"""Sizes and times at a glance."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsm.views.comparison.statistics import sizes, times

DAY = 86_400_000_000
START = 1_767_225_600_000_000  # 2026-01-01


def table_of(instants: list[int]) -> pa.Table:
    kind = pa.timestamp("us", tz="UTC")
    return pa.table({"time": pa.array(instants, pa.int64()).cast(kind), "size": instants})


@pytest.mark.parametrize(
    ("instants", "width", "unit", "labels"),
    [
        ([START], 1, "second", ["2026-01-01 00:00:00"]),
        ([START, START + 2_999_999], 1, "second", [f"2026-01-01 00:00:0{n}" for n in range(3)]),
        ([START, START + 2 * DAY], 6, "hour", None),
        ([START, START + 30 * DAY], 1, "week", ["2025-12-29", "2026-01-05", "2026-01-12",
                                               "2026-01-19", "2026-01-26"]),
        ([START - 1, START + 365 * DAY], 1, "month", None),
        ([-START, START], 10, "year", None),
        ([-62_135_596_800_000_000, 253_402_300_799_999_999], 1000, "year",
         ["0001", *(f"{n}000" for n in range(1, 10))]),
    ],
)  # fmt: skip
def test_bins_of_time(instants: list[int], width: int, unit: str, labels: list[str] | None) -> None:
    """Few bins that people can read, without gaps, that count each example once."""
    found = times(table_of(instants))
    assert found is not None
    assert (found.width, found.unit) == (width, unit)
    assert labels is None or [each.label for each in found.bins] == labels
    assert sum(each.count for each in found.bins) == len(instants)
    assert len(found.bins) <= 16
    assert found.bins[0].start <= min(instants) or found.unit == "year"


@given(st.lists(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999), min_size=1))
def test_each_example_is_in_the_bin_of_its_time(instants: list[int]) -> None:
    """A bin counts what lies between its start and the next one's."""
    found = times(table_of(instants))
    assert found is not None
    ends = [each.start for each in found.bins[1:]] + [1 << 62]
    for each, end in zip(found.bins, ends, strict=True):
        assert each.count == sum(each.start <= instant < end for instant in instants)


def test_sizes_at_a_glance() -> None:
    """Least, lower median, greatest and sum; nothing for no example."""
    found = sizes(table_of([5, 1, 9, 4]))
    assert found is not None
    assert (found.least, found.median, found.greatest, found.total) == (1, 4, 9, 19)
    assert sizes(table_of([])) is None
    assert times(table_of([])) is None
