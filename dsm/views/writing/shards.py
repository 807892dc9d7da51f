"""Cutting the rows of a view into shards: where one ends and the next begins."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import InvalidInput
from dsm.views.selection.columns import size_items
from dsm.views.writing.tar_header import BLOCK

SHARDS_MAX = 1_000_000
# Three headers, a block for the class, two for the JSON: what an example weighs beside its payload
# when shards are cut. An estimate, and part of the format: it decides where shards end.
EXAMPLE_OVERHEAD = 2560


def cut(sizes: Sequence[int], shard_size: int) -> list[tuple[int, int]]:
    """Returns (first, past the last) row of each shard.

    A shard is closed before the example that would make it larger than `shard_size` bytes.
    """
    weights = [size + -size % BLOCK + EXAMPLE_OVERHEAD for size in sizes]
    return _cuts([*accumulate(weights, initial=0)], shard_size)


def _cuts(before: Sequence[int], shard_size: int) -> list[tuple[int, int]]:
    """Cuts by how much there is before each row, and after the last one."""
    parts, first, count = [], 0, len(before) - 1
    while first < count:
        end = bisect_right(before, before[first] + shard_size, first + 1) - 1
        parts.append((first, max(end, first + 1)))
        first = parts[-1][1]
    return parts


def cut_into_files(sizes: pa.Array, shard_size: int) -> list[tuple[int, int]]:
    """Cuts a column of sizes like `cut`. Raises InvalidInput when there are more shards than have
    a name."""
    # As `cut` does it, without an object of Python for each row.
    padding = pc.bit_wise_and(pc.negate(sizes), pa.scalar(BLOCK - 1, pa.int64()))
    weights = pc.add(pc.add(sizes, padding), pa.scalar(EXAMPLE_OVERHEAD, pa.int64()))
    before = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(weights)])
    cuts = _cuts(size_items(before), shard_size)
    if len(cuts) > SHARDS_MAX:
        raise InvalidInput(
            f"that makes {len(cuts):,} shards, more than have a name",
            hint="give a larger --shard-size",
        )
    return cuts
