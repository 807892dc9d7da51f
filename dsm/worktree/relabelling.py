"""What `label` says of examples: labels, attributes, an annotation, or the row of a table.

Rows only; no object and no file is touched. What is not said stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dsm.errors import InvalidInput
from dsm.model.attributes import TYPE_NAMES
from dsm.model.example import AttributeValue, Example
from dsm.model.globs import WILD, matches
from dsm.model.names import check_attribute_name, printable
from dsm.model.record_path import is_records_file
from dsm.model.reports import Problem
from dsm.model.rows import Rows
from dsm.worktree.edit import named_records, stage_example, tracked_below
from dsm.worktree.index import WorkIndex
from dsm.worktree.label_file import attribute_problem, attribute_value
from dsm.worktree.label_row import annotation_text
from dsm.worktree.label_rows import LabelRows
from dsm.worktree.stage import Staged
from dsm.worktree.tracked_records import (
    archive_members,
    has_records,
    records_files,
    records_of,
)
from dsm.worktree.tree import WorkTree

_TRACKED = "tracked example"


@dataclass(frozen=True, slots=True)
class Relabelling:
    """What is to be said; `replacing` is None where labels stay, "" takes an annotation away.

    `attributes` of None are taken away. What the table says comes first, then the rest.
    """

    replacing: tuple[str, ...] | None = None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    attributes: Mapping[str, AttributeValue | None] = field(default_factory=dict)
    annotation: str | None = None
    table: LabelRows | None = None

    def __post_init__(self) -> None:
        for name, value in self.attributes.items():
            check_attribute_name(name)
            problem = None if value is None else attribute_problem(value)
            if problem:
                raise InvalidInput(f"the attribute {printable(name)!r} {problem}")
        if self.annotation:
            try:
                annotation_text(self.annotation)
            except ValueError as error:
                raise InvalidInput(printable(str(error))) from None
        if not (
            self.replacing is not None or self.add or self.remove or self.attributes
            or self.annotation is not None or self.table is not None
        ):  # fmt: skip
            raise InvalidInput("no label given", hint="use --set, --add or --remove with a label")

    def of(self, before: Example) -> Example:
        """Returns an example as it is to be."""
        after = before
        row = None if self.table is None else self.table.get(before.path)
        if row is not None:
            after = row.said_of(before)
        labels = set(after.labels if self.replacing is None else self.replacing)
        labels = (labels | set(self.add)) - set(self.remove)
        said = {**after.attributes, **self.attributes}
        annotation = after.annotation
        if self.annotation is not None:
            annotation = annotation_text(self.annotation) if self.annotation else None
        return replace(
            after, labels=tuple(sorted(labels)), annotation=annotation,
            attributes={name: value for name, value in said.items() if value is not None},
        )  # fmt: skip

    def rows(
        self, tree: WorkTree, staged: Staged, paths: Iterable[str], *, strict: bool = False
    ) -> tuple[Rows, tuple[Problem, ...], int]:
        """Returns rows that relabel tracked examples (unchanged ones are left out), what is to be
        told of the table, and how many of its rows fit nothing that is tracked.

        Raises NoRowFits when there is a table, and it says nothing of any of them; InvalidInput
        when it is to be `strict`, and a row fits nothing.
        """
        wanted = list(paths)
        known = tree.lookup(wanted, staged)
        committed = tree.committed(path for path in wanted if path in staged.where)
        unused: list[str] = []
        if self.table is not None:
            in_archives = archive_members(tree, staged, lambda file: True)
            self.table.fit_members(path for path in wanted if path in in_archives)
            wanted = [path for path in wanted if self.table.get(path) is not None]
            unused = self.table.unused(wanted)
            self.table.refuse(unused, known, strict=False, what="example that was asked for")
            elsewhere = tree.lookup(unused, staged)  # tracked, and not among those that are meant
            unused = [path for path in unused if path not in elsewhere]
            self.table.refuse(unused, known, strict=strict, what=_TRACKED)
        warnings = () if self.table is None else tuple(self.table.warnings(unused, _TRACKED))
        rows = Rows()
        for path in wanted:
            after = self.of(known[path])
            if after != known[path]:
                base = committed.get(path) if path in staged.where else known[path]
                stage_example(rows, after, base)
        return rows, warnings, len(unused)


def chosen(tree: WorkTree, index: WorkIndex, staged: Staged, paths: Iterable[str]) -> list[str]:
    """Returns the tracked examples at or below the paths, or that a glob among them selects.

    A path with an example is taken as it is. Of a records file, its records are; a glob with a `#`
    selects some of them. Raises NotFound for one that has none.
    """
    with_records = has_records(tree, staged)
    given = list(paths)
    found: set[str] = set()
    if with_records:
        found.update(named_records(tree, index, staged, given))
    for path in given:
        if path in found:
            continue
        if not WILD.isdisjoint(path) and next(iter(index.below(path)), None) is None:
            selected = [each for each in index.below("") if matches(path, each)]
            if with_records and "#" in path:
                records = records_of(tree, staged, records_files(tree, staged))
                selected += [each for each in records if matches(path, each)]
            found.update(selected or tracked_below(index, [path]))
        else:
            found.update(tracked_below(index, [path]))
    if with_records:
        files = [p for p, e in tree.lookup(found, staged).items() if is_records_file(e.records)]
        found.difference_update(files)
        found.update(records_of(tree, staged, files))
    return sorted(found)


def typed_attributes(
    given: Mapping[str, str], types: Mapping[str, str]
) -> dict[str, AttributeValue | None]:
    """Returns attributes that were typed in, with the type that they have in the dataset, or that
    a table would give them; None for blank ones. Raises InvalidInput."""
    found: dict[str, AttributeValue | None] = {}
    for name, text in given.items():
        kind = types.get(name)
        value = attribute_value(text) if text.strip() else None
        if value is not None and kind == "string":
            value = text
        elif value is not None and kind == "float" and type(value) is int:
            value = float(value)
        mine = None if value is None else TYPE_NAMES[type(value)]
        if mine and kind and mine != kind and (kind, mine) != ("int", "float"):
            raise InvalidInput(f"attribute {printable(name)} is {kind} here, unlike {text!r}")
        found[name] = value
    return found
