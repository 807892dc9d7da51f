"""Label files: what each format gives, and what is refused with file and line."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from dsm.errors import InvalidInput, NotFound
from dsm.worktree.label_file import LabelRow, read_label_file
from dsm.worktree.missing_values import DEFAULT

Write = Callable[[str, str], str]
Rows = dict[str, LabelRow]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file and returns its path."""

    def write(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return str(path)

    return write


def rows(path: str) -> Rows:
    return read_label_file(path).rows


def jsonl(*objects: object) -> str:
    return "".join(json.dumps(each) + "\n" for each in objects)


def refusal(path: str) -> str:
    """Returns the message without the folder."""
    with pytest.raises(InvalidInput) as caught:
        read_label_file(path)
    assert "\n" not in caught.value.message
    return caught.value.message.replace(str(Path(path).parent) + "/", "")


def in_parquet(folder: Path, **columns: pa.Array) -> str:
    path = folder / "labels.parquet"
    parquet.write_table(pa.table(columns), path)
    return str(path)


def test_a_row_of_each_format_says_the_same(tmp_path: Path, write: Write) -> None:
    """CSV, TSV, JSON Lines and Parquet give equal rows for equal content."""
    moment = "2026-01-02T03:04:05Z"
    expected = {
        "a.jpg": LabelRow(
            ("cat", "tabby"),
            1_767_323_045_000_000,
            '{"box":[1,2.5],"é":null}',
            {"width": 640, "score": 0.5, "ok": True, "who": "ann"},
        ),
        "b.jpg": LabelRow(None, None, None, {}),
    }
    cells = ["a.jpg", "cat;tabby", moment, '{"é": null, "box": [1, 2.5]}', "640", "0.5", "true"]
    header = ["path", "labels", "time", "annotation", "width", "score", "ok", "who"]
    for suffix, delimiter in ((".csv", ","), (".TSV", "\t")):
        text = io.StringIO()
        table = [header, [*cells, "ann"], ["b.jpg", "", "", "", "", "", "", ""]]
        csv.writer(text, delimiter=delimiter).writerows(table)
        assert expected == rows(write("labels" + suffix, text.getvalue()))
    annotation = {"é": None, "box": [1, 2.5]}
    values = ["a.jpg", ["cat", "tabby"], moment, annotation, 640, 0.5, True, "ann"]
    lines = jsonl(dict(zip(header, values, strict=True)), {"path": "b.jpg", "width": None})
    assert expected == rows(write("labels.jsonl", lines))
    assert expected == rows(write("labels.ndjson", "\ufeff\r\n" + lines.replace("\n", "\r\n")))
    values[3] = json.dumps(annotation)
    table = [dict(zip(header, values, strict=True)), {"path": "b.jpg"}]
    parquet.write_table(pa.Table.from_pylist(table), tmp_path / "labels.parquet")
    assert expected == rows(str(tmp_path / "labels.parquet"))


@pytest.mark.parametrize(
    ("header", "attributes"),
    [
        ("path,file", {"file": "y"}),
        ("file,path", {"file": "x"}),
        ("filename,file", {"filename": "x"}),
        ("file_name,x", {"x": "y"}),
    ],
)
def test_the_path_column_has_aliases(
    write: Write, header: str, attributes: dict[str, object]
) -> None:
    """The first of path, file, filename and file_name is the path, the others are attributes."""
    (row,) = rows(write("a.csv", f"{header}\nx,y\n")).values()
    assert attributes == row.attributes


@pytest.mark.parametrize("path", ["a/b", "./a/b", "././a//b", "a/./b"])
def test_paths_are_normalised(write: Write, path: str) -> None:
    """A path may be written as a shell writes it."""
    assert list(rows(write("a.csv", f"path\n{path}\n"))) == ["a/b"]


def test_paths_keep_what_is_theirs(write: Write) -> None:
    """Blanks, separators and newlines are part of a quoted path."""
    expected = [" a ", "b,c", 'd"e', "f\ng", "back\\slash"]
    text = io.StringIO()
    csv.writer(text).writerows([["path"], *([path] for path in expected)])
    assert expected == list(rows(write("a.csv", text.getvalue())))


@pytest.mark.parametrize("path", ["/a", "../a", "a/..", ".git/x", "a/", "a/.DSM/b", "//a"])
def test_a_path_outside_the_dataset_is_refused(write: Write, path: str) -> None:
    """The line of the path is named."""
    assert refusal(write("a.csv", f"path\nok\n{path}\n")).startswith("a.csv, line 3: the path ")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2", "0"], [1, -2, 0]),
        (["1", ""], [1, None]),
        ([" 1 ", "2"], [1, 2]),
        (["1", "2.5"], [1.0, 2.5]),
        (["1e3", "-.5", "2."], [1000.0, -0.5, 2.0]),
        (["007", "8"], ["007", "8"]),
        (["00.5", "1"], ["00.5", "1"]),
        (["+49", "1"], ["+49", "1"]),
        (["true", "False", "TRUE"], [True, False, True]),
        (["true", "1"], ["true", "1"]),
        (["1", "x"], ["1", "x"]),
        ([" x ", ""], [" x ", None]),
        (["nan", "1.5"], [None, 1.5]),
        (["1e999", "1"], ["1e999", "1"]),
        (["9223372036854775807", "1"], [2**63 - 1, 1]),
        (["9223372036854775808", "1"], ["9223372036854775808", "1"]),
        (["9007199254740993", "0.5"], ["9007199254740993", "0.5"]),
        (["9" * 5000], ["9" * 5000]),
        (["", " "], [None, None]),
        (["2026-01-01", "1"], ["2026-01-01", "1"]),
        (["٣", "1"], ["٣", "1"]),
    ],
)
def test_csv_columns_have_one_type(write: Write, cells: list[str], expected: list[object]) -> None:
    """The whole column decides, and a value that a number would change stays text."""
    text = "path,x\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells))
    found = [row.attributes.get("x") for row in rows(write("a.csv", text)).values()]
    assert expected == found
    assert [type(value) for value in expected] == [type(value) for value in found]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], [1, 2]),
        ([1, 2.5, None], [1.0, 2.5, None]),
        ([True, False], [True, False]),
        (["", "a"], ["", "a"]),
    ],
)
def test_json_columns_have_one_type(
    write: Write, values: list[object], expected: list[object]
) -> None:
    """Integers become floats where a column has both; null is absent."""
    text = jsonl(*({"path": str(i), "x": value} for i, value in enumerate(values)))
    found = [row.attributes.get("x") for row in rows(write("a.jsonl", text)).values()]
    assert expected == found
    assert [type(value) for value in expected] == [type(value) for value in found]


