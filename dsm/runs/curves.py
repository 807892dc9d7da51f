"""Curves of a metric over steps, as few points as can be drawn, and the scales to draw them by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dsm.runs.points import Point

TICKS = 5


@dataclass(frozen=True, slots=True)
class Curve:
    """A metric of one run: finite points as (step, value) by step; `left_out` were none.

    Of many points the least and the greatest value of each stretch of steps are kept.
    """

    name: str
    points: list[tuple[int, float]]
    left_out: int


def curve(name: str, found: Iterable[Point], width: int) -> Curve:
    """Makes a curve of points in any order, for `width` stretches.

    Of several values at one step the one that was logged last counts.
    """
    by_step: dict[int, float] = {}
    for point in found:
        by_step[point.step] = point.value
    steps = sorted(step for step, value in by_step.items() if math.isfinite(value))
    left_out = len(by_step) - len(steps)
    if len(steps) <= 2 * width:
        return Curve(name, [(step, by_step[step]) for step in steps], left_out)
    first, last = steps[0], steps[-1]
    kept: dict[int, tuple[int, int]] = {}
    for step in steps:
        at = (step - first) * width // (last - first + 1)
        least, most = kept.get(at, (step, step))
        if by_step[step] < by_step[least]:
            least = step
        if by_step[step] > by_step[most]:
            most = step
        kept[at] = least, most
    chosen = sorted({step for pair in kept.values() for step in pair} | {first, last})
    return Curve(name, [(step, by_step[step]) for step in chosen], left_out)


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers from `low` to `high` as shares from 0 to 1, by logarithm if they are all positive."""

    low: float
    high: float
    log: bool = False

    def share(self, value: float) -> float:
        """Returns where a value lies."""
        if self.log:
            low, high, value = math.log(self.low), math.log(self.high), math.log(value)
        else:
            # Halved, since the difference of the greatest numbers is none.
            low, high, value = self.low / 2, self.high / 2, value / 2
        return 0.5 if high == low else (value - low) / (high - low)

    def ticks(self) -> list[float]:
        """Returns round numbers within, a handful; of a logarithm powers of ten if there are."""
        if self.low == self.high:
            return [self.low]
        if self.log:
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            found = [10.0**power for power in powers[:: max(1, len(powers) // TICKS)]]
            return found if len(found) > 1 else [self.low, self.high]
        raw = self.high / TICKS - self.low / TICKS
        if not raw:
            return [self.low, self.high]
        size = 10.0 ** math.floor(math.log10(raw))
        step = next(size * by for by in (1, 2, 5, 10) if size * by >= raw or by == 10)
        if not math.isfinite(step) or step == 0:
            return [self.low, self.high]
        first = math.ceil(self.low / step)
        return [tick for tick in _steps(first, step, self.high) if tick >= self.low]


def _steps(first: int, step: float, high: float) -> Iterator[float]:
    for at in range(first, first + 3 * TICKS):
        if at * step > high:
            return
        yield at * step


def scales(curves: Sequence[Curve], *, log: bool = False) -> tuple[Scale, Scale] | None:
    """Returns the scales of steps and of values of all curves; None when there is no point."""
    points = [point for each in curves for point in each.points]
    if not points:
        return None
    steps, values = [point[0] for point in points], [point[1] for point in points]
    low = min(values)
    return (
        Scale(min(steps), max(steps)), Scale(low, max(values), log and low > 0)
    )  # fmt: skip
