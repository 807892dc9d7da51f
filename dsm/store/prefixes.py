"""Searching the sorted prefixes of a pack's table.

The first searches compare bytes. When they have cost as much as it, an array of numbers is made,
8 bytes a row, which `bisect` searches much faster.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right

# A search of the bytes costs as much as so many rows of the array.
SEARCH_ROWS = 128
_HEAD = 8


class SortedPrefixes:
    """A table of prefixes of `width` bytes each, end to end; threads may share it."""

    def __init__(self, table: bytes, width: int):
        self._table = table
        self._width = width
        self._heads: array[int] | None = None
        self._searches = 0

    def search(self, prefix: bytes) -> int:
        """Returns the first row whose prefix is not less than this one."""
        table, width, heads = self._table, self._width, self._heads
        if heads is None:
            low, high = 0, len(table) // width
            self._searches += 1
            if self._searches * SEARCH_ROWS > high:
                self._heads = _heads_of(table, width)
        else:
            head = int.from_bytes(prefix[:_HEAD], "big")
            low = bisect_left(heads, head)
            if width <= _HEAD or low == len(heads) or heads[low] != head:
                return low
            high = bisect_right(heads, head, low)
        while low < high:
            middle = (low + high) >> 1
            if table[middle * width : middle * width + width] < prefix:
                low = middle + 1
            else:
                high = middle
        return low


def _heads_of(table: bytes, width: int) -> array[int]:
    """Returns the first bytes of each prefix as a number."""
    used = min(width, _HEAD)
    numbers = bytearray(len(table) // width * 8)
    for plane in range(used):
        numbers[used - 1 - plane :: 8] = table[plane::width]
    heads = array("Q", bytes(numbers))
    if sys.byteorder == "big":
        heads.byteswap()
    return heads
