"""A run as values, and its documents to values and back; specified in docs/format/run.md."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from dsm.errors import DamagedData

T = TypeVar("T")

_is_points_file = re.compile(r"[0-9a-f]{16}\.points").fullmatch
RUNNING, COMPLETE, FAILED, INTERRUPTED = "running", "complete", "failed", "interrupted"


@dataclass(frozen=True, slots=True)
class Start:
    """What is known when a run begins.

    `time` is in microseconds UTC. `commit` is the git commit of the current folder, `clean`
    whether its tracked files were as in it; None where there is none. `packages` are those that the
    Python of dsm sees, name to version; `tracking` the ids by which "mlflow" and "wandb" know it;
    `metric_files` and `output_files` what was to be recorded of what the program writes; `host` the
    name of the machine, where that was asked for.
    """

    name: str | None
    command: list[str]
    time: int
    author: str
    parameters: dict[str, str]
    commit: str | None
    clean: bool | None
    python: str
    packages: dict[str, str]
    tracking: dict[str, str] = field(default_factory=dict)
    metric_files: list[str] = field(default_factory=list)
    output_files: list[str] = field(default_factory=list)
    host: str | None = field(default_factory=lambda: None)


@dataclass(frozen=True, slots=True)
class ViewRead:
    """A view that a run opened for the first time at `time`, microseconds UTC."""

    version: str
    dataset: str
    dataset_id: str
    digest: str
    examples: int
    time: int


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a run wrote: its size in bytes and the BLAKE3 of its content, in hex."""

    path: str
    size: int
    blake3: str


@dataclass(frozen=True, slots=True)
class PointsFile:
    """A file of points of metrics: how many bytes of it belong to the run, and their BLAKE3."""

    file: str
    size: int
    blake3: str


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended: `duration` in microseconds, by a clock that is never set back.

    `metrics` are the last values by name; `points` the files of those that were logged by step.
    `status` is the exit status; that of a command that a signal ended is 128 and its number.
    """

    status: int
    time: int
    duration: int
    metrics: dict[str, float]
    outputs: list[Output]
    points: list[PointsFile] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Run:
    """One run: `state` is "running", "complete", "failed" or "interrupted" (it has no end).

    `logged` are the parameters that its program logged; `latest` the last values of the metrics
    that were logged until now, where there is no end that says them.
    """

    id: str
    state: str
    start: Start
    end: End | None = None
    views: tuple[ViewRead, ...] = field(default=())
    logged: dict[str, str] = field(default_factory=dict)
    latest: dict[str, float] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric by name."""
        return self.latest if self.end is None else self.end.metrics

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters by name, those that were given and those that were logged."""
        return {**self.start.parameters, **self.logged}


def number_text(value: float) -> str:
    """Returns the shortest text that reads as the same number; "nan", "inf" and "-inf"."""
    return repr(float(value))


def start_fields(run: str, start: Start) -> dict[str, Any]:
    """Returns the fields of the document that begins a run."""
    return {"run": run, **asdict(start)}


def view_fields(run: str, view: ViewRead) -> dict[str, Any]:
    """Returns the fields of the document of a view that a run opened."""
    return {"run": run, **asdict(view)}


def end_fields(run: str, end: End) -> dict[str, Any]:
    """Returns the fields of the document that ends a run."""
    metrics = {name: number_text(value) for name, value in end.metrics.items()}
    return {"run": run, **asdict(end), "metrics": metrics}


def parameter_fields(run: str, name: str, value: str) -> dict[str, Any]:
    """Returns the fields of the document of a parameter that a run logged."""
    return {"run": run, "name": name, "value": value}


def parameter_of(found: Mapping[str, Any], run: str, where: str) -> tuple[str, str]:
    """Reads what `parameter_fields` wrote: name and value. Raises DamagedData."""
    if set(found) != {"run", "name", "value", "format"} or found["run"] != run:
        raise DamagedData(f"{where} is no parameter of run {run}")
    name, value = found["name"], found["value"]
    if not isinstance(name, str) or not isinstance(value, str):
        raise DamagedData(f"{where} is no parameter of run {run}")
    return name, value


def start_of(found: Mapping[str, Any], run: str, where: str) -> Start:
    """Reads what `start_fields` wrote. Raises DamagedData."""
    start = _checked(Start, found, run, where)
    texts = [*start.command, *start.metric_files, *start.output_files]
    for each in (start.parameters, start.packages, start.tracking):
        texts += each.values()
    if not start.command or not all(isinstance(text, str) for text in texts):
        raise DamagedData(f"{where} is no begin of a run: text is missing")
    return start


def view_of(found: Mapping[str, Any], run: str, where: str) -> ViewRead:
    """Reads what `view_fields` wrote. Raises DamagedData."""
    return _checked(ViewRead, found, run, where)


def end_of(found: Mapping[str, Any], run: str, where: str) -> End:
    """Reads what `end_fields` wrote. Raises DamagedData."""
    end = _checked(End, found, run, where)
    try:
        metrics = {name: _number(text) for name, text in end.metrics.items()}
        outputs = [_checked(Output, each, None, where) for each in end.outputs]
        points = [_checked(PointsFile, each, None, where) for each in end.points]
        if not all(_is_points_file(each.file) for each in points):
            raise ValueError("a file of points lies elsewhere")
    except (AttributeError, TypeError, ValueError) as error:
        raise DamagedData(f"{where} is no end of a run: {error}") from error
    return replace(end, metrics=metrics, outputs=outputs, points=points)


def _number(text: Any) -> float:
    value = float(text)
    if text != number_text(value) and not (math.isnan(value) and text == "nan"):
        raise ValueError("a metric is not spelt as a number")
    return value


@cache
def _kinds(kind: Any) -> dict[str, Any]:
    """Returns the fields of a dataclass with their types."""
    return get_type_hints(kind)


def _checked(kind: type[T], found: Any, run: str | None, where: str) -> T:
    hints: dict[str, Any] = _kinds(kind)  # type: ignore[arg-type]
    # Runs that were recorded before a field was thought of have none.
    late = {each.name for each in fields(kind) if each.default_factory is not MISSING}  # type: ignore[arg-type]
    names = [name for name in hints if name in found or name not in late]
    expected = {*names, "format", "run"} if run is not None else {*names}
    try:
        if set(found) != expected or (run is not None and found["run"] != run):
            raise ValueError("its fields are those of something else")
        for name in names:
            if not _is_a(found[name], hints[name]):
                raise ValueError(f"{name} is of a kind that does not belong there")
        return kind(**{name: found[name] for name in names})
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedData(f"{where} is no document of run {run}: {error}") from error


def _is_a(value: Any, hint: Any) -> bool:
    if isinstance(hint, UnionType):
        return any(_is_a(value, each) for each in get_args(hint))
    return type(value) is (getattr(hint, "__origin__", None) or hint)
