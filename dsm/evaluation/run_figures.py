"""Figures of what runs predicted, beside the metrics that their programs logged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from dsm.errors import InvalidInput
from dsm.evaluation.book import PredictionBook
from dsm.evaluation.evaluate import evaluate
from dsm.repo.repository import Repository
from dsm.runs.run import Run

MEANS = ("precision", "recall", "f1")
FIGURES = frozenset((
    "accuracy", "balanced_accuracy", *MEANS, *(f"{each}_micro" for each in MEANS),
    *(f"{each}_weighted" for each in MEANS), "auc", "log_loss", "brier", "ece",
    "rmse", "mae", "r2", "mse", "bias",
))  # fmt: skip


def with_figure(repository: Repository, runs: Iterable[Run], name: str) -> Iterator[Run]:
    """Yields runs in their order, with a figure as a metric where it can be had.

    Evaluated are runs that have not logged it and have predictions for one view. Raises
    DamagedData, ObjectMissing, ObjectDamaged.
    """
    book = PredictionBook(repository)
    for run in runs:
        if name in FIGURES and name not in run.metrics and run.end is not None:
            value = _figure(repository, book, run.id, name)
            if value is not None:
                end = replace(run.end, metrics={**run.end.metrics, name: value})
                run = replace(run, end=end)
        yield run


def _figure(repository: Repository, book: PredictionBook, run: str, name: str) -> float | None:
    if len(book.of_run(run)) != 1:
        return None
    try:
        return evaluate(repository, run).metrics.get(name)
    except InvalidInput:  # such as numbers of which nothing says the truth
        return None
