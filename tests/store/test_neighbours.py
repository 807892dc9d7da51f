"""Objects taken for neighbours by their sizes: fewer look-ups, and never another answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import content, damage, packs_in, put_all

from dsm.store.batch import NEIGHBOURS, expect, read_batch, read_into
from dsm.store.chunks import KB, MB, Chunking
from dsm.store.lookup import Lookup
from dsm.store.object_errors import ObjectDamaged
from dsm.store.objects import ObjectStore


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The ids that were looked up, as long as there is no dictionary of all."""
    found: list[bytes] = []
    place = Lookup.place

    def counting(lookup: Lookup, oid: bytes) -> int | None:
        found.append(oid)
        return place(lookup, oid)

    monkeypatch.setattr(Lookup, "place", counting)
    monkeypatch.setattr(Lookup, "expect", lambda *_: None)
    return found


def read_both(store: ObjectStore, oids: list[bytes], sizes: list[int]) -> list[bytes | None]:
    """What both ways of reading give; None where the caller is left to stream."""
    found = read_batch(store, oids, sizes)
    assert found == read_batch(store, oids)
    places = [memoryview(bytearray(max(size, 0))) for size in sizes]
    left = read_into(store, oids, places)
    for number, data in enumerate(found):
        if number in left:
            assert data is None or len(data) != sizes[number]
        else:
            assert places[number] == data
    return found


def test_two_of_many_are_looked_up(
    make_store: Callable[[], ObjectStore], looked_up: list[bytes]
) -> None:
    """In the order in which they were stored, only the ends of all and of each block are searched for."""
    contents = [content(100 + n, n) for n in range(5 * NEIGHBOURS + 7)]
    store = make_store()
    oids = put_all(store, contents)
    sizes = [len(data) for data in contents]
    for read in (
        lambda: read_batch(store, oids, sizes),
        lambda: read_into(store, oids, [memoryview(bytearray(size)) for size in sizes]),
    ):
        looked_up.clear()
        read()
        assert len(looked_up) == 2 * (1 + 6)
    looked_up.clear()
    assert read_batch(store, oids) == contents
    assert len(looked_up) == len(oids)


def test_the_middle_is_elsewhere(make_store: Callable[[], ObjectStore]) -> None:
    """Of objects of one size the ends may fit and nothing between them: the hash tells."""
    contents = [content(500, n) for n in range(40)]
    oids = put_all(make_store(), contents)
    others = [content(500, 100 + n) for n in range(5)]
    new = put_all(make_store(), others)
    order = [0, *random.Random(1).sample(range(1, 39), 38), 39]
    store = make_store()
    mixed = [oids[n] for n in order]
    wanted = [contents[n] for n in order]
    assert read_both(store, mixed, [500] * 40) == wanted
    # Some were replaced by a later changeset, and lie in another pack.
    assert read_both(store, [*oids[:10], *new, *oids[15:]], [500] * 40) == [
        *contents[:10], *others, *contents[15:]
    ]  # fmt: skip


def test_sizes_that_are_wrong(make_store: Callable[[], ObjectStore]) -> None:
    """Sizes are a hint: whatever they are, what comes is what the id names, or is left."""
    contents = [content(300, n) for n in range(20)]
    store = make_store()
    oids = put_all(store, contents)
    for wrong in (
        [0] * 20, [301] * 20, [300] * 9 + [299, 301] + [300] * 9, [300] * 9 + [-300, 900] + [300] * 9,
        [300] * 9 + [-(1 << 70), (1 << 70) + 600] + [300] * 9,
    ):  # fmt: skip
        assert read_batch(store, oids, wrong) == contents
    sizes = [300] * 9 + [299, 301] + [300] * 9
    assert read_both(store, oids, sizes) == contents


def test_empty_and_large_ones_between(make_store: Callable[[], ObjectStore]) -> None:
    """What has no place of its own in the pack is found as ever."""
    contents = [content(200, n) for n in range(9)]
    contents[3], contents[6] = b"", content(3 * MB)
    store = make_store()
    oids = put_all(store, contents)
    sizes = [len(data) for data in contents]
    assert read_both(store, oids, sizes) == [*contents[:6], None, *contents[7:]]
    assert read_both(store, oids[:6], sizes[:6]) == contents[:6]
    assert read_both(store, oids[2:5], sizes[2:5]) == contents[2:5]


def test_damage_between_neighbours(make_store: Callable[[], ObjectStore], tmp_path: Path) -> None:
    """One that is damaged where it should be is named, and no other is handed out for it."""
    contents = [content(4 * KB, n) for n in range(30)]
    oids = put_all(make_store(), contents)
    (path,) = packs_in(tmp_path)
    damage(path, contents[17])
    with pytest.raises(ObjectDamaged, match=oids[17].hex()):
        read_batch(make_store(), oids, [4 * KB] * 30)
    # A sound copy in another pack takes its place.
    (again,) = put_all(make_store(), contents[17:18])
    assert again == oids[17]
    assert read_both(make_store(), oids, [4 * KB] * 30) == contents


def test_announced_look_ups_wait_for_a_need(make_store: Callable[[], ObjectStore]) -> None:
    """Who reads neighbours makes no dictionary; the first that are none make it at once."""
    contents = [content(64, n) for n in range(3000)]
    oids = put_all(make_store(), contents)
    store = make_store()
    expect(store, 3000, in_order=True)
    assert read_batch(store, oids[:640], [64] * 640) == contents[:640]
    assert store.lookup.places is None
    assert read_batch(store, oids[640:700:3], [64] * 20) == contents[640:700:3]
    assert store.lookup.places is not None


@given(
    st.lists(st.integers(0, 30), max_size=150),
    st.lists(st.integers(0, 3), min_size=31, max_size=31),
    st.sampled_from([".jpg", ".txt"]),
)
@settings(max_examples=60, deadline=None)
def test_any_order_in_any_packs(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], kinds: list[int], suffix: str
) -> None:
    """The same bytes as reading one by one, however objects are spread and asked for."""
    folder = tmp_path_factory.mktemp("store", numbered=True)
    (folder / "packs").mkdir()
    # Few sizes, so that wrong neighbours fit.
    contents = [content((0, 50, 50, 70)[kind], n) for n, kind in enumerate(kinds)]
    oids = {}
    for half in (range(0, 31, 2), range(31)):
        store = ObjectStore(str(folder / "packs"), str(folder), Chunking())
        for number in half:
            oids[number] = store.put(contents[number], suffix)
        store.flush()
        store.close()
    store = ObjectStore(str(folder / "packs"), str(folder), Chunking())
    wanted = [contents[n] for n in order]
    assert read_both(store, [oids[n] for n in order], [len(data) for data in wanted]) == wanted
    store.close()
