"""The rule of an attribute, or of a field of records: its type, its range, and that it is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.columns import one_array
from dsm.checks.expressions import matches, require_expression
from dsm.checks.rule import Failing, Rule, Subject, failing
from dsm.checks.typed import (
    BOOL,
    FLOAT,
    INT,
    NUMBER,
    STRING,
    comparable,
    full_name,
    type_word,
    typed,
)
from dsm.history.fold import records_mask
from dsm.model.column_names import RECORD_FIELD
from dsm.model.names import printable


class Attribute(Rule):
    """What an attribute has to be, or a field of records; several rules say it of several."""

    name = "attribute"
    about = "an attribute, or record.FIELD, has this type, range, pattern or one of these values"
    options = {  # noqa: RUF012
        "name": options.text, "type": options.type_name, "min": options.number,
        "max": options.number, "values": options.values, "pattern": options.text,
        "min-chars": options.count, "max-chars": options.count, "required": options.flag,
        "unique": options.flag, "max-missing": options.share, "optional": options.flag,
    }  # fmt: skip
    needed = ("name",)

    @property
    def column(self) -> str:
        """The column that it looks at: `attr.NAME`, or `record.NAME`."""
        return full_name(self.asked["name"])

    @property
    def told(self) -> str:
        """What findings call it."""
        return printable(self.column.removeprefix("attr."))

    def columns(self) -> tuple[Sequence[str], Sequence[str]]:
        whole = self.asked.get("unique") or "max-missing" in self.asked
        return (self.column,), (self.column,) if whole else ()

    def problem(self) -> str | None:
        kind = self.asked.get("type")
        if kind not in (None, INT, FLOAT) and {"min", "max"} & self.asked.keys():
            return f"type {kind} is no number: it has no range"
        if kind not in (None, STRING) and {"pattern", "min-chars", "max-chars"} & self.asked.keys():
            return f"type {kind} is no text: it has no pattern and no characters"
        if kind is not None and "values" in self.asked and not _can_be(kind, self.asked["values"]):
            return f"its values are of another type than {kind}"
        low, high = self.asked.get("min-chars"), self.asked.get("max-chars")
        if low is not None and high is not None and low > high:
            return "min-chars is above max-chars"
        if self.asked.get("required") and self.asked.get("optional"):
            return "it is required or optional"
        return super().problem()

    def check(self, subject: Subject) -> Iterator[Failing]:
        name, told = self.column, self.told
        table = _judged(subject.fresh_with([name]), name)
        if not table.num_rows:
            return
        lacking = pa.nulls(table.num_rows)
        column = table.column(name) if name in table.column_names else lacking
        nobody = column.null_count == len(column) and not self.asked.get("optional")
        said = subject.lacks(name) if nobody else None
        if self.asked.get("required"):
            text = f"it has no {told}" if said is None else f"it has no {told}: {said}"
            yield from failing(table, pc.is_null(column), text)
        elif said is not None:
            yield Failing(said)
        yield from self._missing(subject, name, told)
        if column.null_count == len(column):
            return
        if name.startswith(RECORD_FIELD):
            yield from self._of_records(table, name)
        else:
            yield from self._of_attribute(table, column)
        if self.asked.get("unique"):
            yield from self._repeated(subject, table, name)

    def _of_attribute(self, table: pa.Table, values: Any) -> Iterator[Failing]:
        wanted, kind = self.asked.get("type"), type_word(values.type)
        if wanted not in (None, kind):
            yield Failing(f"attribute {self.told} is of type {kind}, not {wanted}")
            return
        ranged = {"min", "max"} & self.asked.keys()
        if ranged and kind not in (INT, FLOAT):
            yield Failing(f"attribute {self.told} is no number: it has no range")
        else:
            yield from self._range(table, values)
        if "values" in self.asked:
            yield from self._among(table, values)
        if {"pattern", "min-chars", "max-chars"} & self.asked.keys():
            if kind != STRING:
                yield Failing(f"attribute {self.told} is no text: it fits no pattern")
            else:
                yield from self._texts(table, values)

    def _of_records(self, table: pa.Table, name: str) -> Iterator[Failing]:
        """Judges each value by itself, since records have values of any type."""
        told, raw, wanted = self.told, table.column(name), self.asked.get("type")
        strange = None
        if wanted is not None:
            values, strange = typed(table, name, wanted)
            yield from failing(table, strange, f"{told} {{}} is no {_WORDS[wanted]}", raw)
        if {"min", "max"} & self.asked.keys():
            values, other = typed(table, name, NUMBER)
            yield from _but(table, other, strange, f"{told} {{}} is no number", raw)
            yield from self._range(table, values)
        if "values" in self.asked:
            values, other = typed(table, name, _type_of(self.asked["values"]))
            yield from _but(
                table, other, strange, f"{told} {{}} is none of the values allowed", raw
            )
            yield from self._among(table, values)
        if {"pattern", "min-chars", "max-chars"} & self.asked.keys():
            values, other = typed(table, name, STRING)
            yield from _but(table, other, strange, f"{told} {{}} is no text", raw)
            yield from self._texts(table, values)

    def _missing(self, subject: Subject, name: str, told: str) -> Iterator[Failing]:
        most = self.asked.get("max-missing")
        if most is None:
            return
        table = _judged(subject.table_with([name]), name)
        rows = table.num_rows
        lacking = table.column(name).null_count if name in table.column_names else rows
        if rows and lacking / rows > most:
            share = lacking / rows
            who = "records" if name.startswith(RECORD_FIELD) else "examples"
            yield Failing(f"{share:.2%} of the {who} have no {told}, more than {most:.2%}")

    def _range(self, table: pa.Table, values: Any) -> Iterator[Failing]:
        low, high, told = self.asked.get("min"), self.asked.get("max"), self.told
        if (low is None and high is None) or pa.types.is_null(values.type):
            return
        if pa.types.is_floating(values.type):
            yield from failing(table, pc.is_nan(values), f"{told} is not a number", values)
        # In the type of the column where the bound has it: a float would round large integers.
        if low is not None:
            yield from failing(table, pc.less(values, low), f"{told} {{}} is below {low}", values)
        if high is not None:
            above = pc.greater(values, high)
            yield from failing(table, above, f"{told} {{}} is above {high}", values)

    def _among(self, table: pa.Table, values: Any) -> Iterator[Failing]:
        if pa.types.is_null(values.type):
            return
        try:
            known = pc.is_in(values, value_set=pa.array(self.asked["values"]).cast(values.type))
        except pa.ArrowException:
            yield Failing(f"attribute {self.told} is of another type than the values allowed")
            return
        strange = pc.and_(pc.is_valid(values), pc.invert(known))
        yield from failing(
            table, strange, f"{self.told} {{}} is none of the values allowed", values
        )

    def _texts(self, table: pa.Table, values: Any) -> Iterator[Failing]:
        pattern, told = self.asked.get("pattern"), self.told
        if pa.types.is_null(values.type):
            return
        if pattern is not None:
            wrong = pc.invert(matches(values, require_expression(pattern)))
            yield from failing(table, wrong, f"{told} {{}} does not fit {pattern}", values)
        low, high = self.asked.get("min-chars"), self.asked.get("max-chars")
        chars = pc.utf8_length(values)
        if low is not None:
            text = f"{{}} characters of {told} are fewer than {low:,}"
            yield from failing(table, pc.less(chars, low), text, chars)
        if high is not None:
            text = f"{{}} characters of {told} are more than {high:,}"
            yield from failing(table, pc.greater(chars, high), text, chars)

    def _repeated(self, subject: Subject, fresh: pa.Table, name: str) -> Iterator[Failing]:
        whole = subject.table_with([name])
        if name not in whole.column_names:
            return
        counts = pc.value_counts(one_array(comparable(whole.column(name))))
        often = pc.and_(pc.greater(counts.field("counts"), 1), pc.is_valid(counts.field("values")))
        several = counts.field("values").filter(often)
        values = comparable(fresh.column(name))
        if len(several):
            mask = pc.and_(pc.is_valid(values), _is_in(values, several))
            yield from failing(
                fresh, mask, f"another example has the same {self.told}, {{}}", values
            )


_WORDS = {"string": "text", "int": "integer", "float": "number", "bool": "truth value",
          "list": "list", "object": "object"}  # fmt: skip


def _judged(table: pa.Table, name: str) -> pa.Table:
    """Returns the rows that can have a value: records, of a field of them."""
    return table.filter(records_mask(table)) if name.startswith(RECORD_FIELD) else table


def _but(
    table: pa.Table, other: Any, told: Any | None, text: str, values: Any
) -> Iterator[Failing]:
    """Yields what is of another type, but for what was said before."""
    mask = other if told is None else pc.and_not(other, told)
    yield from failing(table, mask, text, values)


def _can_be(kind: str, values: Sequence[Any]) -> bool:
    """Whether values can be those of a column of a type."""
    has = _type_of(values)
    if has != NUMBER or kind != INT:
        return has == kind or (has == NUMBER and kind == FLOAT)
    return all(float(each).is_integer() for each in values)


def _type_of(values: Sequence[Any]) -> str:
    if isinstance(values[0], bool):
        return BOOL
    return STRING if isinstance(values[0], str) else NUMBER


def _is_in(values: Any, several: Any) -> Any:
    """Returns which values are among some of the whole, which may be of a wider type."""
    if values.type == several.type:
        return pc.is_in(values, value_set=several)
    return pc.is_in(values.cast(pa.string()), value_set=several.cast(pa.string()))
