"""Arguments and variables that are not UTF-8: one line, exit status 2, and nothing is made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BAD = os.fsdecode(b"bad\xff")
LINES = (
    ("commit", "-m", "ok", "--author", BAD),
    ("commit", "-m", BAD),
    ("commit", "-m", "ok", "--note", BAD),
    ("commit", "-m", "ok", "--source", BAD),
    ("tag", "v1", "-m", BAD),
    ("tag", BAD),
    ("dataset", "create", "other", "--pattern", BAD + "/{label}"),
    ("dataset", "create", BAD),
    ("source", "add", "bank", "--driver", "sqlite", "--uri-file", "/tmp/" + BAD),
    ("source", "add", BAD, "--driver", "sqlite", "--uri-env", "BANK"),
    ("init", "--org", BAD, "elsewhere"),
    ("label", ".", "--add", BAD),
    ("prepare", "--label", BAD),
    ("prepare", "--name", BAD),
    ("prepare", "--where", f"size>{BAD}"),
    ("prepare", "--path", BAD),
    ("config", "set", "user.name", BAD),
)  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=lambda line: ascii(" ".join(line)))
def test_an_argument_that_is_not_utf8(two_changesets: Path, line: tuple[str, ...]) -> None:
    """No argument is a defect of ours, and what it would have made is not there."""
    (two_changesets / "new").write_text("new")
    run = [sys.executable, "-m", "dsm"]
    subprocess.run([*run, "-q", "add", "new"], cwd=two_changesets, check=True)
    before = documents(two_changesets)
    done = subprocess.run([*run, *line], cwd=two_changesets, capture_output=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count(b"\n") <= 2
    assert b"{" not in done.stderr.replace(b"{label}", b"")  # what was given is named, not JSON
    assert documents(two_changesets) == before


def test_a_variable_that_is_not_utf8(two_changesets: Path) -> None:
    """DSM_AUTHOR is recorded, so it must be UTF-8."""
    (two_changesets / "new").write_text("new")
    environment = {**os.environ, "DSM_AUTHOR": BAD}
    done = subprocess.run(
        [sys.executable, "-m", "dsm", "commit", "-m", "ok", "new"],
        cwd=two_changesets, env=environment, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert b"UTF-8" in done.stderr


def documents(root: Path) -> set[str]:
    """Returns the paths of all that is shared, and of the settings."""
    base = root / ".dsm"
    return {
        path.relative_to(base).as_posix()
        for path in base.rglob("*") if path.is_file() and "local" not in path.parts
    }  # fmt: skip
