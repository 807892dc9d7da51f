"""What the module of a format of records has to do."""

from __future__ import annotations

from importlib import import_module
from typing import Any, BinaryIO, Protocol

from dsm.records.gathering import Read
from dsm.records.groups import GroupStore
from dsm.records.settings import RecordSettings


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


def read_records(
    file: BinaryIO, name: str, settings: RecordSettings, store: GroupStore | None = None
) -> Read:
    """Reads a file in the format of its settings; see `RecordReader.read`."""
    return _reader(settings).read(file, name, settings, store)


def fields_of(data: bytes, settings: RecordSettings) -> dict[str, Any]:
    """Returns the fields of a record; see `RecordReader.fields`. Raises ValueError."""
    return _reader(settings).fields(data, settings)


def _reader(settings: RecordSettings) -> RecordReader:
    found: RecordReader = import_module(settings.row().module).READER
    return found
