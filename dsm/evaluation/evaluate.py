"""Evaluating a run: figures of all examples and of groups, against a baseline, and its gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dsm.errors import InvalidInput
from dsm.evaluation.book import PredictionBook
from dsm.evaluation.classification import Classified, classified
from dsm.evaluation.compared import Compared, compared
from dsm.evaluation.fairness import Fairness, fairness
from dsm.evaluation.gate import Gate, Judged, parse
from dsm.evaluation.groups import LABEL, group_of, groups_of, values_of
from dsm.evaluation.numeric import Array, load
from dsm.evaluation.outcome import Outcome, outcome_of
from dsm.evaluation.regression import Measured, measured
from dsm.model.names import close_matches
from dsm.repo.repository import Repository

Figures = Classified | Measured
# From so many examples on groups are measured by threads.
MANY, THREADS = 100_000, 4
CLASS_METRICS = ("precision", "recall", "f1", "auc")


@dataclass(frozen=True, slots=True)
class Group:
    """A segment, or the examples with one value of an attribute, with its figures."""

    name: str
    figures: Figures


@dataclass(frozen=True)
class Evaluation:
    """How good a run's predictions are.

    `groups` are those that `by` asks for. With a baseline `comparison` has both on the same
    examples, and `figures_compared` their figures: of the run, of the baseline. `judged` are the
    gates.
    """

    outcome: Outcome
    figures: Figures
    by: str | None
    groups: list[Group]
    comparison: Compared | None
    figures_compared: tuple[Figures, Figures] | None
    fairness: Fairness | None
    judged: list[Judged]

    @property
    def metrics(self) -> dict[str, float | None]:
        """The figures of all examples by name; None for one that is not defined."""
        return self.figures.metrics

    @property
    def failed(self) -> list[Judged]:
        """The gates that failed."""
        return [each for each in self.judged if each.failed]


def evaluate(
    repository: Repository,
    run: str,
    *,
    view: str | None = None,
    by: str | None = None,
    baseline: str | None = None,
    fail_if: Sequence[str] | None = None,
    sensitive: str | None = None,
    positive: str | None = None,
    target: str | None = None,
) -> Evaluation:
    """Evaluates what a run predicted; see `Predictions.evaluate`."""
    gates = [parse(text) for text in fail_if or ()]
    if baseline is None and any(gate.needs_baseline for gate in gates):
        raise InvalidInput("a gate compares with the baseline", hint="give --baseline RUN, too")
    predictions = PredictionBook(repository)
    outcome = outcome_of(predictions, run, view, target=target)
    if by == LABEL and not outcome.names:
        raise InvalidInput("numbers were predicted: there are no labels to group by")
    parts = [] if by is None or by == LABEL else list(groups_of(outcome, by))
    figures, *others = _each(outcome, positive, [None, *(at for _, at in parts)])
    comparison, both = None, None
    if baseline is not None:
        comparison = compared(
            outcome, outcome_of(predictions, baseline, _view_of(predictions, baseline, outcome),
                                target=target))  # fmt: skip
        both = figures_of(comparison.run, positive), figures_of(comparison.baseline, positive)
    return Evaluation(
        outcome=outcome, figures=figures, by=by,
        groups=[Group(name, each) for (name, _), each in zip(parts, others, strict=True)],
        comparison=comparison,
        figures_compared=both, fairness=_fairness(outcome, sensitive, positive),
        judged=[_judged(gate, outcome, figures, comparison, both, positive) for gate in gates],
    )  # fmt: skip


def figures_of(outcome: Outcome, positive: str | None = None, at: Array | None = None) -> Figures:
    """Returns the figures of an outcome, or of the examples at these places.

    With `positive` those of that class stand for the means. Raises NotFound for another class.
    """

    def chosen(values: Array) -> Array:
        return values if at is None else values[at]

    truth, predicted = chosen(outcome.truth), chosen(outcome.predicted)
    if not outcome.names:
        return measured(truth, predicted)
    sure = outcome.confidence
    found = classified(
        outcome.names, truth, predicted, tuple(map(chosen, outcome.probabilities)),
        None if sure is None else chosen(sure),
    )  # fmt: skip
    if positive is None:
        return found
    outcome.place(positive)
    own = next((each for each in found.classes if each.name == positive), None)
    values = {name: None if own is None else getattr(own, name) for name in CLASS_METRICS}
    if not outcome.probabilities:
        del values["auc"]
    intervals = {name: each for name, each in found.intervals.items() if name not in CLASS_METRICS}
    if own is not None:
        ends = {name: getattr(own, f"{name}_interval") for name in CLASS_METRICS if name != "auc"}
        intervals |= {name: each for name, each in ends.items() if each is not None}
    return replace(found, metrics={**found.metrics, **values}, intervals=intervals)


def _each(outcome: Outcome, positive: str | None, places: Sequence[Array | None]) -> list[Figures]:
    """Returns the figures of the examples at each of these places; many of them side by side."""
    if len(outcome) < MANY or len(places) == 1:
        return [figures_of(outcome, positive, at) for at in places]
    # Sorting, which is most of it, lets other threads run.
    from concurrent.futures import ThreadPoolExecutor

    _ = outcome.confidence  # made once, not by each of them
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda at: figures_of(outcome, positive, at), places))


def _view_of(predictions: PredictionBook, run: str, other: Outcome) -> str | None:
    """Returns the view of the baseline that is meant: the same one, if it has that."""
    same = [each.view for each in predictions.of(run) if each.view == other.stored.view]
    return same[0] if same else None


def _fairness(outcome: Outcome, attribute: str | None, positive: str | None) -> Fairness | None:
    if attribute is None:
        return None
    if not outcome.names:
        raise InvalidInput("fairness is about classes, and the run predicted numbers")
    if positive is None:
        if len(outcome.names) != 2:
            raise InvalidInput(
                f"which of {len(outcome.names)} classes is the one that is wanted?",
                hint="give --positive CLASS",
            )
        positive = outcome.names[1]
    np, place = load(), outcome.place(positive)
    names, groups = values_of(outcome, attribute)
    known = np.flatnonzero(groups >= 0)
    return fairness(
        attribute, positive, names, groups[known], outcome.truth[known] == place,
        outcome.predicted[known] == place,
    )  # fmt: skip


def _judged(
    gate: Gate,
    outcome: Outcome,
    figures: Figures,
    comparison: Compared | None,
    both: tuple[Figures, Figures] | None,
    positive: str | None,
) -> Judged:
    """Holds a gate against the figures; against a baseline on the examples that both predicted."""
    if not gate.needs_baseline or comparison is None or both is None:
        return Judged(gate, _figure(gate, outcome, figures, positive), gate.limit(None))
    value = _figure(gate, comparison.run, both[0], positive)
    return Judged(gate, value, gate.limit(_figure(gate, comparison.baseline, both[1], positive)))


def _figure(gate: Gate, outcome: Outcome, figures: Figures, positive: str | None) -> float | None:
    if gate.group is not None:
        kind, name = gate.group
        if kind == LABEL and isinstance(figures, Classified):
            outcome.place(name)
            if gate.metric not in CLASS_METRICS:
                raise _unknown(gate.metric, CLASS_METRICS)
            own = next((each for each in figures.classes if each.name == name), None)
            found: float | None = None if own is None else getattr(own, gate.metric)
            return found
        figures = figures_of(outcome, positive, group_of(outcome, kind, name))
    if gate.metric not in figures.metrics:
        raise _unknown(gate.metric, figures.metrics)
    return figures.metrics[gate.metric]


def _unknown(metric: str, known: Sequence[str] | dict[str, float | None]) -> InvalidInput:
    near = close_matches(metric, list(known))
    return InvalidInput(
        f"there is no figure {metric!r} of these predictions",
        hint=f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}",
    )
