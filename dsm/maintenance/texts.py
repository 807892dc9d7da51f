"""Texts that must not be found, and how bytes are searched for many of them at once.

A text is looked for as UTF-8 and as JSON writes it. The invariant: no text leaves this module; it
is spoken of by the number of its line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from typing import Literal

from dsm.errors import InvalidInput

TEXT_BYTES_MIN = 4
# Up to so many forms are looked for one after the other; `find` passes over 2 GB a second.
FEW = 16


class Texts:
    """The texts, by number of line."""

    def __init__(self, lines: dict[int, bytes]):
        self.count = len(lines)
        forms: dict[bytes, set[int]] = {}
        for number, text in lines.items():
            for form in _forms(text.decode()):
                forms.setdefault(form, set()).add(number)
        self._forms = forms
        self.longest = max(map(len, forms), default=0)
        few = len(forms) <= FEW
        # Wherever a form of 15 bytes or more lies, it fills a whole aligned word of 8 bytes; one of
        # 7 or more a word of 4. So looking up each word finds them all, however many there are.
        self._single = [form for form in forms if few or len(form) < 7]
        self._words = [
            _Words(8, "Q", () if few else (form for form in forms if len(form) >= 15)),
            _Words(4, "I", () if few else (form for form in forms if 7 <= len(form) < 15)),
        ]

    def lines_in(self, data: bytes) -> set[int]:
        """Returns the lines whose text is somewhere in these bytes."""
        found: set[int] = set()
        for form in self._single:
            if form in data:
                found |= self._forms[form]
        for words in self._words:
            words.find(data, lambda form: found.update(self._forms[form]))
        return found

    def masked(self, name: str) -> str:
        """Returns a path with `…` in the place of every text, fit to be reported."""
        data = name.encode("utf-8", "surrogateescape")
        hidden = bytearray(len(data))
        for form in self._forms:
            at = data.find(form)
            while at >= 0:
                hidden[at : at + len(form)] = b"\1" * len(form)
                at = data.find(form, at + 1)
        if not any(hidden):
            return name
        parts: list[bytes] = []
        for at in range(len(data)):
            if not hidden[at]:
                parts.append(data[at : at + 1])
            elif not at or not hidden[at - 1]:
                parts.append("…".encode())
        return b"".join(parts).decode("utf-8", "backslashreplace")


def read_texts(data: bytes, name: str) -> Texts:
    """Reads texts, one a line; `name` is that of their file. Raises InvalidInput."""
    lines: dict[int, bytes] = {}
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        text = line.rstrip(b"\r") if line.strip() else b""
        if not text:
            continue
        try:
            text.decode()
        except UnicodeDecodeError:
            raise InvalidInput(f"line {number} of {name} is not UTF-8") from None
        if len(text) < TEXT_BYTES_MIN:
            raise InvalidInput(
                f"line {number} of {name} is shorter than {TEXT_BYTES_MIN} bytes",
                hint="so short a text is found by chance almost everywhere; give longer ones",
            )
        lines[number] = text
    if not lines:
        raise InvalidInput(f"{name} holds no text", hint="write one text a line")
    return Texts(lines)


def _forms(text: str) -> set[bytes]:
    """The ways in which a text is spelt: UTF-8, and in JSON with and without `\\u`."""
    escaped = json.dumps(text)[1:-1]
    upper = "".join(
        part if not number else "\\u" + part[:4].upper() + part[4:]
        for number, part in enumerate(escaped.split("\\u"))
    )
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    return {form.encode() for form in (text, escaped, upper, plain)}


class _Words:
    """Forms, by the words of `width` bytes that they fill when they lie anywhere in memory."""

    def __init__(self, width: int, code: Literal["I", "Q"], forms: Iterable[bytes]):
        self._width = width
        self._code: Literal["I", "Q"] = code
        self._places: dict[int, list[tuple[bytes, int]]] = {}
        for form in forms:
            for at in range(width):
                word = int.from_bytes(form[at : at + width], sys.byteorder)
                self._places.setdefault(word, []).append((form, at))

    def find(self, data: bytes, tell: Callable[[bytes], object]) -> None:
        """Tells of each form that is in the data, at least once."""
        if not self._places:
            return
        end = len(data) // self._width * self._width
        words = memoryview(data)[:end].cast(self._code).tolist()
        places = self._places
        if places.keys().isdisjoint(words):
            return
        told: set[bytes] = set()
        for number, word in enumerate(words):
            for form, at in places.get(word, ()):
                start = number * self._width - at
                if start >= 0 and form not in told and data.startswith(form, start):
                    told.add(form)
                    tell(form)
