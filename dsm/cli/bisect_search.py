"""A search for what broke a metric as it is kept between commands, in `.dsm/local`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dsm.catalog import Catalog
from dsm.errors import AnswerIsNo, DamagedData, InvalidInput, Refused, StorageFailed
from dsm.model.names import printable
from dsm.runs.bisect import BAD, GOOD, Bisection, Elimination
from dsm.runs.replay import query_at
from dsm.store import disk
from dsm.store.whole_file import read_file
from dsm.views.query.view_query import ViewQuery
from dsm.views.series import LABEL, SEGMENT, droppable, without
from dsm.views.view import View

STATE_BYTES_MAX = 1 << 22
CANDIDATES_MAX = 10_000
CHANGESETS = "changesets"
# What a search goes over, and the word for what is dropped.
OVER = {CHANGESETS: "changeset", "labels": LABEL, "segments": SEGMENT}
Prepare = Callable[[View, ViewQuery], View]


class NothingBegun(Refused):
    """A search was to go on that nobody began."""

    code = "nothing-begun"


@dataclass(frozen=True, slots=True)
class Trial:
    """A view to train on: at changeset `number`, or without the labels or segments `dropped`."""

    view: View
    number: int | None = None
    dropped: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What it is, in a line."""
        if self.number is not None:
            return f"changeset {self.number}"
        return f"without {', '.join(map(printable, self.dropped))}"


class Search:
    """What every search has: a view, and a file that says how far it has come."""

    over: str

    def __init__(self, repo: Catalog, prepare: Prepare, state: dict[str, Any]):
        self.repo = repo
        self.view = repo.view(state["view"])
        self._prepare = prepare

    def next(self) -> Trial | None:
        """Returns the view to try next; None at the end, or while something must be named."""
        raise NotImplementedError

    def judge(self, trial: Trial, verdict: str) -> None:
        """Takes in that a view is GOOD or BAD, and keeps it. Raises WriteFailed."""
        raise NotImplementedError

    def left(self) -> int:
        """Returns how many may be the one that broke it."""
        raise NotImplementedError

    def _save(self, **state: Any) -> None:
        _write(self.repo, {"view": self.view.version, "over": self.over, **state})


class ChangesetSearch(Search):
    """Between a good and a bad changeset."""

    over = CHANGESETS

    def __init__(self, repo: Catalog, prepare: Prepare, state: dict[str, Any]):
        numbers = (state[GOOD], state[BAD])
        if not all(each is None or type(each) is int for each in numbers):
            raise ValueError
        super().__init__(repo, prepare, state)
        self.good: int | None = numbers[0]
        self.bad: int | None = numbers[1]
        self._views: dict[int, View] = {}

    def mark(self, number: int, verdict: str) -> None:
        """Takes in that a changeset is good or bad. Raises InvalidInput, WriteFailed."""
        if number == (self.bad if verdict == GOOD else self.good):
            raise InvalidInput(f"changeset {number} is {BAD if verdict == GOOD else GOOD} already")
        if verdict == GOOD:
            self.good = number
        else:
            self.bad = number
        self._keep()

    def next(self) -> Trial | None:
        found = self.bisection()
        number = None if found is None else found.next()
        return None if number is None else Trial(self.at(number), number)

    def judge(self, trial: Trial, verdict: str) -> None:
        found = self.bisection()
        if found is not None and trial.number is not None:
            found.judge(trial.number, verdict)
            self.good, self.bad = found.good, found.bad
            self._keep()

    def bisection(self) -> Bisection | None:
        """Returns the search itself; None while good or bad is missing."""
        if self.good is None or self.bad is None:
            return None
        return Bisection(self.good, self.bad, lambda number: self.at(number).digest)

    def first_bad(self) -> int | None:
        """Returns the changeset that broke it; None until it is found."""
        found = self.bisection()
        return None if found is None or found.next() is not None else found.bad

    def left(self) -> int:
        found = self.bisection()
        if found is None:
            return 0
        found.next()  # past what is known without a training
        return len(list(found.left()))

    def at(self, number: int) -> View:
        """Returns the view as it is at a changeset."""
        if number not in self._views:
            changeset = self.repo.dataset(self.view.dataset).changeset(number)
            self._views[number] = self._prepare(self.view, query_at(self.view, changeset))
        return self._views[number]

    def _keep(self) -> None:
        self._save(**{GOOD: self.good, BAD: self.bad})


