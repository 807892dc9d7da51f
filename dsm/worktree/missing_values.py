"""Which cells of a label table say nothing, as empty ones do: one `n/a` makes no number text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dsm.model.attributes import MISSING_TEXTS as DEFAULT
from dsm.repo.config import Config

__all__ = ["DEFAULT", "missing_values", "without_missing"]
SETTING = "add.missing-values"


def missing_values(config: Config) -> frozenset[str]:
    """Returns the texts that the setting lists, or the usual ones. Raises InvalidInput."""
    text = config.get(SETTING)
    if text is None:
        return DEFAULT
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def without_missing(values: Sequence[Any], missing: frozenset[str]) -> list[Any]:
    """Returns values with None for what is missing: these texts, and floats that are no number."""
    return [
        None
        if (isinstance(value, str) and value.strip() in missing)
        or (isinstance(value, float) and value != value)
        else value
        for value in values
    ]
