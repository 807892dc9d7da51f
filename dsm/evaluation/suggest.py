"""What to label next: the unlabelled examples of which one model, or several, are least sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from dsm.errors import InvalidInput
from dsm.evaluation.numeric import Array, arrow_integers, integers, load
from dsm.evaluation.outcome import Outcome, renamed, taken

STRATEGIES = ("entropy", "margin", "least-confident", "committee")
DIVERSE_FROM = 10  # candidates for each that is chosen


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An example to label: the higher `score`, the more a label says; what the model would say."""

    path: str
    score: float
    predicted: str
    confidence: float


def suggested(
    outcomes: Sequence[Outcome],
    count: int,
    strategy: str,
    *,
    diverse: bool = False,
    labelled: bool = False,
) -> list[Suggestion]:
    """Returns so many examples, or all that there are, the most useful label first.

    `outcomes` have probabilities: one, or for "committee" several, of which the examples count that
    all predicted. With `diverse` each next one is unlike those before it; with `labelled` examples
    that have a label are asked for, too. Raises InvalidInput.
    """
    np = load()
    _check(outcomes, strategy)
    first, chances = _together(outcomes)
    score = committee(chances) if strategy == "committee" else uncertainty(chances[0], strategy)
    mean = np.mean(chances, axis=0)
    places = np.arange(len(first)) if labelled else np.flatnonzero(first.truth < 0)
    if not len(places):
        raise InvalidInput(
            "every example that was predicted has a label",
            hint="add predictions of examples without one, or give --labelled",
        )
    order = places[np.argsort(-score[places], kind="stable")]
    if diverse:
        order = order[_spread(mean[order[: DIVERSE_FROM * count]], count)]
    order = order[:count]
    paths = first.paths.take(arrow_integers(order)).to_pylist()
    likely, sure = mean.argmax(axis=1), mean.max(axis=1)
    return [
        Suggestion(path, float(score[at]), first.names[int(likely[at])], float(sure[at]))
        for path, at in zip(paths, order.tolist(), strict=True)
    ]


def _check(outcomes: Sequence[Outcome], strategy: str) -> None:
    if strategy not in STRATEGIES:
        raise InvalidInput(f"{strategy!r} is no strategy", hint=f"one of {', '.join(STRATEGIES)}")
    if (strategy == "committee") != (len(outcomes) > 1):
        raise InvalidInput(
            f"{len(outcomes)} run{'s were' if len(outcomes) != 1 else ' was'} given",
            hint="--strategy committee takes several runs, the others take one",
        )
    if any(not outcome.names or not outcome.probabilities for outcome in outcomes):
        raise InvalidInput(
            "what to label is told by the probabilities of classes",
            hint="add predictions with a column prob.CLASS for each class",
        )


def _together(outcomes: Sequence[Outcome]) -> tuple[Outcome, list[Array]]:
    """Returns the examples of all, and the probabilities of each outcome, a row an example."""
    np = load()
    names = tuple(dict.fromkeys(name for outcome in outcomes for name in outcome.names))
    first = renamed(outcomes[0], names)
    others = [renamed(outcome, names) for outcome in outcomes[1:]]
    for other in others:
        at = integers(pc.index_in(first.paths, value_set=other.paths))
        first = taken(first, np.flatnonzero(at >= 0))
    if not len(first):
        raise InvalidInput("the runs have no predicted example in common")
    chances = [np.stack(first.probabilities, axis=1)]
    for other in others:
        at = integers(pc.index_in(first.paths, value_set=other.paths))
        chances.append(np.stack([column[at] for column in other.probabilities], axis=1))
    return first, chances


def uncertainty(chances: Array, strategy: str) -> Array:
    """Returns how unsure a model is of each row: entropy (in nats), 1 less the margin between the
    two likeliest classes, or 1 less the highest probability."""
    np = load()
    if strategy == "entropy":
        return -(chances * _log(chances)).sum(axis=1)
    if strategy == "least-confident":
        return 1 - chances.max(axis=1)
    if chances.shape[1] < 2:
        return np.zeros(len(chances))
    ordered = np.partition(chances, -2, axis=1)
    return 1 - (ordered[:, -1] - ordered[:, -2])


def committee(chances: Sequence[Array]) -> Array:
    """Returns how far models are apart in each row: the mean divergence (Kullback and Leibler, in
    nats) of each from the mean of all."""
    np = load()
    mean = np.mean(chances, axis=0)
    parts = [(each * (_log(each) - _log(mean))).sum(axis=1) for each in chances]
    return np.mean(parts, axis=0)


def _log(values: Array) -> Array:
    np = load()
    return np.log(values, out=np.zeros_like(values), where=values > 0)


def _spread(points: Array, count: int) -> Array:
    """Returns places of points, the first one, then always the one farthest from those before."""
    np = load()
    chosen = [0]
    away = np.full(len(points), np.inf)
    while len(chosen) < min(count, len(points)):
        away = np.minimum(away, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        away[chosen] = -1
        chosen.append(int(away.argmax()))
    return np.array(chosen)


def tasks(found: Sequence[Suggestion], media: str, version: str) -> list[dict[str, Any]]:
    """Returns suggestions as tasks of Label Studio, with what the model would say.

    `media` is the name of the field that has the path, such as "image" or "text".
    """
    return [
        {
            "data": {media: each.path},
            "predictions": [{
                "model_version": version,
                "score": each.confidence,
                "result": [{
                    "from_name": "label", "to_name": media, "type": "choices",
                    "value": {"choices": [each.predicted]},
                }],
            }],
        }
        for each in found
    ]  # fmt: skip
