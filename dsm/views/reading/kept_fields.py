"""Fields of records that were read before, by the object of their record: `local/near`.

Derived data, kept and removed as facts and fingerprints are: see `dsm.near.kept`. A file has the
records that are written in one form, and a column for each field that somebody has asked for.
Specified in docs/format/fields.md.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress

import pyarrow as pa
from blake3 import blake3

from dsm.history import snapshot_file
from dsm.model.column_names import JSON, RECORD_FIELD, WRITTEN
from dsm.repo.copy_key import CopyKey
from dsm.repo.layout import Layout
from dsm.store import disk

SUFFIX = ".fields"
RECORD = pa.field("record", pa.binary(32), nullable=False)
TYPES = (pa.int64(), pa.float64(), pa.bool_(), pa.string())
BYTES_MAX = 256 << 20  # of one file, as Arrow has it in memory
FORMS_MAX = 8
FIELDS_MAX = 64  # of one form
SEEN_MAX = 1000
_SEEN, _FORMAT = b"seen", b"format"


class KeptFields:
    """Fields of the records that are written in one form: a file that is replaced."""

    def __init__(self, layout: Layout, form: str):
        self._temporary = layout.temporary
        self._key = CopyKey(layout)
        self._folder = layout.near
        name = blake3(form.encode()).hexdigest()[:32]
        self._path = os.path.join(layout.near, name + SUFFIX)

    def table(self) -> pa.Table:
        """Returns all of it; what is damaged, or of another copy, is not there."""
        found = snapshot_file.read(self._path, self._key)
        if found is None or not _is_sound(found.schema):
            return pa.schema([RECORD]).empty_table()
        return found

    def replace(self, used: pa.Table, others: pa.Table, seen: frozenset[str]) -> None:
        """Keeps rows, as far as that is possible here: first those in use, then others."""
        try:
            disk.make_dirs(self._folder, durable=False)
            rows = _bounded(used, others)
            said = json.dumps(sorted(seen)[:SEEN_MAX]).encode()
            schema = rows.schema.with_metadata({_FORMAT: b"1", _SEEN: said})
            temporary = os.path.join(self._temporary, f"fields-{os.urandom(8).hex()}")
            snapshot_file.write(self._path, temporary, self._key, schema, [rows.cast(schema)])
            self._remove_oldest()
        except disk.Unwritable:
            return

    def _remove_oldest(self) -> None:
        """Removes the files that were written least recently, where there are too many."""
        found = []
        with suppress(OSError):
            for entry in os.scandir(self._folder):
                if entry.name.endswith(SUFFIX):
                    found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path))
        for _, path in sorted(found)[: max(0, len(found) - FORMS_MAX)]:
            disk.discard(path)


def seen_in(table: pa.Table) -> frozenset[str]:
    """Returns names of fields that the kept records have, also of those that were not read."""
    return frozenset(json.loads((table.schema.metadata or {}).get(_SEEN, b"[]")))


def room_for(rows: pa.Table) -> int:
    """Returns how many rows such as these one file has room for."""
    each = max(1, rows.nbytes // max(1, rows.num_rows))
    return BYTES_MAX // int(each)


def _bounded(used: pa.Table, others: pa.Table) -> pa.Table:
    room = room_for(used)
    if used.num_rows >= room:
        return used.slice(0, room)
    left = BYTES_MAX - used.nbytes
    if others.nbytes > left:  # the newest ones stay
        kept = others.num_rows * left // others.nbytes
        others = others.slice(others.num_rows - kept)
    return pa.concat_tables([others, used])


def _is_sound(schema: pa.Schema) -> bool:
    first, *fields = schema if len(schema) else [None]
    return bool(
        first == RECORD
        and (schema.metadata or {}).get(_FORMAT) == b"1"
        and len(set(schema.names)) == len(schema)
        and all(_is_field(field) for field in fields)
    )


def _is_field(field: pa.Field) -> bool:
    written = (field.metadata or {}).get(WRITTEN)
    return (
        field.name.startswith(RECORD_FIELD)
        and field.type in TYPES
        and (written is None or (written == JSON and field.type == pa.string()))
    )
