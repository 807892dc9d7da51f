"""The search for a changeset: the first bad one, with few trainings, none of them in vain."""

from __future__ import annotations

import pytest

from dsm.runs.bisect import BAD, GOOD, Bisection


@pytest.mark.parametrize("upward", [True, False])
def test_the_first_bad_one_is_found(upward: bool) -> None:
    """Wherever it is, in either direction, after as many trials as there are bits."""
    for broken in range(2, 101):

        def is_bad(number: int, broken: int = broken) -> bool:
            return (number >= broken) == upward

        ends = (1, 100) if upward else (100, 1)
        if is_bad(ends[0]) or not is_bad(ends[1]):
            continue
        search, trials = Bisection(*ends, str), 0
        while (number := search.next()) is not None:
            assert number in set(search.left())
            search.judge(number, BAD if is_bad(number) else GOOD)
            trials += 1
        assert search.bad == (broken if upward else broken - 1)
        assert trials <= 7


def test_equal_data_is_not_tried_twice() -> None:
    """Where changesets did not change the view, one trial tells of all of them."""
    tried = []
    search = Bisection(1, 100, lambda number: "new" if number >= 60 else "old")
    while (number := search.next()) is not None:
        tried.append(number)
    assert (search.bad, tried) == (60, [])
