"""What a run got wrong: the examples, those first of which it was most sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dsm.evaluation.numeric import Array, arrow_integers, load
from dsm.evaluation.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Failure:
    """An example with what is true and what was predicted: names of classes, or numbers.

    `confidence` says how sure the model was, None where that is unknown.
    """

    path: str
    truth: str | float
    predicted: str | float
    confidence: float | None


@dataclass(frozen=True)
class Failures:
    """The examples of an outcome that are wrong, in order: `places` among its examples."""

    outcome: Outcome
    places: Array

    def __len__(self) -> int:
        return len(self.places)

    def paths(self) -> list[str]:
        """Returns the paths of all, in order."""
        found: list[str] = self.outcome.paths.take(arrow_integers(self.places)).to_pylist()
        return found

    def first(self, count: int | None = None) -> list[Failure]:
        """Returns so many of them, all by default."""
        outcome, places = self.outcome, self.places[:count]
        sure = outcome.confidence
        paths = outcome.paths.take(arrow_integers(places)).to_pylist()
        return [
            Failure(
                path, _told(outcome, outcome.truth[at]), _told(outcome, outcome.predicted[at]),
                None if sure is None else float(sure[at]),
            )
            for path, at in zip(paths, places.tolist(), strict=True)
        ]  # fmt: skip


def failures_of(
    outcome: Outcome, *, true: str | None = None, predicted: str | None = None
) -> Failures:
    """Returns what is wrong, of one true or predicted class if asked.

    Of classes those are first of which the model was most sure, else by path; of numbers those with
    the largest error. Raises NotFound for another class.
    """
    np = load()
    if not outcome.names:
        errors = np.abs(outcome.predicted - outcome.truth)
        places = np.flatnonzero(errors > 0)
        return Failures(outcome, places[np.argsort(-errors[places], kind="stable")])
    wrong = outcome.truth != outcome.predicted
    if true is not None:
        wrong &= outcome.truth == outcome.place(true)
    if predicted is not None:
        wrong &= outcome.predicted == outcome.place(predicted)
    places, sure = np.flatnonzero(wrong), outcome.confidence
    if sure is not None:
        places = places[np.argsort(-sure[places], kind="stable")]
    return Failures(outcome, places)


def _told(outcome: Outcome, value: Any) -> str | float:
    return outcome.names[int(value)] if outcome.names else float(value)
