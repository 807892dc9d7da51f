"""Shell completion: what bash is given for a TAB."""

from __future__ import annotations

import os
import select
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
    assert completed("dsm statu", here) == ["status"]
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


@pytest.fixture
def described(dsm: Runner, empty_repo: Path) -> Path:
    """A repository whose examples have labels and attributes, some of which are no plain words."""
    (empty_repo / "labels.csv").write_text(
        "path,label,width,breed\na,cat,1,x\nb,catfish,2,y\nc,dog,3,z\nd,black cat,4,z\n"
    )
    for name in "abcd":
        (empty_repo / name).write_text(name)
    dsm("add", "--labels", "labels.csv", "a", "b", "c", "d")
    dsm("commit", "-m", "all")
    return empty_repo


def test_what_examples_are_told_of_is_completed(dsm: Runner, described: Path) -> None:
    """Labels, lists of them, attributes and targets; numbers of changesets where one is begun."""
    for line, expected in {
        "prepare --label c": ["cat", "catfish"],
        "prepare -l d": ["dog"],
        "prepare --exclude-label ca": ["cat", "catfish"],
        "prepare --where w": ["width"],
        "prepare --where 's": ["size"],
        "prepare --target ": ["labels", "attr.breed", "attr.width"],
        "prepare --classes dog,": ["dog,cat", "dog,catfish"],
        "dataset set --classes do": ["dog"],
        "dataset set --target l": ["labels"],
        "ls --label do": ["dog"],
        "ls --where b": ["breed"],
        "label a --add c": ["cat", "catfish"],
        "label a --remove dog": ["dog"],
        "label a --attr w": ["width"],
        "add --label d": ["dog"],
        "show 1": ["1"],
        "revert 9": [],
    }.items():
        assert completed(f"dsm {line}", described) == expected


def test_completion_is_silent_whatever_is_wrong(dsm: Runner, described: Path) -> None:
    """A damaged repository completes nothing, and writes nothing over the line being typed."""
    folder = described / ".dsm" / "datasets" / "photos" / "changesets"
    for path in [*folder.rglob("*")]:
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"\x00")
    for line in ("prepare --label c", "prepare --where w"):
        assert completed(f"dsm {line}", described) == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_a_condition_in_quotes_is_completed_in_bash(
    dsm: Runner, described: Path, tmp_path: Path
) -> None:
    """In an interactive bash TAB completes the attribute behind an open quote."""
    import pty

    (tmp_path / "dsm").write_text(
        f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m dsm "$@"\n'
    )
    (tmp_path / "dsm").chmod(0o755)
    (tmp_path / "script").write_text(dsm("completion", "bash").out)
    master, slave = pty.openpty()
    env = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "PS1": "", "TERM": "dumb",
        "HOME": str(tmp_path), "INPUTRC": "/dev/null",
    }  # fmt: skip
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"], stdin=slave, stdout=slave, stderr=slave,
        env=env, cwd=described, start_new_session=True,
    )  # fmt: skip
    os.close(slave)

    def heard(what: bytes) -> bytes:
        said = b""
        while what not in said and select.select([master], [], [], 300)[0]:
            said += os.read(master, 4096)
        return said

    try:
        script = str(tmp_path / "script").encode()
        os.write(master, b"source " + script + b"; echo rea''dy\n")
        heard(b"ready")
        os.write(master, b"dsm prepare --where 'wi\t")
        assert b"dsm prepare --where 'width'" in heard(b"'width'")
    finally:
        shell.kill()
        shell.wait()
        os.close(master)
