"""MLflow, as it is: views as dataset inputs of its runs, and records of runs in its store."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from situations import Work

from dsm.errors import DamagedData, InvalidInput, NotFound
from dsm.runs.logger import RunLogger
from dsm.runs.mlflow_names import names_for_mlflow
from dsm.runs.run import End, Output, Start

from .conftest import Runner

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # asked when it is imported
mlflow: Any = pytest.importorskip("mlflow", reason="needs dsm-datasets[mlflow]")


BEGAN = {
    "good": 1_700_000_000_000_000,
    "bad": 1_700_000_000_000_001,
    "killed": 1_700_000_000_000_002,
}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A folder as tracking store, which `mlflow.log_input` writes to."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    place = (tmp_path / "mlruns").as_uri()
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(place)
    yield place
    mlflow.set_tracking_uri(before)


@pytest.fixture
def pets(tmp_path: Path) -> Work:
    """Three pets with a number, and the view `all`."""
    work = Work(tmp_path / "pets", pattern="{label}/{n:int}")
    work.commit("pets", **{"cat/1": "a", "cat/2": "b", "dog/3": "c"})
    work.ds.prepare(name="all")
    return work


def test_a_view_is_an_input_of_a_run(
    store: str, pets: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name, digest, version, schema and counts are there, and the source opens the view again."""
    view = pets.repo.view("all")
    with mlflow.start_run() as run:
        mlflow.log_input(view.to_mlflow(), context="training")
        mlflow.log_input(view.to_mlflow("named"))
    logged = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
    first, second = sorted((each.dataset for each in logged), key=lambda each: each.name)
    assert (first.name, second.name) == ("data", "named")
    assert first.digest == view.digest[:36]
    assert json.loads(first.profile) == {
        "num_rows": 3, "size": 3, "version": view.version, "digest": view.digest, "changeset": 1,
        "labels": {"cat": 2, "dog": 1},
    }  # fmt: skip
    types = pytest.importorskip("mlflow.types", reason="needs NumPy")
    schema = types.Schema.from_json(json.dumps(json.loads(first.schema)["mlflow_colspec"]))
    assert schema.input_names() == ["path", "content", "labels", "time", "attr.n"]
    source = mlflow.data.get_source(first)
    assert source.uri == f"dsm://data@{view.version}"
    monkeypatch.chdir("/")
    assert [each.path for each in source.load()] == ["cat/1", "cat/2", "dog/3"]


