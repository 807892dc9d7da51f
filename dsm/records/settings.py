"""How a file is read as records: its format, and which fields say key, label, time and attributes.

The text of it stands in the row of the file, so that every state of the file says how it was read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dsm.errors import InvalidInput
from dsm.model.names import check_attribute_name, printable
from dsm.model.record_path import SETTINGS_BYTES_MAX
from dsm.records.formats import RecordFormat, find_format, format_of

FIELDS_MAX = 1000
COLUMNS_MAX = 10_000
ALL_FIELDS = "*"
_CHARS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}
UTF_8_BOM = "utf-8-bom"  # UTF-8 with a byte order mark before the first line
_ENCODING_WORDS = {"utf-8": "UTF-8", UTF_8_BOM: "UTF-8 with a byte order mark"}
_DIALECT = ("columns", "delimiter", "quote", "encoding")  # options of some formats only
BY_NAME = ""  # the format is what the name of each file tells
TYPES = ("int", "float", "bool", "text")
# In all of these a line feed is one byte, and that byte is no part of another character.
_ENCODINGS = re.compile(
    r"utf-?8|ascii|latin-?1|iso-?8859-?(?:[1-9]|1[0-6])|(?:cp|windows-)125[0-8]|cp437|cp85[0-8]"
    r"|koi8-[ru]|mac-?roman|gbk|gb18030|gb2312|big5|euc-?(?:jp|kr)|shift[-_]jis|cp9(?:32|36|49|50)"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a reader found out of a file that nobody said; `types` are those of attributes."""

    columns: tuple[str, ...] = ()
    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    compression: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns what was found as rows have it: what was not is left out."""
        fields: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("delimiter", "quote", "encoding", "compression")
            if getattr(self, name) is not None
        }
        if self.columns:
            fields["columns"] = list(self.columns)
        if self.types:
            fields["types"] = dict(self.types)
        return fields

    @property
    def words(self) -> str:
        """Says in half a line how the file is written; "" where there is nothing to say."""
        parts = []
        if self.compression is not None:
            parts.append(self.compression)
        if self.delimiter is not None:
            parts.append(f"{_CHARS.get(self.delimiter, self.delimiter)} between fields")
        if self.quote is not None:
            parts.append(f"quoted by {self.quote}" if self.quote else "nothing quoted")
        if self.encoding is not None:
            parts.append(_ENCODING_WORDS.get(self.encoding, self.encoding))
        return ", ".join(parts)

    @classmethod
    def from_json(cls, fields: Any) -> Found:
        """Reads what `to_json` has returned. Raises InvalidInput."""
        names = ("delimiter", "quote", "encoding", "compression")
        if not isinstance(fields, dict) or not set(fields) <= {*names, "columns", "types"}:
            raise InvalidInput("what was found of a records file is not what dsm writes")
        types, columns = fields.get("types", {}), fields.get("columns", [])
        good = (
            _are_texts(columns)
            and all(isinstance(fields.get(name), str | None) for name in names)
            and isinstance(types, dict)
            and all(each in TYPES for each in types.values())
        )
        if not good:
            raise InvalidInput("what was found of a records file is not what dsm writes")
        told: list[Any] = [fields.get(name) for name in names]
        check_dialect(told[0], told[1], None if told[2] == UTF_8_BOM else told[2])
        delimiter, quote, encoding, compression = told
        return cls(tuple(columns), delimiter, quote, encoding, compression, types)


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """Field names are as `value_at` takes them; several fields of `key` are joined.

    Without a key field the key is the hash of a record's content. `attributes` may hold "*", which
    stands for all fields that hold single values of one type. `columns` are the names of the fields
    of a table without a header; `delimiter`, `quote` and `encoding` say how it is written, and
    `label_sep` parts the labels in one field. What nobody said is `found` of each file.
    """

    format: str = BY_NAME
    key: tuple[str, ...] = ()
    label: str | None = None
    time: str | None = None
    attributes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    label_sep: str | None = None
    found: Found = field(default_factory=Found)

    def __post_init__(self) -> None:
        if self.format != BY_NAME:
            find_format(self.format)
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
        check_columns(self.columns)
        check_dialect(self.delimiter, self.quote, self.encoding)
        if self.label_sep == "":
            raise InvalidInput("what parts labels is empty", hint="such as --label-sep ';'")
        if len(self.to_text(0).encode()) > SETTINGS_BYTES_MAX // 2:
            raise InvalidInput("the names of the fields are too long")

    def row(self) -> RecordFormat:
        """Returns the format. Raises InvalidInput while it is to be told by a name."""
        return find_format(self.format)

    def of(self, row: RecordFormat) -> RecordSettings:
        """Returns the settings for files of one format: options of others are left out.

        Raises InvalidInput when they were for files of this format alone, and it takes none.
        """
        given = {
            name: getattr(self, name) for name in _DIALECT if getattr(self, name) not in (None, ())
        }
        for name in given:
            if name not in row.options and self.format == row.name:
                raise InvalidInput(f"--{name} says nothing of the format {row.name}")
        left = {name: () if name == "columns" else None for name in given.keys() - {*row.options}}
        return replace(self, format=row.name, **left)  # type: ignore[arg-type]

    def refuse_useless(self, paths: Collection[str]) -> None:
        """Raises InvalidInput for an option that concerns none of the files (or globs) of `paths`.

        One for some of them is taken: the others are read without it. Folders hold anything.
        """
        rows = [format_of(path) for path in paths] if self.format == BY_NAME else []
        for name in _DIALECT if rows else ():
            if getattr(self, name) in (None, ()):
                continue
            told = [row.name for row in rows if row is not None and name not in row.options]
            if len(told) == len(rows):
                raise InvalidInput(
                    f"--{name} says nothing of the format {' and '.join(dict.fromkeys(told))}",
                    hint="leave it out, or say that the file is another: --records=csv",
                )

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as documents have them: what is not given is left out."""
        fields: dict[str, Any] = {}
        for name in ("format", "key", "label", "time", "attributes", "columns", "delimiter",
                     "quote", "encoding", "label_sep"):  # fmt: skip
            value = getattr(self, name)
            if value not in (None, ()) and (value or name != "format"):
                fields[name] = list(value) if isinstance(value, tuple) else value
        if found := self.found.to_json():
            fields["found"] = found
        return fields

    def to_text(self, records: int) -> str:
        """Returns what the row of a file says that has so many records."""
        fields = {**self.to_json(), "records": records}
        return json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> RecordSettings:
        """Reads what `to_json` has returned. Raises InvalidInput."""
        texts = ("label", "time", "delimiter", "quote", "encoding", "label_sep")
        lists = ("key", "attributes", "columns")
        if (
            not set(fields) <= {"format", "found", *texts, *lists}
            or not all(_are_texts(fields.get(name, [])) for name in lists)
            or not all(isinstance(fields.get(name), str | None) for name in texts)
            or not isinstance(fields.get("format", BY_NAME), str)
        ):
            raise InvalidInput("the settings of a records file are not what dsm writes")
        given: dict[str, Any] = {name: tuple(fields.get(name, ())) for name in lists}
        given.update((name, fields.get(name)) for name in texts)
        found = Found.from_json(fields.get("found", {}))
        return cls(fields.get("format", BY_NAME), **given, found=found)

    @classmethod
    def from_text(cls, text: str) -> tuple[RecordSettings, int]:
        """Reads what the row of a file says: (settings, number of records). Raises InvalidInput."""
        fields = json.loads(text)
        records = fields.pop("records", 0)
        if type(records) is not int or records < 0:
            raise InvalidInput("the row of a records file has no number of records")
        return cls.from_json(fields), records

    def asked(self) -> RecordSettings:
        """Returns the settings without what was found of one file, but for types of attributes."""
        return replace(self, found=Found(types=self.found.types))


