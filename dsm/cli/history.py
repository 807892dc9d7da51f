"""A changeset as text, for log, show, commit and revert."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsm.cli.changes import counts_text
from dsm.cli.color import Paint
from dsm.cli.output import count_text, message, size_text
from dsm.errors import DamagedData
from dsm.model.changeset import Changeset
from dsm.model.names import DERIVED_FROM, printable
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.datasets import Dataset
    from dsm.model.verdict import Verdict

Tags = dict[int, list[str]]
SHORT_ID = 12


def tags_by_number(dataset: Dataset) -> Tags:
    """Returns the tags of each changeset; a damaged tag costs a warning, not the log."""
    found: Tags = {}
    try:
        for tag in dataset.tags():
            found.setdefault(tag.number, []).append(tag.name)
    except DamagedData as error:
        message(f"warning: {printable(error.message)}")
    return found


def definitions_by_number(dataset: Dataset) -> Tags:
    """Returns the splits and segments that were made at each changeset, as `tags_by_number`."""
    try:
        return dataset.definitions_at()
    except DamagedData as error:
        message(f"warning: {printable(error.message)}")
        return {}


def entry(changeset: Changeset, tags: Tags, paint: Paint, made: Tags | None = None) -> list[str]:
    """Returns the lines of one changeset as `dsm log` and `dsm show` print them.

    `made` are the splits and segments that were made when it was the head.
    """
    names = "".join(f"  tag: {name}" for name in tags.get(changeset.number, ()))
    lines = [
        paint(f"changeset {changeset.number}", "id") + f"  {changeset.id}{names}",
        f"Author: {printable(changeset.author)}",
        f"Date:   {format_time(changeset.time - changeset.time % 1_000_000)}",
    ]
    if changeset.source is not None:
        lines.append(f"Source: {printable(changeset.source)}")
    if changeset.note is not None:
        lines.append(f"Note:   {printable(changeset.note)}")
    lines += [f"Derived-from: {printable(value)}" for value in changeset.derived_from]
    for key, values in changeset.trailers.items():
        if key != DERIVED_FROM:
            lines += [f"Trailer: {key}={printable(value)}" for value in values]
    if changeset.verdict is not None:
        lines.append(f"Checks: {_verdict(changeset.verdict)}")
    if made and changeset.number in made:
        lines.append(f"Then:   {', '.join(made[changeset.number])}")
    text = changeset.message.splitlines() or [""]
    counts = _counts(changeset)
    live = _live(changeset)
    return [
        *lines,
        "",
        *(f"    {printable(line)}".rstrip() for line in text),
        "",
        f"    {counts}; {live} ({size_text(changeset.size)} put)",
    ]


def _verdict(verdict: Verdict) -> str:
    if verdict.skipped:
        return "skipped"
    warnings = f", {count_text(verdict.warnings, 'warning')}" if verdict.warnings else ""
    return ("passed" if verdict.passed else "failed") + warnings


def _counts(changeset: Changeset) -> str:
    put = [f"query {name}" for name in changeset.documents]
    counts = counts_text(changeset.counts)
    if not counts and changeset.counts.files:
        counts = count_text(changeset.counts.files, "records file")
    # What has neither rows nor documents, and is there all the same, took queries away.
    removed = changeset.kind in ("query", "revert") and not counts and not put
    fallback = "query removed" if removed else "no changes"
    return "; ".join([*([counts] if counts else []), *put]) or fallback


def _live(changeset: Changeset) -> str:
    live = count_text(changeset.examples, "example")
    count = len(changeset.queries)
    return live + (f" and {count_text(count, 'query', 'queries')}" if count else "")


def one_line(changeset: Changeset, tags: Tags, paint: Paint) -> str:
    """Returns a changeset in one line: number, short id, message, tags."""
    names = ", ".join(f"tag: {name}" for name in tags.get(changeset.number, ()))
    head = f"{paint(str(changeset.number), 'id')} {changeset.id[:SHORT_ID]} {subject(changeset)}"
    return f"{head}  ({names})" if names else head


def subject(changeset: Changeset) -> str:
    """Returns the first line of the message, fit for a terminal."""
    return printable((changeset.message.splitlines() or [""])[0])


def recorded(name: str, changeset: Changeset) -> str:
    """Returns what commit and revert answer: two lines, like git's."""
    counts, live = _counts(changeset), _live(changeset)
    return f"[{name} {changeset.number}] {subject(changeset)}\n {counts}; {live} now"
