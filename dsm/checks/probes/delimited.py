"""Tables as text (CSV, TSV): whether quotes are closed and all rows have as many fields."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator

from dsm.checks.media_types import UTF_16
from dsm.checks.probes.probe import Content, Facts, Probe

LINE_CHARS_MAX = 1 << 20  # of a field Python's reader takes 2**17
_DELIMITERS = (",", "\t", ";", "|")


class _Long(Exception):
    """A line has more characters than are read at once."""


def examine(content: Content) -> Facts:
    """Reads a table to the end: `rows` and `columns`, or the `problem` with its line. The delimiter
    is the one that the first line has most of, and the encoding UTF-16 where the file says so, else
    any that ASCII is a part of."""
    content.file.seek(0)
    begins = content.file.read(3)
    content.file.seek(3 if begins == codecs.BOM_UTF8 else 0)
    encoding = "utf-16" if begins.startswith(UTF_16) else "latin-1"
    text = io.TextIOWrapper(content.file, encoding=encoding, errors="replace", newline="")
    try:
        return _read(text)
    finally:
        text.detach()


def _read(text: io.TextIOWrapper) -> Facts:
    first = text.readline(LINE_CHARS_MAX)
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(_lines(first, text), delimiter=delimiter, strict=True)
    columns = rows = 0
    try:
        for row in reader:
            if not row:
                continue  # an empty line
            columns = columns or len(row)
            rows += 1
            if len(row) != columns:
                said = f"{len(row):,} field{'s' * (len(row) != 1)}, the first one {columns:,}"
                return {"problem": f"its line {reader.line_num:,} has {said}"}
    except csv.Error as error:
        return {"problem": f"its line {reader.line_num:,} cannot be read: {error}"}
    except _Long:
        return {"problem": f"a line has more than {LINE_CHARS_MAX:,} characters"}
    return {"rows": rows, "columns": columns}


def _lines(first: str, text: io.TextIOWrapper) -> Iterator[str]:
    line = first
    while line:
        if len(line) >= LINE_CHARS_MAX:
            raise _Long
        yield line
        line = text.readline(LINE_CHARS_MAX)


PROBE = Probe("delimited", 2, examine)
