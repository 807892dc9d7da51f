"""Stores on one and the same folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsm.store.chunks import Chunking
from dsm.store.objects import ObjectStore


@pytest.fixture
def make_store(tmp_path: Path) -> Iterator[Callable[..., ObjectStore]]:
    """Opens stores on one and the same folder."""
    (tmp_path / "packs").mkdir()
    (tmp_path / "tmp").mkdir()
    made: list[ObjectStore] = []

    def make(**sizes: int) -> ObjectStore:
        made.append(ObjectStore(str(tmp_path / "packs"), str(tmp_path / "tmp"), Chunking(**sizes)))
        return made[-1]

    yield make
    for store in made:
        store.close()
