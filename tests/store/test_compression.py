"""Compression where it pays: small files that share what they repeat, text; media stays as it is."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3

from dsm.errors import DamagedData
from dsm.format import pack as fmt
from dsm.store import codec
from dsm.store.chunks import KB, MB, Chunking
from dsm.store.objects import ObjectStore
from dsm.store.packs import Pack, PackWriter

# What small photos from one encoder share: markers, quantisation and Huffman tables.
JPEG_HEADER = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1" + random.Random("tables").randbytes(600)


def photos(count: int, size: int = 300) -> list[bytes]:
    source = random.Random("photos")
    return [JPEG_HEADER + source.randbytes(source.randint(size // 2, size)) for _ in range(count)]


def lines(count: int) -> list[bytes]:
    source = random.Random("lines")
    words = [source.randbytes(4).hex() for _ in range(300)]
    return [
        b'{"id": %d, "question": "%s", "answer": "%s"}\n'
        % (n, *(" ".join(source.choices(words, k=20)).encode() for _ in range(2)))
        for n in range(count)
    ]


def noise(count: int, size: int) -> list[bytes]:
    source = random.Random("noise")
    return [source.randbytes(size) for _ in range(count)]


def share(folder: Path, contents: Iterable[bytes], suffix: str) -> float:
    """Stores files of one kind, reads them back in random order; returns stored / raw bytes."""
    contents = list(contents)
    (folder / "packs").mkdir(parents=True)
    with_all = ObjectStore(str(folder / "packs"), str(folder), Chunking())
    oids = [with_all.put(one, suffix) for one in contents]
    with_all.flush()
    with_all.close()
    again = ObjectStore(str(folder / "packs"), str(folder), Chunking())
    order = random.Random(0).sample(range(len(contents)), min(len(contents), 300))
    assert [again.read(oids[n]) for n in order] == [contents[n] for n in order]
    many = dict(again.read_many(oids))
    assert all(many[oid] in (one, None) for oid, one in zip(oids, contents, strict=True))
    again.close()
    stored = sum(path.stat().st_size for path in (folder / "packs").rglob("*.pack"))
    return stored / sum(map(len, contents))


def test_small_photos_share_their_headers(tmp_path: Path) -> None:
    """Small images of one encoder take little more than what differs between them."""
    contents = photos(3000)
    differing = 1 - 613 * len(contents) / sum(map(len, contents))
    assert share(tmp_path, contents, ".jpg") < differing + 0.09


def test_small_text_is_compressed(tmp_path: Path) -> None:
    """Short texts of one kind are compressed together."""
    assert share(tmp_path, lines(5000), ".json") < 0.55


def test_a_few_small_texts_are_compressed(tmp_path: Path) -> None:
    """Also where there are too few to train on."""
    assert share(tmp_path, [line * 30 for line in lines(20)], ".txt") < 0.4


def test_large_text_is_compressed(tmp_path: Path) -> None:
    """Pieces of a large file are compressed one by one."""
    assert share(tmp_path, [b"".join(lines(20_000))], ".jsonl") < 0.6


@pytest.mark.parametrize(
    ("count", "size", "suffix"), [(4000, 2 * KB, ".bin"), (60, 100 * KB, ".jpg"), (2, 3 * MB, "")]
)
def test_dense_bytes_cost_nothing_extra(tmp_path: Path, count: int, size: int, suffix: str) -> None:
    """What does not compress is stored raw, with a few dozen bytes of table an object."""
    contents = noise(count, size)
    assert share(tmp_path, contents, suffix) < 1 + 60 / size + 0.005
    (path,) = (tmp_path / "packs").rglob("*.pack")
    assert {codec for _, _, codec in Pack(str(path)).contents.frames} == {fmt.RAW}


def test_kinds_that_alternate(tmp_path: Path) -> None:
    """Kinds in one run do not disturb each other: each is stored as it alone would be."""
    text, photo, dense = lines(4000), photos(2500), noise(2500, 700)
    mixed = [one for three in zip(text, photo, dense, strict=False) for one in three]
    folder = tmp_path / "packs"
    folder.mkdir()
    store = ObjectStore(str(folder), str(tmp_path), Chunking())
    oids = []
    for number, one in enumerate(mixed):
        oids.append(store.put(one, (".json", ".jpg", ".bin")[number % 3]))
    store.flush()
    found = dict(store.read_many(oids))
    assert [found[oid] for oid in oids] == mixed
    stored = sum(path.stat().st_size for path in folder.rglob("*.pack"))
    store.close()
    assert stored < 0.62 * sum(map(len, mixed))


def test_a_kind_may_become_compressible(tmp_path: Path) -> None:
    """A suffix whose first files are noise is looked at again later."""
    contents = noise(5000, 100) + lines(9000)
    assert share(tmp_path, contents, ".dat") < 0.85


def test_more_kinds_than_dictionaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack has room for so many dictionaries; kinds beyond that are stored without one."""
    monkeypatch.setattr(fmt, "DICTIONARIES_MAX", 3)
    writer = PackWriter(str(tmp_path / "p"))
    contents = {}
    for kind in range(5):
        source = random.Random(kind)
        header = source.randbytes(600)
        for _ in range(1600):
            one = header + source.randbytes(100)
            oid = blake3(one).digest()
            contents[oid] = one
            writer.add(oid, one, f".k{kind}")
    writer.seal()
    pack = Pack(str(tmp_path / "p"), verify=True)
    assert len(pack.contents.dictionaries) == 3
    for oid in random.Random(0).sample(sorted(contents), 400):
        (row,) = pack.find(oid)
        frame, offset, size, _ = pack.place(row)
        assert pack.read(frame, offset, size) == contents[oid]


