"""What a condition on a number, or a glob, says for certain: bounds of numbers, and paths.

Hides how numbers are rounded on their way into a view. Invariant: what lies outside of the bounds,
or is not among the keys, cannot pass the exact filter; the opposite is not promised.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from dsm.model.globs import matches

Number = int | float
Range = tuple[Number | None, Number | None]  # both ends included, None for none

INT_MIN, INT_MAX = -(1 << 63), (1 << 63) - 1
# Up to here, floats hold integers exactly.
EXACT_INT = 1 << 52
FLOAT_MAX = math.nextafter(math.inf, 0.0)
# More than any conversion of a decimal, or of a large integer, to a float loses.
_SHARE_LOST, _LEAST_LOST = 2.0**-40, 1e-300


def within_64_bits(numbers: Iterable[int]) -> list[int]:
    """Returns those of the numbers that a column of 64-bit integers can hold."""
    return [number for number in numbers if INT_MIN <= number <= INT_MAX]


def integers(op: str, text: str) -> Range | None:
    """Returns which integers can meet a condition, be they compared as integers or as floats.

    None when none of 64 bits can.
    """
    value, rounded = Fraction(text), float(text)
    low = high = value
    if math.isfinite(rounded):
        low, high = min(low, Fraction(rounded)), max(high, Fraction(rounded))
    if abs(value) >= EXACT_INT:
        lost = abs(value) * Fraction(_SHARE_LOST)
        low, high = low - lost, high + lost
    least = INT_MIN if op in ("<", "<=") else max(math.ceil(low), INT_MIN)
    most = INT_MAX if op in (">", ">=") else min(math.floor(high), INT_MAX)
    if least > most:
        return None
    return (least if least > INT_MIN else None, most if most < INT_MAX else None)


def floats(op: str, text: str, *, exact: bool) -> Range:
    """Returns which numbers can meet a condition that compares floats.

    Not `exact`: of numbers that are rounded to floats only when they are compared.
    """
    value = float(text)
    low = high = value
    if not exact:
        lost = max(min(abs(value), FLOAT_MAX) * _SHARE_LOST, _LEAST_LOST)
        nearly_all = FLOAT_MAX * (1 - 2 * _SHARE_LOST)  # from here on, infinity is near
        low = -math.inf if value <= -nearly_all else min(value - lost, nearly_all)
        high = math.inf if value >= nearly_all else max(value + lost, -nearly_all)
    at_least = None if op in ("<", "<=") or low == -math.inf else low
    at_most = None if op in (">", ">=") or high == math.inf else high
    return at_least, at_most


def may_match(glob: str, name: str) -> bool:
    """Whether a glob can select a path `NAME/KEY.EXTENSION`; True when in doubt."""
    if "/" not in glob or "[" in glob or "\\/" in glob:
        return True
    first, *rest = glob.split("/")
    if "**" in (first, *rest):
        return first == "**" or matches(first, name)
    return len(rest) == 1 and matches(first, name)
