"""Hashes of much data: of many small pieces, and of large ones by all processors."""

from __future__ import annotations

import os
from collections.abc import Iterable

from blake3 import blake3

# The process whose hashers have threads, which are made once and never end.
_threaded: list[int] = []


def digests(pieces: Iterable[bytes]) -> list[bytes]:
    """Returns the BLAKE3 of each piece, 32 bytes."""
    hasher = blake3()
    reset, update, digest = hasher.reset, hasher.update, hasher.digest
    found: list[bytes] = []
    take = found.append
    for piece in pieces:
        reset()  # making a hasher takes as long as it takes to hash some hundred bytes
        update(piece)
        take(digest())
    return found


def threaded_hasher() -> blake3:
    """Returns a hasher that uses all processors, for data of a megabyte or more.

    Its threads do not outlive a fork, and a child would wait for them for ever: it hashes alone.
    """
    if not _threaded:
        _threaded.append(os.getpid())
    return blake3(max_threads=blake3.AUTO if _threaded[0] == os.getpid() else 1)