def test_identical_small_files(tmp_path: Path) -> None:
    """Thousands of equal files are one object; thousands of empty ones too."""
    store = ObjectStore(str(tmp_path), str(tmp_path), Chunking())
    assert {store.put(b"", ".txt") for _ in range(3000)} == {blake3(b"").digest()}
    assert {store.put(b"same", ".txt") for _ in range(3000)} == {blake3(b"same").digest()}
    store.flush()
    (path,) = tmp_path.rglob("*.pack")
    assert len(Pack(str(path))) == 2
    store.close()


# --- frames from elsewhere ----------------------------------------------------------------------


def frame_of(data: bytes, *, sized: bool = False, magic: bool = False) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        19, write_content_size=sized, write_checksum=False, write_dict_id=False,
        format=zstandard.FORMAT_ZSTD1 if magic else zstandard.FORMAT_ZSTD1_MAGICLESS,
    )  # fmt: skip
    return zstandard.ZstdCompressor(compression_params=parameters).compress(data)


@pytest.mark.parametrize("sized", [False, True])
def test_a_bomb_is_refused_before_it_goes_off(sized: bool) -> None:
    """A frame of a few KB that would become 64 MB takes no more memory than was promised."""
    bomb = frame_of(bytes(64 * MB), sized=sized)
    assert len(bomb) < 64 * KB
    decompress = codec.decompressor()
    tracemalloc.start()
    try:
        for promised in (0, 1, 1000, MB):
            with pytest.raises(
                ValueError, match="decompression error: did not|not a frame as dsm writes them"
            ):
                decompress(bomb, promised)
        assert tracemalloc.get_traced_memory()[1] < 16 * MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("raw", [b"", b"x", b"abc" * 1000])
def test_a_frame_is_of_the_promised_size(raw: bytes) -> None:
    """A frame that gives fewer or more bytes than its table says is refused."""
    frame = codec.compressor(3)(raw)
    assert codec.decompressor()(frame, len(raw)) == raw
    for promised in (len(raw) + 1, len(raw) + MB, max(0, len(raw) - 1) or 7):
        with pytest.raises(ValueError):
            codec.decompressor()(frame, promised)


@pytest.mark.parametrize(
    "garbage", [b"", b"\0", b"\xff" * 40, b"x" * 100, frame_of(b"x", magic=True)]
)
def test_what_is_no_frame_is_refused(garbage: bytes) -> None:
    """Garbage raises ValueError, with a dictionary and without."""
    dictionary = zstandard.train_dictionary(4096, [b"%d some text" % n for n in range(2000)])
    for decompress in (codec.decompressor(), codec.decompressor(dictionary.as_bytes())):
        with pytest.raises(
            ValueError, match="not a frame as dsm writes them|error determining content size"
        ):
            decompress(garbage, 100)


def test_damaged_dictionaries(tmp_path: Path) -> None:
    """A dictionary with a flipped bit makes its objects DamagedData or wrong by their hash."""
    writer = PackWriter(str(tmp_path / "p"))
    contents = photos(2000)
    for one in contents:
        writer.add(blake3(one).digest(), one, ".jpg")
    writer.seal()
    data = bytearray((tmp_path / "p").read_bytes())
    pack = Pack(str(tmp_path / "p"))
    at, size, _ = pack.contents.frames[pack.contents.dictionaries[0]]
    source, refused = random.Random(5), 0
    for _ in range(60):
        changed = bytearray(data)
        changed[at + source.randrange(min(size, 400))] ^= 1 << source.randrange(8)
        (tmp_path / "q").write_bytes(changed)
        bad = Pack(str(tmp_path / "q"))
        for one in contents[:5]:
            (row,) = bad.find(blake3(one).digest())
            frame, offset, length, _ = bad.place(row)
            try:
                assert len(bad.read(frame, offset, length)) == length
            except DamagedData:
                refused += 1
    assert refused > 0


def test_grouping_covers_every_file_once() -> None:
    """Shared frames follow each other without gap or overlap and stay small."""
    sizes = [random.Random(7).randint(0, codec.GROUP_BYTES - 1) for _ in range(500)]
    groups = codec.grouped(sizes)
    assert [first for first, _ in groups] == [0, *(end for _, end in groups[:-1])]
    assert groups[-1][1] == len(sizes)
    assert all(sum(sizes[a:b]) < 2 * codec.GROUP_BYTES for a, b in groups)
    assert codec.grouped([]) == []
