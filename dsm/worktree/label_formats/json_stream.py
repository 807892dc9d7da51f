"""Large JSON files, an element of an array at a time: the file is never in memory as a whole.

Invariant: memory is bounded by the largest element, of at most `ELEMENT_CHARS_MAX` characters.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

ELEMENT_CHARS_MAX = 16 << 20
_PIECE = 4 << 20
_BLANK = " \t\n\r"


class BadJson(ValueError):
    """The text is not JSON, or has another shape than is asked for."""


def _refuse(constant: str) -> None:
    raise BadJson(f"{constant} is not a number in JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


class JsonStream:
    """Reads the values of a JSON text one after the other; raises BadJson."""

    def __init__(self, file: io.TextIOBase, piece: int = _PIECE):
        self._file, self._piece = file, piece
        self._text, self._at, self._ended = "", 0, False
        self.names: set[str] = set()  # of the members so far, also of empty arrays

    def elements(self) -> Iterator[Any]:
        """Yields the elements of the array that the file is."""
        yield from self._elements()
        self._end()

    def members(self) -> Iterator[tuple[str, Any]]:
        """Yields the members of the object that the file is: (name, element) of those that are
        arrays, for each of their elements, and (name, value) of others."""
        self._expect("{")
        if self._peek() == "}":
            self._at += 1
        else:
            while True:
                if self._peek() != '"':
                    raise BadJson("a name is missing in the object")
                name = self._value()
                self.names.add(name)
                self._expect(":")
                if self._peek() == "[":
                    for element in self._elements():
                        yield name, element
                else:
                    yield name, self._value()
                if self._next_is_last("}"):
                    break
        self._end()

    def _elements(self) -> Iterator[Any]:
        self._expect("[")
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            if self._next_is_last("]"):
                return

    def _next_is_last(self, closing: str) -> bool:
        found = self._peek()
        if found not in (",", closing):
            raise BadJson(f"',' or '{closing}' is missing" if found else "the text ends too early")
        self._at += 1
        return found == closing

    def _expect(self, char: str) -> None:
        if self._peek() != char:
            raise BadJson(f"'{char}' is missing")
        self._at += 1

    def _end(self) -> None:
        if self._peek():
            raise BadJson("there is more after the end")

    def _peek(self) -> str:
        """Returns the next character that is not blank; "" at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Reads on; what has been read of before goes. False at the end."""
        if self._ended:
            return False
        waiting = len(self._text) - self._at
        if waiting > ELEMENT_CHARS_MAX:
            raise BadJson(f"one value has more than {ELEMENT_CHARS_MAX >> 20} Mi characters")
        # Twice as much each time: a long value is begun anew only a few times.
        piece = self._file.read(max(self._piece, waiting))
        if not piece:
            self._ended = True
            return False
        self._text, self._at = self._text[self._at :] + piece, 0
        return True

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._more():
                    continue
                raise BadJson(error.msg) from None
            except RecursionError:
                raise BadJson("this is nested too deeply") from None
            except ValueError as error:  # a number of thousands of digits, say
                raise BadJson(str(error)) from None
            # A number may go on in the next piece, also after a point or an exponent's sign.
            if end + 2 >= len(self._text) and self._more():
                continue
            self._at = end
            return value
