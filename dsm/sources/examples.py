"""Rows of a source's answer, turned into examples column by column.

Hides how a key becomes a path, a value a label or a time, and a row a payload. The invariants:
keys that differ have paths that differ, every path is legal, and no error holds a value of a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as t
from blake3 import blake3

from dsm.errors import InvalidInput
from dsm.format.manifest import ARROW_TYPES, ATTRIBUTE, FIXED, TIME
from dsm.history.fold import snapshot_schema
from dsm.model.names import check_label, printable
from dsm.model.timespec import EARLIEST_US, LATEST_US, parse_instant
from dsm.sources.failures import SourceFailed
from dsm.sources.json_text import TEXT, NotText, checked_text, objects, replaced, texts, uuid_texts
from dsm.sources.key_paths import ODD, component, least_long
from dsm.sources.query import JSON, SourceQuery, is_bytes, is_numeric_text, is_text, stored_type

CONTENT = "content"
NUMBER_DIGITS = 12  # of a row without a key
LABELS_KEPT = 65_536  # how many distinct labels are remembered between batches
_BYTES = pa.large_binary()
_LABELS = next(field.type for field in FIXED if field.name == "labels")
_DAY = 86_400_000_000
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NONE_AT_ALL = object()  # what stands for a value that cannot be a label


class Examples:
    """Turns the rows of one query into examples.

    `schema` is the running answer's; `types` are the attributes of the dataset. Every example is
    of `changeset`, and of `time_us` (since 1970, UTC) when its row has no time. Rows that are
    not `numbered` are not those of the query as it stands: messages do not tell their numbers.
    """

    def __init__(
        self,
        query: SourceQuery,
        schema: pa.Schema,
        *,
        changeset: int,
        time_us: int,
        types: Mapping[str, str],
        numbered: bool = True,
    ):
        self._numbered = numbered
        self._query, self._types = query, types
        self._places = {name: place for place, name in enumerate(schema.names)}
        # In the order that was recorded: a source may hand its columns over in another one.
        recorded = [name for name in query.schema.names if name in self._places]
        self._payload = query.payload or tuple(recorded)
        self._changeset = pa.scalar(changeset, pa.int32())
        self._time = pa.scalar(time_us, pa.int64()).cast(TIME)
        self._labels_known: dict[object, Any] = {}
        content = pa.field(CONTENT, _BYTES, nullable=False)
        self.schema: pa.Schema = snapshot_schema(types).append(content)

    def convert(self, batch: pa.RecordBatch, first: int, *, content: bool = True) -> pa.RecordBatch:
        """Returns the examples of a batch that begins with row `first` (from 0) of the answer.

        Without `content` the payload is empty, and object and size are null: `with_content` adds
        them. Raises SourceFailed for a row that cannot be an example.
        """
        count = batch.num_rows
        made = {
            "path": self._paths(batch, first),
            "time": self._times(batch, first),
            "labels": self._labels(batch, first),
            "changeset": pa.repeat(self._changeset, count),
            CONTENT: pa.repeat(pa.scalar(b"", _BYTES), count),
        }
        for name in self._types:
            if name in self._query.attributes and name in self._places:
                made[ATTRIBUTE + name] = self._attribute(batch, name)
        arrays = [
            made[field.name] if field.name in made else pa.nulls(count, field.type)
            for field in self.schema
        ]
        columns = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        return self.with_content(columns, batch) if content else columns

    def with_content(
        self, columns: pa.RecordBatch, batch: pa.RecordBatch, *, objects: bool = True
    ) -> pa.RecordBatch:
        """Adds payload, size and, if asked for, object to examples; `batch` has the same rows."""
        payloads = self._payloads(batch)
        count = batch.num_rows
        made = {
            "object": _digests(payloads) if objects else pa.nulls(count, pa.binary(32)),
            "size": pc.binary_length(payloads).cast(pa.int64()),
            CONTENT: payloads,
        }
        arrays = [
            made.get(field.name, column)
            for field, column in zip(self.schema, columns.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    # --- columns -------------------------------------------------------------------------------

    def _column(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        return _decoded(batch.column(self._places[name]))

    def _text(self, array: pa.Array, name: str) -> pa.Array:
        try:
            return checked_text(array)
        except NotText:
            pass
        raise self._not_text(name)

    def _not_text(self, name: str) -> SourceFailed:
        return self._failure(
            f"column {printable(name)} holds text that is not UTF-8",
            "convert it in the query, or give it as bytes",
        )

    def _failure(self, what: str, hint: str | None = None) -> SourceFailed:
        return SourceFailed(f"source {self._query.source}: {what}", hint=hint)

    def _paths(self, batch: pa.RecordBatch, first: int) -> pa.Array:
        query = self._query
        if query.key is None:
            numbers = pa.array(range(first, first + batch.num_rows), pa.int64()).cast(TEXT)
            keys = pc.utf8_lpad(numbers, NUMBER_DIGITS, "0")
        else:
            array = self._column(batch, query.key)
            if array.null_count:
                raise self._failure(
                    f"the key is NULL in row {_row(array.is_null(), first)}",
                    "name a key column without NULLs, or COALESCE it",
                )
            keys = self._keys(array, query.key)
        begin, end = pa.scalar(query.name + "/", TEXT), pa.scalar("." + query.extension, TEXT)
        # Not checked again: no component that ends in an extension is one that is refused.
        return pc.binary_join_element_wise(begin, keys, end, pa.scalar("", TEXT)).cast(pa.string())

    def _keys(self, array: pa.Array, name: str) -> pa.Array:
        kind = array.type
        if t.is_integer(kind):
            return array.cast(TEXT)
        if getattr(kind, "extension_name", "") == "arrow.uuid":
            return uuid_texts(array.storage)
        keys = self._key_texts(_stored(array), name)
        extension = self._query.extension
        size = pc.binary_length(keys)
        odd = pc.or_(pc.match_substring_regex(keys, ODD), pc.equal(size, 0))
        long = pc.greater_equal(size, least_long(extension))
        return replaced(keys, pc.or_(odd, long), lambda key: component(key, extension))

    def _key_texts(self, array: pa.Array, name: str) -> pa.Array:
        kind = array.type
        if is_text(kind):
            return self._text(array, name)
        if is_bytes(kind):
            return pa.array([value.hex() for value in array.to_pylist()], TEXT)
        if t.is_decimal(kind):
            keys = array.cast(TEXT)
            return replaced(keys, pc.match_substring(keys, "E"), _without_exponent)
        if t.is_floating(kind) or t.is_boolean(kind):  # only where a type was not known before
            return texts(array)
        raise self._misfit(name, "the key", kind)

    def _misfit(self, name: str, role: str, kind: pa.DataType) -> SourceFailed:
        return self._failure(
            f"column {printable(name)} cannot be {role}: it is of type {kind}",
            "convert it in the query, with CAST",
        )

    def _attribute(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        array = self._column(batch, name)
        kind, wanted = array.type, ARROW_TYPES[self._types[name]]
        exact = t.is_decimal(kind) or is_numeric_text(kind)
        array = _stored(array)
        if t.is_null(array.type):
            return pa.nulls(len(array), wanted)
        if is_text(array.type):
            array = self._text(array, name)
        if exact and wanted == pa.float64():
            # By way of text: it is the float nearest to the decimal, whatever its digits.
            return _floats(array.cast(TEXT))
        if is_text(array.type) == (wanted == pa.string()):
            try:
                # Not safe: an integer beyond 2**53 is rounded, as it is in manifests.
                return array.cast(wanted, safe=wanted != pa.float64())
            except pa.ArrowException:
                pass
        raise self._failure(
            f"column {printable(name)} does not fit the attribute of that name, which is"
            f" {self._types[name]}",
            "convert it in the query, or give it another name with AS",
        )

    # --- labels --------------------------------------------------------------------------------

    def _labels(self, batch: pa.RecordBatch, first: int) -> pa.Array:
        name = self._query.label
        if name is None:
            return _lists([0] * (batch.num_rows + 1), pa.array([], pa.string()))
        array = _stored(batch.column(self._places[name]))
        if not t.is_dictionary(array.type):  # which is of use here
            array = _decoded(array)
        kind = array.type
        if t.is_list(kind) or t.is_large_list(kind):
            return self._label_lists(array, name, first)
        if t.is_null(kind):
            return _lists([0] * (len(array) + 1), pa.array([], pa.string()))
        if not t.is_dictionary(kind):
            array = pc.dictionary_encode(self._label_values(array, name))
        values = self._label_values(array.dictionary, name).to_pylist()
        found = [self._label(value) for value in values]
        bad = [place for place, label in enumerate(found) if label is _NONE_AT_ALL]
        if bad:
            wrong = pc.is_in(array.indices, pa.array(bad, array.indices.type))
            if pc.any(wrong).as_py():  # an ENUM may have values that no row has
                raise self._no_label(_row(wrong, first))
            found = [None if label is _NONE_AT_ALL else label for label in found]
        labels = pa.array(found, pa.string()).take(array.indices)
        ends = pc.cumulative_sum(labels.is_valid().cast(pa.int32()))
        return _lists(pa.concat_arrays([pa.array([0], pa.int32()), ends]), labels.drop_null())

    def _label_lists(self, array: pa.Array, name: str, first: int) -> pa.Array:
        items = _decoded(array.flatten())
        self._label_values(_stored(items), name)
        known = self._label
        lists = []
        for place, values in enumerate(array.to_pylist()):
            labels = {known(value) for value in values or ()} - {None}
            if _NONE_AT_ALL in labels:
                raise self._no_label(first + place + 1)
            lists.append(sorted(labels))
        return pa.array(lists, _LABELS)

    def _label_values(self, array: pa.Array, name: str) -> pa.Array:
        kind = array.type
        if is_text(kind):
            return self._text(array, name)
        if t.is_integer(kind) or t.is_boolean(kind) or t.is_null(kind):
            return array
        raise self._misfit(name, "a label", kind)

    def _label(self, value: Any) -> Any:
        """Returns a value as a label; None for none, _NONE_AT_ALL when it cannot be one."""
        known = self._labels_known
        key = (type(value), value)  # True is 1
        if key in known:
            return known[key]
        text = str(value).lower() if isinstance(value, bool) else str(value)
        try:
            label: Any = None if value is None or not text.strip() else check_label(text)
        except InvalidInput:  # whose message has the value
            label = _NONE_AT_ALL
        if len(known) >= LABELS_KEPT:
            known.clear()
        known[key] = label
        return label

    def _no_label(self, row: int) -> SourceFailed:
        where = f"the label in row {row}" if self._numbered else "a label"
        return self._failure(
            f"{where} is none",
            "a label is 1 to 255 characters of visible text without controls",
        )

    # --- times ---------------------------------------------------------------------------------

    def _times(self, batch: pa.RecordBatch, first: int) -> pa.Array:
        name = self._query.time
        if name is None:
            return pa.repeat(self._time, batch.num_rows)
        array = _stored(self._column(batch, name))
        kind = array.type
        if t.is_null(kind):
            return pa.repeat(self._time, batch.num_rows)
        if is_text(kind):
            array = self._read_times(self._text(array, name), first)
            kind = array.type
        if t.is_date64(kind):
            array = array.cast(pa.int64()).cast(pa.timestamp("ms"))
        elif t.is_date32(kind):
            days = array.cast(pa.int32()).cast(pa.int64())
            self._check_times(days, EARLIEST_US // _DAY, LATEST_US // _DAY, first)
            return pc.multiply(days, _DAY).cast(TIME).fill_null(self._time)
        elif not t.is_timestamp(kind):
            raise self._misfit(name, "a time", kind)
        unit, numbers = array.type.unit, array.cast(pa.int64())
        if unit == "ns":  # all of whose times are within the bounds
            return _thousandths(numbers).cast(TIME).fill_null(self._time)
        each = _MICROSECONDS[unit]
        self._check_times(numbers, EARLIEST_US // each, LATEST_US // each, first)
        if each > 1:
            numbers = pc.multiply(numbers, each)
        return numbers.cast(TIME).fill_null(self._time)

    def _check_times(self, numbers: pa.Array, low: int, high: int, first: int) -> None:
        bounds = pc.min_max(numbers).as_py()
        if bounds["min"] is not None and (bounds["min"] < low or bounds["max"] > high):
            beyond = pc.or_(pc.less(numbers, low), pc.greater(numbers, high))
            raise self._no_time(_row(beyond, first))

    def _read_times(self, array: pa.Array, first: int) -> pa.Array:
        # Arrow reads columns whose times all have a zone, or none.
        for kind in (TIME, pa.timestamp("us")):
            try:
                return array.cast(kind)
            except pa.ArrowException:
                continue
        found = []
        for place, text in enumerate(array.to_pylist()):
            moment = None if text is None else _moment(text)
            if moment is None and text is not None:
                raise self._no_time(first + place + 1)
            found.append(moment)
        return pa.array(found, pa.int64()).cast(TIME)

    def _no_time(self, row: int) -> SourceFailed:
        return self._failure(
            f"the time in row {row} cannot be read, or is not of the years 1 to 9999",
            "give a timestamp, or text as in ISO 8601 (2026-01-31T12:00:00Z)",
        )

    # --- payloads ------------------------------------------------------------------------------

    def _payloads(self, batch: pa.RecordBatch) -> pa.Array:
        if self._query.extension == JSON:
            columns = [batch.column(self._places[name]) for name in self._payload]
            try:
                return objects(self._payload, columns).cast(_BYTES)
            except NotText:
                pass
            raise self._not_text(next(n for n in self._payload if not self._is_good(batch, n)))
        name = self._payload[0]
        array = _stored(self._column(batch, name))
        if is_text(array.type):
            array = self._text(array, name)
        elif not (is_bytes(array.type) or t.is_null(array.type)):
            # A type that was not known before, and a number now: its text.
            array = pc.if_else(array.is_valid(), texts(array), pa.scalar(None, TEXT))
        array = array.cast(_BYTES)
        return array.fill_null(b"") if array.null_count else array

    def _is_good(self, batch: pa.RecordBatch, name: str) -> bool:
        try:
            texts(batch.column(self._places[name]))
        except NotText:
            return False
        return True


def _without_exponent(text: str) -> str:
    from decimal import Decimal

    return f"{Decimal(text):f}"


def _decoded(array: pa.Array) -> pa.Array:
    if t.is_dictionary(array.type):
        return array.dictionary_decode()
    return pc.run_end_decode(array) if t.is_run_end_encoded(array.type) else array


def _stored(array: pa.Array) -> pa.Array:
    return array if array.type == stored_type(array.type) else array.storage


def _row(mask: pa.Array, first: int) -> int:
    """Returns the number (from 1) of the first row of the answer that a mask has."""
    return first + int(pc.index(mask, pa.scalar(True)).as_py()) + 1


def _lists(offsets: Any, labels: pa.Array) -> pa.Array:
    if not isinstance(offsets, pa.Array):
        offsets = pa.array(offsets, pa.int32())
    return pa.ListArray.from_arrays(offsets, labels, type=_LABELS)


def _floats(array: pa.Array) -> pa.Array:
    try:
        return array.cast(pa.float64())
    except pa.ArrowException:
        pass
    values = [None if text is None else float(text) for text in array.to_pylist()]
    return pa.array(values, pa.float64())


def _thousandths(numbers: pa.Array) -> pa.Array:
    """Returns numbers divided by 1000 and rounded down, those before 1970 too."""
    towards_zero = pc.divide(numbers, 1_000)
    above = pc.greater(pc.multiply(towards_zero, 1_000), numbers)
    return pc.subtract(towards_zero, above.cast(pa.int64()))


def _moment(text: str) -> int | None:
    """Returns microseconds since 1970; a time without a zone is UTC. None: it cannot be read."""
    try:
        return parse_instant(text)
    except InvalidInput:  # whose message has the text
        pass
    try:  # rarer forms of ISO 8601
        found = datetime.fromisoformat(text.strip())
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return (found - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None


def _digests(payloads: pa.Array) -> pa.Array:
    # One hasher for all: to make one costs as much as to hash a short payload.
    hasher, found = blake3(), []
    for payload in payloads.to_pylist():
        hasher.reset()
        hasher.update(payload)
        found.append(hasher.digest())
    digests = b"".join(found)
    kind = pa.binary(32)
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(payloads), [None, pa.py_buffer(digests)])
