"""Examples with a near one, compared with all pairs of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dsm.near.find import Near
from dsm.near.sides import across, repeated

OBJECTS = 6


@st.composite
def nears(draw: st.DrawFn) -> Near:
    leaders = [0]
    for number in range(1, OBJECTS):
        heads = [at for at, leader in enumerate(leaders) if leader == at]
        leaders.append(draw(st.sampled_from([-1, number, *heads])))
    heads = [at for at, leader in enumerate(leaders) if leader == at]
    every = [(a, b) for a in heads for b in heads if a < b]
    chosen = draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    return Near(leaders, [(a, b, 0.9) for a, b in chosen])


def are_near(near: Near, one: int, other: int) -> bool:
    a, b = near.leaders[one], near.leaders[other]
    pairs = {pair[:2] for pair in near.pairs}
    return one != other and -1 not in (a, b) and (a == b or (min(a, b), max(a, b)) in pairs)


@settings(max_examples=200)
@given(nears(), st.lists(st.tuples(st.integers(0, OBJECTS - 1), st.sampled_from([None, "a", "b"]))))
def test_examples_are_those_of_all_pairs(near: Near, rows: list[tuple[int, str | None]]) -> None:
    """The examples told are exactly those with a partner, and each partner is one that counts."""
    objects, sides = [row[0] for row in rows], [row[1] for row in rows]
    partners = {
        "across": {
            (r, o) for r in range(len(rows)) for o in range(len(rows))
            if None not in (sides[r], sides[o]) and sides[r] != sides[o]
            and are_near(near, objects[r], objects[o])
        },
        "repeated": {
            (r, o) for r in range(len(rows)) for o in range(r)
            if sides[r] == sides[o] == "a" and are_near(near, objects[r], objects[o])
        },
    }  # fmt: skip
    told = {
        "across": across(near, objects, sides),
        "repeated": repeated(near, objects, [side == "a" for side in sides]),
    }
    for name, found in told.items():
        assert [each.row for each in found] == sorted({r for r, _ in partners[name]})
        assert {(each.row, each.other) for each in found} <= partners[name]
