"""An example, the thing a model trains on, and what can happen to it between two snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime as Moment

AttributeValue = str | int | float | bool
Attributes = Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class Example:
    """One example as a snapshot holds it.

    `oid` is the BLAKE3 of its bytes (32 bytes), `size` is in bytes, `time` in microseconds since
    1970 in UTC, `annotation` is JSON text. `time_given` says that somebody gave the time, which
    then stays when the content is replaced; else it is that of the file. `records` is as
    `dsm.model.record_path` has it: None but for records and the files that they are in.
    """

    path: str
    oid: bytes
    size: int
    time: int
    labels: tuple[str, ...] = ()
    attributes: Attributes = field(default_factory=dict)
    annotation: str | None = None
    time_given: bool = False
    records: str | None = None

    @property
    def datetime(self) -> Moment:
        """Its time with the zone UTC."""
        from dsm.model.moments import datetime_of

        return datetime_of(self.time)

    def same_meaning(self, other: Example) -> bool:
        """Whether labels, attributes, annotation and time agree, whatever the content."""
        return (
            self.labels == other.labels
            and self.time == other.time
            and self.time_given == other.time_given
            and self.annotation == other.annotation
            and dict(self.attributes) == dict(other.attributes)
            and self.records == other.records
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one path: `kind` is added, modified, relabelled, deleted or renamed.

    `modified` means other bytes (labels may differ too); `relabelled` means the same bytes with
    other labels, attributes, annotation or time. A rename names where it came from. `of_record` is
    said where neither `before` nor `after` is there to say it.
    """

    kind: str
    path: str
    before: Example | None = None
    after: Example | None = None
    renamed_from: str | None = None
    of_record: bool = False


KINDS = ("added", "modified", "relabelled", "deleted", "renamed")
LETTERS = {"added": "A", "modified": "M", "relabelled": "L", "deleted": "D", "renamed": "R"}


def is_record(change: Change) -> bool:
    """Whether a change is of a record."""
    told = change.after or change.before
    return change.of_record if told is None else told.records == "#"


def kinds_by_records_file(changes: Iterable[Change]) -> dict[str, dict[str, int]]:
    """Counts the changes of records by kind, in each file that has any; in the order of changes.

    Renamed records count in the file that they are in now.
    """
    found: dict[str, dict[str, int]] = {}
    for change in changes:
        if is_record(change):
            file = change.path.rpartition("#")[0]
            found.setdefault(file, dict.fromkeys(KINDS, 0))[change.kind] += 1
    return found


def kinds_by_folder(changes: Iterable[Change]) -> dict[str, dict[str, int]]:
    """Counts changes by kind in each folder that has any; sorted by folder, the root is "."."""
    found: dict[str, dict[str, int]] = {}
    for change in changes:
        kinds = found.setdefault(change.path.rpartition("/")[0] or ".", dict.fromkeys(KINDS, 0))
        kinds[change.kind] += 1
    return {folder: found[folder] for folder in sorted(found)}
