"""The rule of outliers: values far from where the others lie, by their deviation or quartiles, or
combinations of values that few trees set apart from the others, by an isolation forest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.isolation_forest import scores
from dsm.checks.rule import Failing, Rule, Subject, failing
from dsm.checks.typed import NUMBER, typed
from dsm.model.column_names import RECORD_FIELD
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
    if not all(each == "size" or each.startswith(("attr.", RECORD_FIELD)) for each in found):
        raise ValueError('is "size", "attr.NAME" or "record.FIELD", or a list of these')
    return found


class Outliers(Rule):
    """No number lies far from the others of all examples."""

    name = "outliers"
    about = "numbers (of: size, attr.NAME, record.FIELD) lie not far from all others"
    options = {  # noqa: RUF012
        "of": _columns, "method": _method, "factor": _positive, "optional": options.flag,
    }  # fmt: skip
    needed = ("of",)

    def problem(self) -> str | None:
        factor = self.asked.get("factor", 0.5)
        if self.asked.get("method") == FOREST:
            return None if factor < 1 else "the factor of an isolation forest is below 1"
        if len(self.asked["of"]) > 1:
            return f'of is one column; several go with method = "{FOREST}"'
        return None

    def columns(self) -> tuple[Sequence[str], Sequence[str]]:
        return self.asked["of"], self.asked["of"]

    def check(self, subject: Subject) -> Iterator[Failing]:
        columns = self.asked["of"]
        if not subject.table.num_rows:
            return
        missing = [said for of in columns if (said := subject.lacks(of)) is not None]
        if missing:
            yield from () if self.asked.get("optional") else map(Failing, missing)
            return
        whole, fresh = subject.table_with(columns), subject.fresh_with(columns)
        numbers = [[_numbers(table, of) for of in columns] for table in (whole, fresh)]
        for of, found in zip(columns, numbers[0], strict=True):
            if found is None or found.null_count == len(found):
                yield Failing(f"{_kind(of)} {_plain(of)} is no number: it has no outliers")
                return
        if self.asked.get("method") == FOREST:
            yield from self._apart(fresh, columns, *numbers)
        else:
            yield from self._outside(fresh, columns[0], numbers[0][0], numbers[1][0])

    def _outside(self, fresh: pa.Table, of: str, all_values: Any, values: Any) -> Iterator[Failing]:
        low, high = self._bounds(pc.cast(all_values, pa.float64()))
        if low is None or high is None or values is None:
            return
        floats = pc.cast(values, pa.float64())
        out = pc.or_(pc.less(floats, low), pc.greater(floats, high))
        text = f"{_plain(of)} {{}} lies outside of {low:,.6g} to {high:,.6g}, where the others lie"
        yield from failing(fresh, out, text, values)

    def _apart(
        self, fresh: pa.Table, columns: tuple[str, ...], all_values: list[Any], values: list[Any]
    ) -> Iterator[Failing]:
        most = self.asked.get("factor", _FACTORS[FOREST])
        if any(each is None for each in values):
            return
        tables = [pa.table(dict(zip(columns, each, strict=True))) for each in (all_values, values)]
        found = scores(*tables)
        names = " and ".join(map(_plain, columns))
        text = f"{names}: {{}} stands apart from the others, with a score above {most:g}"
        value = pc.binary_join_element_wise(*(pc.cast(v, pa.string()) for v in values), " and ")
        yield from failing(fresh, pc.greater(found, most), text, value)

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


def _plain(of: str) -> str:
    return printable(of.removeprefix("attr."))


def _kind(of: str) -> str:
    return "field" if of.startswith(RECORD_FIELD) else "attribute"


def _numbers(table: pa.Table, of: str) -> Any | None:
    """Returns the numbers of a column, null where there is none; None for one of another type."""
    if of not in table.column_names:
        return None
    values, _ = typed(table, of, NUMBER)
    return None if pa.types.is_null(values.type) else values
