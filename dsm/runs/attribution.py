"""Which changesets moved a metric, as far as the runs that exist tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from dsm.format.document import canonical
from dsm.runs.run import Run
from dsm.views.query.view_query import ViewQuery


@dataclass(frozen=True, slots=True)
class Move:
    """Between two runs that differ in the changeset alone, `first` to `last` came to their data.

    `before` and `after` are the values of the metric, `run_before` and `run_after` the ids.
    """

    dataset: str
    first: int
    last: int
    before: float
    after: float
    run_before: str
    run_after: str

    @property
    def change(self) -> float:
        """How much the metric went up."""
        return self.after - self.before


def moves(
    runs: Iterable[Run], metric: str, query_of: Callable[[str, str], ViewQuery | None]
) -> list[Move]:
    """Returns what moved a metric, the greatest change first.

    Compared are complete runs of one command with the same parameters, whose views ask the same but
    of other changesets; the newest of these counts, and of several runs at one the last. `query_of`
    gives the query of a view by dataset and version, None where it is forgotten.
    """
    series: dict[bytes, dict[int, tuple[str, Run]]] = {}
    for run in runs:  # those that began last come first
        if run.state != "complete" or not math.isfinite(run.metrics.get(metric, math.nan)):
            continue
        asked = [query_of(view.dataset, view.version) for view in run.views]
        queries = [each for each in asked if each is not None and not each.runs]
        if not queries or len(queries) < len(asked):
            continue
        newest = max(range(len(queries)), key=lambda at: queries[at].at)
        questions = sorted(canonical({**each.to_json(), "at": None}).decode() for each in queries)
        key = canonical([questions, run.parameters, run.start.command])
        at = queries[newest].at
        series.setdefault(key, {}).setdefault(at, (run.views[newest].dataset, run))
    found = []
    for each in series.values():
        order = sorted(each)
        for before, after in pairwise(order):
            (dataset, a), (_, b) = each[before], each[after]
            found.append(
                Move(
                    dataset=dataset, first=before + 1, last=after, before=a.metrics[metric],
                    after=b.metrics[metric], run_before=a.id, run_after=b.id,
                )
            )  # fmt: skip
    return sorted(found, key=lambda move: (-abs(move.change), move.first))
