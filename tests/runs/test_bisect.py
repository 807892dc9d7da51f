"""The search for a changeset: the first bad one, with few trainings, none of them in vain."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from dsm.runs.bisect import BAD, GOOD, Bisection, Elimination


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


def broken_by(*culprits: str) -> Callable[[tuple[str, ...]], str]:
    """A program that is bad where the view has all of these."""
    return lambda dropped: GOOD if set(culprits) & set(dropped) else BAD


@pytest.mark.parametrize("count", [2, 3, 8, 13, 100])
def test_the_culprit_is_found(count: int) -> None:
    """Whichever it is, after as many trials as there are bits, and one that confirms it."""
    names = [f"{number:03}" for number in range(count)]
    for culprit in names:
        verdict = broken_by(culprit)
        search, trials = Elimination(list(names), str), 0
        while (dropped := search.next()) is not None:
            search.judge(dropped, verdict(dropped))
            trials += 1
        assert search.culprit == culprit and not search.refuted
        assert trials <= math.ceil(math.log2(count)) + 1


def test_what_no_single_one_broke_is_told() -> None:
    """Either of two breaks it: without both it is good, and that is what the search ends with."""
    search = Elimination(["a", "b", "c", "d"], str)
    while (dropped := search.next()) is not None:
        search.judge(dropped, GOOD if {"a", "b"} <= set(dropped) else BAD)
    assert (search.culprit, search.refuted, search.enough) == (None, True, ["a", "b"])
    search = Elimination(["a", "b"], str)
    while (dropped := search.next()) is not None:
        search.judge(dropped, BAD)
    assert (search.culprit, search.refuted, search.enough) == (None, True, [])


def test_nothing_is_tried_that_is_known_or_empty() -> None:
    """What takes nothing away is bad unseen, and what leaves nothing is passed over."""
    tried = []
    search = Elimination(["a", "b", "c", "d"], lambda dropped: "x" if "d" in dropped else "whole")
    while (dropped := search.next()) is not None:
        tried.append(dropped)
        search.judge(dropped, GOOD)
    assert (search.culprit, tried) == ("d", [("d",)])
    search = Elimination(["a", "b"], lambda dropped: None if "a" in dropped else str(dropped))
    assert search.next() == ("b",)
    assert Elimination(["a", "b"], lambda dropped: None if dropped else "").next() is None
