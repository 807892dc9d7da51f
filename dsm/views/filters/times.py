"""The filter by time: from a moment on, before a moment, or between the two."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self, TypedDict

from dsm.errors import InvalidInput
from dsm.model.moments import instant
from dsm.model.timespec import EARLIEST_US, LATEST_US, format_time, parse_instant
from dsm.views.filters.filter import Asking, Clause, DummyWish, Filter
from dsm.views.filters.values import TimeValue

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.views.filters.sql import SqlConditions

Time = str | int | date
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Asked(TypedDict, total=False):
    """Its keywords."""

    since: Time | None
    until: Time | None


class TimeFilter(Filter):
    """Takes examples from `since` (included) on and before `until`, microseconds UTC; or one."""

    columns = ("time",)

    def __init__(self, since: int | None = None, until: int | None = None):
        self.since = since
        self.until = until

    @classmethod
    def asked(cls, asked: Mapping[str, Any], asking: Asking) -> Self | None:
        since, until = (
            None if asked.get(name) is None else instant(asked[name], asking.now_us)
            for name in ("since", "until")
        )
        _require_order(since, until)
        since = None if since == EARLIEST_US else since
        return None if since is until is None else cls(since, until)

    def joined(self, other: Filter) -> Filter | None:
        if not isinstance(other, TimeFilter):
            return None
        earliest = [each.since for each in (self, other) if each.since is not None]
        latest = [each.until for each in (self, other) if each.until is not None]
        since, until = max(earliest, default=None), min(latest, default=None)
        _require_order(since, until)
        return TimeFilter(since, until)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self | None:
        since, until = (
            None if fields.get(name) is None else parse_instant(fields[name])
            for name in ("since", "until")
        )
        return None if since is until is None else cls(since, until)

    def to_json(self) -> dict[str, Any]:
        told = (("since", self.since), ("until", self.until))
        return {name: format_time(moment) for name, moment in told if moment is not None}

    def words(self) -> list[str]:
        return [f"{name} {moment}" for name, moment in self.to_json().items()]

    def clauses(self) -> list[Clause]:
        found = []
        if self.since is not None:
            text = f"time is {format_time(self.since)} or later"
            found.append(Clause("since", text, self._since_mask, TimeValue()))
        if self.until is not None:
            text = f"time is before {format_time(self.until)}"
            found.append(Clause("until", text, self._until_mask, TimeValue()))
        return found

    def _since_mask(self, table: pa.Table) -> pa.ChunkedArray:
        import pyarrow.compute as pc

        return pc.greater_equal(table.column("time"), _scalar(self.since))

    def _until_mask(self, table: pa.Table) -> pa.ChunkedArray:
        import pyarrow.compute as pc

        return pc.less(table.column("time"), _scalar(self.until))

    def narrow(self, conditions: SqlConditions) -> None:
        since, until = self.since, self.until
        passes = (since is None or conditions.time_us >= since) and (
            until is None or conditions.time_us < until
        )
        name = conditions.query.time
        if name is None:
            if not passes:
                conditions.nothing_passes()
            return
        if since is not None and until is not None and since >= until:
            conditions.nothing_passes()
        if conditions.kind(name) != "time" or conditions.sqlite:
            return
        bounds = []
        for op, limit in ((">=", since), ("<=", until)):
            if limit is None:
                continue
            # A microsecond more, whichever way finer times are rounded.
            limit += -1 if op == ">=" else 1
            if EARLIEST_US <= limit <= LATEST_US:
                bounds.append(
                    f"{_column(conditions, name)} {op} {_moment(conditions, name, limit)}"
                )
        if not bounds:
            return
        condition = " AND ".join(bounds)
        if passes:
            condition = f"{conditions.column(name)} IS NULL OR ({condition})"
        conditions.found.append(condition)

    def shape(self, wish: DummyWish) -> None:
        wish.since, wish.until = self.since, self.until


def _require_order(since: int | None, until: int | None) -> None:
    if since is not None and until is not None and since >= until:
        raise InvalidInput(
            f"no time is at or after {format_time(since)} (since) and before"
            f" {format_time(until)} (until)",
            hint="until is not included: give a later one",
        )


def _scalar(moment: int | None) -> pa.Scalar:
    import pyarrow as pa

    return pa.scalar(moment, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def _column(conditions: SqlConditions, name: str) -> str:
    # As the coarser type: the finer one does not reach as far.
    finer = getattr(conditions.type(name), "unit", "us") == "ns"
    return f"CAST({conditions.column(name)} AS timestamp)" if finer else conditions.column(name)


def _moment(conditions: SqlConditions, name: str, limit: int) -> str:
    import pyarrow.types as types

    kind, types_of = conditions.type(name), conditions.spelling.types
    moment = _EPOCH + timedelta(microseconds=limit)
    if types.is_date(kind):
        return conditions.value(date(moment.year, moment.month, moment.day), types_of["date"])
    if types.is_timestamp(kind) and kind.tz:
        return conditions.value(moment, types_of["zoned"])
    return conditions.value(moment.replace(tzinfo=None), types_of["time"])
