"""The rule of an attribute: its type, its range, and that it is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.columns import one_array
from dsm.checks.expressions import matches, require_expression
from dsm.checks.rule import Failing, Rule, Subject, failing
from dsm.model.names import printable

_TYPES = {"string": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}


class Attribute(Rule):
    """What an attribute has to be; several rules of this kind say it of several attributes."""

    name = "attribute"
    about = "an attribute has this type, range, pattern or one of these values, where it is there"
    options = {  # noqa: RUF012
        "name": options.text, "type": options.type_name, "min": options.number,
        "max": options.number, "values": options.values, "pattern": options.text,
        "required": options.flag, "unique": options.flag, "max-missing": options.share,
    }  # fmt: skip
    needed = ("name",)

    def check(self, subject: Subject) -> Iterator[Failing]:
        name, table = self.asked["name"], subject.fresh
        told, column = printable(name), f"attr.{name}"
        if not table.num_rows:
            return
        if column not in table.column_names:
            if self.asked.get("required"):
                yield Failing(f"it has no {told}", table.select(["path"]))
            elif self.asked.get("max-missing", 1.0) < 1:
                yield Failing(f"no example has the attribute {told}")
            return
        values = table.column(column)
        if self.asked.get("required"):
            yield from failing(table, pc.is_null(values), f"it has no {told}")
        yield from self._missing(subject, column, told)
        wanted = self.asked.get("type")
        if wanted is not None and not values.type.equals(_TYPES[wanted]):
            if values.null_count < len(values):
                kind = next(k for k, t in _TYPES.items() if values.type.equals(t))
                yield Failing(f"attribute {told} is of type {kind}, not {wanted}")
            return
        yield from self._range(table, values, told)
        yield from self._among(table, values, told)
        if self.asked.get("unique"):
            yield from self._repeated(subject, column, told)

    def _missing(self, subject: Subject, column: str, told: str) -> Iterator[Failing]:
        most, rows = self.asked.get("max-missing"), subject.table.num_rows
        if most is not None and rows:
            share = subject.table.column(column).null_count / rows
            if share > most:
                yield Failing(f"{share:.2%} of the examples have no {told}, more than {most:.2%}")

    def _range(self, table: pa.Table, values: Any, told: str) -> Iterator[Failing]:
        low, high = self.asked.get("min"), self.asked.get("max")
        if low is None and high is None:
            return
        if pa.types.is_string(values.type) or pa.types.is_boolean(values.type):
            yield Failing(f"attribute {told} is no number: it has no range")
            return
        if pa.types.is_floating(values.type):
            yield from failing(table, pc.is_nan(values), f"{told} is not a number", values)
        # In the type of the column where the bound has it: a float would round large integers.
        if low is not None:
            yield from failing(table, pc.less(values, low), f"{told} {{}} is below {low}", values)
        if high is not None:
            above = pc.greater(values, high)
            yield from failing(table, above, f"{told} {{}} is above {high}", values)

    def _among(self, table: pa.Table, values: Any, told: str) -> Iterator[Failing]:
        allowed, pattern = self.asked.get("values"), self.asked.get("pattern")
        if allowed is not None:
            try:
                known = pc.is_in(values, value_set=pa.array(allowed).cast(values.type))
            except pa.ArrowException:
                yield Failing(f"attribute {told} is of another type than the values allowed")
                return
            strange = pc.and_(pc.is_valid(values), pc.invert(known))
            text = f"{told} {{}} is none of the values allowed"
            yield from failing(table, strange, text, values)
        if pattern is not None:
            if not pa.types.is_string(values.type):
                yield Failing(f"attribute {told} is no text: it fits no pattern")
                return
            wrong = pc.invert(matches(values, require_expression(pattern)))
            yield from failing(table, wrong, f"{told} {{}} does not fit {pattern}", values)

    def _repeated(self, subject: Subject, column: str, told: str) -> Iterator[Failing]:
        counts = pc.value_counts(one_array(subject.table.column(column)))
        often = pc.and_(pc.greater(counts.field("counts"), 1), pc.is_valid(counts.field("values")))
        several = counts.field("values").filter(often)
        if len(several):
            values = subject.fresh.column(column)
            mask = pc.and_(pc.is_valid(values), pc.is_in(values, value_set=several))
            text = f"another example has the same {told}, {{}}"
            yield from failing(subject.fresh, mask, text, values)
