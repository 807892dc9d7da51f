"""Columns as JSON: one text for each value, whatever type a database has given it.

Hides how each type is written: exact decimals keep all their digits, what JSON has no number for
(NaN, an infinite date) is null, bytes are base64. The invariant: every text is valid JSON in one
line, and no message of an error holds one.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from json import JSONDecoder
from json.encoder import encode_basestring
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as t

from dsm.sources.query import is_bytes, is_numeric_text, is_text

TEXT = pa.large_string()  # a batch of huge values is over 2 GiB before anybody notices
_NULL = pa.scalar("null", TEXT)
_TO_ESCAPE = r'["\\\x00-\x1f]'
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\z"
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
# Between these Arrow writes the digits that `repr` writes, but for the `.0` of whole numbers.
_PLAIN_FROM, _PLAIN_TO = 1e-4, 1e10


class NotText(Exception):
    """What a database gave as text is not UTF-8. Holds nothing of it."""


def objects(names: Sequence[str], columns: Sequence[pa.Array]) -> pa.Array:
    """Returns a JSON object for each row, keys in the order of `names`. Raises NotText."""
    if not columns:
        raise ValueError("an object has at least one column")
    parts: list[Any] = []
    for place, (name, column) in enumerate(zip(names, columns, strict=True)):
        begin = ("," if place else "{") + encode_basestring(name) + ":"
        parts += [_scalar(begin), texts(column)]
    return _joined(*parts, _scalar("}"))


def texts(array: pa.Array) -> pa.Array:
    """Returns the JSON text of each value; a null is `null`. Raises NotText."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _extension(array)
    for belongs, written in _WRITERS:
        if belongs(kind):
            return _filled(written(array))
    return _any(array)


def checked_text(array: pa.Array) -> pa.Array:
    """Returns a column of text as large strings. Raises NotText when it is not UTF-8."""
    wide = array if array.type == TEXT else array.cast(TEXT)
    try:
        return wide.cast(pa.large_binary()).cast(TEXT)  # this cast looks at the bytes
    except pa.ArrowInvalid:
        pass
    raise NotText


def uuid_texts(array: pa.Array) -> pa.Array:
    """Returns the usual spelling of UUIDs that are stored as 16 bytes each."""
    count = len(array)
    if not count:
        return pa.array([], TEXT)
    # The digits of all of them at once, cut apart by kernels.
    data = array.buffers()[1][array.offset * 16 : (array.offset + count) * 16]
    digits = pa.py_buffer(data.to_pybytes().hex().encode())
    ends = pa.array(range(0, 32 * count + 1, 32), pa.int64()).buffers()[1]
    together = pa.Array.from_buffers(TEXT, count, [None, ends, digits])
    groups = [
        pc.utf8_slice_codeunits(together, begin, end)
        for begin, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
    ]
    written = pc.binary_join_element_wise(*groups, _scalar("-"))
    return pc.if_else(array.is_valid(), written, pa.scalar(None, TEXT))


def replaced(array: pa.Array, where: pa.Array, change: Callable[[str], str | None]) -> pa.Array:
    """Returns texts, those of a mask (null: no) run through a function one by one."""
    where = pc.fill_null(where, False)
    if not pc.any(where).as_py():
        return array
    changed = pa.array(map(change, array.filter(where).to_pylist()), TEXT)
    return pc.replace_with_mask(array, where, changed)


def _scalar(text: str) -> pa.Scalar:
    return pa.scalar(text, TEXT)


def _joined(*parts: Any) -> pa.Array:
    """Puts columns and constants side by side; a null anywhere makes the whole one null."""
    return pc.binary_join_element_wise(*parts, _scalar(""))


def _filled(array: pa.Array) -> pa.Array:
    return array.fill_null(_NULL) if array.null_count else array


def _quoted(array: pa.Array) -> pa.Array:
    return _joined(_scalar('"'), array, _scalar('"'))


# --- values -----------------------------------------------------------------------------------


def _extension(array: pa.Array) -> pa.Array:
    kind, storage = array.type, array.storage
    if is_numeric_text(kind):
        return _filled(_numbers(checked_text(storage)))
    if kind.extension_name == "arrow.json":
        return _filled(_embedded(checked_text(storage)))
    if kind.extension_name == "arrow.uuid":
        return _filled(_quoted(uuid_texts(storage)))
    return texts(storage)


def _plain(array: pa.Array) -> pa.Array:
    return array.cast(TEXT)


