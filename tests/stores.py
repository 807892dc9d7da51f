"""Bytes to fill an object store with, and the packs that they end up in."""

from __future__ import annotations

import random
from pathlib import Path


def content(size: int, seed: int = 0) -> bytes:
    """The same random bytes for the same numbers."""
    return random.Random(f"{size} {seed}").randbytes(size)


def packs_in(folder: Path) -> list[Path]:
    """The packs of the store whose folders lie in this one."""
    return sorted((folder / "packs").rglob("*.pack"))
