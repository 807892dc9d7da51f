"""What a check found, in the forms that forges and CI systems read: JUnit, SARIF, Markdown, and
the annotations of GitHub. Each takes at most `FINDINGS_MAX` findings of a rule."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dsm.model.markdown import plain
from dsm.model.sizes import count_text
from dsm.version import __version__

if TYPE_CHECKING:
    from dsm.checks.report import CheckReport, Finding, Ran

FINDINGS_MAX = 100
_NO_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;"})
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def _some(ran: Ran) -> Iterator[Finding]:
    return islice(ran.findings(), FINDINGS_MAX)


def _more(ran: Ran) -> str:
    more = ran.count - FINDINGS_MAX
    return f"… and {more:,} more" if more > 0 else ""


def junit(dataset: str, report: CheckReport) -> str:
    """Returns a JUnit document: a test case for each rule, which fails with what it found."""
    failed = sum(1 for ran in report.ran if ran.failing and ran.rule.severity == "error")
    head = f'tests="{len(report.ran)}" failures="{failed}" errors="0"'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuites name="dsm check" {head}>']
    # Jenkins refuses what its schema does not know: a test case has no file and no line.
    lines.append(f'  <testsuite name="{_xml(dataset)}" {head} file="{_xml(report.file)}">')
    names = Counter(ran.rule.name for ran in report.ran)
    for ran in report.ran:
        # Readers keep one of the test cases that have one name.
        name = ran.rule.name
        if names[name] > 1:
            name += f" (line {ran.rule.line})"
        case = f'classname="{_xml(dataset)}" name="{_xml(name)}"'
        if not ran.failing:
            lines.append(f"    <testcase {case}/>")
            continue
        found = [each.told for each in _some(ran)]
        text = _xml("\n".join([*found, *([_more(ran)] if _more(ran) else [])]))
        kind = "failure" if ran.rule.severity == "error" else "system-out"
        place = f"{report.file}:{ran.rule.line}"
        told = _xml(f"{ran.count:,} finding{'s' * (ran.count != 1)} ({place})")
        said = f' message="{told}"' if kind == "failure" else ""
        lines += [f"    <testcase {case}>", f"      <{kind}{said}>{text}</{kind}>"]
        lines.append("    </testcase>")
    return "\n".join([*lines, "  </testsuite>", "</testsuites>"])


def _xml(text: str) -> str:
    return _NO_XML.sub("\ufffd", text).translate(_XML)


def sarif_answer(dataset: str, report: CheckReport) -> dict[str, Any]:
    """Returns a SARIF 2.1.0 log: a result for each finding, at the rule's line of the contract."""
    kinds = {ran.rule.name: ran.rule for ran in report.ran}
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "dsm",
                        "version": __version__,
                        "rules": [
                            {"id": name, "shortDescription": {"text": rule.about}}
                            for name, rule in kinds.items()
                        ],
                    }
                },
                "properties": {"dataset": dataset},
                "results": [
                    _result(report.file, each) for ran in report.ran for each in _some(ran)
                ],
            }
        ],
    }


def _result(file: str, finding: Finding) -> dict[str, Any]:
    logical = (
        [] if finding.path is None else [{"fullyQualifiedName": finding.path, "kind": "member"}]
    )
    place: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(file)},
            "region": {"startLine": finding.line or 1},
        }
    }
    if logical:
        place["logicalLocations"] = logical
    return {
        "ruleId": finding.rule,
        "level": finding.severity,
        "message": {"text": finding.told},
        "locations": [place],
    }


def _uri(file: str) -> str:
    return quote(os.fsencode(file))


def markdown(dataset: str, report: CheckReport, fail_on: str) -> str:
    """Returns the report for a pull request: a table of the rules, then what they found."""
    verdict = "failed" if report.fails(fail_on) else "passed"
    lines = [
        f"## dsm check: {plain(dataset)} {verdict}",
        "",
        f"{count_text(report.judged, 'example')}, {count_text(report.errors, 'error')},"
        f" {count_text(report.warnings, 'warning')}.",
    ]
    if report.ran:
        lines += ["", "| rule | severity | findings |", "|---|---|---:|"]
        lines += [f"| {r.rule.name} | {r.rule.severity} | {r.count:,} |" for r in report.ran]
    for ran in report.ran:
        if ran.failing:
            lines += ["", f"### {ran.rule.name} ({plain(report.file)}:{ran.rule.line})", ""]
            lines += [f"- {plain(each.told)}" for each in islice(ran.findings(), 20)]
            lines += [f"- … and {ran.count - 20:,} more"] if ran.count > 20 else []
    return "\n".join(lines)


def github_lines(report: CheckReport) -> list[str]:
    """Returns the lines that GitHub Actions shows beside the contract: ten of each rule."""
    lines = []
    for ran in report.ran:
        place = f"file={_property(report.file)},line={ran.rule.line or 1}"
        title = f"title={_property('dsm check: ' + ran.rule.name)}"
        for each in islice(ran.findings(), 10):
            lines.append(f"::{each.severity} {place},{title}::{_data(each.told)}")
        if ran.count > 10:
            text = f"… and {ran.count - 10:,} more"
            lines.append(f"::{ran.rule.severity} {place},{title}::{text}")
    return lines


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
