"""Notes of what a commit uses up: golden bytes, round trips, and that damage is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from blake3 import blake3
from hexdump import dump
from hypothesis import given
from hypothesis import strategies as st
from mutation import damaged

from dsm.errors import DamagedData
from dsm.format import stage_note as fmt
from dsm.format.stage_note import StageNote

NOTE = StageNote("fedcba9876543210fedcba9876543210", 7, ("00000001-0badcafe.stage",))
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8)).map(tuple)


def test_golden_note(golden: Callable[[str, str], None]) -> None:
    """A note is written exactly so."""
    golden("format/stage-note-v1.hex", dump(fmt.encode(NOTE)))


@given(st.builds(StageNote, st.text("0123456789abcdef"), st.integers(0), TEXTS, TEXTS, TEXTS))
def test_what_was_encoded_is_decoded(note: StageNote) -> None:
    """A note comes back as it was."""
    assert note == fmt.decode(fmt.encode(note), "x.commit")


@given(damaged(fmt.encode(NOTE)))
def test_no_damaged_note_is_read(changed: bytes) -> None:
    """Any change of a byte is found, and the error says how to go on."""
    with pytest.raises(DamagedData, match=r"x\.commit is damaged") as caught:
        fmt.decode(changed, "x.commit")
    assert "dsm restore --staged" in (caught.value.hint or "")


def sealed(value: Any) -> bytes:
    body = json.dumps(value).encode()
    return body + b"\n" + blake3(body).hexdigest().encode()


@pytest.mark.parametrize("name", ["transaction", "after", "consumed", "forget", "seen"])
@pytest.mark.parametrize("value", [None, 1.5, True, {"a": 1}, [1], [["x"]], "absent"])
def test_a_note_of_other_kinds_is_damage(name: str, value: Any) -> None:
    """A hash that fits does not make sense of fields that no dsm writes."""
    fields: dict[str, Any] = {**asdict(NOTE), name: value}
    if value == "absent":
        del fields[name]
    with pytest.raises(DamagedData, match=r"x\.commit is damaged"):
        fmt.decode(sealed(fields), "x.commit")


@pytest.mark.parametrize("value", [None, 7, "x", [], {}])
def test_a_note_that_is_no_object_is_damage(value: Any) -> None:
    """Whatever else is sealed is refused as well."""
    with pytest.raises(DamagedData, match=r"x\.commit is damaged"):
        fmt.decode(sealed(value), "x.commit")
