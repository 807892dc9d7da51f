"""What the module of a format of records has to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any, BinaryIO, Protocol, cast

from dsm.records.compressed import Decompressed, compression_of
from dsm.records.gathering import Read
from dsm.records.given import Lines
from dsm.records.groups import GroupStore
from dsm.records.piecewise import Piecewise
from dsm.records.settings import RecordSettings
from dsm.records.whole import Parts, is_still, store_whole


class RecordReader(Protocol):
    """Reads files of one format, which is called READER in its module."""

    def read(
        self, file: BinaryIO, name: str, settings: RecordSettings, store: GroupStore | None = None
    ) -> Read:
        """Reads a file, stores it if there is a store, and returns its records.

        `name` is what errors call it. `Read.settings` is how it was read: what was asked, and what
        was found out. Raises RecordsInvalid that names the line.
        """

    def fields(self, data: bytes, settings: RecordSettings) -> dict[str, Any]:
        """Returns the fields of one record, by the settings that its file was read with.

        Raises ValueError when it has none.
        """


class ReaderByParts(RecordReader, Protocol):
    """Reads files of a format whose row says `by_parts`."""

    def piecewise(
        self, name: str, settings: RecordSettings, store: GroupStore | None, head: bytes
    ) -> Piecewise:
        """Returns what reads parts of a file by themselves.

        `settings` are those that its last state was read with, `head` how it begins now. Raises
        Uneven where that says something else.
        """


def read_records(
    file: BinaryIO, name: str, settings: RecordSettings, store: GroupStore | None = None
) -> Read:
    """Reads a file in the format of its settings; see `RecordReader.read`.

    A compressed one is stored as it is, its records beside it. The size that is told of a file that
    changed meanwhile is none.
    """
    row, reader = settings.row(), _reader(settings)
    compression = compression_of(file) if row.compressed else None
    if compression is None:
        return reader.read(file, name, settings, store)
    oid, size = store_whole(file, name, store)
    parts = None if store is None else Parts(store, row.endings[0])
    read = reader.read(cast(BinaryIO, Decompressed(file, name, compression)), name, settings, parts)
    found = replace(read.settings.found, compression=compression)
    read.settings = replace(read.settings, found=found)
    read.oid, read.size = oid, size if is_still(file, oid) else -1
    return read


def read_lines(
    lines: Iterator[bytes], name: str, settings: RecordSettings, store: GroupStore | None = None
) -> Read:
    """Reads lines that come one after the other as `read_records` reads a file of them."""
    return _reader(settings).read(cast(BinaryIO, Lines(lines)), name, settings, store)


def piecewise(
    name: str, settings: RecordSettings, store: GroupStore | None, head: bytes
) -> Piecewise:
    """Returns what reads parts of a file by themselves; see `RecordReader.piecewise`."""
    reader = cast(ReaderByParts, _reader(settings))
    return reader.piecewise(name, settings, store, head)


def fields_of(data: bytes, settings: RecordSettings) -> dict[str, Any]:
    """Returns the fields of a record; see `RecordReader.fields`. Raises ValueError."""
    return _reader(settings).fields(data, settings)


def _reader(settings: RecordSettings) -> RecordReader:
    found: RecordReader = import_module(settings.row().module).READER
    return found
