"""Times as programs give them: text, dates and datetimes, or microseconds UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsm.errors import InvalidInput
from dsm.model.timespec import format_time, parse_time

if TYPE_CHECKING:
    from datetime import date
    from datetime import datetime as Moment

    Time = str | int | date


def instant(given: Time, now_us: int) -> int:
    """Returns the microseconds UTC of a text, a date, a datetime, or of such microseconds.

    A datetime without a zone counts as UTC. Raises InvalidInput.
    """
    if isinstance(given, str):
        return parse_time(given, now_us=now_us)
    if isinstance(given, int) and not isinstance(given, bool):
        format_time(given)  # refuses what is outside the calendar
        return given
    # Not before it is needed: it costs every command 4 ms.
    from datetime import UTC, date, datetime

    if isinstance(given, datetime):
        if given.tzinfo is None:
            given = given.replace(tzinfo=UTC)
        return parse_time(given.astimezone(UTC).isoformat(), now_us=now_us)
    if isinstance(given, date):
        return parse_time(given.isoformat(), now_us=now_us)
    raise InvalidInput(f"{given!r} is not a time")


def datetime_of(us: int) -> Moment:
    """Returns the datetime, in UTC, of so many microseconds since 1970."""
    from datetime import UTC, datetime, timedelta

    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
