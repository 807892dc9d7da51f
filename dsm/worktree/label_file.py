"""Label files: tables, keyed by path, of what people know about examples.

Hides three formats (CSV and TSV, JSON Lines, Parquet) behind one table: a path, `label` or
`labels`, `time`, `annotation`, and any other column as an attribute. The invariant: a file that
was read has one row for a path, one type for an attribute, and only finite numbers and UTF-8
text; whatever else it holds is refused with the file and line.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any, BinaryIO, NamedTuple

from dsm.errors import InvalidInput
from dsm.model.example import AttributeValue
from dsm.model.names import check_attribute_name, check_label, check_path, printable
from dsm.model.timespec import EARLIEST_US, LATEST_US, parse_instant
from dsm.worktree.label_row import (
    STRICT,
    LabelRow,
    annotation_text,
    annotations_of,
    as_said,
    is_utf8,
    json_text,
)
from dsm.worktree.label_source import PATH_COLUMNS, LabelSource
from dsm.worktree.missing_values import DEFAULT

COLUMNS_MAX = 1000
STREAM = "the label file"  # what a file without a name is called in errors

_INT = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The rows of a label file by path, relative to the dataset's root, in the file's order.

    `key` is the column that had the paths; "" of a file without rows.
    """

    rows: dict[str, LabelRow]
    key: str = ""


def read_label_file(
    path: str | BinaryIO, folder: str = "", missing: frozenset[str] = DEFAULT
) -> LabelFile:
    """Returns what the file says, whose path counts from `folder`; its suffix tells the format.

    Of an open file the first bytes tell. Texts in `missing` say nothing. Raises NotFound, or
    InvalidInput that names the file and where possible the line (the row, in Parquet).
    """
    if not isinstance(path, str):
        data = path.read()
        suffix = _format_of(data)
        unit = "row" if suffix == ".parquet" else "line"
        source = LabelSource(STREAM, folder, unit, data, missing=missing)
        return _label_file(source, _READERS[suffix](source))
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _READERS:
        raise InvalidInput(
            f"{printable(path)} is not known as a label file by its name",
            hint=f"use one of the suffixes {', '.join(_READERS)}",
        )
    source = LabelSource(path, folder, "row" if suffix == ".parquet" else "line", missing=missing)
    return _label_file(source, _READERS[suffix](source))


def _label_file(source: LabelSource, table: _Table) -> LabelFile:
    key = next((name for name in PATH_COLUMNS if name in table.columns), "")
    return LabelFile(_rows(source, table), key)


def _format_of(data: bytes) -> str:
    """Returns the suffix that a file with these bytes should have."""
    if data.startswith(b"PAR1"):
        return ".parquet"
    text = data[:1_000_000].removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return ".jsonl"
    header = text.partition(b"\n")[0]
    return ".tsv" if b"\t" in header and b"," not in header else ".csv"


class _Cells(NamedTuple):
    """How a format writes the values of its columns; each raises InvalidInput or ValueError."""

    label: Callable[[Any], tuple[str, ...]]
    labels: Callable[[Any], tuple[str, ...]]
    time: Callable[[Any], int]
    annotation: Callable[[Any], str]


class _Table(NamedTuple):
    """A file as columns of equal length, in which None is an absent value."""

    lines: Sequence[int]
    columns: Mapping[str, Sequence[Any]]  # attributes have their type already
    cells: _Cells


def _rows(source: LabelSource, table: _Table) -> dict[str, LabelRow]:
    columns = dict(table.columns)
    key = next((name for name in PATH_COLUMNS if name in columns), None)
    if key is None:
        if not columns:
            return {}
        found = printable(", ".join(list(columns)[:20]))
        hint = f"call it one of {', '.join(PATH_COLUMNS)}; found {found}"
        raise source.wrong("there is no column with paths", None, hint)
    paths = columns.pop(key)
    lines = table.lines
    blank: Sequence[Any] = (None,) * len(lines)
    label, labels, time, annotation = (
        _converted(source, lines, columns.pop(name, blank), convert)
        for name, convert in zip(_Cells._fields, table.cells, strict=True)
    )
    attributes = list(columns.items())
    rows: dict[str, LabelRow] = {}
    first_lines: dict[str, int] = {}
    for i, line in enumerate(lines):
        # The class and all labels, as image folders have both, say the same.
        if label[i] is not None and labels[i] is not None and label[i][0] not in labels[i]:
            raise source.wrong("has both a label and labels", line, "fill in one of the columns")
        path = _checked_path(source, line, paths[i])
        row = LabelRow(
            label[i] if labels[i] is None else labels[i],
            time[i],
            annotation[i],
            {name: values[i] for name, values in attributes if values[i] is not None},
        )
        if rows.setdefault(path, row) != row:
            raise source.wrong(
                f"'{printable(path)}' differs from its row in {source.unit} {first_lines[path]}",
                line,
                "keep one of them",
            )
        first_lines.setdefault(path, line)
    return rows


