"""JSON Lines as records: what is a record, what its fields say, and what is refused where."""

from __future__ import annotations

import io
import json
import math
import random
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from stored_groups import Groups

from dsm.records import jsonl
from dsm.records.gathering import Read, RecordsInvalid
from dsm.records.groups import LARGEST
from dsm.records.jsonl import fields_of, read_jsonl
from dsm.records.settings import RecordSettings

NOTHING = RecordSettings()


def read(data: bytes, settings: RecordSettings = NOTHING, store: Groups | None = None) -> Read:
    return read_jsonl(io.BytesIO(data).read, "t.jsonl", settings, store)


def lines(*records: Any) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in records).encode()


def said(found: Read) -> list[Any]:
    return [
        found.keys, [*map(len, (found.oids, found.sizes))], found.labels, found.times,
        found.attributes,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"", []),
        (b"\n", []),
        (b' \n\t\n{"a":1}\n\n', [b'{"a":1}']),
        (b'{"a":1}', [b'{"a":1}']),
        (b'{"a":1}\r\n{"a":2}\r\n', [b'{"a":1}', b'{"a":2}']),
        (b'\xef\xbb\xbf{"a":1}\n', [b'{"a":1}']),
        (b'  {"a":1}  \n', [b'  {"a":1}']),
        (b'{"a":NaN}\n', [b'{"a":NaN}']),
        (b'{"a":1, "a":2}\n', [b'{"a":1, "a":2}']),
        ('{"é":"\u2028"}\n'.encode(), ['{"é":"\u2028"}'.encode()]),
    ],
)
def test_records_are_the_lines_that_hold_objects(data: bytes, records: list[bytes]) -> None:
    """A record is a line without its end, blank ones are none, and the file is kept whole."""
    store = Groups()
    found = read(data, store=store)
    assert [blake3(each).digest() for each in records] == found.oids
    assert [len(each) for each in records] == found.sizes
    assert set(records) == set(store.parts.values())
    assert data == b"".join(store.groups)
    assert (blake3(data).digest(), len(data)) == (found.oid, found.size)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"[1]\n", 1),
        (b'"text"\n', 1),
        (b"1\n", 1),
        (b'{"a":1}\n{"a":\n', 2),
        (b'{"a":1}\n\n{"a": tru', 3),
        (b'{"a":1}{"a":2}\n', 1),
        (b'{"a":1}{"a":2}\n{"a":\n1}\n', 1),
        (b'{"a":{}\n,"b":1}\n', 1),
        (b'{"a":"\xff"}\n', 1),
        (b'{"a":"x\x00y"}\n', 1),
        (b"\xff\xfe{\x00}\x00\n\x00", 1),
        (b'{"a":1}\n' + b"[" * 200_000 + b"\n", 2),
        (b'{"a":' + b"9" * 5000 + b',"b":tru}\n', 1),
    ],
)
@pytest.mark.parametrize("settings", [NOTHING, RecordSettings(label="a"), RecordSettings(time="a")])
def test_what_is_no_object_is_refused(data: bytes, line: int, settings: RecordSettings) -> None:
    """One line names the file and the line of the first that is none."""
    with pytest.raises(RecordsInvalid) as caught:
        read(data, settings)
    assert caught.value.message.startswith(f"t.jsonl, line {line}: ")
    assert "\n" not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("data", "words", "hint"),
    [
        (b'[\n {"a":1},\n {"a":2}\n]\n', "1: begins an array", "jq -c '.[]' in.json > out.jsonl"),
        (b'[{"a":1},{"a":2}]', "1: begins an array", "jq -c '.[]' in.json > out.jsonl"),
        (b'{"a":0}\n{\n "a":1\n}\n', "2: ends within its", "jq -c . in.json > out.jsonl"),
        (b'{"a":[1,\n2]}\n', "1: ends within its JSON object", "jq -c . in.json > out.jsonl"),
        (b'{"a":0}\n{"a":{"b":1}', "2: ends within its JSON object", "the file is cut off"),
        (b'{"a":0}\n{"a":"b', "2: ends within its JSON object", "the file is cut off"),
        (b'{"a":1}{"a":2}\n', "1: has more than its JSON object, from character 8 on", "one JSON"),
        (b'{"a":"\xc3\xa9"}\n{"a":"","b":[{"c":"\xe9"}]}\n', "2: is not UTF-8 in the field 'b'", "iconv"),
        (b"null\n", "1: this is null", "each line is one JSON object"),
        ('{"a":1}\n'.encode("utf-16"), "1: is UTF-16", "iconv -f UTF-16"),
    ],
)  # fmt: skip
def test_the_usual_mistakes_are_told_with_what_to_do(data: bytes, words: str, hint: str) -> None:
    """JSON that is no JSON Lines, what is cut off and what is no UTF-8: line, field and a hint."""
    with pytest.raises(RecordsInvalid) as caught:
        read(data, RecordSettings(label="a"))
    assert caught.value.message.startswith(f"t.jsonl, line {words}")
    assert hint in (caught.value.hint or "")


