"""The fields of records that are written, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.model.record_path import parts_of
from dsm.records.jsonl import fields_of as json_fields_of
from dsm.records.reader import fields_of
from dsm.views.selection.half_characters import is_unicode, shown_name
from dsm.views.selection.read_as import read_as, settings_of

if TYPE_CHECKING:
    import pyarrow as pa


def record_fields(rows: pa.Table, data: Iterable[bytes | None]) -> list[dict[str, Any]]:
    """Returns the fields of records. Raises InvalidInput for one that has none."""
    return list(_each(rows, data))


def _each(rows: pa.Table, data: Iterable[bytes | None]) -> Iterator[dict[str, Any]]:
    files = {path: settings_of(text) for path, text in read_as(rows).items()}
    for path, content in zip(rows.column("path").to_pylist(), data, strict=True):
        settings = files.get(parts_of(path)[0]) if files else None
        try:
            held = content or b""  # a record is never large
            found = json_fields_of(held) if settings is None else fields_of(held, settings)
        except ValueError as error:
            raise InvalidInput(f"{printable(path)}: {error}", items=(path,)) from None
        plain = all(map(is_unicode, found))
        yield found if plain else {shown_name(name): each for name, each in found.items()}
