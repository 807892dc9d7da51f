"""dsm run: run a program, and record what it read and how it ended."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from dsm import imports
from dsm.cli.output import message
from dsm.cli.session import Session
from dsm.cli.signals import passed_on
from dsm.errors import InvalidInput, NotFound
from dsm.model.names import check_tag_name, printable
from dsm.runs import files
from dsm.runs.run import End, Output, Start

if TYPE_CHECKING:
    from dsm.runs.book import OpenRun

GIT_SECONDS_MAX = 10
Marks = dict[str, files.Mark]


def command(
    ctx: typer.Context,
    program: Annotated[
        list[str], typer.Argument(metavar="-- CMD...", help="The program and its arguments")
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name to find the run by")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="K=V", help="A parameter to record; can be repeated"),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="FILE", help="JSON object of metrics that CMD writes"),
    ] = None,
    out: Annotated[
        list[str] | None,
        typer.Option("--out", metavar="FILE", help="File that CMD writes; can be repeated"),
    ] = None,
) -> int:  # fmt: skip
    """Run a program, and record what data it reads and how it ends

    CMD runs with DSM_RUN set. Every view that it opens through dsm is recorded with its version and
    digest: from Python, with `dsm get`, or by a dsm:// address. So are the command, the git commit,
    parameters, packages of Python, times, metrics, and size and hash of the files that it wrote.
    The exit status is that of CMD.

    \b
    Examples:
      dsm run -- python train.py
      dsm run --name baseline --param lr=0.1 -- python train.py --lr 0.1
      dsm run --metrics metrics.json --out model.pt -- python train.py
      dsm runs compare baseline larger
    """
    behind = ctx.obj.behind_dashes
    if behind != len(program):
        raise InvalidInput(
            "the program stands behind `--`", hint="dsm run --name baseline -- python train.py"
        )
    if name is not None:
        check_tag_name(name, "run")
    parameters = _parameters(param or [])
    if shutil.which(program[0]) is None:
        raise NotFound(f"there is no program {program[0]!r}", hint="nothing was run or recorded")
    outputs: Marks = {path: files.mark(path) for path in out or ()}
    measured: Marks = {path: files.mark(path) for path in (metrics,) if path is not None}
    with Session(ctx) as s:
        start = _start(s, name, program, parameters)
        run = s.repo.runs.begin(start)
        try:
            began = time.monotonic_ns()
            status = _run(program, run.id)
            duration = (time.monotonic_ns() - began) // 1000
            problems: list[InvalidInput] = []
            end = End(
                status, s.repo.environment.clock(), duration,
                _metrics(measured, problems), _outputs(outputs, problems),
            )  # fmt: skip
            _end(run, end)
        finally:
            run.release()
        views = len(s.repo.runs.find(run.id).views)
        s.say(f"run {run.id}: exit status {status}, {views} view{'s' * (views != 1)} read")
    if problems and not status:
        raise problems[0]
    for problem in problems:
        message(f"warning: {printable(problem.message)}")
    return status


def _start(s: Session, name: str | None, program: list[str], parameters: dict[str, str]) -> Start:
    commit, clean = _commit()
    return Start(
        name=name, command=program, time=s.repo.environment.clock(), author=s.repo.author,
        parameters=parameters, commit=commit, clean=clean, python=platform.python_version(),
        packages=_packages(),
    )  # fmt: skip


def _parameters(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not key or not equals:
            raise InvalidInput(f"--param {each!r} is not K=V", hint="--param lr=0.1")
        if key in found:
            raise InvalidInput(f"--param {key} is given twice")
        found[key] = value
    return found


def _run(program: list[str], run: str) -> int:
    """Runs the program to its end and returns its exit status, 128 + N after signal N."""
    environment = {k: v for k, v in os.environ.items() if k not in imports.added_variables}
    environment["DSM_RUN"] = run
    with passed_on() as receiver:
        try:
            child = subprocess.Popen(program, env=environment)
        except OSError as error:
            message(f"cannot run {printable(program[0])}: {error.strerror}")
            return 126
        receiver(child)
        status = child.wait()
    return status if status >= 0 else 128 - status


def _metrics(marks: Marks, problems: list[InvalidInput]) -> dict[str, float]:
    for path, before in marks.items():
        try:
            return files.metrics(path, before)
        except InvalidInput as error:
            problems.append(error)
    return {}


def _outputs(marks: Marks, problems: list[InvalidInput]) -> list[Output]:
    found = []
    for path, before in marks.items():
        try:
            found.append(files.output(path, before))
        except InvalidInput as error:
            problems.append(error)
    return found


def _end(run: OpenRun, end: End) -> None:
    """Records the end; where the metrics do not fit, without them, for the status must not go."""
    try:
        run.end(end)
    except InvalidInput:
        run.end(End(end.status, end.time, end.duration, {}, end.outputs))
        raise


def _commit() -> tuple[str | None, bool | None]:
    """Returns the git commit of the current folder, and whether tracked files are as in it."""
    # Without the watcher that the settings of a clone may name: it would be run.
    line = [
        "git", "-c", "core.fsmonitor=false", "status", "--porcelain=v2", "--branch",
        "--untracked-files=no", "--ignore-submodules=all",
    ]  # fmt: skip
    try:
        found = subprocess.run(
            line, capture_output=True, text=True, errors="replace", timeout=GIT_SECONDS_MAX,
            check=True,
        ).stdout.splitlines()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None, None
    heads = [each.removeprefix("# branch.oid ") for each in found if each.startswith("# branch.o")]
    commit = next((head for head in heads if head != "(initial)"), None)
    return commit, None if commit is None else all(each.startswith("#") for each in found)


def _packages() -> dict[str, str]:
    """Returns the packages that this Python sees, by the names of the folders that describe them.

    Reading each one's description would take longer than all else that is recorded.
    """
    found: dict[str, str] = {}
    for folder in reversed(sys.path):
        try:
            entries = os.listdir(folder)
        except OSError:
            continue
        for entry in entries:
            name, dash, version = entry.removesuffix(".dist-info").partition("-")
            if dash and entry.endswith(".dist-info"):
                found[printable(name.lower().replace("_", "-"))] = printable(version)
    return found
