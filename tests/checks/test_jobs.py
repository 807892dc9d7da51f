"""The jobs of docs/how-to/use-in-ci.md: their shell steps run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from situations import Work

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/use-in-ci.md").read_text()
JOBS = dict(re.findall(r"^<!-- job: (\w+) -->\n```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def shell(work: Work, tmp_path: Path) -> dict[str, str]:
    """A repository with a contract and one good example, and a shell that finds dsm and a pip that
    has nothing to do."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("dsm", f'exec "{sys.executable}" -m dsm "$@"'), ("pip", "exit 0")):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    work.path("dsm.toml").write_text("[dataset.data.rules]\nsize = {}\n")
    work.commit("good", **{"good.txt": "x"})
    return {
        **os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{programs}:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }  # fmt: skip


def run(work: Work, shell: dict[str, str], *steps: str) -> tuple[int, str]:
    """Runs steps as a runner does: each by a shell that stops at the first failure."""
    said = ""
    for step in steps:
        done = subprocess.run(
            ["sh", "-e", "-c", step],
            cwd=work.root, env=shell, capture_output=True, text=True, check=False,
        )  # fmt: skip
        said += done.stdout
        if done.returncode:
            return done.returncode, said
    return 0, said


def worsened(work: Work) -> None:
    work.ds.add({"empty.txt": b""})
    work.ds.commit("bad", verify=False)


def test_the_script(work: Work, shell: dict[str, str]) -> None:
    """It prints the table, and hands on 0, 1 and the status of a mistake."""
    assert run(work, shell, JOBS["script"]) == (0, work.path("dsm-check.md").read_text())
    worsened(work)
    status, said = run(work, shell, JOBS["script"])
    assert (status, "| size | error | 1 |" in said, "empty.txt" in said) == (1, True, True)
    work.path("dsm.toml").write_text("[")
    assert run(work, shell, JOBS["script"])[0] == 2


def test_github_actions(work: Work, shell: dict[str, str]) -> None:
    """The steps pass; a bad example is annotated at its rule's line and stands in the summary; data
    that is not that of the lock fails."""
    job: Any = yaml.safe_load(JOBS["github"])
    assert list(job[True]) == ["push", "pull_request"]  # "on", as YAML reads it
    steps = [step["run"] for step in job["jobs"]["check"]["steps"] if "run" in step]
    work.repo.lock()
    assert run(work, shell, *steps) == (0, "")
    worsened(work)
    status, said = run(work, shell, *steps)
    assert (status, said.startswith("::error file=dsm.toml,line=2,")) == (1, True)
    assert "empty.txt" in Path(shell["GITHUB_STEP_SUMMARY"]).read_text()
    work.ds.remove(["empty.txt"], keep_files=True)
    work.ds.commit("mended")
    assert run(work, shell, *steps[:2])[0] == 0
    assert run(work, shell, *steps)[0] == 1


def test_gitlab(work: Work, shell: dict[str, str]) -> None:
    """The report that the job keeps is there in either case, and says what failed."""
    job: Any = yaml.safe_load(JOBS["gitlab"])["check-data"]
    report = job["artifacts"]["reports"]["junit"]
    lines = [*job["before_script"], *job["script"]]
    assert run(work, shell, *lines) == (0, "")
    worsened(work)
    assert run(work, shell, *lines) == (1, "")
    (failure,) = ElementTree.parse(work.path(report)).getroot().iter("failure")
    assert "empty.txt: it has no bytes" in (failure.text or "")
