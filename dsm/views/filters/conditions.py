"""Conditions on attributes: `width>=512`, parsed, typed and spelt in one way.

A condition compares with exact values: numbers are decimals as text, never floats, so that equal
questions hash alike. An example that lacks the attribute meets no condition, not even `!=`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dsm.errors import DamagedData, InvalidInput, NotFound
from dsm.model.names import attributes_hint, printable, quoted

ORDER: Final = ("=", "!=", "<", "<=", ">", ">=", "in")
NUMBER, TEXT, BOOL = "number", "text", "bool"
SIZE: Final = "size"  # of the example, in bytes; no attribute can have this name
_KINDS: Final = {"int": NUMBER, "float": NUMBER, "string": TEXT, "bool": BOOL}
# Nothing here is given back once it is taken (`*+`): no text takes long. They are compiled when
# the first condition is read: every `prepare` loads this module.
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_SHAPE = (
    rf'(?s)\s*+(?:(?P<quoted>{_QUOTED})\s*+|(?P<name>[^=!<>"]*?))'
    r"(?:(?P<op>==|!=|<=|>=|=|<|>)|\b(?P<in>in)\b)(?P<rest>.*)"
)
_ITEM = rf'(?s)\s*+({_QUOTED}|[^,"]*+)\s*+(,|\Z)'
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_BOOLS: Final = {"true": "true", "yes": "true", "1": "true"} | dict.fromkeys(
    ("false", "no", "0"), "false"
)
DIGITS_MAX = 400
VALUES_MAX = 10_000


class NumberAgainstText(InvalidInput):
    """An order of numbers is asked of an attribute that is text in this dataset."""

    code = "number-against-text"
    attribute = ""


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """One condition; `values` are canonical texts, sorted, and several only for `in`."""

    attribute: str
    op: str
    kind: str
    values: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns the condition as it is hashed."""
        return {
            "attribute": self.attribute, "is": self.kind, "op": self.op,
            "values": list(self.values),
        }  # fmt: skip

    @classmethod
    def from_json(cls, fields: Any) -> Condition:
        """Reads what `to_json` returned. Raises DamagedData."""
        try:
            condition = cls(
                fields["attribute"], fields["op"], fields["is"], tuple(fields["values"])
            )
            known = condition.op in ORDER and condition.kind in (NUMBER, TEXT, BOOL)
            texts = all(isinstance(v, str) for v in (condition.attribute, *condition.values))
            if not known or not texts or _canonical(condition) != condition:
                raise ValueError("it is not spelt as dsm spells it")
        except (KeyError, TypeError, ValueError, InvalidInput) as error:
            raise DamagedData(f"a condition of a view is damaged: {error}") from error
        return condition

    def __str__(self) -> str:
        values = [printable(v) for v in self.values]
        if self.op == "in":
            return f"{printable(self.attribute)} in {', '.join(values)}"
        return f"{printable(self.attribute)}{self.op}{values[0]}"


def parse_condition(text: str, types: Mapping[str, str], *, has_records: bool = False) -> Condition:
    """Reads a condition as people write it; `types` are the types of the dataset's attributes.

    Raises InvalidInput, or NotFound with near matches for an attribute that no example ever had.
    """
    shown = quoted(text)
    match = re.fullmatch(_SHAPE, text)
    if match is None or not (name := _unquoted(match["quoted"] or match["name"].rstrip())):
        raise InvalidInput(
            f"{shown} is not a condition",
            hint="write it like 'width>=512', 'camera=left' or 'split in train,val'",
        )
    op = "in" if match["in"] else match["op"].replace("==", "=")
    values = _items(match["rest"], shown) if op == "in" else [_unquoted(match["rest"].strip())]
    if name == SIZE:
        kind = NUMBER
    elif name in types:
        kind = _KINDS[types[name]]
    else:
        raise NotFound(
            f"no example has an attribute {quoted(name)}",
            hint=attributes_hint(name, types, has_records=has_records),
        )
    if (not all(values) and kind != TEXT) or (op == "in" and not match["rest"].strip()):
        raise InvalidInput(f"{shown} compares with nothing")
    if kind == TEXT and op[0] in "<>" and re.fullmatch(_NUMBER, match["rest"].strip()):
        error = NumberAgainstText(
            f"{shown} compares a number with {quoted(name)}, which is text in this dataset",
            hint=f"""to compare by code point, quote it: '{name}{op}"{values[0]}"'""",
        )
        error.attribute = name
        raise error
    return _canonical(Condition(name, op, kind, tuple(values)))


def _canonical(condition: Condition) -> Condition:
    """Spells a condition in the one way that is hashed. Raises InvalidInput."""
    spell = {NUMBER: decimal_text, BOOL: _bool_text, TEXT: _text}[condition.kind]
    values = tuple(sorted({spell(value) for value in condition.values}))
    op = condition.op
    if op == "in" and len(values) == 1:
        op = "="  # one of one value is that value
    if not values or len(values) > VALUES_MAX or (op != "in" and len(values) > 1):
        raise InvalidInput(f"a condition on {printable(condition.attribute)} has no usable value")
    if condition.kind == BOOL and op not in ("=", "!=", "in"):
        raise InvalidInput(
            f"'{printable(condition.attribute)}' is true or false: it can be compared with = and !="
        )
    return Condition(condition.attribute, op, condition.kind, values)


def decimal_text(text: str) -> str:
    """Returns the one spelling of an exact decimal: no exponent, no needless zeros.

    Raises InvalidInput.
    """
    from decimal import Decimal, InvalidOperation

    if not re.fullmatch(_NUMBER, text.strip()):
        raise InvalidInput(f"'{printable(text[:60])}' is not a number")
    try:
        sign, digits, exponent = Decimal(text.strip()).as_tuple()
    except InvalidOperation as error:
        raise InvalidInput(f"'{printable(text[:60])}' is not a number") from error
    assert isinstance(exponent, int)
    if len(digits) + abs(exponent) > DIGITS_MAX:
        raise InvalidInput(f"'{printable(text[:60])}' has more digits than a number may have here")
    whole = "".join(map(str, digits))
    if exponent >= 0:
        whole, fraction = whole + "0" * exponent, ""
    else:
        whole = whole.rjust(1 - exponent, "0")
        whole, fraction = whole[:exponent], whole[exponent:].rstrip("0")
    number = (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")
    return number if not sign or number == "0" else f"-{number}"


def _bool_text(text: str) -> str:
    try:
        return _BOOLS[text.strip().lower()]
    except KeyError:
        raise InvalidInput(f"{quoted(text)} is neither true nor false") from None


def _text(text: str) -> str:
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise InvalidInput(f"{quoted(text)} is not UTF-8")
    return text


def _unquoted(text: str) -> str:
    """Returns a text without the quotes that allow blanks, commas and operators in it."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return text


def _items(text: str, shown: str) -> list[str]:
    body = text.strip()
    if body[:1] + body[-1:] in ("()", "[]"):
        body = body[1:-1]
    items: list[str] = []
    at, item_at = 0, re.compile(_ITEM).match
    while True:
        match = item_at(body, at)
        if match is None:
            raise InvalidInput(f"{shown} is not a condition: a quote is open or misplaced")
        item, more = match[1].strip(), match[2]
        if item or more or not items:  # else a comma at the end
            items.append(_unquoted(item))
        at = match.end()
        if not more:
            return items
