"""How a model treats groups, by the definitions of fairlearn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dsm.evaluation.numeric import Array, load


@dataclass(frozen=True, slots=True)
class GroupRates:
    """Rates of one group: `selected` is the share that was said to be of the positive class.

    The true and false positive rates are 0 where no example is positive, or negative.
    """

    name: str
    examples: int
    selected: float
    true_positives: float
    false_positives: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Fairness:
    """How far the rates of groups are apart.

    `disparate_impact` is the least selection rate over the greatest (also called the ratio of
    demographic parity), `equalized_odds` the greater of the differences of both rates. None where
    nothing is selected at all.
    """

    attribute: str
    positive: str
    groups: list[GroupRates]
    demographic_parity: float
    disparate_impact: float | None
    equalized_odds: float


def fairness(
    attribute: str, positive: str, names: Sequence[str], groups: Array, truth: Array,
    predicted: Array,
) -> Fairness:  # fmt: skip
    """Compares groups, which are places in `names`; `truth` and `predicted` say who is positive."""
    rates = [_rates(names[at], groups == at, truth, predicted) for at in range(len(names))]
    rates = [each for each in rates if each.examples]
    selected = [each.selected for each in rates]
    most = max(selected, default=0.0)
    odds = [
        max(column) - min(column)
        for column in (
            [each.true_positives for each in rates],
            [each.false_positives for each in rates],
        )
        if column
    ]
    return Fairness(
        attribute=attribute, positive=positive, groups=rates,
        demographic_parity=most - min(selected, default=0.0),
        disparate_impact=min(selected) / most if most else None,
        equalized_odds=max(odds, default=0.0),
    )  # fmt: skip


def _rates(name: str, mask: Array, truth: Array, predicted: Array) -> GroupRates:
    np = load()
    true, said = truth[mask], predicted[mask]
    count = len(true)
    if not count:
        return GroupRates(name, 0, 0.0, 0.0, 0.0, 0.0)
    positives = int(true.sum())
    both = int(np.count_nonzero(true & said))
    falsely = int(np.count_nonzero(~true & said))
    return GroupRates(
        name=name, examples=count, selected=float(said.mean()),
        true_positives=both / positives if positives else 0.0,
        false_positives=falsely / (count - positives) if count > positives else 0.0,
        accuracy=float((true == said).mean()),
    )  # fmt: skip
