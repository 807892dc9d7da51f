"""Members of tars as records: which are, what is said of them, and what is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from stored_groups import Groups

from dsm.format import chunk_list
from dsm.records.gathering import Read, RecordsInvalid
from dsm.records.reader import read_records
from dsm.records.samples import SAID_BYTES_MAX
from dsm.records.settings import RecordSettings
from dsm.store.chunks import Chunking
from dsm.store.objects import ObjectStore

Files = list[tuple[str, bytes]]


def packed(
    files: Files,
    form: int = tarfile.GNU_FORMAT,
    more: Callable[[tarfile.TarFile], None] | None = None,
) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        if more is not None:
            more(tar)
    return out.getvalue()


class Pieces(Groups):
    """Keeps objects by their ids, so that a file can be put together from its list."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[bytes, bytes] = {}

    def put(self, data: bytes, suffix: str = "", pieces: list[bytes] | None = None) -> bytes:
        oid = super().put(data, suffix, pieces)
        self.objects[oid] = data
        return oid

    def put_stream(
        self, readinto: Any, suffix: str = "", pieces: list[bytes] | None = None
    ) -> tuple[bytes, int]:
        oid, size = super().put_stream(readinto)
        self.put(self.streams[-1])
        if pieces is not None and size:
            pieces.append(chunk_list.row(oid, size))
        return oid, size

    def whole(self) -> bytes:
        return b"".join(self.objects[oid] for oid, _ in chunk_list.iterate(self.listed))


def read(data: bytes, store: Groups | None = None, **asked: Any) -> Read:
    return read_records(io.BytesIO(data), "t.tar", RecordSettings("tar", **asked), store)


LONG = "/".join(["folder" * 10] * 4) + "/picture.jpg"


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_records_and_the_tar_is_a_list_of_them(form: int) -> None:
    """Each file has its name as key and its content as an object; the tar is put together again."""
    files = [("./a/1.jpg", b"one"), (LONG, b"x" * 5000), ("ä.bin", b""), ("b", b"y" * 512)]
    data, store = packed(files, form), Pieces()
    found = read(data, store)
    assert [found.keys[at] for at in (0, 2, 3)] == ["a%2F1.jpg", "ä.bin", "b"]
    assert [blake3(content).digest() for _, content in files] == found.oids
    assert [len(content) for _, content in files] == found.sizes
    assert (data, blake3(data).digest(), len(data)) == (store.whole(), found.oid, found.size)
    assert (found.keys, found.oids, found.oid) == (lambda r: (r.keys, r.oids, r.oid))(read(data))


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_compressed_tars_are_kept_as_they_are(compress: Callable[[bytes], bytes]) -> None:
    """Their members are the same as those of the tar in them."""
    plain = packed([("a.jpg", b"one"), ("b.jpg", b"two" * 999)])
    data, store = compress(plain), Pieces()
    found = read(data, store)
    assert (read(plain).oids, blake3(data).digest()) == (found.oids, found.oid)
    assert (data, b"") == (store.streams[0], store.listed)
    with pytest.raises(RecordsInvalid, match=r"t\.tar is cut off"):
        read(data[:-3])


class Streaming:
    """Hands on to a store, counting streams; with `every`, members of all sizes come as streams."""

    def __init__(self, store: ObjectStore, *, every: bool):
        self._store, self._every = store, every
        self.streams = 0
        self.put_list, self.put_group = store.put_list, store.put_group

    def put(self, data: bytes, suffix: str = "", pieces: list[bytes] | None = None) -> bytes:
        if self._every and suffix != ".tar":  # that of what stands between members
            return self.put_stream(io.BytesIO(data).readinto, suffix, pieces)[0]
        return self._store.put(data, suffix, pieces)

    def put_stream(
        self, readinto: Any, suffix: str = "", pieces: list[bytes] | None = None
    ) -> tuple[bytes, int]:
        self.streams += 1
        return self._store.put_stream(readinto, suffix, pieces)


def test_small_members_are_stored_without_a_stream_of_their_own(tmp_path: Path) -> None:
    """Only larger and empty ones are read as streams, and the packs are the same to the byte."""
    texts = [(f"{n:03}.txt", b"%d lines " % n * 90) for n in range(300)]
    media = [(f"{n:03}.jpg", blake3(b"%d" % n).digest(length=8192)) for n in range(400)]
    large = [("large.bin", blake3(b"large").digest(length=SAID_BYTES_MAX + 1))]
    data = packed([*texts, *media, *large, ("empty", b""), ("again.jpg", media[0][1])])
    found = []
    for every in (False, True):
        folder = tmp_path / str(every)
        for name in ("packs", "tmp"):
            (folder / name).mkdir(parents=True)
        store = ObjectStore(str(folder / "packs"), str(folder / "tmp"), Chunking())
        streaming = Streaming(store, every=every)
        given = read_records(io.BytesIO(data), "t.tar", RecordSettings("tar"), streaming)
        store.flush()
        assert store.read(given.oid) == data
        packs = {path.name: path.read_bytes() for path in folder.rglob("*.pack")}
        found.append((packs, given.keys, [*given.oids], given.oid))
        assert streaming.streams == (len(given) if every else 2)
        store.close()
    assert found[0] == found[1]


