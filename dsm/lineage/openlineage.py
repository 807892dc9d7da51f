"""Runs as events of OpenLineage: START, and COMPLETE, FAIL or ABORT, one JSON object a line.

The names of facets, and what they hold, are those of the published specification; what only dsm
knows of a run is in a facet of its own.
"""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from dsm.lineage.origins import sources_of
from dsm.model.timespec import format_time
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository
from dsm.runs.run import COMPLETE, FAILED, RUNNING, Run, ViewRead
from dsm.version import __version__
from dsm.views.selection.described import described_columns
from dsm.views.selection.prepared import read_record

PRODUCER = f"https://pypi.org/project/dsm-datasets/{__version__}"
SPEC = "https://openlineage.io/spec"
EVENT_SCHEMA = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = {
    "version": "1-0-1/DatasetVersionDatasetFacet", "schema": "1-2-0/SchemaDatasetFacet",
    "dataSource": "1-0-1/DatasourceDatasetFacet",
    "inputStatistics": "1-0-0/InputStatisticsInputDatasetFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet",
    "errorMessage": "1-0-1/ErrorMessageRunFacet",
    "processing_engine": "1-1-1/ProcessingEngineRunFacet",
    "executionParameters": "1-0-0/ExecutionParametersRunFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
}  # fmt: skip
START, END = "START", "END"
# An event tells of about so many origins, and asks so many changesets for them.
ORIGINS_MAX, CHANGESETS_MAX = 100, 1000
ENDS = {COMPLETE: "COMPLETE", FAILED: "FAIL"}
_NAMESPACE = uuid.UUID("6f1d2c1e-8f0a-5d6b-9a57-0b1c2d3e4f50")  # of ids of runs as UUIDs


def events(repository: Repository, runs: Iterable[Run]) -> Iterator[dict[str, Any]]:
    """Yields the events of runs, those that began first first. Raises DamagedData."""
    for run in sorted(runs, key=lambda run: (run.start.time, run.id)):
        yield event(repository, run, START)
        if run.state != RUNNING:
            yield event(repository, run, END)


def event(repository: Repository, run: Run, which: str) -> dict[str, Any]:
    """Returns the event START of a run, or END: how it ended. Raises DamagedData."""
    kind = START if which == START else ENDS.get(run.state, "ABORT")
    ended = kind != START
    time = run.end.time if ended and run.end else run.start.time
    return {
        "eventType": kind,
        "eventTime": format_time(max(time, run.start.time)),
        "producer": PRODUCER,
        "schemaURL": EVENT_SCHEMA,
        "run": {"runId": str(uuid.uuid5(_NAMESPACE, run.id)), "facets": _run_facets(run, kind)},
        "job": {
            "namespace": f"dsm://{repository.id}",
            "name": run.start.name or shlex.join(run.start.command)[:200],
            "facets": {"jobType": _facet("jobType", processingType="BATCH", integration="DSM",
                                         jobType="TRAINING")},
        },
        "inputs": [_input(repository, view) for view in run.views],
        "outputs": [
            {
                "namespace": f"dsm://{repository.id}",
                "name": f"run/{run.id}/{output.path}",
                "facets": {"version": _facet("version", datasetVersion=output.blake3)},
                "outputFacets": {
                    "outputStatistics": _facet("outputStatistics", size=output.size, fileCount=1)
                },
            }
            for output in (run.end.outputs if ended and run.end else ())
        ],
    }  # fmt: skip


def _run_facets(run: Run, kind: str) -> dict[str, Any]:
    facets = {
        "processing_engine": _facet(
            "processing_engine", version=run.start.python, name="python",
            openlineageAdapterVersion=__version__,
        ),
        "executionParameters": _facet("executionParameters", parameters=[
            {"key": name, "value": value} for name, value in run.parameters.items()
        ]),
        "dsm_run": {
            "_producer": PRODUCER, "_schemaURL": f"{PRODUCER}#run", "id": run.id,
            "command": run.start.command, "commit": run.start.commit,
            "clean": run.start.clean, "tracking": run.start.tracking,
            "metrics": {} if kind == START else {k: repr(v) for k, v in run.metrics.items()},
        },
    }  # fmt: skip
    if kind == "FAIL" and run.end is not None:
        facets["errorMessage"] = _facet(
            "errorMessage", message=f"exit status {run.end.status}", programmingLanguage="unknown"
        )
    return facets


def _input(repository: Repository, view: ViewRead) -> dict[str, Any]:
    facets = {
        "version": _facet("version", datasetVersion=view.version),
        "dataSource": _facet("dataSource", name="dsm", uri=f"dsm://{view.version}"),
    }
    statistics: dict[str, Any] = {"rowCount": view.examples}
    record = _record(repository, view)
    if record is not None:
        statistics["size"] = record.content.size
        log = ChangesetLog(repository, view.dataset, view.dataset_id)
        columns = described_columns(log.get(record.query.at))
        fields = [{"name": name, "type": kind} for name, kind in columns.items()]
        facets["schema"] = _facet("schema", fields=fields)
        facets |= _provenance(log, record.query.at)
    return {
        "namespace": f"dsm://{repository.id}",
        "name": view.dataset,
        "facets": facets,
        "inputFacets": {"inputStatistics": _facet("inputStatistics", **statistics)},
    }


def _record(repository: Repository, view: ViewRead) -> Any:
    """Returns the record of a view; None where it, or its dataset, is forgotten or renamed."""
    if view.dataset not in repository.datasets():
        return None
    record = read_record(repository, view.dataset, view.version)
    return record if record and record.query.dataset == view.dataset_id else None


def _provenance(log: ChangesetLog, at: int) -> dict[str, Any]:
    """Returns a facet of dsm's own: where the changesets up to one say that data came from.

    Of many it asks the newest, as a program that ends waits for it.
    """
    sources: dict[str, None] = {}
    derived: dict[str, None] = {}
    for changeset in islice(log.newest_first(at), CHANGESETS_MAX):
        sources |= dict.fromkeys(sources_of(changeset))
        derived |= dict.fromkeys(changeset.derived_from)
        if len(sources) + len(derived) >= ORIGINS_MAX:
            break
    if not sources and not derived:
        return {}
    return {
        "dsm_provenance": {
            "_producer": PRODUCER, "_schemaURL": f"{PRODUCER}#provenance",
            "sources": [*sources], "derivedFrom": [*derived],
        }
    }  # fmt: skip


def _facet(facet: str, /, **members: Any) -> dict[str, Any]:
    place = _FACETS[facet]
    url = f"{SPEC}/facets/{place}.json#/$defs/{place.rpartition('/')[2]}"
    return {"_producer": PRODUCER, "_schemaURL": url, **members}
