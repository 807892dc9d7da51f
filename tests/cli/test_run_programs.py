"""dsm run around programs that are hard to live with: their bytes, signals, names and absence."""

from __future__ import annotations

import json
import os
import platform
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import dsm as library

from .conftest import Runner

COUNTS_INTERRUPTS = """
import signal, sys
seen = []
def interrupted(*_):
    seen.append(1)
    print("interrupted", flush=True)
signal.signal(signal.SIGINT, interrupted)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(10 + len(seen)))
print("ready", flush=True)
while True:
    signal.pause()
"""


def line(code: str) -> list[str]:
    return [sys.executable, "-m", "dsm", "run", "-q", "--", sys.executable, "-c", code]


def test_what_cannot_be_run_has_the_status_of_a_shell(two_changesets: Path, dsm: Runner) -> None:
    """127 without a program, 126 for what is none; only what was begun is recorded."""
    Path("garbage").write_bytes(b"no program")
    Path("garbage").chmod(0o755)
    Path("text").write_text("true")
    assert "no program 'gone'" in dsm("run", "--", "gone", status=127).err
    assert "no program './gone'" in dsm("run", "--", "./gone", status=127).err
    for name in ("./text", os.curdir + os.sep):
        assert "is no program that you may run" in dsm("run", "--", name, status=126).err
    assert dsm("runs", "list", "--json").json["runs"] == []
    assert "Exec format error" in dsm("run", "--", "./garbage", status=126).err
    (run,) = dsm("runs", "list", "--json").json["runs"]
    assert (run["state"], run["status"]) == ("failed", 126)


def test_bytes_go_through_as_they_are(two_changesets: Path) -> None:
    """Standard input, output and errors of a program are its own, whatever bytes; no view is fine."""
    code = (
        "import sys; data = sys.stdin.buffer.read(); sys.stdout.buffer.write(data);"
        "sys.stderr.buffer.write(data[::-1])"
    )
    data = bytes(range(256)) * 500
    done = subprocess.run(line(code), input=data, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, data, data[::-1])
    with library.open(".") as repo:
        assert [(run.state, run.views) for run in repo.runs] == [("complete", ())]


def test_the_machine_is_named_if_asked_only(two_changesets: Path, dsm: Runner) -> None:
    """Its name is of nobody's business by default; a run that repeats one says what that said."""
    dsm("run", "--name", "quiet", "--", "true")
    dsm("run", "--name", "named", "--host", "--", "true")
    dsm("rerun", "named", "--name", "again")
    with library.run("python", host=True):
        pass
    hosts = {name: dsm("runs", "show", name, "--json").json["host"] for name in
             ("quiet", "named", "again", "python")}  # fmt: skip
    node = platform.node()
    assert hosts == {"quiet": None, "named": node, "again": node, "python": node}
    assert f"host:       {node}" in dsm("runs", "show", "named").lines
    assert [run["name"] for run in dsm("runs", "list", "--json").json["runs"]] == [
        "python", "again", "named", "quiet",
    ]  # fmt: skip


def test_a_key_interrupts_the_program_once(two_changesets: Path) -> None:
    """Ctrl-C of a terminal reaches the program, which may go on; dsm does not pass it on again."""
    process, terminal = pty.fork()
    if not process:
        os.execv(sys.executable, line(COUNTS_INTERRUPTS))
    with os.fdopen(terminal, "r+b", buffering=0) as keys:
        said = b""
        while b"ready" not in said:
            said += keys.read(100)
        keys.write(b"\x03")
        while b"interrupted" not in said:
            said += keys.read(100)
        os.kill(process, signal.SIGTERM)
        _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 11
    with library.open(".") as repo:
        assert [(run.state, run.end and run.end.status) for run in repo.runs] == [("failed", 11)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_without_a_terminal_reaches_the_program(
    two_changesets: Path, number: signal.Signals
) -> None:
    """What is sent to dsm alone, as by a job runner, ends the program: 130 for SIGINT, 143."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL);"
        "print('ready', flush=True); signal.pause()"
    )
    with subprocess.Popen(line(code), stdout=subprocess.PIPE, start_new_session=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        running.send_signal(number)
        assert running.wait() == 128 + number


NAMES = ["a b", "a\nb", "\x1b[31mred", "'; drop", "日本", "n" * 250, "=", "<script>", "--all",
         "loss=3", "\u202ertl", "nul\0", "..", "{}"]  # fmt: skip


def strictly(text: str) -> Any:
    """Reads JSON as its standard has it, which knows no NaN and no infinity."""

    def refuse(constant: str) -> Any:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def test_any_name_and_number_of_a_metric_can_be_shown(two_changesets: Path, dsm: Runner) -> None:
    """Every answer is JSON, every picture XML, no line has control characters; NaN is kept."""
    for value in (float("nan"), float("inf")):
        with library.run("first" if value != value else "second") as run:
            for name in NAMES:
                for step, point in enumerate((0.5, value)):
                    run.log_metric(name, point, step)
                run.log_param(name, name)
    for words in (
        ["list"], ["show", "first"], ["compare", "first", "second"], ["plot", "a\nb"],
        ["best", "日本", "--where", "a b > 1"], ["list", "--sort", "<script>"],
    ):  # fmt: skip
        answer = strictly(dsm("runs", *words, "--json").out)
        assert answer
        said = dsm("runs", *words).out
        assert all(each.isprintable() for each in said.split("\n")), words
    found = strictly(dsm("runs", "show", "second", "--json").out)
    assert found["metrics"] == dict.fromkeys(sorted(NAMES), "inf")
    assert found["parameters"] == {name: name for name in sorted(NAMES)}
    for name in NAMES:
        picture = ElementTree.fromstring(dsm("runs", "plot", "--svg", "-", "--", name).out)
        assert picture[0].tag.rpartition("}")[2] == "title"
