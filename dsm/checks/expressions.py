"""Regular expressions of contracts, by RE2: the time they take grows with the text, no faster."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import InvalidInput
from dsm.model.names import quoted

CHARS_MAX = 1000


def require_expression(pattern: str) -> str:
    """Returns an expression that RE2 reads. Raises InvalidInput."""
    try:
        if len(pattern) > CHARS_MAX:
            raise ValueError(f"it has more than {CHARS_MAX:,} characters")
        pc.match_substring_regex(pa.array([""]), _whole(pattern))
    except (ValueError, pa.ArrowException) as error:
        raise InvalidInput(
            f"{quoted(pattern)} is no regular expression: {str(error).splitlines()[0]}",
            hint="expressions are those of RE2: no look-around, no references back",
        ) from None
    return pattern


def matches(column: Any, pattern: str) -> Any:
    """Returns which texts an expression fits from end to end."""
    return pc.match_substring_regex(column, _whole(pattern))


def _whole(pattern: str) -> str:
    return rf"\A(?:{pattern})\z"
