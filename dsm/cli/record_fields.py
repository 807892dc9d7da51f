"""The fields of records that changed, side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dsm.cli.changes import CHANGES_MAX, change_line
from dsm.cli.color import Paint
from dsm.cli.output import count_text
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.model.difference_report import RecordDifference

_SIDE = 40  # characters of each side
_BEFORE = 12  # that are the same are shown before what differs


def side_by_side(found: Sequence[RecordDifference], paint: Paint) -> Iterator[str]:
    """Yields each record as a line, and below it a line for each field that differs."""
    for each in found[:CHANGES_MAX]:
        yield change_line(each.change, paint)
        names = {name: printable(name) for name in each.fields}
        width = max(map(len, names.values()), default=0)
        for name, (was, now) in each.fields.items():
            old, new = _clipped(_text(was), _text(now))
            left = paint(old.ljust(_SIDE), "deleted")
            yield f"    {names[name].ljust(width)}  {left}  {paint(new, 'added')}".rstrip()
    if len(found) > CHANGES_MAX:
        yield f"… and {count_text(len(found) - CHANGES_MAX, 'record')} more"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _clipped(old: str, new: str) -> tuple[str, str]:
    """Returns two texts, cut so that what differs is in sight."""
    same = 0
    if old and new and max(len(old), len(new)) > _SIDE:
        while same < min(len(old), len(new)) and old[same] == new[same]:
            same += 1
        same = max(0, same - _BEFORE)
    return _cut(old, same), _cut(new, same)


def _cut(text: str, first: int) -> str:
    lead = "…" if first and text else ""
    rest = lead + text[first:]
    return rest if len(rest) <= _SIDE else rest[: _SIDE - 1] + "…"
