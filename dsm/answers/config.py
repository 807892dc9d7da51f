"""Settings: what `dsm config get` and `dsm config list` answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def setting_answer(key: str, value: str | None, path: str | None) -> dict[str, Any]:
    """Returns what `dsm config get` answers; value and file are None when the key is not set."""
    return {"key": key, "origin": path, "value": value}


def settings_answer(items: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    """Returns what `dsm config list` answers, of keys, values, and the files that say them."""
    found = [*items]
    return {
        "origins": {key: path for key, _, path in found},
        "settings": {key: value for key, value, _ in found},
    }
