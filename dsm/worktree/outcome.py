"""What one run of `add` makes, and how it fails where files cannot be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from dsm.errors import StorageFailed
from dsm.model.reports import Problem, RecordsReport
from dsm.model.rows import Rows


@dataclass(slots=True)
class Outcome:
    """Rows to stage and what was met on the way."""

    rows: Rows = field(default_factory=Rows)
    files: int = 0
    size: int = 0
    unchanged: int = 0
    carried: int = 0  # examples that took along what was said of them elsewhere
    unlabelled: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # new ones that the pattern does not match
    warnings: list[Problem] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    failed: list[Problem] = field(default_factory=list)
    ignored: list[Problem] = field(default_factory=list)  # named, and left out
    marks: dict[str, int | bytes | None] = field(default_factory=dict)
    records: list[RecordsReport] = field(default_factory=list)


class FilesUnreadable(StorageFailed):
    """Some files to be added could not be read; nothing was staged."""

    code = "files-unreadable"
