"""Reading JSON Lines: one object a line, whatever is between the lines that hold one.

Arrow reads the fields where they are texts, a block of lines at a time, if it provably sees one
object a line. Where it does not, or finds something wrong, Python reads the block, and tells what
is wrong with which line.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from blake3 import blake3

from dsm.errors import InvalidInput
from dsm.format.pack import OBJECT_BYTES_MAX
from dsm.model.example import AttributeValue
from dsm.model.names import check_attribute_name, printable
from dsm.records.fields import (
    attribute_of,
    is_scalar,
    joined_key,
    key_of,
    labels_of,
    time_of,
    value_at,
)
from dsm.records.groups import Grouper, GroupStore
from dsm.records.settings import ALL_FIELDS, RecordSettings

BLOCK_BYTES = 4 << 20
LOOKED_AT = 1000  # records whose fields are told
KEY_DIGITS = 16  # of the hash of a record without a key field
_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r"
_OPEN, _CLOSE = ord("{"), ord("}")
ReadBytes = Callable[[int], bytes]


@dataclass(slots=True)
class Read:
    """A records file that was read: one item a record, in the order of the lines.

    `oid` and `size` are of the file. `labels`, `times` (microseconds UTC, None where there is
    none) and `attributes` are empty lists where no field says them. `fields` tells the types of the
    fields of the first records.
    """

    keys: list[str] = field(default_factory=list)
    oids: list[bytes] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    labels: list[tuple[str, ...]] = field(default_factory=list)
    times: list[int | None] = field(default_factory=list)
    attributes: list[dict[str, AttributeValue]] = field(default_factory=list)
    oid: bytes = b""
    size: int = 0
    fields: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.oids)


class RecordsInvalid(InvalidInput):
    """A file is not what records can be read of; nothing of it was staged."""

    code = "records-invalid"


def read_jsonl(
    read: ReadBytes, name: str, settings: RecordSettings, store: GroupStore | None = None
) -> Read:
    """Reads a file by its `read`, stores it if there is a store, and returns its records.

    `name` is what errors call it. Raises RecordsInvalid that names the line.
    """
    return _Reader(name, settings, store).run(read)


def fields_of(data: bytes) -> dict[str, Any]:
    """Returns one record as an object. Raises ValueError when it is none."""
    try:
        found = json.loads(str(data, "utf-8"))  # bytes may be taken for UTF-16
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def said_of(settings: RecordSettings, data: bytes) -> tuple[Any, ...]:
    """Returns what the fields of one record say: (labels, time, attributes). Raises ValueError."""
    record = fields_of(data)
    labels = () if settings.label is None else labels_of(value_at(record, settings.label), "")
    time = None if settings.time is None else time_of(value_at(record, settings.time), "")
    return labels, time, _attributes(record, settings, _named(record, settings))


class _Reader:
    def __init__(self, name: str, settings: RecordSettings, store: GroupStore | None):
        self.name = name
        self.settings = settings
        self.out = Read()
        self._grouper = Grouper(store, os.path.splitext(name)[1].lower())
        self._lines = 0  # so far
        self._numbers = array("q")  # the line of each record
        self._said: set[str] = set()  # asked fields that were there
        self._labels_by_text: dict[str | None, tuple[str, ...]] = {None: ()}
        texts = (*settings.key, *((settings.label,) if settings.label is not None else ()))
        self._by_arrow = not (settings.time or settings.attributes or any("." in f for f in texts))
        self._texts = tuple(dict.fromkeys(texts))

    def run(self, read: ReadBytes) -> Read:
        rest, first = b"", True
        while block := read(BLOCK_BYTES):
            data = rest + block
            end = data.rfind(b"\n") + 1
            rest = data[end:]
            if len(rest) > OBJECT_BYTES_MAX:
                raise self._wrong(self._lines + data.count(b"\n") + 1, _too_long(len(rest)))
            if end:
                self._block(data[:end].split(b"\n")[:-1], b"\n", first)
                first = False
        if rest:
            self._block([rest], b"", first)
        out = self.out
        self._require_fields()
        if not self.settings.key:
            out.keys = _keys_of_content(out.oids)
        else:
            self._refuse_repeated()
        _settle_types(out.attributes, self.settings)
        out.oid, out.size = self._grouper.finish(), self._grouper.size
        return out

    # --- lines ---

    def _block(self, lines: list[bytes], end: bytes, first: bool) -> None:
        """Takes whole lines; each is a record, unless it is blank."""
        add, before = self._grouper.add, self._lines
        records: list[bytes] = []
        plain = True  # whether each record certainly begins and ends as an object does
        for number, line in enumerate(lines, before + 1):
            at = 3 if first and number == 1 and line.startswith(_BOM) else 0
            data = line[at:].rstrip(_BLANKS) if at or line[-1:] in b"\r \t" else line
            if len(line) >= OBJECT_BYTES_MAX:
                raise self._wrong(number, _too_long(len(line)))
            if not data.strip():
                add(line + end, None, 0, 0)
                continue
            if data[0] != _OPEN or data[-1] != _CLOSE:
                plain = False
            oid: bytes = blake3(data).digest()
            add(line + end, oid, at, len(data))
            records.append(data)
            self.out.oids.append(oid)
            self.out.sizes.append(len(data))
            self._numbers.append(number)
        self._lines += len(lines)
        for data in records[: max(0, LOOKED_AT - len(self._numbers) + len(records))]:
            self._look_at(data)
        if records and not (plain and self._by_arrow and self._fields_by_arrow(records)):
            self._fields_by_python(records)

    def _look_at(self, data: bytes) -> None:
        """Notes the types of the fields, for people; what is wrong with a record is told later."""
        try:
            for name, value in fields_of(data).items():
                mine, known = _type_name(value), self.out.fields.get(name)
                if known is None or known == "null":
                    if known is not None or len(self.out.fields) < LOOKED_AT:
                        self.out.fields[name] = mine
                elif mine not in ("null", known):
                    numbers = {"int", "float", "number"} >= {mine, known}
                    self.out.fields[name] = "number" if numbers else "mixed"
        except ValueError:
            return

    # --- fields ---

    def _fields_by_arrow(self, records: list[bytes]) -> bool:
        """Reads the fields of a block with Arrow; False when Python has to look at it."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.json as pj

        data = b"\n".join(records)
        schema = pa.schema([(name, pa.string()) for name in self._texts])
        try:
            str(data, "utf-8")
            table = pj.read_json(
                pa.BufferReader(data),
                # One block: a record may be longer than those that Arrow would cut.
                pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
                pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
            )
            if table.num_rows != len(records):
                return False
            columns = {name: table.column(name).to_pylist() for name in self._texts}
        except (pa.ArrowException, ValueError):
            return False
        for name in self._texts:
            if table.column(name).null_count < len(records):
                self._said.add(name)
        keys = [columns[name] for name in self.settings.key]
        if any(pc.any(pc.equal(pc.binary_length(table.column(n)).fill_null(0), 0)).as_py()
               for n in self.settings.key):  # fmt: skip
            return False
        try:
            made = [joined_key(list(parts)) for parts in zip(*keys, strict=True)]
            labels = self._labels(columns[self.settings.label]) if self.settings.label else []
        except ValueError:
            return False
        self.out.keys += made
        self.out.labels += labels
        return True

    def _labels(self, texts: Sequence[str | None]) -> list[tuple[str, ...]]:
        known = self._labels_by_text
        for text in {*texts} - known.keys():
            known[text] = labels_of(text, self.settings.label or "")
        return [known[text] for text in texts]

    def _fields_by_python(self, records: list[bytes]) -> None:
        out, settings = self.out, self.settings
        first = len(self._numbers) - len(records)
        for position, data in enumerate(records):
            try:
                record = fields_of(data)
                if settings.key:
                    out.keys.append(key_of(record, settings.key))
                if settings.label is not None:
                    out.labels.append(labels_of(value_at(record, settings.label), settings.label))
                if settings.time is not None:
                    out.times.append(time_of(value_at(record, settings.time), settings.time))
                if settings.attributes:
                    out.attributes.append(_attributes(record, settings, _named(record, settings)))
            except UnicodeDecodeError:
                raise self._wrong(self._numbers[first + position], "is not UTF-8") from None
            except json.JSONDecodeError as error:
                reason = f"holds no JSON object: {error.msg} at character {error.pos + 1}"
                raise self._wrong(self._numbers[first + position], reason) from None
            except ValueError as error:
                raise self._wrong(self._numbers[first + position], str(error)) from None
            for name in _asked(settings):
                if name not in self._said and value_at(record, name) is not None:
                    self._said.add(name)

    # --- the file as a whole ---

    def _require_fields(self) -> None:
        for name in _asked(self.settings) if len(self.out) else ():
            if name not in self._said:
                listed = ", ".join(printable(each) for each in list(self.out.fields)[:12])
                raise RecordsInvalid(
                    f"{printable(self.name)}: no record has the field '{printable(name)}'",
                    hint=f"the first records have {listed}" if listed else None,
                    items=(self.name,),
                )

    def _refuse_repeated(self) -> None:
        lines: dict[str, int] = {}
        for key, line in zip(self.out.keys, self._numbers, strict=True):
            other = lines.setdefault(key, line)
            if other != line:
                fields = " and ".join(f"'{printable(name)}'" for name in self.settings.key)
                raise self._wrong(
                    line,
                    f"has the key {printable(key)!r} in {fields}, as line {other} has",
                    "mend it, name more fields (--key-field, repeatable), or leave the key out",
                )

    def _wrong(self, line: int, reason: str, hint: str | None = None) -> RecordsInvalid:
        return RecordsInvalid(
            f"{printable(self.name)}, line {line}: {reason}", hint=hint, items=(self.name,)
        )


