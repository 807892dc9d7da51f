"""What the user asked `add` for, and what that says of an example's labels, time and attributes.

Hides in which order pattern, label file and labels count, and what stays of the example that was
there before. The invariant: what nobody restates stays, so a plain `add` undoes no relabelling.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypedDict

from dsm.errors import InvalidInput
from dsm.model.example import Attributes, Example
from dsm.model.names import check_labels
from dsm.model.pattern import PathPattern
from dsm.model.rows import NOTHING
from dsm.model.unmatched import REFUSE, UNLABELLED
from dsm.worktree.missing_values import DEFAULT

if TYPE_CHECKING:
    from dsm.records.settings import RecordSettings
    from dsm.worktree.label_formats.places import Places
    from dsm.worktree.label_rows import LabelRows


class Meaning(NamedTuple):
    """What is said of an example; `time` in microseconds UTC, see `Example` for `time_given`."""

    labels: tuple[str, ...]
    time: int
    time_given: bool
    annotation: str | None
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked `add` to do; `paths` are below the dataset's root.

    `pattern` applies to every file. `default_pattern` labels only new examples, so that a plain
    `add` never undoes a relabelling; of other content that a path gets it tells the time alone.
    `deletions` stages what is gone as deleted, and, when it `spares_lost_folders`, nothing below a
    named folder that is not here at all. `allows_mass_deletion` says that most of a dataset, or all
    of a folder, may go; `force` takes what is ignored, too. `label_table` is the path of the
    file that `label_rows` came from; `label_files` are others that were read, below the root.
    `unmatched` says what is done with new files that the pattern of the dataset, or the one in its
    place, does not match: see `dsm.model.unmatched`. `records`
    says how files are read as records from now on; those of `paths` that are `globbed` were not
    named themselves, but by one of `globs`.
    """

    paths: tuple[str, ...]
    labels: tuple[str, ...] = ()
    pattern: PathPattern | None = None
    default_pattern: PathPattern | None = None
    label_rows: LabelRows | None = None
    label_table: str | None = None
    label_files: frozenset[str] = frozenset()
    strict: bool = False
    deletions: bool = False
    spares_lost_folders: bool = False
    only_tracked: bool = False
    allows_mass_deletion: bool = True
    dry_run: bool = False
    follow_symlinks: bool = False
    force: bool = False
    keep_going: bool = False
    unmatched: str = UNLABELLED
    records: RecordSettings | None = None
    globs: tuple[str, ...] = ()
    globbed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        known = (self.pattern, self.default_pattern, self.label_rows)
        if self.strict and all(each is None for each in known):
            raise InvalidInput(
                "there is no pattern to be strict about",
                hint="give one: --pattern '{label}/{_}'",
            )

    @property
    def restates_meaning(self) -> bool:
        """Whether labels are to be set on files whose content is unchanged too."""
        return bool(self.labels or self.pattern or self.label_rows is not None)

    def says_of(self, path: str) -> bool:
        """Whether it says something of a file whose content is unchanged, too."""
        table = self.label_rows
        return bool(self.labels or self.pattern) or (
            table is not None and table.get(path) is not None
        )

    def leaves_out(self, path: str) -> bool:
        """Whether a new file is not taken, since no pattern and no row of a table says a thing of
        it, and the dataset is not to hold such files."""
        if self.unmatched == UNLABELLED or self.default_pattern is None or self.force:
            return False
        pattern = self.pattern or self.default_pattern
        return pattern.match(path) is None and not (
            self.label_rows is not None and self.label_rows.get(path) is not None
        )

    def states_time(self, path: str) -> bool:
        """Whether the request says what time an example has, also one of unchanged content."""
        given = None if self.label_rows is None else self.label_rows.get(path)
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
        time, time_given, annotation, attributes = modified, False, None, NOTHING
        if before is not None:
            labels, annotation, attributes = before.labels, before.annotation, before.attributes
            if before.time_given:
                time, time_given = before.time, True
        pattern = self.pattern or (self.default_pattern if before is None else None)
        told: int | None = None
        if pattern is not None:
            match = pattern.match(path)
            if match is None:
                unmatched.append(path)
            else:
                labels, told = match.labels, match.time_us
                attributes = {**attributes, **match.attributes} if attributes else match.attributes
        elif self.default_pattern is not None and not time_given:
            told = self.default_pattern.time_of(path)
        given = None if self.label_rows is None else self.label_rows.get(path)
        if given is not None:
            labels = labels if given.labels is None else given.labels
            told = told if given.time_us is None else given.time_us
            annotation = given.annotated(annotation)
            attributes = {**attributes, **given.attributes}
        if told is not None:
            time, time_given = told, True
        if self.labels:
            explicit = pattern is not None or given is not None
            labels = (*labels, *self.labels) if explicit else self.labels
        if len(labels) > 1:
            labels = tuple(sorted(set(labels)))
        return Meaning(labels, time, time_given, annotation, attributes)

    def example(
        self,
        path: str,
        oid: bytes,
        size: int,
        modified: int,
        before: Example | None,
        unmatched: list[str],
        committed: Example | None = None,
    ) -> Example:
        """Returns the example that content makes at a path; see `meaning`.

        Content that `before`, or the head (`committed`), had keeps the time that it had there.
        """
        said = self.meaning(path, modified, before, unmatched)
        time, given = said.time, said.time_given
        if not self.states_time(path):
            for known in (before, committed):
                if known is not None and known.oid == oid:
                    time, given = known.time, known.time_given
                    break
        return Example(
            path, oid, size, time, said.labels, said.attributes, said.annotation, time_given=given
        )

    def moved(self, example: Example, path: str) -> Example:
        """Returns an example under another path: what the stored pattern says of the old path, it
        says of the new one; what else was said stays."""
        pattern = self.default_pattern
        new = None if pattern is None else pattern.match(path)
        if pattern is None or new is None:
            return replace(example, path=path)
        old = pattern.match(example.path)
        before = set(() if old is None else old.labels)
        labels, time, given = set(example.labels), example.time, example.time_given
        if before <= labels and (before or not labels):  # nobody took them away
            labels = labels - before | set(new.labels)
        attributes = dict(example.attributes)
        for name, value in () if old is None else old.attributes.items():
            if attributes.get(name) == value:
                del attributes[name]
        if new.time_us is not None and (not given or (old is not None and old.time_us == time)):
            time, given = new.time_us, True
        return replace(
            example, path=path, time=time, time_given=given, labels=tuple(sorted(labels)),
            attributes={**new.attributes, **attributes},
        )  # fmt: skip

    def says_nothing_else(self, example: Example) -> bool:
        """Whether an example is what the stored pattern alone makes of its path."""
        alone = Request((), default_pattern=self.default_pattern)
        said = alone.meaning(example.path, example.time, None, [])
        return said == (
            example.labels, example.time, example.time_given, example.annotation, example.attributes
        )  # fmt: skip

    def refuse(self, unlabelled: list[str], left_out: Sequence[str] = ()) -> None:
        """Raises InvalidInput for paths that do not match the pattern, when the request is strict,
        or the dataset refuses new files (those that are `left_out`) of that kind."""
        refused = [*unlabelled, *left_out] if self.strict else []
        hint = "mend the pattern, or leave out --strict"
        if self.unmatched == UNLABELLED or self.default_pattern is None:
            hint += " to add them without labels"
        if self.unmatched == REFUSE and left_out:
            refused = refused or list(left_out)
            hint = "-f adds them without labels; `dsm dataset set --unmatched skip` leaves them out"
        if refused:
            files = "1 file does" if len(refused) == 1 else f"{len(refused):,} files do"
            raise InvalidInput(
                f"{files} not match the pattern, so nothing was staged",
                hint=hint,
                items=tuple(refused[:1000]),
            )


