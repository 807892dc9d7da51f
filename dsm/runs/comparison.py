"""How two runs differ: parameters, metrics, environment, and views that stand side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dsm.runs.run import Run, ViewRead


@dataclass(frozen=True, slots=True)
class Difference:
    """What one run has and the other has not; None for what is not there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class RunsCompared:
    """Run B against run A.

    `metrics` are all, as (name, of A, of B); `data` are views that differ and stand against each
    other: of one dataset, in the order in which the runs opened them; `same` are views of both.
    """

    a: Run
    b: Run
    parameters: list[Difference]
    metrics: list[tuple[str, float | None, float | None]]
    environment: list[Difference]
    data: list[tuple[ViewRead, ViewRead]]
    same: list[ViewRead]
    only_a: list[ViewRead]
    only_b: list[ViewRead]


def compare(a: Run, b: Run) -> RunsCompared:
    """Compares two runs that were found with their views."""
    both = {view.version for view in a.views} & {view.version for view in b.views}
    left = [view for view in a.views if view.version not in both]
    right = [view for view in b.views if view.version not in both]
    pairs = []
    for view in list(left):
        other = next((each for each in right if each.dataset_id == view.dataset_id), None)
        if other is not None:
            pairs.append((view, other))
            left.remove(view)
            right.remove(other)
    names = sorted({*a.metrics, *b.metrics})
    return RunsCompared(
        a=a, b=b, parameters=_differences(a.parameters, b.parameters),
        metrics=[(name, a.metrics.get(name), b.metrics.get(name)) for name in names],
        environment=_differences(_environment(a), _environment(b)), data=pairs,
        same=[view for view in a.views if view.version in both], only_a=left, only_b=right,
    )  # fmt: skip


def _environment(run: Run) -> dict[str, str]:
    start = run.start
    found = {"python": start.python, "command": " ".join(start.command)}
    if start.commit is not None:
        found["git commit"] = start.commit + ("" if start.clean else " with changes")
    return {**found, **{f"package {name}": version for name, version in start.packages.items()}}


def _differences(a: Mapping[str, str], b: Mapping[str, str]) -> list[Difference]:
    return [
        Difference(name, a.get(name), b.get(name))
        for name in sorted({*a, *b})
        if a.get(name) != b.get(name)
    ]
