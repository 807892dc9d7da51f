"""Which objects are large, and which pack has an object: alike for few and for many."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from dsm.format.pack import PREFIX
from dsm.store import disk, disk_at, pieces
from dsm.store.object_errors import ObjectMissing
from dsm.store.objects import ObjectStore
from dsm.store.pieces import holder_of, holders_of, is_large, large_among

Make = Callable[..., ObjectStore]


@pytest.mark.parametrize("search_rows", [1 << 40, 0], ids=["by tables", "one by one"])
def test_many_are_looked_for_as_one_is(
    search_rows: int, make_store: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whole tables, the same objects are large and lie in the same packs as one by one."""
    store = make_store()
    draw = random.Random(1)
    oids = []
    for _ in range(3):
        oids += [store.put(draw.randbytes(size)) for size in (0, 10, 5000, 9_000_000, 30_000)]
        store.flush()
    monkeypatch.setattr(pieces, "SEARCH_ROWS", search_rows)
    assert large_among(store, oids) == [oid for oid in oids if is_large(store, oid)]
    assert len(large_among(store, oids)) == 3
    wanted = {oid[:PREFIX]: oid for oid in oids}
    found = holders_of(store, wanted)
    assert {prefix: pack for pack, own in found.items() for prefix in own} == {
        prefix: holder_of(store, oid) for prefix, oid in wanted.items()
    }
    with pytest.raises(ObjectMissing, match="ff" * 32):
        holders_of(store, {**wanted, b"\xff" * PREFIX: b"\xff" * 32})


@pytest.mark.parametrize("how", ["by the kernel", "EXDEV", "nothing", "absent"])
def test_a_file_is_copied_to_its_end(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the file system can do by itself, all bytes come, and their number is told."""
    monkeypatch.setattr(disk_at, "COPY_BYTES", 1000)
    data = random.Random(1).randbytes(4321)
    (tmp_path / "from").write_bytes(data)

    def refused(*_: object) -> int:
        if how == "nothing":
            return 0
        raise OSError(errno.EXDEV, "not across file systems")

    if how == "absent":
        monkeypatch.delattr(os, "copy_file_range")
    elif how != "by the kernel":
        monkeypatch.setattr(os, "copy_file_range", refused)
    with (tmp_path / "from").open("rb") as source, (tmp_path / "to").open("wb") as target:
        assert sum(disk_at.copied(source.fileno(), target.fileno(), "to")) == len(data)
    assert (tmp_path / "to").read_bytes() == data


def test_a_copy_that_fails_says_so(tmp_path: Path) -> None:
    """A full disk is told by the name of the file, as of any write."""
    (tmp_path / "from").write_bytes(b"text")

    def full(operation: str, path: str) -> None:
        if operation == "write":
            raise OSError(errno.ENOSPC, "no space")

    with (tmp_path / "from").open("rb") as source, (tmp_path / "to").open("wb") as target:
        with disk.observe(full), pytest.raises(disk.WriteFailed, match="cannot write to"):
            list(disk_at.copied(source.fileno(), target.fileno(), "to"))