def _converted(
    source: LabelSource, lines: Sequence[int], values: Sequence[Any], convert: Callable[[Any], Any]
) -> list[Any]:
    out: list[Any] = []
    try:
        for value in values:
            out.append(None if value is None else convert(value))
    except ValueError as error:
        hint = error.hint if isinstance(error, InvalidInput) else None
        raise source.wrong(str(error), lines[len(out)], hint) from None
    return out


def _checked_path(source: LabelSource, line: int, path: object) -> str:
    if not isinstance(path, str):
        found = "no path" if path is None else "a path that is not text"
        raise source.wrong(f"there is {found}", line)
    if path.startswith("./") or "/./" in path or "//" in path:
        root = "/" if path.startswith("/") else ""
        path = root + "/".join(part for part in path.split("/") if part not in ("", "."))
    try:
        return check_path(path)
    except InvalidInput as error:
        raise source.wrong(error.message, line, error.hint) from None


def _attributes(
    source: LabelSource, names: Sequence[str], introduced: Mapping[str, int] | None = None
) -> list[str]:
    """Returns the columns that are attributes; refuses those that cannot be kept or told apart.

    `introduced` says on which line a name stands.
    """
    if len(names) > COLUMNS_MAX:
        raise source.wrong(f"there are {len(names)} columns (at most {COLUMNS_MAX})")
    lines = introduced or {}
    seen: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name.strip():
            hint = "name it or remove it (pandas: to_csv(…, index=False))"
            raise source.wrong(f"column {number} has no name", lines.get(name), hint)
        if name in seen:
            problem = f"columns {seen[name]} and {number} are both named '{printable(name)}'"
            raise source.wrong(problem, lines.get(name))
        seen[name] = number
    key = next((name for name in PATH_COLUMNS if name in seen), None)
    attributes = [name for name in names if name != key and name not in _Cells._fields]
    for name in attributes:
        try:
            check_attribute_name(name)
        except InvalidInput as error:
            known = name.lower() in ("path", *_Cells._fields)
            way_out = f"write '{name.lower()}', if that is meant" if known else error.hint
            raise source.wrong(error.message, lines.get(name), way_out) from None
    return attributes


def _instant(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"a time is text or Unix seconds, not {_kind(value)}")
    return parse_instant(str(value))


def _one_label(value: object) -> tuple[str, ...]:
    many = isinstance(value, list)
    return (_label(value, "put several into the column 'labels'" if many else "write it as text"),)


