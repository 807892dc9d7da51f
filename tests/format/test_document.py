"""Sealed documents: canonical JSON as RFC 8785 has it, golden bytes, and that damage is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hexdump import dump
from hypothesis import given
from hypothesis import strategies as st
from mutation import damaged

from dsm.errors import DamagedData, InvalidInput
from dsm.format.document import UnknownFormat, canonical, decode, encode

HEADER: dict[str, Any] = {
    "number": 7,
    "dataset": "0123456789abcdef0123456789abcdef",
    "parent": None,
    "message": "relabel night shots\nsecond line",
    "author": "tester <tester@example.org>",
    "rows": {"added": 2, "deleted": 0},
    "labels": ["Katze", "猫", "\U0001f408"],
    "pinned": True,
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.dictionaries(TEXT.filter(lambda key: key not in ("seal", "format")), VALUES, max_size=5)


def test_golden_document(golden: Callable[[str, str], None]) -> None:
    """A document is written exactly so: sorted keys, no blanks, the format number and the seal."""
    golden("format/document-v1.hex", dump(encode(HEADER)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # RFC 8785, section 3.2.3: keys in the order of their UTF-16 code units.
        (
            {"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet",
             "1": "One", "\U0001f600": "Emoji: Grinning Face", "\u0080": "Control",
             "\u00f6": "Latin Small Letter O With Diaeresis"},
            '{"\\r":"Carriage Return","1":"One","\u0080":"Control",'
            '"\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign",'
            '"\U0001f600":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet"}',
        ),
        # Section 3.2.2.2: what is escaped, and how.
        ('\x00\x07\b\t\n\v\f\r\x1f "\\/\x7f\u2028é', '"\\u0000\\u0007\\b\\t\\n\\u000b\\f\\r\\u001f'
         ' \\"\\\\/\x7f\u2028é"'),
        ([None, True, False, 0, -1, 9007199254740992], "[null,true,false,0,-1,9007199254740992]"),
        ({"b": [], "a": {}}, '{"a":{},"b":[]}'),
    ],
)  # fmt: skip
def test_canonical_form(value: Any, text: str) -> None:
    """Canonical JSON is that of RFC 8785, also where Python would sort and escape otherwise."""
    assert canonical(value) == text.encode()


def test_floats_have_no_canonical_form() -> None:
    """Floats are spelt differently by different writers: they are refused at any depth."""
    for value in (1.0, [0.5], {"a": [{"b": float("nan")}]}, float("inf")):
        with pytest.raises(ValueError, match="floats"):
            canonical(value)


def test_depth_is_bounded() -> None:
    """A document nested deeper than 32 levels is refused, not recursed into."""
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="deep"):
        canonical(value)
    with pytest.raises(DamagedData, match="is damaged: it is not a JSON document"):
        decode(b"[" * 200_000, "x.json")
    with pytest.raises(DamagedData, match="is damaged: it is not a JSON document"):
        decode(b'{"a":' * 200_000, "x.json")


@given(FIELDS)
def test_what_was_encoded_is_decoded(fields: dict[str, Any]) -> None:
    """Fields come back, with the format number; equal fields give equal bytes in any order."""
    data = encode(fields)
    assert decode(data, "x.json") == {**fields, "format": 1}
    assert encode(dict(reversed(fields.items()))) == data
    assert json.loads(data)["format"] == 1


@given(damaged(encode(HEADER)))
def test_no_damaged_document_is_read(changed: bytes) -> None:
    """Any change of a byte is found by the seal or by the form."""
    with pytest.raises(DamagedData, match=r"^x\.json "):
        decode(changed, "x.json")


@given(st.binary(max_size=100) | st.text(max_size=50).map(str.encode))
def test_other_bytes_are_refused(data: bytes) -> None:
    """Arbitrary bytes raise DamagedData, nothing else."""
    with pytest.raises(DamagedData, match="is damaged: it is not a JSON document"):
        decode(data, "x.json")


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "7", '"seal"', "{}", '{"format":1}', '{"format":1,"seal":null}',
        '{"format":1,"seal":7}', '{"format":1,"seal":"' + "0" * 64 + '"}',
        '{"format":1.0,"seal":""}', '{"format":true,"seal":""}', '{"format":1,"x":1e999,"seal":""}',
        '{"format":1,"x":NaN,"seal":""}', '{"format":1,"x":"\\ud800","seal":""}',
        '{"format":1,"x":' + "9" * 5000 + ',"seal":""}', '{"format":1,"format":1,"seal":""}',
        "\ufeff" + '{"format":1}',
    ],
)  # fmt: skip
def test_hostile_documents(text: str) -> None:
    """Numbers without bounds, wrong types and doubled keys are refused as damage."""
    with pytest.raises(
        DamagedData,
        match=r"x\.json is damaged: it is not a|x\.json has format None; this dsm|x\.json is damaged: its contents",
    ):
        decode(text.encode(), "x.json")


def test_another_spelling_is_refused() -> None:
    """The same fields with a blank, another order or other escapes have another hash: refused."""
    data = encode(HEADER)
    for other in (
        data + b"\n",
        json.dumps(json.loads(data)).encode(),
        data.replace(b":", b": ", 1),
    ):
        with pytest.raises(DamagedData, match="damaged: its contents do not fit its seal"):
            decode(other, "x.json")


def test_a_document_that_is_too_long() -> None:
    """More than a megabyte is no document: it is not written, and not read."""
    with pytest.raises(InvalidInput, match="1,048,675 bytes are too many for one document"):
        encode({"message": "x" * (1 << 20)})
    with pytest.raises(DamagedData, match="too long"):
        decode(b'{"message":"' + b"x" * (1 << 20) + b'"}', "x.json")


def test_the_longest_document_is_read() -> None:
    """What can be written can be read, up to the last byte."""
    rest = len(encode({"message": ""}))
    fields = {"message": "x" * ((1 << 20) - rest)}
    data = encode(fields)
    assert (len(data), decode(data, "x.json")["message"]) == (1 << 20, fields["message"])


@pytest.mark.parametrize("fields", [{"a": "\udcff"}, {"\udcff": 1}, {"a": [{"b": "x\ud800"}]}])
def test_text_that_is_not_utf8(fields: dict[str, object]) -> None:
    """It is refused before anything is written, wherever it is."""
    with pytest.raises(InvalidInput, match="is not UTF-8"):
        encode(fields)


def test_unknown_format_says_what_to_do() -> None:
    """A document of a later format names its number and how to get a reader for it."""
    with pytest.raises(
        UnknownFormat, match=r"tags/v1\.json has format 2; this dsm reads"
    ) as caught:
        decode(b'{"format":2,"seal":"?"}', "tags/v1.json")
    assert "tags/v1.json has format 2" in caught.value.message
    assert "upgrade" in (caught.value.hint or "")
    assert caught.value.exit_status == 7