def test_a_record_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that no pack could hold is refused before all of it is in memory."""
    monkeypatch.setattr(jsonl, "OBJECT_BYTES_MAX", 1000)
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 400)
    with pytest.raises(RecordsInvalid, match=r"line 2: is 1,\d{3} bytes long or longer"):
        read(lines({"a": 1}, {"a": "x" * 5000}))


def test_the_key_is_the_content_without_a_field() -> None:
    """The same content has the same key wherever it stands; a copy has a number."""
    one, two = {"a": 1}, {"a": 2}
    first, second = read(lines(one, two, one)), read(lines(two, one))
    assert first.keys == [*second.keys[::-1], f"{second.keys[1]}-2"]
    assert second.keys == [oid.hex()[:16] for oid in second.oids]


def test_fields_say_key_label_time_and_attributes() -> None:
    """Each is taken from the field that was named, also from one in an object."""
    settings = RecordSettings(
        key=("id",), label="meta.kind", time="at", attributes=("n", "meta.lang")
    )
    found = read(
        lines(
            {"id": 7, "meta": {"kind": "spam", "lang": "de"}, "at": "2026-01-31", "n": 1},
            {"id": "x/y#z%", "meta": {"kind": ["b", "a"]}, "at": 1_700_000_000, "n": None},
            {"id": 1.5, "at": None},
        ),
        settings,
    )
    assert found.keys == ["7", "x%2Fy%23z%25", "1.5"]
    assert found.labels == [("spam",), ("a", "b"), ()]
    assert found.times == [1_769_817_600_000_000, 1_700_000_000_000_000, None]
    assert found.attributes == [{"n": 1, "meta.lang": "de"}, {}, {}]


def test_several_key_fields_are_joined() -> None:
    """Keys of two fields differ where one of them does, whatever is in them."""
    pairs = [("a,b", "c"), ("a", "b,c"), ("a", "b"), ("%2C", "c"), (",", "c")]
    found = read(lines(*({"x": x, "y": y} for x, y in pairs)), RecordSettings(key=("x", "y")))
    assert len(pairs) == len(set(found.keys))
    assert found.keys[2] == "a,b"


@pytest.mark.parametrize(
    ("settings", "record", "words"),
    [
        (RecordSettings(key=("id",)), {"b": 1}, "has nothing in the field 'id', which is the key"),
        (RecordSettings(key=("id",)), {"id": ""}, "has nothing in the field 'id'"),
        (RecordSettings(key=("id",)), {"id": [1]}, "has no text and no number in the key 'id'"),
        (RecordSettings(key=("id",)), {"id": "y"}, "has the key 'y' in 'id', as line 1 has"),
        (RecordSettings(label="id"), {"id": {"a": 1}}, "has no label in the field 'id'"),
        (RecordSettings(label="id"), {"id": "x" * 300}, "has no label in the field 'id'"),
        (RecordSettings(time="id"), {"id": "soon"}, "has no time in the field 'id'"),
        (RecordSettings(time="id"), {"id": 1e300}, "has no time in the field 'id'"),
        (RecordSettings(attributes=("id",)), {"id": [1]}, "has no attribute in the field 'id'"),
        (RecordSettings(attributes=("id",)), {"id": 2**70}, "has no attribute in the field 'id'"),
        (RecordSettings(attributes=("id",)), {"id": math.inf}, "has no attribute in the field 'id'"),
        (RecordSettings(attributes=("id",)), {"id": "\ud800"}, "has no attribute in the field 'id'"),
        (RecordSettings(attributes=("id",)), {"id": 1}, "has an integer in the field 'id', where line 1 has a text"),
        (RecordSettings(key=("id",)), {"id": "\ud800"}, "has half a character (a lone surrogate) in the key 'id'"),
        (RecordSettings(key=("id",)), {"id": math.nan}, "has nothing in the field 'id'"),
    ],
)  # fmt: skip
def test_fields_that_cannot_say_it_are_refused(
    settings: RecordSettings, record: dict[str, Any], words: str
) -> None:
    """The line and the field are named."""
    first = {"id": "2026" if settings.time else "y"}
    with pytest.raises(RecordsInvalid) as caught:
        read(lines(first) + b"\n" + lines(record), settings)
    assert caught.value.message.startswith(f"t.jsonl, line 3: {words}")
    assert caught.value.hint


def test_nan_is_no_value() -> None:
    """Of label, time and attribute it says nothing, as null does; a text says so of a time."""
    settings = RecordSettings(label="l", time="t", attributes=("n",))
    found = read(
        lines(
            {"l": "x", "t": 1_700_000_000, "n": 1},
            {"l": math.nan, "t": math.nan, "n": math.nan},
            {"l": None, "t": "NaN", "n": 0.5},
        ),
        settings,
    )
    assert found.labels == [("x",), (), ()]
    assert found.times == [1_700_000_000_000_000, None, None]
    assert found.attributes == [{"n": 1}, {}, {"n": 0.5}]


def test_digits_that_a_float_would_lose_are_refused() -> None:
    """One type for both would change the integer, so its line is told."""
    with pytest.raises(RecordsInvalid, match="line 1: has an integer in the field 'n' that would"):
        read(lines({"n": 2**53 + 1}, {"n": 0.5}), RecordSettings(attributes=("n",)))


def test_a_field_that_no_record_has_is_refused() -> None:
    """A field that was misspelt is told, with those that there are."""
    with pytest.raises(RecordsInvalid, match="no record has the field 'lable'") as caught:
        read(lines({"id": 1, "label": "x"}), RecordSettings(label="lable"))
    assert caught.value.hint == "the first records have id, label"


def test_all_fields_are_those_of_one_type() -> None:
    """'*' takes single values whose types agree; lists, nulls and mixed ones are left out."""
    found = read(
        lines(
            {"id": 1, "n": 1, "f": 1, "t": "a", "l": [1], "mixed": 1, "big": 2**60, "path": "x"},
            {"id": 2, "n": 2, "f": 0.5, "t": None, "l": [], "mixed": "x", "big": -(2**60)},
        ),
        RecordSettings(key=("id",), attributes=("*",)),
    )
    assert found.attributes == [
        {"n": 1, "f": 1, "t": "a", "big": 2**60}, {"n": 2, "f": 0.5, "big": -(2**60)}
    ]  # fmt: skip


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS)


@given(
    st.lists(st.dictionaries(TEXTS, st.one_of(VALUES, st.lists(VALUES, max_size=3))), max_size=9)
)
def test_arrow_and_python_read_the_same(records: list[dict[str, Any]]) -> None:
    """Whichever of the two reads a block, the records and what they say are the same."""
    data = lines(*({"k": str(n), **each} for n, each in enumerate(records)))
    settings = RecordSettings(key=("k",))
    try:
        fast = said(read(data, settings))
    except RecordsInvalid as error:
        fast = [error.message]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl.Incremental, "_fields_by_arrow", lambda *_: False)
        try:
            slow = said(read(data, settings))
        except RecordsInvalid as error:
            slow = [error.message]
    assert slow == fast


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the file comes, records and groups are the same."""
    rng = random.Random(1)
    data = lines(*({"i": n, "t": "x" * rng.randrange(900)} for n in range(500)))
    whole, parts = Groups(), Groups()
    expected = read(data, NOTHING, whole)
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 1777)
    assert said(expected) == said(read(data, NOTHING, parts))
    assert whole.groups == parts.groups
    assert whole.listed == parts.listed


