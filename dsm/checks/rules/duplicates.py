"""Rules of equal content: what is there twice, and with other labels."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks.columns import joined, one_array
from dsm.checks.rule import Failing, Rule, Subject


class Duplicates(Rule):
    """No two examples have the same content."""

    name = "duplicates"
    about = "no two examples have the same content"

    def check(self, subject: Subject) -> Iterator[Failing]:
        found = touched(subject.repeated, subject)
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
        found = touched(in_several(same.append_column("value", told), "value"), subject)
        if found.num_rows:
            text = "it is labelled {}, and another example of its content otherwise"
            yield Failing(text, found.select(["path", "value"]))


def in_several(rows: pa.Table, column: str) -> pa.Table:
    """Returns the rows of those groups that have more than one value in a column."""
    kinds = rows.select(["group", column]).group_by("group").aggregate([(column, "count_distinct")])
    several = pc.greater(kinds.column(f"{column}_count_distinct"), 1)
    groups = one_array(kinds.column("group").filter(several))
    return rows.filter(pc.is_in(rows.column("group"), value_set=groups))


def touched(rows: pa.Table, subject: Subject) -> pa.Table:
    """Returns the rows of those groups that a change put something into; all without a change."""
    if subject.before is None or not rows.num_rows:
        return rows
    mine = pc.is_in(rows.column("path"), value_set=one_array(subject.fresh.column("path")))
    groups = one_array(rows.column("group").filter(mine))
    return rows.filter(pc.is_in(rows.column("group"), value_set=groups))
