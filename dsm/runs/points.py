"""Points of metrics: for each process that logs some a file of records, appended one by one.

Each point is handed to the system when it is logged, so it survives the process, whatever kills it.
A record that was cut short is no record. Specified in docs/format/run.md.
"""

from __future__ import annotations

import contextlib
import operator
import os
import stat
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, SupportsFloat, SupportsIndex

from blake3 import blake3

from dsm.errors import DamagedData, InvalidInput, StorageFailed
from dsm.model.names import printable
from dsm.runs.run import PointsFile
from dsm.store import disk

ENDING = ".points"
MAGIC = b"DSMPOINT\x01".ljust(32, b"\0")
# CRC-32 of the rest, number of the name, kind, reserved; step, microseconds UTC, value.
RECORD = struct.Struct("<IHBBqqd")
_POINT, _NAME = 0, 1
_BLOCK = RECORD.size << 15
_QUICK = RECORD.size << 13
NAME_BYTES_MAX = 250
NAMES_MAX = 1 << 16
STEP_MAX = 1 << 63


class Point(NamedTuple):
    """A value of a metric at a step, logged at `time`, microseconds UTC."""

    name: str
    step: int
    time: int
    value: float


class PointWriter:
    """Appends points to a file of its own; threads of one process may share it."""

    def __init__(self, folder: str):
        """Creates the file. Raises WriteFailed."""
        self._path = os.path.join(folder, os.urandom(8).hex() + ENDING)
        self._fd = disk.open_new(self._path)
        self._size = 0
        self._numbers: dict[str, int] = {}
        self._next: dict[str, int] = {}
        self._lock = threading.Lock()
        self._append(MAGIC)

    def log(self, name: str, value: Any, step: Any, time: int) -> None:
        """Appends a point. Without a step it is the one after the last of this metric.

        Raises InvalidInput for what is no number, no step or no name; WriteFailed, and then nothing
        of the point is left in the file.
        """
        number = as_number(name, value)
        with self._lock:
            at = self._next.get(name, 0) if step is None else as_step(name, step)
            record = b""
            of = self._numbers.get(name)
            if of is None:
                of = len(self._numbers)
                record = _name_record(name, of)
            rest = RECORD.pack(0, of, _POINT, 0, at, time, number)[4:]
            self._append(record + zlib.crc32(rest).to_bytes(4, "little") + rest)
            self._numbers[name] = of
            self._next[name] = at + 1

    def close(self) -> None:
        """Makes what was logged durable. Raises WriteFailed."""
        with self._lock:
            fd, self._fd = self._fd, -1
            if fd >= 0:
                try:
                    disk.sync_file(fd, self._path)
                finally:
                    os.close(fd)

    def _append(self, data: bytes) -> None:
        if self._fd < 0:
            self._fd = disk.open_kept(self._path, self._size)
        try:
            disk.write_all(self._fd, data, self._path)
        except disk.WriteFailed:
            # The next record goes where this one began, as if it had never been.
            os.close(self._fd)
            self._fd = -1
            raise
        self._size += len(data)


def as_number(name: str, value: Any) -> float:
    """Returns a value as a number. Raises InvalidInput."""
    if isinstance(value, float):
        return value
    if not isinstance(value, (str, bytes)) and isinstance(value, (SupportsFloat, SupportsIndex)):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            pass  # such as an array of several
    kind = type(value).__name__
    raise InvalidInput(f"metric {printable(str(name))!r}: this {kind} is not one number")


def as_step(name: str, step: Any) -> int:
    """Returns a step as an integer. Raises InvalidInput."""
    try:
        at = operator.index(step)
    except TypeError:
        at = STEP_MAX
    if not -STEP_MAX <= at < STEP_MAX:
        raise InvalidInput(
            f"metric {printable(str(name))!r}: step {step!r:.50} is no integer of 64 bits"
        )
    return at


def _name_record(name: str, number: int) -> bytes:
    if not isinstance(name, str) or not name:
        raise InvalidInput("the name of a metric is text, and not empty")
    try:
        data = name.encode()
    except UnicodeEncodeError:
        data = b"x" * (NAME_BYTES_MAX + 1)
    if len(data) > NAME_BYTES_MAX:
        raise InvalidInput(
            f"{printable(name)[:50]!r} is no name of a metric: it is UTF-8 of"
            f" {NAME_BYTES_MAX} bytes at most"
        )
    if number >= NAMES_MAX:
        raise InvalidInput(f"a process logs {NAMES_MAX:,} metrics at most")
    rest = RECORD.pack(0, number, _NAME, 0, len(data), 0, 0.0)[4:]
    rest += data.ljust(-len(data) % RECORD.size + len(data), b"\0")
    return zlib.crc32(rest).to_bytes(4, "little") + rest


def names_of_files(folder: str) -> list[str]:
    """Returns the names of the files of points in a folder, sorted. Raises StorageFailed."""
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(ENDING))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageFailed(f"cannot read {folder}: {error.strerror}") from error


