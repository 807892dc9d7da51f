"""How a file is read as records: its format, and which fields say key, label, time and attributes.

The text of it stands in the row of the file, so that every state of the file says how it was read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dsm.errors import InvalidInput
from dsm.model.names import check_attribute_name, printable
from dsm.model.record_path import SETTINGS_BYTES_MAX

JSONL = "jsonl"
FORMATS = {".jsonl": JSONL, ".ndjson": JSONL}
FIELDS_MAX = 1000
ALL_FIELDS = "*"
_LATER = (
    ".csv", ".tsv", ".parquet", ".arrow", ".feather", ".txt", ".tar", ".tgz", ".zip", ".gz", ".zst",
    ".bz2", ".xz",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """Field names are as `value_at` takes them; several fields of `key` are joined.

    Without a key field the key is the hash of a record's content. `attributes` may hold "*", which
    stands for all fields that hold single values of one type.
    """

    format: str = JSONL
    key: tuple[str, ...] = ()
    label: str | None = None
    time: str | None = None
    attributes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.format != JSONL:
            raise InvalidInput(
                f"records of the format {printable(self.format)} are not supported",
                hint=f"dsm reads {JSONL}: one JSON object a line",
            )
        fields = [
            *self.key,
            *self.attributes,
            *(f for f in (self.label, self.time) if f is not None),
        ]
        if any(not field for field in fields) or len(fields) > FIELDS_MAX:
            raise InvalidInput("a field needs a name, and there are at most 1,000 of them")
        for name in self.attributes:
            if name != ALL_FIELDS:
                check_attribute_name(name)
        if len(self.to_text(0).encode()) > SETTINGS_BYTES_MAX // 2:
            raise InvalidInput("the names of the fields are too long")

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as documents have them: what is not given is left out."""
        fields: dict[str, Any] = {"format": self.format}
        if self.key:
            fields["key"] = list(self.key)
        if self.label is not None:
            fields["label"] = self.label
        if self.time is not None:
            fields["time"] = self.time
        if self.attributes:
            fields["attributes"] = list(self.attributes)
        return fields

    def to_text(self, records: int) -> str:
        """Returns what the row of a file says that has so many records."""
        fields = {**self.to_json(), "records": records}
        return json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> RecordSettings:
        """Reads what `to_json` has returned. Raises InvalidInput."""
        known = {"format", "key", "label", "time", "attributes"}
        key, attributes = fields.get("key", []), fields.get("attributes", [])
        texts = (fields.get("label"), fields.get("time"))
        if (
            not set(fields) <= known
            or not all(isinstance(each, list) for each in (key, attributes))
            or not all(isinstance(name, str) for name in (*key, *attributes))
            or not all(text is None or isinstance(text, str) for text in texts)
        ):
            raise InvalidInput("the settings of a records file are not what dsm writes")
        return cls(str(fields.get("format")), tuple(key), *texts, tuple(attributes))

    @classmethod
    def from_text(cls, text: str) -> tuple[RecordSettings, int]:
        """Reads what the row of a file says: (settings, number of records). Raises InvalidInput."""
        fields = json.loads(text)
        records = fields.pop("records", 0)
        if type(records) is not int or records < 0:
            raise InvalidInput("the row of a records file has no number of records")
        return cls.from_json(fields), records


def format_of(path: str) -> str | None:
    """Returns the format that a file's name tells; None for none. Raises InvalidInput for one that
    dsm knows of and does not read."""
    name = path.rpartition("/")[2].lower()
    for ending, found in FORMATS.items():
        if name.endswith(ending):
            return found
    if name.endswith(_LATER):
        raise InvalidInput(
            f"{printable(path)}: records are read of JSON Lines alone (.jsonl, .ndjson)",
            hint="add it without --records, as one example, or convert it to JSON Lines",
            items=(path,),
        )
    return None


def checked_fields(names: Iterable[str] | str | None) -> tuple[str, ...]:
    """Returns names of fields, each once. Raises InvalidInput for what is no text."""
    given = [names] if isinstance(names, str) else list(names or ())
    if not all(isinstance(name, str) for name in given):
        raise InvalidInput("names of fields are texts")
    return tuple(dict.fromkeys(given))
