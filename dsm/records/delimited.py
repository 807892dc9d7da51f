"""Reading CSV and TSV: a record is the bytes of a row, without its end; the header is none.

Python's `csv` takes as many lines as a row has, so the bytes of a row are those of the lines that
it took. How a table is written is found out from its beginning, unless it was said.
"""

from __future__ import annotations

import csv
import io
import os
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from blake3 import blake3

from dsm.errors import InvalidInput
from dsm.format.pack import OBJECT_BYTES_MAX
from dsm.model.names import printable
from dsm.records.cells import CellInvalid, seen, settled_types
from dsm.records.gathering import LOOKED_AT, Gathering, Read, wide_form
from dsm.records.groups import Grouper, GroupStore
from dsm.records.piecewise import Uneven
from dsm.records.settings import UTF_8_BOM, Found, RecordSettings, check_columns

BLOCK_BYTES = 1 << 20
SAMPLE_BYTES = 64 << 10
_SAMPLE_ROWS = 200
_BOM = b"\xef\xbb\xbf"
_DELIMITERS = (",", "\t", ";", "|")
_ENCODING = "utf-8"
_OPEN = "unexpected end"  # what `csv` says of a quote that is not closed


class _FieldLimit:
    """Lets `csv` read long fields while a table is read: its limit is one of the whole process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within, self._before = 0, 0

    def __enter__(self) -> None:
        with self._lock:
            self._within += 1
            if self._within == 1:
                self._before = csv.field_size_limit(OBJECT_BYTES_MAX)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._within -= 1
            if not self._within:
                csv.field_size_limit(self._before)


_LONG_FIELDS = _FieldLimit()


class Dialect:
    """How a table is written: one character each, `quote` is "" where nothing is quoted."""

    def __init__(self, delimiter: str, quote: str, encoding: str):
        self.delimiter, self.quote, self.encoding = delimiter, quote, encoding

    def reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """Returns the rows of lines."""
        if not self.quote:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE)
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, strict=True)

    def fault(self, row: str) -> tuple[int, int]:
        """Returns which field of a row cannot be read on, and where it begins: in a row without
        fault, that is its last one."""
        quote, parting = re.escape(self.quote), re.escape(self.delimiter)
        quoted = re.compile(f"{quote}[^{quote}]*(?:{quote}{quote}[^{quote}]*)*{quote}")
        plain = re.compile(rf"[^{parting}\r\n]*")
        at = number = 0
        while True:
            is_quoted = bool(quote) and row.startswith(self.quote, at)
            found = (quoted if is_quoted else plain).match(row, at)
            if found is None or not row.startswith(self.delimiter, found.end()):
                return number, at
            at, number = found.end() + 1, number + 1


class _Lines:
    """Gives the lines of a file as text, and keeps the bytes of those that no row has had yet."""

    def __init__(
        self,
        file: BinaryIO,
        head: bytes,
        gathered: Gathering,
        encoding: str,
        *,
        at_start: bool = True,
    ):
        self._file, self._head = file, head
        self._gathered = gathered
        self._encoding = encoding
        self.bom = at_start and head.startswith(_BOM)
        self.count = 0
        self.held: list[bytes] = []
        self._size = 0

    def taken(self) -> bytes:
        """Returns the bytes of the lines since the last call."""
        data = self.held[0] if len(self.held) == 1 else b"".join(self.held)
        self.held.clear()
        self._size = 0
        return data

    def __iter__(self) -> Iterator[str]:
        encoding, hold = self._encoding, self.held.append
        first = 3 if self.bom else 0
        for line in self._raw():
            self.count += 1
            hold(line)
            self._size += len(line)
            if self._size >= OBJECT_BYTES_MAX:
                raise self._too_long(self.count - len(self.held) + 1, self._size)
            yield str(line[first:] if first else line, encoding)
            first = 0

    def _raw(self) -> Iterator[bytes]:
        block, rest = self._head, b""
        while block:
            data = rest + block
            end = data.rfind(b"\n") + 1
            rest = data[end:]
            if len(rest) >= OBJECT_BYTES_MAX:
                raise self._too_long(self.count + data.count(b"\n") + 1, len(rest))
            yield from io.BytesIO(data[:end])
            block = self._file.read(BLOCK_BYTES)
        if rest:
            yield rest

    def _too_long(self, line: int, size: int) -> Exception:
        return self._gathered.wrong(
            line, f"begins a row of {size:,} bytes or more; a record has less than"
            f" {OBJECT_BYTES_MAX:,}", "is a quote not closed? `--quote ''` reads them as text",
        )  # fmt: skip


class DelimitedReader:
    """Reads CSV and TSV; see `RecordReader`."""

    def read(
        self, file: BinaryIO, name: str, settings: RecordSettings, store: GroupStore | None = None
    ) -> Read:
        """See `RecordReader.read`."""
        with _LONG_FIELDS:
            return self._read(file, name, settings, store)

    def _read(
        self, file: BinaryIO, name: str, settings: RecordSettings, store: GroupStore | None
    ) -> Read:
        gathered = Gathering(name, settings)
        head = file.read(SAMPLE_BYTES) or b""
        while len(head) < SAMPLE_BYTES and (more := file.read(SAMPLE_BYTES - len(head))):
            head += more
        gathered.refuse_wide(head)
        dialect = dialect_of(head, settings)
        grouper = Grouper(store, os.path.splitext(name)[1].lower())
        table = _Table(gathered, dialect, grouper, settings.columns)
        lines = _Lines(file, head, gathered, dialect.encoding)
        try:
            table.take(lines)
        except (csv.Error, UnicodeDecodeError) as error:
            raise table.wrong(lines, error) from None
        found = Found(
            () if settings.columns else table.columns, dialect.delimiter, dialect.quote,
            UTF_8_BOM if lines.bom else dialect.encoding,
        )  # fmt: skip
        told = gathered.out.fields  # a column of numbers and words is one of texts
        told.update((name, "text") for name, kind in told.items() if kind == "mixed")
        try:
            types = settled_types(
                gathered.out.attributes, settings.found.types, settings.attributes
            )
        except CellInvalid as error:
            line = gathered.numbers[error.position]
            raise gathered.wrong(line, str(error), error.hint) from None
        gathered.settings = replace(settings, found=replace(found, types=types))
        return gathered.finish(grouper.finish(), grouper.size)

    def piecewise(
        self, name: str, settings: RecordSettings, store: GroupStore | None, head: bytes
    ) -> _Parts:
        """See `RecordReader.piecewise`."""
        now, then = dialect_of(head, settings), _dialect_found(settings)
        bom = settings.found.encoding == UTF_8_BOM
        if vars(now) != vars(then) or head.startswith(_BOM) != bom or wide_form(head):
            raise Uneven
        return _Parts(name, settings, store)

    def fields(self, data: bytes, settings: RecordSettings) -> dict[str, Any]:
        """See `RecordReader.fields`."""
        dialect = _dialect_found(settings)
        try:
            with _LONG_FIELDS:
                rows = list(dialect.reader(iter(_lines(str(data, dialect.encoding)))))
        except csv.Error as error:
            raise ValueError(str(error)) from None
        columns = settings.columns or settings.found.columns
        if len(rows) != 1 or len(rows[0]) != len(columns):
            raise ValueError("it is no row of its table")
        return dict(zip(columns, rows[0], strict=True))


class _Table:
    """Takes rows; `columns` are the names of their fields, () until the header was there."""

    def __init__(
        self, gathered: Gathering, dialect: Dialect, grouper: Grouper, columns: tuple[str, ...]
    ):
        self._gathered, self._dialect, self._grouper = gathered, dialect, grouper
        self.columns = columns
        self.line = 0  # that the row at hand begins in

    def take(self, lines: _Lines) -> None:
        """Takes all rows. Raises RecordsInvalid, and for the row that begins in `line` csv.Error
        and UnicodeDecodeError; see `wrong`."""
        gathered, grouper = self._gathered, self._grouper
        rows = self._dialect.reader(iter(lines))
        while True:
            self.line = first = lines.count + 1
            row = next(rows, None)
            if row is None:
                return
            data = lines.taken()
            at = 3 if lines.bom and first == 1 else 0
            if not row:
                grouper.add(data, None, 0, 0)
                continue
            if not self.columns:
                self.columns = _header(row, first, gathered)
                grouper.add(data, None, 0, 0)
                continue
            if len(row) != len(self.columns):
                raise _ragged(gathered, first, row, self.columns)
            content = data[at:].rstrip(b"\n").removesuffix(b"\r")
            oid: bytes = blake3(content).digest()
            grouper.add(data, oid, at, len(content))
            gathered.take(oid, len(content), first)
            record = dict(zip(self.columns, row, strict=True))
            if len(gathered.out) <= LOOKED_AT:
                gathered.look_at({name: seen(cell) for name, cell in record.items()})
            gathered.hear(record, first)

    def wrong(self, lines: _Lines, error: csv.Error | UnicodeDecodeError) -> Exception:
        """Returns what tells the line and the field of an error in the row at hand."""
        encoding = self._dialect.encoding
        row = str(lines.taken(), encoding, "backslashreplace").removeprefix("\ufeff")
        if isinstance(error, UnicodeDecodeError):
            # In a line before the bytes that are no text, so the field is the last one.
            at = row.rfind("\n", 0, -1) + 1
            stop = at + len(str(error.object[: error.start], encoding))
            field = self._dialect.fault(row[:stop])[0]
            return self._gathered.wrong(
                lines.count, f"is not {encoding.upper()}{self._in(field)}",
                "say how it is written: --encoding cp1252, say, or latin-1",
            )  # fmt: skip
        field, at = self._dialect.fault(row)
        reason, hint = _explained(str(error))
        line = self.line + row.count("\n", 0, at)
        return self._gathered.wrong(line, f"{reason}{self._in(field)}", hint)

    def _in(self, field: int) -> str:
        if field < len(self.columns):
            return f" in the field '{printable(self.columns[field])}'"
        return f" in the field {field + 1}"


class _Parts:
    """Reads parts of a table; see `Piecewise`."""

    def __init__(self, name: str, settings: RecordSettings, store: GroupStore | None):
        self._settings = settings
        self._gathered = Gathering(name, settings)
        self.out = self._gathered.out
        self.grouper = Grouper(store, os.path.splitext(name)[1].lower())
        self._dialect = _dialect_found(settings)
        self._columns = settings.columns or settings.found.columns
        self._at_start = True
        self._rest = b""  # of a row whose quote is not closed yet

    @property
    def held(self) -> int:
        """See `Piecewise.held`."""
        return self.grouper.held + len(self._rest)

    def pass_over(self) -> None:
        """See `Piecewise.pass_over`: the header is above."""
        self._at_start = False

    def feed(self, data: bytes) -> None:
        """See `Piecewise.feed`."""
        if not data:
            return
        data, self._rest, start = self._rest + data, b"", self._at_start
        if start and data.removeprefix(_BOM)[:1] in (b"\r", b"\n"):
            raise Uneven  # the header may be far from here
        gathered, encoding = self._gathered, self._dialect.encoding
        columns = self._settings.columns if start else self._columns
        table = _Table(gathered, self._dialect, self.grouper, columns)
        lines = _Lines(io.BytesIO(), data, gathered, encoding, at_start=start)
        try:
            with _LONG_FIELDS:
                table.take(lines)
        except UnicodeDecodeError:
            raise Uneven from None  # it is told when all is read
        except csv.Error as error:
            if _OPEN not in str(error):
                raise Uneven from None
            self._rest = lines.taken()
        if self._rest and not table.columns:
            return  # the header is open: it is read again with what follows
        if table.columns != self._columns:
            raise Uneven
        self._at_start = False

    def settle(self) -> RecordSettings:
        """See `Piecewise.settle`."""
        settings, before = self._settings, self._settings.found.types
        try:
            types = settled_types(self.out.attributes, before, settings.attributes)
        except CellInvalid:
            raise Uneven from None
        if self._rest or types != before:
            raise Uneven
        return self._settings


def _header(row: list[str], line: int, gathered: Gathering) -> tuple[str, ...]:
    columns = tuple(row)
    try:
        check_columns(columns)
    except InvalidInput as error:
        raise gathered.wrong(
            line, f"names the fields, but {error.message}",
            "rename one, or name the columns of a file without a header: --columns a,b",
        ) from None  # fmt: skip
    missing = [field for field in gathered.settings.key if field not in columns]
    if missing:
        raise gathered.wrong(
            line, f"there is no column '{printable(missing[0])}', which is the key",
            f"it has {', '.join(printable(each) for each in columns[:12])}",
        )  # fmt: skip
    return columns


def _ragged(
    gathered: Gathering, line: int, row: Sequence[str], columns: Sequence[str]
) -> Exception:
    have, want = len(row), len(columns)
    there = "there is 1 column" if want == 1 else f"there are {want:,} columns"
    fields = f"has {have:,} field{'s' * (have != 1)} where {there}"
    if have < want:
        reason = f"{fields}: nothing in the field '{printable(columns[have])}'"
    else:
        reason = f"{fields}: {printable(row[want][:40])!r} is in none"
    return gathered.wrong(
        line, reason,
        "mend the row, or say how the table is written: --delimiter, --quote (see `dsm add -n`)",
    )  # fmt: skip


def _explained(error: str) -> tuple[str, str | None]:
    """Returns reason and hint for what `csv` finds wrong with a row."""
    if _OPEN in error:
        return (
            "has a quote that is not closed",
            "`--quote ''` reads quotes as text, where nothing is quoted",
        )
    if "expected after" in error:
        return (
            "has text behind a closing quote",
            "double a quote within a field; `--quote ''` reads quotes as text",
        )
    if "new-line character" in error:
        return (
            "has a carriage return outside of quotes",
            "where lines end so: tr '\\r' '\\n' < in.csv > out.csv",
        )
    return f"is no row of a table ({printable(error)})", "see how it is read: dsm add -n"


# --- how a table is written ---


def dialect_of(head: bytes, settings: RecordSettings) -> Dialect:
    """Returns how a table is written, by what was said and by its beginning."""
    encoding = settings.encoding or _ENCODING
    text = str(head.removeprefix(_BOM), encoding, "replace")
    if len(head) >= SAMPLE_BYTES:
        text = text[: text.rfind("\n") + 1] or text
    lines = _lines(text)
    tabs = settings.format == "tsv"
    delimiters = (settings.delimiter,) if settings.delimiter else (("\t",) if tabs else _DELIMITERS)
    quotes = (settings.quote,) if settings.quote is not None else (('"', "") if tabs else ('"',))
    best, most = Dialect(delimiters[0] or ",", quotes[0] or "", encoding), (False, 1, True)
    for delimiter in delimiters:
        for quote in quotes:
            tried = Dialect(delimiter or ",", quote or "", encoding)
            found = _evenness(tried, lines)
            if found > most:
                best, most = tried, found
    return best


def _evenness(dialect: Dialect, lines: list[str]) -> tuple[bool, int, bool]:
    """Returns whether the first rows all have as many fields, two or more, how many the first has,
    and whether there is no fault in them."""
    widths: list[int] = []
    whole = True
    try:
        for row in dialect.reader(iter(lines)):
            if row:
                widths.append(len(row))
            if len(widths) == _SAMPLE_ROWS:
                break
    except csv.Error:
        whole = False
    width = widths[0] if widths else 0
    return whole and width > 1 and len(set(widths)) == 1, width, whole


def _dialect_found(settings: RecordSettings) -> Dialect:
    found = settings.found
    quote = settings.quote if settings.quote is not None else found.quote
    encoding = settings.encoding or found.encoding or _ENCODING
    if encoding == UTF_8_BOM:
        encoding = _ENCODING
    return Dialect(
        settings.delimiter or found.delimiter or ",", '"' if quote is None else quote, encoding
    )


def _lines(text: str) -> list[str]:
    return list(io.StringIO(text, newline="\n"))  # other ends of lines are text


READER = DelimitedReader()
