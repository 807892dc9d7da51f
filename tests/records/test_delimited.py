"""CSV and TSV as records: what is a record, how a table is written, and what is refused where."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from stored_groups import Groups

from dsm.errors import InvalidInput
from dsm.records import delimited
from dsm.records.gathering import Read, RecordsInvalid
from dsm.records.reader import fields_of, read_records
from dsm.records.settings import RecordSettings


def read(data: bytes, store: Groups | None = None, form: str = "csv", **asked: Any) -> Read:
    return read_records(io.BytesIO(data), f"t.{form}", RecordSettings(form, **asked), store)


def rows(data: bytes, form: str = "csv", **asked: Any) -> list[dict[str, Any]]:
    """Returns the fields of each record, from its bytes alone and what was found of the file."""
    store = Groups()
    found = read(data, store, form, **asked)
    assert data == b"".join(store.groups)
    assert (blake3(data).digest(), len(data)) == (found.oid, found.size)
    return [fields_of(store.parts[oid], found.settings) for oid in found.oids]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a,b\n", []),
        (b"a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        (b"a,b\n1,2", [{"a": "1", "b": "2"}]),
        (b"a,b\r\n1,2\r\n\r\n3,4\r\n", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
        (b"\xef\xbb\xbfa,b\n1,2\n", [{"a": "1", "b": "2"}]),
        (b'a,b\n"x\ny","p ""q"""\n', [{"a": "x\ny", "b": 'p "q"'}]),
        (b'a,b\n"x\r\ny",\n', [{"a": "x\r\ny", "b": ""}]),
        (b"a;b\n1,5;2\n", [{"a": "1,5", "b": "2"}]),
        (b"a\tb\n1\t2\n", [{"a": "1", "b": "2"}]),
        (b"a|b\n1|2\n", [{"a": "1", "b": "2"}]),
        (b",b\n0,1\n", [{"": "0", "b": "1"}]),
        ("ä\nö\u2028ü\x0b\n".encode(), [{"ä": "ö\u2028ü\x0b"}]),
        (b"a,b\n9007199254740993,NaN\n", [{"a": "9007199254740993", "b": "NaN"}]),
    ],
)
def test_records_are_rows(data: bytes, expected: list[dict[str, str]]) -> None:
    """Each row is a record with the texts of its fields, whatever a table is written with, and the
    file is kept whole."""
    assert expected == rows(data)


def test_a_header_is_no_record_where_columns_are_named() -> None:
    """Without a header the first row is a record."""
    assert rows(b"1,2\n3,4\n", columns=("x", "y")) == [{"x": "1", "y": "2"}, {"x": "3", "y": "4"}]


def test_quotes_of_tab_separated_text_are_text_unless_they_quote() -> None:
    """A quote that nothing closes does not swallow the rows behind it."""
    plain = b'path\tsentence\na.mp3\t"Hello, he said\nb.mp3\tyes\n'
    assert [each["sentence"] for each in rows(plain, "tsv")] == ['"Hello, he said', "yes"]
    quoted = b'path\tsentence\na.mp3\t"one\ttwo"\n'
    assert [each["sentence"] for each in rows(quoted, "tsv")] == ["one\ttwo"]


def test_options_beat_what_is_found_out() -> None:
    """Delimiter, quote and encoding are as they were said."""
    asked = {"delimiter": ";", "quote": "'", "encoding": "latin-1"}
    assert rows(b"a;b\n'x;y';\xe9\n", **asked) == [{"a": "x;y", "b": "\xe9"}]
    assert rows(b'a,b\n"x,1"\n', quote="") == [{"a": '"x', "b": '1"'}]


