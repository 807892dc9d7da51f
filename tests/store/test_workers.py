"""Workers that are started before there is a job for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from dsm.defects import WorkerDefect
from dsm.store import workers
from dsm.store.workers import start, started_ahead


@dataclass(frozen=True)
class Echo:
    """A job that answers with its process and what it is sent."""

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        while (order := next_order()) is not None:
            yield os.getpid(), order


def answers(worker: workers.Worker, orders: list[object]) -> list[object]:
    for order in orders:
        worker.order(order)
    found = [worker.hear() for _ in orders]
    worker.order(None)
    assert worker.hear() is None
    worker.end()
    return found


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_was_started_ahead_gets_the_jobs() -> None:
    """The first jobs go to the workers that wait; the next ones to new ones."""
    with started_ahead(2, "pyarrow"):
        waiting = {worker._process.pid for worker in workers._ahead}
        assert len(waiting) == 2
        crew = start([Echo()] * 3)
        assert workers._ahead == []
    found = [answers(worker, ["a", b"b" * 300_000]) for worker in crew]
    pids = [answer[0] for first, *_ in found for answer in [first]]  # type: ignore[index]
    assert waiting < set(pids) and len(set(pids)) == 3
    assert all([order for _, order in each] == ["a", b"b" * 300_000] for each in found)  # type: ignore[misc]


def test_nobody_waits_for_ever() -> None:
    """Workers that no job came for end with the block, also when it fails."""
    with pytest.raises(RuntimeError), started_ahead(2, "pyarrow"):
        waiting = [worker._process.pid for worker in workers._ahead]
        raise RuntimeError
    assert workers._ahead == []
    assert not any(map(is_running, waiting))


def test_a_module_that_fails_is_an_error_of_the_job() -> None:
    """A worker that cannot import what it is to import says so when it is heard."""
    with started_ahead(1, "dsm.no_such_module"):
        (worker,) = start([Echo()])
        with pytest.raises(WorkerDefect, match="a worker process failed") as caught:
            worker.hear()
        assert caught.value.told[0] == "ModuleNotFoundError"
        worker.end()


def test_no_processes_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process can be started, none is, and the work goes on."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", refused)
    with started_ahead(2, "pyarrow"):
        assert workers._ahead == []
        assert start([Echo()]) == []
