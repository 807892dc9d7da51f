"""Console blocks of Markdown pages, run in a shell: what the documentation shows is what happens.

A page is one shell session that starts in an empty home folder. A block ```console holds commands
("$ dsm status", going on in lines that begin with "> ") and what they print; the block after
`<!-- run -->` holds commands whose output does not matter; the block after `<!-- file: NAME -->`
becomes that file. Nothing is run that a reader could not paste.
Ids, times, sizes and the home folder may differ; a line "…" stands for any lines.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HOME = "/home/you"
MARK = "@@@ end of step"
ANY = "…"
DSM = (sys.executable, "-m", "dsm")

_ID = re.compile(r"\b(?=[0-9]*[a-f])[0-9a-f]{8,64}\b|\b[0-9a-f]{12,64}\b")
_VARIABLE = (
    (re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]+)?Z"), "<time>"),
    (_ID, "<id>"),
    (re.compile(r" *\b[0-9]+(?:\.[0-9])? (?:B|kB|MB|GB)\b"), " <size>"),
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A command (or a file or set-up, whose output is not shown) and the lines `first` to `end` of the page that it prints."""

    command: str
    silent: bool
    first: int
    end: int


def steps(lines: list[str]) -> Iterator[Step]:
    """Yields what a page runs, in order."""
    at = 0
    while at < len(lines):
        assert lines[at] != "<!-- run", f"line {at + 1} runs what no reader sees"
        if lines[at] == "<!-- run -->":
            end = lines.index("```", at)
            yield Step("\n".join(lines[at + 2 : end]), True, end, end)
            at = end
        elif lines[at].startswith("<!-- file: "):
            end = lines.index("```", at)
            name = lines[at].removeprefix("<!-- file: ").removesuffix(" -->")
            content = "\n".join(lines[at + 2 : end])
            yield Step(f"cat > {name} <<'END OF FILE'\n{content}\nEND OF FILE", True, end, end)
            at = end
        elif lines[at] == "```console":
            end = lines.index("```", at)
            yield from _block(lines, at + 1, end)
            at = end
        at += 1


def _block(lines: list[str], at: int, end: int) -> Iterator[Step]:
    while at < end:
        assert lines[at].startswith("$ "), f"line {at + 1} is no command: {lines[at]!r}"
        command = [lines[at][2:]]
        at += 1
        while at < end and lines[at].startswith("> "):
            command.append(lines[at][2:])
            at += 1
        first = at
        while at < end and not lines[at].startswith("$ "):
            at += 1
        yield Step("\n".join(command), False, first, at)


def played(text: str, folder: Path, dsm: Sequence[str] = DSM) -> str:
    """Runs a page in a folder, where `dsm` is what commands begin with; returns it with the output of every command that printed
    something else than the page says. Raises AssertionError when a command whose output is not shown fails.

    One thing has one id on a page: where the page gives it two, all outputs are those of this run.
    """
    lines = text.split("\n")
    found = list(steps(lines))
    outputs = _run([step.command for step in found], folder, dsm)
    results = [
        (each, output.split("\n") if output else [])
        for each, (_, output) in zip(found, outputs, strict=True)
    ]
    for step, (status, output) in zip(found, outputs, strict=True):
        assert status == 0 or not step.silent, f"{step.command}\n{output}"
    seen = [(lines[step.first : step.end], now) for step, now in results if not step.silent]
    anew = not _one_id_each(pair for pair in seen if _same(*pair))
    for step, now in reversed(results):
        if not step.silent and (anew or not _same(lines[step.first : step.end], now)):
            lines[step.first : step.end] = now
    return "\n".join(lines)


def _one_id_each(outputs: Iterable[tuple[list[str], list[str]]]) -> bool:
    """Tells whether ids that are equal in a run are equal on the page, and the other way round."""
    there: dict[str, str] = {}
    back: dict[str, str] = {}
    for shown, now in outputs:
        if len(shown) != len(now):
            continue  # lines are left out there
        for old, new in zip(shown, now, strict=True):
            for mine, own in zip(_ID.findall(old), _ID.findall(new), strict=False):
                if (there.setdefault(mine[:8], own[:8]), back.setdefault(own[:8], mine[:8])) != (
                    own[:8],
                    mine[:8],
                ):
                    return False
    return True


def _run(commands: list[str], folder: Path, dsm: Sequence[str]) -> list[tuple[int, str]]:
    home, programs = folder / "home", folder / "programs"
    home.mkdir()
    programs.mkdir()
    python = DSM[:1]
    for name, words in (("dsm", dsm), ("python3", python), ("python", python)):
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        (programs / name).chmod(0o755)
    script = "exec 2>&1\n" + "".join(
        f"{command}\n__s=$?; printf '\\n{MARK} %d\\n' $__s; (exit $__s)\n" for command in commands
    )
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home), "TZ": "UTC",
        "LC_ALL": "C.UTF-8", "COLUMNS": "100", "PYTHONUNBUFFERED": "1", "SHELL": "/bin/bash",
        "DSM_AUTHOR": "You <you@example.org>",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", script], cwd=home, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    output = done.stdout.decode(errors="replace").replace(str(home), HOME)
    parts = re.split(rf"\n{MARK} ([0-9]+)\n", output)
    results = list(zip(parts[1::2], parts[0::2], strict=False))
    assert len(results) == len(commands), f"the shell stopped early:\n{output}"
    return [(int(status), text.strip("\n")) for status, text in results]


def _same(expected: list[str], actual: list[str]) -> bool:
    if not expected:
        return not actual
    if expected[0].strip() == ANY:
        return any(_same(expected[1:], actual[at:]) for at in range(len(actual) + 1))
    if not actual or plain(expected[0]) != plain(actual[0]):
        return False
    return _same(expected[1:], actual[1:])


def plain(line: str) -> str:
    """Returns a line without what differs from run to run."""
    for pattern, stands_for in _VARIABLE:
        line = pattern.sub(stands_for, line)
    return re.sub(r" +", " ", line).rstrip()
