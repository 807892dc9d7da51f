"""Which changesets a log tells: those up to one, of a time, an author, a word, or some paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypedDict

from dsm.errors import InvalidInput
from dsm.model.changeset import Changeset
from dsm.model.keywords import refuse_unknown
from dsm.model.moments import instant
from dsm.repo.log import ChangesetLog

if TYPE_CHECKING:
    from dsm.history.difference import Trail
    from dsm.model.moments import Time
    from dsm.model.trailers import TrailerCondition

Test = Callable[[Changeset], bool]


class LogAsked(TypedDict, total=False):
    """What is asked of `log`; see `DatasetHistory.log` for what the keywords mean."""

    reference: str | int | None
    after: str | int | None
    since: Time | None
    until: Time | None
    author: str | Sequence[str] | None
    grep: str | Sequence[str] | None
    where: str | Sequence[str] | None
    reverse: bool
    follow: bool


def listed(
    log: ChangesetLog, asked: LogAsked, trail: Trail | None, *, now_us: int
) -> Iterator[Changeset]:
    """Returns the changesets that are asked for, newest first, whatever `reverse` says.

    With a `trail` those that touch what it is of.

    Raises NotFound for a changeset that there is not, InvalidInput, before the first one is read.
    """
    refuse_unknown("log", asked, [*LogAsked.__annotations__, "limit", "paths"])
    reference, after = asked.get("reference"), asked.get("after")
    start = log.head() if reference is None else log.resolve(reference)
    end = 0 if after is None else log.resolve(after)
    tests = _tests(asked, now_us)
    return _told(log, range(start, end, -1), tests, trail)


def _told(
    log: ChangesetLog, numbers: Iterable[int], tests: list[Test], trail: Trail | None
) -> Iterator[Changeset]:
    for number in numbers:
        changeset = log.get(number)
        if not all(fits(changeset) for fits in tests):
            if trail is not None:
                trail.pass_over(changeset)
        elif trail is None or trail.touches(changeset):
            yield changeset


def _tests(asked: LogAsked, now_us: int) -> list[Test]:
    tests: list[Test] = []
    since, until = (
        None if moment is None else instant(moment, now_us)
        for moment in (asked.get("since"), asked.get("until"))
    )
    if since is not None:
        tests.append(lambda changeset: changeset.time >= since)
    if until is not None:
        tests.append(lambda changeset: changeset.time < until)
    authors, words = _folded(asked.get("author")), _folded(asked.get("grep"))
    if authors is not None:
        tests.append(lambda changeset: _holds(changeset.author, authors))
    if words is not None:
        tests.append(lambda changeset: _holds(changeset.message, words))
    for condition in _conditions(asked.get("where")):
        tests.append(lambda changeset, fits=condition.fits: fits(changeset.trailers))  # type: ignore[misc]
    return tests


def _conditions(given: str | Sequence[str] | None) -> list[TrailerCondition]:
    if not given:
        return []
    from dsm.model.trailers import TrailerCondition

    return [TrailerCondition.parse(each) for each in ([given] if isinstance(given, str) else given)]


def _folded(given: str | Sequence[str] | None) -> list[str] | None:
    if given is None:
        return None
    found = [given] if isinstance(given, str) else list(given)
    if any(not isinstance(each, str) for each in found):
        raise InvalidInput(f"{given!r} is not text to look for")
    return [each.casefold() for each in found]


def _holds(text: str, parts: Sequence[str]) -> bool:
    folded = text.casefold()
    return any(part in folded for part in parts)
