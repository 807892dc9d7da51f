"""dsm check: exit statuses, forms of the answer, and what it judges."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .conftest import Runner, write

CONTRACT = """\
[dataset.photos.rules]
size.max = "4 B"
duplicates = { severity = "warning", reason = "they count twice" }

[dataset.photos.rules.labels]
vocabulary = ["cat"]
"""
EVIL = "cat/<b>&]]>\x07::error::`x`|.txt"


@pytest.fixture
def checked(dsm: Runner, empty_repo: Path) -> Path:
    """A changeset that fits, one with too large a file and a duplicate, and something staged."""
    write(empty_repo / "dsm.toml", CONTRACT)
    dsm("add", "-q", "--label", "cat", *[_put(empty_repo / "cat/1.txt", "one")])
    dsm("commit", "-q", "-m", "first", "cat/1.txt")
    write(empty_repo / "cat/2.txt", "one")
    write(empty_repo / "cat/3.txt", "three")
    dsm("add", "-q", "--label", "cat", "cat")
    dsm("commit", "-q", "-m", "second")
    dsm("tag", "-q", "v1", "1")
    return empty_repo


def _put(path: Path, text: str) -> str:
    write(path, text)
    return str(path)


def test_findings_and_exit_statuses(dsm: Runner, checked: Path) -> None:
    """1 with errors, 0 with warnings alone unless --fail-on warning, 4 without a contract."""
    said = dsm("check", status=1)
    assert said.lines == [
        "error: size, 1 finding (dsm.toml:2)",
        "  cat/3.txt: 5 bytes are more than 4",
        "warning: duplicates, 1 finding (dsm.toml:3)",
        "  cat/2.txt: it has the same content as cat/1.txt (they count twice)",
    ]
    assert said.err == "3 rules over 3 examples: 1 error, 1 warning\n"
    assert dsm("check", "1").lines == []
    dsm("check", "--only", "duplicates")
    dsm("check", "--only", "duplicates", "--fail-on", "warning", status=1)
    dsm("check", "--fail-on", "anything", status=2)
    dsm("check", "--json", "--junit", status=2)
    assert "did you mean size?" in dsm("check", "--only", "sze", status=4).err
    assert "no contract" in dsm("check", "--rules", "other.toml", status=4).err
    write(checked / "other.toml", "[dataset.words.rules]\nsize = {}\n")
    assert "no rules for dataset photos" in dsm("check", "--rules", "other.toml", status=2).err
    write(checked / "dsm.toml", "[dataset.photos.rules]\nsize.mx = 1\n")
    assert dsm("check", status=2).err.splitlines()[:2] == [
        "error: dsm.toml has 1 mistake",
        "  dsm.toml:2: rule size has no 'mx'; did you mean max?",
    ]


def test_what_is_judged(dsm: Runner, checked: Path) -> None:
    """A range and the stage are judged by what they put, a view by what it holds."""

    def found(*words: str) -> list[tuple[str, str]]:
        answer = dsm.run(["check", *words, "--json"]).json
        return [(each["rule"], each["path"]) for each in answer["findings"]]

    assert found("v1..") == [("size", "cat/3.txt"), ("duplicates", "cat/2.txt")]
    assert found("2..head") == []
    dsm("prepare", "-q", "--path", "cat/3.txt", "--name", "third")
    assert found("third") == [("size", "cat/3.txt")]
    dsm("check", "head..v1", status=2)
    dsm("check", "nothing", status=4)
    assert dsm("check", "--staged").err == "nothing is staged, so nothing was checked\n"
    write(checked / "cat/4.txt", "")
    dsm("add", "-q", "cat/4.txt")
    assert found("--staged") == [("size", "cat/4.txt")]
    dsm("check", "--staged", "v1", status=2)


def test_failing_paths_of_any_name_come_back(dsm: Runner, empty_repo: Path) -> None:
    """`label` and `rm` read the file of --failing, and `prepare` picks by it, also where a line breaks
    within a path."""
    names = ["a\nb.txt", "\rc.txt", " d.txt", '"e".txt', "#f.txt"]
    for name in names:
        write(empty_repo / name, name * 3)
    dsm("add", "-q", *names)
    dsm("commit", "-q", "-m", "odd names")
    write(empty_repo / "dsm.toml", '[dataset.photos.rules]\nsize.max = "1 B"\n')
    dsm("check", "--failing", "bad.txt", status=1)
    dsm("prepare", "--pick", "bad.txt", "--name", "bad")
    assert json.loads(dsm("view", "show", "bad", "--json").out)["examples"] == len(names)
    dsm("label", "-q", "--set", "bad", "--from-file", "bad.txt")
    dsm("rm", "-q", "--keep-files", "--from-file", "bad.txt")
    dsm("commit", "-q", "-m", "none of them")
    assert json.loads(dsm("ls", "--json").out)["examples"] == []


def test_failing_paths_are_written_to_a_new_file(dsm: Runner, checked: Path) -> None:
    """One path a line, sorted; a file that is there, or a place in .dsm, is refused."""
    dsm("check", "--failing", "bad.txt", status=1)
    assert (checked / "bad.txt").read_text() == "cat/2.txt\ncat/3.txt\n"
    assert "is there already" in dsm("check", "--failing", "bad.txt", status=2).err
    dsm("check", "--failing", ".dsm/bad.txt", status=2)
    assert not (checked / ".dsm/bad.txt").exists()
    dsm("rm", "--from-file", "nowhere.txt", status=4)
    said = dsm("rm", "-n", "--from-file", "bad.txt")
    assert (said.lines, said.err) == (["rm cat/2.txt", "rm cat/3.txt"], "would remove 2 examples\n")
    dsm("rm", "-q", "--keep-files", "--from-file", "bad.txt")
    dsm("check", "--staged")
    (checked / "none.txt").write_text("")
    assert dsm("rm", "--from-file", "none.txt").err == ""


def test_forms_that_forges_read(
    dsm: Runner, checked: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each form says the finding, and no name of a file breaks out of it."""
    write(checked / EVIL, "large")
    dsm("add", "-q", "--label", "cat", "cat")
    dsm("commit", "-q", "-m", "third")
    suite = ElementTree.fromstring(dsm("check", "--junit", status=1).out)
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    assert [child.tag for child in cases["duplicates"]] == ["system-out"]
    (failure,) = cases["size"]
    assert failure.tag == "failure" and "<b>&]]>" in (failure.text or "")
    log = json.loads(dsm("check", "--sarif", status=1).out)
    results = log["runs"][0]["results"]
    assert [(each["ruleId"], each["level"]) for each in results] == [
        ("size", "error"), ("size", "error"), ("duplicates", "warning"),
    ]  # fmt: skip
    region = results[0]["locations"][0]["physicalLocation"]
    assert region == {"artifactLocation": {"uri": "dsm.toml"}, "region": {"startLine": 2}}
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    said = dsm("check", "--github", status=1)
    assert [re.sub("::.*", "", line[2:]) for line in said.lines] == [
        "error file=dsm.toml,line=2,title=dsm check%3A size",
        "error file=dsm.toml,line=2,title=dsm check%3A size",
        "warning file=dsm.toml,line=3,title=dsm check%3A duplicates",
    ]
    assert summary.read_text().rstrip() == dsm("check", "--markdown", status=1).out.rstrip()
    assert "<b>" not in summary.read_text()


