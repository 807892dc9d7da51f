"""Objects that are read to where they are wanted: verified, of every kind, in any order."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from stores import damage, put_all

from dsm.store import batch, packs
from dsm.store.batch import read_into
from dsm.store.chunks import KB, MB
from dsm.store.object_errors import ObjectDamaged, ObjectMissing
from dsm.store.objects import ObjectStore


def places_for(sizes: list[int], gap: int = 3) -> tuple[bytearray, list[memoryview]]:
    """Memory with a place for each size, and some bytes between them that nobody may touch."""
    memory = bytearray(b"\xaa" * (sum(sizes) + gap * (len(sizes) + 1)))
    view, at, places = memoryview(memory), gap, []
    for size in sizes:
        places.append(view[at : at + size])
        at += size + gap
    return memory, places


def check_read(store: ObjectStore, oids: list[bytes], contents: list[bytes]) -> None:
    _, places = places_for([len(data) for data in contents])
    assert read_into(store, oids, places) == []
    assert [bytes(place) for place in places] == contents


def dense(count: int, seed: int = 0) -> list[bytes]:
    source = random.Random(seed)
    return [source.randbytes(source.randint(1, 9000)) for _ in range(count)]


@pytest.mark.parametrize("suffix", [".jpg", ".txt"])
def test_each_object_is_in_its_place(make_store: Callable[[], ObjectStore], suffix: str) -> None:
    """Stored raw or in shared frames, in any order, some twice: the bytes of each, and no other."""
    contents = dense(300)
    if suffix == ".txt":
        contents = [b"line %d of the text\n" % n * (n % 40 + 1) for n in range(300)]
    store = make_store()
    oids = put_all(store, contents, suffix)
    order = [*range(300), 5, 5, 4]
    for arrange in (lambda _: None, random.Random(1).shuffle):
        arrange(order)
        memory, places = places_for([len(contents[n]) for n in order])
        assert read_into(store, [oids[n] for n in order], places) == []
        assert [bytes(place) for place in places] == [contents[n] for n in order]
        gaps = bytearray(memory)
        view = memoryview(gaps)
        at = 3
        for n in order:
            view[at : at + len(contents[n])] = b"\xaa" * len(contents[n])
            at += len(contents[n]) + 3
        assert gaps == b"\xaa" * len(gaps)


def test_neighbours_are_read_together(
    make_store: Callable[[], ObjectStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies side by side in a pack costs few calls of the system, within its limits."""
    contents = dense(1200)
    store = make_store()
    oids = put_all(store, contents)
    calls: list[tuple[int, int]] = []
    real = os.preadv

    def counting(fd: int, buffers: list[memoryview], offset: int) -> int:
        calls.append((len(buffers), sum(map(len, buffers))))
        return real(fd, buffers, offset)

    monkeypatch.setattr(packs.os, "preadv", counting)
    check_read(store, oids, contents)
    total = sum(map(len, contents))
    assert len(calls) <= total / batch.GROUP_BYTES + 1200 / batch.GROUP_OBJECTS + 1
    assert max(count for count, _ in calls) <= batch.GROUP_OBJECTS
    assert max(size for _, size in calls) <= batch.GROUP_BYTES + 9000


def test_what_does_not_fit_is_left_to_the_caller(make_store: Callable[[], ObjectStore]) -> None:
    """Large objects, and places of another size, are named and their places not relied on."""
    contents = [b"small" * 100, bytes(3 * MB), b"", b"other" * 50, b"third" * 70]
    store = make_store()
    oids = put_all(store, contents)
    sizes = [len(data) for data in contents]
    sizes[3] += 1
    sizes[4] -= 1
    _, places = places_for(sizes)
    assert sorted(read_into(store, oids, places)) == [1, 3, 4]
    assert bytes(places[0]) == contents[0]


def test_a_short_read_is_no_content(
    make_store: Callable[[], ObjectStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system may give less than was asked for: the rest is read another way."""
    contents = dense(40)
    store = make_store()
    oids = put_all(store, contents)
    real = os.preadv
    monkeypatch.setattr(
        packs.os, "preadv", lambda fd, buffers, at: real(fd, buffers[: len(buffers) // 2], at)
    )
    check_read(store, oids, contents)


def test_an_unreadable_disk(
    make_store: Callable[[], ObjectStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the grouped read leaves each object to be read by itself."""
    contents = dense(40)
    store = make_store()
    oids = put_all(store, contents)

    def failing(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(packs.os, "preadv", failing)
    check_read(store, oids, contents)


def test_damage_and_loss_are_errors(make_store: Callable[[], ObjectStore], tmp_path: Path) -> None:
    """One flipped bit among many neighbours, and an id that nobody has, are named."""
    contents = [random.Random(n).randbytes(4 * KB) for n in range(60)]
    store = make_store()
    oids = put_all(store, contents)
    store.close()
    (path,) = (tmp_path / "packs").rglob("*.pack")
    damage(path, contents[30])
    store = make_store()
    _, places = places_for([len(data) for data in contents])
    with pytest.raises(ObjectDamaged, match=oids[30].hex()):
        read_into(store, oids, places)
    missing = blake3(b"nobody has this").digest()
    with pytest.raises(ObjectMissing, match=missing.hex()):
        read_into(store, [oids[0], missing], places[:2])
