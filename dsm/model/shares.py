"""Shares of a whole as people write them, and parts of a whole as runs of equal buckets.

Exact throughout: a share is a fraction, and a part is a list of runs `[first, end)` of `of` equal
buckets. The invariant: equal parts have one spelling, since they are part of what is hashed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm

from dsm.errors import InvalidInput
from dsm.model.names import quoted

Run = tuple[int, int]
# Products of it and the number of examples stay within 64 bits.
BUCKETS_MAX = 1_000_000_000
SEED_CHARS_MAX = 255
_SHARE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})\s*(%?)|([0-9]{1,9})/([0-9]{1,9})")


def share_of(text: str, what: str = "share") -> Fraction:
    """Returns the exact share that `80%`, `0.8` or `4/5` names: more than 0, at most 1.

    Raises InvalidInput.
    """
    match = _SHARE.fullmatch(text.strip())
    found = Fraction(0)
    if match is not None and match[3] is None:
        found = Fraction(match[1]) / (100 if match[2] else 1)
    elif match is not None and int(match[4]):
        found = Fraction(int(match[3]), int(match[4]))
    if not 0 < found <= 1:
        bare = match is not None and not match[2] and match[3] is None and 1 < found <= 100
        raise InvalidInput(
            f"{quoted(text)} is no {what}: more than 0 and at most 1",
            hint=f"write {text.strip()}%" if bare else "write it like 80%, 0.8 or 4/5",
        )
    return found


def buckets(shares: Sequence[Fraction]) -> tuple[int, list[int]]:
    """Returns how many equal buckets shares need, and where each share ends among them.

    Raises InvalidInput when they need more than there may be.
    """
    of = lcm(*(share.denominator for share in shares))
    if of > BUCKETS_MAX:
        raise InvalidInput(
            f"these shares have no common measure of at most 1/{BUCKETS_MAX:,}",
            hint="round them: 33.3% rather than 33.3333333%, or write 1/3",
        )
    ends, end = [], 0
    for share in shares:
        end += share.numerator * (of // share.denominator)
        ends.append(end)
    return of, ends


def joined(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Returns runs in order, those that touch as one. They must not overlap."""
    found: list[Run] = []
    for first, end in sorted(runs):
        if found and found[-1][1] == first:
            found[-1] = (found[-1][0], end)
        else:
            found.append((first, end))
    return tuple(found)


def others(runs: Sequence[Run], of: int) -> tuple[Run, ...]:
    """Returns the runs of all buckets that these leave out; they are in order."""
    edges = [0, *(edge for run in runs for edge in run), of]
    return tuple((a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b)


def reduced(runs: Sequence[Run], of: int) -> tuple[tuple[Run, ...], int]:
    """Returns the same part of the whole with as few buckets as can be."""
    by = gcd(of, *(edge for run in runs for edge in run))
    return tuple((first // by, end // by) for first, end in runs), of // by


def require_runs(runs: Sequence[Run], of: int) -> None:
    """Raises ValueError for runs that are not spelt as dsm spells them."""
    edges = [edge for run in runs for edge in run]
    if any(type(number) is not int for number in (of, *edges)) or not 0 < of <= BUCKETS_MAX:
        raise ValueError("a number is none, or too large")
    if not runs or not edges[0] >= 0 or edges[-1] > of or any(a >= b for a, b in pairwise(edges)):
        raise ValueError("the buckets of a part are not in order")


def check_seed(seed: str) -> str:
    """Returns `seed`, a text of one line. Raises InvalidInput."""
    odd = any(char < " " or "\ud800" <= char <= "\udfff" for char in seed)
    if odd or len(seed) > SEED_CHARS_MAX:
        raise InvalidInput(f"a seed is a text of at most {SEED_CHARS_MAX} characters in one line")
    return seed
