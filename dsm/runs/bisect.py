"""The search for what broke a metric, a changeset or a clause, with as few trainings as can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

GOOD, BAD = "good", "bad"


@dataclass(slots=True)
class Bisection:
    """Changesets `good` and `bad`, on one side of each other, and what is known between them.

    `data` says what the view holds at a changeset: where it holds the same as at one that was
    judged, nothing need be trained. The search rests on one change from good to bad.
    """

    good: int
    bad: int
    data: Callable[[int], str]
    judged: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.judged |= {self.data(self.good): GOOD, self.data(self.bad): BAD}

    def next(self) -> int | None:
        """Returns the changeset to try next; None when the first bad one is found, `bad`."""
        while (middle := self._middle()) is not None:
            known = self.judged.get(self.data(middle))
            if known is None:
                return middle
            self._move(middle, known)
        return None

    def judge(self, number: int, verdict: str) -> None:
        """Takes in that a changeset is GOOD or BAD."""
        self.judged[self.data(number)] = verdict
        self._move(number, verdict)

    def left(self) -> Iterator[int]:
        """Yields the changesets that may be the first bad one."""
        step = 1 if self.bad > self.good else -1
        yield from range(self.good + step, self.bad + step, step)

    def _middle(self) -> int | None:
        middle = (self.good + self.bad) // 2
        return None if abs(self.good - self.bad) <= 1 else middle

    def _move(self, number: int, verdict: str) -> None:
        if verdict == GOOD:
            self.good = number
        else:
            self.bad = number


@dataclass(slots=True)
class Elimination:
    """Labels or segments of a view that is bad with all of them: which one makes it so?

    What is tried is the view without some of the `candidates`, in halves. `data` says what it holds
    then, None for nothing. `judged` has the verdicts by that; `enough` is the smallest set without
    which the view was good. The search rests on one culprit; where two are needed it ends with none
    (`refuted`), and `enough` says between which they are.
    """

    candidates: list[str]
    data: Callable[[tuple[str, ...]], str | None]
    judged: dict[str, str] = field(default_factory=dict)
    enough: list[str] = field(default_factory=list)
    refuted: bool = False

    def __post_init__(self) -> None:
        whole = self.data(())
        if whole is not None:
            self.judged.setdefault(whole, BAD)

    @property
    def culprit(self) -> str | None:
        """The one that makes the view bad, when a view without it alone was good."""
        return self.enough[0] if len(self.enough) == 1 and not self.refuted else None

    def next(self) -> tuple[str, ...] | None:
        """Returns what to leave out next; None when the search has ended."""
        while self.culprit is None and not self.refuted:
            tried = self._tried()
            if tried is None:
                return None
            known = self.judged.get(self.data(tried) or "")
            if known is None:
                return tried
            self._narrow(tried, known)
        return None

    def judge(self, dropped: tuple[str, ...], verdict: str) -> None:
        """Takes in that the view without these is GOOD or BAD."""
        self.judged[self.data(dropped) or ""] = verdict
        self._narrow(dropped, verdict)

    def _tried(self) -> tuple[str, ...] | None:
        """Returns a half of the candidates; another one, or a single one, where nothing is left."""
        found, half = self.candidates, len(self.candidates) // 2
        parts = [found[:half], found[half:]] if half else []
        for part in (*parts, *([each] for each in found)):
            if self.data(tuple(part)) is not None:
                return tuple(part)
        return None

    def _narrow(self, dropped: tuple[str, ...], verdict: str) -> None:
        if verdict == GOOD:
            self.candidates = self.enough = list(dropped)
            return
        rest = [each for each in self.candidates if each not in dropped]
        if rest:
            self.candidates = rest
        else:
            self.refuted = True
