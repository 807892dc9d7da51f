"""Metrics that a program has written to a file: numbers by name, or rows of them, one a step."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.runs.files import Mark, written

BYTES_MAX = 1 << 24
DEPTH_MAX = 8
# The first of these that a row has is its step.
STEPS = ("step", "global_step", "iteration", "epoch")
HINTS = {
    "csv": "write a header and a row for each step, such as step,loss",
    "jsonl": 'write one object a line, such as {"step": 1, "loss": 0.5}',
    "json": 'write one JSON object, such as {"accuracy": 0.93}',
}


@dataclass(frozen=True, slots=True)
class Measured:
    """`final` are numbers without a step, by name; `points` are (name, step, value)."""

    final: dict[str, float]
    points: list[tuple[str, int, float]]


def read(path: str, before: Mark) -> Measured:
    """Reads metrics that were written since `before`; NaN and infinity are numbers.

    By the ending of the name: CSV; JSON Lines; else JSON, which is an object of numbers, one of
    lists (a number for each step), or a list of objects. Raises InvalidInput.
    """
    data = written(path, before, BYTES_MAX)
    ending = path.rpartition(".")[2].lower()
    form = {"csv": "csv", "jsonl": "jsonl", "ndjson": "jsonl"}.get(ending, "json")
    try:
        text = data.decode("utf-8-sig")
        if form == "csv":
            return Measured({}, list(_points(_table(text))))
        if form == "jsonl":
            lines = (line for line in text.splitlines() if line.strip())
            return Measured({}, list(_points(map(json.loads, lines))))
        return _json(json.loads(text))
    except (ValueError, RecursionError, OverflowError, csv.Error) as error:
        raise InvalidInput(
            f"{path} holds no metrics: {printable(str(error)[:100])}", hint=HINTS[form]
        ) from error


def _json(found: Any) -> Measured:
    if isinstance(found, list):
        return Measured({}, list(_points(found)))
    final: dict[str, float] = {}
    points = []
    for name, value in _leaves(found, "", 0):
        if isinstance(value, list):
            points += [(name, at, _number(name, each)) for at, each in enumerate(value)]
        else:
            final[name] = _number(name, value)
    return Measured(final, points)


def _leaves(found: Any, above: str, depth: int) -> Iterator[tuple[str, Any]]:
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    for name, value in found.items():
        if isinstance(value, dict) and depth < DEPTH_MAX:
            yield from _leaves(value, f"{above}{name}.", depth + 1)
        else:
            yield above + name, value


def _table(text: str) -> Iterator[dict[str, Any]]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = [name.strip() for name in next(rows, [])]
    if not any(header) or len(set(header)) < len(header):
        raise ValueError("its first line names no columns, or one twice")
    for row in rows:
        if len(row) > len(header):
            raise ValueError(f"line {rows.line_num} has more cells than the first one")
        cells = zip(header, row, strict=False)
        yield {name: float(cell) for name, cell in cells if name and cell.strip()}


def _points(rows: Iterable[Any]) -> Iterator[tuple[str, int, float]]:
    for at, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise ValueError(f"row {at + 1} is not an object")
        by = next((name for name in STEPS if row.get(name) is not None), None)
        step = at if by is None else _step(by, row[by])
        for name, value in row.items():
            if name != by and value is not None:
                yield name, step, _number(name, value)


def _step(name: str, value: Any) -> int:
    step = _number(name, value)
    if not step.is_integer():
        raise ValueError(f"{name} {value!r} is not an integer")
    return int(step)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name!r} is not a number")
    return float(value)
