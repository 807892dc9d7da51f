"""A pager shows what is long on a terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import select
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Runner

ROOT = Path(__file__).resolve().parents[2]


class OnTerminal:
    """A command line of dsm in a folder, on a terminal of its own."""

    def __init__(self, line: str, folder: Path, **variables: str):
        self.master, slave = pty.openpty()
        env = {name: value for name, value in os.environ.items() if not name.endswith("PAGER")}
        env |= {"PYTHONPATH": str(ROOT), "TERM": "xterm", **variables}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dsm", *shlex.split(line)], stdin=slave, stdout=slave,
            stderr=slave, env=env, cwd=folder, start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
        )  # fmt: skip
        os.close(slave)
        self.said = ""

    def read(self, until: str | None = None) -> None:
        """Reads what is printed, until some text came or the terminal is given up."""
        while until is None or until not in self.said:
            assert select.select([self.master], [], [], 120)[0], self.said
            try:
                data = os.read(self.master, 65536)
            except OSError:  # nobody has the other end any more
                return
            self.said += data.decode()

    def ended(self) -> tuple[int, str]:
        """Returns the status and all that was printed."""
        self.read()
        os.close(self.master)
        return self.process.wait(), self.said.replace("\r\n", "\n")


@pytest.fixture
def pager(tmp_path: Path) -> str:
    """A pager that shows what it reads between two words."""
    path = tmp_path / "pager with blanks"
    path.write_text("#!/bin/sh\necho '<<'; cat; echo '>>'\n")
    path.chmod(0o755)
    return shlex.quote(str(path))


@pytest.mark.parametrize("line", ["log", "show 1", "diff 1..2", "ls", "-C . log --oneline"])
def test_what_is_long_goes_through_the_pager(two_changesets: Path, pager: str, line: str) -> None:
    """With its colours, by the fast path and by typer; DSM_PAGER comes before PAGER."""
    there = two_changesets
    status, said = OnTerminal(line, there, DSM_PAGER=pager, PAGER="false").ended()
    assert (status, said[:3], said[-3:]) == (0, "<<\n", ">>\n")
    assert ("\x1b[33m" in said) == (line != "ls")
    plain = OnTerminal(f"--no-pager {line}", there, DSM_PAGER=pager).ended()
    assert plain == (0, said[3:-3])


def test_no_pager_where_none_is_wanted(dsm: Runner, two_changesets: Path, pager: str) -> None:
    """Short answers, pipes, `cat`, an empty variable and dumb terminals have none."""
    there = two_changesets
    expected = dsm("--no-color", "log").out
    for variables in ({"PAGER": ""}, {"PAGER": "cat"}, {"PAGER": pager, "TERM": "dumb"}):
        assert OnTerminal("--no-color log", there, **variables).ended() == (0, expected)
    assert "<<" not in OnTerminal("status", there, PAGER=pager).ended()[1]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PAGER": pager}
    command = [sys.executable, "-m", "dsm", "log"]
    piped = subprocess.run(command, env=env, cwd=there, capture_output=True, text=True, check=True)
    assert (piped.stdout, piped.stderr) == (expected, "")


def test_a_pager_that_has_had_enough(two_changesets: Path) -> None:
    """A pager that ends without reading is no failure, and nothing follows it on the terminal."""
    for line in ("log", "ls --json"):
        assert OnTerminal(line, two_changesets, PAGER="true").ended() == (0, "")


def test_a_pager_that_cannot_be_started(dsm: Runner, two_changesets: Path) -> None:
    """The output comes without it, and a line says why."""
    status, said = OnTerminal("--no-color log", two_changesets, PAGER="no-such-pager -x").ended()
    head, _, rest = said.partition("\n")
    assert head.startswith("warning: the pager no-such-pager -x (PAGER) cannot be started: ")
    assert (status, rest) == (0, dsm("log").out)


def test_failures_are_told_on_the_terminal(two_changesets: Path, pager: str) -> None:
    """An error comes behind what the pager showed, in colour, and decides on the status."""
    status, said = OnTerminal("log nowhere", two_changesets, PAGER=pager).ended()
    assert status == 4
    assert said.startswith("<<\n>>\n\x1b[1;31merror:\x1b[0m ")


def test_a_repository_names_no_pager(two_changesets: Path) -> None:
    """Only the environment does: nothing that a repository brings along is started."""
    config = two_changesets / ".dsm" / "config.toml"
    trap = f'[core]\npager = "touch {two_changesets}/hit"\n[pager]\nlog = "touch hit"\n'
    config.write_text(trap)
    assert OnTerminal("log", two_changesets, PAGER="cat").ended()[0] == 0
    assert not (two_changesets / "hit").exists()


def test_ctrl_c_is_quiet(two_changesets: Path, tmp_path: Path) -> None:
    """Ctrl-C is the pager's, which is waited for, and dsm says nothing of it."""
    (tmp_path / "waits").write_text(
        "#!/bin/sh\ntrap 'echo asked; exit' INT\ncat > /dev/null\necho shown\nread key < /dev/tty\n"
    )
    (tmp_path / "waits").chmod(0o755)
    run = OnTerminal("log", two_changesets, PAGER=str(tmp_path / "waits"))
    run.read("shown")
    os.write(run.master, b"\x03")
    assert run.ended() == (0, "shown\n^Casked\n")
