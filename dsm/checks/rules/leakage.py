"""The rule of leakage: what is on two sides that a model must not see both of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.columns import one_array
from dsm.checks.rule import Failing, Rule, Subject
from dsm.checks.rules.duplicates import in_several, touched
from dsm.checks.rules.near import is_fresh, told_near
from dsm.checks.typed import comparable
from dsm.errors import NotFound
from dsm.history.fold import files_of, records_mask
from dsm.model.column_names import RECORD_FIELD
from dsm.model.names import printable
from dsm.near.sides import across

FOLDER = "folder"


class Leakage(Rule):
    """No content is on two sides: of an attribute's values, of folders, of a split, or of views.

    With `near`, nothing that is nearly the same either.
    """

    name = "leakage"
    about = "no content is on two sides: of by (attr.NAME, record.FIELD, folder), a split, or views"
    options = {  # noqa: RUF012
        "by": options.text, "split": options.text, "views": options.texts, "near": options.flag,
        "optional": options.flag,
    }  # fmt: skip

    def problem(self) -> str | None:
        by, views = self.asked.get("by"), self.asked.get("views")
        if sum(self.asked.get(each) is not None for each in ("by", "split", "views")) != 1:
            return "it needs one of by, split and views"
        if by is not None and by != FOLDER and not by.startswith(("attr.", RECORD_FIELD)):
            return 'by is "folder", "attr.NAME" or "record.FIELD"'
        return None if views is None or len(views) > 1 else "views names two views or more"

    def columns(self) -> tuple[Sequence[str], Sequence[str]]:
        by = self.asked.get("by")
        return (), (by,) if by is not None else ()

    def check(self, subject: Subject) -> Iterator[Failing]:
        if "views" in self.asked:
            yield from self._between_views(subject)
            return
        by = self.asked.get("by")
        if by not in (None, FOLDER) and subject.table.num_rows:
            said = subject.lacks(by)
            if said is not None:  # there are no sides
                yield from () if self.asked.get("optional") else (Failing(said),)
                return
        what = f"split {printable(self.asked['split'])}" if by is None else printable(by)
        same = subject.repeated
        sided = same.append_column("value", self._sides(subject, same))
        found = touched(in_several(sided, "value"), subject)
        if found.num_rows:
            text = f"its content is on two sides of {what}; this one is in {{}}"
            yield Failing(text, found.select(["path", "value"]))
        if self.asked.get("near"):
            table, fresh = subject.table, is_fresh(subject)
            near, objects = subject.near_of_all
            pairs = across(near, objects, one_array(self._sides(subject, table)).to_pylist())
            pairs = [each for each in pairs if fresh[each.row] or fresh[each.other]]
            text = f"it is nearly the same as {{}}, which is on another side of {what}"
            yield from told_near(text, table.column("path"), pairs)

    def _sides(self, subject: Subject, rows: pa.Table) -> pa.Array:
        """Returns the side of each of some rows of the whole; null for none."""
        by = self.asked.get("by")
        if by == FOLDER:
            return _folders(rows)
        if by is not None:
            return _texts(subject, by, rows)
        if subject.parts is None:
            raise NotFound("a split can be looked at in a repository only")
        return subject.parts(self.asked["split"], rows)

    def _between_views(self, subject: Subject) -> Iterator[Failing]:
        if subject.view is None:
            raise NotFound("views can be compared in a repository only")
        names = self.asked["views"]
        tables = [subject.view(name) for name in names]
        for name, table in zip(names, tables, strict=True):
            if not table.num_rows and not self.asked.get("optional"):
                yield Failing(f"view {printable(name)} has no examples to compare")
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
                if self.asked.get("near"):
                    yield from _near_between(subject, (name, mine), (other, theirs))


def _folders(rows: pa.Table) -> Any:
    """Returns the first folder of each path; of records beside `.dsm` their file, of files none."""
    mask = records_mask(rows)
    names = pc.if_else(mask, files_of(rows.column("path")), rows.column("path"))
    inside = pc.or_(mask, pc.match_substring(names, "/"))
    first = pc.list_element(pc.split_pattern(names, "/", max_splits=1), 0)
    return pc.if_else(inside, first, pa.scalar(None, pa.string()))


def _texts(subject: Subject, by: str, rows: pa.Table) -> Any:
    """Returns the values of a column at some rows of the whole, as text."""
    whole = subject.table_with([by])
    if by not in whole.column_names:  # a change put no record, and has no side
        return pa.chunked_array([pa.nulls(rows.num_rows, pa.string())])
    values = pc.cast(comparable(whole.column(by)), pa.string())
    if rows is subject.table:
        return values
    at = pc.index_in(rows.column("path"), value_set=one_array(whole.column("path")))
    return values.take(at)


def _near_between(
    subject: Subject, one: tuple[str, pa.Table], other: tuple[str, pa.Table]
) -> Iterator[Failing]:
    both = pa.concat_tables([table.select(["object", "path"]) for _, table in (one, other)])
    sides = [name for name, table in (one, other) for _ in range(table.num_rows)]
    near, objects = subject.nearly_same(both)
    pairs = [each for each in across(near, objects, sides) if each.row < one[1].num_rows]
    text = f"it is in view {printable(one[0])}, and {{}}, nearly the same, in view"
    yield from told_near(f"{text} {printable(other[0])}", both.column("path"), pairs)
