"""Likely label errors, by confident learning (Northcutt, Jiang and Chuang, 2021).

An example is suspect when the model is as sure of another class as it is, on average, of the
examples of that class. The thresholds make up for classes of which it is seldom sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dsm.errors import InvalidInput
from dsm.evaluation.numeric import Array, arrow_integers, load
from dsm.evaluation.outcome import Outcome

TINY = 1e-6  # a threshold is reached by a probability that differs by rounding alone


@dataclass(frozen=True, slots=True)
class Suspect:
    """An example whose label is probably wrong: what it has, and what the model would say.

    `margin` is the probability of its label less that of the likeliest other one: the lower, the
    more suspect.
    """

    path: str
    label: str
    suggested: str
    margin: float


@dataclass(frozen=True, slots=True)
class Suspects:
    """Suspect labels among `examples`, the most suspect first."""

    examples: int
    found: list[Suspect]


def suspects_of(outcome: Outcome) -> Suspects:
    """Finds the labels of an outcome that are probably wrong. Raises InvalidInput."""
    if not outcome.names or not outcome.probabilities:
        raise InvalidInput(
            "likely label errors are found by the probabilities of classes",
            hint="add predictions with a column prob.CLASS for each class",
        )
    np = load()
    places, guesses = confident_errors(outcome.truth, outcome.probabilities)
    margins = _margins(outcome.truth, outcome.probabilities)
    order = np.argsort(margins[places], kind="stable")
    places, guesses = places[order], guesses[order]
    paths = outcome.paths.take(arrow_integers(places)).to_pylist()
    return Suspects(len(outcome), [
        Suspect(path, outcome.names[label], outcome.names[guess], float(margin))
        for path, label, guess, margin in zip(
            paths, outcome.truth[places].tolist(), guesses.tolist(), margins[places].tolist(),
            strict=True,
        )
    ])  # fmt: skip


def confident_errors(labels: Array, probabilities: Sequence[Array]) -> tuple[Array, Array]:
    """Returns the places of labels that are probably wrong, and the classes they should be."""
    np = load()
    rows = len(labels)
    highest, likeliest = np.full(rows, -1.0), np.zeros(rows, np.int64)
    reached, only = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    for at, column in enumerate(probabilities):
        better = column > highest
        highest[better], likeliest[better] = column[better], at
        own = labels == at
        # Nobody has a class without examples: its threshold is out of reach.
        sure = column >= (column[own].mean() - TINY if own.any() else 2.0)
        only[sure & (reached == 0)] = at
        reached += sure
    guesses = np.where(reached > 1, likeliest, only)
    wrong = (reached > 0) & (guesses != labels) & (likeliest != labels)
    places = np.flatnonzero(wrong)
    return places, guesses[places]


def _margins(labels: Array, probabilities: Sequence[Array]) -> Array:
    np = load()
    own, other = np.zeros(len(labels)), np.full(len(labels), -1.0)
    for at, column in enumerate(probabilities):
        mine = labels == at
        own[mine] = column[mine]
        np.maximum(other, np.where(mine, -1.0, column), out=other)
    return own - other