def test_what_is_said_of_a_sample_makes_fields() -> None:
    """In the layout of WebDataset, JSON, class and text of a sample are fields of its other members;
    a sample of texts alone is its text."""
    files = [
        ("s/0.jpg", b"J0"), ("s/0.json", b'{"id": 7, "split": "dev"}'), ("s/0.cls", b"3\n"),
        ("s/1.seg.png", b"P1"), ("s/1.jpg", b"J1"), ("s/1.cls", b"4"), ("s/1.txt", b"a cat"),
        ("s/2.txt", b"alone"), ("s/2.cls", b"5"),
    ]  # fmt: skip
    found = read(packed(files), label="cls", attributes=("split", "txt"))
    assert found.keys == ["s%2F0.jpg", "s%2F1.seg.png", "s%2F1.jpg", "s%2F2.txt"]
    assert found.labels == [("3",), ("4",), ("4",), ("5",)]
    assert found.attributes == [{"split": "dev"}, {"txt": "a cat"}, {"txt": "a cat"}, {}]
    assert [*found.fields] == ["name", "id", "split", "cls", "txt"]


def test_a_hard_link_is_its_target() -> None:
    """The content that a link names is that of an example again; other links are none."""

    def links(tar: tarfile.TarFile) -> None:
        for name, kind, target in (("hard", tarfile.LNKTYPE, "a"), ("soft", tarfile.SYMTYPE, "a")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)

    found = read(packed([("a", b"content")], more=links))
    assert (found.keys, len(set(found.oids))) == (["a", "hard"], 1)


def link_to_nothing(tar: tarfile.TarFile) -> None:
    info = tarfile.TarInfo("b")
    info.type, info.linkname = tarfile.LNKTYPE, "/etc/passwd"
    tar.addfile(info)


def sparse(tar: tarfile.TarFile) -> None:
    info = tarfile.TarInfo("b")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                        "GNU.sparse.name": "b", "GNU.sparse.realsize": str(1 << 50)}  # fmt: skip
    data = b"1\n0\n0\n".ljust(512, b"\0")
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


GOOD = packed([("a", b"x" * 600), ("b", b"y" * 600)])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (packed([("a", b""), ("/etc/passwd", b"x")]), "member 2: has the name '/etc/passwd'"),
        (packed([("a/../../b", b"x")]), r"member 1: has the name 'a/\.\./\.\./b'"),
        (packed([(".git/config", b"x")]), r"member 1: has the name '\.git/config'"),
        (packed([("a", b"1"), ("./a", b"2")]), r"member 2: has the name '\./a', as member 1 has"),
        (packed([("a", b"1")], more=link_to_nothing), r"member 2: \('b'\) is a link to '/etc/passwd'"),
        (packed([("a", b"1")], tarfile.PAX_FORMAT, sparse), r"member 2: \('b'\) is sparse"),
        (packed([("a.jpg", b"1"), ("a.json", b"{")]), r"member 2: \('a.json'\) is not JSON"),
        (packed([("a.jpg", b"1"), ("a.txt", b"\xff")]), r"member 2: \('a.txt'\) is not UTF-8"),
        (b"", "cannot be read as tar: it is empty"),
        (b"no tar" * 200, "cannot be read as tar: it does not begin with a header"),
        (GOOD[:300], "cannot be read as tar: it is cut off within a header"),
        (b"A" + GOOD[1:], "cannot be read as tar: a header is damaged: it does not fit its checksum"),
        (GOOD + GOOD, "has another tar behind its end"),
        (GOOD + bytes(1 << 20) + GOOD, "has another tar behind its end"),
        (GOOD[:1536], "cannot be read as tar behind member 1: it is cut off"),
        (GOOD[:2100], "cannot be read as tar behind member 2: it is cut off"),
        (GOOD[:700], "cannot be read as tar behind member 1: it is cut off"),
        (GOOD[:1536] + b"?" * 512 + GOOD[2048:], "behind member 1: what follows is no header"),
    ],
)  # fmt: skip
def test_what_no_dataset_should_have_is_refused(data: bytes, words: str) -> None:
    """Names that lead elsewhere, come twice or are no names, and what is cut off or damaged."""
    for tried in (data, gzip.compress(data)):
        with pytest.raises(RecordsInvalid, match=words) as caught:
            read(tried)
        assert caught.value.message.startswith("t.tar")
        assert caught.value.hint
        assert "\n" not in caught.value.message


NAMES = st.text("ab./", min_size=1, max_size=5)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=1200)), max_size=5))
def test_any_tar_is_put_together_again_or_refused(files: Files) -> None:
    """Whatever names and sizes: all bytes of the file are in its pieces."""
    data, store = packed(files), Pieces()
    try:
        found = read(data, store)
    except RecordsInvalid:
        return
    whole = store.whole() if store.listed else b"".join(store.objects.values())
    assert (data, blake3(data).digest()) == (whole, found.oid)
    assert len(found.keys) == len(found.oids) <= len(files)
