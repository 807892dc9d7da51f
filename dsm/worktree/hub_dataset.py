"""Datasets of Hugging Face's library on disk: what `save_to_disk` wrote, or a snapshot of the Hub.

Hides Arrow and Parquet behind two readings: the first gives paths and what is said of each row, the
second the bytes, row by row. Invariant: nothing but the folder's own tables is read (a row without
bytes is refused, wherever its path leads), and every path is legal, or made from a number.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from dsm.errors import InvalidInput, NotFound
from dsm.model.example import AttributeValue
from dsm.model.names import check_attribute_name, check_label, check_path, printable
from dsm.worktree.hub_features import classes_of, named, without_nan
from dsm.worktree.label_file import attribute_problem
from dsm.worktree.label_row import LabelRow, json_text

_SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}(?:-[0-9a-f]+)?")
_SPLIT = re.compile(r"\w[\w.-]{0,99}")
_PLAIN_FOLDERS = ("data", "default")
_BATCH = 64  # rows whose payloads are in memory together
_STATE_BYTES_MAX = 16 << 20
_MAGIC = (
    (b"\x89PNG", ".png"), (b"\xff\xd8\xff", ".jpg"), (b"GIF8", ".gif"), (b"BM", ".bmp"),
    (b"fLaC", ".flac"), (b"OggS", ".ogg"), (b"ID3", ".mp3"), (b"\xff\xfb", ".mp3"),
    (b"II*\0", ".tif"), (b"MM\0*", ".tif"),
)  # fmt: skip


@dataclass(slots=True)
class HubDataset:
    """What a folder holds: `rows` by path, in the order in which `content` gives their bytes.

    `left_out` are columns that no example can keep: further ones of images, sounds or other bytes.
    `classes` are those that the column of labels has, in their order.
    """

    rows: dict[str, LabelRow] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    classes: dict[str, None] = field(default_factory=dict)
    _tables: list[_Table] = field(default_factory=list)

    def content(self) -> Iterator[tuple[str, bytes]]:
        """Yields the bytes of each row by its path, few rows at a time. Raises InvalidInput."""
        paths = iter(self.rows)
        for table in self._tables:
            for _, data in table.payloads():
                path = next(paths, None)
                if path is None:
                    break
                yield path, data
        if next(paths, None) is not None:
            raise InvalidInput("the folder has fewer rows than before: something changes it")


def read_hub_dataset(folder: str, shown: str, below: str = "") -> HubDataset:
    """Returns what a folder holds, whose paths are to lie below a path of the dataset.

    `shown` is its name in errors. Raises NotFound, InvalidInput.
    """
    if not os.path.isdir(folder):
        raise NotFound(f"there is no folder {printable(shown)}", hint="name one on this machine")
    found = HubDataset()
    groups: dict[str, list[_Table]] = {}
    for full, place, split in _files(folder, shown):
        name = os.path.join(shown, os.path.relpath(full, folder))
        table = _Table(full, name, split)
        groups.setdefault("/".join(filter(None, (below, place, split))), []).append(table)
        found.left_out += [c for c in table.left_out if c not in found.left_out]
        found.classes |= dict.fromkeys(table.classes)
    if not groups:
        raise InvalidInput(
            f"{printable(shown)} has no Parquet or Arrow files",
            hint="give a folder of `save_to_disk`, or a snapshot of the Hub; files beside a table"
            " are added as they are: dsm add DIR --labels DIR/metadata.csv",
        )
    for place, tables in sorted(groups.items()):
        names = [name for table in tables for name in table.names()]
        # The names in the rows are kept where all differ, also in small letters.
        kept = len({name.lower() for name in names if "/" not in name}) == len(names)
        number = 0
        for table in tables:
            for row in table.rows():
                name = names[number]
                if not kept:
                    suffix = name[1:] if name.startswith("/") else _suffix(name)
                    name = f"{number:08d}{suffix}"
                found.rows[check_path(f"{place}/{name}")] = row
                number += 1
        found._tables += tables
    return found


def _files(folder: str, shown: str) -> Iterator[tuple[str, str, str]]:
    """Yields each table, in order: its path, the folders that tell it apart, and its split."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        rel = "" if where == folder else os.path.relpath(where, folder)
        parts = [part for part in rel.split("/") if part]
        state = _state(where, shown) if "state.json" in names else None
        listed = [name for name in sorted(names) if name.endswith((".parquet", ".arrow"))]
        if state is not None:
            listed = [name for name in state[0] if name in listed]
        for name in listed:
            stem = os.path.splitext(name)[0]
            if state is None and stem.startswith(("cache-", "tmp")):
                continue
            shard = _SHARD.fullmatch(stem)
            split = state[1] if state is not None else ""
            if not split and shard is not None and shard[1] != "data":
                split = shard[1]
            if not split and parts and parts[-1] not in _PLAIN_FOLDERS:
                split = parts[-1]
            if not _SPLIT.fullmatch(split):
                split = "train"
            place = [p for p in parts if p not in _PLAIN_FOLDERS]
            if place and place[-1] == split:
                place.pop()
            yield os.path.join(where, name), "/".join(place), split


