"""dsm run and dsm runs: programs are recorded without a change, and end as they end by themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import dsm as library
from dsm.errors import InvalidInput, Refused

from .conftest import Runner

PROGRAM = """
import json, os, sys
import dsm
with dsm.open(".") as repo:
    view = repo.view("cats")
    if os.fork() == 0:
        list(repo.view("all"))
        os._exit(0)
    os.wait()
    json.dump({"n": len(view), "loss": float("nan")}, open("m.json", "w"))
open("model", "w").write("weights")
"""


def process(*words: str) -> list[str]:
    return [sys.executable, "-m", "dsm", "run", *words]


def test_a_program_is_recorded_as_it_is(two_changesets: Path, dsm: Runner) -> None:
    """Its views, also those of a fork, metrics and outputs are recorded, with no code for it."""
    dsm("prepare", "--label", "cat", "--name", "cats")
    dsm("prepare", "--name", "all")
    Path("train.py").write_text(PROGRAM)
    line = ["--name", "first", "--param", "lr=0.1", "--metrics", "m.json", "--out", "model"]
    said = subprocess.run(
        process(*line, "--", sys.executable, "train.py"), capture_output=True, text=True
    )
    assert (said.returncode, said.stdout) == (0, "")
    found = dsm("runs", "show", "first", "--json").json
    assert found["state"] == "complete"
    assert found["command"] == [sys.executable, "train.py"]
    assert found["parameters"] == {"lr": "0.1"}
    assert found["metrics"]["loss"] == "nan"
    with library.open(".") as repo:
        versions = {repo.view(name).version for name in ("cats", "all")}
    assert {view["version"] for view in found["views"]} == versions
    assert [(out["path"], out["size"]) for out in found["outputs"]] == [("model", 7)]
    assert dsm("runs").lines[0].split()[2:4] == ["first", "complete"]
    assert "lr = 0.1" in dsm("runs", "show", "first").out


def test_exit_status_and_signals_are_those_of_the_program(two_changesets: Path) -> None:
    """SIGTERM reaches the program, which ends as it likes; its status is the one of the run."""
    code = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7));"
        "print('ready', flush=True); signal.pause()"
    )
    with subprocess.Popen(
        process("-q", "--", sys.executable, "-c", code), stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        with library.open(".") as repo:
            assert [run.state for run in repo.runs] == ["running"]
        running.send_signal(signal.SIGTERM)
        assert running.wait() == 7
    killed = process("-q", "--", "sh", "-c", "kill -9 $$")
    assert subprocess.run(killed).returncode == 128 + signal.SIGKILL
    with library.open(".") as repo:
        assert [run.state for run in repo.runs] == ["failed", "failed"]


def test_a_killed_run_is_interrupted(two_changesets: Path) -> None:
    """When `dsm run` itself is killed the run stays on record."""
    with subprocess.Popen(
        process("--", "sh", "-c", "echo ready; read line"),
        stdout=subprocess.PIPE, stdin=subprocess.PIPE,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        running.kill()
        running.wait()
    with library.open(".") as repo:
        assert [run.state for run in repo.runs] == ["interrupted"]


def test_what_cannot_be_run_records_nothing(two_changesets: Path, dsm: Runner) -> None:
    """Without `--`, with a program that is not there or a bad parameter no run begins."""
    assert "behind `--`" in dsm("run", "true", status=2).err
    assert "no program" in dsm("run", "--", "no-such-program", status=127).err
    assert "K=V" in dsm("run", "--param", "lr", "--", "true", status=2).err
    assert "twice" in dsm("run", "--param", "a=1", "--param", "a=2", "--", "true", status=2).err
    assert dsm("runs", "list", "--json").json == {"runs": []}


def test_metrics_that_were_not_written_are_an_error(two_changesets: Path, dsm: Runner) -> None:
    """Stale metrics do not count; a program that failed keeps its own status."""
    Path("m.json").write_text('{"f1": 1}')
    assert "was there before" in dsm("run", "--metrics", "m.json", "--", "true", status=2).err
    failed = dsm("run", "--out", "gone", "--", "sh", "-c", "exit 9", status=9)
    assert "warning: the run has not written gone" in failed.err
    assert [run["metrics"] for run in dsm("runs", "list", "--json").json["runs"]] == [{}, {}]


def test_runs_are_sorted_by_a_metric(two_changesets: Path, dsm: Runner) -> None:
    """The greatest first, or the least, and NaN last in both."""
    for name, value in (("a", "1"), ("b", "NaN"), ("c", "2")):
        write = f'echo \'{{"f1": {value}, "{name}": 0}}\' > m.json'
        dsm("run", "--name", name, "--metrics", "m.json", "--", "sh", "-c", write)
    for sort, names in (("f1", "cab"), ("-f1", "acb"), ("a", "a")):
        found = dsm("runs", "list", f"--sort={sort}", "--json").json["runs"]
        assert "".join(run["name"] for run in found) == names
    assert "there are: a, b, c, f1" in dsm("runs", "list", "--sort", "x", status=4).err
    assert "removed run" in dsm("runs", "rm", "b").err


def test_the_data_of_two_runs_is_explained(two_changesets: Path, dsm: Runner) -> None:
    """`compare` says by which changeset the examples differ that the runs read."""
    for at in ("1", "2"):
        dsm("prepare", "--at", at, "--name", f"at{at}")
        environment = {**os.environ, "PYTHONPATH": ""}
        subprocess.run(
            process("-q", "--name", f"run{at}", "--", sys.executable, "-m", "dsm", "get",
                    f"at{at}", "-q", "-o", f"out{at}"),
            check=True, env=environment,
        )  # fmt: skip
    said = dsm("runs", "compare", "run1", "run2").out
    assert "up to changeset 1" in said and "up to changeset 2" in said
    found = dsm("runs", "compare", "run1", "run2", "--json").json
    assert found["data"][0]["reasons"]
    assert dsm("runs", "compare", "run1", "run1").err.strip() == "both read the same data"
    dsm("runs", "compare", "run1", "run2", "--html", "c.html")
    printed = dsm("runs", "compare", "run1", "run2", "--html", "-").out
    assert Path("c.html").read_text() == printed
    Path("other.html").write_text("mine")
    dsm("runs", "compare", "run1", "run2", "--html", "other.html", status=2)
    dsm("runs", "compare", "run1", "run2", "--html", ".dsm/x.html", status=2)
    dsm("runs", "compare", "run1", "run2", "--html", "c.html", "--json", status=2)
    assert Path("other.html").read_text() == "mine"


@pytest.mark.parametrize("name", ["bad name", "../x"])
def test_names_of_runs_are_plain(two_changesets: Path, dsm: Runner, name: str) -> None:
    """A name that could not be typed again is refused."""
    assert dsm("run", "--name", name, "--", "true", status=2).out == ""


LOGS = """
import dsm
for step in range(3):
    dsm.log_metric("loss", 1 / (step + 1), step=step)
