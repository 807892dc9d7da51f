"""OpenLineage: events as its schemas want them, to a file or a server, and never in a run's way."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from receiver import Receiver

import dsm as library
from dsm.lineage import emitter
from dsm.lineage.openlineage import events

from .conftest import Runner, write

SCHEMAS = Path(__file__).resolve().parents[1] / "lineage" / "openlineage"
READS = "import dsm; list(dsm.open('.').view('all')); open('model', 'w').write('w')"
TRAIN = [sys.executable, "-c", READS]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def pets(dsm: Runner, empty_repo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files with an attribute, and the view `all`; pauses take no time."""
    monkeypatch.setattr(emitter, "PAUSE_SECONDS", 0.001)
    write(empty_repo / "cat/1.txt", "x")
    write(empty_repo / "cat/2.txt", "y")
    dsm("add", "-q", "--label", "cat", "cat")
    dsm("label", "-q", "cat/1.txt", "--attr", "age=3")
    dsm("commit", "-q", "-m", "first", "--derived-from", "raw@1")
    dsm("prepare", "-q", "--name", "all")
    return empty_repo


def problems(found: list[dict[str, Any]]) -> list[str]:
    """What the published schemas have against events: against the whole, and each facet."""
    jsonschema = pytest.importorskip("jsonschema", reason="needs the extra test")
    referencing = pytest.importorskip("referencing", reason="comes with jsonschema")
    known = [json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")]
    registry = referencing.Registry().with_resources(
        (each["$id"], referencing.Resource.from_contents(each)) for each in known
    )
    told = []
    for event in found:
        parts = [(event["schemaURL"], event)]
        holders = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
        for holder in holders:
            for kind in ("facets", "inputFacets", "outputFacets"):
                facets = holder.get(kind, {})
                assert all(re.match("https://.*", each["_producer"]) for each in facets.values())
                parts += [(f["_schemaURL"], f) for n, f in facets.items() if n[:4] != "dsm_"]
        for url, part in parts:
            validator = jsonschema.Draft202012Validator(
                {"$ref": url}, registry=registry,
                format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
            )  # fmt: skip
            told += [f"{url}: {error.message}" for error in validator.iter_errors(part)]
    return told


def test_events_are_as_published(dsm: Runner, pets: Path) -> None:
    """Of complete, failed and interrupted runs: START and an end, with facets that fit schemas."""
    dsm("run", "-q", "--name", "a", "--param", "lr=1", "--out", "model", "--", *TRAIN)
    dsm("run", "-q", "--name", "b", "--", sys.executable, "-c", "exit(3)", status=3)
    with library.open(".") as repo:
        start = repo.runs.find("b").start
        repo.runs.begin(replace(start, time=start.time + 1)).release()
        found = list(events(repo, repo.runs))
    assert [each["eventType"] for each in found] == [
        "START", "COMPLETE", "START", "FAIL", "START", "ABORT",
    ]  # fmt: skip
    assert problems(found) == []
    broken = json.loads(json.dumps(found[1]))
    broken["run"]["runId"] = 5
    broken["inputs"][0]["inputFacets"]["inputStatistics"]["rowCount"] = "many"
    assert len(problems([broken])) >= 2
    (read,) = found[1]["inputs"]
    assert read["facets"]["dsm_provenance"]["derivedFrom"] == ["raw@1"]
    assert {"name": "attr.age", "type": "int"} in read["facets"]["schema"]["fields"]
    assert read["inputFacets"]["inputStatistics"]["rowCount"] == 2
    assert found[1]["run"]["facets"]["executionParameters"]["parameters"] == [
        {"key": "lr", "value": "1"}
    ]


def test_a_run_tells_a_file(dsm: Runner, pets: Path) -> None:
    """START as it begins, COMPLETE with what it read; the next run is appended."""
    for name in ("a", "b"):
        dsm("run", "-q", "--name", name, "--openlineage", "events.jsonl", "--", *TRAIN)
    told = [json.loads(line) for line in Path("events.jsonl").read_text().splitlines()]
    assert [(each["job"]["name"], each["eventType"], len(each["inputs"])) for each in told] == [
        ("a", "START", 0), ("a", "COMPLETE", 1), ("b", "START", 0), ("b", "COMPLETE", 1),
    ]  # fmt: skip
    assert (
        "keeps its own files" in dsm("run", "--openlineage", ".dsm/x", "--", "true", status=2).err
    )


def test_a_run_tells_a_server(
    dsm: Runner, pets: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, again after an answer that says so, with the key of the environment."""
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "key-1")
    receiver.at_first = [503, 429]
    said = dsm("run", "-q", "--openlineage", receiver.host, "--", "true")
    kinds = [(path, event["eventType"]) for path, event in receiver.taken]
    assert kinds == [("/api/v1/lineage", "START")] * 3 + [("/api/v1/lineage", "COMPLETE")]
    assert {each["Authorization"] for each in receiver.headers} == {"Bearer key-1"}
    assert said.err == ""


def test_environment_and_own_settings_name_the_place(
    dsm: Runner, pets: Path, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OPENLINEAGE_URL, above it the user's setting; what a repository says counts for nothing."""
    monkeypatch.setenv("OPENLINEAGE_URL", receiver.host)
    monkeypatch.setenv("OPENLINEAGE_ENDPOINT", "here")
    dsm("run", "-q", "--", "true")
    assert [path for path, _ in receiver.taken] == ["/here"] * 2
    with library.run("python"):
        pass
    assert [event["eventType"] for _, event in receiver.taken[2:]] == ["START", "COMPLETE"]
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    dsm("run", "-q", "--", "true")
    assert len(receiver.taken) == 4
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    assert "own settings" in dsm("config", "set", "openlineage.to", "env:PLACE", status=2).err
    Path(".dsm/config.toml").write_text('[openlineage]\nto = "env:PLACE"\n')
    monkeypatch.setenv("PLACE", f"{receiver.host}/mine")
    dsm("run", "-q", "--", "true")
    assert len(receiver.taken) == 4
    dsm("config", "set", "--global", "openlineage.to", "env:PLACE")
    dsm("run", "-q", "--", "true")
    assert [path for path, _ in receiver.taken[4:]] == ["/mine"] * 2


def test_a_server_never_fails_a_run(
    dsm: Runner, pets: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody there, refused, elsewhere, silent: one line, the status of the program, no waiting."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dead = socket.socket()
        dead.bind(("127.0.0.1", 0))  # and nobody listens
        monkeypatch.setattr(emitter, "TRY_SECONDS", 0.05)
        for place, why in (
            (f"http://127.0.0.1:{dead.getsockname()[1]}", "cannot be reached (Connection refused)"),
            (f"http://127.0.0.1:{silent.getsockname()[1]}", "cannot be reached (TimeoutError)"),
        ):
            said = dsm("run", "-q", "--openlineage", place, "--", "false", status=1)
            assert f"warning: OpenLineage was not told of all: the server {why}" in said.err
            assert said.err.count("\n") == 1
        monkeypatch.setattr(emitter, "TRY_SECONDS", 60)
        monkeypatch.setattr(emitter, "END_SECONDS", 0.05)
        said = dsm("run", "-q", "--openlineage", place, "--", "true")
        assert "not told of all: the server does not answer" in said.err
        dead.close()
    monkeypatch.setattr(emitter, "END_SECONDS", 10)
    receiver.status = 307
    said = dsm("run", "-q", "--openlineage", receiver.host, "--", "true")
    assert "the server answered 307" in said.err and "/elsewhere" not in dict(receiver.taken)
    receiver.status = 200
    run = re.findall(r"runs export (\w+)", said.err)[0]
    receiver.taken.clear()
    exported = dsm("runs", "export", run, "--openlineage", receiver.host, "--json").json
    assert exported["runs"][0] == {"id": run, "name": None, "mlflow": None, "new": True}
    assert [event["eventType"] for _, event in receiver.taken] == ["START", "COMPLETE"]
    assert (
        "holds a password"
        in dsm("run", "--openlineage", "http://a:b@127.0.0.1", "--", "true", status=2).err
    )
