"""What a remote has to do for dsm: read, write, create exclusively, list and delete files by name.

The contract that every kind of place keeps, and one suite of tests runs for all of them: a name is
relative and plain; `create` makes a name that is free, or says that it is taken, with nothing in
between; a name that is listed has all its bytes. Nothing here knows what the files mean, and
nothing above knows what the place is.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from dsm.errors import DamagedData, NotFound, Refused, StorageFailed

T = TypeVar("T")

# A listing that does not end must not take all memory.
ENTRIES_MAX = 5_000_000
NAME_BYTES_MAX = 1000
# How often a request is tried, and how long the pauses between are at first, in seconds.
TRIES, PAUSE_SECONDS = 4, 0.2
STREAM_BYTES = 4 << 20
# How often a file is read until it is called damaged.
READS = 3
# What helps when a place does not answer: nothing that was transferred is transferred again.
AGAIN = "run the command again when the place answers: it goes on where it was"
MENDING = "nothing of it was taken in; `dsm fsck --remote --repair` in a whole copy puts it back"
NARROWER = "nothing was taken in; name a folder below it, if that is what you want"
KINDS_OF_REQUESTS = ("list", "read", "write", "create", "delete")


class RemoteFailed(StorageFailed):
    """The remote did not do what it was asked, or cannot be reached."""

    code = "remote-failed"


class RemoteRefused(Refused):
    """The remote does not let this user do that."""

    code = "remote-refused"


class RemoteDamaged(DamagedData):
    """The remote holds something that is not what it should be. Nothing of it was taken in."""

    code = "remote-damaged"

    def __init__(self, message: str, *, hint: str | None = None, items: tuple[str, ...] = ()):
        super().__init__(message, hint=hint or MENDING, items=items)


class NotOnRemote(NotFound):
    """The remote has no file of this name."""

    code = "not-on-remote"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file on a remote: its name below the remote's address, its bytes, and when it was written
    by the clock of the place, in seconds, and its ETag, where that tells."""

    name: str
    size: int
    modified: float | None = None
    etag: str | None = None


