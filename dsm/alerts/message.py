"""What an alert says: names of rules and columns with counts, and nothing of the examples.

Paths, labels and values stay here: an alert goes to other people, through other people's servers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.checks.report import CheckReport
    from dsm.statistics.drift import Drift

RULES_MAX = 20


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
    errors = f"{report.errors:,} error{'s' * (report.errors != 1)}"
    found = [
        f"{ran.rule.severity}: {ran.rule.name} (line {ran.rule.line}), {ran.count:,} findings"
        for ran in report.ran
        if ran.count
    ]
    rest = [f"… and {len(found) - RULES_MAX:,} more rules"] if len(found) > RULES_MAX else []
    subject = f"dsm check of {printable(dataset)} ({printable(what)}) failed: {errors}"
    return Alert(subject, (*found[:RULES_MAX], *rest))


def drifted(a: str, b: str, found: Drift) -> Alert:
    """Returns what is said of drift between two sets of examples."""
    columns = [each for each in found.moved if found.thresholds.decides(each.column)]
    lines = [
        f"{printable(each.column)}: PSI {each.measures['psi'].statistic or 0:.3f}"
        for each in columns[:RULES_MAX]
    ]
    return Alert(f"dsm drift: {len(columns)} columns of {b} differ from {a}", tuple(lines))
