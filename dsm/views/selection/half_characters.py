"""Half characters (lone surrogates): JSON has them as escapes, and no column of text can hold one.

A text with one is told as JSON, a name by its escape.
"""

from __future__ import annotations

import json
from typing import Any


def is_unicode(text: str) -> bool:
    """Whether a text has no half characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def json_text(value: Any) -> str:
    """Returns a value as JSON, its characters as they are, or all as escapes where one is half."""
    text = json.dumps(value, ensure_ascii=False)
    return text if is_unicode(text) else json.dumps(value)


def shown_name(name: str) -> str:
    """Returns the name of a field as a column can have it."""
    return name if is_unicode(name) else name.encode(errors="backslashreplace").decode()