def _label_list(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        hint = "put one label into the column 'label'"
        raise InvalidInput(f"the column 'labels' holds lists, not {_kind(value)}", hint=hint)
    return tuple(dict.fromkeys(_label(item) for item in value))


def _label(value: object, hint: str | None = None) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # the number of a class, which CSV has as text too
    if not isinstance(value, str):
        raise InvalidInput(f"a label is text, not {_kind(value)}", hint=hint)
    return check_label(value)


def _kind(value: object) -> str:
    return _KINDS.get(type(value)) or f"a {type(value).__name__}"


_KINDS: dict[type, str] = {
    dict: "an object", list: "a list", bool: "true or false", type(None): "null", str: "text",
    int: "a whole number", float: "a number with a fraction", bytes: "binary data",
}  # fmt: skip


def _one_type(source: LabelSource, lines: Sequence[int], name: str, values: list[Any]) -> list[Any]:
    """Returns an attribute's values, integers as floats where it has both; refuses other mixes."""
    first: dict[type, int] = {}
    for line, value in zip(lines, values, strict=True):
        if value is None:
            continue
        problem = attribute_problem(value)
        if problem:
            raise source.wrong(f"the attribute '{printable(name)}' {problem}", line)
        first.setdefault(type(value), line)
    if set(first) == {int, float}:
        floats = [None if value is None else float(value) for value in values]
        for line, value, number in zip(lines, values, floats, strict=True):
            if value != number:  # an integer above 2 ** 53, exactly compared
                problem = f"the attribute '{printable(name)}' has floats, which cannot be {value}"
                raise source.wrong(problem, line, "write it as text in all rows")
        return floats
    if len(first) > 1:
        (one, line), (other, other_line) = list(first.items())[:2]
        raise source.wrong(
            f"the attribute '{printable(name)}' is {_KINDS[other]} here and {_KINDS[one]} "
            f"in {source.unit} {line}",
            other_line,
            "give it one type in all rows",
        )
    return values


def attribute_problem(value: object) -> str | None:
    """Returns why a value cannot be an attribute; None when it can."""
    if isinstance(value, str):
        return None if is_utf8(value) else "holds half a character (a lone surrogate)"
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return None if value in _INT64 else "does not fit 64 bits"
    if isinstance(value, float):
        return None if isfinite(value) else "is not a finite number"
    return f"is {_kind(value)}; attributes are text, numbers, true or false"


# JSON Lines


def _read_jsonl(source: LabelSource) -> _Table:
    lines: list[int] = []
    columns: dict[str, list[Any]] = {}
    introduced: dict[str, int] = {}
    text = source.text()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        for name, value in _json_object(source, number, line).items():
            if name not in columns:
                columns[name] = [None] * len(lines)
                introduced[name] = number
            columns[name].append(value)
        if len(columns) > COLUMNS_MAX:  # before names that never repeat fill the memory
            raise source.wrong(f"there are over {COLUMNS_MAX} different names", number)
        lines.append(number)
        source.refuse_too_many(len(lines), len(columns), len(text))
        for values in columns.values():
            if len(values) < len(lines):
                values.append(None)
    columns = as_said({name: source.told(name, values) for name, values in columns.items()})
    if _is_hugging_face(columns):
        kinds = (dict, list)
        nested = [
            name for name, values in columns.items()
            if name not in _Cells._fields and any(isinstance(value, kinds) for value in values)
        ]  # fmt: skip
        if nested or "annotation" in columns:
            members = _members({name: columns.pop(name) for name in nested})
            columns["annotation"] = annotations_of(columns.get("annotation"), members)
    for name in _attributes(source, list(columns), introduced):
        columns[name] = _one_type(source, lines, name, columns[name])
    return _Table(lines, columns, _Cells(_one_label, _label_list, _instant, json_text))


def _is_hugging_face(names: Container[str]) -> bool:
    """Whether lists and objects become members of the annotation: in Hugging Face's tables."""
    return next((name for name in PATH_COLUMNS if name in names), None) == "file_name"


def _may_nest(names: Container[str]) -> bool:
    return _is_hugging_face(names) and "annotation" not in names


def _members(columns: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Returns an object for each row, of the columns that say something there."""
    rows = zip(*columns.values(), strict=True)
    found = ({n: v for n, v in zip(columns, row, strict=True) if v is not None} for row in rows)
    return [members or None for members in found]


def _json_object(source: LabelSource, number: int, line: str) -> dict[str, Any]:
    hint = "write one JSON object a line"
    try:
        row = STRICT.decode(line)
    except json.JSONDecodeError as error:
        problem = f"this is not JSON: {error.msg} (character {error.colno})"
        raise source.wrong(problem, number, hint) from None
    except RecursionError:
        raise source.wrong("this is nested too deeply", number) from None
    except ValueError as error:
        raise source.wrong(str(error), number) from None
    if not isinstance(row, dict):
        raise source.wrong(f"this is {_kind(row)}", number, hint)
    return row


# CSV


def _read_csv(source: LabelSource, delimiter: str) -> _Table:
    import csv
    from io import StringIO

    reader = csv.reader(StringIO(source.text(), newline=""), delimiter=delimiter, strict=True)
    lines: list[int] = []
    rows: list[list[str]] = []
    try:
        header = [name.strip() for name in next(filter(None, reader), [])]
        header_line = reader.line_num
        line = header_line + 1
        for row in reader:
            if row and len(row) != len(header):
                problem = f"there are {len(row)} fields, but {len(header)} in the header"
                raise source.wrong(problem, line, 'fields with separators stand in "quotes"')
            if row:  # a blank line has no fields
                lines.append(line)
                rows.append(row)
            line = reader.line_num + 1
    except csv.Error as error:
        hint = "very long values fit JSON Lines" if "field limit" in str(error) else None
        raise source.wrong(f"this is not CSV: {error}", reader.line_num, hint) from None
    if not header:
        raise source.wrong("there is no header", 1, "name the columns in the first line")
    attributes = _attributes(source, header, dict.fromkeys(header, header_line))
    columns: dict[str, Sequence[Any]] = {}
    for i, name in enumerate(header):
        cells = source.told(name, [row[i] if row[i].strip() else None for row in rows])
        columns[name] = _inferred(cells) if name in attributes else cells
    return _Table(lines, columns, _Cells(_one_label, _labels_from_text, _instant, annotation_text))


def _labels_from_text(text: str) -> tuple[str, ...]:
    parts = (part.strip() for part in re.split("[;|]", text))
    return tuple(dict.fromkeys(check_label(part) for part in parts if part))


def _inferred(cells: Sequence[str | None]) -> Sequence[AttributeValue | None]:
    """Returns the cells as integers, floats or booleans if all of them are; else as they are.

    A value that would change, such as 007, +49 or an integer too long for its type, is text.
    """
    present = [cell.strip() for cell in cells if cell is not None]
    convert: Callable[[str], AttributeValue]
    if all(_INT.fullmatch(cell) and len(cell) <= 20 and int(cell) in _INT64 for cell in present):
        convert = int
    elif all(_FLOAT.fullmatch(cell) and _keeps_value(cell) for cell in present):
        convert = float
    elif all(cell.lower() in ("true", "false") for cell in present):

        def convert(cell: str) -> bool:
            return cell.strip().lower() == "true"
    else:
        return cells
    return [None if cell is None else convert(cell) for cell in cells]


def attribute_value(text: str) -> AttributeValue:
    """Returns the value of an attribute as a table with this one cell would have it."""
    (value,) = _inferred([text])
    assert value is not None
    return value


def _keeps_value(cell: str) -> bool:
    number = float(cell)
    return isfinite(number) and (abs(number) < 2**53 or not _INT.fullmatch(cell))


# Parquet


def _read_parquet(source: LabelSource) -> _Table:
    import pyarrow as pa
    from pyarrow import parquet

    from dsm.format.manifest import expanded, memory_most

    try:
        data = source.read()
        file = parquet.ParquetFile(pa.BufferReader(data))
        source.refuse_too_many(file.metadata.num_rows, file.metadata.num_columns, len(data))
        if expanded(file, data) > memory_most(len(data)):
            raise source.wrong("its rows take more memory than they may")
        table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise source.wrong(f"this is not a Parquet file: {printable(str(error))}") from None
    lines = range(1, table.num_rows + 1)
    time: Callable[[Any], int] = _instant
    annotation: Callable[[Any], str] = json_text
    columns: dict[str, Sequence[Any]] = {}
    attributes = _attributes(source, table.column_names)
    nested: dict[str, Sequence[Any]] = {}
    may_nest = _may_nest(table.column_names)
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if name == "time" and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            column, time = _microseconds(source, column), _checked_us
        elif name in attributes and pa.types.is_temporal(kind):
            hint = "write it as text, or call the column 'time' if it is the example's time"
            raise source.wrong(f"the attribute '{printable(name)}' has the type {kind}", None, hint)
        elif name == "annotation" and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            annotation = annotation_text
        try:
            values = source.told(name, column.to_pylist())
        except (ValueError, pa.ArrowException) as error:  # text that is not UTF-8, say
            problem = f"the column '{printable(name)}': {printable(str(error))}"
            raise source.wrong(problem) from None
        if may_nest and name in attributes and pa.types.is_nested(kind):
            nested[name] = values
            continue
        columns[name] = _one_type(source, lines, name, values) if name in attributes else values
    if nested:
        columns["annotation"] = _members(nested)
    return _Table(lines, columns, _Cells(_one_label, _label_list, time, annotation))


def _microseconds(source: LabelSource, column: Any) -> Any:
    import pyarrow as pa

    zone = getattr(column.type, "tz", None)
    try:
        # Nanoseconds are cut off; coarser units must not overflow.
        safe = getattr(column.type, "unit", None) != "ns"
        return column.cast(pa.timestamp("us", tz=zone), safe=safe).cast(pa.int64())
    except pa.ArrowException as error:
        raise source.wrong(f"the column 'time': {printable(str(error))}") from None


def _checked_us(us: int) -> int:
    if not EARLIEST_US <= us <= LATEST_US:
        raise ValueError("the time is outside the years 1 to 9999")
    return us


_READERS: dict[str, Callable[[LabelSource], _Table]] = {
    ".csv": partial(_read_csv, delimiter=","),
    ".tsv": partial(_read_csv, delimiter="\t"),
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
}
