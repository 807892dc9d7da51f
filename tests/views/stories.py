"""Examples with labels, days and a width, and views of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from situations import Work

from dsm.views.view import View

Row = tuple[bytes, list[str], int, float | None]  # content, labels, day of 2026, width


def put(work: Work, rows: Mapping[str, Row]) -> None:
    """Adds examples with labels, time and the attribute width."""
    lines = []
    for path, (_, labels, day, width) in rows.items():
        fields = {"path": path, "labels": labels, "time": f"2026-01-{day:02}", "width": width}
        lines.append(json.dumps({k: v for k, v in fields.items() if v is not None}) + "\n")
    table = work.root.parent / f"{work.root.name}.jsonl"
    table.write_text("".join(lines))
    work.ds.add({path: row[0] for path, row in rows.items()}, label_file=str(table))


def view_of(work: Work, **query: Any) -> View:
    """A view that may be empty, and is not recorded."""
    ds = work.ds
    return View(work.repo, ds.name, lambda: ds.snapshots, ds.query(**query))
