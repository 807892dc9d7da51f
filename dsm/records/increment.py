"""What changed of a file of lines or rows since its last state, without reading what did not.

The last state is a list of groups. A group whose bytes are where they are expected is known by one
hash; what lies between such groups was changed, and is read, as it was and as it is. The new state
is cut into the very groups that reading all of it would give: a group counts as known only where a
group has just ended, and no row is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, Protocol

from blake3 import blake3

from dsm.errors import InvalidInput
from dsm.records.compressed import compression_of
from dsm.records.gathering import Read, keys_of_content
from dsm.records.groups import LARGEST, GroupStore
from dsm.records.piecewise import Uneven
from dsm.records.reader import piecewise
from dsm.records.settings import ALL_FIELDS, RecordSettings
from dsm.store.digests import threaded_hasher

BLOCK_BYTES = 8 << 20
FEWEST_GROUPS = 8  # a smaller file is read as a whole
# How many groups that follow a changed one may be changed as well, and how much may be put in.
_GROUPS_AHEAD, _BYTES_AHEAD = 16, 16 << 20
_BYTES_NEAR = 1 << 20  # looked at before more of the file is read
_HEAD_BYTES = 4 << 10
# Where more than this share of the groups changed, all is read.
_CHANGED_MAX = 3
SAMPLE_BYTES = 64 << 10  # of the beginning, which tells how a table is written

Group = tuple[bytes, int]  # id, bytes


class Contents(GroupStore, Protocol):
    """A store that the groups of the last state are read from, too."""

    def read_small(self, oid: bytes) -> bytes | None: ...


def reads_increments(settings: RecordSettings) -> bool:
    """Whether a new state of a file with these settings can be read by what changed."""
    row = settings.row()  # every field of a table has one type, as its row says
    return (
        row.by_parts
        and (ALL_FIELDS not in settings.attributes or "columns" in row.options)
        and settings.found.compression is None
    )


def read_increment(
    file: BinaryIO, name: str, settings: RecordSettings, store: Contents, groups: Sequence[Group]
) -> Read | None:
    """Reads what changed of a file since it was made up of these groups, and stores the new ones.

    `settings` are those that its last state was read with. The records are those of the parts that
    changed, `Read.before` those that were there. None when it is to be read as a whole: much
    changed, or something is wrong with what did.
    """
    if len(groups) < FEWEST_GROUPS or compression_of(file) is not None:
        return None
    try:
        return _Increment(file, name, settings, store, groups).read()
    except (Uneven, InvalidInput):
        return None


class _Increment:
    def __init__(
        self,
        file: BinaryIO,
        name: str,
        settings: RecordSettings,
        store: Contents,
        groups: Sequence[Group],
    ):
        self._store, self._groups = store, groups
        self._window = _Window(file)
        head = self._window.peek(0, SAMPLE_BYTES)
        self._now = piecewise(name, settings, store, head)
        self._then = piecewise(name, settings, None, head)
        self._changed = 0

    def read(self) -> Read:
        """Returns the records of the parts that changed. Raises Uneven, RecordsInvalid."""
        window, groups, number = self._window, self._groups, 0
        while number < len(groups):
            oid, size = groups[number]
            if self._is_here(number, 0):
                last = number == len(groups) - 1
                if not self._now.held and (not last or window.ends_at(size)):
                    self._now.grouper.take_known(oid, size)
                    self._now.pass_over()
                    self._then.pass_over()
                else:  # no group has ended here, or none would
                    self._now.feed(window.peek(0, size))
                    self._was(number)
                window.pass_over(size)
                number += 1
                continue
            behind, at = self._next(number)
            self._now.feed(window.peek(0, at))
            for gone in range(number, behind):
                self._was(gone)
            window.pass_over(at)
            number = behind
        while window.left():
            end = window.last_line_end()
            self._now.feed(window.peek(0, end))
            window.pass_over(end)
        return self._finish()

    def _is_here(self, number: int, at: int) -> bool:
        """Whether a group lies at a place of the window, and whole lines behind it."""
        oid, size = self._groups[number]
        data = self._window.peek(at, at + size)
        if len(data) < size or blake3(data).digest() != oid:
            return False
        return data[-1] == 0x0A or self._window.ends_at(at + size)

    def _next(self, number: int) -> tuple[int, int]:
        """Returns the next group that is there again, and where: past the last one, the end."""
        window, groups, reach = self._window, self._groups, 0
        for behind in range(number + 1, min(number + _GROUPS_AHEAD, len(groups))):
            reach += groups[behind - 1][1]
            data = self._content(behind)
            head = data[: min(data.find(b"\n") + 1 or _HEAD_BYTES, _HEAD_BYTES)]
            at = window.find(head, reach + _BYTES_AHEAD)
            if at is not None and self._is_here(behind, at):
                return behind, at
        if len(groups) - number < _GROUPS_AHEAD and window.is_all(_BYTES_AHEAD):
            return len(groups), window.size
        raise Uneven

    def _content(self, number: int) -> bytes:
        data = self._store.read_small(self._groups[number][0])
        if data is None or len(data) != self._groups[number][1]:
            raise Uneven
        return data

    def _was(self, number: int) -> None:
        self._changed += 1
        if self._changed * _CHANGED_MAX > len(self._groups):
            raise Uneven
        self._then.feed(self._content(number))

    def _finish(self) -> Read:
        window, now, settings = self._window, self._now.out, self._now.settle()
        now.before = self._then.out
        for each in (now, now.before):
            own = each.keys if settings.key else each.oids
            if len({*own}) < len(own):
                raise Uneven  # the same twice: which is which, the whole file tells
            if not settings.key:
                each.keys = keys_of_content(each.oids)
        now.settings, now.oid, now.size = settings, window.whole.digest(), window.total
        self._now.grouper.finish(now.oid, now.size)
        return now


class _Window:
    """A file that is read forward, of which some MiB are at hand; all of it is hashed."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._data, self._at, self._ended = b"", 0, False
        self.whole = threaded_hasher()
        self.total = 0

    @property
    def size(self) -> int:
        """How many bytes are at hand."""
        return len(self._data) - self._at

    def _fill(self, size: int) -> None:
        if self.size >= size or self._ended:
            return
        parts = [self._data[self._at :]]
        held = len(parts[0])
        while held < size:
            block = self._file.read(BLOCK_BYTES)
            if not block:
                self._ended = True
                break
            self.whole.update(block)
            self.total += len(block)
            held += len(block)
            parts.append(block)
        self._data, self._at = b"".join(parts), 0

    def peek(self, first: int, end: int) -> bytes:
        """Returns some of the bytes that come, fewer where the file ends."""
        self._fill(end)
        return self._data[self._at + first : self._at + end]

    def pass_over(self, size: int) -> None:
        self._at += size

    def left(self) -> bool:
        self._fill(1)
        return self.size > 0

    def ends_at(self, at: int) -> bool:
        self._fill(at + 1)
        return self.size == at

    def is_all(self, most: int) -> bool:
        """Whether the file ends within so many bytes."""
        self._fill(most + 1)
        return self.size <= most

    def find(self, head: bytes, reach: int) -> int | None:
        """Returns where a line that begins so begins, within so many bytes; None for nowhere."""
        for most in (min(reach, _BYTES_NEAR), reach):  # nearly always it is near
            self._fill(most + LARGEST)
            if self._data.startswith(head, self._at):
                return 0
            found = self._data.find(b"\n" + head, self._at, self._at + most)
            if found >= 0:
                return found + 1 - self._at
        return None

    def last_line_end(self) -> int:
        """Returns how many of the bytes at hand are whole lines; all of them at the file's end."""
        self._fill(BLOCK_BYTES)
        if self._ended:
            return self.size
        end = self._data.rfind(b"\n", self._at) + 1 - self._at
        if end <= 0:
            raise Uneven  # a line longer than any record
        return end
