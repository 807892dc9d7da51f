"""What the options of rules can be: each reads a value of a contract, or says what is wrong."""

from __future__ import annotations

import math
import re
from typing import Any

from dsm.model.names import check_label

_SIZE = r"([0-9]+(?:\.[0-9]+)?)\s*(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?"
_UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}  # fmt: skip
_TYPES = ("string", "int", "float", "bool", "list", "object")
_SIZE_TEXT = re.compile(_SIZE)


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts, not empty. Raises ValueError."""
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise ValueError('is a list of texts, such as ["a", "b"]')
    return tuple(value)


def labels(value: Any) -> tuple[str, ...]:
    """A list of labels, in their order. Raises ValueError."""
    return tuple(check_label(label) for label in texts(value))


def suffixes(value: Any) -> tuple[str, ...]:
    """A list of file name extensions, with the dot, in small letters. Raises ValueError."""
    found = tuple(text.lower() for text in texts(value))
    if not all(text.startswith(".") and "/" not in text for text in found):
        raise ValueError('is a list of extensions with their dot, such as [".jpg", ".png"]')
    return found


def text(value: Any) -> str:
    """One text. Raises ValueError."""
    if not isinstance(value, str) or not value:
        raise ValueError("is a text")
    return value


def flag(value: Any) -> bool:
    """True or false. Raises ValueError."""
    if not isinstance(value, bool):
        raise ValueError("is true or false")
    return value


def number(value: Any) -> float | int:
    """A finite number. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("is a number")
    if abs(value) >= 2**63:
        raise ValueError("is a number of at most 64 bits")
    return value


def count(value: Any) -> int:
    """A whole number from 0. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError("is a whole number from 0")
    return value


def ratio(value: Any) -> float:
    """A number from 1. Raises ValueError."""
    found = number(value)
    if found < 1:
        raise ValueError("is a number from 1")
    return found


def size(value: Any) -> int:
    """A number of bytes, or a text such as "10 MB". Raises ValueError."""
    if isinstance(value, str):
        match = _SIZE_TEXT.fullmatch(value.strip())
        if match is not None and len(match[1]) <= 18:
            return int(float(match[1]) * _UNITS[match[2] or "B"])
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    raise ValueError('is a number of bytes, or a text such as "10 MB"')


def share(value: Any) -> float:
    """A share from 0 to 1, or a text such as "5%". Raises ValueError."""
    found: Any = value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?\s*%", value.strip()):
        found = float(value.strip().rstrip("%")) / 100
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 1:
        raise ValueError('is a share: 0 to 1, or a text such as "5%"')
    return float(found)


def growth(value: Any) -> float:
    """A share from 0 on, or a text such as "250%". Raises ValueError."""
    found: Any = value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?\s*%", value.strip()):
        found = float(value.strip().rstrip("%")) / 100
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 1e9:
        raise ValueError('is a share from 0 on, or a text such as "250%"')
    return float(found)


def type_name(value: Any) -> str:
    """The type of an attribute. Raises ValueError."""
    if value not in _TYPES:
        raise ValueError(f"is one of {', '.join(_TYPES)}")
    return str(value)


def values(value: Any) -> tuple[Any, ...]:
    """A list of texts, of numbers or of true and false, all of one kind. Raises ValueError."""
    if isinstance(value, list) and value:
        kinds = {type(v) for v in value}
        if len(kinds) == 1 and kinds <= {str, int, float, bool}:
            return tuple(value)
    raise ValueError("is a list of texts or numbers, all of one kind")
