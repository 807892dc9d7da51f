"""Objects as files: any walk through them reads what a file in memory reads, and nothing unproven."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import content, damage, packs_in

from dsm.format import chunk_list
from dsm.store.chunks import Chunking
from dsm.store.object_errors import ObjectDamaged, ObjectMissing
from dsm.store.objects import ObjectStore

CHUNKED = {"smallest": 64, "average": 256, "largest": 1024, "from_size": 2000}
DATA = {size: content(size, 7) for size in (0, 1, 1999, 2000, 30_000)}

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("seek"), st.integers(-100, 40_000), st.sampled_from([0, 1, 2])),
        st.tuples(st.just("read"), st.integers(-1, 9000), st.just(0)),
        st.tuples(st.just("readinto"), st.integers(0, 3000), st.just(0)),
        st.tuples(st.just("readline"), st.integers(-1, 3000), st.just(0)),
    ),
    max_size=25,
)


def walk(file: BinaryIO, step: tuple[str, int, int]) -> object:
    """Makes one step; returns what came of it and where the file is then."""
    name, number, whence = step
    try:
        if name == "seek":
            return file.seek(number, whence)
        if name == "readinto":
            buffer = bytearray(number)
            count = file.readinto(buffer)  # type: ignore[attr-defined]
            return bytes(buffer[:count]), file.tell()
        return getattr(file, name)(number), file.tell()
    except ValueError:
        return ValueError, file.tell()


@given(st.sampled_from(sorted(DATA)), STEPS, st.sampled_from([1, 50, 1 << 16]))
@settings(max_examples=150)
def test_any_walk(
    tmp_path_factory: pytest.TempPathFactory, size: int, steps: list[tuple[str, int, int]],
    buffered: int,
) -> None:  # fmt: skip
    """Seeks and reads of any kind, in any order, agree with a file in memory."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "packs").mkdir()
    store = ObjectStore(str(folder / "packs"), str(folder), Chunking(**CHUNKED))
    oid = store.put(DATA[size])
    store.flush()
    plain = io.BytesIO(DATA[size])
    with io.BufferedReader(store.open(oid).detach(), buffered) as file:  # type: ignore[attr-defined]
        assert [walk(file, step) for step in steps] == [walk(plain, step) for step in steps]
    store.close()


@pytest.mark.parametrize("size", sorted(DATA))
def test_what_a_file_says(make_store: Callable[..., ObjectStore], size: int) -> None:
    """It can be read and sought, not written, and knows its size; closed, it refuses."""
    store = make_store(**CHUNKED)
    oid = store.put(DATA[size])
    store.flush()
    file = store.open(oid)
    assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)
    assert (file.raw.size, file.mode) == (size, "rb")  # type: ignore[attr-defined]
    for attempt in (lambda: file.write(b"x"), lambda: file.truncate(0), lambda: file.fileno()):
        with pytest.raises(io.UnsupportedOperation):
            attempt()
    assert (file.seek(0, os.SEEK_END), file.read(), file.tell()) == (size, b"", size)
    file.close()
    for attempt in (lambda: file.read(), lambda: file.seek(0), lambda: file.tell()):
        with pytest.raises(
            ValueError, match="read of closed file|seek of closed file|operation on closed file"
        ):
            attempt()


def test_programs_that_jump(make_store: Callable[..., ObjectStore]) -> None:
    """A zip file, which is read from its end, is read from a stored object."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(20):
            archive.writestr(f"{number}.bin", content(3000, number))
    store = make_store(**CHUNKED)
    oid = store.put(packed.getvalue())
    store.flush()
    with zipfile.ZipFile(store.open(oid)) as archive:
        assert archive.testzip() is None
        assert archive.read("7.bin") == content(3000, 7)


def test_a_jump_costs_one_piece(
    make_store: Callable[..., ObjectStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once an object was read to its end, jumps read nothing but where they land, in any file."""
    store = make_store(**CHUNKED)
    oid = store.put(DATA[30_000])
    store.flush()
    with store.open(oid) as file:
        file.seek(-5, os.SEEK_END)
        assert file.read() == DATA[30_000][-5:]
    read: list[bytes] = []
    fetch = ObjectStore._fetch
    monkeypatch.setattr(
        ObjectStore, "_fetch", lambda self, oid: (read.append(oid), fetch(self, oid))[1]
    )
    with io.BufferedReader(store.open(oid).detach(), 1) as file:  # type: ignore[attr-defined]
        for at in (29_000, 3, 15_000):
            file.seek(at)
            assert file.read(1) == DATA[30_000][at : at + 1]
    assert len(read) == 1 + 3  # the list, and a piece each


def test_damage_is_met_wherever_one_jumps(
    make_store: Callable[..., ObjectStore], tmp_path: Path
) -> None:
    """No seek leads to a byte of a damaged piece."""
    store = make_store(**CHUNKED)
    oid = store.put(DATA[30_000], ".jpg")
    store.flush()
    store.close()
    damage(packs_in(tmp_path)[0], DATA[30_000][20_000:20_100])
    store = make_store()
    with store.open(oid) as file:
        assert file.read(10) == DATA[30_000][:10]
        for at in (20_005, 29_000, 0):
            with pytest.raises(ObjectDamaged, match="is damaged in pack"):
                file.seek(at)
                file.read(15_000 if at == 0 else 1)
                file.seek(25_000)
                file.read(1)
    with pytest.raises(ObjectMissing, match="is not in the store"):
        store.open(bytes(32))


@pytest.mark.parametrize("size", [0, 20_000])
def test_a_list_of_another_objects_pieces(
    make_store: Callable[..., ObjectStore], size: int
) -> None:
    """A forged list of sound pieces is found out at the end, or before the first step back."""
    store = make_store(**CHUNKED)
    other = content(size, 1)
    pieces = [other[at : at + 500] for at in range(0, size, 500)]
    rows = b"".join(chunk_list.row(store.put(piece, ".jpg"), len(piece)) for piece in pieces)
    oid: bytes = blake3(b"promised").digest()
    store._room().add_list(oid, chunk_list.encode(oid, size, rows, nested=False))
    store.flush()
    walks: list[Callable[[BinaryIO], object]] = [
        lambda file: file.read(),
        lambda file: (file.read(5000), file.seek(0), file.read(1)),
        lambda file: (file.seek(-1, os.SEEK_END), file.read(1)),
        lambda file: [file.read(number) for number in range(1, 300)],
    ]
    for steps in walks:
        with pytest.raises(ObjectDamaged, match=r"is damaged in pack \(its chunks make up another"):
            with store.open(oid) as file:
                steps(file)
    assert oid not in store.proven
