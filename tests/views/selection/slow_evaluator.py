"""What a query selects, written down a second time: plain Python, one example after the other."""

from __future__ import annotations

import fnmatch
import math
from fractions import Fraction
from typing import Any

from blake3 import blake3
from histories import Live, Step

from dsm.model.example import Example


def fold(history: list[Step], numbers: list[int]) -> Live:
    """The live examples when only these changesets happen, in order."""
    live: Live = {}
    for number in sorted(set(numbers)):
        for path, example in history[number - 1].items():
            if example is None:
                live.pop(path, None)
            else:
                live[path] = example
    return live


def select(live: Live, asked: dict[str, Any]) -> list[str]:
    """The selected paths, sorted by their UTF-8 bytes. Times are microseconds."""
    found = [example for example in live.values() if fits(example, asked)]
    percent = asked.get("percent")
    if percent is not None:
        keep = math.ceil(Fraction(percent) * len(found))
        newest = sorted(
            found, key=lambda e: (e.time, blake3(e.path.encode()).digest()), reverse=True
        )
        found = newest[:keep]
    return sorted((e.path for e in found), key=str.encode)


def fits(example: Example, asked: dict[str, Any]) -> bool:
    """Whether an example passes all filters but the newest share."""
    if example.path not in asked.get("pick", [example.path]):
        return False
    mine = set(example.labels)
    labels, exclude = asked.get("labels", ()), asked.get("exclude", ())
    if labels:
        wanted = set(labels)
        if not (wanted <= mine if asked.get("all_labels") else wanted & mine):
            return False
    if set(exclude) & mine:
        return False
    if asked.get("since") is not None and example.time < asked["since"]:
        return False
    if asked.get("until") is not None and example.time >= asked["until"]:
        return False
    if asked.get("paths") and not any(glob_fits(g, example.path) for g in asked["paths"]):
        return False
    return all(holds(example, condition) for condition in asked.get("where", ()))


def glob_fits(glob: str, path: str) -> bool:
    """Segment by segment: the glob fits the path or a folder above it."""
    segments = path.split("/")
    wanted = glob.split("/")
    if len(wanted) == 1:
        return any(fnmatch.fnmatchcase(segment, glob) for segment in segments)
    return any(walk(wanted, segments[:end]) for end in range(1, len(segments) + 1))


def walk(wanted: list[str], segments: list[str]) -> bool:
    if not wanted:
        return not segments
    if wanted[0] == "**":
        if len(wanted) == 1:
            return bool(segments)
        return any(walk(wanted[1:], segments[skip:]) for skip in range(len(segments) + 1))
    return (
        bool(segments)
        and fnmatch.fnmatchcase(segments[0], wanted[0])
        and walk(wanted[1:], segments[1:])
    )


def holds(example: Example, condition: tuple[str, str, Any]) -> bool:
    """Whether an attribute compares as asked; one that is not there never does."""
    name, op, value = condition
    mine: Any = example.size if name == "size" else example.attributes.get(name)
    if mine is None:
        return False
    if op == "in":
        return mine in value
    return bool(
        {
            "=": mine == value, "!=": mine != value, "<": mine < value, "<=": mine <= value,
            ">": mine > value, ">=": mine >= value,
        }[op]
    )  # fmt: skip
