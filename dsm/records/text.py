"""Reading plain text: a record is a line that is not blank, and its one field is `text`."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from blake3 import blake3

from dsm.format.pack import OBJECT_BYTES_MAX
from dsm.records.gathering import LOOKED_AT, Gathering, Read, too_long
from dsm.records.groups import Grouper, GroupStore
from dsm.records.piecewise import Uneven
from dsm.records.settings import UTF_8_BOM, Found, RecordSettings

BLOCK_BYTES = 1 << 20
FIELD = "text"
_BOM = b"\xef\xbb\xbf"


class TextReader:
    """Reads plain text; see `RecordReader`."""

    def read(
        self, file: BinaryIO, name: str, settings: RecordSettings, store: GroupStore | None = None
    ) -> Read:
        """See `RecordReader.read`."""
        parts = _Parts(name, settings, store)
        gathered, grouper = parts.gathered, parts.grouper
        parts.take(_lines(file, gathered))
        gathered.settings = parts.settle()
        return gathered.finish(grouper.finish(), grouper.size)

    def piecewise(
        self, name: str, settings: RecordSettings, store: GroupStore | None, head: bytes
    ) -> _Parts:
        """See `RecordReader.piecewise`."""
        return _Parts(name, settings, store)

    def fields(self, data: bytes, settings: RecordSettings) -> dict[str, Any]:
        """See `RecordReader.fields`."""
        return {FIELD: str(data, settings.encoding or "utf-8")}


class _Parts:
    """Reads parts of a text; see `Piecewise`."""

    def __init__(self, name: str, settings: RecordSettings, store: GroupStore | None):
        self._settings = settings
        self.gathered = Gathering(name, settings)
        self.out = self.gathered.out
        self.grouper = Grouper(store, os.path.splitext(name)[1].lower())
        self._encoding = settings.encoding or "utf-8"
        self._found = settings.found.encoding or self._encoding
        self._count = 0  # lines so far
        self._at_start = True

    @property
    def held(self) -> int:
        """See `Piecewise.held`."""
        return self.grouper.held

    def pass_over(self) -> None:
        """See `Piecewise.pass_over`: a later line is not the first."""
        self._at_start = False

    def feed(self, data: bytes) -> None:
        """See `Piecewise.feed`."""
        lines = io.BytesIO(data).readlines()
        if any(len(line) > OBJECT_BYTES_MAX for line in lines):
            raise Uneven
        self.take(lines)

    def settle(self) -> RecordSettings:
        """See `Piecewise.settle`."""
        return replace(self._settings, found=Found(encoding=self._found))

    def take(self, lines: Iterable[bytes]) -> None:
        """Takes lines with their ends. Raises RecordsInvalid."""
        gathered, grouper, encoding = self.gathered, self.grouper, self._encoding
        for number, line in enumerate(lines, self._count + 1):
            self._count = number
            at = self._begin(line) if self._at_start else 0
            data = line[at:].removesuffix(b"\n").removesuffix(b"\r")
            if not data.strip():
                grouper.add(line, None, 0, 0)
                continue
            oid: bytes = blake3(data).digest()
            grouper.add(line, oid, at, len(data))
            gathered.take(oid, len(data), number)
            try:
                record = {FIELD: str(data, encoding)}
            except UnicodeDecodeError:
                raise gathered.wrong(
                    number, f"is not {encoding.upper()}",
                    "say how it is written: --encoding cp1252, say, or latin-1",
                ) from None  # fmt: skip
            gathered.hear(record, number)
            if len(gathered.out) <= LOOKED_AT:
                gathered.look_at(record)

    def _begin(self, line: bytes) -> int:
        """Returns how long the mark before the first line is."""
        self._at_start = False
        self.gathered.refuse_wide(line[:4])
        bom = line.startswith(_BOM)
        self._found = UTF_8_BOM if bom else self._encoding
        return len(_BOM) if bom else 0


def _lines(file: BinaryIO, gathered: Gathering) -> Iterator[bytes]:
    """Yields lines with their ends, in bounded memory."""
    rest, count = b"", 0
    while block := file.read(BLOCK_BYTES):
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        longest = max(len(rest), *map(len, lines)) if lines else len(rest)
        if longest >= OBJECT_BYTES_MAX:
            long = [*map(len, lines), len(rest)].index(longest)
            raise gathered.wrong(count + long + 1, *too_long(longest))
        for line in lines:
            yield line + b"\n"
        count += len(lines)
    if rest:
        yield rest


READER = TextReader()
