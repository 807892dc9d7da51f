"""Bytes to fill an object store with, and the packs that they end up in."""

from __future__ import annotations

import random
from pathlib import Path

from dsm.store.objects import ObjectStore


def content(size: int, seed: int = 0) -> bytes:
    """The same random bytes for the same numbers."""
    return random.Random(f"{size} {seed}").randbytes(size)


def packs_in(folder: Path) -> list[Path]:
    """The packs of the store whose folders lie in this one."""
    return sorted((folder / "packs").rglob("*.pack"))


def put_all(store: ObjectStore, contents: list[bytes], suffix: str = ".jpg") -> list[bytes]:
    """Stores these bytes, one after the other, and returns their ids."""
    oids = [store.put(data, suffix) for data in contents]
    store.flush()
    return oids


def damage(pack: Path, content: bytes) -> None:
    """Flips one bit of what a pack holds of this content, stored as it is."""
    data = bytearray(pack.read_bytes())
    data[data.index(content) + 9] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