@pytest.mark.parametrize(
    ("row", "labels"),
    [
        ({"label": "cat"}, ("cat",)),
        ({"label": " e\u0301 "}, ("\u00e9",)),
        ({"label": 7}, ("7",)),
        ({"labels": ["a", "b", "a"]}, ("a", "b")),
        ({"labels": []}, ()),
        ({"labels": None}, None),
        ({"label": None, "labels": ["a"]}, ("a",)),
        ({}, None),
    ],
)
def test_json_labels(write: Write, row: dict[str, object], labels: object) -> None:
    """`label` is text or a class number, `labels` a list; an empty list says there are none."""
    (found,) = rows(write("a.jsonl", jsonl({"path": "x", **row}))).values()
    assert labels == found.labels


@pytest.mark.parametrize(
    ("header", "cell", "labels"),
    [
        ("label", "cat", ("cat",)),
        ("label", "a;b", ("a;b",)),
        ("label", " ", None),
        ("labels", "a;b", ("a", "b")),
        ("labels", "a | b;a;", ("a", "b")),
        ("labels", ";", ()),
        ("labels", "", None),
    ],
)
def test_csv_labels(write: Write, header: str, cell: str, labels: object) -> None:
    """`labels` are separated by ';' or '|', `label` is one."""
    (found,) = rows(write("a.csv", f"path,{header},z\nx,{cell},1\n")).values()
    assert labels == found.labels


@pytest.mark.parametrize(
    ("cell", "annotation"),
    [
        ('{"b": 1, "a": [true]}', '{"a":[true],"b":1}'),
        ("hello, you", '"hello, you"'),
        ("[laughs] yes", '"[laughs] yes"'),
        ('"quoted"', '"quoted"'),
        ("12", "12"),
        ("NaN", '"NaN"'),
        ("é", '"é"'),
        ("", None),
    ],
)
def test_csv_annotations_are_json_or_text(write: Write, cell: str, annotation: str | None) -> None:
    """What is not JSON is a string of JSON."""
    text = io.StringIO()
    csv.writer(text).writerows([["path", "annotation"], ["x", cell]])
    (found,) = rows(write("a.csv", text.getvalue())).values()
    assert annotation == found.annotation


