"""One store read by many threads: sound data is never called damaged, whatever else goes on."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from stores import content, packs_in, put_all

from dsm.store import packs
from dsm.store.batch import read_batch
from dsm.store.codec import compressor, decompressor
from dsm.store.objects import ObjectStore
from dsm.store.positions import Positions
from dsm.store.turns import CHANGING

THREADS = 16


@pytest.fixture(autouse=True)
def switching() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def texts(count: int, seed: int) -> list[bytes]:
    """Small files that compress together, with a dictionary when there are enough."""
    rng = random.Random(seed)
    return [
        b'{"name": "a text of some length", "kind": "example", "number": %d}' % rng.getrandbits(60)
        for _ in range(count)
    ]


def stored(make_store: Callable[..., ObjectStore], packs_of: int) -> dict[bytes, bytes]:
    """Puts raw, compressed and large objects into so many packs."""
    everything: dict[bytes, bytes] = {}
    for number in range(packs_of):
        some = [content(900, number), *texts(40, number), content(3000, 10_000 + number)]
        if not number % 5:
            some.append(content(40_000, 20_000 + number))
        store = make_store(smallest=1024, average=2048, largest=4096, from_size=16_384)
        everything |= dict(zip(put_all(store, some, suffix=".json"), some, strict=True))
        store.close()
    return everything


def read_by_all(read: Callable[[random.Random], None]) -> None:
    """Runs `read` in all threads at once; the first error of one is raised."""
    barrier = threading.Barrier(THREADS)

    def run(seed: int) -> None:
        barrier.wait()
        read(random.Random(seed))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(run, range(THREADS)))


@pytest.mark.parametrize("open_max", [2, 200])
def test_objects_of_many_packs(
    make_store: Callable[..., ObjectStore], monkeypatch: pytest.MonkeyPatch, open_max: int
) -> None:
    """Threads read one by one, in batches, by positions and as streams, with few files open."""
    everything = stored(make_store, 24)
    monkeypatch.setattr(packs, "OPEN_MAX", open_max)
    store = make_store()
    oids = list(everything)
    sizes = [len(data) for data in everything.values()]
    positions: list[Positions] = []

    def read(rng: random.Random) -> None:
        for _ in range(30):
            oid = rng.choice(oids)
            assert store.read(oid) == everything[oid]
            with store.open(oid) as file:
                assert file.read() == everything[oid]
            some = rng.sample(range(len(oids)), 20)
            wanted = [everything[oids[row]] for row in some]
            for found in (
                read_batch(store, [oids[row] for row in some]),
                positions[0].read(some, [oids[row] for row in some], [sizes[row] for row in some]),
            ):
                large = [data is None for data in found]
                assert large == [len(data) >= 16_384 for data in wanted]
                assert all(data in (None, want) for data, want in zip(found, wanted, strict=True))
            one = oids[some[0]]
            assert dict(store.read_many([one]))[one] in (None, everything[one])
            assert store.missing(oids[:50]) == set()

    positions.append(Positions(store, [(oids, sizes)]))
    read_by_all(read)


def test_the_first_look_by_all_at_once(make_store: Callable[..., ObjectStore]) -> None:
    """Whoever comes while another thread lists the packs or makes the dictionary finds all."""
    everything = stored(make_store, 8)
    oids = list(everything)
    for _ in range(10):
        store = make_store()

        def read(rng: random.Random, store: ObjectStore = store) -> None:
            for oid in rng.sample(oids, 40):
                assert store.missing([oid]) == set()
                assert store.read(oid) == everything[oid]

        read_by_all(read)
        assert len(store.lookup.packs) == 8


def test_packs_come_and_go(make_store: Callable[..., ObjectStore], tmp_path: Path) -> None:
    """Other threads see packs come, go and come again; what is there all the time is found."""
    lasting = stored(make_store, 3)
    kept = set(packs_in(tmp_path))
    passing = [content(500, 70_000 + number) for number in range(12)]
    for one in passing:
        put_all(make_store(), [one])
    moving = [path for path in packs_in(tmp_path) if path not in kept]
    assert len(moving) == 12
    store = make_store()
    store.lookup.expect(10_000)
    oids = list(lasting)
    stop = threading.Event()

    def move() -> None:
        while not stop.is_set():
            for path in moving:
                path.rename(path.with_suffix(".away"))
                store.refresh()
            for path in moving:
                path.with_suffix(".away").rename(path)
                store.refresh()

    mover = threading.Thread(target=move)
    mover.start()

    def read(rng: random.Random) -> None:
        for oid in rng.choices(oids, k=200):
            assert store.read(oid) == lasting[oid]

    try:
        read_by_all(read)
    finally:
        stop.set()
        mover.join()


def times_open(path: Path) -> int:
    """By how many descriptors this process has a file open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(f"/proc/self/fd/{name}") == str(path)
    return count


def test_a_reader_keeps_its_file_open(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """A pack that is closed stays readable for who reads it, and its file is closed after that."""
    (oid,) = put_all(make_store(), [b"held"])
    store = make_store()
    assert store.read(oid) == b"held"
    (pack,) = store.lookup.packs
    (path,) = packs_in(tmp_path)
    reads = pack.read_ranges([(0, 4, "first"), (4, 4, "second")])
    assert next(reads) == ("first", path.read_bytes()[:4])
    pack.close()
    assert next(reads) == ("second", path.read_bytes()[4:8])
    assert times_open(path) == 1
    del reads
    assert times_open(path) == 0
    assert store.read(oid) == b"held"


def test_compression_by_all_at_once() -> None:
    """Threads that compress and decompress at once, with and without a dictionary, do not mix."""
    dictionary = b"".join(texts(60, 1))
    for trained in (None, dictionary):
        compress, decompress = compressor(3, trained), decompressor(trained)

        def both(
            rng: random.Random,
            compress: Callable[[bytes], bytes] = compress,
            decompress: Callable[[bytes, int], bytes] = decompress,
        ) -> None:
            for seed in range(15):
                data = b"".join(texts(500, rng.getrandbits(30) + seed))
                assert decompress(compress(data), len(data)) == data

        read_by_all(both)


def test_a_fork_beside_other_threads(make_store: Callable[..., ObjectStore]) -> None:
    """A child that is forked while other threads look for packs reads on, and never waits."""
    everything = stored(make_store, 4)
    oid, data = next(iter(everything.items()))
    store = make_store()
    assert store.read(oid) == data
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            store.refresh()

    others = [threading.Thread(target=look) for _ in range(3)]
    for other in others:
        other.start()
    try:
        for _ in range(20):
            child = os.fork()
            if not child:
                status = 1
                try:
                    with CHANGING:
                        store.refresh()
                    status = 0 if store.read(oid) == data else 2
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        for other in others:
            other.join()
