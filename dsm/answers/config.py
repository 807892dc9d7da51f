"""Settings: what `dsm config get` and `dsm config list` answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def setting_answer(key: str, value: str | None) -> dict[str, Any]:
    """Returns what `dsm config get` answers; the value is None when the key is not set."""
    return {"key": key, "value": value}


def settings_answer(items: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Returns what `dsm config list` answers."""
    return {"settings": dict(items)}
