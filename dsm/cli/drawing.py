"""Counts as bars of block characters, as wide as there is room; plain text everywhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dsm.cli.output import listed
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.views.comparison.statistics import Histogram

PIPE_WIDTH = 80
LABEL_MAX = 30
LABELS_MAX = 10
_EIGHTHS = " ▏▎▍▌▋▊▉"
_HEIGHTS = "▁▂▃▄▅▆▇█"


def width() -> int:
    """Returns how many characters fit into a line; always the same in a pipe."""
    if sys.stdout is not None and sys.stdout.isatty():
        return max(40, os.get_terminal_size(sys.stdout.fileno()).columns)
    return PIPE_WIDTH


def bars(rows: Sequence[tuple[str, int]], room: int) -> list[str]:
    """Returns a line for each label and count, the bars to one scale; labels are printable."""
    if not rows:
        return []
    names = [_shortened(name) for name, _ in rows]
    numbers = [f"{count:,}" for _, count in rows]
    label, number = max(map(_cells, names)), max(map(len, numbers))
    greatest = max(count for _, count in rows) or 1
    length = max(8, room - label - number - 6)
    lines = []
    for name, text, (_, count) in zip(names, numbers, rows, strict=True):
        blank = " " * (label - _cells(name))
        lines.append(f"  {name}{blank}  {text:>{number}}  {_bar(count, greatest, length)}".rstrip())
    return lines


def label_bars(counts: Mapping[str, int], room: int, every: bool) -> list[str]:
    """Returns a headed list of labels, the most frequent first; ten at most but for `every`."""
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    lines = bars([(printable(label), count) for label, count in rows], room)
    if not every and len(lines) > LABELS_MAX:
        shown = listed(lines, LABELS_MAX)
        lines = [*shown[:-1], "  " + shown[-1]]
    return ["", "labels", *lines] if lines else []


def time_bars(times: Histogram | None, room: int) -> list[str]:
    """Returns a headed list of stretches of time, in their order."""
    if times is None:
        return []
    unit = times.unit if times.width == 1 else f"{times.width} {times.unit}s"
    lines = bars([(each.label, each.count) for each in times.bins], room)
    return ["", f"times, by {unit} (UTC)", *lines]


def sparkline(counts: Sequence[int]) -> str:
    """Returns a character for each count, as high as its share of the greatest one."""
    greatest = max(counts, default=0) or 1
    return "".join(_HEIGHTS[min(7, count * 8 // greatest)] if count else " " for count in counts)


def _bar(count: int, greatest: int, length: int) -> str:
    """A bar in eighths of a character; what is there at all has one at least."""
    eighths = count * length * 8 // greatest
    whole, rest = divmod(max(eighths, min(count, 1)), 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def _shortened(name: str) -> str:
    return name if len(name) <= LABEL_MAX else name[: LABEL_MAX - 1] + "…"


def _cells(text: str) -> int:
    """How many columns a text takes: wide characters two, combining marks none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text
    )
