"""Figures are those of scikit-learn, fairlearn and SciPy, to 1e-12."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from dsm.evaluation.classification import classified
from dsm.evaluation.compared import sign_test
from dsm.evaluation.fairness import fairness
from dsm.evaluation.intervals import f1_ends, of_mean_f1, of_mean_share, wilson
from dsm.evaluation.regression import measured

CLOSE = {"rel": 0, "abs": 1e-12}


def problem(classes: int, count: int, seed: int, rounded: bool = False) -> tuple[Any, Any, Any]:
    """True classes, predicted ones, and probabilities, with ties where they are rounded."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, count)
    logits = random.normal(size=(count, classes))
    logits[np.arange(count), truth] += 1
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    if rounded:
        chances = np.round(chances, 1)
        chances[:, -1] = 1 - chances[:, :-1].sum(1)
        chances = np.clip(chances, 0, 1)
    return truth, chances.argmax(1), chances


CASES = [(2, 50, False), (3, 1000, False), (3, 400, True), (10, 3000, False), (10, 30, False)]


@pytest.mark.parametrize("classes, count, rounded", CASES)
def test_classes_are_compared_as_by_scikit_learn(classes: int, count: int, rounded: bool) -> None:
    """Means, figures of each class, the matrix and what probabilities say are the same."""
    truth, predicted, chances = problem(classes, count, classes, rounded)
    names = [f"c{at}" for at in range(classes)]
    found = classified(names, truth, predicted, list(chances.T), chances.max(1))
    labels = range(classes)
    expected: dict[str, float] = {
        "accuracy": sk.accuracy_score(truth, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, predicted),
        "log_loss": sk.log_loss(truth, y_proba=chances, labels=labels),
        "brier": sk.brier_score_loss(truth, y_proba=chances, labels=labels),
        "auc": sk.roc_auc_score(truth, chances[:, 1])
        if classes == 2
        else sk.roc_auc_score(truth, chances, multi_class="ovr", labels=labels),
    }
    for mean in ("macro", "micro", "weighted"):
        figures = sk.precision_recall_fscore_support(
            truth, predicted, average=mean, zero_division=0
        )
        ending = "" if mean == "macro" else f"_{mean}"
        for name, value in zip(("precision", "recall", "f1"), figures, strict=False):
            expected[name + ending] = value
    assert {name: found.metrics[name] for name in expected} == pytest.approx(expected, **CLOSE)
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        truth, predicted, zero_division=0
    )
    each = found.classes
    assert [c.precision for c in each] == pytest.approx(precision, **CLOSE)
    assert [c.recall for c in each] == pytest.approx(recall, **CLOSE)
    assert [c.f1 for c in each] == pytest.approx(f1, **CLOSE)
    assert [c.examples for c in each] == list(support)
    assert found.confusion == sk.confusion_matrix(truth, predicted).tolist()


def test_classes_that_are_nowhere_do_not_count() -> None:
    """A class that is neither true nor predicted is left out of means, as by scikit-learn."""
    truth, predicted = np.array([0, 0, 2, 2, 4]), np.array([0, 2, 2, 4, 2])
    found = classified("abcde", truth, predicted)
    macro = sk.precision_recall_fscore_support(truth, predicted, average="macro", zero_division=0)
    names = ("precision", "recall", "f1")
    assert [found.metrics[name] for name in names] == pytest.approx(macro[:3], **CLOSE)
    assert [each.name for each in found.classes] == ["a", "c", "e"]
    assert "auc" not in found.metrics


def test_what_is_not_defined_is_none() -> None:
    """One class has no curve, and no examples no figures at all."""
    one = classified("ab", np.array([0, 0]), np.array([0, 1]), [np.array([0.9, 0.1])] * 2)
    assert one.metrics["auc"] is None
    none = np.array([], np.int64)
    empty = classified("ab", none, none, [np.zeros(0)] * 2, np.zeros(0))
    assert {value for value in empty.metrics.values()} == {None}
    assert {value for value in measured(np.zeros(0), np.zeros(0)).metrics.values()} == {None}
    assert measured(np.ones(1), np.ones(1)).metrics["r2"] is None


