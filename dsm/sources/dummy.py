"""Dummy rows, made from a schema alone, to develop against a source without access to it.

A pure function of schema, number and seed. The invariant: nothing of a source takes part, and the
first rows are the same however many are asked for.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

WORDS = (
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbour", "indigo", "juniper",
    "kelp", "lagoon", "maple", "nimbus", "ochre", "pebble", "quartz", "river", "slate", "tundra",
)  # fmt: skip
NULL_SHARE = 0.05
LIST_MAX, DICTIONARY = 3, 10
_FIRST_DAY, _DAYS = 18_262, 1_826  # 2020-01-01, and five years
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY_SECONDS = 86_400


def rows(schema: pa.Schema, count: int, *, seed: int = 0) -> pa.RecordBatch:
    """Returns `count` dummy rows of a schema; a nullable column has a null now and then.

    Columns of unknown type (Arrow's `null`) stay null. Raises ValueError when count is negative.
    """
    import pyarrow as pa

    if count < 0:
        raise ValueError("a number of rows is not negative")
    arrays = [
        _array(field.type, count, f"{seed}/{place}/{field.name}", field.nullable, _hint(field))
        for place, field in enumerate(schema)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _hint(field: pa.Field) -> str:
    """Returns the database's own name of a column's type, where the driver tells it."""
    metadata = field.metadata or {}
    return str(metadata.get(b"POSTGRESQL:type", b"").decode(errors="replace"))


def _array(kind: pa.DataType, count: int, seed: str, nullable: bool, hint: str = "") -> pa.Array:
    import pyarrow as pa
    import pyarrow.types as t

    if isinstance(kind, pa.BaseExtensionType):
        name = kind.extension_name
        hint = getattr(kind, "type_name", "") if name == "arrow.opaque" else name
        storage = _array(kind.storage_type, count, seed, nullable, hint)
        return pa.ExtensionArray.from_storage(kind, storage)
    random = Random(seed)
    absent = [nullable and random.random() < NULL_SHARE for _ in range(count)]
    # A generator of its own, so that the values do not depend on how many rows there are.
    random = Random(seed + "/values")
    if t.is_null(kind):
        return pa.nulls(count)
    if t.is_dictionary(kind):
        words = _array(kind.value_type, DICTIONARY, seed + "/dictionary", False)
        places = [None if gone else random.randrange(DICTIONARY) for gone in absent]
        indices = pa.array(places, kind.index_type)
        return pa.DictionaryArray.from_arrays(indices, words, ordered=kind.ordered)
    if t.is_struct(kind):
        children = [
            _array(field.type, count, f"{seed}/{field.name}", field.nullable, _hint(field))
            for field in kind
        ]
        mask = pa.array(absent, pa.bool_())
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=mask)
    if t.is_nested(kind):
        return _list(kind, absent, random, seed)
    made = [_value(kind, random, hint) for _ in range(count)]
    chosen = [None if gone else value for gone, value in zip(absent, made, strict=True)]
    return _typed(kind, chosen)


def _list(kind: Any, absent: list[bool], random: Random, seed: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_fixed_size_list(kind):
        field, size = kind.value_field, kind.list_size
        items = _array(field.type, size * len(absent), seed + "/item", field.nullable)
        mask = pa.array(absent, pa.bool_())
        return pa.FixedSizeListArray.from_arrays(items, type=kind, mask=mask)
    lengths = [0 if gone else n for gone in absent for n in (random.randint(0, LIST_MAX),)]
    offsets = [0]
    for length in lengths:
        offsets.append(offsets[-1] + length)
    if t.is_map(kind):
        keys = _array(kind.key_type, offsets[-1], seed + "/key", False)
        items = _array(kind.item_type, offsets[-1], seed + "/item", kind.item_field.nullable)
        made = pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), keys, items)
        return made.cast(kind)
    field = kind.value_field
    items = _array(field.type, offsets[-1], seed + "/item", field.nullable, _hint(field))
    mask = pa.array(absent, pa.bool_())
    large = t.is_large_list(kind)
    places = pa.array(offsets, pa.int64() if large else pa.int32())
    family = pa.LargeListArray if large else pa.ListArray
    return family.from_arrays(places, items, type=kind, mask=mask)


def _typed(kind: Any, values: list[Any]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_float16(kind):
        return pa.array(values, pa.float32()).cast(kind)
    if t.is_temporal(kind) and not t.is_interval(kind):
        wide = kind.bit_width == 64
        return pa.array(values, pa.int64() if wide else pa.int32()).cast(kind)
    return pa.array(values, kind)


def _value(kind: Any, random: Random, hint: str) -> Any:
    import pyarrow.types as t

    if t.is_boolean(kind):
        return random.random() < 0.5
    if t.is_integer(kind):
        most = min(1_000_000, 2 ** (kind.bit_width - (0 if t.is_unsigned_integer(kind) else 1)) - 1)
        return random.randint(0, most)
    if t.is_floating(kind):
        return round(random.uniform(0, 1000), 2)
    if t.is_decimal(kind):
        return _decimal(kind, random)
    if t.is_fixed_size_binary(kind):
        return random.randbytes(kind.byte_width)
    if t.is_temporal(kind):
        return _moment(kind, random)
    text = _text(random, hint)
    return text if t.is_string(kind) or t.is_large_string(kind) or "string" in str(kind) else (
        random.randbytes(random.randint(4, 16))
    )  # fmt: skip


def _decimal(kind: Any, random: Random) -> Any:
    from decimal import Decimal

    digits = min(kind.precision, max(kind.scale, 0) + 4, 15)
    # From text: a context would round what is exact.
    return Decimal(f"{random.randint(0, 10**digits - 1)}E{-kind.scale}")


def _moment(kind: Any, random: Random) -> Any:
    import pyarrow as pa
    import pyarrow.types as t

    day, second = random.randint(_FIRST_DAY, _FIRST_DAY + _DAYS), random.randrange(_DAY_SECONDS)
    if t.is_date32(kind):
        return day
    if t.is_date64(kind):
        return day * _DAY_SECONDS * 1000
    if t.is_interval(kind):
        return pa.MonthDayNano([random.randint(0, 11), random.randint(0, 27), 0])
    if t.is_time(kind) or t.is_duration(kind):
        return second * _PER_SECOND[kind.unit]
    return (day * _DAY_SECONDS + second) * _PER_SECOND[kind.unit]


def _text(random: Random, hint: str) -> str:
    """Returns a text that a column of a type which the database calls `hint` could hold."""
    word, number = random.choice(WORDS), random.randint(0, 99_999)
    if hint in ("arrow.json", "json", "jsonb"):
        return f'{{"{word}": {number}}}'
    if hint in ("uuid", "arrow.uuid"):
        from uuid import UUID

        return str(UUID(bytes=random.randbytes(16), version=4))
    if hint == "numeric":
        return f"{number}.{random.randint(0, 99):02}"
    if hint in ("inet", "cidr"):
        return f"192.0.2.{number % 256}"
    return f"{word} {number}"
