"""What operations answer: plain values that the command line prints and programs read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dsm.model.changeset import Counts
from dsm.model.example import Change


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be taken, or that was taken with a warning."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class LabelReport(Counts):
    """What `label` staged; `unused` counts rows of a label file that fit nothing tracked."""

    warnings: tuple[Problem, ...] = ()
    unused: int = 0

    @classmethod
    def of(cls, counts: Counts, warnings: tuple[Problem, ...], unused: int) -> LabelReport:
        """Returns what was counted, and what is to be told of the label file."""
        return cls(
            counts.added, counts.modified, counts.relabelled, counts.deleted, counts.files,
            warnings, unused,
        )  # fmt: skip


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
