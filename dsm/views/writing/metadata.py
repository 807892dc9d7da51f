"""What is told of an example beside its bytes: the same JSON in every format.

Invariant: one spelling. Members are sorted by name, without blanks, in UTF-8; every example of a
view has the same members, and the same attributes, null where it has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from json.encoder import encode_basestring
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.format.manifest import ATTRIBUTE
from dsm.model.target import LABELS
from dsm.views.selection.classes import ClassList
from dsm.views.selection.columns import integers, label_tuples, whole

TEXT = pa.large_string()
_ESCAPED = r'[\x00-\x1f"\\]'


class MetadataWriter:
    """Writes the JSON of examples, a batch at a time."""

    def __init__(self, classes: ClassList):
        self._classes = classes
        self._labels: dict[tuple[str, ...], str] = {}

    def lines(self, rows: pa.Table) -> list[str]:
        """Returns one JSON object a row."""
        found: list[str] = self._spelled(rows, None, "}").to_pylist()
        return found

    def text(self, rows: pa.Table, offsets: Sequence[int] | None = None) -> bytes:
        """Returns the lines of an index: an object a row; `offsets` adds where the payloads are."""
        return _bytes(self._spelled(rows, offsets, "}\n"))

    def flat(self, folder: str, rows: pa.Table) -> bytes:
        """Returns lines of the same, but with a column for each attribute and one class.

        `file_name` is the path below `folder`; annotations are text.
        """
        columns = attribute_names(rows.schema)
        attributes: list[pa.Array | str] = []
        for name in columns:
            values = rows.column(ATTRIBUTE + name).to_pylist()
            attributes += [",", pa.array(_members(ATTRIBUTE + name, values), TEXT)]
        path = _quoted(rows.column("path"))
        if len(path) == 1:  # spelled already, with its quotes
            named: tuple[Any, ...] = (f'"{folder}', pc.utf8_slice_codeunits(path[0], 1))
        else:
            named = (f'"{folder}', path[1], '"')
        labels = [_list(names) for names in label_tuples(whole(rows.column("labels")))]
        parts = (
            '{"file_name":', *named, ',"label":', integers(self._classes.of(rows)),
            ',"path":', *path, ',"labels":', pa.array(labels, TEXT),
            ',"time":"', _times(rows.column("time")), 'Z","annotation":',
            pa.array([_json(text) for text in rows.column("annotation").to_pylist()], TEXT),
            ',"object":"', _in_hex(rows.column("object")), '","size":', rows.column("size"),
            ',"changeset":', rows.column("changeset"), *attributes, "}\n",
        )  # fmt: skip
        return _bytes(_joined(parts))

    def _spelled(self, rows: pa.Table, offsets: Sequence[int] | None, end: str) -> pa.Array:
        """Joins the columns with what stands between them: no Python object a row for most."""
        where = ['"'] if offsets is None else ['","offset":', integers(offsets)]
        parts = (
            '{"annotation":', _annotations(rows), ',"attributes":', _attributes(rows),
            ',"changeset":', rows.column("changeset"), ",", self._labels_of(rows),
            ',"object":"', _in_hex(rows.column("object")), *where,
            ',"path":', *_quoted(rows.column("path")), ',"size":', rows.column("size"),
            ',"time":"', _times(rows.column("time")), 'Z"' + end,
        )  # fmt: skip
        return _joined(parts)

    def _labels_of(self, rows: pa.Table) -> pa.Array | str:
        column, known = whole(rows.column("labels")), self._labels
        if self._classes.column != LABELS:
            pairs = zip(label_tuples(column), self._classes.all_of(rows), strict=True)
            return pa.array([_spelled_labels(names, found) for names, found in pairs], TEXT)
        counts = pc.min_max(pc.list_value_length(column)).as_py()
        if not counts["max"]:
            return self._told(())
        if counts == {"min": 1, "max": 1} and not column.null_count:
            found = column.flatten().dictionary_encode()  # spelled once for each label
            told = [self._told((name,)) for name in found.dictionary.to_pylist()]
            return pa.array(told, TEXT).take(found.indices)
        told = [known.get(key) or self._told(key) for key in label_tuples(column)]
        return pa.array(told, TEXT)

    def _told(self, labels: tuple[str, ...]) -> str:
        indices = self._classes.indices
        if len(self._labels) > 10_000:
            self._labels.clear()
        found = [indices[label] for label in labels if label in indices]
        self._labels[labels] = text = _spelled_labels(labels, found)
        return text


def _spelled_labels(labels: Iterable[str], classes: Iterable[int]) -> str:
    return f'"classes":[{",".join(map(str, classes))}],"labels":{_list(labels)}'


def _list(texts: Iterable[str]) -> str:
    return f"[{','.join(map(encode_basestring, texts))}]"


def _bytes(lines: pa.Array) -> bytes:
    """Returns all texts, one after the other."""
    if not len(lines):
        return b""
    _, ends, joined = lines.buffers()
    return bytes(memoryview(joined)[: memoryview(ends).cast("q")[len(lines)]])


def _annotations(rows: pa.Table) -> pa.Array | str:
    column = whole(rows.column("annotation"))
    if column.null_count == len(column):
        return "null"
    return pa.array([text or "null" for text in column.to_pylist()], TEXT)


def _in_hex(column: pa.ChunkedArray) -> pa.Array:
    """Spells hashes, all of one length, without one Python object for each."""
    column = whole(column)
    width, count = column.type.byte_width, len(column)
    if not count:
        return pa.array([], TEXT)
    first = width * column.offset
    digits = memoryview(column.buffers()[1])[first : first + width * count].hex().encode()
    kind, buffers = pa.binary(2 * width), [None, pa.py_buffer(digits)]
    return pa.FixedSizeBinaryArray.from_buffers(kind, count, buffers).cast(TEXT)


def _joined(parts: Iterable[pa.Array | pa.ChunkedArray | str]) -> pa.Array:
    """Joins columns of text or numbers, and what stands between them, row by row."""
    columns: list[pa.Array | pa.Scalar] = []
    between = ""
    for part in parts:
        if isinstance(part, str):
            between += part
        else:
            columns += [pa.scalar(between, TEXT), whole(part).cast(TEXT)]
            between = ""
    return pc.binary_join_element_wise(*columns, pa.scalar(between, TEXT), pa.scalar("", TEXT))


def _quoted(column: pa.ChunkedArray) -> tuple[pa.Array | pa.ChunkedArray | str, ...]:
    """Spells text as JSON does."""
    if pc.any(pc.match_substring_regex(column, _ESCAPED)).as_py():
        return (pa.array([encode_basestring(text) for text in column.to_pylist()], TEXT),)
    return '"', column, '"'


def _times(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Spells instants as `dsm.model.timespec.format_time` does, but for the Z in the end."""
    text = pc.replace_substring(times.cast(pa.timestamp("us")).cast(pa.string()), " ", "T")
    whole_seconds = pc.ends_with(text, ".000000")
    if not pc.any(whole_seconds).as_py():
        return text
    return pc.if_else(whole_seconds, pc.utf8_slice_codeunits(text, 0, -7), text)


def attribute_names(schema: pa.Schema) -> list[str]:
    """Returns the attributes of a table, sorted."""
    return sorted(name[len(ATTRIBUTE) :] for name in schema.names if name.startswith(ATTRIBUTE))


def _attributes(rows: pa.Table) -> pa.Array | str:
    names = attribute_names(rows.schema)
    if not names:
        return "{}"
    columns = [
        _members(name, rows.column(ATTRIBUTE + name).to_pylist())
        for name in names
    ]  # fmt: skip
    return pa.array([f"{{{','.join(values)}}}" for values in zip(*columns, strict=True)], TEXT)


def _members(name: str, values: Sequence[Any]) -> list[str]:
    key = encode_basestring(name)
    return [f"{key}:{_json(value)}" for value in values]


def _json(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        text: str = encode_basestring(value)
        return text
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)  # of a float the shortest digits that give it back
