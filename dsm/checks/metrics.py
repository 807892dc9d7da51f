"""The gate of a model: conditions on the numbers of a metrics file, none of which may hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dsm.checks.conditions import Condition, Unknown
from dsm.errors import InvalidInput
from dsm.model.names import printable

BYTES_MAX = 16 << 20
_DEPTH_MAX = 100


@dataclass(frozen=True)
class Judged:
    """A condition that was asked: `fails` when it holds, or when it cannot be told (`why`)."""

    condition: str
    fails: bool
    values: tuple[tuple[str, float], ...]
    why: str | None = None


@dataclass(frozen=True)
class Metrics:
    """The numbers of a JSON document by name; and what is none: a text, a list, a truth value."""

    numbers: dict[str, float]
    others: dict[str, str]


def read_metrics(data: bytes, name: str) -> Metrics:
    """Returns what a JSON document holds by name: of objects in it as `test.accuracy`. null is NaN.

    Raises InvalidInput when it is no JSON object, or has no number.
    """
    if len(data) > BYTES_MAX:
        raise InvalidInput(f"{printable(name)} has more than {BYTES_MAX:,} bytes")
    try:
        fields = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise InvalidInput(f"{printable(name)} is no JSON document") from None
    if not isinstance(fields, dict):
        raise InvalidInput(f"{printable(name)} is no JSON object of metrics by name")
    found = dict(_values(fields, "", 0))
    numbers = {name: value for name, value in found.items() if isinstance(value, float)}
    if not numbers:
        raise InvalidInput(f"{printable(name)} has no number")
    return Metrics(numbers, {n: value for n, value in found.items() if isinstance(value, str)})


def _values(fields: dict[str, Any], start: str, depth: int) -> Iterator[tuple[str, float | str]]:
    """Yields numbers by name, and words for what is none."""
    for key, value in fields.items():
        name = f"{start}{key}"
        if isinstance(value, dict) and depth < _DEPTH_MAX:
            yield from _values(value, f"{name}.", depth + 1)
        elif value is None:  # how JSON writes NaN
            yield name, float("nan")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            try:
                yield name, float(value)
            except OverflowError:
                yield name, float("inf") if value > 0 else float("-inf")
        elif not isinstance(value, dict):
            words = {str: "text", list: "list", bool: "truth value"}
            yield name, words[type(value)]


def judge(metrics: Metrics, conditions: Sequence[str]) -> list[Judged]:
    """Asks conditions that must not hold. Raises InvalidInput, and NotFound for a metric."""
    return [_judged(Condition(text), metrics) for text in conditions]


def _judged(condition: Condition, metrics: Metrics) -> Judged:
    numbers, others = metrics.numbers, metrics.others
    strays = [name for name in condition.names if name in others and name not in numbers]
    try:
        if strays:
            raise Unknown(f"{printable(strays[0])} is a {others[strays[0]]}, not a number")
        fails, why = condition.holds(numbers), None
    except Unknown as error:
        fails, why = True, str(error)
    values = tuple((name, numbers[name]) for name in condition.names if name in numbers)
    return Judged(condition.text, fails, values, why)
