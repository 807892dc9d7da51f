"""What operations answer: plain values that the command line prints and programs read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dsm.model.changeset import Counts
from dsm.model.example import Change
from dsm.model.names import printable
from dsm.model.queries import QueryChange


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be taken, or that was taken with a warning."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class AddReport:
    """What `add` staged (or would stage).

    `files` counts the files looked at, `size` the bytes of the ones read; `stored` is what the
    packs grew by, in bytes; `unlabelled` counts files that the pattern does not match; `left_out`
    counts new ones of those that were not taken, as the dataset has it. `ignored` are paths that
    were named and yet left out; `carried` counts new paths whose labels, attributes, annotation or
    time came along from where their content was before.
    """

    counts: Counts
    files: int
    size: int
    stored: int
    unchanged: int
    unlabelled: int
    warnings: tuple[Problem, ...] = ()
    skipped: tuple[Problem, ...] = ()
    failed: tuple[Problem, ...] = ()
    ignored: tuple[Problem, ...] = ()
    carried: int = 0
    left_out: int = 0
    changes: tuple[Change, ...] = ()  # filled for a dry run
    pattern: str | None = None
    records: tuple[RecordsReport, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordsReport:
    """A file whose lines were staged (or would be) as records.

    `counts` says how many of its `records` are added, modified, relabelled and deleted; `fields`
    maps those of the first records to their types; `written` says how the file is written, where
    that was found out; `samples` are the first keys.
    """

    path: str
    format: str
    records: int
    counts: Mapping[str, int]
    fields: Mapping[str, str]
    key: tuple[str, ...] = ()
    label: str | None = None
    time: str | None = None
    attributes: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    written: str = ""


@dataclass(frozen=True, slots=True)
class MassDeletion:
    """What a commit removes, where that is more than half of the examples or a whole folder.

    `deleted` of `examples` go; `folders` are those directly below the dataset's root that lose all
    they have. `paths` are the first 1,000 of what goes.
    """

    deleted: int
    examples: int
    folders: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Says it in half a line: "2 of 3 examples, all of cat/"."""
        text = f"{self.deleted:,} of {self.examples:,} examples"
        if not self.folders:
            return text
        named = ", ".join(f"{printable(folder)}/" for folder in self.folders[:3])
        more = f" and {len(self.folders) - 3:,} more folders" if len(self.folders) > 3 else ""
        return f"{text}, all of {named}{more}"


@dataclass(frozen=True, slots=True)
class DatasetRemoval:
    """What goes with a dataset: how many changesets, examples of the newest one, tags, prepared
    views and staged changes."""

    name: str
    changesets: int
    examples: int
    tags: int
    views: int
    staged: int


@dataclass(frozen=True, slots=True)
class Status:
    """The stage and the work tree against the head.

    Changes are sorted by path. `absent` counts examples that have no file here and never had one.
    `queries` names those that stand; `staged_queries` are what becomes of them. `failed` are
    folders that could not be read: nothing is told of what lies there. `left_out` are new files
    that `add` skips, since the `pattern` of the dataset does not match them.
    """

    dataset: str
    head: int
    examples: int
    staged: tuple[Change, ...]
    unstaged: tuple[Change, ...]
    untracked: tuple[str, ...]
    absent: int = 0
    queries: tuple[str, ...] = ()
    staged_queries: tuple[QueryChange, ...] = ()
    failed: tuple[Problem, ...] = ()
    left_out: tuple[str, ...] = ()
    pattern: str | None = None

    @property
    def clean(self) -> bool:
        changes = self.staged or self.unstaged or self.untracked or self.staged_queries
        return not (changes or self.failed)


@dataclass(frozen=True, slots=True)
class RecordDifference:
    """A change of a record, and the fields that differ: what each was, and is (None: not there)."""

    change: Change
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Diff:
    """Changes between two snapshots (or the stage, or the work tree), sorted by path, and those of
    queries, sorted by name; `records` where their fields were asked for."""

    before: str
    after: str
    changes: tuple[Change, ...]
    queries: tuple[QueryChange, ...] = ()
    records: tuple[RecordDifference, ...] = ()

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for change in self.changes:
            found[change.kind] = found.get(change.kind, 0) + 1
        return found


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What `restore` wrote: `written` and `unchanged` count files, `size` is in bytes."""

    target: str
    written: int
    unchanged: int
    size: int
    removed: int = 0
    paths: tuple[str, ...] = ()  # filled for a dry run


@dataclass(frozen=True, slots=True)
class AppliedRecords:
    """A records file that was rewritten (or would be) as its records are tracked.

    `removed` counts the records that were withdrawn, `changed` those whose content is another,
    `added` those that the file lacks.
    """

    path: str
    removed: int
    changed: int
    added: int


@dataclass(frozen=True, slots=True)
class RevertReport:
    """What `revert` of changeset `number`, or `rollback` to it, does to the head and files here.

    `changes` and `queries` are those that the new changeset makes; `kept` are paths that later
    changesets touched, left as they are. `written` and `removed` are paths of files; those of
    other changes hold something else and are left alone.
    """

    number: int
    changes: tuple[Change, ...]
    queries: tuple[QueryChange, ...] = ()
    kept: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
