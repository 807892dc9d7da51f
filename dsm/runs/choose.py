"""Which runs are meant: conditions on metrics, parameters and state, and the order by a metric."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dsm.errors import InvalidInput, NotFound
from dsm.model.names import printable
from dsm.runs.run import Run

NAMES_SHOWN = 10
_condition = re.compile(r"\s*([^=<>!\s][^=<>!]*?)\s*(<=|>=|!=|==|=|<|>)\s*(.*?)\s*", re.S).fullmatch
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "=": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Condition:
    """`name` is a metric, a parameter, or `name`, `state`, `status` or `author` of the run.

    Both sides are compared as numbers where they are numbers, else as text, for which there is
    only = and !=. A run that has no such value does not fit, but for !=.
    """

    name: str
    sign: str
    value: str

    def fits(self, run: Run) -> bool:
        """Whether a run fits."""
        found = _value(run, self.name)
        if found is None:
            return self.sign == "!="
        wanted = _number(self.value)
        mine = found if isinstance(found, float) else _number(found)
        if wanted is not None and mine is not None:
            return _COMPARE[self.sign](mine, wanted)
        if self.sign in ("=", "!="):
            return _COMPARE[self.sign](str(found), self.value)
        return False


def parse(text: str) -> Condition:
    """Reads `f1 > 0.9`, `lr=0.1` or `state=complete`. Raises InvalidInput."""
    match = _condition(text)
    if match is None:
        raise InvalidInput(
            f"{printable(text)!r} is no condition", hint="such as 'f1 > 0.9' or 'state=complete'"
        )
    name, sign, value = match.groups()
    sign = "=" if sign == "==" else sign
    if sign not in ("=", "!=") and _number(value) is None:
        raise InvalidInput(
            f"{printable(text)!r}: {printable(value)!r} is no number to compare with"
        )
    return Condition(name, sign, value)


def _value(run: Run, name: str) -> float | str | None:
    if name in run.metrics:
        return run.metrics[name]
    if name in run.parameters:
        return run.parameters[name]
    about = {"name": run.start.name, "state": run.state, "author": run.start.author}
    if name == "status":
        return None if run.end is None else float(run.end.status)
    return about.get(name)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def in_order(runs: Iterable[Run], metric: str, *, least: bool = False) -> list[Run]:
    """Returns the runs that have a metric, the greatest first; NaN comes last either way.

    Raises NotFound when there are runs, and none has it.
    """
    given: Sequence[Run] = list(runs)
    having = [run for run in given if metric in run.metrics]
    if given and not having:
        known = sorted({name for run in given for name in run.metrics})
        more = ", …" if len(known) > NAMES_SHOWN else ""
        raise NotFound(
            f"none of these runs has a metric {metric!r}",
            hint=f"there are: {', '.join(known[:NAMES_SHOWN])}{more}" if known else
            "`dsm run --metrics FILE` records metrics",
        )  # fmt: skip

    def key(run: Run) -> tuple[bool, float]:
        value = run.metrics[metric]
        return math.isnan(value), value if least else -value

    return sorted(having, key=key)