def test_calibration_is_that_of_scikit_learn() -> None:
    """Bins have the same mean confidence and accuracy; ECE is their weighted distance."""
    truth, predicted, chances = problem(3, 2000, 7)
    found = classified("abc", truth, predicted, list(chances.T), chances.max(1))
    right, sure = calibration_curve(truth == predicted, chances.max(1), n_bins=10)
    assert [each.accuracy for each in found.calibration] == pytest.approx(right, **CLOSE)
    assert [each.confidence for each in found.calibration] == pytest.approx(sure, **CLOSE)
    weights = np.array([each.examples for each in found.calibration]) / 2000
    assert found.metrics["ece"] == pytest.approx((weights * abs(right - sure)).sum(), **CLOSE)


def test_numbers_are_compared_as_by_scikit_learn() -> None:
    """RMSE, MAE and R² are the same."""
    random = np.random.default_rng(0)
    truth = random.normal(size=500) * 100
    predicted = truth + random.normal(size=500)
    expected = {
        "rmse": sk.root_mean_squared_error(truth, predicted),
        "mae": sk.mean_absolute_error(truth, predicted),
        "r2": sk.r2_score(truth, predicted),
        "mse": sk.mean_squared_error(truth, predicted),
    }
    found = measured(truth, predicted)
    assert {name: found.metrics[name] for name in expected} == pytest.approx(expected, **CLOSE)
    low, high = found.intervals["mae"]
    spread = abs(predicted - truth).std(ddof=1) / math.sqrt(500)
    assert (low, high) == pytest.approx(
        stats.norm.interval(0.95, loc=expected["mae"], scale=spread), **CLOSE
    )


@pytest.mark.parametrize("right, count", [(0, 5), (5, 5), (7, 10), (999, 1000)])
def test_intervals_are_those_of_wilson(right: int, count: int) -> None:
    """The interval of a share is that of SciPy."""
    expected = stats.binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert wilson(right, count) == pytest.approx((expected.low, expected.high), **CLOSE)


def test_the_interval_of_f1_is_that_of_the_jaccard_index() -> None:
    """Of one class it is Wilson's of the share that is right among true and predicted ones."""
    low, high = f1_ends(np.array([7, 0]), np.array([9, 0]), np.array([10, 5]))
    expected = stats.binomtest(7, 12).proportion_ci(0.95, method="wilson")
    assert low[0] == pytest.approx(2 * expected.low / (1 + expected.low), **CLOSE)
    assert high[0] == pytest.approx(2 * expected.high / (1 + expected.high), **CLOSE)


def test_the_interval_of_a_mean_of_equal_shares_is_that_of_all() -> None:
    """Then as many examples make it vary as there are; of one class it is that of the class."""
    expected = stats.binomtest(21, 30).proportion_ci(0.95, method="wilson")
    ends = (expected.low, expected.high)
    three = np.array([7, 7, 7]), np.array([10, 10, 10])
    assert of_mean_share(*three) == pytest.approx(ends, **CLOSE)
    assert of_mean_share(np.array([21]), np.array([30])) == pytest.approx(ends, **CLOSE)
    assert of_mean_f1(np.array([[30]])) == pytest.approx(wilson(30, 30), **CLOSE)


def test_the_mean_of_f1_varies_as_the_delta_method_says() -> None:
    """Its variance is that of a numeric derivative over the shares of the confusion matrix."""
    matrix = np.array([[900, 60, 10], [40, 800, 70], [5, 15, 300]]) * 1000.0  # hardly smoothed
    count, shares = matrix.sum(), matrix / matrix.sum()

    def mean(shares: Any) -> float:
        return float((2 * np.diag(shares) / (shares.sum(0) + shares.sum(1))).mean())

    slopes = np.zeros((3, 3))
    for at in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[at] = 1e-6
        slopes[at] = (mean(shares + step) - mean(shares - step)) / 2e-6
    varies = ((shares * slopes**2).sum() - (shares * slopes).sum() ** 2) / count
    low, high = of_mean_f1(matrix)
    assert (high - low) / 2 / stats.norm.ppf(0.975) == pytest.approx(math.sqrt(varies), rel=1e-4)


