"""Records of runs into a tracking store of MLflow: a folder, or whatever address MLflow knows.

A run is there once: its id is a tag. One that was written in part, because the export was ended,
is deleted there and written again.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from dsm.model.names import printable
from dsm.repo.repository import Repository
from dsm.runs.book import Runs
from dsm.runs.exported import Exported, ExportFailed
from dsm.runs.mlflow_names import names_for_mlflow
from dsm.runs.run import COMPLETE, FAILED, Run, ViewRead
from dsm.views.selection.prepared import read_record
from dsm.views.selection.selection import Selection

try:
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
    from mlflow.exceptions import MlflowException

    from dsm.views.writing.to_mlflow import DIGEST_CHARS, MlflowDataset, source_of
except ImportError as error:
    raise ImportError("this needs MLflow: pip install dsm-datasets[mlflow]") from error

TAG = "dsm.run"
# What MLflow takes at once, and how long a value of it may be.
METRICS_AT_ONCE, PARAMETERS_AT_ONCE, PARAMETER_MAX, TAG_MAX = 1000, 100, 6000, 5000
OUTPUTS_AS_TAGS = 50
RECORD = "dsm"
_secret = re.compile(r"//[^/\s]*@")
_STATES = {COMPLETE: "FINISHED", FAILED: "FAILED"}


class MlflowStore:
    """An experiment of a tracking store; `place` is a folder as file:// address, or another one."""

    def __init__(self, place: str, experiment: str):
        """Makes the experiment unless it is there. Raises ExportFailed."""
        try:
            self._client = MlflowClient(tracking_uri=place)
            found = self._client.get_experiment_by_name(experiment)
            self._experiment = (
                self._client.create_experiment(experiment) if found is None else found.experiment_id
            )
            self._known = self._known_runs()
        except (MlflowException, OSError) as error:
            raise _failed(error) from error

    def export(self, repository: Repository, run: Run, record: dict[str, Any]) -> Exported:
        """Writes a run that has ended or was killed; `record` is kept as a file beside it.

        Raises ExportFailed, DamagedData, StorageFailed.
        """
        known, whole = self._known.get(run.id, ("", False))
        if whole:
            return Exported(run, known, False)
        try:
            if known:
                self._client.delete_run(known)
            return Exported(run, self._write(repository, run, record), True)
        except (MlflowException, OSError) as error:
            raise _failed(error) from error

    def _known_runs(self) -> dict[str, tuple[str, bool]]:
        """Returns what is there already: id here to id there, and whether it is whole."""
        found: dict[str, tuple[str, bool]] = {}
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], f"tags.`{TAG}` != ''", max_results=1000, page_token=token
            )
            for each in page:
                found[each.data.tags[TAG]] = each.info.run_id, each.info.status != "RUNNING"
            token = page.token
            if not token:
                return found

    def _write(self, repository: Repository, run: Run, record: dict[str, Any]) -> str:
        client = self._client
        made = client.create_run(
            self._experiment, start_time=run.start.time // 1000, tags=_tags(run),
            run_name=run.start.name,
        )  # fmt: skip
        there = str(made.info.run_id)
        names = names_for_mlflow(run.parameters)
        parameters = [
            Param(names[name], value[:PARAMETER_MAX]) for name, value in run.parameters.items()
        ]
        for some in _blocks(parameters, PARAMETERS_AT_ONCE):
            client.log_batch(there, params=some)
        for some in _blocks(_metrics(repository, run), METRICS_AT_ONCE):
            client.log_batch(there, metrics=some)
        read = [DatasetInput(_dataset(repository, view), [_CONTEXT]) for view in run.views]
        if read:
            client.log_inputs(there, datasets=read)
        client.log_dict(there, record, f"{RECORD}/run.json")
        end = run.start.time if run.end is None else run.end.time
        client.set_terminated(there, _STATES.get(run.state, "KILLED"), end // 1000)
        return there


_CONTEXT = InputTag("mlflow.data.context", "training")


def _failed(error: Exception) -> ExportFailed:
    """Returns the error in one line, without what an address may hold before its host."""
    said = _secret.sub("//", getattr(error, "message", None) or str(error))
    return ExportFailed(f"MLflow does not take it: {printable(said.strip().splitlines()[0])[:300]}")


def _blocks(found: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(found)
    while block := list(islice(rest, size)):
        yield block


def _tags(run: Run) -> dict[str, str]:
    start = run.start
    found = {
        TAG: run.id, "dsm.state": run.state, "dsm.command": shlex.join(start.command),
        "dsm.python": start.python, "mlflow.user": start.author, "mlflow.source.type": "LOCAL",
        "mlflow.source.name": start.command[0],
    }  # fmt: skip
    if start.commit is not None:
        found["mlflow.source.git.commit"] = start.commit
        found["dsm.clean"] = "true" if start.clean else "false"
    if run.end is not None:
        found["dsm.status"] = str(run.end.status)
        outputs = {f"dsm.output.{each.path}": each for each in run.end.outputs[:OUTPUTS_AS_TAGS]}
        names = names_for_mlflow(outputs)
        found |= {names[name]: f"blake3:{each.blake3}" for name, each in outputs.items()}
    found |= {f"dsm.tracking.{tracker}": id_ for tracker, id_ in start.tracking.items()}
    return {name: value[:TAG_MAX] for name, value in found.items()}


def _metrics(repository: Repository, run: Run) -> Iterator[Metric]:
    """Yields the points of all metrics, then the numbers that have no step."""
    points = Runs(repository).points
    stepped: set[str] = {point.name for point in points(run)}
    names = names_for_mlflow({*run.metrics, *stepped})
    for point in points(run):
        yield Metric(names[point.name], point.value, point.time // 1000, point.step)
    last = run.start.time if run.end is None else run.end.time
    for name, value in run.metrics.items():
        if name not in stepped:
            yield Metric(names[name], value, last // 1000, 0)


def _dataset(repository: Repository, view: ViewRead) -> Dataset:
    """Returns a view that a run read; of one that is forgotten what the run says of it."""
    source = source_of(repository, view.dataset, view.version, view.digest)
    record = None
    if view.dataset in repository.datasets():
        record = read_record(repository, view.dataset, view.version)
    if record is None or record.query.dataset != view.dataset_id:
        return Dataset(
            view.dataset, view.digest[:DIGEST_CHARS], "dsm", source.to_json(),
            profile=f'{{"num_rows": {view.examples}}}',
        )  # fmt: skip
    selection = Selection(repository, view.dataset, _no_snapshots, record.query, record)
    return Dataset(**MlflowDataset(selection, source, view.dataset).to_dict())


def _no_snapshots() -> Any:
    raise AssertionError("a prepared view is described without its rows")
