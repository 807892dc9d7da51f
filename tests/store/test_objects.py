"""The object store: what was put is read, verified, whatever its size, kind, pack or neighbours."""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from stores import content, packs_in

from dsm.errors import DamagedData, DsmError
from dsm.format import chunk_list
from dsm.format import pack as fmt
from dsm.store import objects, packs
from dsm.store.chunks import KB, MB, Chunking
from dsm.store.object_errors import ObjectDamaged, ObjectMissing
from dsm.store.objects import ObjectStore

SIZES = [
    0, 1, 31, 16 * KB - 1, 16 * KB, 16 * KB + 1, 64 * KB, 256 * KB, 256 * KB + 1, MB - 1, MB, MB + 1,
    5 * MB, 8 * MB - 1, 8 * MB, 8 * MB + 1, 20 * MB + 7,
]  # fmt: skip


@pytest.fixture
def store(make_store: Callable[..., ObjectStore]) -> ObjectStore:
    return make_store()


def stored_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in packs_in(folder))


@pytest.mark.parametrize("size", SIZES)
def test_every_size_comes_back(make_store: Callable[..., ObjectStore], size: int) -> None:
    """Bytes and streams of any size get the BLAKE3 of their content and are read by it."""
    data, store = content(size), make_store()
    oid = store.put(data)
    assert oid == blake3(data).digest()
    assert store.put_stream(io.BytesIO(data).readinto) == (oid, size)
    store.flush()
    again = make_store()
    assert again.read(oid) == data
    assert b"".join(again.stream(oid)) == data
    assert again.size(oid) == size
    with again.open(oid) as file:
        assert file.read() == data
    found = dict(again.read_many([oid, oid]))
    assert found == {oid: data if size < MB else None}
    assert again.missing([oid]) == set()


@pytest.mark.skipif(shutil.which("b3sum") is None, reason="b3sum is not installed")
def test_b3sum_agrees(store: ObjectStore, tmp_path: Path) -> None:
    """The id of a file is what b3sum prints."""
    path = tmp_path / "file"
    path.write_bytes(content(3 * MB))
    with path.open("rb") as file:
        oid, _ = store.put_stream(file.readinto)
    printed = subprocess.run(["b3sum", "--no-names", path], capture_output=True, text=True)
    assert printed.stdout.strip() == oid.hex()


def test_a_store_of_one_empty_object(make_store: Callable[..., ObjectStore]) -> None:
    """A pack may hold nothing but the empty object."""
    store = make_store()
    oid = store.put(b"")
    store.flush()
    assert store.read(oid) == b""
    assert list(make_store().read_many([oid])) == [(oid, b"")]


def test_streams_may_come_in_any_portions(store: ObjectStore) -> None:
    """A file may give less than was asked for, down to single bytes."""
    for size, portion in ((5000, 1), (3 * MB + 5, 4097), (MB, 65536), (MB - 1, 100_000)):
        data = content(size)
        source = io.BytesIO(data)

        def readinto(
            buffer: memoryview, source: io.BytesIO = source, portion: int = portion
        ) -> int:
            return source.readinto(buffer[:portion])

        oid, length = store.put_stream(readinto)
        assert (oid, length) == (blake3(data).digest(), size)
    store.flush()
    assert store.read(oid) == data