def _state(folder: str, shown: str) -> tuple[list[str], str]:
    """Returns the files that `save_to_disk` lists, and its split."""
    place = printable(os.path.join(shown, "state.json"))
    try:
        with open(os.path.join(folder, "state.json"), "rb") as file:
            told = json.loads(file.read(_STATE_BYTES_MAX))
        names = [str(item["filename"]) for item in told["_data_files"]]
        split = told.get("_split")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidInput(f"{place} is not what `save_to_disk` writes") from None
    return names, split if isinstance(split, str) else ""


class _Table:
    """One file: its columns, and what they are."""

    def __init__(self, full: str, shown: str, split: str):
        self._full, self._shown, self._split = full, shown, split
        self._suffixes: list[str] = []
        schema = self._schema()
        self._features = _features(schema)
        self._payload, self._is_text, self.left_out = self._payload_of(schema)
        self._names_rows = _has(schema.field(self._payload).type, "path")
        self._label = self._label_of(schema)
        self._said = [n for n in schema.names if n not in (self._payload, *self.left_out)]
        named = classes_of(self._features.get(self._label or "")) or ()
        self.classes = [label for label in named if _is_legal(check_label, label)]
        # A column called `time` or `path` is no attribute, and is kept in the annotation.
        self._attributes = {n for n in self._said if _is_legal(check_attribute_name, n)}

    def _wrong(self, problem: str) -> InvalidInput:
        return InvalidInput(f"{printable(self._shown)}: {problem}")

    # --- reading ---

    def _schema(self) -> pa.Schema:
        try:
            if self._full.endswith(".parquet"):
                return parquet.read_schema(self._full)
            with _stream(self._full) as stream:
                return stream.schema
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._wrong(f"this cannot be read: {printable(str(error))}") from None

    def _batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        try:
            if self._full.endswith(".parquet"):
                with parquet.ParquetFile(self._full, pre_buffer=False, buffer_size=1 << 20) as file:
                    yield from file.iter_batches(batch_size=_BATCH, columns=columns)
                return
            top = list(dict.fromkeys(name.partition(".")[0] for name in columns))
            with _stream(self._full) as stream:
                for batch in stream:
                    batch = batch.select(top)
                    batch.validate(full=True)  # offsets may lead anywhere
                    for first in range(0, batch.num_rows, _BATCH):
                        yield batch.slice(first, _BATCH)
        except (pa.ArrowException, OSError) as error:
            raise self._wrong(f"this cannot be read: {printable(str(error))}") from None

    def names(self) -> Iterator[str]:
        """Yields the name that each row gives its payload; of one without, ever the same
        with a slash and its suffix."""
        if self._is_text:
            for batch in self._batches([self._payload]):
                yield from ["/.txt"] * batch.num_rows
            return
        if not self._names_rows:
            yield from (f"/{_suffix_of(data)}" for _, data in self.payloads())
            return
        number = 0
        for batch in self._batches([f"{self._payload}.path"]):
            for at, value in enumerate(batch.column(0).field("path").to_pylist()):
                name = posixpath.basename(value.replace("\\", "/")) if value else ""
                if name and _is_name(name):
                    yield name
                else:
                    yield "/" + (_suffix(name) or self._suffix_at(number + at))
            number += batch.num_rows

    def _suffix_at(self, number: int) -> str:
        """Returns the suffix by the first bytes, for all rows of the file at once."""
        if not self._suffixes:
            self._suffixes = [_suffix_of(data) for _, data in self.payloads()]
        return self._suffixes[number]

    def payloads(self) -> Iterator[tuple[int, bytes]]:
        """Yields the bytes of each row with its number. Raises InvalidInput for one without."""
        number = 0
        columns = [self._payload] if self._is_text else [f"{self._payload}.bytes"]
        for batch in self._batches(columns):
            column = batch.column(0)
            values = column if self._is_text else column.field("bytes")
            for value in values:
                number += 1
                data = value.as_py()
                if data is None:
                    raise InvalidInput(
                        f"{printable(self._shown)}, row {number:,}: there are no bytes",
                        hint="a path is not followed; `save_to_disk` keeps the bytes in the table",
                    )
                yield number, data.encode() if isinstance(data, str) else data

    # --- what the columns are ---

    def _payload_of(self, schema: pa.Schema) -> tuple[str, bool, list[str]]:
        media = [
            name for name in schema.names
            if _has(schema.field(name).type, "bytes")
            and (self._kind(name) in ("Image", "Audio") or _has(schema.field(name).type, "path"))
        ]  # fmt: skip
        held = [name for name in schema.names if _holds_bytes(schema.field(name).type)]
        if media:
            return media[0], False, [name for name in held if name != media[0]]
        if "text" in schema.names and _is_text(schema.field("text").type):
            return "text", True, held
        raise InvalidInput(
            f"{printable(self._shown)} has no column of images, sounds or text",
            hint="rows of values are records: --records",
        )

    def _kind(self, name: str) -> str:
        found = self._features.get(name)
        return str(found.get("_type")) if isinstance(found, dict) else ""

    def _label_of(self, schema: pa.Schema) -> str | None:
        named = [name for name in ("label", "labels") if name in schema.names]
        classes = [n for n in schema.names if classes_of(self._features.get(n)) is not None]
        return next(iter([*named, *classes]), None)

    # --- what the rows say ---

    def rows(self) -> Iterator[LabelRow]:
        """Yields what each row says. Raises InvalidInput."""
        if not self._said:
            for batch in self._batches([self._payload]):
                yield from [LabelRow(attributes={"split": self._split})] * batch.num_rows
            return
        number = 0
        for batch in self._batches(self._said):
            try:
                columns = {name: batch.column(name).to_pylist() for name in self._said}
            except (ValueError, pa.ArrowException) as error:  # text that is not UTF-8, say
                raise self._wrong(printable(str(error))) from None
            for values in zip(*columns.values(), strict=True):
                number += 1
                try:
                    yield self._row(dict(zip(columns, values, strict=True)))
                except ValueError as error:
                    problem = error.message if isinstance(error, InvalidInput) else str(error)
                    place = f"{printable(self._shown)}, row {number:,}"
                    raise InvalidInput(f"{place}: {printable(problem)}") from None

    def _row(self, values: dict[str, Any]) -> LabelRow:
        labels: tuple[str, ...] | None = None if self._label is None else ()
        attributes: dict[str, AttributeValue] = {"split": self._split}
        members: dict[str, Any] = {}
        for name, value in values.items():
            value = named(value, self._features.get(name), name)
            if value is None or value != value:
                continue
            if name == self._label:
                several = value if isinstance(value, list) else [value]
                labels = tuple(sorted({check_label(_text(v)) for v in several if v is not None}))
            elif isinstance(value, dict | list):
                members[name] = value
            elif name not in self._attributes:
                members[name] = value if isinstance(value, bool | int | float | str) else str(value)
            else:
                kept = value if isinstance(value, bool | int | float | str) else str(value)
                problem = attribute_problem(kept)
                if problem:
                    raise ValueError(f"the column {name} {problem}")
                attributes[name] = kept
        annotation = _annotation(members) if members else None
        return LabelRow(labels, annotation=annotation, attributes=attributes)


