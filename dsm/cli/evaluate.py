"""dsm evaluate: measure how good the predictions of a run are, and fail where they are too bad."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from dsm import imports
from dsm.cli.output import LISTED_MAX, count_text, listed, message, print_json
from dsm.cli.prediction_options import PredictedView
from dsm.cli.run_options import RunName
from dsm.cli.session import Session
from dsm.cli.tables import Cell, number, table
from dsm.errors import AnswerIsNo
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.evaluation.classification import Classified
    from dsm.evaluation.compared import Compared
    from dsm.evaluation.evaluate import Evaluation, Figures
    from dsm.evaluation.fairness import Fairness
    from dsm.evaluation.intervals import Interval

MATRIX_MAX = 10  # classes
SHOWN = ("accuracy", "precision", "recall", "f1", "auc", "log_loss", "brier", "ece",
         "rmse", "mae", "r2", "bias")  # fmt: skip


def command(
    ctx: typer.Context,
    run: RunName,
    view: PredictedView = None,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="segment|label|ATTR", help="Figures of each group, too"),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="RUN", help="A run to compare with")
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option("--fail-if", metavar="EXPR", help="Exit with 1 if so; repeatable"),
    ] = None,
    sensitive: Annotated[
        str | None,
        typer.Option("--sensitive", metavar="ATTR", help="Compare how its groups are treated"),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option("--positive", metavar="CLASS", help="The class that is wanted: precision,"
                     " recall and F1 are its own"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="ATTR", help="Attribute that has the true numbers"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> int:  # fmt: skip
    """Measure how good the predictions of a run are

    Predictions are compared with what the run's view says. Precision, recall and F1 are means over
    the classes; all figures are those of scikit-learn. Intervals are of 95 %.

    \b
    Examples:
      dsm evaluate baseline
      dsm evaluate larger --baseline baseline --fail-if 'f1 < baseline - 0.01'
      dsm evaluate larger --by segment --fail-if 'segment:night recall < 0.8'
      dsm evaluate credit --sensitive gender --positive granted --json
    """
    with Session(ctx) as s:
        imports.bring_numpy_back()
        found = s.repo.predictions.evaluate(
            run, view=view, by=by, baseline=baseline, fail_if=fail_if, sensitive=sensitive,
            positive=positive, target=target,
        )  # fmt: skip
        if as_json:
            from dsm.answers.evaluation import evaluation_answer

            print_json(evaluation_answer(found))
        else:
            _say_left_out(s, found)
            for line in _lines(found):
                print(line)
        for each in found.failed:
            message(
                f"failed: {each.gate.text} ({each.gate.metric} {number(each.value)},"
                f" limit {number(each.limit)})"
            )
        return AnswerIsNo.exit_status if found.failed else 0


def _say_left_out(s: Session, found: Evaluation) -> None:
    outcome = found.outcome
    if outcome.stored.missing:
        s.say(f"{count_text(outcome.stored.missing, 'example')} of the view not predicted")
    if outcome.without_truth:
        s.say(f"{count_text(outcome.without_truth, 'prediction')} left out: nothing says the truth")


def _lines(found: Evaluation) -> Iterator[str]:
    from dsm.evaluation.classification import Classified

    figures = found.figures
    yield f"{count_text(figures.examples, 'example')} of view {found.outcome.stored.view[:12]}"
    for name in SHOWN:
        if name in figures.metrics:
            low_high = figures.intervals.get(name)
            around = f"  [{number(low_high[0])}, {number(low_high[1])}]" if low_high else ""
            yield f"{name:10} {number(figures.metrics[name]):>10}{around}"
    if isinstance(figures, Classified):
        yield ""
        yield from _classes(figures, with_intervals=found.by == "label")
    if found.groups:
        yield ""
        yield from _groups(found)
    if found.comparison is not None and found.figures_compared is not None:
        yield ""
        yield from _comparison(found.comparison, *found.figures_compared)
    if found.fairness is not None:
        yield ""
        yield from _fairness(found.fairness)


def _classes(figures: Classified, *, with_intervals: bool) -> Iterator[str]:
    rows: list[tuple[Cell, ...]] = [
        (each.name, each.examples, each.predicted, each.precision, each.recall, each.f1)
        for each in figures.classes
    ]
    if with_intervals:
        rows = [
            (
                each.name, each.examples, each.predicted,
                _around(each.precision, each.precision_interval),
                _around(each.recall, each.recall_interval), _around(each.f1, each.f1_interval),
            )
            for each in figures.classes
        ]  # fmt: skip
    yield from table(("class", "examples", "predicted", "precision", "recall", "f1"), rows)
    names = [each.name for each in figures.classes]
    yield ""
    if len(names) <= MATRIX_MAX:
        matrix = zip(names, figures.confusion, strict=True)
        yield from table(("true \\ predicted", *names), [(name, *row) for name, row in matrix])
        return
    wrong = sorted(
        (-count, names[i], names[j])
        for i, row in enumerate(figures.confusion)
        for j, count in enumerate(row)
        if count and i != j
    )
    lines = [f"{name} taken for {other}: {-count:,}" for count, name, other in wrong]
    yield from map(printable, listed(lines, LISTED_MAX))


def _groups(found: Evaluation) -> Iterator[str]:
    names = [name for name in SHOWN if name in found.figures.metrics]
    rows: list[tuple[Cell, ...]] = [
        (each.name, each.figures.examples, *(_with_interval(each.figures, name) for name in names))
        for each in found.groups
    ]
    yield from table((found.by or "", "examples", *names), rows)


def _with_interval(found: Figures, name: str) -> str:
    return _around(found.metrics.get(name), found.intervals.get(name))


def _around(value: float | None, ends: Interval | None) -> str:
    return number(value) + (f" [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "")


def _comparison(found: Compared, run: Figures, baseline: Figures) -> Iterator[str]:
    yield f"against {found.baseline.run.start.name or found.baseline.run.id} on the" \
        f" {count_text(found.examples, 'example')} that both predicted"  # fmt: skip
    rows = []
    for name in SHOWN:
        now, then = run.metrics.get(name), baseline.metrics.get(name)
        if now is not None and then is not None:
            rows.append((name, then, now, f"{now - then:+.4f}"))
    yield from table(("", "baseline", "run", "change"), rows)
    yield (
        f"better {len(found.better):,}, worse {len(found.worse):,};"
        f" by chance with p = {found.p_value:.3g}"
    )


def _fairness(found: Fairness) -> Iterator[str]:
    rows = [
        (each.name, each.examples, each.selected, each.true_positives, each.false_positives,
         each.accuracy)
        for each in found.groups
    ]  # fmt: skip
    header = (found.attribute, "examples", "selected", "true pos.", "false pos.", "accuracy")
    yield from table(header, rows)
    yield f"demographic parity difference  {number(found.demographic_parity)}"
    yield f"disparate impact ratio         {number(found.disparate_impact)}"
    yield f"equalized odds difference      {number(found.equalized_odds)}"
