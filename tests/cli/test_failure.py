"""Failures: one line of cause, one of hint, the right exit status, never a traceback."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dsm.cli import failure
from dsm.errors import (
    AnswerIsNo,
    Conflict,
    DamagedData,
    DsmError,
    InvalidInput,
    NotARepository,
    NotFound,
    OutcomeUnknown,
    Refused,
    StorageFailed,
)

from .conftest import Runner, write

DSM = [sys.executable, "-m", "dsm"]
ROOT = Path(__file__).resolve().parents[2]


def said_of(error: BaseException, capsys: Any, words: tuple[str, ...] = ()) -> tuple[int, str]:
    status = failure.report(error, list(words))
    out, err = capsys.readouterr()
    assert out == ""
    return status, err


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (InvalidInput, 2), (NotARepository, 3), (NotFound, 4), (Conflict, 5), (Refused, 6),
        (DamagedData, 7), (StorageFailed, 8), (OutcomeUnknown, 9),
    ],
)  # fmt: skip
def test_errors_carry_their_status(kind: type[DsmError], status: int, capsys: Any) -> None:
    """Cause and hint are two lines on standard error."""
    said = said_of(kind("the cause", hint="the way out"), capsys)
    assert (status, "error: the cause\nhint: the way out\n") == said


def test_a_no_is_not_called_an_error(capsys: Any) -> None:
    """The answer no exits 1 in plain words."""
    assert said_of(AnswerIsNo("nothing to commit"), capsys) == (1, "nothing to commit\n")


def test_long_lists_are_cut(capsys: Any) -> None:
    """Ten items, then how many more; one that the message names is not repeated."""
    items = tuple(f"cat/{number}.txt" for number in range(1012))
    lines = said_of(Conflict("they are in the way", items=items), capsys)[1].splitlines()
    assert lines[-2:] == ["  cat/9.txt", "  … and 1,002 more"]
    assert len(lines) == 12
    said = said_of(NotFound("there is no cat/1.txt", items=("cat/1.txt",)), capsys)
    assert said == (4, "error: there is no cat/1.txt\n")
    said = said_of(Conflict("1 of the 3 examples changed", items=("1",)), capsys)
    assert said == (5, "error: 1 of the 3 examples changed\n  1\n")
    said = said_of(Conflict("what is there would be lost", items=("a",)), capsys)
    assert said == (5, "error: what is there would be lost\n  a\n")
    said = said_of(NotFound("cannot read no\\xff", items=("no\udcff",)), capsys)
    assert said == (4, "error: cannot read no\\xff\n")


def test_names_in_messages_cannot_steer_a_terminal(capsys: Any) -> None:
    """Escapes and line ends in any part of an error are shown as text."""
    error = NotFound("no \x1b[2J", hint="not \u202e", items=("a\nb", "\udcff"))
    said = said_of(error, capsys)[1]
    assert said == "error: no \\x1b[2J\n  a\\nb\n  \\xff\nhint: not \\u202e\n"


def test_errors_of_the_system_are_storage_failures(tmp_path: Path, capsys: Any) -> None:
    """What the library did not foresee is one line with the operation and the file, exit 8."""
    error = OSError(errno.EIO, os.strerror(errno.EIO), "/data/\x1b.jpg")
    assert said_of(error, capsys) == (8, "error: cannot open /data/\\x1b.jpg: Input/output error\n")
    error = OSError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path))
    assert said_of(error, capsys) == (
        8,
        f"error: cannot list {tmp_path}: Permission denied\n"
        "hint: check the owner and the permissions of this path\n",
    )
    error = OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(tmp_path))
    assert said_of(error, capsys) == (8, f"error: cannot open {tmp_path}: Is a directory\n")
    assert said_of(MemoryError(), capsys)[0] == 8


def test_a_file_that_may_not_grow_has_a_hint(two_changesets: Path) -> None:
    """At a limit of file sizes, the line names the file and the hint what limits it."""
    write(two_changesets / "cat/9.txt", os.urandom(30_000).hex())
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f 8; exec {sys.executable} -m dsm add cat/9.txt"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    error, hint = done.stderr.splitlines()
    assert (done.returncode, error.split(" /")[0]) == (8, "error: cannot write")
    assert error.endswith(": File too large")
    assert hint.startswith("hint: no file may be that large here")


def test_a_bug_is_one_line_without_names_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Kind and place, not the message: that may hold what is private; a hint; exit 70."""
    monkeypatch.chdir(tmp_path)
    try:
        failure._expected(None)  # type: ignore[arg-type]
    except AttributeError as error:
        status, said = said_of(error, capsys)
    assert status == 70
    assert said.startswith("bug: AttributeError in dsm.cli.failure, line ")
    assert said.splitlines()[1].startswith("hint: run it again with DSM_DEBUG=1")
    assert said.count("\n") == 2