def test_groups_are_of_bounded_size_and_ends_are_found_again() -> None:
    """A line inserted at the front changes the first groups alone."""
    rng = random.Random(2)
    records = [{"i": n, "t": "x" * rng.randrange(900)} for n in range(3000)]
    before, after = Groups(), Groups()
    read(lines(*records), NOTHING, before)
    read(lines({"new": 1}, *records), NOTHING, after)
    assert len(before.groups) > 20
    assert max(map(len, before.groups)) <= LARGEST
    assert len(set(after.groups) - set(before.groups)) <= 2


def test_a_long_line_has_a_group_of_its_own() -> None:
    """Neighbours of a record of a megabyte are read without it."""
    store = Groups()
    read(lines({"a": 1}, {"a": "x" * 1_000_000}, {"a": 2}), NOTHING, store)
    assert len(store.groups) == 3


def test_a_record_nested_too_deeply_says_so() -> None:
    """Asking a record for its fields never ends the program."""
    with pytest.raises(ValueError, match="nested too deeply"):
        fields_of(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


@pytest.mark.parametrize("seed", range(6))
def test_many_lines_are_grouped_as_each_alone_is(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups and records are the same, whether lines are taken block by block or one by one, also
    those that are longer than a group, come twice, or lie across the ends of blocks."""
    draw = random.Random(seed)
    longest = (10, 300, 300, 5_000, 50_000, 300_000)[seed]
    data = lines(
        *({"n": draw.randrange(90), "x": "x" * draw.randrange(longest)} for _ in range(500))
    )
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", draw.randrange(1_000, 1_000_000))
    together, alone = Groups(), Groups()
    found = read(data, store=together)
    monkeypatch.setattr(jsonl.Incremental, "_plain_block", lambda *_: False)
    assert said(read(data, store=alone)) == said(found)
    assert alone.groups == together.groups
    assert alone.parts == together.parts
    assert alone.listed == together.listed


@pytest.mark.parametrize("beside", [1, 1 << 20])
@pytest.mark.parametrize("later", [b"[1]", b'{"id": "a", }', b"x" * 90_000])
def test_of_several_wrong_lines_the_first_is_told(
    later: bytes, beside: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fields are read while later lines are looked at already."""
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 100)
    monkeypatch.setattr(jsonl, "OBJECT_BYTES_MAX", 80_000)
    monkeypatch.setattr(jsonl, "_BESIDE_BYTES", beside)
    good = b"".join(b'{"id": "%03d", "text": "some words"}\n' % n for n in range(20))
    data = good + b'{"id": "", "text": "no key"}\n' + good.replace(b'"0', b'"1') + later + b"\n"
    with pytest.raises(RecordsInvalid, match="line 21: has nothing in the field 'id'"):
        jsonl.read_jsonl(io.BytesIO(data).read, "t.jsonl", RecordSettings(key=("id",)))
