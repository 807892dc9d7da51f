"""What to look at and to label: what `dsm failures`, `dsm labels` and `dsm suggest` answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsm.evaluation.agreement import Agreement
    from dsm.evaluation.failures import Failure, Failures
    from dsm.evaluation.suggest import Suggestion
    from dsm.evaluation.suspects import Suspect, Suspects


def failures_answer(
    found: Failures, first: Iterable[Failure], version: str | None
) -> dict[str, Any]:
    """Returns what `dsm failures` answers; `version` is that of the view that was prepared."""
    return {
        "run": found.outcome.run.id,
        "examples": len(found.outcome),
        "failures": len(found),
        "view": version,
        "first": [asdict(each) for each in first],
    }


def suspects_answer(run: str, found: Suspects, first: Iterable[Suspect]) -> dict[str, Any]:
    """Returns what `dsm labels suspect` answers."""
    return {
        "run": run, "examples": found.examples, "suspects": len(found.found),
        "first": [asdict(each) for each in first],
    }  # fmt: skip


def agreement_answer(view: str, found: Agreement) -> dict[str, Any]:
    """Returns what `dsm labels agreement` answers."""
    return {
        "view": view, "complete": found.complete, "fleiss_kappa": found.fleiss,
        "pairs": [asdict(each) for each in found.pairs],
        "disputed": [asdict(each) for each in found.disputed],
    }  # fmt: skip


def suggestions_answer(strategy: str, found: Iterable[Suggestion]) -> dict[str, Any]:
    """Returns what `dsm suggest` answers."""
    return {"strategy": strategy, "suggestions": [asdict(each) for each in found]}