def test_debugging_shows_the_traceback(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """DSM_DEBUG=1 prints it for every kind of failure, the status stays."""
    monkeypatch.setenv("DSM_DEBUG", "1")
    try:
        raise NotFound("no such thing")
    except NotFound as error:
        status, said = said_of(error, capsys)
    assert status == 4
    assert "Traceback" in said


def test_an_interrupt_says_that_nothing_is_lost(capsys: Any) -> None:
    """Each command says what running it again does; exit 130."""
    status, said = said_of(KeyboardInterrupt(), capsys, ("-q", "ls", "add"))
    assert status == 130
    assert (
        said == "interrupted: nothing was lost; the repository is as it was before this command\n"
    )
    for command in ("add", "commit"):
        said = said_of(KeyboardInterrupt(), capsys, (command, "."))[1]
        assert said.startswith("interrupted: nothing was lost") and "again is safe" in said
    for command in ("import", "update-import"):  # which stage batch after batch
        said = said_of(KeyboardInterrupt(), capsys, (command, "s3://lab/x"))[1]
        assert "what was staged stays, run it again to go on" in said


def test_a_current_folder_that_is_gone(
    dsm: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told in words; -C leads out."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert dsm("status", status=4).err.startswith("error: the current folder is gone")
    monkeypatch.chdir(tmp_path)


def test_outside_a_repository(dsm: Runner, tmp_path: Path) -> None:
    """Exit 3, and the hint names the command that makes one."""
    said = dsm("-C", str(tmp_path), "status", status=3)
    assert said.err.startswith("error: ")
    assert "dsm init" in said.err.splitlines()[1]


def test_json_readers_get_errors_as_text(dsm: Runner, two_changesets: Path) -> None:
    """With --json, standard output stays empty when the command fails."""
    assert dsm("show", "77", "--json", status=4).out == ""


# --- as processes -----------------------------------------------------------------------------


def run(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([*DSM, *words], capture_output=True, text=True, env=env, **more)


def test_the_process_leaves_with_the_status(two_changesets: Path) -> None:
    """What main returns is the exit status, and all that was printed has arrived."""
    done = run("show", "--name-status")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "A\tdog/3.txt")
    assert run("show", "9").returncode == 4
    assert run("nonsense").returncode == 2


def test_a_closed_pipe_is_silent(two_changesets: Path) -> None:
    """`dsm ls | head` where head has gone: exit 141 and no word."""
    for number in range(3000):
        write(two_changesets / f"owl/{number:05}-{'x' * 40}.txt", "x")
    assert run("commit", "-q", "-m", "owls", ".").returncode == 0
    reading, writing = os.pipe()
    os.close(reading)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([*DSM, "ls"], stdout=writing, stderr=subprocess.PIPE, env=env) as process:
        os.close(writing)
        assert process.communicate() == (None, b"")
    assert process.returncode == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_output_is_reported(two_changesets: Path) -> None:
    """Output that cannot be written is a failure, not a success."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with open("/dev/full", "w") as full:
        done = subprocess.run([*DSM, "ls"], stdout=full, stderr=subprocess.PIPE, env=env, text=True)
    assert (done.returncode, done.stderr) == (8, "error: No space left on device\n")


def test_output_closed_from_the_start(two_changesets: Path) -> None:
    """`dsm cat >&-` fails in words; commands without output work."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = f"{sys.executable} -m dsm"
    done = subprocess.run(
        ["sh", "-c", f"{command} cat cat/1.txt >&-"], capture_output=True, text=True, env=env
    )
    assert done.returncode == 8, done.stderr
    done = subprocess.run(["sh", "-c", f"{command} fsck -q >&- 2>&-"], env=env)
    assert done.returncode == 0


def test_ctrl_c_ends_a_command_in_words(two_changesets: Path) -> None:
    """SIGINT while add waits for a file that never ends: exit 130, repository whole."""
    os.mkfifo(two_changesets / "labels.csv")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*DSM, "add", "--labels", "labels.csv", "."], stderr=subprocess.PIPE, env=env, text=True
    ) as process:
        # Until its reader opens the pipe this blocks; then add is at work for certain.
        with open(two_changesets / "labels.csv", "w"):
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=300)
    assert (process.returncode, said.count("\n")) == (130, 1), said
    assert said.startswith("interrupted: nothing was lost")
    assert run("fsck", "--full").returncode == 0