def test_the_same_bytes_are_stored_once(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """Putting what is there already, in this run or an earlier one, writes nothing."""
    store = make_store()
    data = [content(10), content(40 * KB), content(3 * MB)]
    for _ in range(3):
        for one in data:
            store.put(one)
    store.flush()
    assert len(packs_in(tmp_path)) == 1
    size = stored_bytes(tmp_path)
    assert size < sum(map(len, data)) + 10_000
    for again in (store, make_store()):
        for one in data:
            again.put(one)
        again.flush()
    assert (len(packs_in(tmp_path)), stored_bytes(tmp_path)) == (1, size)


def test_many_packs(
    make_store: Callable[..., ObjectStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects are found in any of many packs, by stores that were open before and by later ones."""
    before = make_store()
    assert before.missing([bytes(32)]) == {bytes(32)}
    oids = []
    for number in range(12):
        store = make_store()
        oids.append(store.put(content(500, number)))
        store.flush()
    assert len(packs_in(tmp_path)) == 12
    for store in (before, make_store()):
        assert store.missing([*oids, bytes(32)]) == {bytes(32)}
        assert [store.read(oid) for oid in oids] == [content(500, n) for n in range(12)]
        assert dict(store.read_many(oids)) == {o: content(500, n) for n, o in enumerate(oids)}


def test_a_pack_is_closed_when_it_is_large(
    make_store: Callable[..., ObjectStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that writes more than a pack should hold goes on in another one."""
    monkeypatch.setattr(packs, "PACK_BYTES_TARGET", 3 * MB)
    store = make_store()
    data = [content(400 * KB, n) for n in range(30)]
    oids = [store.put(one) for one in data]
    store.flush()
    assert len(packs_in(tmp_path)) > 2
    assert [make_store().read(oid) for oid in oids] == data


def test_reading_many_in_the_order_of_the_disk(store: ObjectStore) -> None:
    """`read_many` gives each object once, in the order in which a pack holds them."""
    # Media of some size lie in the order in which they came.
    oids = [store.put(content(17 * KB, number), ".jpg") for number in range(200)]
    store.flush()
    shuffled = random.Random(1).sample(oids, 150) * 2
    found = [oid for oid, _ in store.read_many(shuffled)]
    assert found == [oid for oid in oids if oid in set(shuffled)]


def test_reading_many_needs_all_of_them(store: ObjectStore) -> None:
    """One object that is not there makes `read_many` say so."""
    oid = store.put(b"here")
    store.flush()
    with pytest.raises(ObjectMissing) as caught:
        list(store.read_many([oid, bytes(32)]))
    assert caught.value.items == ((bytes(32)).hex(),)


def test_put_many_names_what_it_stored(store: ObjectStore) -> None:
    """Bytes and open files are stored under the names given."""
    data = content(2 * MB)
    items = [("a.txt", b"a"), ("b.bin", io.BytesIO(data)), ("c", memoryview(b"c")), ("d", b"")]
    assert list(store.put_many(items)) == [  # type: ignore[arg-type]
        ("a.txt", blake3(b"a").digest(), 1), ("b.bin", blake3(data).digest(), len(data)),
        ("c", blake3(b"c").digest(), 1), ("d", blake3(b"").digest(), 0),
    ]  # fmt: skip


def test_an_open_object_is_read_in_portions(store: ObjectStore) -> None:
    """A large object is a file that may be read bit by bit."""
    data = content(3 * MB)
    oid = store.put(data)
    store.flush()
    with store.open(oid) as file:
        parts = list(iter(lambda: file.read(12345), b""))
    assert b"".join(parts) == data
    assert store.open(oid).readable() and not store.open(oid).writable()


def test_what_was_not_flushed_is_not_there(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """Closing or abandoning drops what was put since the last flush, and its temporary files."""
    store = make_store()
    kept = store.put(b"kept")
    store.flush()
    dropped = store.put(b"dropped")
    store.abandon()
    also = store.put(content(2 * MB))
    store.close()
    again = make_store()
    assert again.missing([kept, dropped, also]) == {dropped, also}
    assert os.listdir(tmp_path / "tmp") == []
    # The store can be used again, and what was dropped is stored when it comes again.
    assert store.put(b"dropped") == dropped
    store.flush()
    assert make_store().missing([dropped]) == set()


# --- damage -----------------------------------------------------------------------------------


def flip(path: Path, at: int) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def test_a_damaged_object_is_refused_by_name(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """No way of reading hands out a byte of a damaged object; the others are not touched."""
    store = make_store()
    bad, good = content(20 * KB, 1), content(20 * KB, 2)
    oid, other = store.put(bad, ".jpg"), store.put(good, ".jpg")
    store.flush()
    store.close()
    (path,) = packs_in(tmp_path)
    flip(path, path.read_bytes().index(bad) + 7)
    store = make_store()
    readers: list[Callable[[], object]] = [
        lambda: store.read(oid), lambda: list(store.read_many([oid, other])),
        lambda: store.open(oid).read(1), lambda: next(store.stream(oid)),
    ]  # fmt: skip
    for reader in readers:
        with pytest.raises(ObjectDamaged) as caught:
            reader()
        assert oid.hex() in caught.value.message and path.stem in caught.value.message
        assert caught.value.exit_status == 7
    assert store.read(other) == good


def test_a_good_copy_in_another_pack_is_used(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """Where one pack's copy is damaged, another pack's copy is read instead."""
    data = content(20 * KB)
    copies = []
    for number in range(2):
        own = tmp_path / f"store{number}"
        (own / "packs").mkdir(parents=True)
        store = ObjectStore(str(own / "packs"), str(own), Chunking())
        oid = store.put(data, ".jpg")
        store.put(b"makes the packs differ %d" % number)
        store.flush()
        store.close()
        copies += packs_in(own)
    for damaged in copies:
        packs_folder = tmp_path / "packs"
        shutil.rmtree(packs_folder)
        for path in copies:
            (packs_folder / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, packs_folder / path.parent.name)
        target = packs_folder / damaged.parent.name / damaged.name
        flip(target, target.read_bytes().index(data) + 7)
        store = make_store()
        assert store.read(oid) == data
        assert list(store.read_many([oid])) == [(oid, data)]


def test_a_damaged_copy_is_stored_again(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """Adding the content of a damaged object once more, with other files, makes it readable."""
    data = content(20 * KB)
    store = make_store()
    oid = store.put(data, ".jpg")
    store.flush()
    store.close()
    (path,) = packs_in(tmp_path)
    flip(path, path.read_bytes().index(data) + 7)
    store = make_store()
    store.put(data, ".jpg")
    store.put(b"something else")
    store.flush()
    assert make_store().read(oid) == data


def test_a_damaged_pack_hurts_only_its_own_objects(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """A pack that cannot be opened is passed over; what only it held is missing, and says why."""
    oids = []
    for number in range(3):
        store = make_store()
        oids.append(store.put(content(600, number)))
        store.flush()
    path = next(p for p in packs_in(tmp_path) if content(600, 1) in p.read_bytes())
    path.chmod(0o644)
    for damage in (b"", path.read_bytes()[:-1], bytes(1000), path.read_bytes() + b"\0"):
        path.write_bytes(damage)
        store = make_store()
        assert store.read(oids[0]) == content(600, 0)
        assert store.missing(oids) == {oids[1]}
        with pytest.raises(ObjectMissing, match="1 damaged pack could not be searched"):
            store.read(oids[1])


@pytest.mark.parametrize("what", ["folder", "link", "pipe", "nothing"])
def test_what_is_no_pack_is_passed_over(
    make_store: Callable[..., ObjectStore], tmp_path: Path, what: str
) -> None:
    """A folder, a link or a pipe where a pack should be neither hangs nor stops anything."""
    store = make_store()
    oid = store.put(b"here")
    store.flush()
    shelf = tmp_path / "packs" / "ab"
    shelf.mkdir()
    strange = shelf / ("ab" * 32 + ".pack")
    if what == "folder":
        strange.mkdir()
    elif what == "link":
        strange.symlink_to(packs_in(tmp_path)[0])
    elif what == "pipe":
        os.mkfifo(strange)
    else:
        (tmp_path / "packs" / "cd").write_bytes(b"no folder")
    assert make_store().read(oid) == b"here"


def by_hand(folder: Path, body: list[tuple[bytes, bytes, bool]], name: str | None = None) -> None:
    """Writes a pack of raw objects (id, bytes, is a list), whatever they are."""
    data = fmt.HEADER + b"".join(content for _, content, _ in body)
    raw = sum(len(content) for _, content, _ in body)
    table, at = [], 0
    for oid, one, is_list in body:
        table.append((oid[: fmt.PREFIX], fmt.pack_location(at, len(one), is_list)))
        at += len(one)
    data += fmt.encode_contents(len(data), [(raw, raw, fmt.RAW)], table)
    name = name or blake3(data).hexdigest()
    (folder / "packs" / name[:2]).mkdir(exist_ok=True)
    (folder / "packs" / name[:2] / (name + ".pack")).write_bytes(data)


def test_a_chunk_list_that_lies(make_store: Callable[..., ObjectStore], tmp_path: Path) -> None:
    """A list whose own hash fits and whose chunks are others' raises an error of ours, in full."""
    oid = blake3(b"wanted").digest()
    one = content(100)
    rows = {
        "an unknown chunk": chunk_list.row(bytes(32), 100),
        "a wrong size": chunk_list.row(blake3(one).digest(), 99),
        "no whole row": b"x" * 35,
    }
    for name, table in rows.items():
        shutil.rmtree(tmp_path / "packs")
        (tmp_path / "packs").mkdir()
        for nested in (False, True):
            listed = chunk_list.encode(oid, 100, table, nested=nested)
            by_hand(tmp_path, [(oid, listed, True), (blake3(one).digest(), one, False)])
            with pytest.raises(
                DamagedData,
                match=r"is not in the store|is damaged in pack \(its chunk|a chunk list has an impossible",
            ):
                make_store().read(oid)
            assert name


def test_a_nested_list_of_odd_rows(make_store: Callable[..., ObjectStore], tmp_path: Path) -> None:
    """Pieces of a row table that do not add up to rows are refused."""
    oid, piece = blake3(b"wanted").digest(), b"x" * 50
    rows = chunk_list.row(blake3(piece).digest(), len(piece))
    listed = chunk_list.encode(oid, 100, rows, nested=True)
    by_hand(tmp_path, [(oid, listed, True), (blake3(piece).digest(), piece, False)])
    with pytest.raises(DamagedData, match=r"is damaged in pack \(its chunk list does not add up\)"):
        make_store().read(oid)
    with pytest.raises(DamagedData, match=r"is damaged in pack \(its chunk list does not add up\)"):
        list(make_store().with_pieces(oid))


def test_chunks_that_are_not_the_object(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """Whole chunks of other content, in a list that names this object, are not its bytes."""
    oid, one = blake3(b"wanted").digest(), content(100)
    listed = chunk_list.encode(oid, 100, chunk_list.row(blake3(one).digest(), 100), nested=False)
    by_hand(tmp_path, [(oid, listed, True), (blake3(one).digest(), one, False)])
    with pytest.raises(DamagedData, match=r"is damaged in pack \(its chunks make up another"):
        make_store().read(oid)


def test_an_object_in_place_of_a_list(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """A table row that calls plain content a chunk list is not believed."""
    one = content(200)
    by_hand(tmp_path, [(blake3(one).digest(), one, True)])
    with pytest.raises(DsmError, match="is damaged in pack"):
        make_store().read(blake3(one).digest())


def test_references_name_every_piece(make_store: Callable[..., ObjectStore]) -> None:
    """What must be kept for an object: itself, and the chunks of a large one."""
    store = make_store()
    small, large = store.put(b"small"), store.put(content(3 * MB))
    store.flush()
    assert list(store.with_pieces(small)) == [small]
    pieces = list(store.with_pieces(large))
    assert pieces[0] == large
    assert b"".join(store.read(piece) for piece in pieces[1:]) == content(3 * MB)
    assert objects.ObjectStore is ObjectStore
