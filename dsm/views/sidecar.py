"""What is told of an example beside its bytes: the same JSON in every format.

Invariant: one spelling. Members are sorted by name, without blanks, in UTF-8; every example of a
view has the same members, and the same attributes, null where it has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.format.manifest import ATTRIBUTE

NO_CLASS = -1


def class_indices(labels: Sequence[Sequence[str]], classes: Mapping[str, int]) -> list[int]:
    """Returns for each row the index of its only label, -1 when there is none or more than one."""
    return [classes[found[0]] if len(found) == 1 else NO_CLASS for found in labels]


class Sidecar:
    """Writes the JSON of examples, a batch at a time. `classes` maps each label to its index."""

    def __init__(self, classes: Mapping[str, int]):
        self._classes = classes
        self._labels: dict[tuple[str, ...], str] = {}

    def lines(self, rows: pa.Table, offsets: Sequence[int] | None = None) -> list[str]:
        """Returns one JSON object a row; `offsets` adds where the payloads are."""
        count = rows.num_rows
        where = [""] * count if offsets is None else [f'"offset":{at},' for at in offsets]
        columns = (
            rows.column("annotation").to_pylist(), _attributes(rows),
            rows.column("changeset").to_pylist(), rows.column("labels").to_pylist(),
            rows.column("object").to_pylist(), where, rows.column("path").to_pylist(),
            rows.column("size").to_pylist(), _times(rows.column("time")),
        )  # fmt: skip
        known = self._labels
        found = []
        for annotation, attributes, changeset, labels, oid, at, path, size, time in zip(
            *columns, strict=True
        ):
            key = tuple(labels or ())
            found.append(
                f'{{"annotation":{annotation or "null"},"attributes":{attributes},'
                f'"changeset":{changeset},{known.get(key) or self._told(key)},'
                f'"object":"{oid.hex()}",{at}"path":{encode_basestring(path)},"size":{size},'
                f'"time":"{time}"}}'
            )
        return found

    def _told(self, labels: tuple[str, ...]) -> str:
        indices = ",".join(str(self._classes[label]) for label in labels)
        names = ",".join(map(encode_basestring, labels))
        if len(self._labels) > 10_000:
            self._labels.clear()
        self._labels[labels] = text = f'"classes":[{indices}],"labels":[{names}]'
        return text


def _times(times: pa.ChunkedArray) -> list[str]:
    """Spells instants as `dsm.model.timespec.format_time` does."""
    text = times.cast(pa.timestamp("us")).cast(pa.string())
    text = pc.replace_substring_regex(text, r"^(\S+) (\S+?)(?:\.000000)?$", r"\1T\2Z")
    found: list[str] = text.to_pylist()
    return found


def attribute_names(schema: pa.Schema) -> list[str]:
    """Returns the attributes of a table, sorted."""
    return sorted(name[len(ATTRIBUTE) :] for name in schema.names if name.startswith(ATTRIBUTE))


def _attributes(rows: pa.Table) -> list[str]:
    names = attribute_names(rows.schema)
    if not names:
        return ["{}"] * rows.num_rows
    columns = [
        _members(name, rows.column(ATTRIBUTE + name).to_pylist())
        for name in names
    ]  # fmt: skip
    return [f"{{{','.join(values)}}}" for values in zip(*columns, strict=True)]


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
