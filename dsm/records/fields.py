"""What the fields of a record say: its key, its labels, its time, its attributes.

NaN is no value, as null is; an infinite number is none that an attribute can have.

Plain Python values of one JSON object; each function raises FieldInvalid with a reason that names
the field, which the caller completes with file and line.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from dsm.errors import InvalidInput
from dsm.model.attributes import MISSING_TEXTS
from dsm.model.example import AttributeValue
from dsm.model.names import check_labels, printable
from dsm.model.record_path import spelt_key
from dsm.model.timespec import EARLIEST_US, LATEST_US, parse_instant

_SECONDS = re.compile(r"-?[0-9]{9,11}(?:\.[0-9]+)?")  # as tables have them; others are dates
_INT64 = range(-(2**63), 2**63)


_TIME_HINT = "such as 2026-01-31T10:00:00Z, or seconds (not milliseconds) since 1970"
_ATTRIBUTE_HINT = "mend the field, or leave it out of --attr-field"


class FieldInvalid(ValueError):
    """A field cannot say what it was asked for; `hint` says what to do."""

    def __init__(self, reason: str, hint: str):
        super().__init__(reason)
        self.hint = hint


def value_at(record: Mapping[str, Any], field: str) -> Any:
    """Returns the value of a field, None without one; dots lead into nested objects."""
    found = record.get(field)
    if found is None and "." in field and field not in record:
        found = record
        for part in field.split("."):
            if not isinstance(found, dict):
                return None
            found = found.get(part)
    return None if found != found else found


def key_of(record: Mapping[str, Any], fields: tuple[str, ...]) -> str:
    """Returns the key, spelt for paths; several fields are joined by commas."""
    parts = []
    for field in fields:
        value = value_at(record, field)
        if value is None or value == "":
            raise FieldInvalid(
                f"has nothing in the field '{printable(field)}', which is the key",
                "mend it, name another --key-field, or leave the key out",
            )
        if not isinstance(value, str):
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise FieldInvalid(
                    f"has no text and no number in the key '{printable(field)}'",
                    "name another --key-field, or one within it: --key-field meta.id",
                )
            value = json.dumps(value)
        parts.append(value)
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise FieldInvalid(
                f"has half a character (a lone surrogate) in the key '{printable(field)}'",
                "mend it, or name another --key-field",
            )
    return joined_key(parts)


def joined_key(parts: list[str]) -> str:
    """Returns the key that these texts make, spelt for paths. Raises ValueError."""
    try:
        if len(parts) == 1:
            return spelt_key(parts[0])
        return spelt_key(",".join(part.replace("%", "%25").replace(",", "%2C") for part in parts))
    except UnicodeEncodeError:
        raise ValueError("has a key that is not UTF-8") from None


def labels_of(value: Any, field: str) -> tuple[str, ...]:
    """Returns the labels that the value of a field says; a list says several."""
    if value is None or value == "":
        return ()
    given = value if isinstance(value, list) else [value]
    texts = []
    for each in given:
        if isinstance(each, str):
            texts.append(each)
        elif isinstance(each, int | float):
            texts.append(json.dumps(each))
        else:
            raise FieldInvalid(
                f"has no label in the field '{printable(field)}'",
                "a label is a text or a number, and a list has several of them",
            )
    try:
        return check_labels(texts)
    except InvalidInput as error:
        raise FieldInvalid(
            f"has no label in the field '{printable(field)}': {error.message}",
            error.hint or "mend it, or name another --label-field",
        ) from None


def time_of(value: Any, field: str) -> int | None:
    """Returns the time, in microseconds UTC, of a text or of a number of seconds since 1970."""
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str):
            if value in MISSING_TEXTS:
                return None
            if not _SECONDS.fullmatch(value):
                return parse_instant(value)
            value = float(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            time = round(value * 1_000_000)
            if EARLIEST_US <= time <= LATEST_US:
                return time
        raise InvalidInput(f"{printable(json.dumps(value, default=str)[:100])} is no time")
    except InvalidInput as error:
        raise FieldInvalid(
            f"has no time in the field '{printable(field)}': {error.message}", _TIME_HINT
        ) from None


def attribute_of(value: Any, field: str) -> AttributeValue | None:
    """Returns the attribute that the value of a field is; None where there is none."""
    if value is None:
        return None
    if not is_scalar(value):
        raise FieldInvalid(
            f"has no attribute in the field '{printable(field)}': {_unfit(value)}", _ATTRIBUTE_HINT
        )
    found: AttributeValue = value
    return found


def _unfit(value: Any) -> str:
    """Says why a value is no attribute."""
    if isinstance(value, list | dict):
        return f"it is {'a list' if isinstance(value, list) else 'an object'}, not a single value"
    if isinstance(value, str):
        return "the text has half a character (a lone surrogate)"
    if isinstance(value, float):
        return "the number is infinite"
    return "the number is beyond 64 bits"


def is_scalar(value: Any) -> bool:
    """Whether a value can be an attribute."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, bool):
        return True
    if isinstance(value, int):
        return value in _INT64
    return isinstance(value, float) and math.isfinite(value)