@pytest.mark.parametrize(
    ("time", "time_us"),
    [
        ("1970-01-01T00:00:01+00:00", 1_000_000),
        ("1970-01-02", 86_400_000_000),
        (1_700_000_000, 1_700_000_000_000_000),
        (1_700_000_000.25, 1_700_000_000_250_000),
    ],
)
def test_times_of_json(write: Write, time: object, time_us: int) -> None:
    """Absolute times are text or Unix seconds."""
    (found,) = rows(write("a.jsonl", jsonl({"path": "x", "time": time}))).values()
    assert time_us == found.time_us


def test_equal_rows_of_a_path_are_one(write: Write) -> None:
    """A repeated row does no harm; order is the file's."""
    text = "path,label,x\nb,cat,1\na,dog,2\n./b,cat,1\n"
    assert list(rows(write("a.csv", text))) == ["b", "a"]


def test_different_rows_of_a_path_are_refused(write: Write) -> None:
    """Both lines are named, as an editor counts them."""
    text = 'path,annotation\nb,"two\nlines"\n\na,1\nb,2\n'
    assert refusal(write("a.csv", text)) == "a.csv, line 6: 'b' differs from its row in line 2"


CSV_REFUSALS = [
    ("", "line 1: there is no header"),
    ("\n\nx,path\n1,\n", "line 4: there is no path"),
    ("name,label\nx,y\n", "there is no column with paths"),
    ("path,,x\n", "line 1: column 2 has no name"),
    ("path,x, x\n", "line 1: columns 2 and 3 are both named 'x'"),
    ("path,path\n", "line 1: columns 1 and 2 are both named 'path'"),
    ("path,size\n", "line 1: the attribute name 'size' is reserved"),
    ("path,Label\n", "line 1: the attribute name 'Label' is reserved"),
    ("path,a\x1bb\n", "line 1: the attribute name 'a\\x1bb' has a control character"),
    ("path,x\na\n", "line 2: there are 1 fields, but 2 in the header"),
    ("path,x\na,b,c\n", "line 2: there are 3 fields, but 2 in the header"),
    ('path,x\na,"b\n', "line 2: this is not CSV: unexpected end of data"),
    ('path,x\na,"b"c\n', "line 2: this is not CSV: ',' expected after '\"'"),
    ("path,x\na," + "y" * 131_073 + "\n", "line 2: this is not CSV: field larger than"),
    ("path,x\n,1\n", "line 2: there is no path"),
    ("path,time\nx,\ny,7d\n", "line 3: '7d' is not a time"),
    ("path,time\nx,2026-02-30\n", "line 2: '2026-02-30' is not a time: there is no such day"),
    ("path,label,labels\nx,a,b\n", "line 2: has both a label and labels"),
    ("path,label\nx,a\x01b\n", "line 2: the label 'a\\x01b' has a control character"),
    ('path,annotation\nx,"{""a"": NaN}"\n', "line 2: NaN is not a number in JSON"),
    ('path,annotation\nx,"{""a"":1,""a"":2}"\n', "line 2: an object has the same name twice"),
    ("path\n" + ".".join(["a"] * 3) + "\nb\udcff\n", "line 3: the text is not UTF-8"),
    (",".join(["path", *(f"c{i}" for i in range(1000))]), "there are 1001 columns (at most 1000)"),
]


@pytest.mark.parametrize(("text", "problem"), CSV_REFUSALS)
def test_csv_is_refused_with_its_line(write: Write, text: str, problem: str) -> None:
    """Whatever is wrong is named with the file and the line."""
    message = refusal(write("a.csv", text))
    assert problem == message.removeprefix("a.csv, ").removeprefix("a.csv: ")[: len(problem)]


