"""Files of an address as they are read: whole, or as a stream that goes on where it was cut off.

What is handed out is one state of a file: it has the size that was listed, and where several
answers make it up it was not changed meanwhile. Where its ETag is the MD5 of its bytes, as in most
buckets, they are compared with it, so that a bit that flips on the way is noticed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from dsm.model.names import printable
from dsm.remotes.backend import (
    READS,
    STREAM_BYTES,
    Backend,
    Entry,
    NotOnRemote,
    RemoteFailed,
    pauses,
    retried,
)
from dsm.remotes.parallel import side_by_side

T = TypeVar("T")

# A large file is asked for in ranges of this size, several at a time: one answer fills no line.
RANGE_BYTES, RANGES_AT_ONCE = 4 << 20, 8

_MD5 = re.compile(r"[0-9a-f]{32}")


class Changed(RemoteFailed):
    """A file is not what it was when it was listed."""

    code = "changed-while-read"


class Garbled(RemoteFailed):
    """Bytes of a file were changed on the way."""

    code = "changed-on-the-way"


def whole(backend: Backend, entry: Entry) -> bytes:
    """Returns a file by one request. Raises RemoteFailed for another than was listed."""
    return again_if_garbled(lambda: _checked(backend, entry))


def again_if_garbled(read: Callable[[], T]) -> T:
    """Returns what `read` does; it is asked again, a few times, when it raises Garbled."""
    for _ in range(READS - 1):
        with contextlib.suppress(Garbled):
            return read()
    return read()


def _checked(backend: Backend, entry: Entry) -> bytes:
    data, check = retried(lambda: _once(backend, entry)), _Check.of(backend, entry)
    if check is not None:
        check.add(data)
        check.end(backend, entry)
    return data


def _once(backend: Backend, entry: Entry) -> bytes:
    try:
        data = b"".join(listed_bytes(backend, entry))
    except NotOnRemote as error:
        raise Changed(f"{error.message}, though it was listed") from None
    if len(data) != entry.size:
        raise other_size(backend, entry, len(data))
    return data


def listed_bytes(backend: Backend, entry: Entry, start: int = 0) -> Iterator[bytes]:
    """Yields the bytes of a file that was listed, and one more if there is one."""
    # A range in an empty file is an error for some servers.
    most = entry.size + 1 - start if entry.size else None
    return backend.read(entry.name, start, most)


def other_size(backend: Backend, entry: Entry, size: int) -> Changed:
    """Returns the error for a file that has another size than it was listed with."""
    return Changed(
        f"{printable(entry.name)} on {backend.url} has {size:,} bytes, and not"
        f" {entry.size:,}: it was changed meanwhile, or cut short"
    )


def stream(
    backend: Backend, entry: Entry, start: int = 0, before: Iterator[bytes] | None = None
) -> Iterator[bytes]:
    """Yields a file from `start` on, in one state: asked again for the rest where an answer ends.

    `before` are the bytes that lie before `start`, where they are here. Of a large file several
    ranges are on their way at a time. Raises RemoteFailed when nothing more comes, and Changed,
    perhaps at the end.
    """
    if comes_in_ranges(backend, entry, start):
        ask = partial(range_of, backend, entry)
        parts = side_by_side(ask, starts_of(entry, start), RANGES_AT_ONCE)
        yield from joined(backend, entry, parts, start, before)
        return
    check = _Check.of(backend, entry) if not start or before is not None else None
    if check is not None:
        for part in before or ():
            check.add(part)
    at, waits, several = start, pauses(), entry.size > STREAM_BYTES or start > 0
    while at < entry.size or not entry.size:
        failure: RemoteFailed | None = None
        try:
            for part in listed_bytes(backend, entry, at):
                at, waits = at + len(part), pauses()
                if at > entry.size:
                    raise other_size(backend, entry, at)
                if check is not None:
                    check.add(part)
                yield part
        except NotOnRemote as error:
            raise Changed(f"{error.message}, though it was listed") from None
        except Changed:
            raise
        except RemoteFailed as error:
            failure = error
        if at >= entry.size and failure is None:
            break
        require_unchanged(backend, entry)
        several = True
        pause = next(waits, None)
        if pause is None:
            raise failure or other_size(backend, entry, at)
        time.sleep(pause)
    if several:
        require_unchanged(backend, entry)
    if check is not None:
        check.end(backend, entry)


def comes_in_ranges(backend: Backend, entry: Entry, start: int = 0) -> bool:
    """Whether a file is asked for in several ranges at a time."""
    return backend.is_far and backend.reads_ranges and entry.size - start > RANGE_BYTES


def starts_of(entry: Entry, start: int = 0) -> range:
    """Returns where the ranges of a file begin."""
    return range(start, entry.size, RANGE_BYTES)


def range_of(backend: Backend, entry: Entry, start: int) -> bytes:
    """Returns the range of a file that begins at `start`: asked again for the rest where an answer
    ends. Raises RemoteFailed when nothing more comes, and Changed."""
    end, got, waits = min(start + RANGE_BYTES, entry.size), bytearray(), pauses()
    while True:
        failure: RemoteFailed | None = None
        at = start + len(got)
        try:
            # At the end of the file one more is asked for, which must not be there.
            for part in backend.read(entry.name, at, end - at + (end == entry.size)):
                got += part
                waits = pauses()
                if start + len(got) > end:
                    raise other_size(backend, entry, start + len(got))
        except NotOnRemote as error:
            raise Changed(f"{error.message}, though it was listed") from None
        except Changed:
            raise
        except RemoteFailed as error:
            failure = error
        if start + len(got) == end:
            return bytes(got)
        require_unchanged(backend, entry)
        pause = next(waits, None)
        if pause is None:
            raise failure or other_size(backend, entry, start + len(got))
        time.sleep(pause)


def joined(
    backend: Backend, entry: Entry, parts: Iterator[bytes], start: int = 0,
    before: Iterator[bytes] | None = None,
) -> Iterator[bytes]:  # fmt: skip
    """Yields the ranges of a file, from `start` on, which are of one state.

    `before` are the bytes that lie before `start`, where they are here. Raises Changed, perhaps at
    the end, and Garbled.
    """
    check = _Check.of(backend, entry) if not start or before is not None else None
    if check is not None:
        for part in before or ():
            check.add(part)
    for part in parts:
        if check is not None:
            check.add(part)
        yield part
    require_unchanged(backend, entry)
    if check is not None:
        check.end(backend, entry)


def require_unchanged(backend: Backend, entry: Entry) -> None:
    """Raises Changed for a file that is not what was listed, or is gone."""
    found = retried(lambda: next(iter(backend.named(entry.name)), None))
    same = found is not None and found.size == entry.size
    if same and found is not None and found.etag is not None and entry.etag is not None:
        same = found.etag == entry.etag
    elif same and found is not None and found.modified is not None and entry.modified is not None:
        same = abs(found.modified - entry.modified) < 1  # listings and answers round differently
    if not same:
        raise Changed(
            f"{printable(entry.name)} on {backend.url} was changed while it was read",
            hint="run the import again",
        )


class _Check:
    """The MD5 of what was read, compared with an ETag that looks like one."""

    def __init__(self, expected: str):
        self._expected = expected
        self._md5 = hashlib.md5(usedforsecurity=False)

    @classmethod
    def of(cls, backend: Backend, entry: Entry) -> _Check | None:
        """Returns what compares a file; None where no ETag tells its bytes."""
        found = (entry.etag or "").strip('"')
        return cls(found) if backend.etag_is_md5 and _MD5.fullmatch(found) else None

    def add(self, part: bytes) -> None:
        self._md5.update(part)

    def end(self, backend: Backend, entry: Entry) -> None:
        """Raises RemoteFailed for other bytes than the ETag tells, unless they come again: then it
        is none of them, as where a bucket encrypts by keys of its owner."""
        if self._md5.hexdigest() == self._expected:
            return
        again = hashlib.md5(usedforsecurity=False)
        for part in listed_bytes(backend, entry):
            again.update(part)
        if again.digest() != self._md5.digest():
            raise Garbled(
                f"{printable(entry.name)} on {backend.url} did not come as it lies there",
                hint="bytes were changed on the way; run the import again",
            )
        backend.etag_is_md5 = False


class RemoteFile(io.RawIOBase):
    """A file of an address as a stream, of its parts as `stream` yields them."""

    def __init__(self, parts: Iterator[bytes]):
        self._parts = parts
        self._part: bytes = b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        """Fills `target` from where the last call ended; 0 at the end. Raises RemoteFailed."""
        while not self._part:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._part = part
        view = memoryview(target)
        count = min(len(view), len(self._part))
        view[:count] = self._part[:count]
        self._part = self._part[count:]
        return count
