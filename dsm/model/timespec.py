"""Times as people write them: text to and from UTC microseconds since 1970.

One grammar of absolute times serves the command line, label files and path patterns; times that
are relative to now exist for the command line only. A time is an int within the years 1 to 9999
everywhere else. Calendar arithmetic is done here, because `datetime` costs every command 4 ms.
"""

from __future__ import annotations

import re
from typing import Final

from dsm.errors import InvalidInput
from dsm.model.names import printable

_SECOND: Final = 1_000_000
_DAY: Final = 86_400 * _SECOND
_AGO_UNITS: Final = {"m": 60 * _SECOND, "h": 3600 * _SECOND, "d": _DAY, "w": 7 * _DAY}
EARLIEST_US: Final = -62_135_596_800 * _SECOND  # 0001-01-01T00:00:00Z
LATEST_US: Final = 253_402_300_800 * _SECOND - 1  # 9999-12-31T23:59:59.999999Z
_DAYS_IN_MONTH: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ACCEPTED: Final = "write it like 2026-01-31T08:00:00Z, 2026-01-31, 2026-01 or 2026"

_ZONE = "([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)"
_EXTENDED = (
    "([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    rf"(?:[Tt ]([0-9]{{2}}):([0-9]{{2}})(?::([0-9]{{2}})(?:\.([0-9]+))?)?{_ZONE}?)?)?)?"
)
_COMPACT = (
    "([0-9]{4})([0-9]{2})([0-9]{2})"
    rf"(?:[Tt]([0-9]{{2}})([0-9]{{2}})(?:([0-9]{{2}})(?:\.([0-9]+))?)?{_ZONE}?)?"
)
_UNIX = r"[0-9]{9,10}(?:\.[0-9]+)?"

_EXTENDED_TIME = re.compile(_EXTENDED)
_COMPACT_TIME = re.compile(_COMPACT)
_UNIX_TIME = re.compile(_UNIX)
_AGO = re.compile("([0-9]{1,12})([mhdw])")

# The shape of an absolute time, without groups, for use inside a larger expression.
TIME_SHAPE: Final = "(?:" + re.sub(r"\((?!\?)", "(?:", f"{_COMPACT}|{_UNIX}|{_EXTENDED}") + ")"


def parse_time(text: str, *, now_us: int) -> int:
    """Returns the UTC microseconds that `text` names, absolute or relative to `now_us`.

    Takes all that `parse_instant` takes, a count of minutes, hours, days or weeks ago (`30m`,
    `12h`, `7d`, `2w`), and the words `now`, `today` and `yesterday` (midnight UTC).
    Raises InvalidInput.
    """
    words = text.strip().lower()
    midnight = now_us - now_us % _DAY
    if words == "now":
        return now_us
    if words == "today":
        return midnight
    if words == "yesterday":
        return _within_range(midnight - _DAY, text)
    if ago := _AGO.fullmatch(words):
        return _within_range(now_us - int(ago[1]) * _AGO_UNITS[ago[2]], text)
    try:
        return parse_instant(text)
    except InvalidInput as error:
        hint = f"{_ACCEPTED}; or 30m, 12h, 7d, 2w (ago), now, today, yesterday"
        raise InvalidInput(error.message, hint=hint) from None


def parse_instant(text: str) -> int:
    """Returns the UTC microseconds of an absolute time; without a zone, it is UTC.

    Takes RFC 3339, `2026-01-31` (midnight), `2026-01`, `2026`, `20260131`, `20260131T080000`
    and Unix seconds of nine or ten digits. Digits beyond microseconds are dropped.
    Raises InvalidInput.
    """
    digits = text.strip()
    shape = _COMPACT_TIME if digits[4:5].isdigit() else _EXTENDED_TIME
    match = shape.fullmatch(digits)
    if match:
        return _from_calendar(match, text)
    if _UNIX_TIME.fullmatch(digits):
        seconds, _, fraction = digits.partition(".")
        return int(seconds) * _SECOND + _microseconds(fraction)
    raise _not_a_time(text)


def format_time(us: int) -> str:
    """Returns RFC 3339 in UTC, with microseconds only when there are any.

    Raises InvalidInput outside the years 1 to 9999.
    """
    days, rest = divmod(_within_range(us, str(us)), _DAY)
    year, month, day = _date_of(days)
    seconds, micro = divmod(rest, _SECOND)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    fraction = f".{micro:06}" if micro else ""
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"


def _from_calendar(match: re.Match[str], text: str) -> int:
    years, months, days, hours, minutes, seconds, fraction, zone = match.groups()
    year, month, day = int(years), int(months or 1), int(days or 1)
    if not (year >= 1 and 1 <= month <= 12 and 1 <= day <= _days_in(year, month)):
        raise _not_a_time(text, "there is no such day")
    us = _days_since_1970(year, month, day) * _DAY
    if hours is None:
        return us
    hour, minute, second = int(hours), int(minutes), int(seconds or 0)
    if hour > 23 or minute > 59 or second > 60:
        raise _not_a_time(text, "there is no such time of day")
    us += ((hour * 60 + minute) * 60 + second) * _SECOND
    if zone is not None:
        us -= _offset(zone, text)
    # RFC 3339 allows a leap second, which only ever ends a day of UTC; it counts as the next one.
    if second == 60 and us % _DAY:
        raise _not_a_time(text, "there is no such time of day")
    return _within_range(us + _microseconds(fraction) if fraction else us, text)


def _microseconds(fraction: str) -> int:
    return int(fraction[:6].ljust(6, "0"))


def _offset(zone: str, text: str) -> int:
    if zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        raise _not_a_time(text, "there is no such zone")
    offset = (hours * 60 + minutes) * 60 * _SECOND
    return -offset if zone[0] == "-" else offset


def _days_in(year: int, month: int) -> int:
    if month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0):
        return 29
    return _DAYS_IN_MONTH[month - 1]


# Both directions count years from March, so that a leap day is the last of its year, in eras of
# 400 years = 146,097 days; 719,468 days lie between 0000-03-01 and 1970-01-01.


def _days_since_1970(year: int, month: int, day: int) -> int:
    if month <= 2:
        year -= 1
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + day_of_year - 719_468


def _date_of(days: int) -> tuple[int, int, int]:
    era, day_of_era = divmod(days + 719_468, 146_097)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    return era * 400 + year + (month >= 10), (month + 2) % 12 + 1, day


def _within_range(us: int, text: str) -> int:
    if not EARLIEST_US <= us <= LATEST_US:
        raise _not_a_time(text, "it is outside the years 1 to 9999")
    return us


def _not_a_time(text: str, why: str | None = None) -> InvalidInput:
    shown = printable(text[:60])
    return InvalidInput(f"'{shown}' is not a time" + (f": {why}" if why else ""), hint=_ACCEPTED)
