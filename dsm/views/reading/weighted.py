"""Draws of examples by weight, with replacement: the same on any machine, in any version.

A weight counts as a whole number of units, 2³² for the greatest, rounded down. Draw i is settled by
bytes 8i to 8i+7 of a keystream, the extended output of BLAKE3 over `dsm draws 1\\n`, the seed and
the epoch (both signed 64-bit, little-endian). They are an unsigned little-endian number x, which
falls on unit (x · units) / 2⁶⁴, rounded down, of those of all examples in their order.
"""

from __future__ import annotations

import math
import struct
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate

import pyarrow as pa
from blake3 import blake3

from dsm.errors import InvalidInput
from dsm.views.selection.classes import NO_CLASS, ClassList

BALANCE = "balance"
Weights = str | Mapping[str, float] | Sequence[float]
_HEAD = b"dsm draws 1\n"
_UNITS = 1 << 32


class WeightedDraws:
    """Draws from examples by weight; `identity` tells weights apart."""

    def __init__(self, units: Sequence[int]):
        self._ends = array("Q", accumulate(units))
        self.identity = blake3(struct.pack("<Q", len(units)) + self._ends.tobytes()).hexdigest()[
            :32
        ]

    def order(self, count: int, seed: int, epoch: int = 0) -> pa.Array:
        """Returns the positions of so many draws (uint32), in the order they are drawn.

        Raises InvalidInput when seed or epoch has more than 64 bits.
        """
        try:
            key = _HEAD + struct.pack("<qq", seed, epoch)
        except struct.error as error:
            raise InvalidInput(f"seed {seed} or epoch {epoch} is not a 64-bit number") from error
        words = memoryview(blake3(key).digest(length=8 * count)).cast("Q")
        total = self._ends[-1]
        found = array(
            "I", map(partial(bisect_right, self._ends), ((x * total) >> 64 for x in words))
        )
        return pa.Array.from_buffers(pa.uint32(), count, [None, pa.py_buffer(found)])


def weighted_draws(
    weights: Weights, table: pa.Table, classes: ClassList, *, queries: bool = False
) -> WeightedDraws:
    """Returns the draws of the examples of a table.

    `weights` are "balance" (all classes alike), a weight for each class by name, or one for each
    example in the order of paths. Raises InvalidInput for weights that are not positive numbers or
    0, that are all 0 or too many or few, for examples without a class that need one, and where
    there are `queries`, whose rows have no weight.
    """
    if queries:
        raise InvalidInput("rows of queries have no weight", hint="take view.without_sources()")
    if isinstance(weights, str | Mapping):
        values = _by_class(weights, table, classes)
    else:
        values = [float(weight) for weight in weights]
        if len(values) != table.num_rows:
            raise InvalidInput(
                f"{len(values):,} weights do not fit {table.num_rows:,} examples",
                hint="give one for each example, in the order of paths",
            )
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise InvalidInput("a weight is 0 or a positive number")
    greatest = max(values, default=0.0)
    if not greatest:
        raise InvalidInput("no example has a weight above 0: there is nothing to draw")
    return WeightedDraws([int(value / greatest * _UNITS) for value in values])


def _by_class(
    weights: str | Mapping[str, float], table: pa.Table, classes: ClassList
) -> list[float]:
    found = classes.of(table)
    if without := found.count(NO_CLASS):
        raise InvalidInput(
            f"{without:,} of {len(found):,} examples have no class, or several",
            hint="give a weight for each example, or leave them out: --label, --classes",
        )
    if isinstance(weights, str):
        if weights != BALANCE:
            raise InvalidInput(f"{weights!r} says no weights", hint=f'write "{BALANCE}"')
        return [1 / count for count in _counts(found)]
    unknown = sorted(set(weights) - set(classes.names))
    lacking = sorted({classes.names[index] for index in found} - set(weights))
    if unknown or lacking:
        told = f"there is no class {unknown[0]!r}" if unknown else f"class {lacking[0]!r} has none"
        raise InvalidInput(f"weights by class: {told}")
    of_class = [float(weights.get(name, 0)) for name in classes.names]
    return [of_class[index] for index in found]


def _counts(classes: list[int]) -> list[int]:
    """Returns for each example how many are of its class."""
    counts = Counter(classes)
    return [counts[index] for index in classes]
