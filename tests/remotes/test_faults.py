"""Places that fail: nothing wrong is taken in, no header shows before its objects, and again works."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiers import LONG

import dsm
from dsm.errors import DsmError
from dsm.remotes import backend as contract
from dsm.remotes.address import open_backend
from dsm.remotes.backend import Backend, Entry, RemoteFailed
from dsm.remotes.contents import list_datasets

from .conftest import Copy

FAULTS = ("refuse", "lose", "cut", "flip", "lag")


class Faulty(Backend):
    """A place that does one of FAULTS to so many of its answers, by a seed."""

    def __init__(self, inner: Backend, rate: float, seed: int):
        super().__init__(inner.url)
        self.inner, self.rate, self.random = inner, rate, random.Random(seed)
        self.injected = 0

    def fault(self, *possible: str) -> str | None:
        if self.random.random() >= self.rate:
            return None
        self.injected += 1
        return self.random.choice(possible)

    def _change(self, call: Any) -> Any:
        self.requests += 1
        fault = self.fault("refuse", "lose")
        if fault == "refuse":
            raise RemoteFailed("503 slow down")
        answer = call()
        if fault == "lose":
            raise RemoteFailed("the answer was lost")
        return answer

    def read(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        self.requests += 1
        fault = self.fault("refuse", "cut", "flip", "break")
        if fault == "refuse":
            raise RemoteFailed("timed out")
        data = b"".join(self.inner.read(name, start, size))
        if fault == "cut":
            data = data[: len(data) // 2]
        if fault == "flip" and data:
            at = self.random.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ (1 << self.random.randrange(8))]) + data[at + 1 :]
        if fault == "break":
            yield data[: len(data) // 2]
            raise RemoteFailed("connection reset")
        yield data

    def put(self, name: str, data: bytes) -> None:
        self._change(lambda: self.inner.put(name, data))

    def put_file(self, name: str, path: str) -> None:
        self._change(lambda: self.inner.put_file(name, path))

    def create(self, name: str, data: bytes) -> bool:
        return bool(self._change(lambda: self.inner.create(name, data)))

    def listing(self, prefix: str) -> Iterator[Entry]:
        self.requests += 1
        fault = self.fault("refuse", "lag", "repeat")
        found = list(self.inner.listing(prefix))
        if fault == "refuse":
            raise RemoteFailed("500")
        if fault == "lag" and found:
            found.pop(self.random.randrange(len(found)))
        yield from found
        if fault == "repeat":
            yield from found

    def delete(self, name: str) -> None:
        self._change(lambda: self.inner.delete(name))


def objects_before_headers(place: str) -> bool:
    """Whether every header on a remote has its manifest, and its number is the next."""
    for dataset in list_datasets(open_backend(place)).values():
        dataset.require_whole(place)
        for number in sorted(dataset.headers):
            from dsm.format import header

            data = open_backend(place).get(dataset.header_path(number), 1 << 20)
            manifest = header.decode(data, "").manifest
            if manifest is not None and manifest not in dataset.manifests:
                return False
    return True


def test_transfers_survive_faults(
    origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Push, pull, fetch and clone over a place that fails at every tenth answer: each ends in an error
    of ours or in success, and what arrives in the end is what was sent."""
    monkeypatch.setattr(contract, "PAUSE_SECONDS", 0.0)
    place = str(tmp_path / "remote")
    origin.repo.remotes.add("origin", place)
    injected = 0
    seeds = iter(range(1_000_000))

    def faulty(url: str) -> Backend:
        made.append(Faulty(open_backend(url), 0.1, next(seeds)))
        return made[-1]

    made: list[Faulty] = []
    for module in ("remote", "clone"):
        monkeypatch.setattr(f"dsm.remotes.{module}.open_backend", faulty)

    def until_done(ask: Any) -> None:
        for _ in range(300):
            try:
                ask()
                return
            except DsmError:
                assert objects_before_headers(place)
        raise AssertionError("it never came through")

    wanted = 2000 if LONG else 60
    clones = 0
    number = 0
    clone: Copy | None = None
    while injected < wanted:
        number += 1
        origin.commit(
            f"number {number}", **{f"many__{number}": f"text {number}" * 30, "top": str(number)}
        )
        until_done(origin.repo.push)
        if clone is None or number % 5 == 0:
            clones += 1
            folder = tmp_path / f"copy-{clones}"
            until_done(lambda folder=folder: dsm.clone(place, folder))
            clone = Copy(dsm.open(folder))
        until_done(clone.repo.fetch)
        until_done(clone.repo.pull)
        assert origin.contents() == clone.contents()
        assert [c.id for c in origin.dataset.log()] == [c.id for c in clone.dataset.log()]
        injected = sum(each.injected for each in made)
    assert clone is not None and clone.sound()
    assert origin.files() == clone.files()


def test_an_interrupted_download_goes_on(
    origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was received of a pack is kept: only the rest is asked for, when it is run again."""
    import os

    monkeypatch.setattr(contract, "PAUSE_SECONDS", 0.0)
    place = str(tmp_path / "remote")
    origin.commit("large", big=os.urandom(9 << 20))
    origin.repo.remotes.add("origin", place)
    origin.repo.push()
    asked: list[tuple[int, int]] = []

    class Breaking(Faulty):
        broken = 0

        def read(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
            if not name.endswith(".pack") or size is not None:
                yield from self.inner.read(name, start, size)
                return
            asked.append((start, 0))
            if len(asked) == 1:
                raise RemoteFailed("connection refused")  # before the first byte
            for part in self.inner.read(name, start, size):
                yield part
                if Breaking.broken < 6:
                    Breaking.broken += 1
                    raise RemoteFailed("connection reset")

    for module in ("remote", "clone"):
        monkeypatch.setattr(
            f"dsm.remotes.{module}.open_backend", lambda url: Breaking(open_backend(url), 0, 0)
        )
    for _ in range(3):
        try:
            dsm.clone(place, tmp_path / "copy")
            break
        except RemoteFailed:
            (partial,) = tmp_path.glob("copy/.dsm/local/remotes/.partial/*.pack")
            assert partial.stat().st_mode & 0o600 == 0o600  # who is not root goes on with it, too
            continue
    assert {0o100444} == {p.stat().st_mode for p in tmp_path.glob("copy/.dsm/packs/*/*.pack")}
    with dsm.open(tmp_path / "copy") as repo:
        assert origin.contents() == Copy(repo).contents()
    starts = [start for start, _ in asked]
    assert starts == sorted(starts) and len(set(starts)) > 1


def test_a_place_that_is_gone_is_told(
    origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not answer is one line, exit status 8; and the push is not done."""
    monkeypatch.setattr(contract, "PAUSE_SECONDS", 0.0)
    origin.repo.remotes.add("origin", str(tmp_path / "remote"))
    monkeypatch.setattr(
        "dsm.remotes.remote.open_backend", lambda url: Faulty(open_backend(url), 1.0, 1)
    )
    monkeypatch.setattr(Faulty, "fault", lambda self, *possible: "refuse")
    with pytest.raises(DsmError) as caught:
        origin.repo.push()
    assert (caught.value.exit_status, caught.value.retryable) == (8, True)
