"""Rules of what is there twice: equal content, with other labels, or on two sides."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.columns import joined, one_array
from dsm.checks.rule import Failing, Rule, Subject
from dsm.errors import NotFound
from dsm.model.names import printable

FOLDER = "folder"


class Duplicates(Rule):
    """No two examples have the same content."""

    name = "duplicates"
    about = "no two examples have the same content"

    def check(self, subject: Subject) -> Iterator[Failing]:
        found = _touched(subject.repeated, subject)
        if found.num_rows:
            numbered = found.select(["group"]).append_column(
                "row", pa.array(range(found.num_rows), pa.int64())
            )
            first = numbered.group_by("group").aggregate([("row", "min")])
            at = pc.index_in(found.column("group"), value_set=one_array(first.column("group")))
            others = found.column("path").take(first.column("row_min").take(at))
            later = pc.not_equal(found.column("path"), others)
            rows = found.select(["path"]).append_column("value", others).filter(later)
            yield Failing("it has the same content as {}", rows)


class ConflictingLabels(Rule):
    """Examples of the same content have the same labels."""

    name = "conflicting-labels"
    about = "examples of the same content have the same labels"

    def check(self, subject: Subject) -> Iterator[Failing]:
        same = subject.repeated
        told = joined(same.column("labels"), ", ")
        found = _touched(_split(same.append_column("value", told), "value"), subject)
        if found.num_rows:
            text = "it is labelled {}, and another example of its content otherwise"
            yield Failing(text, found.select(["path", "value"]))


class Leakage(Rule):
    """No content is on two sides: of an attribute's values, of top folders, or of views."""

    name = "leakage"
    about = 'no content is on two sides: values of by ("attr.NAME" or "folder"), or views'
    options = {"by": options.text, "views": options.texts}  # noqa: RUF012

    def problem(self) -> str | None:
        by, views = self.asked.get("by"), self.asked.get("views")
        if (by is None) == (views is None):
            return "it needs either by or views"
        if by is not None and by != FOLDER and not by.startswith("attr."):
            return 'by is "folder" or "attr.NAME"'
        return None if views is None or len(views) > 1 else "views names two views or more"

    def check(self, subject: Subject) -> Iterator[Failing]:
        if "views" in self.asked:
            yield from self._between_views(subject)
            return
        by = self.asked["by"]
        if by != FOLDER and by not in subject.table.column_names:
            return  # no example has the attribute: there are no sides
        same = subject.repeated
        if by == FOLDER:
            parts = pc.split_pattern(same.column("path"), "/", max_splits=1)
            sides = pc.list_element(parts, 0)
        else:
            sides = pc.cast(same.column(by), pa.string())
        found = _touched(_split(same.append_column("value", sides), "value"), subject)
        if found.num_rows:
            text = f"its content is on two sides of {printable(by)}; this one is in {{}}"
            yield Failing(text, found.select(["path", "value"]))

    def _between_views(self, subject: Subject) -> Iterator[Failing]:
        if subject.view is None:
            raise NotFound("views can be compared in a repository only")
        names = self.asked["views"]
        tables = [subject.view(name) for name in names]
        for index, (name, mine) in enumerate(zip(names, tables, strict=True)):
            for other, theirs in zip(names[:index], tables[:index], strict=True):
                objects = one_array(theirs.column("object"))
                rows = mine.filter(pc.is_in(mine.column("object"), value_set=objects))
                if rows.num_rows:
                    at = pc.index_in(rows.column("object"), value_set=objects)
                    value = theirs.column("path").take(at)
                    text = f"it is in view {printable(name)}, and {{}} of the same content in view"
                    yield Failing(
                        f"{text} {printable(other)}",
                        rows.select(["path"]).append_column("value", value),
                    )


def _split(rows: pa.Table, column: str) -> pa.Table:
    """Returns the rows of those groups that have more than one value in a column."""
    kinds = rows.select(["group", column]).group_by("group").aggregate([(column, "count_distinct")])
    several = pc.greater(kinds.column(f"{column}_count_distinct"), 1)
    groups = one_array(kinds.column("group").filter(several))
    return rows.filter(pc.is_in(rows.column("group"), value_set=groups))


def _touched(rows: pa.Table, subject: Subject) -> pa.Table:
    """Returns the rows of those groups that a change put something into; all without a change."""
    if subject.before is None or not rows.num_rows:
        return rows
    mine = pc.is_in(rows.column("path"), value_set=one_array(subject.fresh.column("path")))
    groups = one_array(rows.column("group").filter(mine))
    return rows.filter(pc.is_in(rows.column("group"), value_set=groups))