dsm.log_param("depth", 3)
open("m.csv", "w").write("step,f1\\n1,0.5\\n2,nan\\n")
with dsm.run(name="inner", parameters={"seed": 1}) as run:
    run.log_metric("inner", 1)
dsm.log_metric("loss", float("inf"))
"""


def test_a_program_logs_metrics_and_parameters(
    two_changesets: Path, dsm: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By dsm.log_metric, by a run inside of the run, and by files; ids of trackers are kept."""
    monkeypatch.setenv("MLFLOW_RUN_ID", "m1")
    Path("train.py").write_text(LOGS)
    Path("params.json").write_text('{"net": {"lr": 0.1}, "seed": 0}')
    line = process("--param", "net.lr=0.2", "--metrics", "m.csv", "--", sys.executable, "train.py")
    subprocess.run(line, check=True, capture_output=True)
    (found,) = dsm("runs", "list", "--json").json["runs"]
    assert found["metrics"] == {"f1": "nan", "inner": 1.0, "loss": "inf"}
    assert found["parameters"] == {"net.lr": "0.2", "seed": "1", "depth": "3"}
    assert dsm("runs", "show", found["id"], "--json").json["tracking"] == {"mlflow": "m1"}
    with library.open(".") as repo:
        run = repo.runs.find(found["id"])
        assert sorted(step for _, step, _, _ in repo.runs.points(run, "loss")) == [0, 1, 2, 3]


def test_files_of_parameters(two_changesets: Path, dsm: Runner) -> None:
    """A file that was named must be right; one that lies there is a warning when it is not."""
    Path("params.json").write_text("[")
    said = dsm("run", "--", "true")
    assert "warning: params.json holds no parameters" in said.err
    assert (
        "holds no parameters" in dsm("run", "--params", "params.json", "--", "true", status=2).err
    )
    assert (
        "cannot read gone.json" in dsm("run", "--params", "gone.json", "--", "true", status=2).err
    )


