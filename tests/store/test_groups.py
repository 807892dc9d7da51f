"""Groups: bytes in one frame, of which parts are objects of their own."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from stores import packs_in

from dsm.format import chunk_list
from dsm.store.batch import is_scattered, read_batch, read_into
from dsm.store.objects import ObjectStore
from dsm.store.packs import Pack
from dsm.store.positions import Positions

Parts = dict[bytes, tuple[int, int]]


def group(number: int, *, dense: bool = False) -> tuple[bytes, Parts]:
    """Returns 40 lines of a group and where each of them lies in it."""
    rng = random.Random(number)
    make = rng.randbytes if dense else lambda size: bytes(rng.choices(b"abcdef ", k=size))
    lines = [make(rng.randrange(1, 900)) for _ in range(40)]
    parts, at = {}, 0
    for line in lines:
        parts.setdefault(blake3(line).digest(), (at, len(line)))
        at += len(line) + 1
    return b"\n".join(lines) + b"\n", parts


@pytest.mark.parametrize("dense", [False, True])
def test_a_group_and_its_parts_are_objects(
    make_store: Callable[..., ObjectStore], dense: bool
) -> None:
    """The whole and each part is read by its id, alone, in a batch and among other objects."""
    store = make_store()
    other = store.put(b"something else", ".txt")
    data, parts = group(1, dense=dense)
    oid = store.put_group(data, parts, ".jsonl")
    store.flush()
    again = make_store()
    assert data == again.read(oid)
    expected = {part: data[at : at + size] for part, (at, size) in parts.items()}
    assert expected == {part: again.read(part) for part in parts}
    assert expected == dict(again.read_many(parts))
    wanted = [*parts, oid, other]
    assert [*expected.values(), data, b"something else"] == read_batch(again, wanted)


def test_parts_take_no_room_of_their_own(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """A part costs its row in the table and nothing else."""
    data, parts = group(2, dense=True)
    store = make_store()
    store.put_group(data, {}, "")
    store.flush()
    (alone,) = packs_in(tmp_path)
    size = alone.stat().st_size
    other = make_store()
    other.put_group(data, parts, "")
    other.flush()
    (both,) = (path for path in packs_in(tmp_path) if path != alone)
    assert 17 * len(parts) == both.stat().st_size - size


def test_a_group_that_is_there_is_not_stored_again(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """Equal bytes with the parts they had add nothing; parts that were not there are added."""
    data, parts = group(3)
    few = dict(list(parts.items())[:5])
    for members, packs in ((few, 1), (few, 1), (parts, 2), (few, 2), (parts, 2)):
        store = make_store()
        assert blake3(data).digest() == store.put_group(data, members, "")
        store.flush()
        assert packs == len(list(packs_in(tmp_path)))
        assert set() == make_store().missing(members)


def test_a_damaged_group_is_stored_again(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """A group whose frame is damaged does not count as stored."""
    data, parts = group(4, dense=True)
    store = make_store()
    store.put_group(data, parts, "")
    store.flush()
    (pack,) = packs_in(tmp_path)
    pack.chmod(0o644)
    with pack.open("r+b") as file:
        file.seek(100)
        file.write(b"XXXX")
    again = make_store()
    again.put(b"what makes it another pack")
    oid = again.put_group(data, parts, "")
    again.flush()
    assert data == make_store().read(oid)
    assert all(make_store().read(part) == data[a : a + n] for part, (a, n) in parts.items())


def test_a_list_of_groups_is_an_object(make_store: Callable[..., ObjectStore]) -> None:
    """Groups end to end are an object by a chunk list, also beside a list with other pieces."""
    groups = [group(number) for number in range(90)]
    whole = b"".join(data for data, _ in groups)
    oid = blake3(whole).digest()
    assert len(whole) > 1 << 20
    plain = make_store()
    assert oid == plain.put(whole, ".jsonl")
    plain.flush()
    store = make_store()
    rows = b"".join(
        chunk_list.row(store.put_group(data, parts, ".jsonl"), len(data)) for data, parts in groups
    )
    store.put_list(oid, len(whole), rows)
    store.flush()
    again = make_store()
    assert whole == again.read(oid)
    assert set() == again.missing(part for _, parts in groups for part in parts)
    size = sum(path.stat().st_size for path in packs_in(Path(again.folder).parent))
    for data, parts in groups:
        again.put_group(data, parts, ".jsonl")
    again.flush()
    assert size == sum(path.stat().st_size for path in packs_in(Path(again.folder).parent))


def test_a_group_does_not_reach_into_what_lies_before(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """A dense group begins a frame: reading it reads nothing of what was stored before it."""
    store = make_store()
    for number in range(64):
        store.put(random.Random(number).randbytes(20_000), ".bin")
    data, parts = group(5, dense=True)
    oid = store.put_group(data, parts, ".bin")
    store.flush()
    (path,) = packs_in(tmp_path)
    pack = Pack(str(path))
    (row,) = pack.find(oid)
    assert pack.place(row)[1] == 0


@pytest.mark.parametrize("gap", [b"", b"\n", b"\r\n", b"\n\n", b"     "])
@pytest.mark.parametrize("dense", [False, True])
def test_parts_in_their_order_and_in_any(
    make_store: Callable[..., ObjectStore], gap: bytes, dense: bool
) -> None:
    """Whatever is between the lines, they are read as they are: in their order, of which a few are
    looked up, with some left out, and at positions that are kept."""
    store, rng = make_store(), random.Random(len(gap))
    lines = [
        rng.randbytes(rng.randrange(1, 300)) if dense else b"%09d " % n * rng.randrange(1, 30)
        for n in range(600)
    ]
    for first in range(0, len(lines), 50):
        parts, at = {}, 0
        for line in lines[first : first + 50]:
            parts.setdefault(blake3(line).digest(), (at, len(line)))
            at += len(line) + len(gap)
        store.put_group(b"".join(line + gap for line in lines[first : first + 50]), parts, ".jsonl")
    store.flush()
    oids, sizes = [blake3(line).digest() for line in lines], [*map(len, lines)]
    again = make_store()
    assert lines == read_batch(again, oids, sizes)
    some = sorted(rng.sample(range(600), 300))
    assert [lines[n] for n in some] == read_batch(
        again, [oids[n] for n in some], [sizes[n] for n in some]
    )
    places = [memoryview(bytearray(size)) for size in sizes]
    assert read_into(again, oids, places) == []
    assert lines == [bytes(place) for place in places]
    positions = Positions(again, [(oids[:300], sizes[:300]), (oids[300:], sizes[300:])])
    order = rng.sample(range(600), 600)
    for _ in range(2):
        assert [lines[n] for n in order] == positions.read(
            order, [oids[n] for n in order], [sizes[n] for n in order]
        )


def test_wrong_sizes_of_parts_are_no_harm(make_store: Callable[..., ObjectStore]) -> None:
    """Sizes that are not those of the parts lead to no other bytes."""
    store = make_store()
    data, parts = group(3)
    store.put_group(data, parts, ".jsonl")
    store.flush()
    again, oids = make_store(), list(parts)
    expected = [data[at : at + size] for at, size in parts.values()]
    for sizes in ([1] * len(oids), [size + 1 for _, size in parts.values()]):
        assert expected == read_batch(again, oids, sizes)
        assert expected == Positions(again, [(oids, sizes)]).read(range(len(oids)), oids, sizes)


def test_which_parts_are_scattered(make_store: Callable[..., ObjectStore]) -> None:
    """Parts are scattered when each lies in another group than the one before."""
    store, groups = make_store(), [group(n) for n in range(40)]
    for data, parts in groups:
        store.put_group(data, parts, ".jsonl")
    loose = [store.put(b"%d" % n) for n in range(40)]
    store.flush()
    again = make_store()
    assert is_scattered(again, [next(iter(parts)) for _, parts in groups])
    assert not is_scattered(again, list(groups[0][1]))
    assert not is_scattered(again, loose)
    assert not is_scattered(again, [bytes(32)] * 40)
