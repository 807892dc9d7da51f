"""Plain headers of tars: read here as `tarfile` reads them, and left to it where they are not."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsm.records.tar_headers import BLOCK, Forward, plain_file

LONG = "/".join(["folder" * 10] * 4) + "/picture.jpg"
FORMS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def header(name: str, size: int, form: int, **fields: object) -> bytes:
    """The header of a file, with what stands before it."""
    info = tarfile.TarInfo(name)
    info.size = size
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(form, "utf-8", "strict")


def plain(data: bytes) -> tuple[str, int, int] | None:
    """What is found at the beginning of a tar; nothing is taken of it."""
    file = Forward(io.BytesIO(data))
    found = plain_file(file)
    assert (file.at, file.take(len(data))) == (0, data)
    return found


REFUSED = "", -1, -1


def by_tarfile(data: bytes) -> tuple[str, int, int] | None:
    """The same by `tarfile`; REFUSED where it takes nothing for a header."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), errors="strict", encoding="utf-8") as tar:
            info = tar.next()
    except (tarfile.TarError, ValueError):
        return REFUSED
    if info is None or not info.isreg() or info.issparse():
        return None
    return info.name, info.size, info.offset_data


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["a.jpg", "x" * 100, "ä/ü.png", LONG[-160:], LONG])
def test_headers_of_files_are_plain(name: str, form: int) -> None:
    """A name of any length, also beside a time of its own, is found without `tarfile`."""
    if form == tarfile.USTAR_FORMAT and name == LONG:
        return
    data = header(name, 700, form, mtime=1700000000.25 if form == tarfile.PAX_FORMAT else 5)
    assert plain(data + bytes(1024)) == (name, 700, len(data)) == by_tarfile(data + bytes(1024))


@pytest.mark.parametrize(
    "data",
    [
        b"", bytes(BLOCK), b"no tar" * 200,
        header("a", 5, tarfile.GNU_FORMAT)[:300],
        header(LONG, 5, tarfile.GNU_FORMAT)[:700],
        header("a", 1 << 40, tarfile.GNU_FORMAT),
        header("a", 0, tarfile.GNU_FORMAT, type=tarfile.DIRTYPE),
        header("a", 0, tarfile.GNU_FORMAT, type=tarfile.LNKTYPE, linkname="b"),
        header("a", 0, tarfile.GNU_FORMAT, type=tarfile.SYMTYPE, linkname=LONG),
        header("a", 0, tarfile.GNU_FORMAT, type=tarfile.AREGTYPE),
        header("a", 9, tarfile.PAX_FORMAT, pax_headers={"size": "7"}),
        header("a", 9, tarfile.PAX_FORMAT, pax_headers={"GNU.sparse.major": "1"}),
        header("a", 9, tarfile.PAX_FORMAT, pax_headers={"hdrcharset": "BINARY"}),
        header("a", 9, tarfile.PAX_FORMAT, pax_headers={"path": "b\0c"}),
        header("a", 9, tarfile.PAX_FORMAT, pax_headers={"comment": "x" * (64 << 10)}),
    ],
)  # fmt: skip
def test_what_is_unusual_is_left(data: bytes) -> None:
    """What is no file, says more than a name and a size, or is cut off, is left to `tarfile`."""
    assert plain(data) is None


@given(
    st.sampled_from(FORMS),
    st.sampled_from(["a", "a/b.jpg", "d" * 99 + "/" + "f" * 50, "./x"]),
    st.lists(st.tuples(st.integers(0, BLOCK - 1), st.integers(0, 255)), max_size=3),
    st.booleans(),
)
def test_whatever_is_plain_is_what_tarfile_reads(
    form: int, name: str, changes: list[tuple[int, int]], mended: bool
) -> None:
    """Of a header with changed bytes, the sum mended or not, no other name or size is read; but
    what is wrong with its mode or its owner is not looked at."""
    data = bytearray(header(name, 700, form, mtime=1.5))
    start = len(data) - BLOCK
    for at, byte in changes:
        data[start + at] = byte
    if mended:
        block = data[start:]
        block[148:156] = b" " * 8
        data[start + 148 : start + 155] = b"%06o\0" % sum(block)
    whole = bytes(data) + bytes(2 * BLOCK)
    assert plain(whole) in (None, by_tarfile(whole)) or by_tarfile(whole) == REFUSED
