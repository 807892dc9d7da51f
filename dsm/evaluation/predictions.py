"""Predictions of runs with their verbs: each is a call of the module that does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsm.evaluation.book import PredictionBook
from dsm.model.keywords import verbs_suggest

if TYPE_CHECKING:
    from dsm.evaluation.agreement import Agreement
    from dsm.evaluation.evaluate import Evaluation
    from dsm.evaluation.failures import Failures
    from dsm.evaluation.suggest import Suggestion
    from dsm.evaluation.suspects import Suspects


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

    def failures(
        self,
        run: str,
        *,
        view: str | None = None,
        true: str | None = None,
        predicted: str | None = None,
        target: str | None = None,
    ) -> Failures:
        """Returns what a run got wrong, those first of which it was most sure, or most wrong.

        `true` and `predicted` ask for one class. Raises what `evaluate` raises.
        """
        from dsm.evaluation.failures import failures_of
        from dsm.evaluation.outcome import outcome_of

        outcome = outcome_of(self, run, view, target=target)
        return failures_of(outcome, true=true, predicted=predicted)

    def suspects(self, run: str, *, view: str | None = None) -> Suspects:
        """Returns labels that are probably wrong, by confident learning; the most suspect first.

        The run must have predicted probabilities, of examples that it was not trained on: of those
        that it was, it repeats the labels. Raises what `evaluate` raises.
        """
        from dsm.evaluation.outcome import outcome_of
        from dsm.evaluation.suspects import suspects_of

        return suspects_of(outcome_of(self, run, view))

    def agreement(self, view: str, annotators: Sequence[str]) -> Agreement:
        """Returns how far annotators agree, each an attribute with the labels that one gave.

        Raises NotFound, InvalidInput, NumpyMissing, DamagedData.
        """
        from dsm.evaluation.agreement import agreement_of

        return agreement_of(self.selection(view), annotators)

    def suggest(
        self,
        runs: Sequence[str],
        count: int = 100,
        *,
        strategy: str = "entropy",
        diverse: bool = False,
        labelled: bool = False,
        view: str | None = None,
    ) -> list[Suggestion]:
        """Returns which examples to label next, of those without a label that the runs predicted.

        `strategy` is "entropy", "margin" or "least-confident" of one run, or "committee", the
        disagreement of several. With `diverse` each is unlike those before it; with `labelled`
        examples with a label count as well. Raises what `evaluate` raises.
        """
        from dsm.evaluation.outcome import outcome_of
        from dsm.evaluation.suggest import suggested

        found = [outcome_of(self, run, view, known=False) for run in runs]
        return suggested(found, count, strategy, diverse=diverse, labelled=labelled)
