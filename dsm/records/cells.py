"""What the texts of a table are as attributes: numbers, true or false, or texts.

A column is of one type, which holds all its cells; one that it had before only becomes wider.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from dsm.model.attributes import FLOAT_INT_MAX, MISSING_TEXTS
from dsm.model.example import AttributeValue

_INT = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_BOOLS = {"true": True, "false": False, "True": True, "False": False}
_INT64 = range(-(2**63), 2**63)
_LONG = "long"  # an integer that is no float
# Of two types the one that holds both.
_WIDER = {
    frozenset(("int", "float")): "float",
    frozenset(("int", _LONG)): _LONG,
}


def type_of(text: str) -> str | None:
    """Returns the narrowest type of a cell; None for one that is empty or says that it is."""
    if not text or text in MISSING_TEXTS:
        return None
    if _INT.fullmatch(text):
        if len(text) > 20 or int(text) not in _INT64:
            return "text"  # a float would lose digits of it
        return "int" if abs(int(text)) <= FLOAT_INT_MAX else _LONG
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return "float"
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
    return None if kind is None else typed(text, "int" if kind == _LONG else kind)


def settled_types(
    attributes: Sequence[dict[str, AttributeValue]], before: Mapping[str, str]
) -> dict[str, str]:
    """Gives the cells of each column one type, and returns those by name; `before` are those that
    columns had in an earlier state of the file."""
    types: dict[str, str | None] = dict(before)
    for each in attributes:
        for name, text in each.items():
            known = types.get(name)
            if known != "text":
                types[name] = _wider(known, type_of(str(text)))
    found = {n: "int" if kind == _LONG else kind or "text" for n, kind in types.items()}
    for each in attributes:
        for name, text in list(each.items()):
            value = typed(str(text), found[name])
            if value is None:
                del each[name]
            else:
                each[name] = value
    return {name: found[name] for name in sorted(found)}


def _wider(one: str | None, other: str | None) -> str | None:
    if one is None or other is None or one == other:
        return one or other
    return _WIDER.get(frozenset((one, other)), "text")
