"""What an archive says of the files in it, without keeping anything else of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.records.reader import read_records
from dsm.records.settings import RecordSettings
from dsm.store.chunks import ReadInto

# Of one archive; what is said of a file has 1 MiB at most, and is ten times less in most of them.
FIELDS_BYTES_MAX = 256 << 20
_PIECE = 1 << 20


def fields_beside(file: BinaryIO, name: str, settings: RecordSettings) -> dict[str, bytes]:
    """Returns the fields of each file in an archive, as JSON, by its key as a record.

    Raises RecordsInvalid for what is no such archive, and InvalidInput for too much.
    """
    kept = FieldsAlone(name)
    read = read_records(file, name, settings.asked(), kept)
    return dict(zip(read.keys, kept.fields, strict=True))


class FieldsAlone:
    """Stands for a store while an archive is read: keeps fields, and no content."""

    def __init__(self, name: str):
        self._name, self._held = name, 0
        self.fields: list[bytes] = []

    def say(self, fields: dict[str, Any]) -> None:
        """Takes the fields of the next file. Raises InvalidInput when they are too many bytes."""
        data = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        self._held += len(data)
        if self._held > FIELDS_BYTES_MAX:
            raise InvalidInput(
                f"{printable(self._name)} says more of its files than {FIELDS_BYTES_MAX >> 20} MiB",
                hint="`--attr-field` makes attributes of fields, which views have at hand",
                items=(self._name,),
            )
        self.fields.append(data)

    def put(self, data: bytes, suffix: str = "", pieces: list[bytes] | None = None) -> bytes:
        return bytes(32)

    def put_group(
        self, data: bytes, members: Mapping[bytes, tuple[int, int]], suffix: str
    ) -> bytes:
        return bytes(32)

    def put_list(self, oid: bytes, size: int, rows: bytes) -> None:
        return

    def put_stream(
        self, readinto: ReadInto, suffix: str = "", pieces: list[bytes] | None = None
    ) -> tuple[bytes, int]:
        size, buffer = 0, memoryview(bytearray(_PIECE))
        while got := readinto(buffer):
            size += got
        return bytes(32), size
