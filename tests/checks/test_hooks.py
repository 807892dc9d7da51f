"""Gates where data enters: a hook of git, and the scripts of the how-to page, as they are written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from situations import Work

from dsm.cli import fast

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/keep-a-contract.md").read_text()
*_, HOOK, SCRIPT = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CONTRACT = "[dataset.data.rules]\nsize = {}\n"


@pytest.fixture
def shell(work: Work, tmp_path: Path) -> dict[str, str]:
    """A repository with a contract and one good example, and what a shell needs to run dsm."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "dsm").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dsm "$@"\n')
    (bin_folder / "dsm").chmod(0o755)
    work.path("dsm.toml").write_text(CONTRACT)
    work.commit("good", **{"good.txt": "x"})
    identity = dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "Ada")
    emails = dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "ada@example.org")
    return {
        **os.environ, **identity, **emails, "PYTHONPATH": str(ROOT),
        "PATH": f"{bin_folder}:{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": "/dev/null",
    }  # fmt: skip


def run(work: Work, shell: dict[str, str], *words: str) -> tuple[int, str]:
    done = subprocess.run(
        words, cwd=work.root, env=shell, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_hook_of_git_stops_a_commit(work: Work, shell: dict[str, str]) -> None:
    """git commits nothing while what is staged breaks the contract; the example and the rule are
    named. Mended, it commits."""
    run(work, shell, "git", "init", "-q", ".")
    hook = work.path(".git/hooks/pre-commit")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK)
    hook.chmod(0o755)
    run(work, shell, "git", "add", "dsm.toml")
    work.ds.add({"empty.txt": b""})
    status, said = run(work, shell, "git", "commit", "-m", "no")
    assert (status, "empty.txt: it has no bytes" in said, "size" in said) == (1, True, True)
    assert run(work, shell, "git", "log")[0] != 0
    work.ds.unstage()
    assert run(work, shell, "git", "commit", "-q", "-m", "yes")[0] == 0


def test_the_script_of_the_page(work: Work, shell: dict[str, str]) -> None:
    """It prints the table and hands on the exit status."""
    assert run(work, shell, "sh", "-c", SCRIPT) == (0, work.path("check.md").read_text())
    work.ds.add({"empty.txt": b""})
    work.ds.commit("bad", verify=False)
    status, said = run(work, shell, "sh", "-c", SCRIPT)
    assert (status, "| size | error | 1 |" in said) == (1, True)
    work.path("dsm.toml").write_text("[")
    assert run(work, shell, "sh", "-c", SCRIPT)[0] == 2


def test_hooks_of_pre_commit_are_commands() -> None:
    """Every entry of .pre-commit-hooks.yaml is a command line of this dsm."""
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    entries = re.findall(r"^  entry: dsm (.+)$", text, re.MULTILINE)
    assert entries == ["check --staged", "lock --exit-code", "status --exit-code --short"]
    assert re.findall(r"^- id: (.+)$", text, re.MULTILINE) == [
        "dsm-check",
        "dsm-lock",
        "dsm-status",
    ]
    assert fast.parse(entries[2].split()) is not None