def _too_long(size: int) -> str:
    return f"is {size:,} bytes long or longer; a record has less than {OBJECT_BYTES_MAX:,}"


def _asked(settings: RecordSettings) -> Iterator[str]:
    yield from settings.key
    yield from (name for name in (settings.label, settings.time) if name is not None)
    yield from (name for name in settings.attributes if name != ALL_FIELDS)


def _keys_of_content(oids: list[bytes]) -> list[str]:
    """Returns for each record a key by its content; of equal ones a later one has a number."""
    seen: dict[str, int] = {}
    keys = [oid[: KEY_DIGITS // 2].hex() for oid in oids]
    for position, key in enumerate(keys):
        count = seen[key] = seen.get(key, 0) + 1
        if count > 1:
            keys[position] = f"{key}-{count}"
    return keys


def _named(record: dict[str, Any], settings: RecordSettings) -> Iterator[str]:
    """Yields the fields that become attributes."""
    if ALL_FIELDS in settings.attributes:
        taken = {*settings.key, settings.label, settings.time}
        for name, value in record.items():
            if name not in taken and name not in settings.attributes and is_scalar(value):
                try:
                    check_attribute_name(name)
                except InvalidInput:
                    continue
                yield name
    yield from (name for name in settings.attributes if name != ALL_FIELDS)


def _attributes(
    record: dict[str, Any], settings: RecordSettings, names: Iterator[str]
) -> dict[str, AttributeValue]:
    found = {}
    for name in names:
        value = attribute_of(value_at(record, name), name)
        if value is not None:
            found[name] = value
    return found


def _settle_types(attributes: list[dict[str, AttributeValue]], settings: RecordSettings) -> None:
    """Of all fields, those become attributes whose values are of one type."""
    if ALL_FIELDS not in settings.attributes:
        return
    types: dict[str, set[type]] = {}
    for each in attributes:
        for name, value in each.items():
            types.setdefault(name, set()).add(type(value))
    mixed = {n for n, found in types.items() if len(found) > 1 and found != {int, float}}
    mixed.difference_update(settings.attributes)
    for each in attributes if mixed else ():
        for name in mixed & each.keys():
            del each[name]


def _type_name(value: Any) -> str:
    names = {str: "text", bool: "bool", int: "int", float: "float", list: "list", dict: "object"}
    return names.get(type(value), "null")
