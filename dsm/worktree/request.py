"""What the user asked `add` for, and what that says of an example's labels, time and attributes.

Hides in which order pattern, label file and labels count, and what stays of the example that was
there before. The invariant: what nobody restates stays, so a plain `add` undoes no relabelling.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from dsm.errors import InvalidInput
from dsm.model.example import Attributes, Example
from dsm.model.names import check_labels
from dsm.model.pattern import PathPattern
from dsm.model.rows import NOTHING
from dsm.worktree.label_file import LabelRow, read_label_file

Meaning = tuple[tuple[str, ...], int, str | None, Attributes]


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked `add` to do; `paths` are below the dataset's root.

    `pattern` applies to every file. `default_pattern` labels only new examples, so that a plain
    `add` never undoes a relabelling; of other content that a path gets it tells the time alone.
    `deletions` stages what is gone as deleted, and, when it `spares_lost_folders`, nothing below a
    named folder that is not here at all. `allows_mass_deletion` says that most of a dataset, or all
    of a folder, may go; `force` takes what is ignored, too. `label_table` is the file that
    `label_rows` came from.
    """

    paths: tuple[str, ...]
    labels: tuple[str, ...] = ()
    pattern: PathPattern | None = None
    default_pattern: PathPattern | None = None
    label_rows: dict[str, LabelRow] | None = None
    label_table: str | None = None
    strict: bool = False
    deletions: bool = False
    spares_lost_folders: bool = False
    only_tracked: bool = False
    allows_mass_deletion: bool = True
    dry_run: bool = False
    follow_symlinks: bool = False
    force: bool = False
    keep_going: bool = False

    def __post_init__(self) -> None:
        if self.strict and self.pattern is None and self.default_pattern is None:
            raise InvalidInput(
                "there is no pattern to be strict about", hint="give one: --pattern '{label}/{_}'"
            )

    @property
    def restates_meaning(self) -> bool:
        """Whether labels are to be set on files whose content is unchanged too."""
        return bool(self.labels or self.pattern or self.label_rows)

    def states_time(self, path: str) -> bool:
        """Whether the request says what time an example has, also one of unchanged content."""
        given = (self.label_rows or {}).get(path)
        if given is not None and given.time_us is not None:
            return True
        return self.pattern is not None and self.pattern.time_of(path) is not None

    def meaning(
        self, path: str, modified: int, before: Example | None, unmatched: list[str]
    ) -> Meaning:
        """Returns labels, time, annotation and attributes of content that `path` has now.

        `modified` is the time of the file, in microseconds UTC; `before` is the example there was.
        A path that the pattern does not match is appended to `unmatched`.
        """
        labels: tuple[str, ...] = ()
        time, annotation, attributes = modified, None, NOTHING
        if before is not None:
            labels, annotation, attributes = before.labels, before.annotation, before.attributes
        pattern = self.pattern or (self.default_pattern if before is None else None)
        if pattern is not None:
            match = pattern.match(path)
            if match is None:
                unmatched.append(path)
            else:
                labels = match.labels
                attributes = {**attributes, **match.attributes} if attributes else match.attributes
                time = modified if match.time_us is None else match.time_us
        elif self.default_pattern is not None:
            told = self.default_pattern.time_of(path)
            time = modified if told is None else told
        given = self.label_rows.get(path) if self.label_rows else None
        if given is not None:
            labels = labels if given.labels is None else given.labels
            time = time if given.time_us is None else given.time_us
            annotation = annotation if given.annotation is None else given.annotation
            attributes = {**attributes, **given.attributes}
        if self.labels:
            explicit = pattern is not None or given is not None
            labels = (*labels, *self.labels) if explicit else self.labels
        if len(labels) > 1:
            labels = tuple(sorted(set(labels)))
        return labels, time, annotation, attributes

    def refuse(self, unmatched: list[str]) -> None:
        """Raises InvalidInput when the request is strict and paths do not match the pattern."""
        if self.strict and unmatched:
            files = "1 file does" if len(unmatched) == 1 else f"{len(unmatched)} files do"
            raise InvalidInput(
                f"{files} not match the pattern, so nothing was staged",
                hint="mend the pattern, or leave out --strict to add them without labels",
                items=tuple(unmatched[:1000]),
            )


class AddAsked(TypedDict, total=False):
    """The options of `Dataset.add`."""

    labels: Sequence[str] | None
    pattern: str | None
    label_file: str | None
    strict: bool
    deletions: bool
    dry_run: bool
    follow_symlinks: bool
    keep_going: bool
    force: bool


def request_for(
    paths: tuple[str, ...],
    default_pattern: str | None,
    folder: str,
    *,
    labels: Sequence[str] | None = None,
    pattern: str | None = None,
    label_file: str | None = None,
    **flags: bool,
) -> Request:
    """Returns a request with its patterns parsed and its label file, named from `folder`, read.

    Raises InvalidInput, NotFound.
    """
    compiled, default = (
        None if text is None else PathPattern.parse(text) for text in (pattern, default_pattern)
    )
    rows, table = None, None
    if label_file is not None:
        rows = read_label_file(label_file, folder).rows
        table = os.path.join(folder, label_file)
    return Request(paths, check_labels(labels), compiled, default, rows, label_table=table, **flags)
