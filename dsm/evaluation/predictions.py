"""Predictions of runs with their verbs: each is a call of the module that does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsm.evaluation.book import PredictionBook
from dsm.model.keywords import verbs_suggest

if TYPE_CHECKING:
    from dsm.evaluation.evaluate import Evaluation


@verbs_suggest
class Predictions(PredictionBook):
    """The predictions of the runs of one repository, and what can be asked of them."""

    def evaluate(
        self,
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
        """Returns how good the predictions of a run are; figures are those of scikit-learn.

        `by` is "segment", "label" or an attribute whose values part the examples. `baseline` is a
        run to compare with. `fail_if` are conditions such as "f1 < baseline - 0.01" or
        "segment:night recall < 0.8": `failed` of the answer has those that are so. `sensitive` is
        an attribute whose groups should be treated alike, `positive` the class that is wanted.
        `target` is the attribute of true numbers, where numbers were predicted.

        Raises NotFound, AmbiguousName, InvalidInput, NumpyMissing, DamagedData, ObjectMissing and
        ObjectDamaged.
        """
        from dsm.evaluation.evaluate import evaluate

        return evaluate(
            self._repository, run, view=view, by=by, baseline=baseline, fail_if=fail_if,
            sensitive=sensitive, positive=positive, target=target,
        )  # fmt: skip
