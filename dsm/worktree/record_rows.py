"""What a new state of a records file does to its records: rows, judged against head and stage.

A record whose content stays is not touched. What people said of one stays until the field that says
it changes; and a record that was withdrawn stays away while the file keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dsm.errors import Conflict
from dsm.model.example import Attributes, Example
from dsm.model.ids import Ids
from dsm.model.names import check_paths, printable
from dsm.model.record_path import RECORD, is_records_file, parts_of
from dsm.model.rows import ADDED, FORGET, Rows
from dsm.records.gathering import Read, said_of
from dsm.records.reader import fields_of, read_records
from dsm.records.settings import RecordSettings
from dsm.worktree.edit import kind_against_head
from dsm.worktree.request import Meaning, Request
from dsm.worktree.stage import Staged
from dsm.worktree.tracked_records import has_records, records_of, removed_records
from dsm.worktree.tree import WorkTree

AT_ONCE = 1 << 16


@dataclass(slots=True)
class Judged:
    """Rows for a file and its records, and how many records are added, and so on, by them."""

    rows: Rows = field(default_factory=Rows)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, kind: str, number: int = 1) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + number


class RecordsJudge:
    """Judges one records file that was read; `file` is the row that it is to have."""

    def __init__(
        self,
        tree: WorkTree,
        staged: Staged,
        request: Request,
        read: Read,
        file: Example,
    ):
        self.tree, self.staged, self.request = tree, staged, request
        self.settings, self.read = read.settings, read
        self.file = file
        self.restated = request.records is not None
        self._says = not self.restated and request.says_of(file.path)  # of all records of the file
        self._reread = False  # whether the same bytes may say something else than before
        self.out = Judged()
        self._base = request.meaning(file.path, file.time, None, [])

    def judge(self, before: Example | None, committed: Example | None) -> Judged:
        """Returns the rows; `before` and `committed` are the file as tracked, and in the head.

        The keys of what was read are used up.
        """
        file, read, staged = self.file, self.read, self.staged
        lead = f"{file.path}#"
        paths, read.keys = read.keys, []
        for at in range(0, len(paths), AT_ONCE):  # in place: there may be millions
            paths[at : at + AT_ONCE] = [lead + key for key in paths[at : at + AT_ONCE]]
        check_paths(paths)
        if self.request.label_rows is not None and self.settings.row().said_beside:
            self.request.label_rows.fit_members(paths)
        # It sorts before its records.
        if before is None or (before.oid, before.records) != (file.oid, file.records):
            self.out.rows.put(kind_against_head(file, committed), file)
            if self.out.rows.kinds[-1] == FORGET:
                self.out.rows.oids[-1] = None
        known = before is not None and is_records_file(before.records)
        held = read.held
        if known and read.before is None:
            held = records_of(self.tree, staged, [file.path])
        parts = read.before is not None  # of the file, so that it has others
        withdrawn = self._withdrawn(before, held) if known else frozenset()
        staged_ones = any(path.startswith(lead) for path in staged.where)
        if not (held or parts or withdrawn or staged_ones):
            self._add_all(paths)
        else:
            assert before is not None or not known
            self._reread = _is_reread(read.settings, before)
            self._compare(paths, held, withdrawn, before)
        return self.out

    def _add_all(self, paths: list[str]) -> None:
        """Appends a row for each record, a column at a time."""
        read, rows, base, count = self.read, self.out.rows, self._base, len(paths)
        if self.request.label_rows is not None:
            for position, path in enumerate(paths):
                rows.put(ADDED, self._new(position, path))
        else:
            rows.paths += paths
            rows.kinds += [ADDED] * count
            rows.oids = Ids.of(rows.oids)
            rows.oids += read.oids
            rows.sizes += read.sizes
            rows.labels += self._all_labels() if read.labels else [base.labels] * count
            rows.times += (
                [base.time if time is None else time for time in read.times]
                if read.times
                else [base.time] * count
            )
            rows.times_given += (
                [base.time_given or time is not None for time in read.times]
                if read.times
                else [base.time_given] * count
            )
            rows.annotations += [None] * count
            if read.attributes and not base.attributes and not any(rows.attributes):
                read.attributes.lead(len(rows.attributes))
                rows.attributes = read.attributes
            elif read.attributes:
                rows.attributes.extend({**base.attributes, **each} for each in read.attributes)
            else:
                rows.attributes.extend([base.attributes] * count)
            rows.records += [RECORD] * count
        self.out.count("added", count)

    def _all_labels(self) -> list[tuple[str, ...]]:
        own = set(self._base.labels)
        if not own:
            return self.read.labels
        united = {each: tuple(sorted({*each, *own})) for each in set(self.read.labels)}
        return [united[each] for each in self.read.labels]

    # --- one by one ---

    def _compare(
        self,
        paths: list[str],
        held: Mapping[str, bytes],
        withdrawn: frozenset[str],
        before: Example | None,
    ) -> None:
        read, out = self.read, self.out
        anew = self.restated or self._reread or self._says
        wanted: dict[str, int] = {}
        for position, path in enumerate(paths):
            same = held.get(path) == read.oids[position]
            if path not in withdrawn and (anew or not same):
                wanted[path] = position
        now = self.tree.lookup((p for p in wanted if p in held), self.staged)
        committed = self.tree.committed(
            path for path in wanted if path in self.staged.where or path not in held
        )
        old_says = self._old_says(now, wanted, before)
        for path, position in wanted.items():
            current = now.get(path)
            if current is None:
                after, kind = self._new(position, path), "added"
            else:
                after = self._again(position, current, old_says.get(path))
                kind = "modified" if after.oid != current.oid else "relabelled"
                if after == current:
                    continue
            base = (
                committed.get(path) if path in committed or path in self.staged.where else current
            )
            row_kind = kind_against_head(after, base)
            if row_kind == FORGET:
                out.rows.delete(path, FORGET, RECORD)
            else:
                out.rows.put(row_kind, after)
            out.count(kind)
        gone = held.keys() - set(paths)
        if gone:
            removed_records(self.tree, self.staged, sorted(gone), out.rows)
            out.count("deleted", len(gone))

    def _withdrawn(self, before: Example | None, held: Mapping[str, bytes]) -> frozenset[str]:
        """Returns the records that the file had before, and that were taken out of the dataset."""
        if before is None or before.records is None or self.restated or self.read.before:
            return frozenset()
        settings, count = RecordSettings.from_text(before.records)
        if len(held) >= count:
            return frozenset()
        with self.tree.repository.store.open(before.oid) as file:
            old = read_records(file, before.path, settings)
        return frozenset({f"{before.path}#{key}" for key in old.keys} - held.keys())

    def _old_says(
        self, now: Mapping[str, Example], wanted: Mapping[str, int], before: Example | None
    ) -> dict[str, Any]:
        """Returns what the fields said of records whose content changed, by path."""
        if self.restated or before is None or before.records is None:
            return {}
        settings, _ = RecordSettings.from_text(before.records)
        oids, all_ = self.read.oids, self._reread
        changed = [e for p, e in now.items() if all_ or e.oid != oids[wanted[p]]]
        if not changed or not (settings.label or settings.time or settings.attributes):
            return {}
        if settings.row().said_beside:
            return self._said_beside(before, settings)
        contents = dict(self.tree.repository.store.read_many(e.oid for e in changed))
        found: dict[str, Any] = {}
        for example in changed:
            try:
                found[example.path] = said_of(
                    settings, fields_of(contents[example.oid] or b"", settings)
                )
            except ValueError:  # a field cannot say now what it said then
                continue
        return found

    def _said_beside(self, before: Example, settings: RecordSettings) -> dict[str, Any]:
        """Returns what the last state of a file said of its records, where that is not in them."""
        with self.tree.repository.store.open(before.oid) as file:
            old = read_records(file, before.path, settings)
        return {
            f"{before.path}#{key}": (
                old.labels[at] if old.labels else (),
                old.times[at] if old.times else None,
                old.attributes[at] if old.attributes else {},
            )
            for at, key in enumerate(old.keys)
        }

    def _said(self, position: int) -> tuple[tuple[str, ...], int | None, Attributes]:
        read = self.read
        return (
            read.labels[position] if read.labels else (),
            read.times[position] if read.times else None,
            read.attributes[position] if read.attributes else {},
        )

    def _oid(self, position: int) -> bytes:
        oid = self.read.oids[position]
        assert oid is not None  # what was read is there
        return oid

    def _new(self, position: int, path: str) -> Example:
        labels, time, attributes = self._said(position)
        base = self._base
        said = Meaning(
            tuple(sorted({*base.labels, *labels})),
            base.time if time is None else time,
            base.time_given or time is not None,
            None,
            {**base.attributes, **attributes},
        )
        return self._by_table(self._example(position, path, said))

    def _example(self, position: int, path: str, said: Meaning) -> Example:
        read = self.read
        return Example(
            path, self._oid(position), read.sizes[position], said.time, said.labels,
            said.attributes, said.annotation, said.time_given, RECORD,
        )  # fmt: skip

    def _again(self, position: int, current: Example, old: Any) -> Example:
        """Returns a tracked record as it is to be; `old` is what its fields said before."""
        settings = self.settings
        labels, time, attributes = self._said(position)
        same = current.oid == self.read.oids[position]
        after = replace(
            current, oid=self._oid(position), size=self.read.sizes[position],
            time=current.time if same or current.time_given else self.file.time,
        )  # fmt: skip
        old_labels, old_time, old_attributes = ((), None, {}) if old is None else old
        news = self.restated or self._reread or not same
        if news and settings.label is not None and (self.restated or labels != old_labels):
            after = replace(after, labels=tuple(sorted({*labels, *self.request.labels})))
        elif self.restated and self.request.labels:
            after = replace(after, labels=self.request.labels)
        if news and settings.time is not None and (self.restated or time != old_time):
            moment = self.file.time if time is None else time
            after = replace(after, time=moment, time_given=time is not None)
        if news and settings.attributes:
            kept = {
                n: v
                for n, v in after.attributes.items()
                if n not in old_attributes.keys() - attributes.keys()
            }
            told = {
                n: v for n, v in attributes.items() if self.restated or v != old_attributes.get(n)
            }
            after = replace(after, attributes={**kept, **told})
        if self._says:
            said = self.request.meaning(self.file.path, after.time, after, [])
            after = replace(
                after, labels=said.labels, time=said.time, time_given=said.time_given,
                annotation=said.annotation, attributes=said.attributes,
            )  # fmt: skip
        return self._by_table(after)

    def _by_table(self, example: Example) -> Example:
        """Returns a record as a label file that was given has it."""
        table = self.request.label_rows
        row = None if table is None else table.get(example.path)
        return example if row is None else row.said_of(example)


def _is_reread(now: RecordSettings, before: Example | None) -> bool:
    """Whether a file is written otherwise than before, so that the same bytes are other fields."""
    if before is None or not is_records_file(before.records):
        return False
    assert before.records is not None
    then = RecordSettings.from_text(before.records)[0]
    if now.row().said_beside:
        return True
    return (then.format, then.found.columns, then.found.delimiter, then.found.quote) != (
        now.format, now.found.columns, now.found.delimiter, now.found.quote
    )  # fmt: skip


def refuse_files_as_records(
    tree: WorkTree, staged: Staged, rows: Rows, names: Iterable[str]
) -> None:
    """Raises Conflict where a record and a file would have the same path; `names` are of tracked
    files that may stand in the way of new records."""

    taken = set(names)
    shared, files = [], []
    for row, each in enumerate(rows.records):
        if each != RECORD:
            path = rows.paths[row]
            if "#" in path and rows.oids[row] is not None and parts_of(path)[0]:
                files.append((path, parts_of(path)[0]))
        elif taken and rows.paths[row] in taken:
            shared.append(rows.paths[row])
    if not shared and files and has_records(tree, staged):
        above = tree.lookup({file for _, file in files}, staged)
        known = records_of(
            tree, staged, [f for f, e in above.items() if is_records_file(e.records)]
        )
        shared = [path for path, _ in files if path in known]
    if shared:
        raise Conflict(
            f"{printable(shared[0])} would be a file and a record at once",
            hint="rename the file; a record is named by its file, '#' and its key",
            items=tuple(shared[:1000]),
        )
