"""Look-up: which pack holds an object, by searching each table or by one dictionary for all."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import content, packs_in

from dsm.format import pack as fmt
from dsm.store.batch import read_batch
from dsm.store.chunks import MB, Chunking
from dsm.store.objects import ObjectStore
from dsm.store.prefixes import SortedPrefixes


@pytest.mark.parametrize("width", [1, 2])
def test_ids_that_share_their_prefix(
    make_store: Callable[..., ObjectStore], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Where a table's prefixes agree by chance, the content decides, for looking up and storing."""
    monkeypatch.setattr(fmt, "PREFIX", width)
    store = make_store()
    data = [b"number %d" % number for number in range(700)] + [content(MB + n) for n in range(3)]
    oids = [store.put(one, ".txt") for one in data]
    store.flush()
    assert len({oid[:width] for oid in oids}) < len(oids)
    again = make_store()
    for store in (again, again):  # first by binary search, then by the dictionary of prefixes
        assert [store.read(oid) for oid in oids] == data
    small = dict(zip(oids[:700], data[:700], strict=True))
    assert dict(make_store().read_many(oids[:700])) == small
    others = [b"another %d" % number for number in range(100)]
    assert [again.put(one, ".txt") for one in others] == [blake3(o).digest() for o in others]
    again.flush()
    assert [make_store().read(blake3(o).digest()) for o in others] == others


def test_holders_before_and_after_the_dictionary(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """A look-up names every pack that holds an object, in one order, however it is found."""
    everywhere, packs_of = content(300, 1), []
    for number in range(5):
        # Damaged after the first, so that the next writer stores it again.
        store = make_store()
        oids = [store.put(everywhere), store.put(content(300, 10 + number))]
        store.flush()
        for path in packs_in(tmp_path):
            if path not in packs_of:
                packs_of.append(path)
                _overwrite(path, everywhere)
    assert len(packs_of) == 5
    store = make_store()
    store.refresh()
    lookup = store.lookup
    wanted = [*oids, bytes(32), *(blake3(content(300, 10 + n)).digest() for n in range(5))]
    before = [lookup.holders(oid) for oid in wanted]
    assert lookup.places is None
    assert [len(found) for found in before] == [5, 1, 0, 1, 1, 1, 1, 1]
    lookup.expect(10_000)
    assert lookup.places is not None
    assert [lookup.holders(oid) for oid in wanted] == before
    # One more pack is added to what is there, and one that goes leaves nothing behind.
    other = make_store()
    other.put(everywhere)
    other.put(content(300, 99))
    other.flush()
    store.refresh()
    assert lookup.places is not None
    assert len(lookup.holders(oids[0])) == 6
    gone = lookup.packs[2].path
    os.unlink(gone)
    store.refresh()
    lookup = store.lookup
    assert [pack.path for pack, _ in lookup.holders(oids[0])] == [p.path for p in lookup.packs]
    assert gone not in {pack.path for pack in lookup.packs}
    assert [lookup.place(oid) is None for oid in wanted].count(True) == 2


def _overwrite(pack: Path, content: bytes) -> None:
    data = pack.read_bytes()
    at = data.index(content[:40])
    pack.chmod(0o644)
    pack.write_bytes(data[:at] + bytes(40) + data[at + 40 :])


@given(st.lists(st.binary(max_size=40), max_size=60), st.sets(st.binary(min_size=32, max_size=32)))
@settings(max_examples=40)
def test_missing_is_what_was_never_put(
    tmp_path_factory: pytest.TempPathFactory, some: list[bytes], others: set[bytes]
) -> None:
    """`missing` answers exactly for any mixture of ids, known and unknown."""
    folder = tmp_path_factory.mktemp("store", numbered=True)
    (folder / "packs").mkdir()
    store = ObjectStore(str(folder / "packs"), str(folder), Chunking())
    oids = {store.put(one) for one in some}
    store.flush()
    assert store.missing([*oids, *others]) == others - oids
    assert store.missing([]) == set()
    store.close()


def test_many_packs_are_not_searched_for_each_object(
    make_store: Callable[..., ObjectStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a look-up costs does not grow with the number of packs."""
    oids = []
    for number in range(40):
        store = make_store()
        oids += [store.put(content(50, 100 * number + n)) for n in range(10)]
        store.flush()
    searched: list[bytes] = []
    search = SortedPrefixes.search

    def counted(table: SortedPrefixes, prefix: bytes) -> int:
        searched.append(prefix)
        return search(table, prefix)

    monkeypatch.setattr(SortedPrefixes, "search", counted)
    for use in (ObjectStore.missing, lambda s, ids: [s.read(oid) for oid in ids], read_batch):
        searched.clear()
        use(make_store(), oids)
        assert len(searched) <= 3 * 40


@given(
    st.lists(st.binary(min_size=10, max_size=10), max_size=40),
    st.integers(0, 9),
    st.binary(min_size=10, max_size=10),
)
def test_a_search_is_that_of_a_sorted_list(table: list[bytes], shared: int, wanted: bytes) -> None:
    """The first row that is not less is found, by bytes and by numbers, also where many begin
    alike."""
    rows = sorted(bytes(shared) + row[shared:] for row in table)
    for width in (1, 8, 9, 10):
        narrow = [row[:width] for row in rows]
        searched = SortedPrefixes(b"".join(narrow), width)
        for prefix in [*narrow, wanted[:width], bytes(width), b"\xff" * width]:
            assert bisect_left(narrow, prefix) == searched.search(prefix)


def test_many_objects_in_few_packs_need_no_dictionary(
    make_store: Callable[..., ObjectStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a dictionary would be large and tables are few, the tables are searched."""
    store = make_store()
    contents = [content(50, n) for n in range(300)]
    oids = [store.put(one) for one in contents]
    store.flush()
    monkeypatch.setattr("dsm.store.lookup.LARGE_OBJECTS", 299)
    store = make_store()
    assert contents == read_batch(store, oids)
    assert store.lookup.places is None
