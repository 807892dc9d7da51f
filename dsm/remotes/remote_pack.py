"""A pack of a remote as a pack of which only the table is here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from dsm.format import pack as fmt
from dsm.remotes.backend import STREAM_BYTES, Backend, RemoteFailed, pauses, retried
from dsm.remotes.tables import remote_path
from dsm.store.extract import FrameRows
from dsm.store.packs import Pack
from dsm.store.turns import CHANGING


class RemotePack(Pack):
    """A pack of a remote by its table; what is read of it is asked for."""

    def __init__(
        self, backend: Callable[[], Backend], name: str, size: int, contents: fmt.Contents
    ):
        self.path = remote_path(name)
        self.name = name
        self._backend = backend
        self._file = None
        self._rows: FrameRows | None = None
        self._dictionaries: dict[int, bytes | None] = {}
        self._take(contents, size)

    def read_at(self, position: int, size: int) -> bytes:
        """Returns exactly these bytes. Raises RemoteFailed, also when fewer came."""
        return b"" if not size else retried(lambda: self._read(position, size))

    def _read(self, position: int, size: int) -> bytes:
        parts, got = [], 0
        for part in self._backend().read(self.path, position, size):
            parts.append(part)
            got += len(part)
        if got != size:
            raise self._cut_short(got, size)
        return b"".join(parts)

    def stream(self, start: int, end: int) -> Iterator[bytes]:
        """Yields exactly these bytes as they come, and goes on where a connection broke.

        Raises NotOnRemote, and RemoteFailed when it breaks again and again.
        """
        at = tried = start
        failures = pauses()
        while at < end:
            try:
                for part in self._backend().read(self.path, at, end - at):
                    at += len(part)
                    yield part
                if at < end:
                    raise self._cut_short(at - start, end - start)
            except RemoteFailed:
                if at - tried >= STREAM_BYTES:  # it came further: that counts anew
                    failures, tried = pauses(), at
                pause = next(failures, None)
                if pause is None:
                    raise
                time.sleep(pause)

    def _cut_short(self, came: int, size: int) -> RemoteFailed:
        return RemoteFailed(
            f"{self.path} on {self._backend().url} was cut short: {came:,} of {size:,} bytes came"
        )

    def is_raw(self, frame: int) -> bool:
        """Whether what is in a frame lies as it is."""
        return bool(self.contents.frames) and self.contents.frames[frame][2] == fmt.RAW

    def whole_frame(self, window: memoryview, window_at: int, frame: int) -> bytes:
        """Returns the raw bytes of a frame. Raises DamagedData."""
        starts = self.contents.raw_starts
        return self.read_from(window, window_at, frame, 0, starts[frame + 1] - starts[frame])

    def dictionary(self, codec: int) -> bytes | None:
        """Returns the dictionary of a codec, which is asked for once."""
        if codec not in self._dictionaries:
            self._dictionaries[codec] = super().dictionary(codec)
        return self._dictionaries[codec]

    def rows_in(self, frame: int) -> list[int]:
        """Returns the rows of the objects in a frame."""
        return self._in_order().of(self.contents, frame)

    def rows_between(self, start: int, end: int) -> list[int]:
        """Returns the rows of the objects that begin in these bytes of its raw space, in order."""
        return self._in_order().between(self.contents, start, end)

    def _in_order(self) -> FrameRows:
        if self._rows is None:
            with CHANGING:  # once, however many threads want it
                self._rows = self._rows or FrameRows(self.contents)
        return self._rows