def _stream(full: str) -> Any:
    """Opens an Arrow file, of which only what is asked for is read."""
    source = pa.memory_map(full)
    try:
        return pa.ipc.open_stream(source)
    except pa.ArrowInvalid:
        source.close()
        raise


def _features(schema: pa.Schema) -> dict[str, Any]:
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        found = told["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _annotation(members: dict[str, Any]) -> str:
    """Returns the members as JSON, what is no number in them as null. Raises ValueError."""
    try:
        return json_text(members)
    except ValueError:
        return json_text(without_nan(members))


def _is_legal(check: Callable[[str], str], name: str) -> bool:
    try:
        check(name)
    except InvalidInput:
        return False
    return True


def _text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError("a label is text or the number of a class")
    return value


def _has(kind: pa.DataType, name: str) -> bool:
    return bool(pa.types.is_struct(kind) and kind.get_field_index(name) >= 0)


def _holds_bytes(kind: pa.DataType) -> bool:
    """Whether a column has bytes, in structs and lists too."""
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return True
    if pa.types.is_fixed_size_binary(kind):
        return True
    return any(_holds_bytes(kind.field(at).type) for at in range(kind.num_fields))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_name(name: str) -> bool:
    try:
        return check_path(name) == name and name.isprintable() and not name.startswith(".")
    except InvalidInput:
        return False


def _suffix(name: str) -> str:
    suffix = posixpath.splitext(name)[1].lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ""


def _suffix_of(data: bytes) -> str:
    if data[:4] == b"RIFF":
        return ".webp" if data[8:12] == b"WEBP" else ".wav"
    return next((suffix for magic, suffix in _MAGIC if data.startswith(magic)), ".bin")
