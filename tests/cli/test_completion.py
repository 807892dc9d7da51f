"""Shell completion: what bash is given for a TAB."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dsm.cli.commands import COMMANDS

from .conftest import Runner

ROOT = Path(__file__).resolve().parents[2]


def completed(line: str, folder: Path) -> list[str]:
    """What `dsm` answers when bash asks to complete the last word of the line."""
    words = line.split(" ")
    env = {
        **os.environ, "PYTHONPATH": str(ROOT), "_DSM_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "dsm"], capture_output=True, text=True, env=env, cwd=folder
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_names_are_completed(dsm: Runner, two_changesets: Path) -> None:
    """Commands, options, datasets, tags and settings, by what is typed so far."""
    dsm("dataset", "create", "phonemes")
    dsm("tag", "-d", "x", status=4)
    dsm("-d", "photos", "tag", "v1")
    dsm("switch", "photos")
    dsm("source", "add", "payments", "--driver", "postgresql", "--uri-env", "PAYMENTS_URI")
    here = two_changesets
    assert completed("dsm stat", here) == ["status"]
    assert set(COMMANDS) == set(completed("dsm ", here))
    assert completed("dsm status --e", here) == ["--exit-code"]
    assert completed("dsm dataset cr", here) == ["create"]
    assert completed("dsm status -d pho", here) == ["phonemes", "photos"]
    assert completed("dsm switch phot", here) == ["photos"]
    assert completed("dsm show ", here) == ["head", "v1"]
    assert completed("dsm tag -d ", here) == ["v1"]
    assert completed(f"dsm -C {here} ls --at v", here.parent) == ["v1"]
    assert completed("dsm source test pa", here) == ["payments"]
    assert completed("dsm config get user.n", here) == ["user.name"]
    version = dsm("prepare", "--label", "cat", "--name", "cats").out.strip()
    for command in ("get", "view show", "view rm", "receipts"):
        assert completed(f"dsm {command} ", here) == sorted([version, "cats"])


def test_names_are_those_of_the_dataset_that_is_meant(dsm: Runner, two_changesets: Path) -> None:
    """Completion chooses among several datasets as commands do, and offers nothing when they ask."""
    dsm("tag", "v1")
    for name in ("a", "m", "z"):
        dsm("dataset", "create", name)
    dsm("config", "unset", "core.dataset")
    assert completed("dsm show ", two_changesets) == ["head", "v1"]
    renamed = two_changesets.rename(two_changesets.parent / "other")
    assert "which dataset?" in dsm("-C", str(renamed), "show", status=4).err
    assert completed("dsm show ", renamed) == []


def test_nothing_to_complete_is_silent(tmp_path: Path) -> None:
    """Outside a repository there are no names, and no error on the terminal."""
    assert completed("dsm status -d ", tmp_path) == []
    assert completed("dsm show v", tmp_path) == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_with_our_script(dsm: Runner, tmp_path: Path) -> None:
    """The script that `dsm completion bash` prints makes bash complete a command."""
    (tmp_path / "dsm").write_text(
        f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m dsm "$@"\n'
    )
    (tmp_path / "dsm").chmod(0o755)
    (tmp_path / "script").write_text(dsm("completion", "bash").out)
    steps = (
        "source ./script; COMP_WORDS=(dsm comm); COMP_CWORD=1; _dsm_completion dsm;"
        ' echo "${COMPREPLY[@]}"'
    )
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", steps], capture_output=True, text=True, env=env, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == ("commit\n", "")


def test_other_shells(dsm: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """zsh and fish have scripts, the default is the shell in use, others are refused."""
    assert "compdef" in dsm("completion", "zsh").out
    assert "complete --command dsm" in dsm("completion", "fish").out
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert dsm("completion").out == dsm("completion", "zsh").out
    assert "did you mean fish?" in dsm("completion", "fsh", status=2).err
