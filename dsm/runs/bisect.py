"""The search for the changeset that broke a metric, with as few trainings as possible."""

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
