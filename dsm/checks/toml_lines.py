"""On which line of a TOML text each of its tables and keys stands, for what is said of them.

The text has been read by Python's own parser before, so what is no TOML never gets here. Tables of
an array are told apart by their index: ("rules", "attribute", 0, "min").
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

Place = tuple[str | int, ...]

_NAME = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_NAMES = rf"({_NAME}(?:\s*\.\s*{_NAME})*)\s*"
_TABLE = re.compile(rf"\s*(\[\[?)\s*{_NAMES}\]")
_KEY = re.compile(rf"\s*{_NAMES}=")
# Whatever a bracket, a quote or a sign of a comment can be part of.
_TOKEN = re.compile(
    r'"{3}(?:[^\\]|\\.)*?"{3,5}|\'{3}.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[{]|[\]}]',
    re.DOTALL,
)


def lines_of(text: str) -> dict[Place, int]:
    """Returns the line (from 1) of each table and key of a TOML text, by its place."""
    found: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in _statements(text):
        header = _TABLE.match(line)
        if header is not None:
            table = _entered(header[2], header[1] == "[[", counts)
            found.setdefault(table, number)
            continue
        key = _KEY.match(line)
        if key is not None:
            place = table + _parts(key[1])
            for end in range(len(table) + 1, len(place) + 1):
                found.setdefault(place[:end], number)
    return found


def _statements(text: str) -> list[tuple[int, str]]:
    """Returns the lines that begin a statement: none inside of a value that goes over several."""
    depth, inside = 0, set()
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    lines = text.split("\n")
    number_of = {start: number for number, start in enumerate(starts)}
    spans: list[tuple[int, int]] = []
    opened = 0
    for token in _TOKEN.finditer(text):
        if token[0] in ("[", "{"):
            opened = token.start() if depth == 0 else opened
            depth += 1
        elif token[0] in ("]", "}"):
            depth -= 1
            if depth == 0:
                spans.append((opened, token.end()))
        elif "\n" in token[0]:
            spans.append(token.span())
    for first, last in spans:
        at = text.find("\n", first, last) + 1
        while 0 < at <= last:
            inside.add(number_of[at])
            at = text.find("\n", at, last) + 1
    return [(n + 1, line) for n, line in enumerate(lines) if n not in inside]


def _parts(text: str) -> tuple[str, ...]:
    """Returns the parts of a key such as `a."b.c".d`."""
    value: Any = tomllib.loads(f"{text.strip()} = 0")
    parts: list[str] = []
    while isinstance(value, dict):
        ((name, value),) = value.items()
        parts.append(name)
    return tuple(parts)


def _entered(name: str, is_array: bool, counts: dict[Place, int]) -> Place:
    """Returns the place of the table that a header opens; of an array the newest one."""
    place: Place = ()
    parts = _parts(name)
    for index, part in enumerate(parts):
        place = (*place, part)
        if is_array and index == len(parts) - 1:
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place
