"""The forms of an answer that other programs read: each fits the schema that its readers publish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pyarrow as pa
import pytest

from dsm.answers.check_formats import FINDINGS_MAX, github_lines, junit, markdown, sarif_answer
from dsm.checks.report import CheckReport, Ran
from dsm.checks.rule import Failing
from dsm.checks.rules.attributes import Attribute
from dsm.checks.rules.files import Size
from dsm.checks.rules.labels import Labels

FILE = "my data/dsm,%:1.toml"
EVIL = "a/%0A::error::x,y:z\r\n]]>&amp;<b>\"'\x1b\x00\u202e\ufffe`|*.jpg"
TEXT = "it is {} %\r\n::error file=x::or so\x0b"


def found(*rules: tuple[Any, str, int]) -> CheckReport:
    """A report of rules, of their severities, with so many findings each; all texts are hostile."""
    ran = []
    for line, (kind, severity, count) in enumerate(rules, 2):
        rule = kind(
            {"name": "x"}, severity=severity, reason="100 %, so: no\nmore", on=(), line=line
        )
        rows = pa.table({"path": [f"{n}/{EVIL}" for n in range(count)], "value": [EVIL] * count})
        whole = (Failing(TEXT),) if count == 1 else (Failing(TEXT, rows),) if count else ()
        ran.append(Ran(rule, whole))
    return CheckReport(FILE, "0" * 64, 10, tuple(ran))


@pytest.fixture(scope="module")
def report() -> CheckReport:
    many = FINDINGS_MAX + 50
    return found((Size, "error", many), (Labels, "warning", 2), (Attribute, "error", 0), (Attribute, "error", 1))  # fmt: skip


# --- SARIF ---------------------------------------------------------------------------------------


def record(needed: str, **members: Any) -> dict[str, Any]:
    """A JSON object with these members and no others."""
    return {"type": "object", "additionalProperties": False, "required": needed.split(),
            "properties": members}  # fmt: skip


# What sarif-schema-2.1.0.json (OASIS, SARIF 2.1.0 with errata 01) says of the objects that dsm writes.
TEXTUAL = {"type": "string"}
MESSAGE = record("text", text=TEXTUAL)
LOCATION = record(
    "",
    physicalLocation=record(
        "artifactLocation",
        artifactLocation=record("uri", uri={"type": "string", "format": "uri-reference"}),
        region=record("startLine", startLine={"type": "integer", "minimum": 1}),
    ),
    logicalLocations={
        "type": "array", "uniqueItems": True,
        "items": record("", fullyQualifiedName=TEXTUAL, kind=TEXTUAL),
    },
)  # fmt: skip
RESULT = record(
    "message", ruleId=TEXTUAL, message=MESSAGE,
    level={"enum": ["none", "note", "warning", "error"]},
    locations={"type": "array", "items": LOCATION},
)  # fmt: skip
DESCRIPTOR = record("id", id=TEXTUAL, shortDescription=MESSAGE)
DRIVER = record(
    "name", name=TEXTUAL, version=TEXTUAL,
    rules={"type": "array", "uniqueItems": True, "items": DESCRIPTOR},
)  # fmt: skip
RUN = record(
    "tool", tool=record("driver", driver=DRIVER), properties={"type": "object"},
    results={"type": "array", "items": RESULT},
)  # fmt: skip
SARIF = record(
    "version runs", version={"enum": ["2.1.0"]}, runs={"type": "array", "items": RUN},
    **{"$schema": {"type": "string", "format": "uri"}},
)  # fmt: skip


def test_sarif_fits_its_schema(report: CheckReport) -> None:
    """Every object has the members that it needs and no others, each of its type, also of nothing."""
    for each in (report, found()):
        log = json.loads(json.dumps(sarif_answer("data", each)))
        jsonschema.Draft7Validator(SARIF).validate(log)
    log = sarif_answer("data", report)
    (run,) = log["runs"]
    assert len(run["results"]) == FINDINGS_MAX + 3
    assert {each["ruleId"] for each in run["results"]} <= {
        each["id"] for each in run["tool"]["driver"]["rules"]
    }
    place = run["results"][0]["locations"][0]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "my%20data/dsm%2C%25%3A1.toml"}, "region": {"startLine": 2},
    }  # fmt: skip
    assert place["logicalLocations"][0]["fullyQualifiedName"] == f"0/{EVIL}"


# --- JUnit ---------------------------------------------------------------------------------------

# What junit-10.xsd says, by which the xUnit plugin of Jenkins accepts or refuses a report:
# for each element its attributes (the needed ones with a star) and what it may contain.
COUNTS = {"tests*", "failures*", "errors*"}
JUNIT: dict[str, tuple[set[str], set[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name*", "group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"} | COUNTS,
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"name*", "time", "classname", "group"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}  # fmt: skip


def unfit(element: ElementTree.Element) -> list[str]:
    """Returns what the schema of JUnit does not know of an element, and of those in it."""
    allowed, inside = JUNIT[element.tag]
    needed = {name[:-1] for name in allowed if name.endswith("*")}
    names = set(element.keys())
    wrong = [f"{element.tag}: {name}" for name in names - {name.rstrip("*") for name in allowed}]
    wrong += [f"{element.tag} without {name}" for name in needed - names]
    wrong += [f"{element.tag}: <{each.tag}>" for each in element if each.tag not in inside]
    return wrong + [text for each in element if each.tag in inside for text in unfit(each)]


def test_junit_fits_its_schema(report: CheckReport) -> None:
    """Elements and attributes are those of the schema; no two test cases have one name; what XML
    cannot hold is replaced, and the rest is told as it is."""
    for each in (report, found()):
        root = ElementTree.fromstring(junit("data", each).encode())
        assert (root.tag, unfit(root)) == ("testsuites", [])
    root = ElementTree.fromstring(junit("data", report).encode())
    (suite,) = root
    assert suite.attrib == {"name": "data", "tests": "4", "failures": "2", "errors": "0", "file": FILE}  # fmt: skip
    names = [case.get("name") for case in suite]
    assert names == ["size", "labels", "attribute (line 4)", "attribute (line 5)"]
    assert [[each.tag for each in case] for case in suite] == [["failure"], ["system-out"], [], ["failure"]]  # fmt: skip
    failure = suite[0][0]
    assert failure.get("message") == f"150 findings ({FILE}:2)"
    lines = (failure.text or "").splitlines()
    assert lines[-1] == "… and 50 more"
    assert "]]>&amp;<b>" in lines[0]


# --- GitHub and Markdown -------------------------------------------------------------------------


def unescaped(text: str) -> str:
    """What the runner of GitHub Actions makes of the escapes of a command."""
    for escape, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escape, char)
    return text


def test_no_text_breaks_out_of_an_annotation(report: CheckReport) -> None:
    """Each is one line with a file, a line and a title, and says what the finding says."""
    lines = github_lines(report)
    assert len(lines) == 10 + 1 + 2 + 1
    findings = list(report.findings())
    for line, finding in ((lines[0], findings[0]), (lines[-1], findings[-1])):
        assert len(line.splitlines()) == 1
        command, _, text = line.removeprefix("::").partition("::")
        kind, _, properties = command.partition(" ")
        assert kind == "error"
        found = dict(each.split("=", 1) for each in properties.split(","))
        assert unescaped(found["file"]) == FILE
        assert (found["line"], unescaped(found["title"])) == (
            str(finding.line), f"dsm check: {finding.rule}",
        )  # fmt: skip
        assert unescaped(text) == finding.told
    assert lines[10].endswith("::… and 140 more")
    assert all(finding.told.isprintable() or "\ufffe" in finding.told for finding in findings)


def test_no_text_breaks_out_of_a_summary(report: CheckReport) -> None:
    """A finding is one line of Markdown in which nothing is markup."""
    text = markdown("data", report, "error")
    told = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(told) == 20 + 1 + 2 + 1
    assert "\n::error" not in text and "<b>" not in text.replace("\\<b\\>", "")


def test_places_are_named_from_the_top_of_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that runs in a folder annotates the file where the forge has it."""
    from dsm.cli.check import _in_workspace

    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
        monkeypatch.delenv("CI_PROJECT_DIR", raising=False)
        assert _in_workspace("dsm.toml") == "dsm.toml"
        monkeypatch.setenv(name, str(tmp_path))
        assert _in_workspace("dsm.toml") == "data/dsm.toml"
        monkeypatch.setenv(name, str(tmp_path / "other"))
        assert _in_workspace("dsm.toml") == "dsm.toml"
