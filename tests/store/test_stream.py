"""Streams of the disk: whole files whatever the pieces, and errors that are not lost."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import pytest

from dsm.store import disk
from dsm.store.memory import page_buffer
from dsm.store.stream import ALIGNED_BYTES, STREAM_BYTES, Stream

BUFFER = STREAM_BYTES


def written(path: Path, sizes: list[int]) -> tuple[bytes, bytes]:
    """Writes random pieces of these sizes; returns what went in and what lies on the disk."""
    source = random.Random(0)
    pieces = [source.randbytes(size) for size in sizes]
    stream = Stream(str(path))
    for piece in pieces:
        stream.write(memoryview(bytearray(piece)) if len(piece) % 2 else piece)
    stream.sync()
    stream.close()
    return b"".join(pieces), path.read_bytes()


@pytest.mark.parametrize(
    "sizes",
    [
        [], [0], [1], [BUFFER - 1], [BUFFER], [BUFFER + 1], [BUFFER, BUFFER], [3 * BUFFER],
        [BUFFER - 1, 1, 1], [BUFFER - 1, 2 * BUFFER + 5, 7], [5, 3 * BUFFER - 5],
        [100_003] * 130, [1 << 20] * 9, [777] * 13_000,
    ],
    ids=lambda sizes: f"{len(sizes)} pieces of {sum(sizes)} bytes",
)  # fmt: skip
def test_what_is_written_is_there(tmp_path: Path, sizes: list[int]) -> None:
    """Sizes around the buffer's, few pieces and many: the same bytes in the same order."""
    given, found = written(tmp_path / "x", sizes)
    assert found == given


def test_pieces_may_be_used_again(tmp_path: Path) -> None:
    """A buffer that the caller fills anew after `write` does not change what was written."""
    stream = Stream(str(tmp_path / "x"))
    piece = bytearray(1 << 20)
    for number in range(10):
        piece[:] = bytes([number]) * len(piece)
        stream.write(memoryview(piece))
    stream.sync()
    stream.close()
    assert (tmp_path / "x").read_bytes() == b"".join(bytes([n]) * (1 << 20) for n in range(10))


def test_without_direct_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the page cache cannot be passed, the file is the same."""
    monkeypatch.setattr(disk, "_DIRECT", 0)
    given, found = written(tmp_path / "x", [BUFFER - 1, 2 * BUFFER + 5, 7])
    assert found == given


def test_another_alignment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that takes the flag and refuses the write gets the bytes the other way."""
    write, refused = os.writev, []

    def picky(fd: int, runs: Sequence[memoryview]) -> int:
        if not refused:
            refused.append(len(runs[0]))
            raise OSError(errno.EINVAL, "Invalid argument")
        return write(fd, runs)

    monkeypatch.setattr(disk.os, "writev", picky)
    given, found = written(tmp_path / "x", [BUFFER] * 3 + [9])
    assert found == given and refused == [BUFFER]


@pytest.mark.parametrize("when", [1, 2, 3])
def test_a_write_that_fails_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    """An error of a write behind the caller's back is raised before the file counts as whole."""
    write, count = os.writev, []
    monkeypatch.setattr("dsm.store.stream.RUNS_AT_ONCE", 1)

    def failing(fd: int, runs: Sequence[memoryview]) -> int:
        count.append(len(runs))
        if len(count) == when:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, runs)

    monkeypatch.setattr(disk.os, "writev", failing)
    stream = Stream(str(tmp_path / "x"))
    with pytest.raises(disk.WriteFailed, match="No space left"):
        for _ in range(3):
            stream.write(bytes(BUFFER))
        stream.sync()
    stream.abandon()
    assert not (tmp_path / "x").exists()


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take less than it is given."""
    write = os.write
    for most in (1 << 20, 3 << 20, BUFFER, 7 << 20):
        monkeypatch.setattr(
            disk.os, "writev",
            lambda fd, runs, most=most: write(fd, b"".join(runs)[:most]),
        )  # fmt: skip
        given, found = written(tmp_path / f"{most}", [BUFFER] * 9 + [9])
        assert found == given


# --- memory that is lent --------------------------------------------------------------------------


def lent(path: Path, sizes: list[int], *, keep: int = 0) -> tuple[bytes, bytes]:
    """Lends pieces of these sizes, from memory that is used again as soon as it may be; writes
    those that are negative. Returns what went in and what lies on the disk."""
    source = random.Random(1)
    given = bytearray()
    if keep:
        given += source.randbytes(keep)
        path.write_bytes(given + b"cut off")
    stream = Stream(str(path), keep=keep)
    free: SimpleQueue[memoryview] = SimpleQueue()
    for _ in range(2):
        free.put(page_buffer(max(map(abs, sizes)) + 2 * ALIGNED_BYTES))
    for size in sizes:
        piece = source.randbytes(abs(size))
        if size < 0:
            stream.write(piece)
        else:
            memory = free.get(timeout=300)
            memory[:] = b"\xaa" * len(memory)
            begin = len(given) % ALIGNED_BYTES
            memory[begin : begin + size] = piece
            stream.lend(memory, begin, begin + size, partial(free.put, memory))
        given += piece
    stream.sync()
    stream.close()
    return bytes(given), path.read_bytes()


LENT = [
    [1], [4096], [4095, 1, 4097], [0, 5, 0], [1 << 20] * 5, [(1 << 20) + 7] * 5, [513] * 40,
    [9000, -3, 9000, -5000, -(5 << 20), 100_000, -1], [-10, 4096], [-(9 << 20), 7],
]  # fmt: skip


@pytest.mark.parametrize("keep", [0, 1, 4096, 10_001])
@pytest.mark.parametrize("sizes", LENT, ids=str)
def test_lent_memory_is_written(tmp_path: Path, sizes: list[int], keep: int) -> None:
    """Lent or copied, on page boundaries or off them, after what was there: the same bytes."""
    given, found = lent(tmp_path / "x", sizes, keep=keep)
    assert found == given


@pytest.mark.parametrize("sizes", LENT, ids=str)
def test_lent_memory_without_direct_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[int]
) -> None:
    """Where the page cache cannot be passed, the file is the same."""
    monkeypatch.setattr(disk, "_DIRECT", 0)
    given, found = lent(tmp_path / "x", sizes, keep=5)
    assert found == given


def test_lent_memory_comes_back_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is told at the latest by `sync`, and nobody waits for memory for ever."""

    def failing(fd: int, runs: Sequence[memoryview]) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk.os, "writev", failing)
    stream, returned = Stream(str(tmp_path / "x")), SimpleQueue[int]()
    memory = page_buffer(8192)
    with pytest.raises(disk.WriteFailed, match="No space left"):
        for number in range(3):
            stream.lend(memory, 0, 8192, partial(returned.put, number))
            assert returned.get(timeout=300) == number
        stream.sync()
    stream.abandon()
    assert not (tmp_path / "x").exists()
