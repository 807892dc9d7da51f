"""Large objects: cut where their content says, so an edit stores little; streamed in little memory."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from dsm.errors import DamagedData
from dsm.format import chunk_list
from dsm.store import chunk_lists, chunks
from dsm.store.chunks import KB, MB, Chunking, Cutter
from dsm.store.objects import ObjectStore

SMALL = Chunking(smallest=64, average=256, largest=1024, from_size=4096)


def opened(folder: Path, chunking: Chunking = Chunking()) -> ObjectStore:  # noqa: B008
    (folder / "packs").mkdir(parents=True, exist_ok=True)
    return ObjectStore(str(folder / "packs"), str(folder), chunking)


def stored_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "packs").rglob("*.pack"))


def cut(data: bytes, chunking: Chunking, portion: int = MB) -> list[bytes]:
    source = io.BytesIO(data)
    cutter = Cutter(chunking)

    def readinto(buffer: memoryview) -> int:
        return source.readinto(buffer[:portion])

    begun = len(cutter.begin(readinto))
    return [bytes(chunk) for chunk in cutter.cut(readinto, begun)]


def test_the_compiled_cutter_is_in_use() -> None:
    """The pure Python form would cut a hundred times slower."""
    assert chunks.compiled()


@given(st.integers(0, 40_000), st.integers(1, 9000), st.integers(0, 3))
@settings(max_examples=60)
def test_chunks_are_the_stream(size: int, portion: int, seed: int) -> None:
    """Laid end to end the chunks are the stream, none is too large, and only the last too small."""
    data = random.Random(f"{seed}").randbytes(size)
    found = cut(data, SMALL, portion)
    assert b"".join(found) == data
    assert all(len(chunk) <= SMALL.largest for chunk in found)
    assert all(len(chunk) >= SMALL.smallest for chunk in found[:-1])


def test_chunks_do_not_depend_on_how_the_stream_arrives() -> None:
    """Portions of any size, and a buffer that is filled many times, give the same boundaries."""
    data = random.Random(3).randbytes(9 * MB)
    whole = cut(data, Chunking())
    assert len(whole) > 9 * MB // (256 * KB)
    for portion in (4097, 64 * KB, 3 * MB):
        assert cut(data, Chunking(), portion) == whole
    # An edit far behind leaves the boundaries before it; one far ahead, those after it.
    assert cut(data[: 8 * MB], Chunking())[:-1] == whole[: len(cut(data[: 8 * MB], Chunking())) - 1]
    assert set(cut(b"in front" + data, Chunking())[-20:]) == set(whole[-20:])


def jsonl(size: int) -> bytes:
    source = random.Random("jsonl")
    rows, total = [], 0
    while total < size:
        row = b'{"id": %d, "text": "%s"}\n' % (len(rows), source.randbytes(250).hex().encode())
        rows.append(row)
        total += len(row)
    return b"".join(rows)


def test_an_edited_large_file_stores_little(tmp_path: Path) -> None:
    """Scattered lines edited (as 100 in a gigabyte), 1 MB put in front, 1 % appended: < 3 % new."""
    data = jsonl(64 * MB)
    store = opened(tmp_path)
    store.put(data, ".jsonl")
    store.flush()
    before = first = stored_bytes(tmp_path)
    source, edited = random.Random(1), bytearray(data)
    for _ in range(7):
        at = edited.index(b'"text": "', source.randrange(len(edited) - 10_000)) + 9
        edited[at : at + 12] = b"edited here!"
    later = {
        "edited": bytes(edited),
        "in front": source.randbytes(MB // 2).hex().encode() + data,
        "appended": data + jsonl(len(data) // 100)[::-1],
        "in the middle": data[: 30 * MB] + b"one more line\n" + data[30 * MB :],
        "cut out": data[: 10 * MB] + data[11 * MB :],
    }
    for name, version in later.items():
        oid = store.put(version, ".jsonl")
        store.flush()
        new, before = stored_bytes(tmp_path) - before, stored_bytes(tmp_path)
        assert new < 0.03 * first, name
        assert blake3(b"".join(store.stream(oid))).digest() == oid == blake3(version).digest()
    store.close()


@pytest.mark.parametrize("depth", ["flat", "nested"])
def test_lists_of_any_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: str) -> None:
    """A list too long for one object is nested, and reads the same."""
    if depth == "nested":
        monkeypatch.setattr(chunk_lists, "OBJECT_BYTES_MAX", 2000)
    data = random.Random(2).randbytes(100_000)
    store = opened(tmp_path, SMALL)
    oid = store.put(data)
    store.flush()
    payload, is_list = store._fetch(oid)
    assert is_list
    assert chunk_list.decode(payload).nested == (depth == "nested")
    again = opened(tmp_path, SMALL)
    assert again.read(oid) == data
    pieces = list(again.with_pieces(oid))
    assert again.missing(pieces) == set()
    # Put again, nothing is written.
    size = stored_bytes(tmp_path)
    assert again.put(data) == oid
    again.flush()
    assert stored_bytes(tmp_path) == size
    store.close()
    again.close()


def test_a_missing_chunk_is_stored_again(tmp_path: Path) -> None:
    """A large file whose chunks are partly gone is completed when it is added once more."""
    data = random.Random(4).randbytes(60_000)
    store = opened(tmp_path, SMALL)
    store.put(b"".join(cut(data, SMALL)[:40]) + b"another end" * 500)
    store.flush()
    (shared,) = (tmp_path / "packs").rglob("*.pack")
    oid = store.put(data)
    store.flush()
    store.close()
    shared.unlink()
    store = opened(tmp_path, SMALL)
    assert store.missing([oid]) == set()
    with pytest.raises(DamagedData, match="is not in the store"):
        store.read(oid)
    assert store.put(data) == oid
    store.flush()
    assert opened(tmp_path, SMALL).read(oid) == data
    store.close()


CHILD = """
import os, re, sys
from dsm.store.chunks import Chunking
from dsm.store.objects import ObjectStore
folder, megabytes = sys.argv[1], int(sys.argv[2])
store = ObjectStore(folder + "/packs", folder, Chunking())
def peak():  # ru_maxrss would begin at the size of the process that started this one
    return int(re.search("VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
store.put(os.urandom(3 << 20)); store.put(b"x" * 1000, ".txt")
left = [megabytes << 20]
def readinto(buffer):
    count = min(len(buffer), left[0], 1 << 20)
    left[0] -= count
    buffer[:count] = os.urandom(count)
    return count
before = peak()
oid, size = store.put_stream(readinto)
store.flush()
stored = peak()
total = 0
for piece in store.stream(oid): total += len(piece)
with store.open(oid) as file:
    while file.read(1 << 20): pass
assert total == size, (total, size)
print(stored - before, peak() - before, size)
"""


def test_large_files_need_little_memory(tmp_path: Path) -> None:
    """Storing and reading 300 MB takes a few MB more than storing and reading 3 MB."""
    (tmp_path / "packs").mkdir()
    answer = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), "300"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    storing, reading, size = map(int, answer.stdout.split())
    assert size == 300 * MB
    assert storing < 40 * MB
    assert reading < 40 * MB
