"""Groups on their way into a pack: compressed in a thread, while the caller makes the next ones.

Which are compressed, and what lies where, depends on the groups and their order alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsm.store.codec import Kind, many_compressor
from dsm.store.members import Members

if TYPE_CHECKING:
    from threading import Thread

BATCH_BYTES = 4 << 20
DENSE_PROBES = 16
LEVEL = 3


@dataclass(slots=True)
class Group:
    """Bytes with their id, and parts of them by their ids: offset and size. `frame` is what was
    made of them, None where they are to be stored as they are."""

    oid: bytes
    data: bytes
    members: Members
    kind: Kind
    frame: bytes | None = None


class Compressing:
    """Takes groups and gives them back in their order; not thread-safe."""

    def __init__(self) -> None:
        self._taken: list[Group] = []
        self._begun: list[Group] = []
        self._tried: list[Group] = []
        self._thread: Thread | None = None
        self._compress = many_compressor(LEVEL)
        self._frames: list[bytes] | BaseException = []
        self._bytes = 0  # of what was taken
        self.held = 0  # bytes of what was not given back yet
        self.objects = 0  # how many they are, with their parts

    def take(self, group: Group) -> Sequence[Group]:
        """Takes a group; returns those that are ready by now."""
        self._taken.append(group)
        self._bytes += len(group.data)
        self.held += len(group.data)
        self.objects += 1 + len(group.members)
        return self._next() if self._bytes >= BATCH_BYTES else ()

    def rest(self) -> Sequence[Group]:
        """Returns all that were not given back yet."""
        return [*self._next(), *self._next()]

    def stop(self) -> None:
        """Forgets what was taken, and waits for the thread."""
        self._taken, self._begun, self._tried = [], [], []
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _next(self) -> Sequence[Group]:
        """Ends the work on a batch and begins that on the next; returns the one that was ended."""
        done = self._ended()
        self._begun, self._taken, self._bytes = self._taken, [], 0
        self._tried = [group for group in self._begun if _is_tried(group.kind)]
        if self._tried:
            import threading

            parts = [group.data for group in self._tried]
            self._thread = threading.Thread(target=self._run, args=(parts,), daemon=True)
            self._thread.start()
        return done

    def _run(self, parts: list[bytes]) -> None:
        try:
            self._frames = self._compress(parts)
        except BaseException as error:  # for the caller
            self._frames = error

    def _ended(self) -> Sequence[Group]:
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            if isinstance(self._frames, BaseException):
                raise self._frames
            for group, frame in zip(self._tried, self._frames, strict=True):
                if len(frame) <= len(group.data) * 0.95:
                    group.kind.dense = False
                    group.frame = frame
                else:
                    group.kind.dense = group.kind.seen >= DENSE_PROBES or group.kind.dense
        done, self._begun, self._tried = self._begun, [], []
        self.held -= sum(len(group.data) for group in done)
        self.objects -= sum(1 + len(group.members) for group in done)
        return done


def _is_tried(kind: Kind) -> bool:
    """Whether the next one of a kind is to be compressed: after a few dense ones only every 64th is
    tried, until one compresses again."""
    kind.seen += 1
    return not kind.dense or kind.seen % 64 == 0
