"""What a check of a query says to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.sources.checking import QueryCheck


def check_lines(check: QueryCheck) -> list[str]:
    """Returns a check as lines for people."""
    head = f"query {check.name}, source {check.source}: "
    if check.problem is None:
        return [head + "runs as recorded"]
    lines = [head + printable(check.problem)]
    lines += [f"  {printable(change)}" for change in check.changes]
    return lines if check.hint is None else [*lines, f"  hint: {check.hint}"]