@pytest.mark.parametrize("share, sizes", [(0.9, (20, 20)), (0.97, (40, 15)), (0.7, (20,) * 10)])
def test_intervals_hold_what_is_true_so_often(share: float, sizes: tuple[int, ...]) -> None:
    """Of means over classes, too, with few examples and figures near 1: about 95 times of 100."""
    wide, random = len(sizes), np.random.default_rng(5)
    chances = np.full((wide, wide), (1 - share) / (wide - 1))
    np.fill_diagonal(chances, share)
    chances *= np.array(sizes)[:, None] / sum(sizes)
    right, rows, columns = np.diag(chances), chances.sum(1), chances.sum(0)
    true = {
        "precision": (right / columns).mean(), "recall": (right / rows).mean(),
        "f1": (2 * right / (rows + columns)).mean(),
    }  # fmt: skip
    held = dict.fromkeys(true, 0)
    for matrix in random.multinomial(sum(sizes), chances.ravel(), size=400):
        truth, predicted = np.divmod(np.repeat(np.arange(wide**2), matrix), wide)
        found = classified([str(at) for at in range(wide)], truth, predicted).intervals
        for name, value in true.items():
            held[name] += found[name][0] <= value <= found[name][1]
    assert {name for name, count in held.items() if not 0.92 <= count / 400 <= 0.98} == set()


@pytest.mark.parametrize("better, worse", [(0, 0), (0, 3), (5, 5), (3, 12), (400, 470), (90, 9000)])
def test_mcnemar_is_the_exact_binomial_test(better: int, worse: int) -> None:
    """The p-value is that of SciPy's two-sided binomial test, whatever the numbers."""
    total = better + worse
    expected = stats.binomtest(better, total).pvalue if total else 1.0
    assert sign_test(better, worse) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_fairness_is_that_of_fairlearn() -> None:
    """Rates of groups and their distances are the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fairlearn import metrics as fair
    random = np.random.default_rng(3)
    groups = random.integers(0, 3, 800)
    truth = random.random(800) < 0.4
    predicted = random.random(800) < 0.2 + 0.2 * groups
    found = fairness("site", "yes", "abc", groups, truth, predicted)
    shared = {"sensitive_features": groups}
    assert [
        found.demographic_parity,
        found.disparate_impact,
        found.equalized_odds,
    ] == pytest.approx(
        [
            fair.demographic_parity_difference(truth, predicted, **shared),
            fair.demographic_parity_ratio(truth, predicted, **shared),
            fair.equalized_odds_difference(truth, predicted, **shared),
        ],
        **CLOSE,
    )
    frame = fair.MetricFrame(
        metrics={"s": fair.selection_rate, "t": fair.true_positive_rate,
                 "f": fair.false_positive_rate, "a": sk.accuracy_score},
        y_true=truth, y_pred=predicted, **shared,
    )  # fmt: skip
    rates = [[g.selected, g.true_positives, g.false_positives, g.accuracy] for g in found.groups]
    assert np.array(rates) == pytest.approx(
        frame.by_group[["s", "t", "f", "a"]].to_numpy(), **CLOSE
    )
    assert [each.examples for each in found.groups] == np.bincount(groups).tolist()


def test_nothing_selected_has_no_ratio() -> None:
    """Where no group is selected at all the ratio is not defined."""
    nobody = np.zeros(4, bool)
    found = fairness("site", "yes", "ab", np.array([0, 0, 1, 1]), nobody, nobody)
    assert (found.disparate_impact, found.demographic_parity, found.equalized_odds) == (None, 0, 0)
