"""The index file and its log: golden bytes, round trips, and that damage is dropped, not believed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import pytest
from blake3 import blake3
from hexdump import dump, parse
from hypothesis import given, settings
from hypothesis import strategies as st
from mutation import damaged

from dsm.format import index as fmt

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
MARKS = st.integers(-(2**63), 2**63 - 1).filter(lambda m: m != fmt.UNKNOWN) | st.binary(
    min_size=32, max_size=32
)
FOLDERS = st.dictionaries(
    NAMES | st.just(""), st.dictionaries(NAMES, MARKS, max_size=6), max_size=5
)
POSITION = {"head": 7, "id": "ab" * 32, "segments": ["00000001-0badcafe.stage"]}
GOLDEN: dict[str, dict[str, fmt.Mark]] = {
    "": {"top.txt": 12345},
    "train/cat": {"1.jpg": -77, "2.jpg": fmt.ABSENT, "猫.jpg": blake3(b"cat").digest()},
}


def pages(base: fmt.Base) -> dict[str, dict[str, fmt.Mark]]:
    return {folder: base.page(folder) for folder in base.folders()}


def test_golden_index(request: pytest.FixtureRequest, golden: Callable[[str, str], None]) -> None:
    """An index of an earlier release reads as the same marks."""
    if request.config.getoption("--update-golden"):
        golden("format/index-v1.hex", dump(fmt.encode_base(POSITION, GOLDEN)))
    path = request.path.parent.parent / "golden/format/index-v1.hex"
    base = fmt.Base(parse(path.read_text()))
    assert (base.position, pages(base), base.count()) == (POSITION, GOLDEN, 4)


@given(FOLDERS)
def test_what_was_encoded_is_decoded(folders: dict[str, dict[str, fmt.Mark]]) -> None:
    """Marks and ids come back by folder and name; folders without names are left out."""
    base = fmt.Base(fmt.encode_base(POSITION, folders))
    kept = {folder: marks for folder, marks in folders.items() if marks}
    assert pages(base) == kept
    assert base.count() == sum(map(len, kept.values()))
    assert base.page("not there") == {} or "not there" in kept


@given(damaged(fmt.encode_base(POSITION, GOLDEN)))
def test_no_damaged_index_is_read(changed: bytes) -> None:
    """Any change of a byte raises ValueError, at which the index is built anew."""
    with pytest.raises(ValueError, match="not an intact index"):
        fmt.Base(changed)


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    """Arbitrary bytes are no index."""
    for part in (data, fmt.MAGIC + data, b""):
        with pytest.raises(ValueError, match="not an intact index"):
            fmt.Base(part)


@settings(max_examples=300)
@given(damaged(fmt.encode_base(POSITION, GOLDEN)[:-32]))
def test_sealed_nonsense_is_refused(body: bytes) -> None:
    """An index whose hash was made to fit is refused with ValueError, or reads as marks."""
    try:
        base = fmt.Base(body + blake3(body).digest())
        for folder in base.folders():
            base.page(folder)
    except ValueError:
        return


def test_another_interpreter_does_not_believe_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks are hashes by one kind of interpreter: an index of another kind is built anew."""
    data = fmt.encode_base(POSITION, GOLDEN)
    monkeypatch.setattr(fmt, "HASHING", "otherpython-32-7fffffff")
    with pytest.raises(ValueError, match="interpreter"):
        fmt.Base(data)


def test_a_mark_is_no_special_value() -> None:
    """No stat has the mark that means absent, or the one that means unknown."""
    stats = ((0, 0, 0, 0), (-1, -1, -1, -1), (1, 2, 3, 4))
    marks = {fmt.mark_of(stat, oid) for stat in stats for oid in (bytes(32), b"\xff" * 32)}
    assert not marks & {fmt.ABSENT, fmt.UNKNOWN}


# --- the log ----------------------------------------------------------------------------------

Record = tuple[dict[str, Any], dict[str, fmt.Mark | None]]
RECORDS = st.lists(
    st.tuples(
        st.builds(lambda head: {**POSITION, "head": head}, st.integers(0, 99)),
        st.dictionaries(NAMES, MARKS | st.none(), max_size=4),
    ),
    max_size=4,
)
DIGEST = blake3(b"base").digest()


def log_of(records: list[Record]) -> bytes:
    return fmt.log_head(DIGEST) + b"".join(fmt.encode_record(*record) for record in records)


@given(RECORDS)
def test_records_come_back(records: list[Record]) -> None:
    """Positions, marks, ids and removals come back in order."""
    assert fmt.decode_log(log_of(records), DIGEST) == (records, True)


@given(RECORDS.filter(len), st.data())
def test_a_damaged_log_gives_what_came_before_the_damage(
    records: list[Record], data: st.DataObject
) -> None:
    """What is read of a damaged log is a run of its records from the first on, and it says so."""
    whole = log_of(records)
    changed = data.draw(damaged(whole))
    found, intact = fmt.decode_log(changed, DIGEST)
    assert found == records[: len(found)] or found == records
    # A log that ends where a record ends is a whole one: the later records were never written.
    assert not intact or changed == log_of(records[: len(found)]) or not changed


def test_the_log_of_another_base_is_left_alone() -> None:
    """A log belongs to one base file."""
    log = log_of([(POSITION, {"a": 1})])
    assert fmt.decode_log(log, blake3(b"other").digest()) == ([], False)
    assert fmt.decode_log(b"", DIGEST) == ([], True)


def test_a_record_of_nonsense_whose_hash_fits() -> None:
    """A record that is no JSON raises ValueError, at which the index is built anew."""
    for text in (b"", b"[]", b"[1]", b'[{},[["a"]]]', b"[{},5]", b'[{},[["a","zz"]]]', b"null"):
        for data in (text, zlib.compress(text)):
            record = fmt.LENGTH.pack(len(data)) + blake3(data).digest()[:16] + data
            with pytest.raises((ValueError, TypeError)):
                fmt.decode_log(fmt.log_head(DIGEST) + record, DIGEST)
