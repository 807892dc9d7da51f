"""How columns differ, and rows that are made up from columns alone."""

from __future__ import annotations

import json
from uuid import UUID

import pyarrow as pa
import pytest

from dsm.sources import dummy
from dsm.sources.schema import drift, type_text

PLAIN = pa.schema([("id", pa.int64()), ("name", pa.string()), ("day", pa.date32())])


def test_the_same_columns_do_not_differ() -> None:
    """Order and nullability are no difference."""
    other = pa.schema([PLAIN.field(2), PLAIN.field(1), PLAIN.field(0).with_nullable(False)])
    assert drift(PLAIN, PLAIN) == []
    assert drift(PLAIN, other) == []


def test_differences_are_named() -> None:
    """Gone, added and changed columns each have their sentence."""
    found = pa.schema([("id", pa.int32()), ("day", pa.date32()), ("more", pa.list_(pa.string()))])
    assert drift(PLAIN, found) == [
        "column name is gone",
        "column more was added (list<item: string>)",
        "column id was int64 and is int32",
    ]


def test_names_that_occur_twice_are_compared_in_turn() -> None:
    """A join may give a name twice."""
    twice = pa.schema([("a", pa.int64()), ("a", pa.string())])
    assert drift(twice, twice) == []
    assert drift(twice, twice.remove(1)) == ["column a (number 2 of that name) is gone"]


def test_an_unknown_type_fits_every_type() -> None:
    """SQLite knows some types only when a row is read."""
    unknown = pa.schema([("id", pa.null()), ("name", pa.null()), ("day", pa.date32())])
    assert drift(unknown, PLAIN) == []
    assert drift(PLAIN, unknown) == []
    assert (
        type_text(pa.null()), type_text(pa.uuid())
    ) == ("unknown", "arrow.uuid (fixed_size_binary[16])")  # fmt: skip


def test_a_type_of_the_database_is_called_as_there() -> None:
    """Or a change from one to another would read as none."""
    numeric, money = (pa.opaque(pa.string(), name, "PostgreSQL") for name in ("numeric", "money"))
    changes = drift(pa.schema([("a", numeric)]), pa.schema([("a", money)]))
    assert changes == ["column a was numeric (string) and is money (string)"]


def field(name: str, kind: pa.DataType, database: str | None = None) -> pa.Field:
    return pa.field(name, kind, metadata={"POSTGRESQL:type": database} if database else None)


EVERYTHING = pa.schema([
    *(field(str(kind), kind) for kind in (
        pa.null(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(),
        pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.string(), pa.large_string(),
        pa.string_view(), pa.binary(), pa.large_binary(), pa.binary(5), pa.date32(), pa.date64(),
        pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"), pa.timestamp("s"),
        pa.timestamp("ns", "UTC"), pa.duration("us"), pa.month_day_nano_interval(),
        pa.decimal128(10, 2), pa.decimal128(2, 2), pa.decimal256(60, 0), pa.list_(pa.int32()),
        pa.large_list(pa.string()), pa.list_(pa.float32(), 3), pa.list_(pa.list_(pa.date32())),
        pa.struct([("a", pa.int8()), ("b", pa.list_(pa.string()))]),
        pa.map_(pa.string(), pa.int64()), pa.dictionary(pa.int8(), pa.string()),
        pa.uuid(), pa.json_(), pa.list_(pa.uuid()),
    )),
    field("uuid text", pa.string(), "uuid"),
    field("json text", pa.string(), "jsonb"),
    field("number", pa.opaque(pa.string(), "numeric", "PostgreSQL")),
    pa.field("never null", pa.int64(), nullable=False),
])  # fmt: skip


def test_dummy_rows_are_true_to_the_schema() -> None:
    """Every type has values, the batch is valid, and nulls stand only where they may."""
    made = dummy.rows(EVERYTHING, 200)
    made.validate(full=True)
    assert (made.schema, made.num_rows) == (EVERYTHING, 200)
    for name, column in zip(made.schema.names, made.columns, strict=True):
        if name != "null":
            assert column.null_count < 60, name
            assert len({str(value) for value in column}) > 2 or name == "bool", name
    assert made.column("never null").null_count == 0
    assert made.column("int64").null_count > 0


def test_dummy_texts_are_what_the_database_calls_them() -> None:
    """A uuid, a JSON text and a number can be read as such."""
    made = dummy.rows(EVERYTHING, 50)
    texts = [value for value in made.column("uuid text").to_pylist() if value]
    assert texts == [str(UUID(value)) for value in texts]
    assert all(json.loads(v) for v in made.column("json text").to_pylist() if v)
    assert all(float(v) >= 0 for v in made.column("number").storage.to_pylist() if v)


def test_dummy_rows_are_the_same_for_the_same_seed() -> None:
    """Seed decides; the number of rows does not change the first ones."""
    made = dummy.rows(EVERYTHING, 100, seed=7)
    assert made.equals(dummy.rows(EVERYTHING, 100, seed=7))
    assert not made.equals(dummy.rows(EVERYTHING, 100, seed=8))
    few = dummy.rows(EVERYTHING, 10, seed=7)
    assert [str(v) for v in few.columns] == [
        str(pa.concat_arrays([column[:10]])) for column in made.columns
    ]
    assert dummy.rows(EVERYTHING, 0).num_rows == 0
    with pytest.raises(ValueError, match="negative"):
        dummy.rows(EVERYTHING, -1)
