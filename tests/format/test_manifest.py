"""Manifests: ids that hash rows and not Parquet, golden bytes, and that damage is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from blake3 import blake3
from hexdump import dump, parse
from hypothesis import given, settings
from hypothesis import strategies as st
from mutation import damaged

from dsm.errors import DamagedData, InvalidInput
from dsm.format import manifest as fmt
from dsm.model.attribute_columns import AttributeColumns
from dsm.model.attributes import AttributeDiffers, attribute_types
from dsm.model.example import Example
from dsm.model.rows import ADDED, DELETED, MODIFIED, Rows

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.text("abß猫\U0001f408 \n'", min_size=1, max_size=6)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "split": TEXT,
    "width": st.integers(-(2**63), 2**63 - 1),
    "score": st.floats(allow_nan=False),
    "night": st.booleans(),
}
EXAMPLES = st.builds(
    Example,
    NAMES,
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**63 - 1),
    st.integers(-(2**62), 2**62),
    st.lists(TEXT, max_size=3).map(lambda labels: tuple(sorted(set(labels)))),
    st.fixed_dictionaries({}, optional=VALUES),
    st.none() | st.just('{"box":[1,2]}'),
    st.booleans(),
)


@st.composite
def all_rows(draw: st.DrawFn) -> Rows:
    rows = Rows()
    for example in draw(st.lists(EXAMPLES, max_size=8, unique_by=lambda e: e.path)):
        if draw(st.integers(0, 4)):
            rows.put(draw(st.sampled_from([ADDED, MODIFIED])), example)
        else:
            rows.delete(example.path)
    return rows.sorted()


def golden_rows() -> Rows:
    rows = Rows()
    rows.put(ADDED, Example(
        "train/cat/1.jpg", blake3(b"one").digest(), 3, 1_700_000_000_000_000, ("cat", "night"),
        {"split": "train", "width": 640, "score": 0.5, "night": True}, '{"box":[1,2,3,4]}',
    ))  # fmt: skip
    rows.put(ADDED, Example("train/dog/1.jpg", blake3(b"two").digest(), 3, 0, (), {"width": -1}))
    rows.delete("train/猫/2.jpg")
    return rows


def golden_rows_with_time() -> Rows:
    rows = Rows()
    given = Example("a.jpg", blake3(b"one").digest(), 3, 5, ("cat",), {"n": 1}, time_given=True)
    rows.put(ADDED, given)
    rows.put(ADDED, Example("b.jpg", blake3(b"two").digest(), 3, 6))
    rows.delete("c.jpg")
    return rows


def golden_rows_with_records() -> Rows:
    rows = Rows()
    record = Example("t.jsonl#k", blake3(b"{}").digest(), 2, 5, ("cat",), records="#")
    settings = '{"format":"jsonl","key":["id"],"records":2}'
    rows.put(ADDED, Example("a.jpg", blake3(b"one").digest(), 3, 6))
    rows.put(ADDED, Example("t.jsonl", blake3(b"{}\n{}\n").digest(), 6, 5, records=settings))
    rows.put(ADDED, record)
    rows.delete("t.jsonl#l", records="#")
    return rows


def table_of(rows: Rows) -> pa.Table:
    return fmt.to_table(rows, attribute_types(rows, {}))


GOLDEN = {
    "manifest-v1": golden_rows(),
    "manifest-v1-time": golden_rows_with_time(),
    "manifest-v1-records": golden_rows_with_records(),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_manifest(
    name: str, request: pytest.FixtureRequest, golden: Callable[[str, str], None]
) -> None:
    """A manifest written by an earlier library reads as the same rows under the same id."""
    expected = table_of(GOLDEN[name])
    folder = request.path.parent.parent / "golden" / "format"
    golden(f"format/{name}.id", fmt.rows_id(expected) + "\n")
    if request.config.getoption("--update-golden"):
        golden(f"format/{name}.hex", dump(fmt.encode(expected)))
    data = parse((folder / f"{name}.hex").read_text())
    manifest_id = (folder / f"{name}.id").read_text().strip()
    table = fmt.decode(data, "m", manifest_id=manifest_id, file_id=None)
    fmt.check_rows(table, "m")
    assert table == expected
    assert as_rows(table) == [(path, example) for path, _, example in GOLDEN[name]]


@given(all_rows())
def test_attributes_in_columns_make_the_same_manifest(rows: Rows) -> None:
    """Whether attributes are kept by row or in columns shows neither in rows nor in types."""
    expected, types = table_of(rows), attribute_types(rows, {})
    columns = AttributeColumns()
    columns.extend(rows.attributes)
    rows.attributes = columns
    assert attribute_types(rows, {}) == types
    assert table_of(rows) == expected


MIXED = st.dictionaries(
    st.sampled_from("ab"), st.sampled_from([1, 2**60, -(2**60), 0.5, True, "x"]), max_size=2
)


@given(st.lists(MIXED, max_size=6), st.sampled_from([{}, {"a": "float"}, {"a": "int"}]))
def test_attributes_in_columns_are_refused_alike(
    said: list[dict[str, Any]], known: dict[str, str]
) -> None:
    """What has no one type by row has none in columns, and the types are the same."""
    rows = Rows()
    for row, attributes in enumerate(said):
        rows.put(ADDED, Example(f"{row}", blake3(b"").digest(), 0, 0, (), attributes))
    columns = AttributeColumns()
    columns.extend(said)
    in_columns = dataclasses.replace(rows, attributes=columns)
    outcomes = []
    for each in (rows, in_columns):
        try:
            outcomes.append(attribute_types(each, known))
        except AttributeDiffers as error:
            outcomes.append({"refused": type(error).__name__})
    assert outcomes[0] == outcomes[1]


def test_the_column_of_given_times_is_there_when_one_was_given() -> None:
    """So rows without one have the id and the bytes that they always had."""
    columns = {name: table_of(rows).column_names for name, rows in GOLDEN.items()}
    assert "time_given" not in columns["manifest-v1"]
    assert columns["manifest-v1-time"].index("time_given") == len(fmt.FIXED)
    assert all("records" not in columns[name] for name in ("manifest-v1", "manifest-v1-time"))
    assert columns["manifest-v1-records"].index("records") == len(fmt.FIXED)


@pytest.mark.parametrize(
    ("path", "records"),
    [("a", "#"), ("a#", "#"), ("#k", "#"), ("a/#k", "#"), ("a#b/c", "#"), ("a", "x"), ("a", "[]"),
     ("a", "{"), ("a", "")],
)  # fmt: skip
def test_records_that_no_dsm_writes_are_refused(path: str, records: str) -> None:
    """A record has a file and a key, and a file of records says an object of itself."""
    rows = Rows()
    rows.put(ADDED, Example(path, blake3(b"").digest(), 0, 0, records=records))
    with pytest.raises(
        DamagedData, match="m: a record has a path that no|m: what is said of records is not"
    ):
        fmt.check_rows(table_of(rows), "m")


def as_rows(table: pa.Table) -> list[tuple[str, Example | None]]:
    return [(path, example) for path, _, example in fmt.to_rows(table)]


@given(all_rows())
def test_what_was_encoded_is_decoded(rows: Rows) -> None:
    """Rows come back through Parquet: paths, deletions, sizes, times, labels, typed attributes."""
    table = table_of(rows)
    data = fmt.encode(table)
    manifest_id = fmt.rows_id(table)
    for file_id in (blake3(data).hexdigest(), None):
        found = fmt.decode(data, "m", manifest_id=manifest_id, file_id=file_id)
        fmt.check_rows(found, "m")
        expected = [(path, example) for path, _, example in rows]
        assert as_rows(found) == expected
        types = [
            {name: type(value) for name, value in example.attributes.items()}
            for _, example in expected if example
        ]  # fmt: skip
        assert types == [
            {name: type(value) for name, value in example.attributes.items()}
            for _, example in as_rows(found) if example
        ]  # fmt: skip


@settings(max_examples=50)
@given(all_rows(), st.data())
def test_the_id_does_not_depend_on_how_rows_lie_in_memory_or_file(
    rows: Rows, data: st.DataObject
) -> None:
    """Slices, chunks, row groups, compression and encodings of any writer give the same id."""
    table = table_of(rows)
    manifest_id = fmt.rows_id(table)
    padded = pa.concat_tables([table, table]).slice(0, table.num_rows)
    assert fmt.rows_id(padded) == manifest_id
    behind = pa.concat_tables([table, table]).combine_chunks().slice(table.num_rows)
    assert fmt.rows_id(behind) == manifest_id
    cuts = sorted(data.draw(st.lists(st.integers(0, table.num_rows), max_size=3)))
    edges = [0, *cuts, table.num_rows]
    pieces = [table.slice(a, b - a) for a, b in pairwise(edges)]
    assert fmt.rows_id(pa.concat_tables(pieces)) == manifest_id
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink,
        compression=data.draw(st.sampled_from(["none", "snappy", "gzip", "zstd"])),
        use_dictionary=data.draw(st.booleans()),
        row_group_size=data.draw(st.integers(1, 4)),
        version=data.draw(st.sampled_from(["1.0", "2.4", "2.6"])),
        data_page_version=data.draw(st.sampled_from(["1.0", "2.0"])),
        store_schema=data.draw(st.booleans()),
        write_statistics=data.draw(st.booleans()),
    )  # fmt: skip
    rewritten = bytes(sink.getvalue())
    found = fmt.decode(rewritten, "m", manifest_id=manifest_id, file_id="00" * 32)
    assert fmt.rows_id(found) == manifest_id


@given(all_rows().filter(len), st.data())
def test_any_other_row_gives_another_id(rows: Rows, data: st.DataObject) -> None:
    """Changing one value of one row changes the id."""
    number = data.draw(st.integers(0, len(rows) - 1))
    before = rows.example(number)
    changed = rows.take(list(range(len(rows))))
    if before is None:
        changed.paths[number] += "x"
    else:
        what = data.draw(st.sampled_from(["path", "oid", "size", "time", "labels", "annotation"]))
        column = {
            "path": changed.paths, "oid": changed.oids, "size": changed.sizes,
            "time": changed.times, "labels": changed.labels, "annotation": changed.annotations,
        }[what]  # fmt: skip
        column[number] = {  # type: ignore[index]
            "path": before.path + "x", "oid": bytes(a ^ 1 for a in before.oid),
            "size": before.size ^ 1, "time": before.time + 1, "labels": (*before.labels, "~"),
            "annotation": "" if before.annotation is None else None,
        }[what]  # fmt: skip
    types = attribute_types(rows, {})
    assert fmt.rows_id(fmt.to_table(changed, types)) != fmt.rows_id(fmt.to_table(rows, types))


def test_lengths_keep_neighbours_apart() -> None:
    """Values that read alike when laid end to end have different ids."""

    def id_of(*labels: tuple[str, ...]) -> str:
        rows = Rows()
        for number, own in enumerate(labels):
            rows.put(ADDED, Example(str(number), bytes(32), 0, 0, own))
        return fmt.rows_id(table_of(rows))

    spellings = [
        (("ab", "c"), ()), (("a", "bc"), ()), (("abc",), ()), (("ab",), ("c",)), ((), ("ab", "c")),
        (("",), ("abc",)), (("a", "b", "c"), ()),
    ]  # fmt: skip
    assert len({id_of(*spelling) for spelling in spellings}) == len(spellings)


def test_null_is_not_blank() -> None:
    """A missing value and an empty one have different ids."""
    rows = Rows()
    rows.put(ADDED, Example("a", bytes(32), 0, 0, (), {"split": ""}, ""))
    table = table_of(rows)
    ids = {fmt.rows_id(table)}
    for name in ("annotation", "attr.split", "labels", "size", "time", "object"):
        place = table.column_names.index(name)
        kind = table.schema.field(name).type
        ids.add(fmt.rows_id(table.set_column(place, name, pa.nulls(1, kind))))
    assert len(ids) == 7


@settings(max_examples=300)
@given(damaged(fmt.encode(table_of(golden_rows()))))
def test_a_damaged_manifest_is_the_same_rows_or_refused(changed: bytes) -> None:
    """Other bytes are read only when they hold the very same rows; else DamagedData is raised."""
    table = table_of(golden_rows())
    file_id = blake3(fmt.encode(table)).hexdigest()
    try:
        found = fmt.decode(changed, "m", manifest_id=fmt.rows_id(table), file_id=file_id)
    except DamagedData:
        return
    assert as_rows(found) == [(path, example) for path, _, example in golden_rows()]


@given(st.binary(max_size=300))
def test_other_bytes_are_refused(data: bytes) -> None:
    """Arbitrary bytes are no manifest."""
    for part in (data, b"PAR1" + data + b"PAR1", b""):
        with pytest.raises(DamagedData, match="m is damaged: it is not a manifest"):
            fmt.decode(part, "m", manifest_id="00" * 32, file_id=None)


# --- hostile rows -------------------------------------------------------------------------------


def hostile(changes: dict[str, Any]) -> pa.Table:
    """Rows that no dsm would write, as a manifest whose hashes are right reads."""
    rows = golden_rows().take([0, 1])
    table = table_of(rows)
    for name, values in changes.items():
        if name == fmt.TIME_GIVEN.name:
            nothing = pa.nulls(table.num_rows, pa.bool_())
            table = table.add_column(len(fmt.FIXED), fmt.TIME_GIVEN, nothing)
        place = table.column_names.index(name)
        array = values if isinstance(values, pa.Array) else pa.array(values, table[name].type)
        table = table.set_column(place, table.schema.field(name), array)
    data = fmt.encode(table)
    return fmt.decode(
        data, "m", manifest_id=fmt.rows_id(table), file_id=blake3(data).hexdigest()
    )  # fmt: skip


def not_utf8(kind: pa.DataType) -> pa.Array:
    values = pa.array([b"a\xff", b"b"], pa.binary())
    return pa.Array.from_buffers(kind, 2, values.buffers())


@pytest.mark.parametrize(
    "changes",
    [
        {"path": ["../x", "b"]}, {"path": ["/etc/passwd", "b"]}, {"path": ["a", "a"]},
        {"path": ["b", "a"]}, {"path": ["", "b"]}, {"path": ["a//b", "b"]}, {"path": ["a/.", "b"]},
        {"path": [".dsm/repo.json", "b"]}, {"path": ["a/.GIT/hooks", "b"]}, {"path": ["a\0b", "b"]},
        {"path": ["a/" * 2500 + "x", "b"]}, {"path": ["x" * 256, "y"]},
        {"size": [-1, 0]}, {"object": [None, bytes(32)]}, {"op": ["delete", "put"]},
        {"op": ["eat", "put"]}, {"path": not_utf8(pa.string())},
        {"attr.split": not_utf8(pa.string())}, {"annotation": not_utf8(pa.string())},
        {"offset": [0, None]}, {"length": [1, None]}, {"size": [None, 1]}, {"labels": [None, []]},
        {"time": [None, 1]}, {"time_given": [None, True]},
    ],
    ids=lambda change: next(iter(change)),  # values print with their address
)  # fmt: skip
def test_rows_that_no_dsm_would_write_are_refused(changes: dict[str, Any]) -> None:
    """Paths that lead outside, wrong order, impossible values: refused though every hash fits."""
    with pytest.raises(
        DamagedData, match=r"^m: .*(path|rows|size|puts)|^m is damaged: it is not a manifest"
    ):  # when it is read, or when its rows are checked
        fmt.check_rows(hostile(changes), "m")


@pytest.mark.parametrize(
    "columns",
    [
        [], ["path"], [*(field.name for field in fmt.FIXED), "more"],
        [*(field.name for field in fmt.FIXED)][::-1],
    ],
    ids=len,
)  # fmt: skip
def test_other_columns_are_refused(columns: list[str]) -> None:
    """A Parquet file with other columns is no manifest."""
    fixed = {field.name: field for field in fmt.FIXED}
    fields = [fixed.get(name, pa.field(name, pa.string())) for name in columns]
    table = pa.schema(fields).empty_table()
    data = fmt.encode(table) if columns else b""
    with pytest.raises(DamagedData, match="m is damaged: it is not a manifest"):
        fmt.decode(data, "m", manifest_id="00" * 32, file_id=blake3(data).hexdigest())


def test_attributes_of_a_type_that_dsm_does_not_have() -> None:
    """An attribute column is text, int, float or bool."""
    table = table_of(golden_rows())
    table = table.append_column("attr.when", pa.nulls(3, pa.date32()))
    data = fmt.encode(table)
    with pytest.raises(DamagedData, match="m is damaged: it is not a manifest"):
        fmt.decode(data, "m", manifest_id="00" * 32, file_id=blake3(data).hexdigest())


# --- types of attributes ----------------------------------------------------------------------


def rows_with(*attributes: dict[str, Any]) -> Rows:
    rows = Rows()
    for number, own in enumerate(attributes):
        rows.put(ADDED, Example(f"{number}", bytes(32), 0, 0, (), own))
    return rows


def test_int_widens_to_float() -> None:
    """An attribute that is int in one row and float in another is float."""
    rows = rows_with({"x": 1}, {"x": 0.5}, {"x": 2})
    assert attribute_types(rows, {}) == {"x": "float"}
    assert attribute_types(rows_with({"x": 1}), {"x": "float"}) == {"x": "float"}
    assert attribute_types(rows_with({"x": 0.5}), {"x": "int"}) == {"x": "float"}
    assert table_of(rows).column("attr.x").to_pylist() == [1.0, 0.5, 2.0]


@pytest.mark.parametrize(
    ("known", "value"), [("string", 1), ("int", "1"), ("bool", 1), ("int", True), ("float", "x")]
)
def test_an_attribute_keeps_its_type(known: str, value: Any) -> None:
    """Text stays text and truth stays truth: a change of type is refused and names the path."""
    with pytest.raises(InvalidInput, match="attribute 'x' of '0'"):
        attribute_types(rows_with({"x": value}), {"x": known})


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**63 - 1])
def test_a_number_that_no_float_can_hold(number: int) -> None:
    """Where an attribute is float, an int that would lose digits is refused, and not rounded."""
    cases: list[tuple[Rows, dict[str, str]]] = [
        (rows_with({"x": number}, {"x": 0.5}), {}),
        (rows_with({"x": 0.5}, {"x": number}), {}),
        (rows_with({"x": number}), {"x": "float"}),
    ]
    for rows, known in cases:
        with pytest.raises(InvalidInput, match="lose digits"):
            attribute_types(rows, known)
    assert attribute_types(rows_with({"x": number}), {}) == {"x": "int"}


def test_rows_are_sorted_by_the_bytes_of_their_paths() -> None:
    """Order is that of UTF-8 bytes, in which astral characters come after all others."""
    paths = ["z", "a", "\U0001f408", "\uffff", "a/b", "a.b", "é"]
    rows = Rows()
    for path in paths:
        rows.delete(path, DELETED)
    assert rows.sorted().paths == sorted(paths, key=str.encode)
    assert dataclasses.is_dataclass(rows)


@pytest.mark.parametrize("group", [1, 100, 1000])
def test_rows_in_several_groups_are_read(group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has more rows than a row group is read as it was written, and what its texts take is
    counted over all groups."""
    monkeypatch.setattr(fmt, "GROUP_ROWS", group)
    monkeypatch.setattr(fmt, "EXPANDED_BYTES", 1)
    rows = Rows()
    for number in range(1000):
        labels = ("long" * 100,) if number == 999 else ("cat", "dog")[: number % 3]
        rows.put(ADDED, Example(f"{number:04d}", bytes(32), 1, 2, labels, {}, "{}" * (number % 2)))
    table = fmt.to_table(rows, {})
    data, name = fmt.encode(table), fmt.rows_id(table)
    assert fmt.decode(data, "m", manifest_id=name, file_id=None, rows=1000).equals(table)
    monkeypatch.setattr(fmt, "EXPANDED_FACTOR", 65 * 1000 // len(data))
    with pytest.raises(fmt.ManifestDamaged, match="more memory than they may"):
        fmt.decode(data, "m", manifest_id=name, file_id=None)
