"""Times as people write them: what is accepted, and that nothing is off by a zone or a leap day."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dsm.errors import InvalidInput
from dsm.model.timespec import (
    EARLIEST_US,
    LATEST_US,
    TIME_SHAPE,
    format_time,
    parse_instant,
    parse_time,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NOW_US = (datetime(2026, 3, 1, 15, 30, 45, 123456, tzinfo=UTC) - EPOCH) // MICROSECOND
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000


def us(*fields: int) -> int:
    return (datetime(*fields, tzinfo=UTC) - EPOCH) // MICROSECOND  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026", us(2026, 1, 1)),
        ("2026-02", us(2026, 2, 1)),
        ("2026-02-03", us(2026, 2, 3)),
        ("20260203", us(2026, 2, 3)),
        (" 2026-02-03\n", us(2026, 2, 3)),
        ("2026-02-03T04:05:06Z", us(2026, 2, 3, 4, 5, 6)),
        ("2026-02-03t04:05:06z", us(2026, 2, 3, 4, 5, 6)),
        ("2026-02-03 04:05:06", us(2026, 2, 3, 4, 5, 6)),
        ("2026-02-03T04:05", us(2026, 2, 3, 4, 5)),
        ("2026-02-03T04:05:06.5Z", us(2026, 2, 3, 4, 5, 6, 500000)),
        ("2026-02-03T04:05:06.1234567+01:00", us(2026, 2, 3, 3, 5, 6, 123456)),
        ("2026-02-03T04:05:06-05:30", us(2026, 2, 3, 9, 35, 6)),
        ("2026-02-03T04:05:06+0530", us(2026, 2, 2, 22, 35, 6)),
        ("2026-02-03T04:05:06-00:00", us(2026, 2, 3, 4, 5, 6)),
        ("20260203T040506", us(2026, 2, 3, 4, 5, 6)),
        ("20260203T040506.25+02", us(2026, 2, 3, 2, 5, 6, 250000)),
        ("2016-12-31T23:59:60Z", us(2017, 1, 1)),
        ("2017-01-01T00:59:60.5+01:00", us(2017, 1, 1, 0, 0, 0, 500000)),
        ("1700000000", 1_700_000_000_000_000),
        ("999999999", 999_999_999_000_000),
        ("1700000000.25", 1_700_000_000_250_000),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("2024-02-29", us(2024, 2, 29)),
        ("2000-02-29", us(2000, 2, 29)),
        ("0001-01-01", EARLIEST_US),
        ("9999-12-31T23:59:59.999999Z", LATEST_US),
    ],
)
def test_absolute_times_are_read(text: str, expected: int) -> None:
    """Each accepted form names one instant, in UTC unless it says otherwise."""
    assert expected == parse_instant(text)
    assert expected == parse_time(text, now_us=NOW_US)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW_US),
        ("today", us(2026, 3, 1)),
        ("Yesterday", us(2026, 2, 28)),
        ("30m", NOW_US - 30 * MINUTE),
        ("12h", NOW_US - 12 * HOUR),
        ("7d", NOW_US - 7 * DAY),
        ("2W", NOW_US - 14 * DAY),
        ("0d", NOW_US),
    ],
)
def test_relative_times_count_from_now(text: str, expected: int) -> None:
    """A count with a unit is that long before the given now; days begin at midnight UTC."""
    assert expected == parse_time(text, now_us=NOW_US)


def test_today_before_1970() -> None:
    """Midnight is the one before now, also when now is negative."""
    assert parse_time("today", now_us=-1) == -DAY


WRONG = [
    "",
    "soon",
    "2026-13",
    "2026-00-01",
    "2026-02-30",
    "2023-02-29",
    "1900-02-29",
    "0000-01-01",
    "2026-2-3",
    "2026-02-03T24:00:00Z",
    "2026-02-03T04:60:00Z",
    "2026-02-03T04:05:61Z",
    "2026-02-03T04:05:60Z",
    "2026-02-03T04:05:06+24:00",
    "2026-02-03T04:05:06+01:60",
    "2026-02-03T",
    "2026-02-03Z",
    "202602",
    "12345",
    "12345678901",
    "-1700000000",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "9999-12-31T23:59:60Z",
    "٢٠٢٦",
]


@pytest.mark.parametrize("text", [*WRONG, "7d", "now"])
def test_other_text_is_no_instant(text: str) -> None:
    """What is not an absolute time within the years 1 to 9999 is refused."""
    with pytest.raises(
        InvalidInput,
        match="is not a time|is not a time: there is no such|is not a time: it is outside the",
    ):
        parse_instant(text)


@pytest.mark.parametrize("text", [*WRONG, "7", "d", "-7d", "7 d", "7y", "999999999999w"])
def test_a_refusal_names_the_accepted_forms(text: str) -> None:
    """The hint of the command line lists absolute, relative and named times."""
    with pytest.raises(InvalidInput) as caught:
        parse_time(text, now_us=NOW_US)
    assert caught.value.hint is not None
    for form in ("2026-01-31T08:00:00Z", "2026-01-31", "2026-01", "2026"):
        assert form in caught.value.hint


def test_a_refusal_says_why_and_escapes() -> None:
    """The message tells a day that does not exist from text that is no time."""
    with pytest.raises(InvalidInput, match="'2026-02-30' is not a time: there is no") as caught:
        parse_instant("2026-02-30")
    assert caught.value.message == "'2026-02-30' is not a time: there is no such day"
    with pytest.raises(InvalidInput, match=r"'\\x1b\[2J' is not a time") as caught:
        parse_instant("\x1b[2J")
    assert caught.value.message == "'\\x1b[2J' is not a time"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (1_500_000, "1970-01-01T00:00:01.500000Z"),
        (EARLIEST_US, "0001-01-01T00:00:00Z"),
        (LATEST_US, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_written_in_utc(moment: int, text: str) -> None:
    """Microseconds are written only when there are any."""
    assert text == format_time(moment)


@pytest.mark.parametrize("moment", [EARLIEST_US - 1, LATEST_US + 1, 10**30])
def test_a_time_out_of_range_is_not_written(moment: int) -> None:
    """RFC 3339 has four digits for a year."""
    with pytest.raises(InvalidInput, match="a time: it is outside the years 1 to 9999"):
        format_time(moment)


@given(st.integers(EARLIEST_US, LATEST_US))
@example(us(2000, 2, 29))
@example(us(1900, 3, 1) - 1)
@example(us(4, 2, 29))
def test_the_calendar_is_datetimes(moment: int) -> None:
    """Writing agrees with the standard library, and reading takes back what was written."""
    there = EPOCH + moment * MICROSECOND
    expected = there.replace(tzinfo=None).isoformat() + "Z"
    assert expected == format_time(moment)
    assert moment == parse_instant(expected)


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_zones_are_subtracted(local: datetime, minutes: int) -> None:
    """A time with an offset is the instant that the standard library finds."""
    there = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert (there - EPOCH) // MICROSECOND == parse_instant(there.isoformat())


@given(st.text("0123456789-+:.TtZz ", max_size=40) | st.text())
@example("9" * 5000)
@example("2026-01-01T00:00:00." + "9" * 5000)
def test_any_text_is_a_time_or_refused(text: str) -> None:
    """parse_time answers within its range or raises InvalidInput."""
    try:
        moment = parse_time(text, now_us=NOW_US)
    except InvalidInput:
        return
    assert EARLIEST_US <= moment <= LATEST_US


@given(st.from_regex(TIME_SHAPE, fullmatch=True))
def test_the_shape_of_times_is_what_is_read(text: str) -> None:
    """Text of the shape is refused for its values only."""
    assert re.fullmatch(TIME_SHAPE, text)
    try:
        parse_instant(text)
    except InvalidInput as error:
        assert ": " in error.message
