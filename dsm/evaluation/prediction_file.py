"""Files of predictions: CSV, TSV, JSON Lines and Parquet, read by Arrow a column at a time.

What is read is bounded, and no Python object is made for a row.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import InvalidInput, NotFound
from dsm.evaluation.given import Given, numbers, texts
from dsm.format.manifest import expanded, memory_most
from dsm.format.predictions import CLASSES_MAX
from dsm.model.names import printable
from dsm.worktree.label_source import PATH_COLUMNS

BYTES_MAX = 4 << 30
LINE_BYTES_MAX = 16 << 20
LABEL_COLUMNS = ("label", "predicted", "prediction", "predicted_label")
VALUE_COLUMNS = ("value", "predicted_value")
SCORE_COLUMNS = ("score", "confidence")
PROBABILITIES = ("probabilities", "probs", "proba")
PREFIXES = ("prob.", "prob_", "proba_")
STREAM = "standard input"
Read = tuple[list[str], Any]


def read_predictions(source: str | BinaryIO) -> Given:
    """Reads a file of predictions; its suffix tells the format, of an open file its first bytes.

    Raises NotFound, InvalidInput.
    """
    if not isinstance(source, str):
        return _read(source.read(BYTES_MAX + 1), STREAM, None)
    suffix, name = os.path.splitext(source)[1].lower(), printable(source)
    try:
        with open(source, "rb") as file:
            # A name says nothing of a pipe, such as <(command) of a shell.
            known = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return _read(file.read(BYTES_MAX + 1), name, suffix if known else None)
    except FileNotFoundError:
        raise NotFound(f"there is no file {name}", hint="- stands for standard input") from None
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {error.strerror}") from error


def _read(data: bytes, name: str, suffix: str | None) -> Given:
    if len(data) > BYTES_MAX:
        raise InvalidInput(f"{name} is longer than {BYTES_MAX:,} bytes")
    data = data.removeprefix(b"\xef\xbb\xbf") if data[:1] == b"\xef" else data
    if not data or data.isspace():
        raise InvalidInput(f"{name} is empty")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidInput(f"{name} is UTF-16", hint="write it as UTF-8")
    readers = {
        ".parquet": _parquet, ".jsonl": _jsonl, ".ndjson": _jsonl, ".csv": _csv, ".tsv": _csv,
    }  # fmt: skip
    reader = readers.get(suffix or _suffix_of(data))
    if reader is None:
        raise InvalidInput(
            f"{name} is not known as a file of predictions by its name",
            hint=f"use one of the suffixes {', '.join(readers)}",
        )
    try:
        return _given(reader(data, name), name)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, InvalidInput):
            raise
        problem = printable(str(error))[:300]
        if "straddles" in problem:  # as Arrow says it
            problem = "a line is too long"
        raise InvalidInput(f"{name} cannot be read: {problem}") from None


def _suffix_of(data: bytes) -> str:
    if data.startswith(b"PAR1"):
        return ".parquet"
    return ".jsonl" if data[:1000].lstrip()[:1] == b"{" else ".csv"


def _parquet(data: bytes, name: str) -> pa.Table:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(data))
    if expanded(file, data) > memory_most(len(data)):
        raise InvalidInput(f"{name}: its rows take more than {memory_most(len(data)):,} bytes")
    names = [each for each in file.schema_arrow.names if _is_used(each)]
    return file.read(names)


def _jsonl(data: bytes, name: str) -> pa.Table:
    from pyarrow import json

    return json.read_json(pa.BufferReader(data), json.ReadOptions(block_size=LINE_BYTES_MAX))


def _csv(data: bytes, name: str) -> pa.Table:
    import csv as python_csv

    from pyarrow import csv

    # Names of columns are read first: they say which cells are text, such as the label 007.
    head = data[: 1 << 20].decode("utf-8", "replace")
    line = head.split("\n", 1)[0]
    delimiter = "\t" if "\t" in line and "," not in line else ","
    names = next(python_csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), [])
    names = [each.strip() for each in names]
    if len({*names}) < len(names):
        twice = next(each for at, each in enumerate(names) if each in names[:at])
        raise InvalidInput(f"{name}: two columns are named {printable(twice)!r}")
    used = [each for each in names if _is_used(each)]
    as_text = (*PATH_COLUMNS, *LABEL_COLUMNS)
    return csv.read_csv(
        pa.BufferReader(data),
        csv.ReadOptions(column_names=names, skip_rows=1),
        csv.ParseOptions(delimiter=delimiter, newlines_in_values=b'"' in data),
        csv.ConvertOptions(
            column_types={
                each: pa.string() if each in as_text else pa.float64() for each in used
            },
            include_columns=used,
        ),
    )  # fmt: skip


def _is_used(name: str) -> bool:
    known = (*PATH_COLUMNS, *LABEL_COLUMNS, *VALUE_COLUMNS, *SCORE_COLUMNS, *PROBABILITIES)
    return name in known or name.startswith(PREFIXES)


def _given(table: pa.Table, name: str) -> Given:
    path = _only(table, PATH_COLUMNS, name)
    if path is None:
        raise InvalidInput(
            f"{name}: there is no column with paths",
            hint=f"call it one of {', '.join(PATH_COLUMNS)}; found"
            f" {printable(', '.join(table.column_names[:20])) or 'none'}",
        )
    paths = texts(_whole(path))
    if paths.null_count:
        raise InvalidInput(
            f"{name}: row {pc.index(pc.is_null(paths), True).as_py() + 1} has no path"
        )
    label, value, score, packed = (
        _only(table, names, name)
        for names in (LABEL_COLUMNS, VALUE_COLUMNS, SCORE_COLUMNS, PROBABILITIES)
    )
    found = {each: each[len(prefix) :] for each in table.column_names for prefix in PREFIXES
             if each.startswith(prefix)}  # fmt: skip
    classes: tuple[str, ...] | None = tuple(found.values())
    columns: Sequence[pa.Array] = [_whole(table.column(each)) for each in found]
    if packed is not None:
        if columns:
            raise InvalidInput(f"{name}: probabilities stand in one column, and in one a class")
        columns, classes = _unpacked(_whole(packed), name)
    if len(columns) > CLASSES_MAX:
        raise InvalidInput(f"{name}: there are {len(columns):,} classes, at most {CLASSES_MAX:,}")
    return Given(
        paths=_plain(paths),
        labels=None if label is None else texts(_whole(label)),
        values=None if value is None else numbers(_whole(value)),
        scores=None if score is None else numbers(_whole(score)),
        probabilities=tuple(numbers(each) for each in columns),
        classes=classes if columns else None,
        where=name,
    )


def _only(table: pa.Table, names: Sequence[str], name: str) -> Any:
    found = [each for each in names if each in table.column_names]
    if len(found) > 1:
        raise InvalidInput(f"{name}: the columns {' and '.join(found)} say the same")
    return table.column(found[0]) if found else None


def _whole(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], whole.type)
    return whole


def _plain(paths: pa.Array) -> pa.Array:
    """Returns paths without the `./` that some tools write before them."""
    dotted = pc.starts_with(paths, "./")
    if not pc.any(dotted).as_py():
        return paths
    return pc.if_else(dotted, pc.utf8_slice_codeunits(paths, 2), paths)


def _unpacked(column: pa.Array, name: str) -> tuple[list[pa.Array], tuple[str, ...] | None]:
    """Returns the columns of objects by class, or of lists in the order of the view's classes."""
    kind = column.type
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py() + 1
        raise InvalidInput(f"{name}: row {row} has no probabilities")
    if pa.types.is_struct(kind):
        members = [kind.field(at).name for at in range(kind.num_fields)]
        return [pc.fill_null(each, 0.0) for each in column.flatten()], tuple(members)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        ends = pc.min_max(pc.list_value_length(column)).as_py()
        if ends["min"] != ends["max"]:
            raise InvalidInput(
                f"{name}: the rows have {ends['min']} to {ends['max']} probabilities",
                hint="each row has one for each class of the view, in its order",
            )
        width = ends["min"] or 0
        return [pc.list_element(column, at) for at in range(width)], None
    if pa.types.is_fixed_size_list(kind):
        return [pc.list_element(column, at) for at in range(kind.list_size)], None
    raise InvalidInput(
        f"{name}: probabilities are {kind}", hint="objects by class, or lists of numbers"
    )
