"""What a check found: by which rule, of which example, on which line of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dsm.checks.rule import ERROR, Failing, Rule
from dsm.model.names import printable
from dsm.model.verdict import Verdict


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: of an example, or of the whole (`path` is None).

    `value` is what was found there, `line` that of the rule in the contract.
    """

    rule: str
    severity: str
    path: str | None
    value: Any
    text: str
    reason: str | None
    line: int | None

    @property
    def told(self) -> str:
        """It in one line: "cat/1.jpg: it has no bytes"."""
        text = self.text if self.path is None else f"{printable(self.path)}: {self.text}"
        return f"{text} ({printable(self.reason)})" if self.reason else text


@dataclass(frozen=True)
class Ran:
    """One rule that was run, and what fails it."""

    rule: Rule
    failing: tuple[Failing, ...]

    @property
    def count(self) -> int:
        """How many findings it has."""
        return sum(each.count for each in self.failing)

    def findings(self) -> Iterator[Finding]:
        """Yields what it found, example by example."""
        rule = self.rule
        for each in self.failing:
            said = printable(each.text)
            rows = [{"path": None}] if each.rows is None else _rows(each)
            for row in rows:
                value = row.get("value")
                text = said.replace("{}", _shown(value), 1) if "value" in row else said
                yield Finding(
                    rule=rule.name, severity=rule.severity, path=row["path"], value=value,
                    text=text, reason=rule.reason, line=rule.line,
                )  # fmt: skip


def _rows(failing: Failing) -> Iterator[dict[str, Any]]:
    assert failing.rows is not None
    for batch in failing.rows.to_batches(max_chunksize=1 << 14):
        yield from batch.to_pylist()


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    return printable(str(value))[:200]


@dataclass(frozen=True)
class CheckReport:
    """What a check found; `judged` is how many examples it looked at."""

    file: str
    contract_id: str
    judged: int
    ran: tuple[Ran, ...]

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(each.count for each in self.ran if each.rule.severity == ERROR)

    @property
    def warnings(self) -> int:
        """How many findings are warnings."""
        return sum(each.count for each in self.ran) - self.errors

    def fails(self, fail_on: str = ERROR) -> bool:
        """Whether it found an error; with `fail_on` "warning" anything."""
        return bool(self.errors or (fail_on != ERROR and self.warnings))

    def findings(self) -> Iterator[Finding]:
        """Yields all findings, rule by rule in the order of the contract."""
        for each in self.ran:
            yield from each.findings()

    def failing_paths(self) -> list[str]:
        """Returns the examples that fail any rule, sorted, each once."""
        found: set[str] = set()
        for each in self.ran:
            for part in each.failing:
                if part.rows is not None:
                    found.update(part.rows.column("path").to_pylist())
        return sorted(found)

    def verdict(self) -> Verdict:
        """Returns what a changeset keeps of it."""
        return Verdict(self.contract_id, self.errors, self.warnings)


def nothing_judged(file: str | None) -> CheckReport:
    """Returns the report where nothing is staged: no rule has been asked."""
    return CheckReport(file or "dsm.toml", "", 0, ())
