"""A report as Markdown, for a pull request: the same figures, without pictures."""

from __future__ import annotations

from collections.abc import Iterator

from dsm.model.markdown import plain
from dsm.model.sizes import count_text
from dsm.report.charts import percent
from dsm.report.gather import Report
from dsm.statistics.words import moves, value_text

LABELS_MAX, FINDINGS_MAX = 20, 10


def markdown(report: Report) -> str:
    """Returns the Markdown of a report."""
    lines = [f"## dsm report: {plain(report.of.words)}", ""]
    examples = count_text(report.summary.examples, "example")
    lines.append(f"{examples} of dataset {plain(report.of.dataset)}.")
    parts = (_changes(report), _drift(report), _checks(report), _labels(report), _numbers(report))
    return "\n".join([*lines, *(line for part in parts for line in part)])


def _changes(report: Report) -> Iterator[str]:
    if report.changes is not None:
        told = [f"{count:,} {name}" for name, count, _ in report.changes.kinds if count]
        yield ""
        yield f"Since {plain(report.changes.since)}: {', '.join(told) or 'nothing changed'}."


def _drift(report: Report) -> Iterator[str]:
    found = report.drift
    if found is None:
        return
    names = [each.column for each in found.moved if found.thresholds.decides(each.column)]
    verdict = f"drifted: {', '.join(map(plain, names))}" if names else "no drift"
    yield from ("", f"### Against {plain(report.against or '')}: {verdict}", "")
    yield "| column | drifted | p-value | PSI | what moved |"
    yield "|---|---|---:|---:|---|"
    for column in found.columns:
        psi = column.measures["psi"].statistic
        figures = ("-" if f is None else f"{f:.3g}" for f in (column.corrected, psi))
        moved = plain("; ".join(moves(column, found.thresholds)))
        said = "yes" if column.drifted(found.thresholds) else "no"
        yield f"| {plain(column.column)} | {said} | {' | '.join(figures)} | {moved} |"


def _checks(report: Report) -> Iterator[str]:
    checks = report.checks
    if checks is None:
        return
    verdict = "failed" if checks.fails() else "passed"
    yield from ("", f"### Rules: {verdict}", "", "| rule | severity | findings |", "|---|---|---:|")
    for ran in checks.ran:
        yield f"| {ran.rule.name} | {ran.rule.severity} | {ran.count:,} |"
    for at, ran in enumerate(checks.ran):
        found = report.findings.get(at, ())
        if found:
            yield ""
            yield from (f"- {ran.rule.name}: {plain(each.told)}" for each in found[:FINDINGS_MAX])
            if ran.count > FINDINGS_MAX:
                yield f"- … and {ran.count - FINDINGS_MAX:,} more"


def _labels(report: Report) -> Iterator[str]:
    column = report.summary["labels"]
    if not column.counts:
        return
    yield from ("", "### Labels", "", "| label | examples | share |", "|---|---:|---:|")
    for value, count in column.counts[:LABELS_MAX]:
        yield f"| {plain(value)} | {count:,} | {percent(count / column.examples)} |"
    if len(column.counts) > LABELS_MAX:
        yield f"| … and {len(column.counts) - LABELS_MAX:,} more | | |"


def _numbers(report: Report) -> Iterator[str]:
    yield from ("", "### Numbers", "", "| column | missing | min | median | max |")
    yield "|---|---:|---:|---:|---:|"
    for column in report.summary.columns:
        if column.numbers is not None:
            told = (column.numbers.quantiles[at] for at in (0, 4, 8))
            cells = " | ".join(value_text(value, column.column, column.kind) for value in told)
            yield f"| {plain(column.column)} | {column.missing:,} | {cells} |"