@pytest.mark.parametrize(
    ("data", "asked", "words"),
    [
        (b"a,b\n1,2\n3\n", {}, "line 3: has 1 field where there are 2 columns: nothing in the field 'b'"),
        (b"a,b\n1,2\n3,4,5\n", {}, "line 3: has 3 fields where there are 2 columns: '5' is in none"),
        (b'a,b\n"x\ny",1\n"z,2\n', {}, "line 4: has a quote that is not closed in the field 'a'"),
        (b'a,b\n"x\ny","z,2\n', {}, "line 3: has a quote that is not closed in the field 'b'"),
        (b'a,"b\n1,2\n', {}, "line 1: has a quote that is not closed in the field 2"),
        (b'a,b\n"x"y,1\n', {}, "line 2: has text behind a closing quote in the field 'a'"),
        (b'a;b\n"x;""y";"z"1\n', {}, "line 2: has text behind a closing quote in the field 'b'"),
        (b"a,b\nx\ry,1\n", {}, "line 2: has a carriage return outside of quotes in the field 'a'"),
        (b"a,b\n1,2\nx,\xff\n", {}, "line 3: is not UTF-8 in the field 'b'"),
        (b"a,b\n\xff,2\n", {}, "line 2: is not UTF-8 in the field 'a'"),
        (b'a,b,c\n1,"x,\ny\xc3",2\n', {}, "line 3: is not UTF-8 in the field 'b'"),
        (b'\xef\xbb\xbf"a,",\xe9\n', {}, "line 1: is not UTF-8 in the field 2"),
        (b"a,b\n1,\x81\n", {"encoding": "cp1252"}, "line 2: is not CP1252 in the field 'b'"),
        (b"a,a\n1,2\n", {}, "line 1: names the fields, but the column 'a' is there twice"),
        (b"\xff\xfea\x00,\x00b\x00\n\x00", {}, "line 1: is UTF-16"),
        (b"a\x00,\x00b\x00\n\x00", {}, "line 1: is UTF-16"),
        ("a,b\n".encode("utf-32"), {}, "line 1: is UTF-32"),
        (b"a,n\n1,1.5\n2,-inf\n", {"attributes": ("n",)}, "line 3: has no attribute in the field 'n'"),
        (b"a,n\n1,1\n2,1e999\n", {"attributes": ("n",)}, "line 3: has no attribute in the field 'n'"),
        (b"a,b\n1,2\n,3\n", {"key": ("a",)}, "line 3: has nothing in the field 'a', which is the key"),
        (b"a,b\n1,2\n\n1,3\n", {"key": ("a",)}, "line 4: has the key '1' in 'a', as line 2 has"),
        (b"a,b\n1,soon\n", {"time": "b"}, "line 2: has no time in the field 'b'"),
        (b"a,b\n1,2\n", {"key": ("id",)}, "line 1: there is no column 'id', which is the key"),
        (b"a,b\n", {"key": ("id",)}, "line 1: there is no column 'id', which is the key"),
        (b"a\n1,2\n", {}, "line 2: has 2 fields where there is 1 column: '2' is in none"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(data: bytes, asked: dict[str, Any], words: str) -> None:
    """One line names the file, the line where the row begins, and the field."""
    with pytest.raises(RecordsInvalid) as caught:
        read(data, **asked)
    assert caught.value.message.startswith(f"t.csv, {words}")
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_long_fields_are_records_and_endless_ones_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A field of a megabyte is read; a quote that is never closed takes no memory without bound."""
    (found,) = rows(b"a,b\n1," + b"x" * 1_000_000 + b"\n")
    assert len(found["b"]) == 1_000_000
    monkeypatch.setattr(delimited, "OBJECT_BYTES_MAX", 2000)
    monkeypatch.setattr(delimited, "SAMPLE_BYTES", 300)
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 300)
    for endless in (b'a,b\n1,2\n3,"x\n' + b"y\n" * 5000, b"a,b\n1,2\n" + b"x" * 5000):
        with pytest.raises(RecordsInvalid, match=r"line 3: begins a row of 2,\d{3} bytes or more"):
            read(endless)


def test_columns_of_one_type_are_attributes_of_it() -> None:
    """Numbers are numbers where the whole column is; digits are never lost; nothing is null."""
    table = (
        b"i,f,b,t,long,zip,z\n"
        b"1,1,true,x,9007199254740993,01234,9\n"
        b"-2,0.5,false,7,1,56789,\n"
        b"NaN,NaN,,n/a,0.5,1,123456789012345678901\n"
    )
    found = read(table, attributes=("*",))
    assert found.attributes == [
        {"i": 1, "f": 1.0, "b": True, "t": "x", "long": "9007199254740993", "zip": "01234", "z": "9"},
        {"i": -2, "f": 0.5, "b": False, "t": "7", "long": "1", "zip": "56789"},
        {"t": "n/a", "long": "0.5", "zip": "1", "z": "123456789012345678901"},
    ]  # fmt: skip


def test_infinite_is_a_word_where_no_number_is_asked_for() -> None:
    """In a column of words it is one of them, and '*' makes no number of its column."""
    words = read(b"a\ninf\nx\n", attributes=("a",))
    assert words.attributes == [{"a": "inf"}, {"a": "x"}]
    every = read(b"a,b\ninf,1\n1.5,2\n", attributes=("*",))
    assert every.attributes == [{"a": "inf", "b": 1}, {"a": "1.5", "b": 2}]


def test_types_of_earlier_states_only_widen() -> None:
    """A column that held texts holds texts, also when all that is left of it are digits."""
    first = read(b"a,b\nx,1\n", attributes=("*",)).settings
    again = read_records(io.BytesIO(b"a,b\n12,0.5\n"), "t.csv", first.asked())
    assert again.attributes == [{"a": "12", "b": 0.5}]


def test_labels_are_parted_and_times_are_read() -> None:
    """One field may hold several labels; a time is a date or a number of seconds."""
    data = b'l,t\n"b; a;",2026-01-31\n,1700000000\n'
    found = read(data, label="l", label_sep=";", time="t")
    assert found.labels == [("a", "b"), ()]
    assert found.times == [1_769_817_600_000_000, 1_700_000_000_000_000]


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1, max_size=6)
    ),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_any_table_is_read_as_it_was_written(
    table: list[list[str]], delimiter: str, end: str, bom: bool
) -> None:
    """What Python's `csv` wrote is read from the bytes of each record alone."""
    columns = [f"c{number}" for number in range(len(table[0]))]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([columns, *table])
    data = (b"\xef\xbb\xbf" if bom else b"") + out.getvalue().encode()
    expected = [dict(zip(columns, row, strict=True)) for row in table]
    assert expected == rows(data, delimiter=delimiter)


@given(st.binary(max_size=60) | st.text('a,"\n\r; ', max_size=40).map(str.encode))
def test_any_bytes_are_read_whole_or_refused(data: bytes) -> None:
    """Nothing but a refusal comes of what is no table, and of each record its fields are known."""
    try:
        rows(data)
    except RecordsInvalid:
        return


@pytest.mark.parametrize(
    "asked",
    [
        {"delimiter": ""}, {"delimiter": "ab"}, {"delimiter": '"', "quote": '"'}, {"quote": "\n"},
        {"encoding": "utf-16"}, {"encoding": "rot13"}, {"encoding": "x"}, {"label_sep": ""},
        {"columns": ("a", "a")},
    ],
)  # fmt: skip
def test_settings_that_no_table_has_are_refused(asked: dict[str, Any]) -> None:
    """Options are checked before any file is opened."""
    with pytest.raises(
        InvalidInput,
        match=r"needs a delimiter|is not one character|is none that dsm reads|what parts labels is empty|is there twice",
    ):
        RecordSettings("csv", **asked)


@pytest.mark.parametrize("data", [b"a,b\n1,2\n", b"\xef\xbb\xbfa;b\n1;x\n", b""])
def test_rows_of_files_say_how_they_were_read(data: bytes) -> None:
    """What stands in the row of a file is read as it was written."""
    settings = read(data, attributes=("*",)).settings
    assert (settings, 7) == RecordSettings.from_text(settings.to_text(7))
