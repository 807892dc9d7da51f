"""Records written out: their fields in their order and with their types, in every format."""

from __future__ import annotations

import datetime
import decimal
import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from situations import Work

from dsm.errors import InvalidInput

JSON = (
    b'{"id": "a", "z": 1, "nested": {"x": [1, 2]}, "odd": 1, "big": 9007199254740993}\n'
    b'{"id": "b", "z": 2.5, "nested": {"x": []}, "odd": "one", "big": 1.5, "late": true}\n'
    b'{"id": "c", "z": null, "nested": null, "odd": null}\n'
)
OWN = [
    "dsm.label", "dsm.path", "dsm.labels", "dsm.time", "dsm.annotation", "dsm.object", "dsm.size",
    "dsm.changeset",
]  # fmt: skip


def written(work: Work, folder: Path, form: str, *paths: str) -> Path:
    """Writes the records of some files, and returns the first file."""
    work.ds.prepare(paths=paths or ["*"]).get(str(folder), format=form)
    (name,) = sorted(each for each in folder.iterdir() if each.name.startswith(("part-", "shard-")))
    return name


def table_of(work: Work, folder: Path, *paths: str) -> pa.Table:
    return pq.read_table(written(work, folder, "parquet", *paths))


def test_fields_are_columns_of_parquet(work: Work, tmp_path: Path) -> None:
    """Each field is a column, in the order of the fields and before dsm's own; a field of several
    types, or whose numbers no float holds, is JSON text."""
    work.write({"a.jsonl": JSON})
    work.ds.add(["a.jsonl"], records=True, key_field="id", label_field="id")
    work.ds.commit("first")
    table = table_of(work, tmp_path / "out")
    assert table.column_names == ["id", "z", "nested", "odd", "big", "late", *OWN]
    assert table.select(["id", "z", "nested", "odd", "big", "late"]).to_pylist() == [
        {"id": "a", "z": 1.0, "nested": {"x": [1, 2]}, "odd": "1", "big": "9007199254740993",
         "late": None},
        {"id": "b", "z": 2.5, "nested": {"x": []}, "odd": '"one"', "big": "1.5", "late": True},
        {"id": "c", "z": None, "nested": None, "odd": None, "big": None, "late": None},
    ]  # fmt: skip
    assert table.column("dsm.path").to_pylist() == ["a.jsonl#a", "a.jsonl#b", "a.jsonl#c"]
    assert table.column("dsm.label").to_pylist() == [0, 1, 2]


def test_rows_of_parquet_keep_the_types_of_their_columns(work: Work, tmp_path: Path) -> None:
    """What comes from Parquet goes to Parquet with the types that it had, bytes and times too."""
    moment = datetime.datetime(2026, 5, 1, 12, 30, 0, 250_000, tzinfo=datetime.UTC)
    columns = {
        "z": pa.array([1, None], pa.int8()), "f": pa.array([0.5, 1.25], pa.float32()),
        "b": pa.array([b"\xff\0", None], pa.binary()), "d": pa.array([moment.date()] * 2),
        "t": pa.array([moment, None], pa.timestamp("ms", "Europe/Berlin")),
        "n": pa.array([decimal.Decimal("1.50")] * 2, pa.decimal128(5, 2)),
        "s": pa.array([{"k": b"\x01"}, None], pa.struct([("k", pa.binary())])),
        "c": pa.array(["x", "y"]).dictionary_encode(), "a": ["first", "second"],
    }  # fmt: skip
    given = pa.table(columns)
    pq.write_table(given, work.path("t.parquet"))
    work.ds.add(["t.parquet"], records=True, key_field="a")
    work.ds.commit("first")
    table = table_of(work, tmp_path / "out")
    assert table.column_names == [*columns, *OWN]
    expected = given.set_column(7, "c", given.column("c").cast(pa.string()))
    found = table.select(list(columns))
    found = found.set_column(7, "c", found.column("c").cast(pa.string()))
    assert expected.equals(found)


def test_fields_called_as_columns_of_dsm_keep_their_names(work: Work, tmp_path: Path) -> None:
    """A field may be called what dsm calls a column: its own have a name that no field has."""
    work.write({"a.jsonl": b'{"id": "a", "path": "x", "dsm.path": "y", "label": 7}\n'})
    work.ds.add(["a.jsonl"], records=True, key_field="id")
    work.ds.commit("first")
    table = table_of(work, tmp_path / "out")
    assert table.column_names == ["id", "path", "dsm.path", "label", *("dsm." + n for n in OWN)]