class _Decoder:
    """Makes points of blocks of bytes, as far as whole records go.

    With `lenient` what is no record is passed over, for bytes that begin anywhere.
    """

    def __init__(self, *, lenient: bool = False) -> None:
        self._lenient = lenient
        self._names: dict[int, str] = {}
        self._rest = b""
        self.size = 0  # of the bytes that were whole records
        self.broken = False
        self.hasher = blake3()

    def points(self, block: bytes) -> Iterator[Point]:
        """Yields the points of what was left of the blocks before, and of this one."""
        data = self._rest + block
        at, names = 0, self._names
        if not self.size and len(data) >= RECORD.size:
            self.broken = data[: RECORD.size] != MAGIC
            at = 0 if self.broken else RECORD.size
        while not self.broken and at + RECORD.size <= len(data):
            crc, number, kind, _, step, time, value = RECORD.unpack_from(data, at)
            end = at + RECORD.size
            whole = kind == _POINT and number in names
            if kind == _NAME and 0 < step <= NAME_BYTES_MAX:
                whole = True
                end += step + -step % RECORD.size
                if end > len(data):
                    break
            if not whole or zlib.crc32(data[at + 4 : end]) != crc:
                self.broken = not self._lenient
                at += RECORD.size if self._lenient else 0
                continue
            if kind == _NAME:
                name = data[at + RECORD.size : at + RECORD.size + step]
                names[number] = name.decode(errors="replace")
            else:
                yield Point(names[number], step, time, value)
            at = end
        self.size += at
        self.hasher.update(data[:at])
        self._rest = data[at:]

    def skip(self) -> None:
        """Says that the next block is not the one that follows."""
        self._rest = b""


def read(folder: str, file: str, sealed: PointsFile | None = None) -> Iterator[Point]:
    """Yields the points of a file in the order in which they were logged.

    Without `sealed`, up to the first record that is not whole: it may be in the making. With it all
    that were sealed. Raises DamagedData, StorageFailed.
    """
    path = os.path.join(folder, file)
    decoder = _Decoder()
    with _opened(path) as fd:
        for block in _blocks(fd, path, None if sealed is None else sealed.size):
            yield from decoder.points(block)
            if decoder.broken:
                break
    if sealed not in (None, PointsFile(file, decoder.size, decoder.hasher.hexdigest())):
        raise _other(path)


def verify(folder: str, sealed: PointsFile) -> None:
    """Compares a file with its seal, by its bytes alone. Raises DamagedData, StorageFailed."""
    path = os.path.join(folder, sealed.file)
    hasher, size = blake3(), 0
    with _opened(path) as fd:
        for block in _blocks(fd, path, sealed.size):
            hasher.update(block)
            size += len(block)
    if sealed != PointsFile(sealed.file, size, hasher.hexdigest()):
        raise _other(path)


def _other(path: str) -> DamagedData:
    return DamagedData(f"{path} is damaged: it is not what its run has sealed")


def seal(folder: str) -> tuple[list[PointsFile], dict[str, float]]:
    """Seals the files of points of a run that ends; returns them and the last value of each metric.

    They are durable then. Raises StorageFailed, DamagedData for what is no file.
    """
    last = Last()
    found = []
    for file in names_of_files(folder):
        decoder = _Decoder()
        path = os.path.join(folder, file)
        with _opened(path) as fd:
            for block in _blocks(fd, path, None):
                last.take(decoder.points(block))
            disk.sync_file(fd, path)
        found.append(PointsFile(file, decoder.size, decoder.hasher.hexdigest()))
    return found, last.values()


def latest(folder: str, *, quick: bool = False) -> dict[str, float]:
    """Returns the last value of each metric of a run that has not ended, by name.

    With `quick` only the first and the last points of long files are looked at. Raises
    StorageFailed, DamagedData for what is no file.
    """
    last = Last()
    for file in names_of_files(folder):
        decoder = _Decoder(lenient=True)
        path = os.path.join(folder, file)
        with _opened(path) as fd:
            far = os.fstat(fd).st_size - _QUICK
            if quick and far > _QUICK:
                for block in _blocks(fd, path, _QUICK):
                    last.take(decoder.points(block))
                decoder.skip()
                os.lseek(fd, far - far % RECORD.size, os.SEEK_SET)
            for block in _blocks(fd, path, None):
                last.take(decoder.points(block))
    return last.values()


class Last:
    """The last value of each metric: that of its greatest step, of several the one logged last."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, float]] = {}

    def take(self, points: Iterable[Point]) -> None:
        """Takes points in the order in which they were logged."""
        found = self._found
        for name, step, _, value in points:
            known = found.get(name)
            if known is None or step >= known[0]:
                found[name] = step, value

    def values(self) -> dict[str, float]:
        """Returns the values by name, sorted."""
        return {name: value for name, (_, value) in sorted(self._found.items())}


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    try:
        # Not blocking: a pipe in the place of a file must not hang us.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise StorageFailed(f"cannot read {path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise DamagedData(f"{path} is no file")
        yield fd
    finally:
        os.close(fd)


def _blocks(fd: int, path: str, most: int | None) -> Iterator[bytes]:
    while most is None or most > 0:
        try:
            block = os.read(fd, _BLOCK if most is None else min(most, _BLOCK))
        except OSError as error:
            raise StorageFailed(f"cannot read {path}: {error.strerror}") from error
        if not block:
            return
        most = None if most is None else most - len(block)
        yield block
