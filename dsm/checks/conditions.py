"""Conditions on numbers, such as `accuracy < 0.9 or loss > 1.1 * before.loss`: read, never run.

    condition  = all ("or" all)*            all    = negated ("and" negated)*
    negated    = "not" negated | compared
    compared   = sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)?
    sum        = product (("+" | "-") product)*
    product    = factor (("*" | "/") factor)*
    factor     = number | name | "-" factor | "(" condition ")"

A name has letters, digits, `_` and dots; any other stands in double quotes. A value that cannot be
told (NaN, a division by zero) makes the whole condition one: no gate passes on what nobody knows.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from dsm.errors import InvalidInput, NotFound
from dsm.model.names import close_matches, printable, quoted

CHARS_MAX = 1000
_TOKEN = re.compile(
    r'\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_][\w.]*)'
    r'|"(?P<quoted>[^"]+)"|(?P<sign><=|>=|==|!=|[-<>+*/()]))'
)  # fmt: skip
_is_bare = re.compile(r"[A-Za-z_][\w.]*").fullmatch
_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


class Unknown(Exception):
    """A value of a condition cannot be told; what is said is why."""


class Condition:
    """A condition that was read, to be asked of numbers.

    Raises InvalidInput when a text is none.
    """

    def __init__(self, text: str):
        self.text = text
        self.names: list[str] = []
        if len(text) > CHARS_MAX:
            raise InvalidInput(f"a condition has at most {CHARS_MAX:,} characters")
        self._tokens = _tokens(text)
        self._at = 0
        try:
            self._tree = self._or()
        except RecursionError:
            raise InvalidInput(f"{quoted(text)} is nested too deeply") from None
        if self._at < len(self._tokens):
            raise self._wrong()
        if self._tree[0] not in ("or", "and", "not", *_COMPARED):
            raise InvalidInput(
                f"{quoted(text)} is a number, no condition", hint="compare it: 'accuracy < 0.9'"
            )

    def holds(self, numbers: Mapping[str, float]) -> bool:
        """Tells whether it holds. Raises NotFound for a name without number, Unknown."""
        return bool(_value(self._tree, numbers))

    # --- reading ---

    def _or(self) -> tuple[Any, ...]:
        found = self._and()
        while self._take("or"):
            found = self._joined("or", found, self._and())
        return found

    def _and(self) -> tuple[Any, ...]:
        found = self._not()
        while self._take("and"):
            found = self._joined("and", found, self._not())
        return found

    def _joined(self, word: str, *parts: tuple[Any, ...]) -> tuple[Any, ...]:
        for part in parts:
            if part[0] not in ("or", "and", "not", *_COMPARED):
                raise InvalidInput(f"{quoted(self.text)}: {word} stands between comparisons")
        return (word, *parts)

    def _not(self) -> tuple[Any, ...]:
        if self._take("not"):
            return self._joined("not", self._not())
        left = self._sum()
        for sign in _COMPARED:
            if self._take(sign):
                return (sign, self._number(left), self._number(self._sum()))
        return left

    def _sum(self) -> tuple[Any, ...]:
        return self._row(("+", "-"), self._product)

    def _product(self) -> tuple[Any, ...]:
        return self._row(("*", "/"), self._factor)

    def _row(self, signs: tuple[str, str], part: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        found = part()
        while True:
            sign = next((sign for sign in signs if self._take(sign)), None)
            if sign is None:
                return found
            found = (sign, self._number(found), self._number(part()))

    def _number(self, part: tuple[Any, ...]) -> tuple[Any, ...]:
        if part[0] in ("or", "and", "not", *_COMPARED):
            raise InvalidInput(f"{quoted(self.text)} compares comparisons", hint="join them by and")
        return part

    def _factor(self) -> tuple[Any, ...]:
        if self._take("-"):
            return ("-", ("number", 0.0), self._number(self._factor()))
        if self._take("("):
            found = self._or()
            if not self._take(")"):
                raise self._wrong()
            return found
        if self._at == len(self._tokens):
            raise self._wrong()
        kind, text = self._tokens[self._at]
        if kind == "sign" or (kind == "name" and text in ("and", "or", "not")):
            raise self._wrong()
        self._at += 1
        if kind == "number":
            return ("number", float(text))
        if text not in self.names:
            self.names.append(text)
        return ("name", text)

    def _take(self, text: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at] in (
            ("sign", text), ("name", text),
        )  # fmt: skip
        self._at += found
        return found

    def _wrong(self) -> InvalidInput:
        rest = " ".join(text for _, text in self._tokens[self._at :])
        where = f"at {quoted(rest[:40])}" if rest else "it ends too early"
        return InvalidInput(
            f"{quoted(self.text)} is no condition: {where}", hint="such as 'accuracy < 0.9'"
        )


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise InvalidInput(
                f"{quoted(text)} is no condition: at {quoted(text[at:].strip()[:40])}",
                hint="it compares names and numbers, such as 'accuracy < 0.9'; a name with other"
                " characters stands in double quotes: '\"val/acc\" < 0.9'",
            )
        kind = match.lastgroup or ""
        found.append(("quoted" if kind == "quoted" else kind, match[kind]))
        at = match.end()
    return found


def _value(tree: tuple[Any, ...], numbers: Mapping[str, float]) -> float | bool:
    kind = tree[0]
    if kind == "number":
        return float(tree[1])
    if kind == "name":
        return _named(tree[1], numbers)
    # Each part is asked, so that what is missing or unknown is told whatever the other part says.
    parts = [_value(part, numbers) for part in tree[1:]]
    if kind in _COMPARED:
        return _COMPARED[kind](*parts)
    if kind == "not":
        return not parts[0]
    if kind in ("or", "and"):
        return any(parts) if kind == "or" else all(parts)
    return _calculated(kind, *parts)


def _named(name: str, numbers: Mapping[str, float]) -> float:
    if name not in numbers:
        near = close_matches(name, list(numbers), 1)
        told = ", ".join(map(_spelt, list(numbers)[:10])) or "none"
        raise NotFound(
            f"there is no metric {printable(name)}",
            hint=f"did you mean {_spelt(near[0])}?" if near else f"there are {told}",
        )
    if math.isnan(numbers[name]):
        raise Unknown(f"{printable(name)} is not a number (NaN)")
    return numbers[name]


def _spelt(name: str) -> str:
    """Returns a name as a condition has it."""
    return printable(name) if _is_bare(name) else f'"{printable(name)}"'


def _calculated(sign: str, left: float, right: float) -> float:
    if sign == "/" and right == 0:
        raise Unknown("it divides by zero")
    signs = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
    found = float(signs[sign](left, right))
    if math.isnan(found):
        raise Unknown("it is not a number (NaN)")
    return found