def _strings(array: pa.Array) -> pa.Array:
    array = checked_text(array)
    escape = pc.match_substring_regex(array, _TO_ESCAPE)
    return replaced(_quoted(array), escape, lambda text: encode_basestring(text[1:-1]))


def _bytes(array: pa.Array) -> pa.Array:
    # Not newline: base64 in one line.
    values = array.to_pylist()
    made = [None if v is None else b2a_base64(v, newline=False).decode() for v in values]
    return _quoted(pa.array(made, TEXT))


def _floats(array: pa.Array) -> pa.Array:
    """As `repr` writes them. Single precision has the fewest digits that mean the same there."""
    finite = pc.is_finite(array)
    if not pc.all(finite).as_py():
        array = pc.if_else(finite, array, pa.scalar(None, array.type))
    single = array.type != pa.float64()
    if t.is_float16(array.type):
        array = array.cast(pa.float32())
    written = array.cast(TEXT)
    size = pc.abs(array.cast(pa.float64()))
    plain = pc.and_(pc.greater_equal(size, _PLAIN_FROM), pc.less(size, _PLAIN_TO))
    plain = pc.or_(plain, pc.equal(size, 0.0))
    if not pc.all(plain).as_py():
        # From the shortest text again, so that 0.1 in single precision stays 0.1.
        values = written.cast(pa.float64()) if single else array
        odd = pc.fill_null(pc.invert(plain), False)
        spelt = pa.array(map(repr, values.filter(odd).to_pylist()), TEXT)
        written = pc.replace_with_mask(written, odd, spelt)
    whole = pc.and_(plain, pc.equal(array, pc.trunc(array)))
    if pc.any(whole).as_py():
        written = pc.if_else(whole, _joined(written, _scalar(".0")), written)
    return written


def _numbers(array: pa.Array) -> pa.Array:
    odd = pc.invert(pc.match_substring_regex(array, _NUMBER))
    return replaced(array, odd, _number)


def _number(text: str) -> str | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return encode_basestring(text)
    return f"{number:f}" if number.is_finite() else None


def _nothing(text: str) -> None:
    """Stands for a number whose value does not matter, and may have thousands of digits."""


def _refused(text: str) -> None:
    raise ValueError("JSON has no such number")


_DECODER = JSONDecoder(parse_int=_nothing, parse_float=_nothing, parse_constant=_refused)


def _embedded(array: pa.Array) -> pa.Array:
    made = [None if text is None else _json(text) for text in array.to_pylist()]
    return pa.array(made, TEXT)


def _json(text: str) -> str:
    try:
        _DECODER.decode(text)
    except (ValueError, RecursionError):
        return encode_basestring(text)
    # A line break in JSON stands between its parts, never within a string.
    return text.replace("\r", " ").replace("\n", " ") if "\n" in text or "\r" in text else text


def _any(array: pa.Array) -> pa.Array:
    """Values of types that no kernel knows, such as unions."""
    from json import dumps

    def spelt(value: Any) -> str:
        is_binary = isinstance(value, bytes)
        return b2a_base64(value, newline=False).decode() if is_binary else str(value)

    try:
        values = array.to_pylist()
    except UnicodeDecodeError:  # which holds the text
        values = None
    if values is None:
        raise NotText
    made = []
    for value in values:
        try:
            made.append(
                dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"),
                      default=spelt)
            )  # fmt: skip
        except ValueError:  # NaN, or a circle
            made.append("null")
    return pa.array(made, TEXT)


# --- times ------------------------------------------------------------------------------------


def _shown(array: pa.Array) -> pa.Array:
    """Arrow's text of times, without a fraction of zeros; null where it has none to tell."""
    written = array.cast(TEXT)
    # Infinite dates, and years that have more than four digits and are beyond Arrow.
    beyond = pc.starts_with(written, "<")
    if pc.any(beyond).as_py():
        written = pc.if_else(beyond, pa.scalar(None, TEXT), written)
    unit = getattr(array.type, "unit", "s")
    if unit == "us":
        return pc.replace_substring(written, ".000000", "")
    if unit == "ms":
        written = pc.replace_substring(written, ".000", "")
        return pc.replace_substring_regex(written, r"(\.\d{3})$", r"\1000")
    if unit == "ns":
        written = pc.replace_substring(written, ".000000000", "")
        return pc.replace_substring_regex(written, r"(\.\d{6})000$", r"\1")
    return written


