"""Threads that share a repository, a dataset, a view or a file system, as servers and loaders do."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from situations import Work

import dsm
from dsm.datasets import Dataset
from dsm.filesystem import DsmFileSystem
from dsm.store import packs

THREADS = 16


@pytest.fixture(autouse=True)
def switching(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads take turns as often as they can, and few files are kept open."""
    monkeypatch.setattr(packs, "OPEN_MAX", 4)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def data(work: Work) -> dict[str, bytes]:
    """Examples of many packs: raw, compressed, and two large ones."""
    rng = random.Random(1)
    everything: dict[str, bytes] = {}
    for number in range(12):
        new = {f"{number}/{n}.bin": rng.randbytes(700) for n in range(12)}
        new |= {f"{number}/{n}.json": b'{"text": "hello", "n": %d}' % n for n in range(60)}
        if number % 6 == 0:
            new[f"{number}/large.bin"] = rng.randbytes(1_200_000)
        everything |= new
        work.ds.add(new, labels=[f"part{number}"])  # type: ignore[arg-type]
        work.ds.commit(str(number))
    return everything


def by_all(run: Callable[[random.Random], None]) -> None:
    """Runs a function in all threads, which begin at once; the first error of one is raised."""
    barrier = threading.Barrier(THREADS)

    def begin(seed: int) -> None:
        barrier.wait()
        run(random.Random(seed))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(begin, range(THREADS)))


def read_dataset(root: str, data: dict[str, bytes]) -> Callable[[random.Random], None]:
    ds = dsm.open(root).dataset()

    def read(rng: random.Random) -> None:
        for path in rng.sample(list(data), 15):
            assert ds.read(path) == data[path]
            with ds.open(path) as file:
                assert file.read() == data[path]
            assert ds.example(path).size == len(data[path])
        assert ds.snapshot().num_rows == len(data)
        assert {example.path for example in ds.ls(reference=7)} < set(data)

    return read


def read_view(root: str, data: dict[str, bytes]) -> Callable[[random.Random], None]:
    view = dsm.open(root).dataset().prepare()
    paths = sorted(data)

    def read(rng: random.Random) -> None:
        for number in rng.sample(range(len(paths)), 15):
            assert view[number].bytes == data[paths[number]]
        seed = rng.randrange(1000)
        assert {e.path: e.bytes for e in view.iterate(seed=seed)} == data
        assert [e.bytes for e in view[3:9]] == [data[path] for path in paths[3:9]]

    return read


def read_new_views(root: str, data: dict[str, bytes]) -> Callable[[random.Random], None]:
    repo = dsm.open(root)

    def read(rng: random.Random) -> None:
        number = rng.randrange(12)
        view = repo.dataset().prepare(labels=[f"part{number}"])
        expected = {p: d for p, d in data.items() if p.startswith(f"{number}/")}
        assert {e.path: e.bytes for e in view} == expected
        assert repo.view(view.version).content.examples == len(expected)

    return read


def read_file_system(root: str, data: dict[str, bytes]) -> Callable[[random.Random], None]:
    fs = DsmFileSystem(repo=root)

    def read(rng: random.Random) -> None:
        top = f"data@{rng.choice(['head', '12'])}"
        for path in rng.sample(list(data), 15):
            assert fs.cat(f"{top}/{path}") == data[path]
            with fs.open(f"{top}/{path}") as file:
                file.seek(-5, 2)
                assert file.read() == data[path][-5:]
        assert len(fs.find(top)) == len(data)

    return read


@pytest.mark.parametrize(
    "reader", [read_dataset, read_view, read_new_views, read_file_system], ids=lambda f: f.__name__
)
def test_one_object_read_by_many_threads(
    work: Work,
    data: dict[str, bytes],
    reader: Callable[[Any, dict[str, bytes]], Callable[[random.Random], None]],
) -> None:
    """What one thread would read, sixteen read, from the first look on."""
    by_all(reader(work.root, data))


@pytest.mark.parametrize("shared", ["repo", "dataset"])
def test_threads_that_add(work: Work, shared: str) -> None:
    """What threads add by one repository or dataset is there, each byte of it, after one commit."""
    same = work.ds

    def dataset() -> Dataset:
        return same if shared == "dataset" else work.repo.dataset()

    expected: dict[str, bytes] = {}

    def add(rng: random.Random) -> None:
        for _ in range(3):
            number = rng.getrandbits(60)
            new = {
                f"{number}/{n}.json": b'{"text": "hello", "n": %d}' % (number + n)
                for n in range(40)
            }
            new[f"{number}/large.bin"] = rng.randbytes(1_100_000)
            expected.update(new)
            dataset().add(new)  # type: ignore[arg-type]

    by_all(add)
    assert dataset().commit("all").counts.added == len(expected)
    ds = work.reopen()
    assert {example.path: ds.read(example.path) for example in ds.ls()} == expected


def test_threads_that_commit(work: Work) -> None:
    """Each thread commits paths of its own, by one dataset: every commit is there, and no more."""
    ds = work.ds
    files = {f"{n}/{m}.txt": f"{n} {m}" for n in range(THREADS) for m in range(5)}
    work.write(files)
    numbers: list[int] = []

    def commit(seed: int) -> None:
        numbers.append(ds.commit(str(seed), paths=[str(work.path(str(seed)))]).number)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(commit, range(THREADS)))
    assert sorted(numbers) == list(range(1, THREADS + 1))
    ds = work.reopen()
    assert {example.path: ds.read(example.path).decode() for example in ds.ls()} == files
    assert ds.status().clean