def test_a_first_contract(dsm: Runner, checked: Path) -> None:
    """--init writes one beside .dsm that the data pass, and never over one that is there."""
    assert "is there already" in dsm("check", "--init", status=2).err
    (checked / "dsm.toml").unlink()
    dsm("check", "--init")
    assert dsm("check").err == "6 rules over 3 examples: 0 errors, 0 warnings\n"
    text = (checked / "dsm.toml").read_text()
    assert "# duplicates = {}" in text and 'vocabulary = ["cat"]' in text


def test_the_gate_of_a_commit(dsm: Runner, checked: Path) -> None:
    """A rule for commits stops one with status 1; --no-verify lets it pass, and log says so."""
    write(checked / "dsm.toml", CONTRACT.replace('"4 B"', '"4 B"\nsize.on = "commit"'))
    write(checked / "cat/9.txt", "large")
    dsm("add", "-q", "cat/9.txt")
    said = dsm("commit", "-m", "no", status=1)
    assert said.err.splitlines()[:2] == [
        "nothing was committed: the contract finds 1 error",
        "  size (dsm.toml:2): cat/9.txt: 5 bytes are more than 4",
    ]
    dsm("commit", "-q", "-m", "anyway", "--no-verify")
    assert "Checks: skipped" in dsm("log", "-n", "1").lines
    write(checked / "cat/8.txt", "tiny")
    dsm("add", "-q", "cat/8.txt")
    dsm("commit", "-q", "-m", "good")
    assert "Checks: passed" in dsm("show").lines
    assert dsm("prepare", "--only-passed", "--json").json["examples"] == 1