class ImportAsked(TypedDict, total=False):
    """The options that staging takes, wherever the bytes come from."""

    labels: Sequence[str] | None
    pattern: str | None
    label_file: str | os.PathLike[str] | BinaryIO | None
    label_format: str | None
    strict: bool
    records: bool | str
    key_field: str | Sequence[str] | None
    label_field: str | None
    time_field: str | None
    attr_field: str | Sequence[str] | None
    columns: str | Sequence[str] | None
    delimiter: str | None
    quote: str | None
    encoding: str | None
    label_sep: str | None


class AddAsked(ImportAsked, total=False):
    """The options of `Dataset.add`."""

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
    label_file: str | BinaryIO | None = None,
    label_format: str | None = None,
    places: Places | None = None,
    missing: frozenset[str] = DEFAULT,
    unmatched: str = UNLABELLED,
    records: bool | str = False,
    key_field: str | Sequence[str] | None = None,
    label_field: str | None = None,
    time_field: str | None = None,
    attr_field: str | Sequence[str] | None = None,
    columns: str | Sequence[str] | None = None,
    delimiter: str | None = None,
    quote: str | None = None,
    encoding: str | None = None,
    label_sep: str | None = None,
    **flags: Any,
) -> Request:
    """Returns a request with its patterns parsed and its label file read, which is named from
    `folder`, or open, and whose names lead to one of the `places`.

    Raises InvalidInput, NotFound.
    """
    compiled, default = (
        None if text is None else PathPattern.parse(text) for text in (pattern, default_pattern)
    )
    rows, table, files = None, None, frozenset[str]()
    if label_format is not None and label_file is None:
        raise InvalidInput("a format of labels is given, but no labels", hint="--labels FILE")
    if label_file is not None:
        from dsm.worktree.label_formats.table import read_labels

        assert places is not None
        rows, files = read_labels(label_file, folder, missing, places, label_format)
        table = os.path.join(folder, label_file) if isinstance(label_file, str) else None
    fields = (key_field, label_field, time_field, attr_field)
    written = (columns, delimiter, quote, encoding, label_sep)
    settings = _record_settings(records, fields, written)
    return Request(
        paths, check_labels(labels), compiled, default, rows, label_table=table, label_files=files,
        unmatched=unmatched, records=settings,
        **flags,
    )  # fmt: skip


def _record_settings(
    records: bool | str, fields: Sequence[Any], written: Sequence[Any]
) -> RecordSettings | None:
    """Returns how files are to be read as records, None when they are not. Raises InvalidInput."""
    if records is False:
        if any(each is not None for each in (*fields, *written)):
            raise InvalidInput(
                "fields are those of records", hint="say that the lines are examples: --records"
            )
        return None
    from dsm.records.settings import BY_NAME, RecordSettings, checked_fields

    key, label, time, attributes = fields
    columns, delimiter, quote, encoding, label_sep = written
    return RecordSettings(
        format=BY_NAME if records is True else records,
        key=checked_fields(key),
        label=label,
        time=time,
        attributes=checked_fields(attributes),
        columns=_columns_of(columns),
        delimiter=delimiter,
        quote=quote,
        encoding=encoding,
        label_sep=label_sep,
    )


def _columns_of(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Returns names of columns: texts, or one text with commas between them."""
    names = given.split(",") if isinstance(given, str) else list(given or ())
    if not all(isinstance(name, str) for name in names):
        raise InvalidInput("names of columns are texts")
    return tuple(names)
