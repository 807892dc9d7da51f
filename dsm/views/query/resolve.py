"""From what people ask to a query: numbers, tags, dates and shares become exact values.

Reads headers of changesets, never a manifest or an object: the version of a view costs the same
whatever the size of the data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypedDict

from dsm.errors import AnswerIsNo, InvalidInput, NotFound
from dsm.model.changeset import Changeset
from dsm.model.names import check_label, printable, quoted
from dsm.model.timespec import EARLIEST_US, format_time, parse_time
from dsm.repo.log import ChangesetLog
from dsm.views.filters.conditions import Condition, decimal_text, parse_condition
from dsm.views.filters.glob import check_glob
from dsm.views.query.view_query import ChangesetRange, ViewQuery

Time = str | int | date
Percent = str | int | float
_PART = re.compile(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})\s*)?")


class Asked(TypedDict, total=False):
    """The keywords of `Request`."""

    labels: Iterable[str]
    all_labels: bool
    exclude: Iterable[str]
    since: Time | None
    until: Time | None
    percent: Percent | None
    changesets: str | Iterable[int | str] | None
    at: str | int | None
    paths: Iterable[str]
    where: Iterable[str]


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, as it was written; see `Dataset.prepare` for what the fields mean."""

    labels: Iterable[str] = ()
    all_labels: bool = False
    exclude: Iterable[str] = ()
    since: Time | None = None
    until: Time | None = None
    percent: Percent | None = None
    changesets: str | Iterable[int | str] | None = None
    at: str | int | None = None
    paths: Iterable[str] = ()
    where: Iterable[str] = ()


def resolve(log: ChangesetLog, dataset_id: str, asked: Request, *, now_us: int) -> ViewQuery:
    """Returns the query that was asked for. Raises InvalidInput, NotFound, AnswerIsNo."""
    if not log.head():
        raise AnswerIsNo(f"dataset {log.name} has no changeset yet", hint="`dsm commit` first")
    runs: tuple[ChangesetRange, ...] = ()
    if asked.changesets is not None:
        if asked.at is not None:
            raise InvalidInput("give changesets or a snapshot (at), not both")
        runs = _runs(log, asked.changesets)
        changeset = log.get(runs[-1][1])
        if runs == ((1, changeset.number),):
            runs = ()
    else:
        changeset = log.get(log.resolve("head" if asked.at is None else asked.at))
    labels = _labels(asked.labels)
    if asked.all_labels and not labels:
        raise InvalidInput("all of which labels?", hint="give them with --label")
    since = None if asked.since is None else _instant(asked.since, now_us)
    until = None if asked.until is None else _instant(asked.until, now_us)
    if since is not None and until is not None and since >= until:
        raise InvalidInput(
            f"no time is at or after {format_time(since)} (since) and before"
            f" {format_time(until)} (until)",
            hint="until is not included: give a later one",
        )
    return ViewQuery(
        dataset_id, changeset.number, changeset.id, labels, asked.all_labels and len(labels) > 1,
        _labels(asked.exclude), runs,
        None if since == EARLIEST_US else since, until, _share(asked.percent),
        tuple(sorted({_glob(glob) for glob in _listed(asked.paths)})),
        _conditions(changeset, asked.where),
    )  # fmt: skip


def _listed(given: Iterable[str]) -> Iterable[str]:
    """A text by itself is one item, not one for each letter."""
    return [given] if isinstance(given, str) else given


def _labels(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({check_label(label) for label in _listed(given)}))


def _conditions(changeset: Changeset, given: Iterable[str]) -> tuple[Condition, ...]:
    return tuple(sorted({parse_condition(text, changeset.attributes) for text in _listed(given)}))


def _runs(log: ChangesetLog, given: str | Iterable[int | str]) -> tuple[ChangesetRange, ...]:
    """Reads `1,3-5` or numbers; returns sorted runs that neither touch nor overlap."""
    parts: Sequence[str] = (
        given.split(",") if isinstance(given, str) else [str(part) for part in given]
    )
    wanted: list[ChangesetRange] = []
    for part in parts:
        match = _PART.fullmatch(part)
        if match is None:
            raise InvalidInput(
                f"'{printable(part)}' is no changeset", hint="write changesets like 1,3-5"
            )
        first = int(match[1])
        last = int(match[2] or first)
        if first > last:
            raise InvalidInput(f"'{part.strip()}' runs backwards", hint=f"write {last}-{first}")
        wanted.append((first, last))
    if not wanted:
        raise InvalidInput("no changeset is listed", hint="write changesets like 1,3-5")
    head = log.head()
    for first, last in wanted:
        if first < 1 or last > head:
            raise NotFound(
                f"dataset {log.name} has no changeset {last if last > head else first}",
                hint=f"its newest one is {head}",
            )
    runs: list[ChangesetRange] = []
    for first, last in sorted(wanted):
        if runs and first <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], max(runs[-1][1], last))
        else:
            runs.append((first, last))
    return tuple(runs)


def _instant(given: Time, now_us: int) -> int:
    """Microseconds UTC of a text, a count of microseconds, a date or a datetime."""
    if isinstance(given, str):
        return parse_time(given, now_us=now_us)
    if isinstance(given, datetime):
        if given.tzinfo is None:
            given = given.replace(tzinfo=UTC)
        return parse_time(given.astimezone(UTC).isoformat(), now_us=now_us)
    if isinstance(given, date):
        return parse_time(given.isoformat(), now_us=now_us)
    if isinstance(given, bool) or not isinstance(given, int):
        raise InvalidInput(f"{given!r} is not a time")
    format_time(given)  # refuses what is outside the calendar
    return given


def _share(given: Percent | None) -> str | None:
    """Returns the exact decimal of `0.8`, `.80` or `80%`, None for all. Raises InvalidInput."""
    if given is None:
        return None
    text = repr(given) if isinstance(given, float) else str(given).strip()
    wrong = InvalidInput(
        f"'{printable(text)}' is not a share of the examples",
        hint="write more than 0 and at most 1, such as 0.8, or 80%",
    )
    hundredths = text.endswith("%")
    try:
        number = decimal_text(text[:-1] if hundredths else text)
        if hundredths:
            number = decimal_text(number + "e-2")
    except InvalidInput as error:
        raise wrong from error
    if number == "1":
        return None
    if not number.startswith("0."):
        raise wrong
    return number


def _glob(glob: str) -> str:
    """Checks a glob and removes what does not change its meaning. Raises InvalidInput."""
    if "\0" in glob or any("\ud800" <= char <= "\udfff" for char in glob):
        raise InvalidInput(f"{quoted(glob)} is no path of an example")
    text = re.sub(r"\A(?:\s|\./)+", "", re.sub("/{2,}", "/", glob))
    while text != (text := text.rstrip().rstrip("/")):
        pass
    if not text or text.startswith("/") or text == ".":
        raise InvalidInput(
            f"{quoted(glob)} is no path of an example",
            hint="paths are below the dataset's root, such as 'train/**/*.jpg'",
        )
    return check_glob(text)
