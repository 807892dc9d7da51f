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


def read_metrics(data: bytes, name: str) -> dict[str, float]:
    """Returns the numbers of a JSON document by name: those of objects in it as `test.accuracy`.

    null is NaN; texts, lists and truth values are no metrics.
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
    found = dict(_numbers(fields, "", 0))
    if not found:
        raise InvalidInput(f"{printable(name)} has no number")
    return found


def _numbers(fields: dict[str, Any], start: str, depth: int) -> Iterator[tuple[str, float]]:
    for key, value in fields.items():
        name = f"{start}{key}"
        if isinstance(value, dict) and depth < _DEPTH_MAX:
            yield from _numbers(value, f"{name}.", depth + 1)
        elif value is None:  # how JSON writes NaN
            yield name, float("nan")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            try:
                yield name, float(value)
            except OverflowError:
                yield name, float("inf") if value > 0 else float("-inf")


def judge(numbers: dict[str, float], conditions: Sequence[str]) -> list[Judged]:
    """Asks conditions that must not hold. Raises InvalidInput, and NotFound for a metric."""
    return [_judged(Condition(text), numbers) for text in conditions]


def _judged(condition: Condition, numbers: dict[str, float]) -> Judged:
    try:
        fails, why = condition.holds(numbers), None
    except Unknown as error:
        fails, why = True, str(error)
    values = tuple((name, numbers[name]) for name in condition.names)
    return Judged(condition.text, fails, values, why)
