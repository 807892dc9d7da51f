"""Which examples have a near-duplicate: an earlier one, or one on another side.

Examples are rows, by number; each has an object, by number, as `Near` counts them. Two examples of
the same object are no near-duplicates: they are duplicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsm.near.find import Near


@dataclass(frozen=True, slots=True)
class NearRows:
    """An example and the one that is most like it, of those that count."""

    row: int
    other: int
    likeness: float


@dataclass(slots=True)
class _Alike:
    """The examples of objects with one fingerprint, and for each side the first of two objects."""

    rows: list[int] = field(default_factory=list)
    first: dict[object, list[int]] = field(default_factory=dict)


def across(near: Near, objects: Sequence[int], sides: Sequence[object]) -> list[NearRows]:
    """Returns the examples that have a near one on another side; None is no side."""
    return _most_alike(near, objects, sides, lambda row, other: sides[other] != sides[row])


def repeated(near: Near, objects: Sequence[int], marked: Iterable[bool]) -> list[NearRows]:
    """Returns those of the marked examples that have a near one before them, also marked."""
    sides = [True if each else None for each in marked]
    return _most_alike(near, objects, sides, lambda row, other: other < row)


def _most_alike(
    near: Near,
    objects: Sequence[int],
    sides: Sequence[object],
    fits: Callable[[int, int], bool],
) -> list[NearRows]:
    alike = _grouped(near, objects, sides)
    found = []
    for leader, others in _neighbours(near, alike).items():
        for row in alike[leader].rows:
            fitting = (
                NearRows(row, other, likeness)
                for mate, likeness in others
                for firsts in alike[mate].first.values()
                for other in firsts if objects[other] != objects[row] and fits(row, other)
            )  # fmt: skip
            best = next(fitting, None)
            if best is not None:
                found.append(best)
    return sorted(found, key=lambda each: each.row)


def _grouped(near: Near, objects: Sequence[int], sides: Sequence[object]) -> dict[int, _Alike]:
    """Returns the examples that may have a near one, by the leader of their objects."""
    several = {leader for number, leader in enumerate(near.leaders) if leader not in (-1, number)}
    wanted = several.union(*(pair[:2] for pair in near.pairs))
    found = {leader: _Alike() for leader in wanted}
    for row, (number, side) in enumerate(zip(objects, sides, strict=True)):
        leader = near.leaders[number]
        if leader not in wanted or side is None:
            continue
        found[leader].rows.append(row)
        firsts = found[leader].first.setdefault(side, [])
        if not firsts or (len(firsts) == 1 and objects[firsts[0]] != number):
            firsts.append(row)
    return found


def _neighbours(near: Near, alike: dict[int, _Alike]) -> dict[int, list[tuple[int, float]]]:
    """Returns for each leader those that are near, the most alike first, itself among them."""
    found: dict[int, list[tuple[int, float]]] = {leader: [(leader, 1.0)] for leader in alike}
    for one, other, likeness in near.pairs:
        found[one].append((other, likeness))
        found[other].append((one, likeness))
    for others in found.values():
        others.sort(key=lambda each: (-each[1], each[0]))
    return found
