"""The two tiers of the suite: what every change runs, and the long one, once a week."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

LONG = os.environ.get("DSM_TEST_LONG") == "1"


def thinned(cases: Iterable[T], keep: int = 2, offset: int = 0) -> list[T]:
    """All cases in the long tier; else every `keep`-th after the `offset`-th, and the last."""
    every = list(cases)
    if LONG:
        return every
    kept = every[offset % keep :: keep]
    return kept if not every or kept[-1:] == every[-1:] else [*kept, every[-1]]
