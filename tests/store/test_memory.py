"""Memory for writes past the page cache: the same for every process, in huge pages or not."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from dsm.store import memory
from dsm.store.memory import HUGE_BYTES, SharedMemory, page_buffer

ROOT = Path(__file__).parents[2]
# What another process does: changes each byte that it is told to, in a map of its own.
OTHER = """
import sys
from dsm.store.memory import SharedMemory
shared = SharedMemory.opened(sys.argv[1])
print(len(shared.bytes), sum(shared.bytes))
shared.use_huge_pages(*map(int, sys.argv[2:4]))
for at in map(int, sys.argv[4:]):
    shared.bytes[at] += 1
"""


def address(view: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(view))


def maps_open() -> list[str]:
    """What this process has open of such memory; tests in other threads may open other files."""
    gc.collect()
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one of this listing
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return sorted(path for path in found if path.startswith("/memfd:"))


def other(shared: SharedMemory, *numbers: int) -> str:
    words = [sys.executable, "-c", OTHER, shared.path, *map(str, numbers)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, capture_output=True, text=True, check=True, env=env).stdout


@pytest.mark.parametrize("told", [True, False])
def test_others_see_the_same_bytes_at_the_same_places(
    monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    """Wherever processes map it, and whether or not they learn where that is."""
    if not told:
        monkeypatch.setattr(memory, "_address", lambda _: 0)
    size = 3 * HUGE_BYTES + 5
    shared = SharedMemory.create(size)
    places = [0, 1, 4095, 4096, HUGE_BYTES - 1, HUGE_BYTES, size - 1, 4 * HUGE_BYTES - 1]
    for number, at in enumerate(places):
        shared.bytes[at] = number
    said = other(shared, HUGE_BYTES, 2 * HUGE_BYTES, *places)
    assert said.split() == [str(4 * HUGE_BYTES), str(sum(range(len(places))))]
    assert [shared.bytes[at] for at in places] == [n + 1 for n in range(len(places))]
    shared.close()
    assert shared.bytes[places[-1]] == len(places)  # what is mapped stays


def test_huge_pages_fit() -> None:
    """It begins at a multiple of their size, else none can be made; and at a page in any case."""
    for size in (1, HUGE_BYTES, 5 * HUGE_BYTES + 4096):
        shared = SharedMemory.create(size)
        assert size <= len(shared.bytes) < size + HUGE_BYTES
        assert address(shared.bytes) % HUGE_BYTES == 0
        shared.close()
    assert address(page_buffer(3 * HUGE_BYTES)) % 4096 == 0


def test_huge_pages_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for in any part, used or not, again, and where the system has none."""
    shared = SharedMemory.create(4 * HUGE_BYTES)
    data = random.Random(1).randbytes(len(shared.bytes))
    shared.bytes[:] = data
    for begin, end in ((0, len(data)), (1, HUGE_BYTES + 7), (7, 7), (HUGE_BYTES, 3 * HUGE_BYTES)):
        shared.use_huge_pages(begin, end)
        assert shared.bytes == data
    monkeypatch.setattr(memory, "_COLLAPSE", 12345)
    shared.use_huge_pages(0, len(data))
    assert shared.bytes == data
    shared.close()
    shared.close()


def test_no_memory_and_no_such_path(tmp_path: Path) -> None:
    """What cannot be had is an OSError, and leaves no descriptor behind."""
    before = maps_open()
    for size in (1 << 62, -1 << 62):
        with pytest.raises(
            (OSError, ValueError, OverflowError),
            match=r"\[Errno 12\] Cannot allocate memory|\[Errno 22\] Invalid argument",
        ):
            SharedMemory.create(size)
    with pytest.raises(OSError, match=r"\[Errno 2\] No such file or directory"):
        SharedMemory.opened(str(tmp_path / "gone"))
    assert maps_open() == before