def test_an_address_is_a_source(pets: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow makes a source of `dsm://dataset@view` in a repository, and of nothing else of ours."""
    from mlflow.data.dataset_source_registry import resolve_dataset_source

    monkeypatch.chdir(pets.root)
    source = resolve_dataset_source("dsm://data@all")
    assert source.version == pets.repo.view("all").version
    assert not type(source)._can_resolve("https://example.org/data@all")


def test_a_source_is_believed_in_nothing(
    pets: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another repository, another content, and what is no source at all are errors of dsm."""
    monkeypatch.chdir(tmp_path)
    told = pets.repo.view("all").to_mlflow().source.to_dict()
    source = type(pets.repo.view("all").to_mlflow().source)
    with pytest.raises(NotFound, match="is neither here nor in"):
        source.from_dict({**told, "repository": "f" * 32}).load()
    with pytest.raises(DamagedData, match="does not hold what was logged"):
        source.from_dict({**told, "digest": "f" * 64}).load()
    with pytest.raises(NotFound):
        source.from_dict({**told, "version": "f" * 64}).load()
    for broken in ({}, {**told, "root": None}, {**told, "root": "a\0b"}):
        with pytest.raises(InvalidInput, match="no source of a view"):
            source.from_dict(broken)
    with pytest.raises(InvalidInput, match="only a prepared view"):
        (pets.repo.view("all") - pets.ds.prepare(labels=["cat"])).to_mlflow()


def test_names_are_those_that_mlflow_takes() -> None:
    """What it takes stays, the rest is told apart, and no name is a folder of another."""
    given = [
        "loss",
        "loss/train",
        "a=b",
        "a_b",
        "../../x",
        "/etc/x",
        "",
        "..",
        "é ü",
        "x" * 300,
        "x" * 299,
    ]
    found = names_for_mlflow(given)
    assert {name: found[name] for name in ("loss", "a_b", "é ü")} == {
        "loss": "loss", "a_b": "a_b", "é ü": "é ü",
    }  # fmt: skip
    assert found["loss/train"] == "loss_train"
    assert found["a=b"] == "a_b_2"
    assert len(set(found.values())) == len(given)
    assert all(len(name) <= 250 for name in found.values())
    validation = pytest.importorskip("mlflow.utils.validation")
    for name in found.values():
        validation._validate_metric_name(name)


def record_run(work: Work, name: str, status: int | None, **parameters: str) -> str:
    """A run with points by step, a number without one, NaN, a parameter and a file."""
    start = Start(
        name, ["python", "train.py"], BEGAN[name], "Ada", parameters, "c" * 40, False,
        "3.11", {}, {"wandb": "w1"},
    )  # fmt: skip
    run = work.repo.runs.begin(start)
    work.repo.runs.note_view(run.id, work.repo.view("all"))
    logger = RunLogger(work.repo, run.id)
    for step, value in enumerate((0.5, math.nan, 0.25)):
        logger.log_metric("loss", value, step)
    logger.log_param("depth", 3)
    logger.close()
    if status is None:
        run.release()
    else:
        output = Output("../out/model.pt", 3, "e" * 64)
        run.end(End(status, 1_700_000_001_000_000, 1_000_000, {"f1": 0.9}, [output]))
    return run.id


def test_a_run_is_exported_once(
    store: str, pets: Work, dsm: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With parameters, points, tags, inputs, hashes and times; killed and failed runs say so."""
    monkeypatch.chdir(pets.root)
    ids = [
        record_run(pets, "good", 0, lr="0.1", **{"net[0]": "x" * 7000}),
        record_run(pets, "bad", 3),
        record_run(pets, "killed", None),
    ]
    words = ["runs", "export", "--mlflow", "../mlruns", "--experiment", "pets", "--json"]
    first = dsm(*words).json["runs"]
    assert [(each["id"], each["name"], each["new"]) for each in first] == [
        (ids[0], "good", True), (ids[1], "bad", True), (ids[2], "killed", True),
    ]  # fmt: skip
    client = mlflow.MlflowClient(store)
    good, bad, killed = (client.get_run(each["mlflow"]) for each in first)
    assert [each.info.status for each in (good, bad, killed)] == ["FINISHED", "FAILED", "KILLED"]
    assert (good.info.start_time, good.info.end_time) == (1_700_000_000_000, 1_700_000_001_000)
    assert good.data.params == {"lr": "0.1", "depth": "3", "net_0_": "x" * 6000}
    loss = [(p.step, p.value) for p in client.get_metric_history(good.info.run_id, "loss")]
    assert [loss[0], loss[2]] == [(0, 0.5), (2, 0.25)] and math.isnan(loss[1][1])
    assert good.data.metrics["f1"] == 0.9
    tags = good.data.tags
    assert tags["dsm.output.../out/model.pt"] == "blake3:" + "e" * 64
    assert (tags["dsm.run"], tags["mlflow.user"], tags["dsm.tracking.wandb"]) == (
        ids[0],
        "Ada",
        "w1",
    )
    (read,) = good.inputs.dataset_inputs
    assert mlflow.data.get_source(read.dataset).load().version == pets.repo.view("all").version
    kept = client.download_artifacts(good.info.run_id, "dsm/run.json")
    assert json.loads(Path(kept).read_text())["id"] == ids[0]
    # What an export that was ended has left is written again, the rest stays.
    client.update_run(bad.info.run_id, status="RUNNING")
    again = {each["id"]: each for each in dsm(*words).json["runs"]}
    assert [again[id_]["new"] for id_ in ids] == [False, True, False]
    assert again[ids[0]]["mlflow"] == good.info.run_id
    assert len(client.search_runs([good.info.experiment_id])) == 3


def test_a_forgotten_view_is_told_by_its_run(
    store: str, pets: Work, dsm: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The input has the digest and the count that the run recorded."""
    monkeypatch.chdir(pets.root)
    record_run(pets, "good", 0)
    digest = pets.repo.view("all").digest
    dsm("view", "rm", "-q", "all")
    (found,) = dsm("runs", "export", "good", "--mlflow", "../mlruns", "--json").json["runs"]
    (read,) = mlflow.MlflowClient(store).get_run(found["mlflow"]).inputs.dataset_inputs
    assert (read.dataset.digest, json.loads(read.dataset.profile)) == (digest[:36], {"num_rows": 3})


def test_what_cannot_be_exported_is_told(
    pets: Work, dsm: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a place, of a run that goes on, into a repository, to a server that is not there."""
    monkeypatch.chdir(pets.root)
    assert "--mlflow DIR" in dsm("runs", "export", status=2).err
    going = pets.repo.runs.begin(Start("on", ["x"], 1, "Ada", {}, None, None, "3", {}))
    assert "is going on" in dsm("runs", "export", "on", "--mlflow", "m", status=2).err
    going.release()
    dsm("runs", "export", "--mlflow", ".dsm/new", status=2)
    dsm("runs", "export", "--mlflow", "m", "--experiment", " ", status=2)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    found = dsm("runs", "export", "--mlflow", "http://ada:secret@127.0.0.1:9", status=8)
    assert found.err.startswith("error: MLflow does not take it: ") and found.err.count("\n") == 1
    assert "127.0.0.1" in found.err and "secret" not in found.err
    assert not Path("m").exists()
