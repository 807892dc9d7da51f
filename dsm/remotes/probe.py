"""Whether a place can create a name exclusively: found out there, by trying it.

A layer between may take the condition of a write and leave it out without a word, and then two who
push at the same time overwrite each other. So the same name is created twice, and then by several
threads at once: exactly one may win each time.
"""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor

from dsm.remotes.backend import Backend, RemoteFailed, RemoteRefused, retried

RACERS = 4
FOLDER = "probe"


def creates_exclusively(backend: Backend) -> bool:
    """Tries it at the very place, and removes what that has written.

    Raises RemoteFailed and RemoteRefused when nothing can be written there at all.
    """
    return retried(lambda: _tried(backend))


def _tried(backend: Backend) -> bool:
    first, second = (f"{FOLDER}/{os.urandom(16).hex()}" for _ in range(2))
    texts = [b"%d %s" % (number, os.urandom(8).hex().encode()) for number in range(RACERS)]
    try:
        # Taken by ourselves is fine: the answer was lost, and what asks for us asked again.
        if not backend.create(first, texts[0]) and backend.get(first, 100) != texts[0]:
            return False
        if backend.create(first, texts[1]):
            return False
        # Nor the same bytes again: what compares contents would let them pass.
        if backend.create(first, texts[0]) or backend.get(first, 100) != texts[0]:
            return False
        with ThreadPoolExecutor(RACERS) as racers:
            won = list(racers.map(lambda text: backend.create(second, text), texts))
        winners = [text for text, each in zip(texts, won, strict=True) if each] or texts
        return won.count(True) <= 1 and backend.get(second, 100) in winners
    finally:
        # The names are nobody's, and passed over; what went wrong before is what matters.
        with contextlib.suppress(RemoteFailed, RemoteRefused):
            for name in (first, second):
                backend.delete(name)
