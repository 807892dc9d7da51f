"""Ranges of places, written out as arrays: what a sorted list of keys answers a look-up with."""

from __future__ import annotations

from typing import Any

import numpy as np


def in_ranges(low: Any, high: Any) -> tuple[Any, Any]:
    """Returns for every place from low[i] up to high[i] the number i, and the place."""
    sizes = np.maximum(0, high - low)
    rows: Any = np.repeat(np.arange(len(sizes)), sizes)
    begins = np.cumsum(sizes) - sizes
    return rows, np.arange(len(rows)) - np.repeat(begins - low, sizes)


def mates(keys: Any, most: int) -> tuple[Any, Any]:
    """Returns pairs of places that hold the same key, the smaller place first.

    Of places with one key each is paired with the next `most` of them: work grows with the number
    of keys and not with its square, however many are the same.
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    ends = np.searchsorted(ordered, ordered, "right")
    at = np.arange(len(keys))
    rows, places = in_ranges(at + 1, np.minimum(ends, at + 1 + most))
    return order[rows], order[places]