def test_runs_in_python(two_changesets: Path, dsm: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """`with dsm.run()` records what `dsm run` does, and leaves the environment as it was."""
    dsm("prepare", "--name", "all")
    with library.run("good", parameters={"lr": 0.1}, outputs=["model"]) as run:
        run.log_metric("f1", 0.5)
        library.log_param("depth", 3)
        with library.open(".") as repo:
            assert len(repo.view("all")) > 0
        Path("model").write_text("weights")
    with pytest.raises(SystemExit), library.run("bad"):
        raise SystemExit(3)
    assert "DSM_RUN" not in os.environ
    with pytest.raises(Refused, match="no run goes on"):
        library.log_metric("f1", 1)
    with pytest.raises(InvalidInput, match="has not written"), library.run(outputs=["gone"]):
        pass
    with library.open(".") as repo:
        found = list(repo.runs)
        told = [(run.start.name, run.state, run.end and run.end.status) for run in found]
        assert told == [(None, "complete", 0), ("bad", "failed", 3), ("good", "complete", 0)]
        assert (found[2].parameters, found[2].metrics, len(found[2].views)) == (
            {"lr": "0.1", "depth": "3"}, {"f1": 0.5}, 1,
        )  # fmt: skip
        assert found[2].start.command[0] == sys.executable


def test_runs_are_chosen(two_changesets: Path, dsm: Runner) -> None:
    """By conditions, by a view and by a label of the data; the best of them is shown."""
    dsm("prepare", "--label", "cat", "--name", "cats")
    dsm("prepare", "--label", "dog", "--name", "dogs")
    for name, data, f1 in (("a", "cats", 0.5), ("b", "dogs", 0.7), ("c", "cats", float("nan"))):
        with (
            library.run(name, parameters={"lr": 0.1 * (f1 > 0.6)}) as run,
            library.open(".") as repo,
        ):
            repo.view(data)
            run.log_metric("f1", f1)

    def names(*words: str) -> str:
        found = dsm("runs", "list", "--json", *words).json["runs"]
        return "".join(run["name"] for run in found)

    assert names("--where", "f1>=0.5") == "ba"
    assert names("--where", "f1>0", "--where", "lr=0.10") == "b"
    assert names("--where", "name!=a", "--where", "state=complete", "--where", "status=0") == "cb"
    assert names("--where", "none!=1") == "cba"
    assert names("--where", "none<1") == ""
    assert (names("--view", "cats"), names("--label", "dog")) == ("ca", "b")
    assert names("--sort", "f1", "-n", "2") == "ba"
    assert dsm("runs", "best", "f1", "--json").json["name"] == "b"
    assert dsm("runs", "best", "f1", "--min", "--json").json["name"] == "a"
    assert "complete" in dsm("runs", "best", "f1", "--view", "cats").out
    assert "no run fits" in dsm("runs", "best", "f1", "--where", "name=c", status=1).err
    assert "no run fits" in dsm("runs", "list", "--where", "name=x").err
    for bad in ("f1", "f1>x", "=1", ""):
        dsm("runs", "list", "--where", bad, status=2)
    dsm("runs", "list", "--view", "unknown-view", status=4)


def test_curves_are_drawn(two_changesets: Path, dsm: Runner) -> None:
    """In the terminal, as JSON, and as SVG that holds no text as it was written."""
    for name in ("a", "b"):
        with library.run(name) as run:
            for step in range(5):
                run.log_metric("l<o>ss", 1 / (step + 1), step)
            run.log_metric("l<o>ss", float("nan"), 5)
    said = dsm("runs", "plot", "l<o>ss", "a", "b").out
    assert said.startswith("l<o>ss\n          1 |") and "(1 NaN or infinite)" in said
    found = dsm("runs", "plot", "l<o>ss", "--json").json["curves"]
    assert [(curve["name"], curve["steps"], curve["left_out"]) for curve in found] == [
        ("b", [0, 1, 2, 3, 4], 1), ("a", [0, 1, 2, 3, 4], 1),
    ]  # fmt: skip
    assert "wrote p.svg" in dsm("runs", "plot", "l<o>ss", "--svg", "p.svg").err
    assert "l&lt;o&gt;ss" in Path("p.svg").read_text()
    assert dsm("runs", "plot", "l<o>ss", "--svg", "-").out == Path("p.svg").read_text()
    dsm("runs", "plot", "l<o>ss", "--svg", ".dsm/x", status=2)
    dsm("runs", "plot", "other", status=4)
    dsm("runs", "plot", "l<o>ss", *["a"] * 9, status=2)