class ClauseSearch(Search):
    """Over the labels or the segments of a view that is bad with all of them."""

    def __init__(self, repo: Catalog, prepare: Prepare, state: dict[str, Any]):
        lists = [state["candidates"], state["enough"]]
        for each in lists:
            if not isinstance(each, list) or not all(isinstance(name, str) for name in each):
                raise ValueError
        if not lists[0] or not isinstance(state["judged"], dict):
            raise ValueError
        super().__init__(repo, prepare, state)
        self.over: str = state["over"]
        self._views: dict[tuple[str, ...], View | None] = {(): self.view}
        self.elimination = Elimination(
            candidates=lists[0], data=self._data, judged=dict(state["judged"]), enough=lists[1],
            refuted=bool(state["refuted"]),
        )  # fmt: skip

    def next(self) -> Trial | None:
        dropped = self.elimination.next()
        view = None if dropped is None else self._without(dropped)
        return None if dropped is None or view is None else Trial(view, dropped=dropped)

    def judge(self, trial: Trial, verdict: str) -> None:
        found = self.elimination
        found.judge(trial.dropped, verdict)
        self._save(
            candidates=found.candidates, enough=found.enough, judged=found.judged,
            refuted=found.refuted,
        )  # fmt: skip

    def left(self) -> int:
        return len(self.elimination.candidates)

    def _data(self, dropped: tuple[str, ...]) -> str | None:
        view = self._without(dropped)
        return None if view is None else view.digest

    def _without(self, dropped: tuple[str, ...]) -> View | None:
        if dropped not in self._views:
            query = without(self.view, OVER[self.over], dropped)
            try:
                self._views[dropped] = self._prepare(self.view, query)
            except AnswerIsNo:
                self._views[dropped] = None
        return self._views[dropped]


def begin(repo: Catalog, prepare: Prepare, view: str, over: str) -> Search:
    """Begins a search, in place of one that may go on.

    Raises NotFound, InvalidInput for what cannot be searched, WriteFailed.
    """
    if over not in OVER:
        raise InvalidInput(
            f"{printable(over)!r} is nothing to search", hint=f"--over {', '.join(OVER)}"
        )
    found = repo.view(view)
    state: dict[str, Any] = {"view": found.version, "over": over}
    if over == CHANGESETS:
        state |= {GOOD: None, BAD: None}
    else:
        names = droppable(found, OVER[over])
        if len(names) < 2:
            raise InvalidInput(
                f"the view has {len(names)} {over}: there is nothing to search among",
                hint="`dsm segment create` makes segments" if over == "segments" else None,
            )
        if len(names) > CANDIDATES_MAX:
            raise InvalidInput(f"{len(names):,} {over} are too many: {CANDIDATES_MAX:,} at most")
        state |= {"candidates": names, "enough": [], "judged": {}, "refuted": False}
    _write(repo, state)
    return resume(repo, prepare)


def resume(repo: Catalog, prepare: Prepare) -> Search:
    """Returns the search that goes on. Raises NothingBegun, NotFound for a view that is gone."""
    found: Any = None
    try:
        found = json.loads(read_file(repo.layout.bisection, STATE_BYTES_MAX) or b"null")
        if found and isinstance(found["view"], str) and found["over"] in OVER:
            kind = ChangesetSearch if found["over"] == CHANGESETS else ClauseSearch
            return kind(repo, prepare, found)
    except (DamagedData, StorageFailed, ValueError, TypeError, KeyError, RecursionError):
        pass
    raise NothingBegun("no search goes on", hint="dsm bisect start VIEW")


def _write(repo: Catalog, state: dict[str, Any]) -> None:
    temporary = os.path.join(repo.layout.temporary, f"bisect-{os.urandom(8).hex()}")
    disk.rewrite(repo.layout.bisection, json.dumps(state).encode(), temporary)
