"""Gates: what must not be, such as `f1 < baseline - 0.01`, as an expression and its answer.

    [GROUP:NAME] METRIC OPERATOR NUMBER
    [GROUP:NAME] METRIC OPERATOR baseline [+|-|* NUMBER]

GROUP is `segment`, `label` or an attribute. A figure that is not defined fails a gate: what cannot
be told must not pass.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from dsm.errors import InvalidInput
from dsm.model.names import printable, quoted

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
    "<": operator.lt, ">": operator.gt,
}  # fmt: skip
CHANGES: dict[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul,
}  # fmt: skip
EXPRESSION_MAX = 1000
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_NAME = r"\"[^\"]+\"|'[^']+'|[^\s\"']+"
_EXPRESSION = re.compile(
    rf"\s*(?:(?P<kind>[^\s:\"']+):(?P<name>{_NAME})\s+)?(?P<metric>[a-z][a-z0-9_]*)\s*"
    rf"(?P<operator><=|>=|==|!=|<|>)\s*"
    rf"(?:(?P<number>{_NUMBER})|baseline\s*(?:(?P<change>[-+*])\s*(?P<by>{_NUMBER}))?)\s*"
)
HINT = "such as 'f1 < 0.9', 'f1 < baseline - 0.01' or 'segment:night recall < 0.8'"


@dataclass(frozen=True, slots=True)
class Gate:
    """One expression: `group` is (kind, name), or None for all examples."""

    text: str
    group: tuple[str, str] | None
    metric: str
    operator: str
    number: float | None
    change: tuple[str, float] | None

    @property
    def needs_baseline(self) -> bool:
        """Whether it compares with the baseline."""
        return self.number is None

    def limit(self, baseline: float | None) -> float | None:
        """Returns what it compares with; None where the baseline has no such figure."""
        if self.number is not None or baseline is None:
            return self.number
        if self.change is None:
            return baseline
        return CHANGES[self.change[0]](baseline, self.change[1])


@dataclass(frozen=True, slots=True)
class Judged:
    """A gate with the figure of the run and its limit; None for one that is not defined."""

    gate: Gate
    value: float | None
    limit: float | None

    @property
    def failed(self) -> bool:
        """Whether what must not be is so, or cannot be told."""
        found = (self.value, self.limit)
        if any(each is None or math.isnan(each) for each in found):
            return True
        return OPERATORS[self.gate.operator](*found)  # type: ignore[arg-type]


def parse(text: str) -> Gate:
    """Reads an expression. Raises InvalidInput."""
    found = _EXPRESSION.fullmatch(text) if len(text) <= EXPRESSION_MAX else None
    if found is None:
        raise InvalidInput(f"{quoted(text)} is no condition to fail on", hint=HINT)
    kind, name = found["kind"], found["name"]
    if name is not None and name[0] in "\"'":
        name = name[1:-1]
    return Gate(
        text=printable(text.strip()), group=None if kind is None else (kind, name),
        metric=found["metric"], operator=found["operator"],
        number=None if found["number"] is None else float(found["number"]),
        change=None if found["change"] is None else (found["change"], float(found["by"])),
    )  # fmt: skip
