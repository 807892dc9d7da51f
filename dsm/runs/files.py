"""Files that a program writes for its run, never those of an earlier run."""

from __future__ import annotations

import os
import stat

from blake3 import blake3

from dsm.errors import InvalidInput
from dsm.runs.run import Output

Mark = tuple[int, int, int, int] | None


def mark(path: str) -> Mark:
    """Returns what tells a file from what is written there later; None for none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def output(path: str, before: Mark) -> Output:
    """Returns size and hash of a file that was written since `before`. Raises InvalidInput."""
    with open(_open_new(path, before), "rb", buffering=0) as file:
        hasher, size = blake3(), 0
        while block := file.read(1 << 22):
            hasher.update(block)
            size += len(block)
    return Output(path, size, hasher.hexdigest())


def written(path: str, before: Mark, most: int) -> bytes:
    """Returns the bytes of a file that was written since `before`. Raises InvalidInput."""
    return _content(_open_new(path, before), path, most)


def content(path: str, most: int) -> bytes:
    """Returns the bytes of a file. Raises InvalidInput."""
    return _content(_open(path, "cannot read"), path, most)


def _content(fd: int, path: str, most: int) -> bytes:
    with open(fd, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise InvalidInput(f"{path} is too large: {most:,} bytes at most")
    return data


def _open_new(path: str, before: Mark) -> int:
    if before is not None and mark(path) == before:
        raise InvalidInput(
            f"{path} was there before the run, which has not written it",
            hint="it is not recorded: it may be of an earlier run",
        )
    return _open(path, "the run has not written")


def _open(path: str, failure: str) -> int:
    try:
        # What is no file, such as a pipe that nobody writes to, must not be waited for.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidInput(f"{failure} {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InvalidInput(f"{path} is not a regular file")
    return fd
