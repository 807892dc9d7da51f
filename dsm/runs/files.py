"""Files that a program writes for its run: outputs and metrics, never those of an earlier run."""

from __future__ import annotations

import json
import os
import stat
from typing import Any

from blake3 import blake3

from dsm.errors import InvalidInput
from dsm.runs.run import Output

METRICS_BYTES_MAX = 1 << 18
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


def metrics(path: str, before: Mark) -> dict[str, float]:
    """Reads metrics that were written since `before`: one JSON object, name to number.

    NaN and Infinity are numbers, as Python's json writes them. Raises InvalidInput.
    """
    with open(_open_new(path, before), "rb") as file:
        data = file.read(METRICS_BYTES_MAX + 1)
    if len(data) > METRICS_BYTES_MAX:
        raise InvalidInput(f"{path}: metrics are {METRICS_BYTES_MAX:,} bytes at most")
    try:
        found: Any = json.loads(data)
        if not isinstance(found, dict):
            raise ValueError("it is not a JSON object")
        for name, value in found.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(f"{name!r} is not a number")
        return {name: float(value) for name, value in found.items()}
    except (ValueError, RecursionError, OverflowError) as error:
        raise InvalidInput(
            f"{path} holds no metrics: {str(error)[:100]}",
            hint='write one JSON object, such as {"accuracy": 0.93}',
        ) from error


def _open_new(path: str, before: Mark) -> int:
    if before is not None and mark(path) == before:
        raise InvalidInput(
            f"{path} was there before the run, which has not written it",
            hint="it is not recorded: it may be of an earlier run",
        )
    try:
        # What is no file, such as a pipe that nobody writes to, must not be waited for.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidInput(f"the run has not written {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InvalidInput(f"{path} is not a regular file")
    return fd
