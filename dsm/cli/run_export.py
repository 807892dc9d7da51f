"""dsm runs export: records of runs for other trackers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dsm.answers.runs import exported_answer, run_answer
from dsm.cli.output import count_text, print_json
from dsm.cli.run_options import SHORT
from dsm.cli.session import Session
from dsm.errors import InvalidInput
from dsm.files.typed_path import refuse_store
from dsm.model.names import printable
from dsm.runs.exported import Exported
from dsm.runs.run import RUNNING, Run

# What MLflow asks the environment: a folder is a place of its own choice, nobody is told of its
# use, and a server that does not answer is given up soon.
SETTINGS = {
    "MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}  # fmt: skip


def command(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN...", help="Ids or names of runs; without, all that do not go on"
        ),
    ] = None,
    mlflow: Annotated[
        str | None,
        typer.Option(
            "--mlflow", metavar="DIR", help="Folder of MLflow, or an address such as https://HOST"
        ),
    ] = None,
    experiment: Annotated[
        str, typer.Option("--experiment", metavar="NAME", help="Experiment of MLflow")
    ] = "dsm",
    openlineage: Annotated[
        str | None,
        typer.Option(
            "--openlineage", metavar="TO", help="File or http(s) address for events of OpenLineage"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Write records of runs into MLflow, or tell OpenLineage of them

    MLflow gets parameters, metrics by step, tags, the views that were read as dataset inputs,
    hashes of outputs, and the record as `dsm runs show --json` has it, of each run once, however
    often it is exported. Passwords of a server come from the environment, as MLflow reads them. It
    needs MLflow: pip install dsm-datasets[mlflow]. OpenLineage gets the events START and COMPLETE,
    FAIL or ABORT of each run; OPENLINEAGE_API_KEY is the key for a server.

    \b
    Examples:
      dsm runs export --mlflow mlruns
      dsm runs export baseline larger --mlflow mlruns --experiment pets
      dsm runs export baseline --openlineage https://lineage.example.org
    """
    if (mlflow is None) == (openlineage is None):
        raise InvalidInput("give either --mlflow DIR or --openlineage TO")
    if not experiment.strip():
        raise InvalidInput("an experiment has a name")
    with Session(ctx) as s:
        runs = list(reversed([s.repo.runs.find(n) for n in names] if names else [*s.repo.runs]))
        going_on = [run.id[:SHORT] for run in runs if run.state == RUNNING]
        if names and going_on:
            raise InvalidInput(f"run {going_on[0]} is going on", hint="export it when it has ended")
        ended = [run for run in runs if run.state != RUNNING]
        if openlineage is not None:
            found = _to_openlineage(s, ended, openlineage)
        else:
            found = _to_mlflow(s, ended, mlflow or "", experiment)
        if as_json:
            print_json(exported_answer(found))
            return
        for each in found:
            cells = (each.run.id[:SHORT], each.mlflow_id, printable(each.run.start.name or ""))
            print("  ".join(filter(None, cells)))
        new = sum(each.new for each in found)
        s.say(f"exported {new} of {count_text(len(found), 'run')}, the others were there already")


def _to_mlflow(s: Session, runs: list[Run], place: str, experiment: str) -> list[Exported]:
    if "://" not in place:
        refuse_store(place)
        place = Path(os.path.abspath(place)).as_uri()
    for key, value in SETTINGS.items():
        os.environ.setdefault(key, value)
    try:
        from dsm.runs.to_mlflow import MlflowStore
    except ImportError as error:
        raise InvalidInput(
            "--mlflow needs MLflow", hint="pip install dsm-datasets[mlflow]"
        ) from error
    store = MlflowStore(place, experiment)
    return [store.export(s.repo, run, run_answer(run)) for run in runs]


def _to_openlineage(s: Session, runs: list[Run], place: str) -> list[Exported]:
    from dsm.lineage.openlineage import events
    from dsm.tracking import event_sink

    sink = event_sink(s.repo, place)
    if sink is not None:
        for event in events(s.repo, runs):
            sink.put(event)
    return [Exported(run, None, True) for run in runs]
