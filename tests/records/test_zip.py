"""Members of zips as records, and what is refused."""

from __future__ import annotations

import io
import warnings
import zipfile
from typing import Any

import pytest
from blake3 import blake3
from stored_groups import Groups

from dsm.records import compressed
from dsm.records.gathering import Read, RecordsInvalid
from dsm.records.reader import read_records
from dsm.records.settings import RecordSettings

Files = list[tuple[str, bytes]]


def packed(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        for name, data in files:
            archive.writestr(name, data)
    return out.getvalue()


def read(data: bytes, store: Groups | None = None, **asked: Any) -> Read:
    return read_records(io.BytesIO(data), "t.zip", RecordSettings("zip", **asked), store)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_members_are_records(method: int) -> None:
    """Each file has its name as key and its content as an object, with what is said of its sample;
    the zip is stored as it is."""
    files = [("a/", b""), ("a/1.jpg", b"one" * 999), ("a/1.cls", b"7"), ("b", b"")]
    data, store = packed(files, method), Groups()
    found = read(data, store, label="cls")
    assert (found.keys, found.labels) == (["a%2F1.jpg", "b"], [("7",), ()])
    assert [blake3(b"one" * 999).digest(), blake3(b"").digest()] == found.oids
    assert (found.sizes, found.oid, found.size) == ([2997, 0], blake3(data).digest(), len(data))
    assert (data, b"one" * 999) == tuple(store.streams[:2])
    assert found.oids == read(data).oids


GOOD = packed([("a", bytes(range(256)) * 20)], zipfile.ZIP_STORED)
ENCRYPTED = GOOD[:6] + b"\x01" + GOOD[7:].replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")  # fmt: skip


def listed(at: int, said: bytes) -> bytes:
    """A zip whose list says something else of its one file, from the byte `at` of the entry on."""
    at += GOOD.rindex(b"PK\x01\x02")
    return GOOD[:at] + said + GOOD[at + len(said) :]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (packed([("a", b""), ("../b", b"x")]), r"member 2: has the name '\.\./b'"),
        (packed([("/etc/passwd", b"x")]), "member 1: has the name '/etc/passwd'"),
        (packed([("a", b"1"), ("a", b"2")]), "member 2: has the name 'a', as member 1 has"),
        (ENCRYPTED, r"member 1: \('a'\) is encrypted"),
        (b"", "is no zip, or is cut off"),
        (b"no zip" * 99, "is no zip, or is cut off"),
        (GOOD[:-30], "is no zip, or is cut off"),
        (GOOD[:100] + b"??" + GOOD[102:], r"member 1: \('a'\) is damaged: its content does not fit"),
        (listed(10, b"a"), r"member 1: \('a'\) is packed in a way that dsm does not read"),
        (listed(24, b"\0\xff"), r"member 1: \('a'\) is damaged: it has another size than the list"),
        (listed(42, b"\x07"), r"member 1: \('a'\) is damaged: it is not where the list of files says"),
    ],
)  # fmt: skip
def test_what_no_dataset_should_have_is_refused(data: bytes, words: str) -> None:
    """Names that lead elsewhere or come twice, and what is encrypted, cut off or damaged."""
    with pytest.raises(RecordsInvalid, match=words) as caught:
        read(data)
    assert caught.value.message.startswith("t.zip")
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to far more than it is ends early, by what comes, not by what it says."""
    monkeypatch.setattr(compressed, "_SPARED", 1 << 20)
    with pytest.raises(RecordsInvalid, match="unpacks to more than"):
        read(packed([(f"{n}", bytes(1 << 20)) for n in range(4)]))
