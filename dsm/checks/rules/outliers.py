"""The rule of outliers: values far from where the others lie, by their deviation or quartiles, or
combinations of values that few trees set apart from the others, by an isolation forest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.isolation_forest import scores
from dsm.checks.rule import Failing, Rule, Subject, failing
from dsm.model.names import printable

Z_SCORE, IQR, FOREST = "z-score", "iqr", "isolation-forest"
# Deviations, ranges of quartiles, and the score of a forest: 0.5 is an ordinary example.
_FACTORS = {Z_SCORE: 4.0, IQR: 3.0, FOREST: 0.75}


def _method(value: Any) -> str:
    """One of the methods. Raises ValueError."""
    if value not in _FACTORS:
        raise ValueError(f"is one of {', '.join(_FACTORS)}")
    return str(value)


def _positive(value: Any) -> float:
    """A number above 0. Raises ValueError."""
    found = options.number(value)
    if found <= 0:
        raise ValueError("is a number above 0")
    return float(found)


def _columns(value: Any) -> tuple[str, ...]:
    """One column, or a list of them. Raises ValueError."""
    found = options.texts([value] if isinstance(value, str) else value)
    if not all(each == "size" or each.startswith("attr.") for each in found):
        raise ValueError('is "size" or "attr.NAME", or a list of these')
    return found


class Outliers(Rule):
    """No number lies far from the others of all examples."""

    name = "outliers"
    about = "numbers (of: size, attr.NAME) lie by method and factor not far from all others"
    options = {"of": _columns, "method": _method, "factor": _positive}  # noqa: RUF012
    needed = ("of",)

    def problem(self) -> str | None:
        factor = self.asked.get("factor", 0.5)
        if self.asked.get("method") == FOREST:
            return None if factor < 1 else "the factor of an isolation forest is below 1"
        if len(self.asked["of"]) > 1:
            return f'of is one column; several go with method = "{FOREST}"'
        return None

    def check(self, subject: Subject) -> Iterator[Failing]:
        columns = self.asked["of"]
        if not subject.table.num_rows or not {*columns} <= {*subject.table.column_names}:
            return
        for of in columns:
            kind = subject.table.column(of).type
            if pa.types.is_string(kind) or pa.types.is_boolean(kind):
                name = printable(of.removeprefix("attr."))
                yield Failing(f"attribute {name} is no number: it has no outliers")
                return
        if self.asked.get("method") == FOREST:
            yield from self._apart(subject, columns)
        else:
            yield from self._outside(subject, columns[0])

    def _outside(self, subject: Subject, of: str) -> Iterator[Failing]:
        low, high = self._bounds(pc.cast(subject.table.column(of), pa.float64()))
        if low is None or high is None:
            return
        values = subject.fresh.column(of)
        floats = pc.cast(values, pa.float64())
        out = pc.or_(pc.less(floats, low), pc.greater(floats, high))
        name = printable(of.removeprefix("attr."))
        text = f"{name} {{}} lies outside of {low:,.6g} to {high:,.6g}, where the others lie"
        yield from failing(subject.fresh, out, text, values)

    def _apart(self, subject: Subject, columns: tuple[str, ...]) -> Iterator[Failing]:
        most = self.asked.get("factor", _FACTORS[FOREST])
        found = scores(subject.table.select(columns), subject.fresh.select(columns))
        names = " and ".join(printable(each.removeprefix("attr.")) for each in columns)
        text = f"{names}: {{}} stands apart from the others, with a score above {most:g}"
        values = [pc.cast(subject.fresh.column(each), pa.string()) for each in columns]
        value = pc.binary_join_element_wise(*values, " and ")
        yield from failing(subject.fresh, pc.greater(found, most), text, value)

    def _bounds(self, values: Any) -> tuple[float | None, float | None]:
        """Returns between what the values lie; infinite ones and NaN do not count."""
        finite = values.filter(pc.fill_null(pc.is_finite(values), False))
        method = self.asked.get("method", IQR)
        factor = self.asked.get("factor", _FACTORS[method])
        if not len(finite):
            return None, None
        if method == Z_SCORE:
            mean, deviation = pc.mean(finite).as_py(), pc.stddev(finite, ddof=0).as_py()
            return mean - factor * deviation, mean + factor * deviation
        first, third = pc.quantile(finite, [0.25, 0.75]).to_pylist()
        return first - factor * (third - first), third + factor * (third - first)