JSONL_REFUSALS = [
    ('{"path": "x"}\n[1]\n', "line 2: this is a list"),
    ('{"path": "x"}\n\n{"path"}\n', "line 3: this is not JSON: Expecting ':' delimiter (char"),
    ('{"path": "x"} {}\n', "line 1: this is not JSON: Extra data"),
    ('{"path": "x", "path": "y"}\n', "line 1: an object has the same name twice"),
    ('{"path": "x", "s": NaN}\n', "line 1: NaN is not a number in JSON"),
    ('{"path": "x", "s": -Infinity}\n', "line 1: -Infinity is not a number in JSON"),
    ('{"path": "x", "s": 1e999}\n', "line 1: the attribute 's' is not a finite number"),
    ('{"path": "x", "annotation": {"s": 1e999}}\n', "line 1: Out of range float values"),
    ('{"path": "x", "s": {"a": 1}}\n', "line 1: the attribute 's' is an object; attributes are"),
    ('{"path": "x"}\n{"path": "y", "s": [1]}\n', "line 2: the attribute 's' is a list"),
    ('{"path": "x", "s": 1}\n{"path": "y", "s": "a"}\n',
     "line 2: the attribute 's' is text here and a whole number in line 1"),
    ('{"path": "x", "s": 1}\n{"path": "y", "s": true}\n',
     "line 2: the attribute 's' is true or false here and a whole number in line 1"),
    ('{"path": "x", "s": 9223372036854775808}\n', "line 1: the attribute 's' does not fit 64 bits"),
    ('{"path": "x", "s": 9007199254740993}\n{"path": "y", "s": 0.5}\n',
     "line 1: the attribute 's' has floats, which cannot be 9007199254740993"),
    ('{"path": "x", "s": "\\ud800"}\n', "line 1: the attribute 's' holds half a character"),
    ('{"path": "x", "annotation": "\\ud800"}\n', "line 1: the annotation holds half a character"),
    ('{"path": "\\ud800"}\n', "line 1: the name '\\ud800' is not UTF-8"),
    ('{"path": "x"}\n{"path": 7}\n', "line 2: there is a path that is not text"),
    ('{"path": "x"}\n{"label": "a"}\n', "line 2: there is no path"),
    ('{"label": "a"}\n', "there is no column with paths"),
    ('{"path": "x", "label": ["a"]}\n', "line 1: a label is text, not a list"),
    ('{"path": "x", "label": ""}\n', "line 1: a label is empty"),
    ('{"path": "x", "label": true}\n', "line 1: a label is text, not true or false"),
    ('{"path": "x", "labels": "a;b"}\n', "line 1: the column 'labels' holds lists, not text"),
    ('{"path": "x", "labels": ["a", null]}\n', "line 1: a label is text, not null"),
    ('{"path": "x", "time": true}\n', "line 1: a time is text or Unix seconds, not true or false"),
    ('{"path": "x", "time": 12}\n', "line 1: '12' is not a time"),
    ('{"path": "x"}\n{"path": "y", "": 1}\n', "line 2: column 2 has no name"),
    ('{"path": "x"}\n{"path": "y", "op": 1}\n', "line 2: the attribute name 'op' is reserved"),
    ('{"path": "x", "a": ' + "[" * 100_000 + "\n", "line 1: this is nested too deeply"),
    ('{"path": "x", "a": ' + "9" * 5000 + "}\n", "line 1: Exceeds the limit"),
    ('{"path": "x"}\n\udcff', "line 2: the text is not UTF-8"),
    (jsonl(*({"path": str(i), f"c{i}": 1} for i in range(1001))), "line 1000: there are over 1000"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"path": "x", "label": ["a"]}', "put several into the column 'labels'"),
        ('{"path": "x", "label": 1.0}', "write it as text"),
        ('{"Path": "x", "label": "a"}', "write 'path', if that is meant"),
        ('{"path": "x", "size": 1}', "choose another, such as 'my_size'"),
    ],
)
def test_hints_lead_out(write: Write, text: str, hint: str) -> None:
    """What the hint says is the way out of this very mistake."""
    with pytest.raises(InvalidInput) as caught:
        read_label_file(write("a.jsonl", text))
    assert caught.value.hint == hint


def test_messages_name_the_file_as_it_was_given(tmp_path: Path, write: Write) -> None:
    """A path counts from the given folder and is shown as it was written."""
    write("a.csv", "path,size\n")
    with pytest.raises(NotFound, match=r"there is no label file \.\./a\.csv") as missing:
        read_label_file("../a.csv", str(tmp_path / "below"))
    assert missing.value.message == "there is no label file ../a.csv"
    assert missing.value.hint is not None
    (tmp_path / "below").mkdir()
    with pytest.raises(InvalidInput, match="1: the attribute name 'size' is reserved") as caught:
        read_label_file("../a.csv", str(tmp_path / "below"))
    assert caught.value.message.startswith("../a.csv, line 1: the attribute name 'size'")


@pytest.mark.parametrize(("text", "problem"), JSONL_REFUSALS)
def test_json_is_refused_with_its_line(write: Write, text: str, problem: str) -> None:
    """Whatever is wrong is named with the file and the line."""
    message = refusal(write("a.jsonl", text))
    assert problem == message.removeprefix("a.jsonl, ").removeprefix("a.jsonl: ")[: len(problem)]


