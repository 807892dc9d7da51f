"""Numbers in text files: whole ones stay whole, and every value is the one that was written."""

from __future__ import annotations

import re
from math import isfinite

from dsm.model.names import printable
from dsm.worktree.label_formats.format import LabelInput

_INT = re.compile(r"-?[0-9]{1,18}")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][-+]?[0-9]{1,4})?"
)


def number_of(file: LabelInput, text: str, place: str) -> int | float:
    """Returns the number that the text is. Raises InvalidInput."""
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and isfinite(number := float(text)):
        return number
    shown = printable(text[:40])
    raise file.wrong(f"'{shown}' is not a number" if text else "a number is missing", place)


def value_of(text: str) -> int | float | str:
    """Returns the text as a whole number where it is spelt as one, else as it is."""
    if _INT.fullmatch(text) and str(int(text)) == text:
        return int(text)
    return text
