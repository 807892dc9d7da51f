"""Pictures and sounds made small, by another process: one that a decoder takes with it, or that is
killed for lack of memory or for taking too long, costs the page one picture.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dsm.checks.probes.audio import loudness
from dsm.checks.probes.image import FORMATS, SCANS_MAX
from dsm.store.workers import Worker, WorkerLost, start
from dsm.views.reading.decoded import jpeg_thumbnail_of

SIDE = 96
BARS = 60
PIXELS_MAX = 64_000_000
FRAMES_MAX = 30 * 60 * 48_000  # half an hour of sound
SECONDS_MAX = 10  # of the processor, for one example
LOST_MAX = 20  # processes: more say that the library is broken, and not the data


class Decoder:
    """Asks a process to decode, one example after the other; used as a context manager."""

    def __init__(self, seconds: int = SECONDS_MAX) -> None:
        self._worker: Worker | None = None
        self._lost = 0
        self._seconds = seconds

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *args: object) -> None:
        self._end()

    def small(self, kind: str, data: bytes) -> bytes:
        """Returns a small JPEG of a picture, or the loudness of a sound: `BARS` bytes, 0 to 100.

        Empty for what cannot be decoded.
        """
        if self._lost > LOST_MAX:
            return b""
        if self._worker is None:
            crew = start([_DecodeJob(self._seconds)])
            if not crew:  # no process can be started here
                return decoded(kind, data)
            (self._worker,) = crew
        try:
            self._worker.order((kind, data))
            found = self._worker.hear()
        except (WorkerLost, MemoryError):
            self._lost += 1
            self._end()
            return b""
        assert isinstance(found, bytes)
        return found

    def _end(self) -> None:
        if self._worker is not None:
            self._worker.dismiss()  # it may be busy with what never ends
            self._worker = None


@dataclass(frozen=True, slots=True)
class _DecodeJob:
    """Decodes what it is sent, media types and bytes, each for so many seconds at most."""

    seconds: int

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        while True:
            order: Any = next_order()
            used = resource.getrusage(resource.RUSAGE_SELF)
            most = int(used.ru_utime + used.ru_stime) + 1 + self.seconds
            _, hard = resource.getrlimit(resource.RLIMIT_CPU)
            if hard == resource.RLIM_INFINITY or most < hard:
                resource.setrlimit(resource.RLIMIT_CPU, (most, hard))
            yield decoded(*order)


def decoded(kind: str, data: bytes) -> bytes:
    """Returns what `Decoder.small` does, by this process."""
    if kind.startswith("audio/"):
        return loudness(data, BARS, FRAMES_MAX)
    wanted = FORMATS.get(kind)
    if wanted is None or (wanted == "JPEG" and data.count(b"\xff\xda") > SCANS_MAX):
        return b""
    return jpeg_thumbnail_of(data, SIDE, PIXELS_MAX, wanted) or b""