def test_line_separators_of_unicode_end_no_line(write: Write) -> None:
    """Only a newline ends a line of JSON Lines."""
    text = '{"path": "x", "a": "one\u2028two\x85"}\n'
    assert rows(write("a.jsonl", text))["x"].attributes == {"a": "one\u2028two\x85"}


@pytest.mark.parametrize(("name", "text"), [("a.csv", "path,label\n"), ("a.jsonl", "\n\n")])
def test_a_file_without_rows_is_empty(write: Write, name: str, text: str) -> None:
    """A header alone, or nothing but blank lines, says nothing."""
    assert rows(write(name, text)) == {}


def test_a_file_is_known_by_its_suffix(tmp_path: Path, write: Write) -> None:
    """Other suffixes, folders and files that are not there are refused by name."""
    assert refusal(write("a.xlsx", "")).endswith("a.xlsx is not known as a label file by its name")
    for name in ("no.csv", "no.jsonl", "no.parquet"):
        with pytest.raises(NotFound, match=f"there is no label file .*{name}\n"):
            read_label_file(str(tmp_path / name))
    (tmp_path / "d.csv").mkdir()
    assert refusal(str(tmp_path / "d.csv")) == "d.csv: cannot be read: Is a directory"


@pytest.mark.parametrize(
    ("array", "time_us"),
    [
        (pa.array([datetime(2026, 1, 2, 3)], pa.timestamp("us")), 1_767_322_800_000_000),
        (pa.array([1_767_322_800], pa.timestamp("s", "Europe/Paris")), 1_767_322_800_000_000),
        (pa.array([1_767_322_800_000_000_999], pa.timestamp("ns")), 1_767_322_800_000_000),
        (pa.array([date(1970, 1, 2)]), 86_400_000_000),
        (pa.array([86_400_000], pa.date64()), 86_400_000_000),
        (pa.array(["1970-01-02"]), 86_400_000_000),
        (pa.array([1_700_000_000]), 1_700_000_000_000_000),
        (pa.array([None], pa.timestamp("us")), None),
    ],
)  # fmt: skip
def test_times_of_parquet(tmp_path: Path, array: pa.Array, time_us: int | None) -> None:
    """Timestamps of any unit and zone, dates, text and Unix seconds are instants."""
    path = in_parquet(tmp_path, path=pa.array(["x"]), time=array)
    assert time_us == rows(path)["x"].time_us


def test_columns_of_parquet_keep_their_types(tmp_path: Path) -> None:
    """Types come from the schema; dictionaries are texts; structures are annotations."""
    path = in_parquet(
        tmp_path,
        path=pa.array(["x", "y"]).dictionary_encode(),
        label=pa.array(["cat", None]).dictionary_encode(),
        annotation=pa.array([{"b": [1, 2], "a": None}, None]),
        i=pa.array([1, None], pa.uint8()),
        f=pa.array([1.0, None], pa.float32()),
        b=pa.array([False, None]),
        s=pa.array(["007", ""], pa.large_string()),
        n=pa.nulls(2),
    )
    first = LabelRow(
        ("cat",), None, '{"a":null,"b":[1,2]}', {"i": 1, "f": 1.0, "b": False, "s": "007"}
    )
    assert rows(path) == {"x": first, "y": LabelRow(attributes={"s": ""})}
    assert type(rows(path)["x"].attributes["f"]) is float


@pytest.mark.parametrize(
    ("name", "array", "problem"),
    [
        ("a", pa.array([[1]]), ", row 1: the attribute 'a' is a list"),
        ("a", pa.array([{"b": 1}]), ", row 1: the attribute 'a' is an object"),
        ("a", pa.array([b"x"]), ", row 1: the attribute 'a' is binary data"),
        ("a", pa.array([Decimal("1.5")]), ", row 1: the attribute 'a' is a Decimal"),
        ("a", pa.array([1], pa.timestamp("ns")), ": the attribute 'a' has the type timestamp[ns]"),
        ("a", pa.array([float("inf")]), ", row 1: the attribute 'a' is not a finite number"),
        ("a", pa.array([2**63], pa.uint64()), ", row 1: the attribute 'a' does not fit 64 bits"),
        ("offset", pa.array([1]), ": the attribute name 'offset' is reserved"),
        ("time", pa.array([10**15], pa.timestamp("s")), ": the column 'time': Casting from"),
        ("time", pa.array([-(2**62)], pa.timestamp("us")), ", row 1: the time is outside"),
        ("annotation", pa.array([{"d": date(2026, 1, 1)}]), ", row 1: the annotation is not JSON"),
        ("labels", pa.array(["a;b"]), ", row 1: the column 'labels' holds lists, not text"),
    ],
)
def test_parquet_is_refused_with_its_row(
    tmp_path: Path, name: str, array: pa.Array, problem: str
) -> None:
    """Whatever is wrong is named with the file and, where there is one, the row."""
    message = refusal(in_parquet(tmp_path, **{"path": pa.array(["x"]), name: array}))
    assert problem == message.removeprefix("labels.parquet")[: len(problem)]


