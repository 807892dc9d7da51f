"""What an alert says: names of rules and columns with counts, and nothing of the examples.

Paths, labels and values stay here: an alert goes to other people, through other people's servers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsm.model.names import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dsm.checks.gate import ChecksFailed
    from dsm.checks.metrics import Judged
    from dsm.checks.report import CheckReport
    from dsm.statistics.drift import Drift

RULES_MAX = 20
ERROR = "error"


@dataclass(frozen=True, slots=True)
class Alert:
    """A message: one line of what happened, and lines of what it was."""

    subject: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join([self.subject, *self.lines])


def failed_check(dataset: str, what: str, report: CheckReport) -> Alert:
    """Returns what is said of a check that failed; `what` is what was checked."""
    found = [
        _rule(ran.rule.severity, ran.rule.name, ran.rule.line, ran.count)
        for ran in report.ran
        if ran.count
    ]
    errors = _count(report.errors, "error")
    subject = f"dsm check of {printable(dataset)} ({printable(what)}) failed: {errors}"
    return Alert(subject, _some(found))


def failed_commit(dataset: str, error: ChecksFailed) -> Alert:
    """Returns what is said of a commit that the rules of the contract stopped."""
    found = [_rule(ERROR, *each) for each in error.rules]
    errors = _count(sum(count for _, _, count in error.rules), ERROR)
    subject = f"dsm commit to {printable(dataset)} was stopped by its contract: {errors}"
    return Alert(subject, _some(found))


def failed_metrics(found: Sequence[Judged]) -> Alert:
    """Returns what is said of metrics that a gate does not let pass."""
    failed = [each for each in found if each.fails]
    subject = f"dsm check --metrics failed: {len(failed)} of {_count(len(found), 'condition')}"
    return Alert(subject, _some([printable(each.condition) for each in failed]))


def _rule(severity: str, name: str, line: int | None, count: int) -> str:
    return f"{severity}: {name} (line {line}), {_count(count, 'finding')}"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _some(lines: list[str]) -> tuple[str, ...]:
    more = len(lines) - RULES_MAX
    return (*lines[:RULES_MAX], *([f"… and {more:,} more"] if more > 0 else []))


def drifted(a: str, b: str, found: Drift) -> Alert:
    """Returns what is said of drift between two sets of examples."""
    columns = [each for each in found.moved if found.thresholds.decides(each.column)]
    lines = [
        f"{printable(each.column)}: PSI {each.measures['psi'].statistic or 0:.3f}"
        for each in columns[:RULES_MAX]
    ]
    count = len(columns)
    verb = "differs" if count == 1 else "differ"
    return Alert(f"dsm drift: {_count(count, 'column')} of {b} {verb} from {a}", tuple(lines))