class Backend(ABC):
    """Files at one address. `url` is fit to be shown; `requests` counts what was asked so far, by
    kind in `asked`: list, read, write, create, delete.

    Methods raise RemoteFailed, RemoteRefused and NotOnRemote, and nothing else of their own.
    Threads may share one.
    """

    writable = True
    # Packs that go up at a time. One fills the line; a bucket takes parts of it side by side.
    uploads_at_once = 1
    # Data of others is read here, whose names are what they are; no remote of dsm.
    foreign = False
    # Whether reading a file again costs more than reading one of this machine.
    is_far = True
    # Whether a part of a file is had without what lies before it.
    reads_ranges = True
    # Whether an ETag that looks like an MD5 is that of the bytes of its file.
    etag_is_md5 = False

    def __init__(self, url: str):
        self.url = url
        self.requests = 0
        self.asked: Counter[str] = Counter()  # the same, by kind
        self.sent = self.received = 0  # bytes

    @abstractmethod
    def read(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        """Yields the bytes of a file from `start` on: `size` of them at most, or all."""

    @abstractmethod
    def put(self, name: str, data: bytes) -> None:
        """Writes a small file whole, whether or not there is one of this name."""

    @abstractmethod
    def put_file(self, name: str, path: str) -> None:
        """Writes a file of any size from one of this machine."""

    @abstractmethod
    def create(self, name: str, data: bytes) -> bool:
        """Writes a small file if its name is free, in one step; False when the name is taken."""

    @abstractmethod
    def listing(self, prefix: str) -> Iterator[Entry]:
        """Yields the files in a folder and below it; `prefix` is "" or ends in "/"."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Removes a file; one that is gone already is fine."""

    def named(self, name: str) -> Iterator[Entry]:
        """Yields the file of this name, if there is one, found by listing what lies beside it."""
        yield from (entry for entry in self.listing("") if entry.name == name)

    # --- what all have in common ---

    def count(self, kind: str, number: int = 1) -> None:
        """Counts what is asked."""
        self.requests += number
        self.asked[kind if kind in KINDS_OF_REQUESTS else "read"] += number

    def refuse_writing(self) -> NoReturn:
        """Raises RemoteRefused: this is a place for reading alone."""
        raise RemoteRefused(
            f"{self.url} is read, and never written",
            hint="push to a folder, a bucket or a machine by SSH",
        )

    def checked(self, name: str) -> str:
        """Returns a name that leads nowhere else. Raises RemoteFailed."""
        if not (is_safe(name) if self.foreign else is_plain(name)):
            raise RemoteFailed(f"{name!r} is no name of a file on a remote")
        return name

    def get(self, name: str, most: int, start: int = 0, size: int | None = None) -> bytes:
        """Returns a file, or a range of it, that has at most `most` bytes.

        Tried again when the remote fails. Raises RemoteDamaged when it is longer.
        """
        return retried(lambda: self._gathered(name, most, start, size))

    def get_right(self, name: str, most: int, judge: Callable[[bytes], T]) -> T:
        """Returns what `judge` makes of a file; asked for again when that raises DamagedData.

        Bytes change on the way more often than at rest. Raises what `judge` raises the last time.
        """
        for left in range(READS - 1, -1, -1):
            try:
                return judge(self.get(name, most))
            except DamagedData:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _gathered(self, name: str, most: int, start: int, size: int | None) -> bytes:
        parts, total = [], 0
        for part in self.read(name, start, size):
            total += len(part)
            if total > most:
                raise RemoteDamaged(f"{name} on {self.url} is longer than {most:,} bytes")
            parts.append(part)
        return b"".join(parts)

    def entries(self, prefix: str) -> list[Entry]:
        """Returns all files below a folder, each once, sorted by name; odd names are left out.

        Raises RemoteDamaged for a listing that does not end.
        """
        return retried(lambda: self._entries(prefix))

    def _entries(self, prefix: str) -> list[Entry]:
        found: dict[str, Entry] = {}
        for count, entry in enumerate(self.listing(prefix)):
            if count >= ENTRIES_MAX:
                raise RemoteDamaged(f"the listing of {self.url} has no end", hint=NARROWER)
            if entry.name.startswith(prefix) and is_plain(entry.name):
                found[entry.name] = entry
        return [found[name] for name in sorted(found)]

    def create_settled(self, name: str, data: bytes) -> bool:
        """Like `create`, also where the answer to it is lost: what is there then is compared.

        `data` must be nobody else's, such as a header, which holds a random transaction id.
        """
        failure: RemoteFailed | None = None
        for pause in pauses():
            try:
                if self.create(name, data):
                    return True
            except RemoteFailed as error:
                failure = error
            # Taken, perhaps by an earlier try of ours whose answer was lost; or not known.
            try:
                return self.get(name, len(data) + 1) == data
            except RemoteDamaged:
                return False  # it is longer: another one
            except NotOnRemote:
                time.sleep(pause)  # it was not written, or is not yet seen
            except RemoteFailed as error:
                raise Unsettled(
                    f"{error.message}; whether {name} was written is not known"
                ) from error
        raise failure or RemoteFailed(
            f"{self.url} says that {name} is taken, and has none",
            hint="look what stands there by that name, and move it away",
        )


class Unsettled(RemoteFailed):
    """A file may have been written: the remote could not be asked again."""

    code = "remote-unsettled"


def is_plain(name: str) -> bool:
    """Whether a name on a remote is one that dsm gives: relative, ASCII, without tricks."""
    return (
        0 < len(name) <= NAME_BYTES_MAX
        and name.isascii()
        and name.isprintable()
        and "\\" not in name
        and not any(part in ("", ".", "..") for part in name.split("/"))
    )


def is_safe(name: str) -> bool:
    """Whether a name of somebody else's file is relative, and leads nowhere else."""
    return (
        0 < len(name.encode("utf-8", "surrogateescape")) <= NAME_BYTES_MAX + 1000
        and "\0" not in name
        and not any(part in ("", ".", "..") for part in name.split("/"))
    )


def pauses() -> Iterator[float]:
    """Yields how long to wait after each failure, longer and longer, never the same for two."""
    for number in range(TRIES):
        yield PAUSE_SECONDS * 2**number * random.uniform(0.5, 1.5)


def retried(ask: Callable[[], T]) -> T:
    """Returns what `ask` does, which may be asked again: after a failure, a few times."""
    for number, pause in enumerate(pauses(), 1):
        try:
            return ask()
        except RemoteFailed:
            if number == TRIES:
                raise
            time.sleep(pause)
    raise AssertionError("unreachable")
