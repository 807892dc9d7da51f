"""S3 over a network that fails in every way: no wrong byte is taken in, and again comes through."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tiers import LONG, thinned

import dsm
from dsm.errors import DsmError
from dsm.remotes import backend as contract
from dsm.remotes import object_store

from .conftest import Copy
from .fault_proxy import AFTER, BEFORE, BODIES, LISTINGS, FaultProxy
from .test_faults import objects_before_headers

PATIENCE = 0.4
_numbers = itertools.count()


@pytest.fixture
def server(s3_bucket: str) -> str:
    """The address of the server itself."""
    return os.environ["AWS_ENDPOINT_URL"]


@pytest.fixture
def proxy(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """What stands between obstore and the server; addresses lead to it from now on."""
    made = FaultProxy(server, seed=1, patience=PATIENCE)
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    monkeypatch.setattr(contract, "PAUSE_SECONDS", 0.0)
    quick = {
        "init_backoff": timedelta(milliseconds=1),
        "max_backoff": timedelta(milliseconds=5),
        "base": 2,
    }
    monkeypatch.setattr(object_store, "_RETRY", {"max_retries": 1, "backoff": quick})
    monkeypatch.setattr(
        object_store, "_CLIENT", {"timeout": f"{PATIENCE}s", "connect_timeout": "5s"}
    )
    yield made
    made.close()


def until_done(ask: Callable[[], object], between: Callable[[], None] = lambda: None) -> None:
    """Asks until it comes through. What fails does so by an error of ours."""
    for _ in range(200):
        try:
            ask()
            return
        except DsmError as error:
            assert error.exit_status in (5, 6, 7, 8, 9), error
            between()
    raise AssertionError("it never came through")


def test_transfers_survive_a_bad_network(
    origin: Copy, server: str, proxy: FaultProxy, s3_bucket: str, tmp_path: Path
) -> None:
    """Push, fetch, pull and clone while answers are dropped, late, cut, flipped, doubled or lost: what
    arrives is what was sent, and no header shows before what it names."""
    place = f"{s3_bucket}/bad-{os.getpid()}-{next(_numbers)}"
    wanted = 600 if LONG else 40
    origin.repo.remotes.add("origin", place)
    clone: Copy | None = None

    def check() -> None:
        # By a line of its own: a busy machine may be later than the proxy's patience.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", server)
            patch.setattr(object_store, "_CLIENT", {"timeout": "120s", "connect_timeout": "60s"})
            assert objects_before_headers(place)

    proxy.rate = 0.15
    for number in itertools.count():
        if proxy.injected.total() >= wanted:
            break
        files = {f"many__{number}__{each}": f"text {number} {each}" * 30 for each in range(3)}
        origin.commit(f"number {number}", **files, top=str(number), big=os.urandom(200_000))
        until_done(origin.repo.push, check)
        if clone is None or number % 4 == 0:
            folder = tmp_path / f"copy-{number}"
            until_done(lambda: dsm.clone(place, folder))
            clone = Copy(dsm.open(folder))
        until_done(clone.repo.fetch)
        until_done(clone.repo.pull)
        assert [c.id for c in origin.dataset.log()] == [c.id for c in clone.dataset.log()]
        assert origin.contents() == clone.contents()
    proxy.rate = 0.0
    assert clone is not None and clone.sound()
    assert origin.files() == clone.files()
    if LONG:
        assert set(proxy.injected) == {*BEFORE, *AFTER, *BODIES, *LISTINGS}
    fresh = tmp_path / "fresh"
    until_done(lambda: dsm.clone(place, fresh))  # a busy machine may be late by itself
    with dsm.open(fresh) as repo:
        assert Copy(repo).sound()


@pytest.mark.parametrize("kind", thinned([*BEFORE, *AFTER, *BODIES, *LISTINGS], keep=3, offset=1))
def test_each_fault_alone(
    origin: Copy, proxy: FaultProxy, s3_bucket: str, tmp_path: Path, kind: str
) -> None:
    """When every answer of a clone meets one kind of fault, it fails by an error of ours or is right."""
    place = f"{s3_bucket}/each-{os.getpid()}-{next(_numbers)}"
    origin.repo.remotes.add("origin", place)
    origin.repo.push()
    proxy.rate, proxy.kinds = 1.0, frozenset((kind,))
    try:
        dsm.clone(place, tmp_path / "copy")
    except DsmError as error:
        assert error.exit_status in (4, 7, 8), error
    assert proxy.injected[kind] > 0
    proxy.rate = 0.0
    headers = list((tmp_path / "copy").glob(".dsm/datasets/*/changesets/*"))
    if not headers:
        until_done(lambda: dsm.clone(place, tmp_path / "copy"))
    with dsm.open(tmp_path / "copy") as repo:
        assert origin.contents() == Copy(repo).contents()
        assert Copy(repo).sound()


def test_an_interrupt_does_not_wait_for_a_server(
    origin: Copy, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while a server does not answer ends the command, which says what is safe."""
    place = f"{s3_bucket}/stalled-{os.getpid()}"
    origin.repo.remotes.add("origin", place)
    origin.repo.push()
    proxy = FaultProxy(os.environ["AWS_ENDPOINT_URL"], seed=2, patience=300)
    proxy.rate, proxy.kinds = 1.0, frozenset(("stall",))
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "dsm", "-C", str(origin.root), "pull"],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert proxy.stalled.wait(300)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=240)
    finally:
        proxy.close()
    assert (process.returncode, said) == (
        130, "interrupted: nothing was lost; run it again to go on, or go back by `dsm pull --abort`\n",
    )  # fmt: skip
