"""What the texts of a table are as attributes: numbers, true or false, or texts.

A column is of one type, which holds all its cells; one that it had before only becomes wider.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Mapping

from dsm.model.attribute_columns import AttributeColumns
from dsm.model.attributes import FLOAT_INT_MAX, MISSING_TEXTS
from dsm.model.example import AttributeValue
from dsm.model.names import printable
from dsm.records.fields import FieldInvalid

_INT = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_INFINITE_TEXT = re.compile(r"[-+]?inf(?:inity)?", re.IGNORECASE)
_BOOLS = {"true": True, "false": False, "True": True, "False": False}
_INT64 = range(-(2**63), 2**63)
_LONG = "long"  # an integer that is no float
_INFINITY, _INFINITE = "infinity", "infinite"  # such a number alone, and among finite ones
_TYPES = {_LONG: "int", _INFINITY: "text", _INFINITE: "text"}  # those that rows name
# Of two types the one that holds both.
_WIDER = {
    frozenset(("int", "float")): "float",
    frozenset(("int", _LONG)): _LONG,
    **{frozenset((_INFINITY, kind)): _INFINITE for kind in ("int", "float", _LONG, _INFINITE)},
    **{frozenset((_INFINITE, kind)): _INFINITE for kind in ("int", "float", _LONG)},
}


class CellInvalid(FieldInvalid):
    """A cell of a column of numbers is none; `position` is that of its record."""

    def __init__(self, position: int, name: str):
        super().__init__(
            f"has no attribute in the field '{printable(name)}': the number is infinite",
            "mend the field, or leave it out of --attr-field",
        )
        self.position = position


def type_of(text: str) -> str | None:
    """Returns the narrowest type of a cell; None for one that is empty or says that it is."""
    if not text or text in MISSING_TEXTS:
        return None
    if _INT.fullmatch(text):
        if len(text) > 20 or int(text) not in _INT64:
            return "text"  # a float would lose digits of it
        return "int" if abs(int(text)) <= FLOAT_INT_MAX else _LONG
    if _FLOAT.fullmatch(text):
        return "float" if math.isfinite(float(text)) else _INFINITY
    if _INFINITE_TEXT.fullmatch(text):
        return _INFINITY
    return "bool" if text in _BOOLS else "text"


def typed(text: str, kind: str) -> AttributeValue | None:
    """Returns a cell as a value of a type; None for none. Raises ValueError where it is no such."""
    if kind == "text":
        return text or None
    if text in MISSING_TEXTS or not text:
        return None
    if kind == "bool":
        if text not in _BOOLS:
            raise ValueError(f"{text!r} is neither true nor false")
        return _BOOLS[text]
    return int(text) if kind == "int" else float(text)


def seen(text: str) -> AttributeValue | None:
    """Returns a cell as the value that it looks like; None for none."""
    kind = type_of(text)
    return None if kind is None else typed(text, _TYPES.get(kind, kind))


def settled_types(
    attributes: AttributeColumns,
    before: Mapping[str, str],
    named: Container[str] = (),
) -> dict[str, str]:
    """Gives the cells of each column one type, and returns those by name; `before` are those that
    columns had in an earlier state of the file.

    Raises CellInvalid for an infinite number in a column of numbers that is one of `named`; in
    others it makes texts of them.
    """
    types: dict[str, str | None] = dict(before)
    for name, column in attributes.columns.items():
        for text in column.values[1:]:
            if types.get(name) == "text":
                break
            types[name] = _wider(types.get(name), type_of(str(text)))
    for name in (name for name, kind in types.items() if kind == _INFINITE and name in named):
        cells = enumerate(attributes.columns[name].values)
        code = next(code for code, cell in cells if type_of(str(cell)) == _INFINITY)
        raise CellInvalid(attributes.columns[name].data.index(code), name)
    found = {name: _TYPES.get(kind or "text", kind or "text") for name, kind in types.items()}
    for name, column in attributes.columns.items():
        column.replace([typed(str(text), found[name]) for text in column.values[1:]])
    return {name: found[name] for name in sorted(found)}


def _wider(one: str | None, other: str | None) -> str | None:
    if one is None or other is None or one == other:
        return one or other
    return _WIDER.get(frozenset((one, other)), "text")
