"""Records in the text of commands: a line for each file, not one for each record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsm.cli.output import count_text
from dsm.model.example import is_record, kinds_by_records_file
from dsm.model.names import printable
from dsm.model.record_path import is_records_file, parts_of
from dsm.records.formats import find_format

if TYPE_CHECKING:
    from dsm.model.example import Change
    from dsm.model.reports import RecordsReport

_WORDS = {
    "added": "added", "modified": "changed", "deleted": "removed", "relabelled": "relabelled",
    "renamed": "renamed",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecordsChanged:
    """What happened to the records of one file, by kind of change."""

    path: str
    counts: Mapping[str, int]

    @property
    def text(self) -> str:
        """Says it in a line: "train.jsonl: 12 records added, 3 changed"."""
        return f"{printable(self.path)}: {records_text(self.counts)}"


def records_text(counts: Mapping[str, int]) -> str:
    """Returns "12 records added, 3 changed, 1 removed"."""
    parts = [f"{counts[kind]:,} {word}" for kind, word in _WORDS.items() if counts.get(kind)]
    if not parts:
        return "no record changed"
    number, _, rest = parts[0].partition(" ")
    noun = "record" if number == "1" else "records"
    return ", ".join([f"{number} {noun} {rest}", *parts[1:]])


def by_file(changes: Iterable[Change]) -> Iterator[Change | RecordsChanged]:
    """Yields changes in their order; those of the records of a file, and of the file, as one."""
    listed = list(changes)
    counts = kinds_by_records_file(listed)
    told: set[str] = set()
    for change in listed:
        after = change.after or change.before
        file = parts_of(change.path)[0] if is_record(change) else change.path
        own = after is not None and is_records_file(after.records)
        if file not in counts or not (own or is_record(change)):
            yield change
        elif file not in told:
            told.add(file)
            yield RecordsChanged(file, counts[file])


def records_lines(report: RecordsReport, *, dry_run: bool) -> Iterator[str]:
    """Yields what is told of a file that was read as records; of a dry run, how it would be."""
    name = printable(report.path)
    yield f"{name}: {records_text(report.counts)}"
    if not dry_run:
        return
    written = f" ({printable(report.written)})" if report.written else ""
    yield f"  read as {report.format}{written}: {count_text(report.records, 'record')}"
    if report.fields:
        listed = [f"{printable(field)} ({kind})" for field, kind in report.fields.items()]
        more = f", and {len(listed) - 20} more" if len(listed) > 20 else ""
        yield f"  fields: {', '.join(listed[:20])}{more}"
    is_archive = find_format(report.format).said_beside
    without = "name in the archive" if is_archive else "hash of the content"
    key = " and ".join(map(printable, report.key)) or without
    said = [f"key: {key}"]
    said += [f"label: {printable(report.label)}"] if report.label is not None else []
    said += [f"time: {printable(report.time)}"] if report.time is not None else []
    if report.attributes:
        said.append(f"attributes: {', '.join(map(printable, report.attributes))}")
    yield f"  {'; '.join(said)}"
    if report.samples:
        yield f"  such as {', '.join(f'{name}#{printable(key)}' for key in report.samples)}"
