"""What bringing files back answers: plain values that the command line prints and programs read."""

from __future__ import annotations

from dataclasses import dataclass

from dsm.model.example import Change
from dsm.model.queries import QueryChange


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