def test_names_twice_in_parquet_are_refused(tmp_path: Path) -> None:
    """Parquet lets columns share a name; attributes cannot."""
    table = pa.table([pa.array(["x"]), pa.array([1]), pa.array([2])], names=["path", "a", "a"])
    parquet.write_table(table, tmp_path / "labels.parquet")
    expected = "labels.parquet: columns 2 and 3 are both named 'a'"
    assert expected == refusal(str(tmp_path / "labels.parquet"))


@pytest.mark.parametrize("data", ["", "PAR1", "path\nx\n", "PAR1" + "\0" * 100 + "PAR1"])
def test_what_is_not_parquet_is_refused(write: Write, data: str) -> None:
    """A damaged file is named in one line."""
    prefix = "a.parquet: this is not a Parquet file: "
    assert refusal(write("a.parquet", data)).startswith(prefix)


def test_pyarrow_is_loaded_for_parquet_only(write: Write) -> None:
    """Labels from CSV do not pay for the import."""
    path = write("a.csv", "path,label\nx,cat\n")
    code = (
        "import sys; from dsm.worktree.label_file import read_label_file; "
        f"print(len(read_label_file({path!r}).rows), 'pyarrow' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "1 False\n"


@pytest.mark.parametrize("text", sorted(DEFAULT))
def test_what_is_missing_says_nothing(tmp_path: Path, text: str) -> None:
    """The usual words for a missing value make no column of numbers text, in no format."""
    (tmp_path / "a.csv").write_text(f"path,label,time,age\na,x,2026,7\nb,{text},{text}, {text} \n")
    rows = [{"path": "a", "label": "x", "time": "2026", "age": 7}]
    rows.append({"path": "b"} | dict.fromkeys(("label", "time", "age"), text))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = {
        "path": ["a", "b"], "label": ["x", text], "time": ["2026", text], "age": [7.0, math.nan],
    }  # fmt: skip
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        found = read_label_file(str(tmp_path / name)).rows
        assert found["b"] == LabelRow() and found["a"].attributes == {"age": 7}
    (tmp_path / "a.csv").write_text(f"path,age,annotation\na,{text},{text}\n")
    row = read_label_file(str(tmp_path / "a.csv"), missing=frozenset(("-",))).rows["a"]
    assert row.attributes == {"age": text} and row.annotation is not None


def test_few_bytes_do_not_stand_for_any_number_of_cells(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that repeat one value, names that one line has, a text that all rows share: refused
    before they become objects, in words that name the way out."""
    monkeypatch.setattr("dsm.worktree.label_source.CELLS_MAX", 1000)
    wide = jsonl(
        {"path": "x", **{f"c{i}": 1 for i in range(299)}}, *({"path": "y"} for _ in range(999))
    )
    same = tmp_path / "same.parquet"
    parquet.write_table(pa.table({"path": ["x"] * 20_000}), same, compression="zstd")
    text = pa.array(["t" * (1 << 20)]).dictionary_encode()
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * 600, pa.int32()), text.dictionary)
    large = tmp_path / "large.parquet"
    table = pa.table({"path": [str(i) for i in range(600)], "annotation": shared})
    parquet.write_table(table, large, compression="zstd", store_schema=False)
    for file, said in (
        (
            write("a.jsonl", wide),
            r"a\.jsonl: \d+ rows of 300 columns are too many for [\d,]+ bytes",
        ),
        (str(same), r"same\.parquet: 20,000 rows of 1 columns are too many for \d+ bytes"),
        (str(large), r"large\.parquet: its rows take more memory than they may"),
    ):
        with pytest.raises(InvalidInput, match=said):
            read_label_file(file)