def test_rows_of_tables_are_objects_in_jsonl(work: Work, tmp_path: Path) -> None:
    """Rows of tables and lines of text are JSON objects of their fields, JSON is as it was."""
    work.write({
        "a.csv": 'id,text\n1,"x\ny"\n', "b.txt": "a line\n", "c.jsonl": '{ "id":  "4" }\n',
    })  # fmt: skip
    work.ds.add(["a.csv", "b.txt", "c.jsonl"], records=True)
    work.ds.commit("first")
    text = written(work, tmp_path / "out", "jsonl").read_bytes()
    assert text == b'{"id":"1","text":"x\\ny"}\n{"text":"a line"}\n{ "id":  "4" }\n'


def test_cells_of_csv_are_what_the_fields_are(work: Work, tmp_path: Path) -> None:
    """JSON objects are rows under all of their fields: texts as they are, other values as JSON."""
    work.write({"a.jsonl": JSON})
    work.ds.add(["a.jsonl"], records=True, key_field="id")
    work.ds.commit("first")
    assert written(work, tmp_path / "out", "csv").read_text() == (
        "id,z,nested,odd,big,late\n"
        'a,1,"{""x"": [1, 2]}",1,9007199254740993,\n'
        'b,2.5,"{""x"": []}",one,1.5,true\nc,,,,,\n'
    )


def test_half_characters_are_written_as_escapes(work: Work, tmp_path: Path) -> None:
    """No text of a table or of Parquet can hold one: values come as JSON, names as their escape."""
    work.write({
        "a.jsonl": b'{"id": 1, "t": "\\ud800x", "m\\udc00": [1]}\n'
        b'{"id": 2, "t": "y", "l": {"\\udfff": 1}}\n'
    })  # fmt: skip
    work.ds.add(["a.jsonl"], records=True, key_field="id")
    work.ds.commit("first")
    assert written(work, tmp_path / "csv", "csv").read_text() == (
        'id,t,m\\udc00,l\n1,"""\\ud800x""",[1],\n2,y,,"{""\\udfff"": 1}"\n'
    )
    table = table_of(work, tmp_path / "parquet").select(["t", "m\\udc00", "l"])
    assert table.to_pylist() == [
        {"t": '"\\ud800x"', "m\\udc00": [1], "l": None},
        {"t": '"y"', "m\\udc00": None, "l": '{"\\udfff": 1}'},
    ]


def test_members_of_webdataset_are_called_what_they_are(work: Work, tmp_path: Path) -> None:
    """A row is a .csv, a line a .txt; a JSON object is a payload, since .json is what dsm says."""
    work.write({"a.csv": "id\n1\n", "b.tsv": "id\n1\n", "c.txt": "x\n", "d.jsonl": "{}\n"})
    work.ds.add(["a.csv", "b.tsv", "c.txt", "d.jsonl"], records=True)
    work.ds.commit("first")
    with tarfile.open(written(work, tmp_path / "out", "webdataset")) as shard:
        names = [name.partition("#")[2].partition(".")[2] for name in shard.getnames()[::3]]
    assert names == ["csv", "tsv", "txt", "payload.json"]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_what_has_no_fields_is_refused(work: Work, tmp_path: Path, form: str) -> None:
    """Files and members of archives are no lines: the error names the first, nothing is left."""
    work.write({"a.jsonl": JSON, "b.bin": b"\xff"})
    work.ds.add(["a.jsonl"], records=True)
    work.ds.add(["b.bin"])
    work.ds.commit("first")
    with pytest.raises(InvalidInput, match="b.bin is no record with fields"):
        written(work, tmp_path / "out", form)


def test_a_shard_of_records_is_described(work: Work, tmp_path: Path) -> None:
    """The document says that fields are columns, and Croissant names the columns as they are."""
    work.write({"a.jsonl": JSON})
    work.ds.add(["a.jsonl"], records=True, key_field="id")
    work.ds.commit("first")
    folder = written(work, tmp_path / "out", "parquet").parent
    assert json.loads((folder / "dataset.json").read_text())["record_fields"] is True
    (told,) = json.loads((folder / "croissant.json").read_text())["recordSet"]
    columns = [each["source"]["extract"]["column"] for each in told["field"]]
    assert columns == ["dsm.path", "dsm.object", "dsm.size", "dsm.label"]


