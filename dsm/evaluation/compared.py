"""Two runs on the same examples: which of them got better or worse, and whether by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import InvalidInput
from dsm.evaluation.numeric import Array, integers, load
from dsm.evaluation.outcome import Outcome, renamed, taken


@dataclass(frozen=True)
class Compared:
    """A run against a baseline, on the `examples` that both predicted.

    True is what the run's view says. `better` are those that only the run got right (numbers: that
    it missed by less), `worse` the others. `p_value` is that of McNemar's exact test (numbers: of
    the sign test): how likely such a difference is when both are equally good. `only_run` and
    `only_baseline` were predicted by one.
    """

    baseline: Outcome
    run: Outcome
    better: pa.Array
    worse: pa.Array
    p_value: float
    only_run: int
    only_baseline: int

    @property
    def examples(self) -> int:
        return len(self.run)


def compared(run: Outcome, baseline: Outcome) -> Compared:
    """Compares two outcomes by path. Raises InvalidInput where no example is in both."""
    np = load()
    if bool(run.names) != bool(baseline.names):
        raise InvalidInput("one run predicted classes, the other one numbers")
    at = integers(pc.index_in(run.paths, value_set=baseline.paths))
    both = np.flatnonzero(at >= 0)
    if not len(both):
        raise InvalidInput("the runs have no predicted example in common")
    names = (*run.names, *(each for each in baseline.names if each not in run.names))
    mine = taken(renamed(run, names), both)
    theirs = replace(taken(renamed(baseline, names), at[both]), truth=mine.truth)
    better, worse = _sides(mine, theirs)
    paths = mine.paths
    return Compared(
        baseline=theirs, run=mine, better=paths.filter(_mask(better)),
        worse=paths.filter(_mask(worse)),
        p_value=sign_test(int(better.sum()), int(worse.sum())),
        only_run=len(run) - len(both), only_baseline=len(baseline) - len(both),
    )  # fmt: skip


def _sides(mine: Outcome, theirs: Outcome) -> tuple[Array, Array]:
    np = load()
    if mine.names:
        good, before = mine.truth == mine.predicted, theirs.truth == theirs.predicted
        return good & ~before, before & ~good
    now, then = np.abs(mine.truth - mine.predicted), np.abs(theirs.truth - theirs.predicted)
    return now < then, now > then


def _mask(values: Array) -> pa.Array:
    np = load()
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def sign_test(better: int, worse: int) -> float:
    """Returns how likely it is that one of two equally likely sides leads by so much, or more.

    That is McNemar's exact test of two classifiers: twice a tail of the binomial distribution.
    """
    np = load()
    total, few = better + worse, min(better, worse)
    if better == worse:
        return 1.0
    # The logarithms of the binomial coefficients, each from the one before.
    steps = np.arange(1, few + 1, dtype=np.float64)
    logs = np.concatenate([[0.0], np.cumsum(np.log(total - steps + 1) - np.log(steps))])
    highest = float(logs.max())
    tail = highest + math.log(float(np.exp(logs - highest).sum())) - total * math.log(2)
    return min(1.0, 2 * math.exp(tail))
