"""Evaluations: what `dsm evaluate` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dsm.evaluation.classification import Classified

if TYPE_CHECKING:
    from dsm.evaluation.compared import Compared
    from dsm.evaluation.evaluate import Evaluation, Figures
    from dsm.evaluation.fairness import Fairness
    from dsm.evaluation.gate import Judged
    from dsm.evaluation.intervals import Interval

PATHS_MAX = 1000


def evaluation_answer(found: Evaluation) -> dict[str, Any]:
    """Returns what `dsm evaluate` answers."""
    outcome = found.outcome
    return {
        "run": outcome.run.id,
        "view": outcome.stored.view,
        "missing": outcome.stored.missing,
        "unknown": outcome.stored.unknown,
        "without_truth": outcome.without_truth,
        **_figures(found.figures),
        **_classes(found.figures),
        "by": found.by,
        "groups": [{"name": each.name, **_figures(each.figures)} for each in found.groups],
        "baseline": _comparison(found.comparison, found.figures_compared),
        "fairness": _fairness(found.fairness),
        "gates": [_gate(each) for each in found.judged],
    }


def _figures(found: Figures) -> dict[str, Any]:
    return {
        "examples": found.examples,
        "metrics": dict(found.metrics),
        "intervals": {name: list(each) for name, each in found.intervals.items()},
    }


def _classes(found: Figures) -> dict[str, Any]:
    if not isinstance(found, Classified):
        return {"classes": [], "confusion": [], "calibration": []}
    return {
        "classes": [
            {
                "name": each.name, "examples": each.examples, "predicted": each.predicted,
                "precision": each.precision, "recall": each.recall, "f1": each.f1, "auc": each.auc,
                "precision_interval": _interval(each.precision_interval),
                "recall_interval": _interval(each.recall_interval),
                "f1_interval": _interval(each.f1_interval),
            }
            for each in found.classes
        ],
        "confusion": found.confusion,
        "calibration": [
            {"examples": each.examples, "confidence": each.confidence, "accuracy": each.accuracy}
            for each in found.calibration
        ],
    }  # fmt: skip


def _interval(found: Interval | None) -> list[float] | None:
    return None if found is None else list(found)


def _comparison(
    found: Compared | None, figures: tuple[Figures, Figures] | None
) -> dict[str, Any] | None:
    if found is None or figures is None:
        return None
    return {
        "run": found.baseline.run.id,
        "view": found.baseline.stored.view,
        "examples": found.examples,
        "only_run": found.only_run,
        "only_baseline": found.only_baseline,
        "metrics": [
            {"name": name, "run": figures[0].metrics.get(name), "baseline": value}
            for name, value in figures[1].metrics.items()
        ],
        "better": len(found.better),
        "worse": len(found.worse),
        "p_value": found.p_value,
        "better_paths": found.better.slice(0, PATHS_MAX).to_pylist(),
        "worse_paths": found.worse.slice(0, PATHS_MAX).to_pylist(),
    }


def _fairness(found: Fairness | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "attribute": found.attribute,
        "positive": found.positive,
        "demographic_parity_difference": found.demographic_parity,
        "disparate_impact_ratio": found.disparate_impact,
        "equalized_odds_difference": found.equalized_odds,
        "groups": [
            {
                "name": each.name, "examples": each.examples, "selection_rate": each.selected,
                "true_positive_rate": each.true_positives,
                "false_positive_rate": each.false_positives, "accuracy": each.accuracy,
            }
            for each in found.groups
        ],
    }  # fmt: skip


def _gate(found: Judged) -> dict[str, Any]:
    return {
        "condition": found.gate.text, "value": found.value, "limit": found.limit,
        "failed": found.failed,
    }  # fmt: skip
