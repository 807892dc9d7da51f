"""Checks: what `dsm check` answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsm.checks.metrics import Judged
    from dsm.checks.report import CheckReport, Finding
    from dsm.checks.schema_diff import SchemaChange


def finding_fields(file: str, finding: Finding) -> dict[str, Any]:
    """Returns one finding; the value as text."""
    value = finding.value
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "path": finding.path,
        "value": None if value is None else str(value),
        "text": finding.text,
        "reason": finding.reason,
        "file": file,
        "line": finding.line,
    }


def check_answer(dataset: str, report: CheckReport, fail_on: str) -> dict[str, Any]:
    """Returns what `dsm check` answers: the counts by rule, then every finding."""
    return {
        "dataset": dataset,
        "contract": report.contract_id,
        "file": report.file,
        "passed": not report.fails(fail_on),
        "judged": report.judged,
        "errors": report.errors,
        "warnings": report.warnings,
        "rules": [
            {
                "rule": ran.rule.name,
                "severity": ran.rule.severity,
                "reason": ran.rule.reason,
                "line": ran.rule.line,
                "findings": ran.count,
            }
            for ran in report.ran
        ],
        "findings": _findings(report),
    }


def metrics_answer(file: str, judged: Sequence[Judged]) -> dict[str, Any]:
    """Returns what `dsm check --metrics` answers."""
    return {
        "metrics": file,
        "passed": not any(each.fails for each in judged),
        "conditions": [
            {
                "condition": each.condition,
                "fails": each.fails,
                "values": [
                    {"name": name, "value": value if isfinite(value) else None}
                    for name, value in each.values
                ],
                "reason": each.why,
            }
            for each in judged
        ],
    }


def schema_diff_answer(dataset: str, found: Iterable[SchemaChange]) -> dict[str, Any]:
    """Returns what `dsm check --schema-diff` answers."""
    return {
        "dataset": dataset,
        "changes": [
            {
                "kind": change.kind,
                "rule": change.rule,
                "text": change.text,
                "line": change.line,
                "findings": change.findings,
                "paths": list(change.paths),
            }
            for change in found
        ],
    }


def _findings(report: CheckReport) -> Iterator[dict[str, Any]]:
    for each in report.findings():
        yield finding_fields(report.file, each)