def _timestamps(array: pa.Array) -> pa.Array:
    zone = "Z" if array.type.tz else ""
    unit = array.type.unit
    # By way of a number: with a zone, Arrow would look for the system's list of zones.
    array = array.cast(pa.int64()).cast(pa.timestamp(unit))
    written = pc.replace_substring(_shown(array), " ", "T")
    return _joined(_scalar('"'), written, _scalar(zone + '"'))


def _dates(array: pa.Array) -> pa.Array:
    return _quoted(_shown(array.cast(pa.date32()) if t.is_date64(array.type) else array))


def _times(array: pa.Array) -> pa.Array:
    day = 86_400 * _PER_SECOND[array.type.unit]
    number = array.cast(pa.int32() if t.is_time32(array.type) else pa.int64())
    # PostgreSQL has 24:00:00, the end of a day.
    shown = pc.if_else(pc.equal(number, day), _scalar("24:00:00"), _shown(array))
    return _quoted(shown)


def _durations(array: pa.Array) -> pa.Array:
    more = _PER_SECOND["ns"] // _PER_SECOND[array.type.unit]
    counts = array.cast(pa.int64()).to_pylist()
    made = [None if n is None else _duration(0, 0, n * more) for n in counts]
    return _quoted(pa.array(made, TEXT))


def _intervals(array: pa.Array) -> pa.Array:
    made = [None if value is None else _duration(*value) for value in array.to_pylist()]
    return _quoted(pa.array(made, TEXT))


def _duration(months: int, days: int, nanoseconds: int) -> str:
    """Returns a duration as in ISO 8601; its three parts do not convert into each other."""
    text = (f"{months}M" if months else "") + (f"{days}D" if days else "")
    if nanoseconds or not text:
        seconds, rest = divmod(abs(nanoseconds), _PER_SECOND["ns"])
        part = f".{rest:09}".rstrip("0") if rest else ""
        text += f"T{'-' if nanoseconds < 0 else ''}{seconds}{part}S"
    return "P" + text


# --- values in values -------------------------------------------------------------------------


def _lists(array: pa.Array) -> pa.Array:
    kind = array.type
    if not (t.is_list(kind) or t.is_large_list(kind)):
        array = array.cast(pa.large_list(kind.value_type))
    return _bracketed(array, array.offsets, lambda begin, end: texts(array.values[begin:end]))


def _maps(array: pa.Array) -> pa.Array:
    def pairs(begin: int, end: int) -> pa.Array:
        keys, items = texts(array.keys[begin:end]), texts(array.items[begin:end])
        return _joined(_scalar("["), keys, _scalar(","), items, _scalar("]"))

    return _bracketed(array, array.offsets, pairs)


def _bracketed(
    array: pa.Array, offsets: pa.Array, items: Callable[[int, int], pa.Array]
) -> pa.Array:
    """Joins the texts of items to those of their lists."""
    begin, end = offsets[0].as_py(), offsets[-1].as_py()
    places = pc.subtract(offsets.cast(pa.int64()), begin)
    lists = pa.LargeListArray.from_arrays(places, items(begin, end))
    written = _joined(_scalar("["), pc.binary_join(lists, _scalar(",")), _scalar("]"))
    return pc.if_else(array.is_valid(), written, pa.scalar(None, TEXT))


def _structs(array: pa.Array) -> pa.Array:
    if not array.type.num_fields:
        return pc.if_else(array.is_valid(), _scalar("{}"), pa.scalar(None, TEXT))
    written = objects([field.name for field in array.type], array.flatten())
    return pc.if_else(array.is_valid(), written, pa.scalar(None, TEXT))


def _dictionaries(array: pa.Array) -> pa.Array:
    return texts(array.dictionary).take(array.indices)


def _is_list(kind: pa.DataType) -> bool:
    plain = t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind)
    return bool(plain or t.is_list_view(kind) or t.is_large_list_view(kind))


_WRITERS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
    (t.is_null, _plain), (t.is_boolean, _plain), (t.is_integer, _plain), (t.is_decimal, _plain),
    (t.is_floating, _floats), (is_text, _strings), (is_bytes, _bytes),
    (t.is_timestamp, _timestamps), (t.is_date, _dates), (t.is_time, _times),
    (t.is_duration, _durations), (t.is_interval, _intervals),
    (_is_list, _lists), (t.is_map, _maps), (t.is_struct, _structs),
    (t.is_dictionary, _dictionaries),
    (t.is_run_end_encoded, lambda array: texts(pc.run_end_decode(array))),
)  # fmt: skip
