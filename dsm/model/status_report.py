"""What `status` answers: plain values that the command line prints and programs read."""

from __future__ import annotations

from dataclasses import dataclass

from dsm.model.example import Change
from dsm.model.queries import QueryChange
from dsm.model.reports import Problem


@dataclass(frozen=True, slots=True, repr=False)
class Status:
    """The stage and the work tree against the head.

    Changes are sorted by path. `absent` counts examples that have no file here and never had one.
    `queries` names those that stand; `staged_queries` are what becomes of them. `failed` are
    folders that could not be read: nothing is told of what lies there. `left_out` are new files
    that `add` skips, since the `pattern` of the dataset does not match them. `files_at` is the
    changeset whose files still are here, since a revert or a pull was killed; else None.
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
    files_at: int | None = None

    def __repr__(self) -> str:
        counts = f"{len(self.staged):,} staged, {len(self.unstaged):,} unstaged"
        return f"<status of {self.dataset}: {counts}, {len(self.untracked):,} untracked>"

    @property
    def clean(self) -> bool:
        changes = self.staged or self.unstaged or self.untracked or self.staged_queries
        return not (changes or self.failed or self.files_at is not None)
