"""What `diff` answers: plain values that the command line prints and programs read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dsm.model.example import Change, kinds_by_records_file
from dsm.model.queries import QueryChange


@dataclass(frozen=True, slots=True)
class RecordDifference:
    """A change of a record, and the fields that differ: what each was, and is (None: not there)."""

    change: Change
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Diff:
    """Changes between two snapshots (or the stage, or the work tree), sorted by path, and those of
    queries, sorted by name; `records` where their fields were asked for. `records_files()` counts
    the changes of records by kind, in each records file that has any."""

    before: str
    after: str
    changes: tuple[Change, ...]
    queries: tuple[QueryChange, ...] = ()
    records: tuple[RecordDifference, ...] = ()

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in self.counts().items())
        return f"<diff of {self.before} and {self.after}: {counts or 'no change'}>"

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for change in self.changes:
            found[change.kind] = found.get(change.kind, 0) + 1
        return found

    def records_files(self) -> dict[str, dict[str, int]]:
        return kinds_by_records_file(self.changes)
