"""dsm run: run a program, and record what it read and how it ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dsm import imports, tracking
from dsm.cli.output import message
from dsm.cli.session import Session
from dsm.cli.signals import passed_on
from dsm.errors import InvalidInput, NotFound
from dsm.model.names import check_tag_name, printable
from dsm.runs import files, metrics_file, parameters_file
from dsm.runs.logger import RunLogger
from dsm.runs.run import End, Output, Start

if TYPE_CHECKING:
    from dsm.lineage.emitter import RunEvents
    from dsm.runs.book import OpenRun

Marks = dict[str, files.Mark]
WithHost = Annotated[bool, typer.Option("--host", help="Record the name of this machine, too")]
CANNOT_RUN = 126


class NoProgram(NotFound):
    """A program that was to be run does not exist, or cannot be run; nothing was recorded."""

    code = "no-program"
    status = 127  # as shells say it


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
        typer.Option("--param", metavar="K=V", help="A parameter to record; repeatable"),
    ] = None,
    params: Annotated[
        str | None,
        typer.Option(
            "--params", metavar="FILE", help="File of parameters (default: params.yaml|toml|json)"
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics", metavar="FILE",
            help="File of metrics that CMD writes: JSON, JSONL or CSV; repeatable",
        ),
    ] = None,
    out: Annotated[
        list[str] | None,
        typer.Option("--out", metavar="FILE", help="File that CMD writes; repeatable"),
    ] = None,
    host: WithHost = False,
    openlineage: Annotated[
        str | None,
        typer.Option(
            "--openlineage", metavar="TO", help="File or http(s) address for events of OpenLineage"
        ),
    ] = None,
) -> int:  # fmt: skip
    """Run a program, and record what data it reads and how it ends

    CMD runs with DSM_RUN set. Every view that it opens through dsm is recorded with its version and
    digest: from Python, with `dsm get`, or by a dsm:// address. So are the command, the git commit,
    parameters, packages of Python, times, metrics, and size and hash of the files that it wrote.
    CMD may call `dsm.log_metric` and `dsm.log_param`. The exit status is that of CMD; 128 + N when
    signal N ended it, 127 without such a program, 126 when it cannot be run.

    --openlineage, the setting openlineage.to or OPENLINEAGE_URL say where events of OpenLineage go.
    What is not taken there does not change how the run ends.

    \b
    Examples:
      dsm run -- python train.py
      dsm run --name baseline --param lr=0.1 -- python train.py --lr 0.1
      dsm run --metrics metrics.json --out model.pt -- python train.py
      dsm run --metrics history.csv --params config.toml -- python train.py
      dsm runs compare baseline larger
    """
    behind = ctx.obj.behind_dashes
    if behind != len(program):
        raise InvalidInput(
            "the program stands behind `--`", hint="dsm run --name baseline -- python train.py"
        )
    if name is not None:
        check_tag_name(name, "run")
    parameters = parameters_of(param or [], params)
    with Session(ctx) as s, status_of_a_shell():
        start = partial(
            tracking.start, s.repo, name, program, parameters, metric_files=metrics or (),
            output_files=out or (), host=host,
        )  # fmt: skip
        return record(s, start, {}, openlineage)[1]


def record(
    s: Session, start: Callable[[], Start], added: dict[str, str], openlineage: str | None = None
) -> tuple[str, int]:
    """Runs a program as a run; returns its id and the exit status. `added` is its environment.

    `openlineage` is where its events go, by default what `tracking.event_sink` finds.

    Raises NoProgram, InvalidInput when it succeeded and what was to be
    recorded of its files could not be, WriteFailed.
    """
    begun = start()
    _require_program(begun.command[0])
    outputs: Marks = {path: files.mark(path) for path in begun.output_files}
    measured: Marks = {path: files.mark(path) for path in begun.metric_files}
    events = _events(s, openlineage)
    run = s.repo.runs.begin(begun)
    if events is not None:
        events.begin(run.id)
    try:
        began = time.monotonic_ns()
        added = {**added, tracking.RUN: run.id, tracking.ROOT: s.repo.root}
        status = _run(begun.command, added)
        duration = (time.monotonic_ns() - began) // 1000
        problems: list[InvalidInput] = []
        final = _metrics(measured, RunLogger(s.repo, run.id), problems)
        written = _outputs(outputs, problems)
        _end(run, End(status, s.repo.environment.clock(), duration, final, written))
    finally:
        run.release()
        failed = None if events is None else events.end(run.id)
        if failed is not None:
            later = f"`dsm runs export {run.id} --openlineage TO` sends them later"
            message(f"warning: OpenLineage was not told of all: {printable(failed)}; {later}")
    views = len(s.repo.runs.find(run.id).views)
    s.say(f"run {run.id}: exit status {status}, {views} view{'s' * (views != 1)} read")
    if problems and not status:
        raise problems[0]
    for problem in problems:
        message(f"warning: {printable(problem.message)}")
    return run.id, status


def _events(s: Session, place: str | None) -> RunEvents | None:
    """Returns what tells of the run, if anybody is to be told. Raises InvalidInput for `place`."""
    if place is not None:
        from dsm.lineage.emitter import RunEvents

        sink = tracking.event_sink(s.repo, place)
        return None if sink is None else RunEvents(s.repo, sink)
    events, problem = tracking.run_events(s.repo)
    if problem is not None:
        message(f"warning: OpenLineage is not told: {printable(problem)}")
    return events


def _require_program(name: str) -> None:
    """Raises NoProgram."""
    if shutil.which(name) is not None:
        return
    hint = "nothing was run or recorded"
    there = shutil.which(name, os.F_OK) or (os.sep in name and os.path.lexists(name))
    if not there:
        raise NoProgram(f"there is no program {printable(name)!r}", hint=hint)
    error = NoProgram(f"{printable(name)} is no program that you may run", hint=hint)
    error.status = CANNOT_RUN
    raise error


@contextmanager
def status_of_a_shell() -> Iterator[None]:
    """Has the command leave as shells do: 127 without a program, 126 with one that cannot run."""
    try:
        yield
    except NoProgram as error:
        error.exit_status = error.status
        raise


def parameters_of(given: list[str], file: str | None) -> dict[str, str]:
    """Returns the parameters of a file, and above them those of the command line."""
    found: dict[str, str] = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not key or not equals:
            raise InvalidInput(f"--param {each!r} is not K=V", hint="--param lr=0.1")
        if key in found:
            raise InvalidInput(f"--param {key} is given twice")
        found[key] = value
    if file is not None:
        return {**parameters_file.read(file), **found}
    try:
        known = parameters_file.read_known(os.curdir)
    except InvalidInput as error:  # nobody has asked for it
        message(f"warning: {printable(error.message)}")
        known = {}
    return {**known, **found}


def _run(program: list[str], added: dict[str, str]) -> int:
    """Runs the program to its end and returns its exit status, 128 + N after signal N."""
    environment = {k: v for k, v in os.environ.items() if k not in imports.added_variables}
    environment.update(added)
    with passed_on() as receiver:
        try:
            child = subprocess.Popen(program, env=environment)
        except OSError as error:
            message(f"error: cannot run {printable(program[0])}: {error.strerror}")
            return CANNOT_RUN
        receiver(child)
        status = child.wait()
    return status if status >= 0 else 128 - status


def _metrics(marks: Marks, logger: RunLogger, problems: list[InvalidInput]) -> dict[str, float]:
    """Logs the points of files of metrics, and returns the numbers that have no step."""
    final: dict[str, float] = {}
    for path, before in marks.items():
        try:
            found = metrics_file.read(path, before)
            for name, step, value in found.points:
                logger.log_metric(name, value, step)
            final.update(found.final)
        except InvalidInput as error:
            problems.append(error)
    logger.close()
    return final


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