@pytest.mark.parametrize("name", ["s.tar", "s.tar.gz", "s.zip"])
def test_files_in_archives_have_fields(work: Work, name: str) -> None:
    """What an archive says of a file are its fields, also of an example that was pickled, and
    columns of a table with fields."""
    members = {
        "a/1.jpg": b"one", "a/1.json": b'{"caption": "first", "n": [1]}', "a/1.cls": b"7",
        "a/2.jpg": b"two",
    }  # fmt: skip
    full = work.path(name)
    if name.endswith("zip"):
        with zipfile.ZipFile(full, "w") as archive:
            for each, data in members.items():
                archive.writestr(each, data)
    else:
        with tarfile.open(full, "w:gz" if name.endswith("gz") else "w") as tar:
            for each, data in members.items():
                info = tarfile.TarInfo(each)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    work.ds.add([name], records=True)
    work.ds.commit("first")
    view = work.ds.prepare()
    expected = [
        {"name": "a/1.jpg", "caption": "first", "n": [1], "cls": "7"}, {"name": "a/2.jpg"},
    ]  # fmt: skip
    assert [each.record for each in view] == expected
    assert [pickle.loads(pickle.dumps(each)).record for each in view] == expected
    assert [each.record for each in view.iterate(seed=1)] in (expected, expected[::-1])
    assert view.table(fields=True).column("record.caption").to_pylist() == ["first", None]


def test_lines_of_an_edited_file(work: Work, tmp_path: Path) -> None:
    """A file of many records comes back as its lines, also those that were edited since."""
    lines = [b'{"id": "%05d", "text": "%s"}\n' % (n, b"word " * (n % 9)) for n in range(3000)]
    work.write({"t.jsonl": b"".join(lines)})
    work.ds.add(["t.jsonl"], records=True, key_field="id")
    work.ds.commit("first")
    for number in (7, 1500, 1501, 2999):
        lines[number] = b'{"id": "%05d", "text": "other"}\n' % number
    work.write({"t.jsonl": b"".join(lines)})
    work.ds.add(["t.jsonl"])
    work.ds.commit("second")
    assert written(work, tmp_path / "out", "jsonl").read_bytes() == b"".join(lines)


def _rich() -> pa.Table:
    return pa.table({
        "id": [1, 2],
        "duration": pa.array([5, None], pa.duration("us")),
        "time": pa.array([datetime.time(1, 2, 3, 4), None], pa.time64("us")),
        "short": pa.array([datetime.time(1, 2, 3), None], pa.time32("s")),
        "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8())),
        "times": pa.array([[1], None], pa.list_(pa.timestamp("us", "Europe/Berlin"))),
        "amounts": pa.array([[decimal.Decimal("1.10")], []], pa.list_(pa.decimal128(9, 2))),
        "pair": pa.array([[1, 2], None], pa.list_(pa.int16(), 2)),
        "object": pa.array([{"d": 1, "b": b"x"}, None],
                           pa.struct([("d", pa.duration("s")), ("b", pa.binary())])),
        "view": pa.array(["a", None], pa.string_view()),
        "bytes": pa.array([b"\xff", None], pa.binary()),
    })  # fmt: skip


def _add_table(work: Work, name: str, table: pa.Table) -> None:
    out = io.BytesIO()
    pq.write_table(table, out)
    work.write({name: out.getvalue()})
    work.ds.add([name], records=True, key_field="id")


def test_all_types_of_parquet_come_back(work: Work, tmp_path: Path) -> None:
    """Also those within lists, objects and maps, times of day and durations."""
    _add_table(work, "t.parquet", _rich())
    work.ds.commit("rows")
    original = pq.read_table(work.root / "t.parquet")
    table = table_of(work, tmp_path / "out").select(original.column_names)
    assert table.schema.remove_metadata() == original.schema.remove_metadata()
    assert table.to_pylist() == original.to_pylist()


def test_columns_that_files_agree_on_keep_their_types(work: Work, tmp_path: Path) -> None:
    """Of the others, and of lines beside them, types are learnt; bytes are base64 there."""
    _add_table(work, "a.parquet", _rich())
    other = (
        _rich().set_column(1, "duration", pa.array([1.5, 2.5])).append_column("more", [["x", "y"]])
    )
    _add_table(work, "b.parquet", other)
    work.ds.commit("rows")
    table = table_of(work, tmp_path / "out")
    assert table.schema.field("duration").type == pa.string()
    assert table.column("duration").to_pylist() == ['"5"', None, "1.5", "2.5"]
    kept = [name for name in _rich().column_names if name != "duration"]
    assert [table.schema.field(name).type for name in kept] == [
        pq.read_table(work.root / "a.parquet").schema.field(name).type for name in kept
    ]
    work.write({"c.jsonl": b'{"id": 3, "bytes": {"base64": "AA=="}}\n'})
    work.ds.add(["c.jsonl"], records=True, key_field="id")
    work.ds.commit("a line")
    table = table_of(work, tmp_path / "all", "a.parquet", "c.jsonl")
    assert [each and each["base64"] for each in table.column("bytes").to_pylist()] == [
        "/w==", None, "AA=="
    ]  # fmt: skip
