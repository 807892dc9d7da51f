"""What is read of a records file, whatever its format: keys, contents, and what the fields say.

Hides how a field that was asked for and is nowhere is found, how keys that come twice are, and
which of all fields become attributes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from operator import lt
from typing import Any

from dsm.errors import InvalidInput
from dsm.format.pack import OBJECT_BYTES_MAX
from dsm.model.attribute_columns import AttributeColumns, Column
from dsm.model.attributes import FLOAT_INT_MAX
from dsm.model.example import AttributeValue
from dsm.model.ids import Ids
from dsm.model.names import check_attribute_name, printable
from dsm.records.cells import typed
from dsm.records.fields import (
    FieldInvalid,
    attribute_of,
    is_scalar,
    key_of,
    labels_of,
    time_of,
    value_at,
)
from dsm.records.settings import ALL_FIELDS, RecordSettings

LOOKED_AT = 1000  # records whose fields are told
TYPE_WORDS = {str: "a text", int: "an integer", float: "a float", bool: "true or false"}
LABELS_KEPT = 1 << 16  # different ones that are shared by records
KEY_DIGITS = 16  # of the hash of a record without a key field


@dataclass(slots=True)
class Read:
    """A records file that was read: one item a record, in the order of the file.

    `settings` say how; `oid` and `size` are of the file, `numbers` the line (or what `unit` says)
    that each begins in. `labels`, `times` (microseconds UTC, None where there is none) and
    `attributes` are empty where no field says them. `fields` tells the types of the fields of
    the first records. Where only the parts that changed were read, `before` has the records that
    were there, `held` what the head has of these, objects by path, and `records` is how many the
    whole file has.
    """

    settings: RecordSettings = field(default_factory=RecordSettings)
    keys: list[str] = field(default_factory=list)
    oids: Ids = field(default_factory=Ids)
    sizes: list[int] = field(default_factory=list)
    numbers: array[int] = field(default_factory=lambda: array("q"))
    unit: str = "line"
    labels: list[tuple[str, ...]] = field(default_factory=list)
    times: list[int | None] = field(default_factory=list)
    attributes: AttributeColumns = field(default_factory=AttributeColumns)
    oid: bytes = b""
    size: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    before: Read | None = None
    held: dict[str, bytes] = field(default_factory=dict)
    records: int | None = None

    def __len__(self) -> int:
        return len(self.oids)


class RecordsInvalid(InvalidInput):
    """A file is not what records can be read of; nothing of it was staged."""

    code = "records-invalid"


class Gathering:
    """Takes the records of one file in their order; `unit` is what they stand in: a line, a row."""

    def __init__(self, name: str, settings: RecordSettings, unit: str = "line"):
        self.name = name
        self.settings = settings
        self.unit = unit
        self.out = Read(unit=unit)
        self.numbers = self.out.numbers
        self.said: set[str] = set()  # asked fields that were there
        self._labels_by_text: dict[str, tuple[str, ...]] = {}
        self._asked = tuple(asked_fields(settings))
        # Whether `hear` has anything to listen for.
        self.listens = bool(self._asked or settings.attributes)

    def take(self, oid: bytes, size: int, number: int) -> None:
        """Takes the content of the next record, which stands in the line `number`."""
        self.out.oids.append(oid)
        self.out.sizes.append(size)
        self.numbers.append(number)

    def take_all(self, oids: list[bytes], sizes: list[int], numbers: range) -> None:
        """Takes the contents of the next records, as `take` does that of one."""
        self.out.oids += oids
        self.out.sizes += sizes
        self.numbers.extend(numbers)

    def look_at(self, record: dict[str, Any]) -> None:
        """Notes the types of the fields, for people."""
        known_fields = self.out.fields
        for name, value in record.items():
            mine, known = _type_name(value), known_fields.get(name)
            if known is None or known == "null":
                if known is not None or len(known_fields) < LOOKED_AT:
                    known_fields[name] = mine
            elif mine not in ("null", known):
                numbers = {"int", "float", "number"} >= {mine, known}
                known_fields[name] = "number" if numbers else "mixed"

    def hear(self, record: dict[str, Any], number: int, lead: str = "") -> None:
        """Takes what the fields of the next record say, which stands in the line `number`. Raises
        RecordsInvalid, whose reason begins with `lead`."""
        try:
            self._hear(record)
        except FieldInvalid as error:
            raise self.wrong(number, lead + str(error), error.hint) from None

    def _hear(self, record: dict[str, Any]) -> None:
        out, settings = self.out, self.settings
        if settings.key:
            out.keys.append(key_of(record, settings.key))
        if settings.label is not None:
            out.labels.append(self._labels(record, settings.label))
        if settings.time is not None:
            out.times.append(time_of(value_at(record, settings.time), settings.time))
        if settings.attributes:
            out.attributes.append(_attributes_of(record, settings, {}))
        for name in self._asked:
            if name not in self.said and value_at(record, name) is not None:
                self.said.add(name)

    def _labels(self, record: dict[str, Any], name: str) -> tuple[str, ...]:
        """Returns the labels of a record; equal ones are one object: there may be millions."""
        value = value_at(record, name)
        if not isinstance(value, str):
            return _labels(record, name, self.settings.label_sep)
        labels = self._labels_by_text.get(value)
        if labels is None:
            labels = _labels(record, name, self.settings.label_sep)
            if len(self._labels_by_text) < LABELS_KEPT:
                self._labels_by_text[value] = labels
        return labels

    def finish(self, oid: bytes, size: int) -> Read:
        """Returns what was read of a file with this content. Raises RecordsInvalid."""
        out = self.out
        self._require_fields()
        if not self.settings.key:
            out.keys = out.keys or keys_of_content(out.oids)
        else:
            self._refuse_repeated()
        _settle_types(out.attributes, self.settings)
        self._refuse_mixed()
        out.settings, out.oid, out.size = self.settings, oid, size
        return out

    def refuse_wide(self, head: bytes) -> None:
        """Raises RecordsInvalid for a file that begins as UTF-16 or UTF-32 does."""
        form = wide_form(head)
        if form is not None:
            raise self.wrong(
                1, f"is {form}, which dsm does not read",
                f"convert it: iconv -f {form} -t UTF-8 in > out",
            )  # fmt: skip

    def wrong(self, number: int, reason: str, hint: str | None = None) -> RecordsInvalid:
        """Returns the error that tells what is wrong with a line."""
        return RecordsInvalid(
            f"{printable(self.name)}, {self.unit} {number}: {reason}", hint=hint,
            items=(self.name,),
        )  # fmt: skip

    def _require_fields(self) -> None:
        for name in asked_fields(self.settings) if len(self.out) else ():
            if name not in self.said:
                listed = ", ".join(printable(each) for each in list(self.out.fields)[:12])
                raise RecordsInvalid(
                    f"{printable(self.name)}: no record has the field '{printable(name)}'",
                    hint=f"the first records have {listed}" if listed else None,
                    items=(self.name,),
                )

    def _refuse_mixed(self) -> None:
        """Raises RecordsInvalid for an attribute that is of two types in this file."""
        for name in self.settings.attributes:
            column = self.out.attributes.columns.get(name)
            if column is not None and len(column.types()) > 1:
                self._refuse_types_of(name, column)

    def _refuse_types_of(self, name: str, column: Column) -> None:
        firsts: dict[type, int] = {}  # the line that each type comes in first
        long = None
        for row, number in enumerate(self.numbers):
            value = column.get(row)
            if value is not None:
                firsts.setdefault(type(value), number)
                if long is None and type(value) is int and abs(value) > FLOAT_INT_MAX:
                    long = number
        shown = f"the field '{printable(name)}'"
        one = next(iter(firsts))
        others = [kind for kind in firsts if kind is not one and {one, kind} != {int, float}]
        if others:
            raise self.wrong(
                firsts[others[0]],
                f"has {TYPE_WORDS[others[0]]} in {shown}, where {self.unit} {firsts[one]} has"
                f" {TYPE_WORDS[one]}",
                "an attribute has one type: mend the field, or leave it out of --attr-field",
            )
        if long is not None:
            raise self.wrong(
                long,
                f"has an integer in {shown} that would lose digits: {self.unit} {firsts[float]} has"
                " a float there",
                "write such numbers as texts, or leave the field out of --attr-field",
            )

    def _refuse_repeated(self) -> None:
        keys = self.out.keys
        # Those in order need no set, which would take as much memory as they do.
        if all(map(lt, keys, islice(keys, 1, None))) or len(set(keys)) == len(keys):
            return
        lines: dict[str, int] = {}
        for key, line in zip(self.out.keys, self.numbers, strict=True):
            other = lines.setdefault(key, line)
            if other != line:
                fields = " and ".join(f"'{printable(name)}'" for name in self.settings.key)
                raise self.wrong(
                    line,
                    f"has the key {printable(key)!r} in {fields}, as {self.unit} {other} has",
                    "mend it, name more fields (--key-field, repeatable), or leave the key out",
                )


def too_long(size: int) -> tuple[str, str]:
    """Returns reason and hint for a line of so many bytes."""
    return (
        f"is {size:,} bytes long or longer; a record has less than {OBJECT_BYTES_MAX:,}",
        "add such a file without --records: it is one example then",
    )


def wide_form(head: bytes) -> str | None:
    """Returns which Unicode form of several bytes a character a file begins in; None for none."""
    marks = (b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"\xff\xfe", b"\xfe\xff")
    if not head.startswith(marks) and b"\0" not in head[:4]:
        return None
    return "UTF-32" if head.startswith(marks[:2]) or head[:4].count(0) > 2 else "UTF-16"


def asked_fields(settings: RecordSettings) -> Iterator[str]:
    """Yields the fields that were asked for by name."""
    yield from settings.key
    yield from (name for name in (settings.label, settings.time) if name is not None)
    yield from (name for name in settings.attributes if name != ALL_FIELDS)


def keys_of_content(oids: Ids) -> list[str]:
    """Returns for each record a key by its content; of equal ones a later one has a number."""
    keys = [oid[: KEY_DIGITS // 2].hex() for oid in oids if oid is not None]
    if len(set(keys)) == len(keys):
        return keys
    seen: dict[str, int] = {}
    for position, key in enumerate(keys):
        count = seen[key] = seen.get(key, 0) + 1
        if count > 1:
            keys[position] = f"{key}-{count}"
    return keys


def _attributes_of(
    record: dict[str, Any], settings: RecordSettings, types: Mapping[str, str]
) -> dict[str, AttributeValue]:
    """Returns the attributes that the fields of a record are; texts of a table are of these types.

    Raises ValueError.
    """
    found = {}
    for name in _named(record, settings):
        value = attribute_of(value_at(record, name), name)
        if name in types:
            value = typed(str(value), types[name])
        if value is not None:
            found[name] = value
    return found


def said_of(settings: RecordSettings, record: dict[str, Any]) -> tuple[Any, ...]:
    """Returns what the fields of one record say: (labels, time, attributes). Raises ValueError."""
    labels = () if settings.label is None else _labels(record, settings.label, settings.label_sep)
    time = None if settings.time is None else time_of(value_at(record, settings.time), "")
    return labels, time, _attributes_of(record, settings, settings.found.types)


def _labels(record: dict[str, Any], name: str, between: str | None) -> tuple[str, ...]:
    """Returns the labels of a field; one text may hold several."""
    value = value_at(record, name)
    if between is not None and isinstance(value, str):
        value = [part.strip() for part in value.split(between) if part.strip()]
    return labels_of(value, name)


def _named(record: dict[str, Any], settings: RecordSettings) -> Iterator[str]:
    """Yields the fields that become attributes."""
    if ALL_FIELDS in settings.attributes:
        taken = {*settings.key, settings.label, settings.time, *settings.attributes}
        for name, value in record.items():
            if name not in taken and is_scalar(value) and _may_be_attribute(name):
                yield name
    yield from (name for name in settings.attributes if name != ALL_FIELDS)


@lru_cache
def _may_be_attribute(name: str) -> bool:
    try:
        check_attribute_name(name)
    except InvalidInput:
        return False
    return True


def _settle_types(attributes: AttributeColumns, settings: RecordSettings) -> None:
    """Of all fields, those become attributes whose values are of one type."""
    if ALL_FIELDS not in settings.attributes:
        return
    types = {name: column.types() for name, column in attributes.columns.items()}
    mixed = {n for n, found in types.items() if len(found) > 1 and found != {int, float}}
    for name in mixed.difference(settings.attributes):
        del attributes.columns[name]


def _type_name(value: Any) -> str:
    names = {str: "text", bool: "bool", int: "int", float: "float", list: "list", dict: "object"}
    return names.get(type(value), "null")
