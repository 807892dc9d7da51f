"""`restore --apply`: files of records are written as their records are now."""

from __future__ import annotations

import gzip

import pytest
from situations import Work

from dsm.errors import InvalidInput, NotFound
from dsm.files.restore import UnsavedWork
from dsm.model.restore_reports import AppliedRecords

JSONL = b'\xef\xbb\xbf{"id": "a"}\r\n\r\n{"id": "b"}\r\n{"id": "c"}'
CSV = b'id,text\n1,"two\nlines"\n2,x\n\n3,y\n'


def start(work: Work, name: str, content: bytes, key: str | None = "id") -> None:
    work.write({name: content})
    work.ds.add([name], records=True, key_field=key)
    work.ds.commit("first")


@pytest.mark.parametrize(
    ("name", "content", "gone", "expected"),
    [
        ("t.jsonl", JSONL, "a", b'\xef\xbb\xbf\r\n{"id": "b"}\r\n{"id": "c"}'),
        ("t.jsonl", JSONL, "c", b'\xef\xbb\xbf{"id": "a"}\r\n\r\n{"id": "b"}\r\n'),
        ("t.csv", CSV, "1", b"id,text\n2,x\n\n3,y\n"),
        ("t.csv", CSV, "3", b'id,text\n1,"two\nlines"\n2,x\n\n'),
    ],
)  # fmt: skip
def test_a_withdrawn_record_leaves_its_file(
    work: Work, name: str, content: bytes, gone: str, expected: bytes
) -> None:
    """Its lines go and all others stay byte for byte; no record changes by it, and the new state of
    the file is staged."""
    start(work, name, content)
    work.ds.remove([f"{name}#{gone}"])
    before = work.snapshot()
    assert work.path(name).read_bytes() == content
    plan = (AppliedRecords(name, 1, 0, 0),)
    assert work.ds.apply_records(dry_run=True) == plan
    assert work.path(name).read_bytes() == content
    assert work.ds.apply_records([name]) == plan
    assert work.path(name).read_bytes() == expected
    assert not work.ds.status().unstaged
    work.ds.commit("applied")
    assert work.ds.read(name) == expected
    assert {k: v for k, v in before.items() if k != f"{name}#{gone}"} == work.snapshot()
    assert work.ds.apply_records() == ()


def test_what_a_revert_brought_back_is_written(work: Work) -> None:
    """Contents of records that are not those of the file replace them; what it lacks is appended."""
    start(work, "t.csv", CSV)
    work.write({"t.csv": CSV.replace(b"2,x", b"2,z").replace(b"3,y\n", b"")})
    work.ds.commit("edited", all=True)
    work.write({"t.csv": CSV.replace(b"2,x", b"2,z").replace(b"3,y\n", b"4,w\n")})
    work.ds.commit("more", all=True)
    work.ds.revert(2, force=True, keep_files=True)
    work.ds.restore(["t.csv"], force=True)
    assert work.ds.apply_records() == (AppliedRecords("t.csv", 0, 1, 1),)
    expected = b'id,text\n1,"two\nlines"\n2,x\n\n4,w\n3,y\n'
    assert work.path("t.csv").read_bytes() == expected
    assert not work.ds.status().unstaged


def test_a_file_with_changes_is_not_rewritten(work: Work) -> None:
    """Edits that nobody added are not lost."""
    start(work, "t.jsonl", JSONL)
    work.ds.remove(["t.jsonl#a"])
    work.write({"t.jsonl": JSONL + b"\n"})
    with pytest.raises(UnsavedWork, match="t.jsonl has changes that are not staged"):
        work.ds.apply_records()
    assert work.path("t.jsonl").read_bytes() == JSONL + b"\n"


def test_what_is_no_lines_is_refused(work: Work) -> None:
    """A compressed file cannot be rewritten in part; nor is there a records file where none is."""
    start(work, "t.jsonl.gz", gzip.compress(JSONL))
    work.ds.remove(["t.jsonl.gz#a"])
    with pytest.raises(InvalidInput, match=r"t\.jsonl\.gz is no plain file of lines"):
        work.ds.apply_records()
    with pytest.raises(NotFound, match="no records file is other"):
        work.ds.apply_records(["other"])


@pytest.mark.parametrize(("gone", "left"), [(0, "bc"), (1, "ac"), (2, "ab")])
def test_a_duplicate_that_is_withdrawn_leaves_its_file(work: Work, gone: int, left: str) -> None:
    """Equal lines are counted anew; what was said of each of the others goes along with it."""
    line = b'{"text": "same"}\n'
    start(work, "t.jsonl", line + b'{"text": "other"}\n' + line + line, None)
    key = next(each.path for each in work.ds.ls() if each.path + "-2" in work.snapshot())
    same = [key, f"{key}-2", f"{key}-3"]
    for path, label in zip(same, "abc", strict=True):
        work.ds.label([path], set=[label])
    work.ds.remove([same[gone]])
    work.ds.commit("withdrawn")
    assert work.ds.apply_records() == (AppliedRecords("t.jsonl", 1, 0, 0),)
    work.ds.commit("applied")
    rest = line if gone else b""
    assert work.path("t.jsonl").read_bytes() == rest + b'{"text": "other"}\n' + line + (
        b"" if gone else line
    )
    labels = {each.path: each.labels for each in work.ds.ls() if each.path.startswith(key)}
    assert labels == {same[0]: (left[0],), same[1]: (left[1],)}
    assert work.ds.status().clean
    assert work.ds.apply_records() == ()


def test_records_are_appended_with_the_line_ends_of_the_file(work: Work) -> None:
    """Those of CRLF stay such files."""
    start(work, "t.csv", b"id,x\r\n1,a\r\n2,b\r\n")
    work.write({"t.csv": b"id,x\r\n1,a\r\n"})
    work.ds.add(["t.csv"])
    work.ds.commit("second")
    work.write({"t.csv": b"id,x\r\n1,c\r\n"})
    work.ds.add(["t.csv"])
    work.ds.commit("third")
    work.ds.revert(2, force=True)
    work.ds.apply_records()
    assert work.path("t.csv").read_bytes() == b"id,x\r\n1,c\r\n2,b\r\n"
