"""Deflated parts: pieces are what the whole is, and bounded."""

from __future__ import annotations

import random
import zlib

import pytest

from dsm.model import deflated
from dsm.model.deflated import PATHS_RATIO, deflate, deflate_pieces, inflate_pieces


@pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_000])
@pytest.mark.parametrize("words", [1, 3, 256])
def test_pieces_are_what_the_whole_is(
    size: int, words: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes come of pieces as of the whole, and come back, whatever is read at once."""
    data = bytes(random.Random(size).choices(range(words), k=size))
    packed = deflate_pieces((data[at : at + 7_001] for at in range(0, size, 7_001)), 6, PATHS_RATIO)
    whole = zlib.compress(data, 6)
    assert (whole if deflate(data, 6, PATHS_RATIO) == whole else None) == packed
    for piece, most in ((64 << 10, 4 << 20), (1000, 999), (10, 1)):
        monkeypatch.setattr(deflated, "PIECE_BYTES", piece)
        monkeypatch.setattr(deflated, "INFLATED_BYTES", most)
        if size <= 100_000 or most > 1:
            assert data == b"".join(inflate_pieces(memoryview(whole), size))


@pytest.mark.parametrize(
    ("packed", "limit"),
    [
        (b"xxxx", 100),
        (zlib.compress(b"a" * 1000)[:-3], 1000),
        (zlib.compress(b"a" * 1000), 999),
        (zlib.compress(b"a" * 1000) + b"more", 1000),
        (b"", 100),
    ],
)
def test_what_is_not_whole_is_refused(packed: bytes, limit: int) -> None:
    """Other bytes, a part, more than was promised and what comes behind the end are told."""
    with pytest.raises(ValueError, match="inflate|deflated|cut short"):
        list(inflate_pieces(memoryview(packed), limit))
