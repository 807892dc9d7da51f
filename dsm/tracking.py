"""Runs from Python: `dsm.run`, and what a program logs for the run that it is part of.

The edge of `dsm.runs`, as `api` is for all else: it reads the clock, the environment and git.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from dsm.api import address_of, environment, now_us, open
from dsm.errors import DsmError, InvalidInput, Refused
from dsm.model.keywords import suggests
from dsm.model.names import check_tag_name, printable
from dsm.repo.config import own_settings
from dsm.repo.repository import Repository, discover
from dsm.runs import files
from dsm.runs.logger import RunLogger
from dsm.runs.run import End, Start

if TYPE_CHECKING:
    from dsm.catalog import Catalog
    from dsm.lineage.emitter import EventSink, RunEvents
    from dsm.runs.book import OpenRun

GIT_SECONDS_MAX = 10
RUN, ROOT, DATA = "DSM_RUN", "DSM_RUN_ROOT", "DSM_RUN_DATA"
# The variables in which trackers find the run that a program belongs to.
TRACKERS = {"mlflow": "MLFLOW_RUN_ID", "wandb": "WANDB_RUN_ID"}

_logger: RunLogger | None = None
_logger_of = 0  # the process that it was made in


def log_metric(name: str, value: Any, step: int | None = None) -> None:
    """Records a value of a metric of the run that goes on: NaN and infinity too.

    `value` is one number, also of NumPy or PyTorch; `step` an integer. Without one it is the step
    after the last of this metric in this process. A point is never lost once this returns, but for
    a power cut.

    Raises Refused when no run goes on or it has ended, NotFound when it is not in the repository,
    InvalidInput for what is no number, step or name, WriteFailed.
    """
    _current().log_metric(name, value, step)


def log_param(name: str, value: Any) -> None:
    """Records a parameter of the run that goes on, as text. Logged twice it has the same value.

    Raises Refused for another value, when no run goes on or it has ended, NotFound when it is not
    in the repository, InvalidInput for what is no name or is too long, WriteFailed.
    """
    _current().log_param(name, value)


def _current() -> RunLogger:
    global _logger, _logger_of
    if _logger is None or _logger_of != os.getpid():
        run = os.environ.get(RUN)
        if not run:
            raise Refused(
                "no run goes on", hint="start the program with `dsm run`, or use `with dsm.run():`"
            )
        root = os.environ.get(ROOT) or discover(".")
        _logger, _logger_of = RunLogger(Repository(root, environment()), run), os.getpid()
    return _logger


def _forget() -> None:
    global _logger
    if _logger is not None and _logger_of == os.getpid():
        _logger.close()
    _logger = None


class ActiveRun:
    """A run of this process: views that it opens and what it logs are recorded until its end.

    A context manager; leaving it by an exception makes the run a failed one. Inside a run that goes
    on already, such as one of `dsm run`, it is that one, which goes on after it.
    """

    def __init__(self, repo: Catalog | None, open_run: OpenRun | None, outputs: Iterable[str]):
        self._repo = repo
        self._open = open_run
        self._process = os.getpid()
        self._outputs = {path: files.mark(path) for path in outputs}
        self._began = time.monotonic_ns()
        self._outer = {name: os.environ.get(name) for name in (RUN, ROOT)}
        self._events: RunEvents | None = None
        if repo is not None and open_run is not None:
            _forget()
            os.environ.update({RUN: open_run.id, ROOT: repo.root})
            self._events, problem = run_events(repo)
            if self._events is not None:
                self._events.begin(open_run.id)
            elif problem is not None:
                warnings.warn(f"no event is sent to OpenLineage: {problem}", stacklevel=3)
        self.id: str = os.environ[RUN]

    def log_metric(self, name: str, value: Any, step: int | None = None) -> None:
        """As `dsm.log_metric`, which says what it raises."""
        log_metric(name, value, step)

    def log_param(self, name: str, value: Any) -> None:
        """As `dsm.log_param`, which says what it raises."""
        log_param(name, value)

    def end(self, status: int = 0) -> None:
        """Ends the run. In a fork, a second time, or where it began elsewhere it does nothing.

        Raises InvalidInput for an output that was not written, after the run has ended;
        WriteFailed.
        """
        run, self._open = self._open, None
        if run is None or self._repo is None or self._process != os.getpid():
            return
        try:
            _forget()
            outputs, problem = [], None
            for path, before in self._outputs.items():
                try:
                    outputs.append(files.output(path, before))
                except InvalidInput as error:
                    problem = error
            took = (time.monotonic_ns() - self._began) // 1000
            run.end(End(status, now_us(), took, {}, outputs))
            failed = None if self._events is None else self._events.end(run.id)
            if failed is not None:
                warnings.warn(f"no event was sent to OpenLineage: {failed}", stacklevel=2)
            if problem is not None and not status:
                raise problem
        finally:
            run.release()
            self._repo.close()
            for name, value in self._outer.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(_status(error))


def _status(error: BaseException | None) -> int:
    """Returns the exit status that Python itself would give for an exception."""
    if isinstance(error, SystemExit):
        code = error.code
        return code & 0xFF if isinstance(code, int) else int(code is not None)
    if isinstance(error, KeyboardInterrupt):
        return 130
    return int(error is not None)


@suggests
def run(
    name: str | None = None,
    *,
    path: str | os.PathLike[str] = ".",
    parameters: Mapping[str, Any] | None = None,
    outputs: Iterable[str] = (),
    host: bool = False,
) -> ActiveRun:
    """Begins a run in this process, of the repository at or above `path`: `with dsm.run() as run:`.

    Recorded are the views that the process and its children open, the command line, git commit,
    packages, `parameters`, what is logged, and of the files named by `outputs` size and hash, if
    they are written; with `host` also the name of the machine. Where a run goes on already, as
    below `dsm run`, it is that one; then `parameters` are logged, and all else is said by the outer
    run.

    Raises what `dsm.open` raises, InvalidInput for a name that cannot be, Refused for a parameter
    that was logged with another value, WriteFailed.
    """
    outputs = list(outputs)
    given = {key: str(value) for key, value in (parameters or {}).items()}
    if name is not None:
        check_tag_name(name, "run")
    if os.environ.get(RUN):
        for key, value in given.items():
            log_param(key, value)
        return ActiveRun(None, None, ())
    repo = open(path)
    try:
        begun = repo.runs.begin(
            start(
                repo, name, [sys.executable, *_arguments()], given, output_files=outputs, host=host
            )
        )
    except BaseException:
        repo.close()
        raise
    return ActiveRun(repo, begun, outputs)


def _arguments() -> list[str]:
    """Returns the command line of this Python after its own name."""
    return list(getattr(sys, "orig_argv", sys.argv)[1:]) or ["-"]


def start(
    repo: Catalog,
    name: str | None,
    command: list[str],
    given: dict[str, str],
    *,
    metric_files: Iterable[str] = (),
    output_files: Iterable[str] = (),
    host: bool = False,
) -> Start:
    """Returns what is known of a run that begins now, with `host` the name of the machine too."""
    commit, clean = _commit()
    return Start(
        name=name, command=command, time=repo.environment.clock(), author=repo.author,
        parameters=given, commit=commit, clean=clean, python=platform.python_version(),
        packages=_packages(),
        tracking={
            tracker: os.environ[variable] for tracker, variable in TRACKERS.items()
            if os.environ.get(variable)
        },
        metric_files=list(metric_files), output_files=list(output_files),
        host=printable(platform.node()) if host else None,
    )  # fmt: skip


def event_sink(repo: Catalog, place: str | None = None) -> EventSink | None:
    """Returns where events of runs go: to `place`, or where the user's own settings say.

    Else what OPENLINEAGE_URL names, as for other programs that tell OpenLineage. None for nowhere.
    Raises InvalidInput for what is no place, SecretMissing.
    """
    asked = os.environ.get
    if place is None:
        own = own_settings(repo.config, repo.root)
        setting = None if own is None else own.get("openlineage.to")
        if setting is not None:
            place = address_of(setting)
        elif asked("OPENLINEAGE_URL") and asked("OPENLINEAGE_DISABLED", "").lower() != "true":
            parts = (asked("OPENLINEAGE_URL", ""), asked("OPENLINEAGE_ENDPOINT", ""))
            place = "/".join(part.strip("/") for part in parts if part)
    if place is None:
        return None
    from dsm.lineage.emitter import EventSink

    return EventSink(place, asked("OPENLINEAGE_API_KEY") or None)


def run_events(repo: Catalog) -> tuple[RunEvents | None, str | None]:
    """Returns what tells of a run that begins, if anybody is to be told, or what is in the way."""
    try:
        sink = event_sink(repo)
    except DsmError as error:
        return None, error.message
    if sink is None:
        return None, None
    from dsm.lineage.emitter import RunEvents

    return RunEvents(repo, sink), None


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
