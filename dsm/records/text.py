"""Reading plain text: a record is a line that is not blank, and its one field is `text`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from blake3 import blake3

from dsm.format.pack import OBJECT_BYTES_MAX
from dsm.records.gathering import LOOKED_AT, Gathering, Read
from dsm.records.groups import Grouper, GroupStore
from dsm.records.settings import UTF_8_BOM, Found, RecordSettings

BLOCK_BYTES = 1 << 20
FIELD = "text"
_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")


class TextReader:
    """Reads plain text; see `RecordReader`."""

    def read(
        self, file: BinaryIO, name: str, settings: RecordSettings, store: GroupStore | None = None
    ) -> Read:
        """See `RecordReader.read`."""
        gathered = Gathering(name, settings)
        grouper = Grouper(store, os.path.splitext(name)[1].lower())
        encoding, found = settings.encoding or "utf-8", settings.encoding or "utf-8"
        for number, line in enumerate(_lines(file, gathered), 1):
            at = 0
            if number == 1 and line.startswith(_BOM):
                at, found = 3, UTF_8_BOM
            elif number == 1 and line.startswith(_WIDE_BOMS):
                raise gathered.wrong(1, "is UTF-16, of which records are not read", "use iconv")
            data = line[at:].removesuffix(b"\n").removesuffix(b"\r")
            if not data.strip():
                grouper.add(line, None, 0, 0)
                continue
            oid: bytes = blake3(data).digest()
            grouper.add(line, oid, at, len(data))
            gathered.take(oid, len(data), number)
            try:
                record = {FIELD: str(data, encoding)}
                gathered.hear(record)
            except UnicodeDecodeError:
                raise gathered.wrong(
                    number, f"is not {encoding.upper()}",
                    "say how it is written: --encoding cp1252, say, or latin-1",
                ) from None  # fmt: skip
            except ValueError as error:
                raise gathered.wrong(number, str(error)) from None
            if len(gathered.out) <= LOOKED_AT:
                gathered.look_at(record)
        gathered.settings = replace(settings, found=Found(encoding=found))
        return gathered.finish(grouper.finish(), grouper.size)

    def fields(self, data: bytes, settings: RecordSettings) -> dict[str, Any]:
        """See `RecordReader.fields`."""
        return {FIELD: str(data, settings.encoding or "utf-8")}


def _lines(file: BinaryIO, gathered: Gathering) -> Iterator[bytes]:
    """Yields lines with their ends, in bounded memory."""
    rest, count = b"", 0
    while block := file.read(BLOCK_BYTES):
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        longest = max(len(rest), *map(len, lines)) if lines else len(rest)
        if longest >= OBJECT_BYTES_MAX:
            long = [*map(len, lines), len(rest)].index(longest)
            raise gathered.wrong(
                count + long + 1,
                f"is {longest:,} bytes long or longer; a record has less than {OBJECT_BYTES_MAX:,}",
            )
        for line in lines:
            yield line + b"\n"
        count += len(lines)
    if rest:
        yield rest


READER = TextReader()
