"""Positions of many objects, worked out once: fewer look-ups, and never another answer."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import content, damage, packs_in, put_all

from dsm.store.chunks import KB, MB, Chunking
from dsm.store.lookup import Lookup
from dsm.store.object_errors import ObjectDamaged, ObjectMissing
from dsm.store.objects import ObjectStore
from dsm.store.positions import Positions


def read_rows(
    positions: Positions, rows: list[int], oids: list[bytes], sizes: list[int]
) -> list[bytes | None]:
    return positions.read(rows, [oids[row] for row in rows], [sizes[row] for row in rows])


def test_a_shuffled_epoch_looks_nothing_up(
    make_store: Callable[[], ObjectStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the positions are known, in parts of any size, no order needs a look-up."""
    contents = [content(50 + n % 7, n) for n in range(900)]
    oids = put_all(make_store(), contents[:500]) + put_all(make_store(), contents[500:])
    sizes = [len(data) for data in contents]
    cuts = [0, 1, 300, 777, 900]
    store = make_store()
    parts = [(oids[a:b], sizes[a:b]) for a, b in pairwise(cuts)]
    positions = Positions(store, parts)

    def never(*_: object) -> None:
        raise AssertionError("looked up")

    monkeypatch.setattr(Lookup, "place", never)
    monkeypatch.setattr(Lookup, "holders", never)
    rows = [*range(900), 3, 3]
    random.Random(1).shuffle(rows)
    assert read_rows(positions, rows, oids, sizes) == [contents[row] for row in rows]
    assert read_rows(positions, [], oids, sizes) == []


def test_what_moves_or_goes_is_looked_up(
    make_store: Callable[[], ObjectStore], tmp_path: Path
) -> None:
    """A pack that gc has rewritten since, and one that is damaged, cost a look-up and no more."""
    contents = [content(4 * KB, n) for n in range(20)]
    oids = put_all(make_store(), contents)
    sizes = [4 * KB] * 20
    store = make_store()
    positions = Positions(store, [(oids, sizes)])
    (first,) = packs_in(tmp_path)
    damage(first, contents[7])
    with pytest.raises(ObjectDamaged, match=oids[7].hex()):
        read_rows(positions, list(range(20)), oids, sizes)
    other = make_store()
    assert put_all(other, contents[7:8]) == oids[7:8]
    assert read_rows(positions, list(range(20)), oids, sizes) == contents
    # All of it in another pack, and the first one gone.
    os.rename(first, tmp_path / "aside")
    put_all(make_store(), contents)
    store.close()
    assert read_rows(positions, list(range(19, -1, -1)), oids, sizes) == contents[::-1]


def test_a_wrong_guess_is_made_once(
    make_store: Callable[[], ObjectStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of objects of one size the ends fit and the middle does not: later epochs know."""
    contents = [content(500, n) for n in range(30)]
    oids = put_all(make_store(), contents)
    order = [0, *range(28, 0, -1), 29]
    ids = [oids[n] for n in order]
    store = make_store()
    positions = Positions(store, [(ids, [500] * 30)])
    reads: list[int] = []
    real = os.pread

    def counting(fd: int, size: int, at: int) -> bytes:
        reads.append(at)
        return real(fd, size, at)

    monkeypatch.setattr(os, "pread", counting)
    for most in (60, 32):
        reads.clear()
        assert positions.read(range(30), ids, [500] * 30) == [contents[n] for n in order]
        assert len(reads) <= most


def test_what_has_no_position(make_store: Callable[[], ObjectStore]) -> None:
    """Large, empty and missing objects, and those that share frames, are found as ever."""
    contents = [content(60), b"", content(3 * MB), *(b"text %d\n" % n * 9 for n in range(80))]
    store = make_store()
    oids = put_all(store, contents[:3]) + put_all(store, contents[3:], ".txt")
    sizes = [len(data) for data in contents]
    gone = bytes(32)
    positions = Positions(make_store(), [([*oids, gone], [*sizes, 5])])
    rows = list(range(len(oids)))
    assert read_rows(positions, rows, oids, sizes) == [
        None if len(data) > MB else data for data in contents
    ]
    with pytest.raises(ObjectMissing, match="is not in the store"):
        positions.read([len(oids)], [gone], [5])
    # Sizes are a hint here as well.
    for wrong in (59, 0, -1, 1 << 30, 1 << 70):
        assert positions.read([0, 5], [oids[0], oids[5]], [wrong, 1]) == [contents[0], contents[5]]


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=200),
    st.lists(st.integers(0, 3), min_size=41, max_size=41),
    st.randoms(use_true_random=False),
)
@settings(max_examples=50, deadline=None)
def test_any_rows_in_any_order(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[int],
    kinds: list[int],
    source: random.Random,
) -> None:
    """A table may name objects in any order and again: each row gives what its id says."""
    folder = tmp_path_factory.mktemp("store", numbered=True)
    (folder / "packs").mkdir()
    contents = [content((0, 50, 50, 70)[kind], n) for n, kind in enumerate(kinds)]
    oids: list[bytes] = []
    for part in (contents[:15], contents[15:]):
        store = ObjectStore(str(folder / "packs"), str(folder), Chunking())
        oids += put_all(store, part)
        store.close()
    store = ObjectStore(str(folder / "packs"), str(folder), Chunking())
    ids, sizes = [oids[n] for n in table], [len(contents[n]) for n in table]
    positions = Positions(store, [(ids, sizes)])
    rows = [source.randrange(len(table)) for _ in range(100)]
    assert read_rows(positions, rows, ids, sizes) == [contents[table[row]] for row in rows]
    store.close()
