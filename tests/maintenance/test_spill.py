"""The search for texts that must not be kept: found wherever they are planted, and never shown."""

from __future__ import annotations

import json
import os
import random
import shutil
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from situations import Work

from dsm.errors import InvalidInput
from dsm.maintenance import spill
from dsm.maintenance.spill import SpillReport, find_spills
from dsm.maintenance.texts import read_texts
from dsm.repo.documents import Documents

CANARY = "canary-\u00e9-51c9-4711"
ELSE = "another text that nobody wrote"
MANY = [f"never written {number:05d}" for number in range(200)]


def search(work: Work, *texts: str, **more: object) -> SpillReport:
    data = "\n".join(texts or (ELSE, CANARY)).encode()
    return find_spills(work.repo, read_texts(data, "FILE"), **more)  # type: ignore[arg-type]


def found(report: SpillReport) -> list[tuple[str, tuple[int, ...], list[str]]]:
    """Kind, lines and paths of what was found; nothing may be unread, and no text is told."""
    assert (report.unread, CANARY in repr(report)) == ((), False)
    return [
        (each.kind, each.lines, [path for _, _, path in each.examples]) for each in report.spills
    ]


@pytest.mark.parametrize("more", [[], MANY], ids=["few", "many"])
def test_a_clean_repository(work: Work, more: list[str]) -> None:
    """Nothing is found where nothing was planted, and everything was looked at."""
    work.commit(**{"a.txt": "hello", "b.json": json.dumps({"x": 1})})
    report = search(work, ELSE, CANARY, *more)
    assert (found(report), report.objects) == ([], 2)
    assert report.files == sum(1 for path in Path(work.repo.path).rglob("*") if path.is_file())


@pytest.mark.parametrize("more", [[], MANY], ids=["few", "many"])
@pytest.mark.parametrize(
    "content",
    [CANARY, json.dumps({"name": CANARY}), json.dumps(CANARY, ensure_ascii=False),
     json.dumps(CANARY).replace("\\u00e9", "\\u00E9")],
    ids=["plain", "escaped", "unescaped", "capitals"],
)  # fmt: skip
def test_in_an_object(work: Work, content: str, more: list[str]) -> None:
    """In an object's bytes: the example that has it is named."""
    work.commit(**{"a.txt": "hello", "b.txt": f"dear {content},"})
    assert ("object", (2,), ["b.txt"]) in found(search(work, ELSE, CANARY, *more))


def test_in_a_compressed_object(work: Work) -> None:
    """In one of many that share compressed frames, where the bytes on disk do not show it."""
    files = {f"{n}.json": json.dumps({"name": f"customer {n}", "n": n} | {"filler": "ab" * 40})
             for n in range(3000)}  # fmt: skip
    files["1717.json"] = files["1717.json"].replace("customer 1717", CANARY)
    work.commit(**files)
    packs = b"".join(p.read_bytes() for p in Path(work.repo.layout.packs).rglob("*.pack"))
    assert CANARY.encode() not in packs
    assert found(search(work)) == [("object", (2,), ["1717.json"])]


def test_not_where_two_objects_meet(work: Work) -> None:
    """Objects that are neighbours in a frame do not make up a text together."""
    words = ["".join(random.Random(n).choices("abcdefgh", k=60)) for n in range(3000)]
    work.commit(**{f"{n:04d}.txt": word for n, word in enumerate(words)})
    texts = [a[-6:] + b[:6] for a, b in pairwise(words)]
    assert [s for s in search(work, *texts).spills if s.kind == "object"] == []


def test_across_chunks_of_a_large_object(work: Work) -> None:
    """Within its chunks and at their borders, and told as that object, not as chunks."""
    data = "".join(random.Random(1).choices("abcdefghij", k=3 << 20))
    work.commit(**{"large.txt": data})
    pieces = list(work.repo.store.stream(blake3(data.encode()).digest()))
    borders = list(accumulate(map(len, pieces)))[:-1]
    assert len(borders) > 9
    texts = [data[border - 9 : border + 9] for border in borders]
    texts.append(data[borders[3] + 5000 : borders[3] + 5030])
    report = search(work, ELSE, *texts)
    assert found(report) == [("object", tuple(range(2, len(texts) + 2)), ["large.txt"])]


def test_in_rows(work: Work) -> None:
    """In labels, attributes, annotations and paths of manifests, of the stage and of snapshots."""
    work.commit(**{"plain.txt": "a", "dir/b.txt": "b", "c.txt": "c"})
    work.ds.label(["plain.txt"], set=["canary-label"])
    work.ds.commit("second")
    work.write({"canary-path/e.txt": "e"})
    work.ds.add(["canary-path"])
    work.ds.snapshot()
    report = search(work, "canary-label", "canary-path/e", "dir/b", ELSE)
    told = {(Path(s.where).suffix, s.lines): s.examples for s in report.spills}
    assert told[".parquet", (3,)] == (("data", 1, "….txt"),)
    assert told[".parquet", (1,)] == (("data", 2, "plain.txt"),)
    assert told[".stage", (2,)] == (("data", 0, "….txt"),)


