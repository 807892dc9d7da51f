"""How the files of selected records were read, for whoever reads their fields.

A row of a table means nothing without the names of its columns, which stand in the row of the file.
The table of a view carries them as metadata of its schema, so that parts of it have them as well;
records that are JSON need none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from dsm.history.fold import Layer, files_of, records_mask, settings_in
from dsm.records.formats import JSONL
from dsm.records.settings import RecordSettings

_KEY = b"dsm.records"
_OBJECTS = b"dsm.record-objects"
_JSON = (JSONL, "parquet", "arrow")


def with_read_as(rows: pa.Table, layers: Iterable[Layer]) -> pa.Table:
    """Returns the rows with what the layers, rows of files among them, say of their files."""
    known = {
        path: (text, oid.hex())
        for path, (text, oid) in settings_in(layers).items()
        if RecordSettings.from_text(text)[0].format != JSONL
    }
    if not known:
        return rows
    paths = rows.column("path").filter(records_mask(rows))
    files = pc.unique(files_of(paths)).to_pylist()
    told = {path: known[path] for path in files if path in known}
    if not told:
        return rows
    texts = {
        path: text for path, (text, _) in told.items() if settings_of(text).format not in _JSON
    }
    objects = {path: oid for path, (_, oid) in told.items()}
    said = {_KEY: texts, _OBJECTS: objects}
    return rows.replace_schema_metadata(
        (rows.schema.metadata or {})
        | {key: json.dumps(each, ensure_ascii=False).encode() for key, each in said.items()}
    )


def read_as(table: pa.Table) -> Mapping[str, str]:
    """Returns what the rows of files say, by path; of files whose records are not JSON."""
    text = (table.schema.metadata or {}).get(_KEY)
    found: dict[str, str] = {} if text is None else json.loads(text)
    return found


def objects_of(table: pa.Table) -> Mapping[str, bytes]:
    """Returns the objects of files, by path, but for those of JSON Lines."""
    text = (table.schema.metadata or {}).get(_OBJECTS)
    return {} if text is None else {p: bytes.fromhex(o) for p, o in json.loads(text).items()}


@lru_cache(64)
def settings_of(text: str) -> RecordSettings:
    """Returns the settings that the row of a file says."""
    return RecordSettings.from_text(text)[0]
