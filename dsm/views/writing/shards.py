"""Cutting the rows of a view into shards: where one ends and the next begins."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from dsm.errors import InvalidInput
from dsm.views.writing.tar_header import BLOCK

SHARDS_MAX = 1_000_000
# Three headers, a block for the class, two for the JSON: what an example weighs beside its payload
# when shards are cut. An estimate, and part of the format: it decides where shards end.
EXAMPLE_OVERHEAD = 2560


def cut(sizes: Sequence[int], shard_size: int) -> list[tuple[int, int]]:
    """Returns (first, past the last) row of each shard.

    A shard is closed before the example that would make it larger than `shard_size` bytes.
    """
    # How much there is before each row, and after the last one.
    weights = [size + -size % BLOCK + EXAMPLE_OVERHEAD for size in sizes]
    before = [*accumulate(weights, initial=0)]
    parts, first, count = [], 0, len(sizes)
    while first < count:
        end = bisect_right(before, before[first] + shard_size, first + 1) - 1
        parts.append((first, max(end, first + 1)))
        first = parts[-1][1]
    return parts


def cut_into_files(sizes: Sequence[int], shard_size: int) -> list[tuple[int, int]]:
    """Cuts like `cut`. Raises InvalidInput when there are more shards than have a name."""
    cuts = cut(sizes, shard_size)
    if len(cuts) > SHARDS_MAX:
        raise InvalidInput(
            f"that makes {len(cuts):,} shards, more than have a name",
            hint="give a larger --shard-size",
        )
    return cuts
