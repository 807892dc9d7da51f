"""Reading JSON Lines: one object a line, whatever is between the lines that hold one.

Arrow reads the fields where they are texts, a block of lines at a time, if it provably sees one
object a line. Where it does not, or finds something wrong, Python reads the block, and tells what
is wrong with which line.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, BinaryIO

from blake3 import blake3

from dsm.format.pack import OBJECT_BYTES_MAX
from dsm.model.names import printable
from dsm.model.record_path import spelt_keys
from dsm.model.rows import shared
from dsm.records.fields import joined_key, labels_of
from dsm.records.gathering import LOOKED_AT, Gathering, Read, too_long
from dsm.records.groups import Grouper, GroupStore
from dsm.records.settings import RecordSettings
from dsm.store.digests import digests

BLOCK_BYTES = 4 << 20
_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r"
_ESCAPED = re.compile("[\udc80-\udcff]")  # bytes that are no text
_OPEN, _CLOSE = ord("{"), ord("}")
_first, _last = itemgetter(0), itemgetter(-1)
ReadBytes = Callable[[int], bytes]
Columns = dict[str, Any]  # Arrow's of some fields, which are texts
# Less than this is read sooner than a thread is there.
_BESIDE_BYTES = 1 << 20


def read_jsonl(
    read: ReadBytes, name: str, settings: RecordSettings, store: GroupStore | None = None
) -> Read:
    """Reads a file by its `read`, stores it if there is a store, and returns its records.

    `name` is what errors call it. Raises RecordsInvalid that names the line.
    """
    return Incremental(name, settings, store).run(read)


def fields_of(data: bytes) -> dict[str, Any]:
    """Returns one record as an object. Raises ValueError when it is none."""
    try:
        found = json.loads(str(data, "utf-8"))  # bytes may be taken for UTF-16
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise
    except ValueError:  # of Python's bound for digits
        raise ValueError("it has a number of thousands of digits") from None
    if not isinstance(found, dict):
        kinds = {list: "an array", str: "a text", bool: "a truth value", type(None): "null"}
        kind = kinds.get(type(found), "a number")
        raise ValueError(f"this is {kind}, where each line is one JSON object")
    return found


class _Waiting:
    """Whole lines whose fields are to be read; the first is that of the record number `at`."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.at = self.size = 0
        self._parts: list[bytes] = []

    def add(self, data: bytes, lines: list[bytes], at: int) -> None:
        """Appends lines, and the same with their ends; the first is number `at`."""
        if not self.lines:
            self.lines, self.at = lines, at
        else:
            self.lines += lines
        self._parts.append(data)
        self.size += len(data)

    def data(self) -> bytes:
        """Returns the lines with their ends."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)


class Incremental:
    """Reads lines as they come; see `Piecewise`."""

    def __init__(self, name: str, settings: RecordSettings, store: GroupStore | None):
        self.settings = settings
        self._gathered = Gathering(name, settings)
        self.grouper = Grouper(store, os.path.splitext(name)[1].lower())
        self._lines = 0  # so far
        self._cut_off = False  # whether the last line was read, and has no end
        self._first = True  # whether the first line, before which may be a mark, is to come
        self._labels_by_text: dict[str | None, tuple[str, ...]] = {None: ()}
        texts = (*settings.key, *((settings.label,) if settings.label is not None else ()))
        self._by_arrow = not (
            settings.time
            or settings.attributes
            or settings.label_sep
            or any("." in f for f in texts)
        )
        self._texts = tuple(dict.fromkeys(texts))
        # Records whose fields are to be read, and some that Arrow is at.
        self._waiting = _Waiting()
        self._begun: tuple[_Waiting, Callable[[], Columns | None]] | None = None

    @property
    def out(self) -> Read:
        """See `Piecewise.out`."""
        self._end_fields()
        return self._gathered.out

    def run(self, read: ReadBytes) -> Read:
        rest = b""
        while block := read(BLOCK_BYTES):
            if not (self._lines or rest):
                self._gathered.refuse_wide(block[:4])
            data = rest + block
            end = data.rfind(b"\n") + 1
            rest = data[end:]
            if len(rest) > OBJECT_BYTES_MAX:
                self._end_fields()
                raise self._gathered.wrong(
                    self._lines + data.count(b"\n") + 1, *too_long(len(rest))
                )
            if end:
                self._whole_lines(data[:end] if rest else data)
        if rest:
            self._cut_off = True
            self._block([rest], b"", self._first)
        self._end_fields()
        oid = self.grouper.finish()
        return self._gathered.finish(oid, self.grouper.size)

    @property
    def held(self) -> int:
        """See `Piecewise.held`."""
        return self.grouper.held

    def pass_over(self) -> None:
        """See `Piecewise.pass_over`: a later line is not the first."""
        self._first = False

    def settle(self) -> RecordSettings:
        """See `Piecewise.settle`."""
        return self.settings

    def feed(self, data: bytes) -> None:
        """See `Piecewise.feed`."""
        end = data.rfind(b"\n") + 1
        if end:
            self._whole_lines(data[:end])
        if data[end:]:
            self._block([data[end:]], b"", self._first)
            self._first = False

    def _whole_lines(self, data: bytes) -> None:
        lines = data.split(b"\n")
        lines.pop()
        if not self._plain_block(data, lines):
            self._block(lines, b"\n", self._first)
        self._first = False

    # --- lines ---

    def _plain_block(self, data: bytes, lines: list[bytes]) -> bool:
        """Takes whole lines if each is a record from its beginning to its end; False otherwise."""
        count, sizes = len(lines), shared(map(len, lines))
        if not min(sizes) or max(sizes) >= OBJECT_BYTES_MAX:
            return False
        if bytes(map(_first, lines)).strip(b"{") or bytes(map(_last, lines)).strip(b"}"):
            return False
        self._waiting.add(data, lines, len(self._gathered.out))
        # Arrow reads the fields while lines are hashed, these and the next ones: it lets other
        # threads run. What is read by parts comes in small ones, of which it takes many at once.
        if self._waiting.size >= _BESIDE_BYTES:
            self._begin_fields()
        oids = digests(lines)
        self.grouper.add_lines(data, oids, sizes)
        self._gathered.take_all(oids, sizes, range(self._lines + 1, self._lines + count + 1))
        self._lines += count
        return True

    def _block(self, lines: list[bytes], end: bytes, first: bool) -> None:
        """Takes whole lines; each is a record, unless it is blank."""
        self._end_fields()
        add, before = self.grouper.add, self._lines
        records: list[bytes] = []
        plain = True  # whether each record certainly begins and ends as an object does
        for number, line in enumerate(lines, before + 1):
            at = 3 if first and number == 1 and line.startswith(_BOM) else 0
            data = line[at:].rstrip(_BLANKS) if at or line[-1:] in b"\r \t" else line
            if len(line) >= OBJECT_BYTES_MAX:
                raise self._gathered.wrong(number, *too_long(len(line)))
            if not data.strip():
                add(line + end, None, 0, 0)
                continue
            if data[0] != _OPEN or data[-1] != _CLOSE:
                plain = False
            oid: bytes = blake3(data).digest()
            add(line + end, oid, at, len(data))
            records.append(data)
            self._gathered.take(oid, len(data), number)
        self._lines += len(lines)
        if records:
            at = len(self._gathered.out) - len(records)
            columns = self._columns(b"\n".join(records), len(records)) if plain else None
            self._fields(records, at, columns)

    def _fields(self, records: list[bytes], at: int, columns: Columns | None) -> None:
        """Takes the fields of records, of which the first is number `at`, from what Arrow has read,
        if it has."""
        for data in records[: max(0, LOOKED_AT - at)]:
            self._look_at(data)
        if columns is None or not self._fields_by_arrow(columns):
            self._fields_by_python(records, at)

    def _look_at(self, data: bytes) -> None:
        """Notes the types of the fields, for people; what is wrong with a record is told later."""
        try:
            self._gathered.look_at(fields_of(data))
        except ValueError:
            return

    # --- fields ---

    def _begin_fields(self) -> None:
        """Ends what was begun, and begins to read the fields of the records that wait."""
        waiting, self._waiting = self._waiting, _Waiting()
        self._end_begun()
        data, count = waiting.data(), len(waiting.lines)
        if self._by_arrow and waiting.size >= _BESIDE_BYTES:
            self._begun = waiting, _beside(lambda: self._columns(data, count))
        elif count:
            columns = self._columns(data, count)
            self._begun = waiting, lambda: columns

    def _end_begun(self) -> None:
        if self._begun is not None:
            (waiting, columns), self._begun = self._begun, None
            self._fields(waiting.lines, waiting.at, columns())

    def _end_fields(self) -> None:
        """Takes the fields of all records so far."""
        self._begin_fields()
        self._end_begun()

    def _columns(self, data: bytes, count: int) -> Columns | None:
        """Reads the fields of so many records with Arrow, each of which begins and ends as an
        object does; None when Python has to look at them."""
        if not self._by_arrow:
            return None
        import pyarrow as pa
        import pyarrow.json as pj

        schema = pa.schema([(name, pa.string()) for name in self._texts])
        try:
            if not data.isascii():
                str(data, "utf-8")
            table = pj.read_json(
                pa.BufferReader(data),
                # One block: a record may be longer than those that Arrow would cut.
                pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
                pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
            )
            if table.num_rows != count:
                return None
            return {name: table.column(name) for name in self._texts}
        except (pa.ArrowException, ValueError):
            return None

    def _fields_by_arrow(self, found: Columns) -> bool:
        """Takes fields that Arrow has read; False when Python has to look at them."""
        columns = {name: column.to_pylist() for name, column in found.items()}
        for name in self._texts:
            if any(value is not None for value in columns[name]):
                self._gathered.said.add(name)
        keys = [columns[name] for name in self.settings.key]
        if not all(map(all, keys)):  # nothing is in the field
            return False
        try:
            made = spelt_keys(keys[0]) if len(keys) == 1 else None
            if made is None:
                made = [joined_key(list(parts)) for parts in zip(*keys, strict=True)]
            labels = self._labels(columns[self.settings.label]) if self.settings.label else []
        except ValueError:
            return False
        self._gathered.out.keys += made
        self._gathered.out.labels += labels
        return True

    def _labels(self, texts: Sequence[str | None]) -> list[tuple[str, ...]]:
        known = self._labels_by_text
        for text in {*texts} - known.keys():
            known[text] = labels_of(text, self.settings.label or "")
        return [known[text] for text in texts]

    def _fields_by_python(self, records: list[bytes], at: int) -> None:
        numbers = self._gathered.numbers[at : at + len(records)]
        for number, data in zip(numbers, records, strict=True):
            try:
                record = fields_of(data)
            except ValueError as error:
                is_last = number == self._lines and self._cut_off
                raise self._gathered.wrong(number, *_explained(error, data, is_last)) from None
            self._gathered.hear(record, number)


# --- what is wrong ---

_OTHERS = "each line is one JSON object; `--records=text` takes any lines"


def _explained(error: ValueError, data: bytes, cut_off: bool) -> tuple[str, str | None]:
    """Returns reason and hint for a line that is no object; `cut_off` is whether the file ends in
    it."""
    if isinstance(error, UnicodeDecodeError):
        return f"is not UTF-8{_undecodable(data)}", "convert the file: iconv -f CP1252 -t UTF-8"
    if data[0] == ord("["):
        return (
            "begins an array, where each line is one JSON object",
            "make each of its objects a line: jq -c '.[]' in.json > out.jsonl",
        )
    if not isinstance(error, json.JSONDecodeError):
        return str(error), _OTHERS
    if error.msg.startswith("Extra data"):
        return f"has more than its JSON object, from character {error.pos + 1} on", _OTHERS
    reason = f"holds no JSON object: {error.msg} at character {error.pos + 1}"
    text = str(data, "utf-8")
    if text[0] == "{" and (error.pos >= len(text) or text[-1] != "}"):
        if cut_off:
            return "ends within its JSON object", "the file is cut off: get it again, or mend it"
        return (
            "ends within its JSON object",
            "an object is one line: jq -c . in.json > out.jsonl joins those of several",
        )
    return reason, _OTHERS


def _undecodable(data: bytes) -> str:
    """Says which field of a line is not UTF-8, if that can be told."""
    try:
        record = json.loads(str(data, "utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return ""
    for name, value in record.items() if isinstance(record, dict) else ():
        if _ESCAPED.search(f"{name}{json.dumps(value, ensure_ascii=False)}"):
            return f" in the field '{printable(name)}'"
    return ""


def _beside(work: Callable[[], Columns | None]) -> Callable[[], Columns | None]:
    """Begins work in a thread; returns what waits for its result, or raises what it raised."""
    import threading

    found: list[Columns | BaseException | None] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # for the caller
            found.append(error)

    def result() -> Columns | None:
        thread.join()
        if isinstance(found[0], BaseException):
            raise found[0]
        return found[0]

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return result


class JsonlReader:
    """Reads JSON Lines; see `RecordReader`."""

    def read(
        self, file: BinaryIO, name: str, settings: RecordSettings, store: GroupStore | None = None
    ) -> Read:
        """See `RecordReader.read`."""
        return read_jsonl(file.read, name, settings, store)

    def piecewise(
        self, name: str, settings: RecordSettings, store: GroupStore | None, head: bytes
    ) -> Incremental:
        """See `RecordReader.piecewise`."""
        return Incremental(name, settings, store)

    def fields(self, data: bytes, settings: RecordSettings) -> dict[str, Any]:
        """See `RecordReader.fields`."""
        return fields_of(data)


READER = JsonlReader()