def test_in_a_cached_snapshot(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the rows of a snapshot, which says of each the changeset that it is from."""
    monkeypatch.setattr(spill, "ROWS_AT_ONCE", 70)  # many batches, as of a large snapshot
    work.write({f"{n}.txt": "x" for n in range(3000)})
    work.write({"labels.csv": "path,labels,card\n7.txt,canary-label,4711471147114711\n"})
    work.ds.add(["."], label_file=str(work.path("labels.csv")))
    work.ds.commit("many")
    work.ds.snapshot()
    report = search(work, "canary-label", "4711471147114711")
    told = {Path(s.where).suffix: (s.lines, s.examples) for s in report.spills}
    row = ((1, 2), (("data", 1, "7.txt"),))
    assert (told[".snapshot"], told[".parquet"]) == (row, row)


def test_in_the_index_and_in_documents(work: Work) -> None:
    """Where names are compressed, and where JSON escapes what it holds."""
    work.commit(**{"dir/some canary name.txt": "x"})
    word = 'canary "quoted"\ttab'
    document = {"note": word, "list": [{"deep": "canary-deep"}]}
    Documents(work.repo.layout.local, work.repo.layout.temporary).create("note", document)
    Path(work.repo.path, "local", "odd.json").write_text(r'{"a": "\u0063anary-odd"}')
    report = search(work, "dir/some canary name", word, "canary-deep", "canary-odd")
    told = {s.where: s.lines for s in report.spills}
    assert told[".dsm/local/index/data/base"] == (1,) or told[".dsm/local/index/data/log"] == (1,)
    assert told[".dsm/local/note.json"] == (2, 3)
    assert told[".dsm/local/odd.json"] == (4,)


def test_in_any_file_and_across_its_blocks(work: Work) -> None:
    """Strays, unfinished files and the trash are searched as they lie, at every offset."""
    for offset in range(-20, 3):
        name = os.path.join(work.repo.layout.temporary, f"left{offset}")
        Path(name).write_bytes(b"x" * ((4 << 20) + offset) + CANARY.encode())
    for more in ([], MANY):
        report = search(work, ELSE, CANARY, *more)
        assert found(report) == [("file", (2,), [])] * 23


def test_names_of_files_are_searched_and_masked(work: Work) -> None:
    """A file named after a text is found, and its name is not repeated."""
    Path(work.repo.path, f"my {CANARY}.txt").touch()
    report = search(work)
    assert found(report) == [("name", (2,), [])]
    assert report.spills[0].where == ".dsm/my ….txt"


def test_other_folders(work: Work, tmp_path: Path) -> None:
    """Files of a folder for temporary files are searched; links, the work tree and FILE are not."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    texts, left = folder / "texts", folder / "deep" / "left"
    texts.write_text(CANARY)
    left.parent.mkdir()
    left.write_text(f"<{CANARY}>")
    (folder / "link").symlink_to(left)
    os.mkfifo(folder / "pipe")
    work.write({"mine.txt": CANARY})
    shutil.copytree(work.root, folder / "copy")
    status = texts.stat()
    report = search(work, folders=[str(tmp_path)], skip=[(status.st_dev, status.st_ino)])
    where = [each.where for each in report.spills]
    assert where == [f"{folder}/copy/mine.txt", f"{left}"]


def test_what_cannot_be_read_is_told(work: Work) -> None:
    """A damaged pack, manifest or document is named: nothing found there means nothing."""
    work.commit(**{f"{n}.json": json.dumps({"n": n, "x": "ab" * 50}) for n in range(3000)})
    layout = work.repo.layout
    pack = next(Path(layout.packs).rglob("*.pack"))
    (manifest,) = Path(layout.manifests("data")).iterdir()
    document = Path(layout.dataset_document("data"))
    for path in (pack, manifest, document):
        data = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(data[: len(data) // 2])
    report = search(work)
    assert report.spills == ()
    told = {each.partition(":")[0] for each in report.unread}
    assert told >= {str(path.relative_to(work.root)) for path in (pack, manifest, document)}


def test_texts_are_checked() -> None:
    """Blank lines are skipped; short lines, bytes that are no text and nothing at all are not."""
    texts = read_texts(b"\xef\xbb\xbffirst\r\n\n   \nfourth\n", "FILE")
    assert (texts.count, texts.lines_in(b"a first, a fourth")) == (2, {1, 4})
    for data, what in (
        (b"fine\nabc\n", "line 2 of FILE is shorter than 4 bytes"),
        (b"\xff\xfe\xff\xfe", "line 1 of FILE is not UTF-8"),
        (b"\n \n", "FILE holds no text"),
    ):
        with pytest.raises(InvalidInput) as error:
            read_texts(data, "FILE")
        assert error.value.message == what


@given(
    st.lists(st.text("ab", min_size=4, max_size=20), min_size=1, max_size=40, unique=True),
    st.text("ab", max_size=60),
)
def test_every_text_is_found_wherever_it_lies(texts: list[str], data: str) -> None:
    """Few or many, short or long, overlapping or not: exactly those that are in the data."""
    expected = {number for number, text in enumerate(texts, 1) if text in data}
    assert expected == read_texts("\n".join(texts).encode(), "FILE").lines_in(data.encode())


@given(st.lists(st.text("ab", min_size=4, max_size=6), min_size=1), st.text("abc", max_size=30))
def test_a_masked_path_holds_no_text(texts: list[str], path: str) -> None:
    """Overlapping texts are hidden as a whole; a path without any stays as it is."""
    masked = read_texts("\n".join(texts).encode(), "FILE").masked(path)
    assert [text for text in texts if text in masked] == []
    assert (masked == path) == (not any(text in path for text in texts))
