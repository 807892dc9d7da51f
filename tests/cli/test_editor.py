"""commit without -m: the message is written in the user's editor, on a terminal alone."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Runner, write

ROOT = Path(__file__).resolve().parents[2]


def commit(folder: Path, script: str, *words: str) -> tuple[int, str]:
    """Commits at a terminal, where the editor is a script that has the file's path in argv[1].

    Returns the exit status and what stood on the terminal.
    """
    editor = folder.parent / "an editor.py"
    editor.write_text(f"import sys\nfrom pathlib import Path\npath = Path(sys.argv[1])\n{script}\n")
    ours, theirs = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "EDITOR": "false"}
    env["DSM_EDITOR"] = f"{sys.executable} '{editor}'"
    with subprocess.Popen(
        [sys.executable, "-m", "dsm", "commit", *words],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=env, start_new_session=True,
    ) as started:  # fmt: skip
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
        os.close(ours)
        return started.wait(), shown.decode()


@pytest.fixture
def staged(two_changesets: Path, dsm: Runner) -> Path:
    """A repository with a staged file."""
    write(two_changesets / "owl/1.txt", "an owl")
    dsm("add", ".")
    return two_changesets


def test_the_message_of_the_editor_is_recorded(staged: Path, dsm: Runner) -> None:
    """Comments are left out; shell characters in the editor's file and name mean nothing."""
    script = "path.write_text('owls; $(touch ran)\\n\\nand why  \\n' + path.read_text())"
    status, shown = commit(staged, script)
    assert status == 0, shown
    assert dsm("show", "--json").json["message"] == "owls; $(touch ran)\n\nand why"
    assert not (staged / "ran").exists()


@pytest.mark.parametrize(
    ("script", "status", "told"),
    [
        ("", 1, "the message is empty: nothing is committed"),
        ("path.write_text('# only this')", 1, "the message is empty: nothing is committed"),
        ("path.write_text('a message'); sys.exit(3)", 1, "status 3: nothing is committed"),
        ("path.write_bytes(bytes([255]))", 2, "the message cannot be read"),
        ("path.unlink()", 2, "the message cannot be read"),
    ],
)
def test_nothing_is_committed_without_a_message(
    staged: Path, dsm: Runner, script: str, status: int, told: str
) -> None:
    """An empty message, or an editor that fails, leaves the stage as it is."""
    ended, shown = commit(staged, script)
    assert (ended, told in shown) == (status, True), shown
    assert dsm("status", "--porcelain").lines == ["A  owl/1.txt"]


def test_without_a_terminal_a_message_is_needed(
    staged: Path, dsm: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a script no editor is started."""
    monkeypatch.setenv("DSM_EDITOR", "touch")
    said = dsm("commit", status=2).err.splitlines()
    assert said == ["error: a commit needs a message", 'hint: give it with -m "…"']
