"""The rule of outliers: values far from where the others lie, by their deviation or quartiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.rule import Failing, Rule, Subject, failing
from dsm.model.names import printable

Z_SCORE, IQR = "z-score", "iqr"
_FACTORS = {Z_SCORE: 4.0, IQR: 3.0}


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


class Outliers(Rule):
    """No number lies far from the others of all examples."""

    name = "outliers"
    about = "of (size, or attr.NAME) lies at most factor deviations, or ranges of quartiles, out"
    options = {"of": options.text, "method": _method, "factor": _positive}  # noqa: RUF012
    needed = ("of",)

    def problem(self) -> str | None:
        of = self.asked["of"]
        return None if of == "size" or of.startswith("attr.") else 'of is "size" or "attr.NAME"'

    def check(self, subject: Subject) -> Iterator[Failing]:
        of = self.asked["of"]
        if of not in subject.table.column_names or not subject.table.num_rows:
            return
        told = printable(of.removeprefix("attr."))
        column = subject.table.column(of)
        if pa.types.is_string(column.type) or pa.types.is_boolean(column.type):
            yield Failing(f"attribute {told} is no number: it has no outliers")
            return
        low, high = self._bounds(pc.cast(column, pa.float64()))
        if low is None or high is None:
            return
        values = subject.fresh.column(of)
        floats = pc.cast(values, pa.float64())
        out = pc.or_(pc.less(floats, low), pc.greater(floats, high))
        text = f"{told} {{}} lies outside of {low:,.6g} to {high:,.6g}, where the others lie"
        yield from failing(subject.fresh, out, text, values)

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
