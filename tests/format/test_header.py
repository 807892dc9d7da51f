"""Changeset headers: golden bytes, round trips, and that what no dsm writes is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from blake3 import blake3
from hexdump import dump
from hypothesis import given
from hypothesis import strategies as st
from mutation import damaged

from dsm.errors import DamagedData
from dsm.format import document, header
from dsm.model.changeset import CHANGESET_KINDS, Changeset, Counts
from dsm.model.trailers import parse_trailers
from dsm.model.verdict import Verdict

SEVEN = Changeset(
    number=7,
    id="",
    dataset="0123456789abcdef0123456789abcdef",
    transaction="fedcba9876543210fedcba9876543210",
    parent=blake3(b"the header before").hexdigest(),
    kind="files",
    message="relabel night shots\nsecond line",
    author="tester <tester@example.org>",
    time=1_760_000_000_000_000,
    counts=Counts(added=2, relabelled=1),
    size=300,
    examples=12,
    manifest=blake3(b"rows").hexdigest(),
    manifest_file=blake3(b"file").hexdigest(),
    manifest_bytes=2048,
    source="camera 3",
    attributes={"width": "int", "speaker": "string"},
    queries={"wards": 3},
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
COUNT = st.integers(0, 2**53)
KEYS = st.from_regex(r"[a-z][a-z0-9_.-]{0,5}", fullmatch=True)
VALUES = st.text("ab é=,", min_size=1, max_size=8).filter(str.strip)
NAMES = st.sampled_from(["wards", "pay", "fraud"])


@st.composite
def changesets(draw: st.DrawFn) -> Changeset:
    number = draw(st.integers(1, 99_999_999))
    queries = draw(st.dictionaries(NAMES, st.integers(1, number)))
    return Changeset(
        number=number,
        id="",
        dataset=draw(TEXT),
        transaction=draw(TEXT),
        parent=draw(st.none() | TEXT),
        kind=draw(st.sampled_from(CHANGESET_KINDS)),
        message=draw(TEXT),
        author=draw(TEXT),
        time=draw(st.integers(-(2**53), 2**53)),
        counts=Counts(*(draw(COUNT) for _ in range(4))),
        size=draw(COUNT),
        examples=draw(COUNT),
        manifest=draw(st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex)),
        manifest_file=draw(st.none() | TEXT),
        manifest_bytes=draw(COUNT),
        source=draw(st.none() | TEXT),
        note=draw(st.none() | TEXT),
        reverts=draw(st.none() | COUNT),
        attributes=draw(st.dictionaries(TEXT, st.sampled_from(header.ATTRIBUTE_TYPES))),
        queries=queries,
        settings=draw(COUNT),
        verdict=draw(st.none() | st.builds(Verdict, st.none() | TEXT, COUNT, COUNT, st.booleans())),
        trailers=parse_trailers(
            draw(st.dictionaries(KEYS, st.lists(VALUES, min_size=1, max_size=3), max_size=4))
        ),
        documents={name: {"sql": draw(TEXT)} for name, put in queries.items() if put == number},
    )


def test_golden_header(golden: Callable[[str, str], None]) -> None:
    """A header is written exactly so."""
    golden("format/header-v1.hex", dump(header.encode(SEVEN)))


def test_golden_header_with_trailers(golden: Callable[[str, str], None]) -> None:
    """Trailers stand in a member of their own, which a header without any does not have."""
    said = replace(SEVEN, trailers={"annotator": ("ada", "bob"), "ticket": ("A-17",)})
    golden("format/header-v1-trailers.hex", dump(header.encode(said)))
    assert replace(header.decode(header.encode(said), "x"), id="") == said


def test_golden_header_with_a_verdict(golden: Callable[[str, str], None]) -> None:
    """What the rules of a contract found stands in a member of its own."""
    said = replace(SEVEN, verdict=Verdict("ab" * 32, errors=0, warnings=2))
    golden("format/header-v1-verdict.hex", dump(header.encode(said)))
    assert replace(header.decode(header.encode(said), "x"), id="") == said


def test_golden_header_with_settings(golden: Callable[[str, str], None]) -> None:
    """The number of the dataset's settings stands in a member of its own."""
    said = replace(SEVEN, settings=12)
    golden("format/header-v1-settings.hex", dump(header.encode(said)))
    assert replace(header.decode(header.encode(said), "x"), id="") == said


@given(changesets())
def test_what_was_encoded_is_decoded(changeset: Changeset) -> None:
    """A header says all of its changeset; its id is the hash of its bytes."""
    data = header.encode(changeset)
    assert replace(changeset, id=blake3(data).hexdigest()) == header.decode(data, "7.json")


@given(damaged(header.encode(SEVEN)))
def test_no_damaged_header_is_read(changed: bytes) -> None:
    """Any change of a byte is found."""
    with pytest.raises(DamagedData, match=r"7\.json is damaged"):
        header.decode(changed, "7.json")


def fields_of(changeset: Changeset) -> dict[str, Any]:
    fields = document.decode(header.encode(changeset), "7.json")
    return {name: value for name, value in fields.items() if name != "format"}


@pytest.mark.parametrize("name", [*fields_of(SEVEN)])
@pytest.mark.parametrize("value", [None, True, "x", -1, [], {}, [[]], {"id": 1}])
def test_a_field_of_another_kind_is_damage(name: str, value: Any) -> None:
    """A sealed header of which a field is of a kind that no dsm writes raises DamagedData only."""
    try:
        found = header.decode(document.encode({**fields_of(SEVEN), name: value}), "7.json")
    except DamagedData as error:
        assert error.message.startswith("7.json")
    else:  # it fits where it is: an empty table, no parent, a text
        assert header.decode(header.encode(found), "7.json") == found


@pytest.mark.parametrize("name", [*fields_of(SEVEN)])
def test_a_missing_field_is_damage(name: str) -> None:
    """All fields have to be there, but for the queries."""
    fields = {key: value for key, value in fields_of(SEVEN).items() if key != name}
    if name == "queries":
        assert header.decode(document.encode(fields), "7.json").queries == {}
        return
    with pytest.raises(DamagedData, match=r"7\.json is damaged"):
        header.decode(document.encode(fields), "7.json")


def test_a_kind_of_a_later_version() -> None:
    """A changeset of an unknown kind says that a newer dsm is needed."""
    data = document.encode({**fields_of(SEVEN), "kind": "merge"})
    with pytest.raises(document.UnknownFormat, match="kind 'merge' needs a newer dsm"):
        header.decode(data, "7.json")
