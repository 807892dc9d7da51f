"""Who is in a part of a split, written down a second time: plain Python, one example at a time."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import gcd, isqrt
from typing import Any

from blake3 import blake3

CONTEXT = "dsm view 1: examples drawn by hash"


def own_unit(example: Any, by: str) -> tuple[str, bytes]:
    """What an example is drawn by, with what kind of thing that is."""
    if by == "path":
        return by, example.path.encode()
    if by == "content":
        return by, example.oid
    value = example.attributes.get(by.removeprefix("attr."))
    if value is None:
        return "path", example.path.encode()
    return by, spelt(value).encode()


def spelt(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else repr(value)
    return str(value)


def drawn(unit: tuple[str, bytes], seed: str) -> int:
    kind, data = unit
    key = blake3(f"split\n{kind}\n{seed}".encode(), derive_key_context=CONTEXT).digest()
    return int.from_bytes(blake3(data, key=key).digest()[:8], "little")


def buckets(
    examples: list[Any], population: list[Any] | None, *, by: str, seed: str, of: int,
    strata: str | None = None,
) -> dict[str, int]:  # fmt: skip
    """The bucket of each example by its path; without a population each is drawn for itself."""
    dealt = {} if population is None else deal(population, by, seed, of, strata)
    found = {}
    for example in examples:
        unit = own_unit(example, by)
        found[example.path] = dealt.get(unit, int(Fraction(drawn(unit, seed) * of, 2**64)))
    return found


def deal(
    population: list[Any], by: str, seed: str, of: int, strata: str | None
) -> dict[tuple[str, bytes], int]:
    rare = Counter(label for example in population for label in example.labels)

    def stratum_of(example: Any) -> str:
        if strata is None:
            return ""
        if strata == "labels":
            return min(example.labels, key=lambda name: (rare[name], name), default="")
        value = example.attributes.get(strata.removeprefix("attr."))
        return "" if value is None else spelt(value)

    sizes = Counter(map(stratum_of, population))
    order = sorted(sizes, key=lambda name: (-sizes[name], name))
    members: dict[tuple[str, bytes], Counter[int]] = {}
    for example in population:
        members.setdefault(own_unit(example, by), Counter())[order.index(stratum_of(example))] += 1
    step = max(1, (isqrt(5 * of * of) - of) // 2)
    while gcd(step, of) > 1:
        step += 1
    found: dict[tuple[str, bytes], int] = {}
    loads = [0] * of
    turn = {at * step % of: at for at in range(of)}
    for number in range(len(order)):
        mine = [
            unit
            for unit, have in members.items()
            if max(have, key=lambda s: (have[s], s)) == number
        ]
        mine.sort(
            key=lambda unit: (
                0 if by == "path" else -sum(members[unit].values()), drawn(unit, seed),
                unit[1] if by in ("path", "content") else (b"/" if unit[0] == "path" else b"=") + unit[1],
            )
        )  # fmt: skip
        own = [0] * of
        for i, unit in enumerate(mine):
            if by == "path":
                found[unit] = ((2 * i + 1) * of // (2 * len(mine)) + number * step) % of
                continue
            bucket = min(range(of), key=lambda at: (own[at], loads[at], turn[at]))
            found[unit] = bucket
            own[bucket] += sum(members[unit].values())
            loads[bucket] += sum(members[unit].values())
    return found
