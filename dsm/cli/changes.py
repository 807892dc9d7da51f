"""Changes and examples as text lines, one form for status, diff, show and log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from dsm.cli.color import Paint
from dsm.cli.output import count_text, listed, quoted, size_text
from dsm.cli.record_lines import RecordsChanged, by_file
from dsm.model.changeset import Counts
from dsm.model.example import KINDS, LETTERS, Change, kinds_by_folder
from dsm.model.names import printable
from dsm.model.queries import QueryChange
from dsm.model.record_path import is_records_file
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.model.difference_report import Diff

# So many changes of one changeset are listed for people.
CHANGES_MAX = 100
KIND_WIDTH = max(len(kind) for kind in KINDS) + 2


def name_status(change: Change) -> str:
    """Returns "M<tab>path", for a rename "R<tab>old<tab>new"; names quoted as in C if need be."""
    names = [quoted(name) for name in (change.renamed_from, change.path) if name is not None]
    return "\t".join([LETTERS[change.kind], *names])


def query_status(change: QueryChange) -> str:
    """Returns "M<tab>name/": a name that ends in a slash is a query's."""
    return f"{LETTERS[change.kind]}\t{change.name}/"


def query_line(change: QueryChange, paint: Paint) -> str:
    """Returns a change of a query as a line for people."""
    told = change.after or change.before
    line = f"{paint(change.kind.ljust(KIND_WIDTH), change.kind)}{change.name}/  (query"
    if told is not None:
        line += f" of source {printable(str(told['source']))}"
    if change.before is not None and change.after is not None:
        before, after = change.before, change.after
        other = [name for name in sorted(after) if after[name] != before.get(name)]
        line += "; " + ", ".join(name for name in other if name != "schema" or len(other) == 1)
    return line + ")"


def change_line(change: Change | RecordsChanged, paint: Paint) -> str:
    """Returns a change as a line for people."""
    if isinstance(change, RecordsChanged):
        return f"{paint('records'.ljust(KIND_WIDTH), 'modified')}{change.text}"
    path = printable(change.path)
    if change.renamed_from is not None:
        path = f"{printable(change.renamed_from)} -> {path}"
    details = "; ".join(_details(change))
    line = f"{paint(change.kind.ljust(KIND_WIDTH), change.kind)}{path}"
    return f"{line}  ({details})" if details else line


def _details(change: Change) -> Iterator[str]:
    old, new = change.before, change.after
    if new is None:
        return
    if old is None:
        yield size_text(new.size)
        if new.labels:
            yield _labels(new.labels)
        return
    if old.oid != new.oid:
        was, now = size_text(old.size), size_text(new.size)
        yield f"{was} -> {now}" if was != now else f"{now}, {new.size - old.size:+,} B"
    if old.labels != new.labels:
        yield f"{_labels(old.labels)} -> {_labels(new.labels)}"
    for name in sorted({*old.attributes, *new.attributes}):
        before, after = old.attributes.get(name), new.attributes.get(name)
        if before != after:
            yield f"{printable(name)}: {_value(before)} -> {_value(after)}"
    if old.annotation != new.annotation:
        yield "annotation"
    # Other bytes come with another file time; only a time that changed by itself is news.
    if old.time != new.time and old.oid == new.oid:
        yield f"time: {format_time(old.time)} -> {format_time(new.time)}"
    elif old.time_given != new.time_given and old.oid == new.oid:
        yield "time given" if new.time_given else "time of the file"


def _labels(labels: tuple[str, ...]) -> str:
    return printable(", ".join(labels)) or "no label"


def _value(value: object) -> str:
    return "none" if value is None else printable(str(value))


def change_lines(number: int, changes: Sequence[Change], paint: Paint) -> list[str]:
    """Returns the changes of a changeset as lines for people, the first 100 of them."""
    lines = listed([change_line(change, paint) for change in by_file(changes)], CHANGES_MAX)
    if len(lines) > CHANGES_MAX:
        lines[-1] += f" (`dsm show {number} --name-status` lists all)"
    return lines


def patch_lines(number: int, diff: Diff, paint: Paint) -> list[str]:
    """Returns all changes of a changeset: those of queries, and the first 100 of examples."""
    queries = [query_line(change, paint) for change in diff.queries]
    return [*queries, *change_lines(number, diff.changes, paint)]


def counts_text(counts: Counts) -> str:
    """Returns "598 added, 2 modified"; empty when nothing changed."""
    pairs = (
        (counts.added, "added"), (counts.modified, "modified"),
        (counts.relabelled, "relabelled"), (counts.deleted, "deleted"),
    )  # fmt: skip
    return ", ".join(f"{number:,} {word}" for number, word in pairs if number)


def stat_lines(changes: Iterable[Change], queries: Sequence[QueryChange] = ()) -> list[str]:
    """Returns a line for each folder and each query with changes, and their sum as a last one."""
    totals = dict.fromkeys(KINDS, 0)
    told = []
    examples = [each for each in changes if not _of_records_file(each)]  # it is no example
    for folder, numbers in kinds_by_folder(examples).items():
        for kind in KINDS:
            totals[kind] += numbers[kind]
        told.append((printable(folder), _kinds_text(numbers)))
    sums = []
    if told:
        sums.append(f"{count_text(sum(totals.values()), 'example')} changed: {_kinds_text(totals)}")
    if queries:
        told += [(f"{change.name}/", f"query {change.kind}") for change in queries]
        sums.append(f"{count_text(len(queries), 'query', 'queries')} changed")
    width = max((len(name) for name, _ in told), default=0)
    lines = [f" {name:{width}} | {text}" for name, text in told]
    return [*lines, " " + ("; ".join(sums) or "nothing changed")]


def _of_records_file(change: Change) -> bool:
    told = change.after or change.before
    return told is not None and is_records_file(told.records)


def _kinds_text(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {kind}" for kind, number in numbers.items() if number)