def check_columns(names: tuple[str, ...]) -> None:
    """Raises InvalidInput for names of columns that cannot be told apart, or too many."""
    if len(names) > COLUMNS_MAX:
        raise InvalidInput(f"a table has at most {COLUMNS_MAX:,} columns")
    if len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise InvalidInput(f"the column '{printable(twice)}' is there twice")


def check_dialect(delimiter: str | None, quote: str | None, encoding: str | None) -> None:
    """Raises InvalidInput for what no table is written with."""
    for name, char in (("delimiter", delimiter), ("quote", quote)):
        if char is not None and (len(char) > 1 or char in ("\r", "\n", " ", "\0")):
            raise InvalidInput(f"the {name} {printable(char)!r} is not one character")
    if delimiter == "" or (delimiter is not None and delimiter == quote):
        raise InvalidInput("a table needs a delimiter, which is not its quote")
    if encoding is not None and not _ENCODINGS.fullmatch(encoding.lower()):
        raise InvalidInput(
            f"the encoding {printable(encoding)!r} is none that dsm reads",
            hint="such as latin-1 or cp1252; convert others to UTF-8",
        )


def checked_fields(names: Iterable[str] | str | None) -> tuple[str, ...]:
    """Returns names of fields, each once. Raises InvalidInput for what is no text."""
    given = [names] if isinstance(names, str) else list(names or ())
    if not all(isinstance(name, str) for name in given):
        raise InvalidInput("names of fields are texts")
    return tuple(dict.fromkeys(given))


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(each, str) for each in values)
