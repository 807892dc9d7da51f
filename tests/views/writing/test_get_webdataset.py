"""Shards: the same bytes everywhere, keys that no reader mixes up, read by the real readers."""

from __future__ import annotations

import gzip
import io
import json
import random
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from situations import Work

from dsm.errors import DamagedData, InvalidInput
from dsm.model.timespec import format_time
from dsm.views.selection.payloads import batches
from dsm.views.writing.metadata import _times
from dsm.views.writing.output_folder import OtherContent
from dsm.views.writing.shards import EXAMPLE_OVERHEAD, cut, cut_into_files
from dsm.views.writing.webdataset_keys import keys_of

AWKWARD = [
    ".jpg", "README", "a.d/r", "a/B.png", "a/b.jpg", "café/ß.JPG", "dup.x", "dup.y", "é.JPG", "É.png",
    "n\nl.txt", "nl\x7f.a", "q.json", "q2.CLS", "v.1/a..b", "x.tar.gz", "z.", "__MACOSX__/x.jpg",
    "__a__", "x.__key__", "dir\n.x/y.txt", "n" * 150 + ".txt", "d" * 200 + "/" + "e" * 200 + ".bin",
    "dup-00000000.x", "空/猫.webp", "s p/a b.c d",
]  # fmt: skip
SEGMENT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=12
).filter(lambda part: part not in (".", ".."))
PATHS = st.lists(
    st.lists(SEGMENT, min_size=1, max_size=3).map("/".join), min_size=1, max_size=12, unique=True
)


def members(data: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as reader:
        return [(m.name, reader.extractfile(m).read()) for m in reader]  # type: ignore[union-attr]


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip


def described(folder: Path) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads((folder / "dataset.json").read_bytes())
    return fields


def fill(work: Work, files: dict[str, bytes], **options: Any) -> None:
    work.ds.add(files, **options)
    work.ds.commit("files")


# --- keys ---------------------------------------------------------------------------------------


def split(name: str) -> tuple[str, str]:
    """What every reader does: the key ends at the first dot of the last component."""
    folder, slash, last = name.rpartition("/")
    key, _, ext = last.partition(".")
    return folder + slash + key, ext


@given(PATHS)
@example(["\x1f\x1f\x1f", "____", "__a__"])
def test_every_example_has_a_key_of_its_own(paths: list[str]) -> None:
    """However paths look, readers find as many examples as there are, each with its payload."""
    keys, extensions = (column.to_pylist() for column in keys_of(pa.chunked_array([paths])))
    assert len({key.lower() for key in keys}) == len(paths)
    for key, ext in zip(keys, extensions, strict=True):
        assert key and not key.endswith("/") and ext not in ("", "cls", "json")
        assert split(f"{key}.{ext}") == (key, ext)
        assert split(f"{key}.json") == (key, "json")
        assert not key.startswith("__")
        assert ext == ext.lower() or ext.lower() != ext.lower().lower()


def test_plain_paths_keep_their_key() -> None:
    """A path whose key nobody shares keeps it, and an extension keeps its meaning."""
    paths = ["a/1.jpg", "a.b/2.PNG", "c", "d.json", "e.cls", "-x.wav"]
    keys, extensions = (column.to_pylist() for column in keys_of(pa.chunked_array([paths])))
    assert keys == ["a/1", "a.b/2", "c", "d", "e", "-x"]
    assert extensions == ["jpg", "png", "bin", "payload.json", "payload.cls", "wav"]


def test_extensions_of_two_parts() -> None:
    """Those on the list are kept whole, in any case; of others the last part is the extension."""
    expected = {
        "scan.nii.gz": ("scan", "nii.gz"), "d/SCAN.NII.GZ": ("d/SCAN", "nii.gz"),
        "s.seg.png": ("s", "seg.png"), "x/s.mask.tiff": ("x/s", "mask.tiff"),
        "code.tar.gz": ("code", "tar.gz"), "rows.jsonl.zst": ("rows", "jsonl.zst"),
        "reads.fastq.gz": ("reads", "fastq.gz"), "packed.gz": ("packed", "gz"),
        "plain.png": ("plain", "png"), "alone.seg": ("alone", "seg"),
        "t.json.gz": ("t", "json.gz"), "nii.gz": ("nii", "gz"),
    }  # fmt: skip
    keys, extensions = keys_of(pa.chunked_array([list(expected)]))
    found = dict(
        zip(expected, zip(keys.to_pylist(), extensions.to_pylist(), strict=True), strict=True)
    )
    assert found == expected
    # What comes before the two parts, and two parts that are on no list, end in a hash.
    for path, ext in (
        ("a.b.nii.gz", "nii.gz"), (".nii.gz", "nii.gz"), ("a.cls.gz", "gz"), ("v1.2.png", "png"),
        ("a.png.seg", "seg"), ("a.tar.gz.json", "payload.json"),
    ):  # fmt: skip
        keys, extensions = keys_of(pa.chunked_array([[path]]))
        assert (extensions[0].as_py(), "-" in keys[0].as_py()) == (ext, True), path


def test_an_image_and_what_belongs_to_it() -> None:
    """They are two examples, so each has a key of its own."""
    keys, extensions = keys_of(pa.chunked_array([["a.png", "a.seg.png", "b.seg.png"]]))
    assert extensions.to_pylist() == ["png", "seg.png", "seg.png"]
    assert len(set(keys.to_pylist())) == 3
    assert keys[2].as_py() == "b"


def test_a_name_like_another_with_its_hash() -> None:
    """A key that another example's key with its hash happens to be gets a longer hash."""
    keys, _ = keys_of(pa.chunked_array([["a.x", "a.y"]]))
    first = keys.to_pylist()[0]
    again, _ = keys_of(pa.chunked_array([sorted(["a.x", "a.y", first + ".z"])]))
    assert len(set(again.to_pylist())) == 3


# --- where shards end ---------------------------------------------------------------------------


@given(st.lists(st.integers(0, 5000), max_size=40), st.integers(1, 20_000))
def test_shards_hold_every_row_once(sizes: list[int], limit: int) -> None:
    """Shards follow each other, and none with two examples is larger than asked for."""
    parts = cut(sizes, limit)
    assert parts == cut_into_files(pa.array(sizes, pa.int64()), limit)
    assert [row for first, end in parts for row in range(first, end)] == list(range(len(sizes)))
    for first, end in parts:
        weight = sum(size + -size % 512 + EXAMPLE_OVERHEAD for size in sizes[first:end])
        assert weight <= limit or end == first + 1


@given(st.lists(st.integers(0, 9 << 20), max_size=40))
def test_batches_hold_every_row_once(sizes: list[int]) -> None:
    """What is read at once follows each other and leaves nothing out."""
    rows = [row for first, end in batches(sizes) for row in range(first, end)]
    assert rows == list(range(len(sizes)))


# --- bytes --------------------------------------------------------------------------------------


def test_what_a_shard_holds(work: Work, tmp_path: Path) -> None:
    """Payload, class and JSON of each example, in this order, sorted by path."""
    work.ds.add({"b/1.JPG": b"one"}, labels=["dog"])
    work.ds.add({"a.x/2.json": b"{}"}, labels=["cat", "dog"])
    work.ds.add({"c": b""})
    work.ds.commit("files")
    out = tmp_path / "out"
    report = work.ds.prepare().get(str(out))
    assert (report.path, report.shards, report.examples, report.fresh) == (str(out), 1, 3, True)
    found = members((out / "shard-000000.tar").read_bytes())
    assert [name for name, _ in found] == [
        "a.x/2.payload.json", "a.x/2.cls", "a.x/2.json", "b/1.jpg", "b/1.cls", "b/1.json",
        "c.bin", "c.cls", "c.json",
    ]  # fmt: skip
    assert [data for name, data in found if name.endswith(".cls")] == [b"-1", b"1", b"-1"]
    by_path = {example.path: example for example in work.ds.prepare()}
    for name, data in found:
        if name.endswith(".json") and not name.endswith("payload.json"):
            told = json.loads(data)
            example = by_path[told["path"]]
            assert told == {
                "annotation": None, "attributes": {}, "changeset": 1,
                "classes": [["cat", "dog"].index(label) for label in example.labels],
                "labels": list(example.labels), "object": example.oid.hex(),
                "path": example.path, "size": example.size, "time": format_time(example.time),
            }  # fmt: skip
            plain = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            assert data == plain.encode()


def test_attributes_annotations_and_strange_labels(work: Work, tmp_path: Path) -> None:
    """Every example has every attribute, null where it has none; JSON holds any text."""
    work.write({"a.txt": "a", "b.txt": "b"})
    (tmp_path / "labels.jsonl").write_text(
        json.dumps({"path": "a.txt", "labels": ["猫 😺", 'quo"te\\'], "w": 0.1, "n": 7,
                    "ok": True, "s": "x\ny\u2028", "annotation": {"boxes": [[1, 2.5]]}}) + "\n"
        + json.dumps({"path": "b.txt", "labels": ["é"], "n": None})
    )  # fmt: skip
    work.ds.add(["."], label_file=str(tmp_path / "labels.jsonl"))
    work.ds.commit("files")
    work.ds.prepare().get(str(tmp_path / "out"))
    found = dict(members((tmp_path / "out" / "shard-000000.tar").read_bytes()))
    told = json.loads(found["a.json"])
    assert told["attributes"] == {"n": 7, "ok": True, "s": "x\ny\u2028", "w": 0.1}
    assert told["annotation"] == {"boxes": [[1, 2.5]]}
    assert set(told["labels"]) == {"猫 😺", 'quo"te\\'}
    other = json.loads(found["b.json"])
    assert other["attributes"] == {"n": None, "ok": None, "s": None, "w": None}
    classes = described(tmp_path / "out")["classes"]
    assert classes == sorted(["猫 😺", 'quo"te\\', "é"])
    assert found["b.cls"] == b"%d" % classes.index("é")


@given(st.lists(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999), min_size=1))
def test_times_are_spelt_as_everywhere(times: list[int]) -> None:
    """The JSON's instants are those of `format_time`, from the year 1 to 9999."""
    column = pa.chunked_array([pa.array(times, pa.timestamp("us", "UTC"))])
    assert [f"{text}Z" for text in _times(column).to_pylist()] == [format_time(t) for t in times]


def test_the_same_bytes_from_any_machine(
    make_work: Callable[..., Work], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However examples were added and however many workers write, every file is the same."""
    source = random.Random(4)
    files = {f"d{n % 3}/file {n}.txt": source.randbytes(source.randint(0, 3000)) for n in range(90)}
    files |= {"large": source.randbytes(3 << 20), "empty": b"", "n" * 150: b"long name"}
    monkeypatch.setattr("dsm.views.writing.worker_count.WORKER_EXAMPLES", 1)
    monkeypatch.setattr("dsm.views.writing.worker_count.WORKER_BYTES", 1)
    found = []
    for way, workers in (("at once", 1), ("backwards", 3), ("copied", 2)):
        work = make_work(way.replace(" ", ""))
        if way == "copied":
            shutil.rmtree(work.root)
            shutil.copytree(tmp_path / "atonce", work.root)
            work.reopen()
        else:
            names = sorted(files, reverse=way == "backwards")
            work.ds.add({name: files[name] for name in names}, labels=["x"])
            work.ds.commit("one")
        for layout, compression in (
            ("webdataset", "none"),
            ("webdataset", "zstd"),
            ("parquet", "none"),
            ("tar", "none"),
            ("tar", "zstd"),
            ("files", "none"),
        ):
            work.ds.prepare().get(
                str(tmp_path / "out" / way / f"{layout} {compression}"), format=layout,
                shard_size=40_000, compression=compression, workers=workers,
            )  # fmt: skip
        found.append(tree(tmp_path / "out" / way))
    # Another repository has other ids and times; the copy has the same in every byte.
    assert found[0] == found[2]
    assert [len(tree_) for tree_ in found] == [len(found[0])] * 3


def test_any_pieces_compress_alike() -> None:
    """What comes in other pieces is compressed to the same bytes."""
    from dsm.views.writing.compression import Compressed

    data = random.Random(1).randbytes(1 << 19) * 6
    results = set()
    for step in (len(data), 1 << 20, 65_537, 1000):
        parts: list[bytes] = []
        out = Compressed(parts.append)
        for at in range(0, len(data), step):
            out.write(data[at : at + step])
        out.finish()
        results.add(b"".join(parts))
    assert len(results) == 1


# --- going on, leaving alone, refusing ----------------------------------------------------------


@pytest.fixture
def many(work: Work) -> Work:
    fill(work, {f"{n:03d}.txt": b"%d" % n * 200 for n in range(60)}, labels=["x"])
    return work


def test_what_is_there_is_left_alone(many: Work, tmp_path: Path) -> None:
    """A finished view is not written again; --verify finds what was damaged and repairs nothing."""
    out = tmp_path / "out"
    view = many.ds.prepare()
    assert view.get(str(out), shard_size=30_000).fresh
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert not view.get(str(out), shard_size=30_000, verify=True).fresh
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    shard = out / "shard-000001.tar"
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)
    assert not view.get(str(out), shard_size=30_000).fresh
    with pytest.raises(DamagedData, match="is not what was written there") as caught:
        view.get(str(out), shard_size=30_000, verify=True)
    assert caught.value.items == ("shard-000001.tar",)
    assert shard.read_bytes() == data


def test_a_missing_shard_is_written_again(many: Work, tmp_path: Path) -> None:
    """Where a shard is gone or cut short the others are kept, and damaged ones replaced."""
    out = tmp_path / "out"
    view = many.ds.prepare()
    view.get(str(out), shard_size=30_000)
    whole = tree(out)
    (out / "shard-000002.tar").unlink()
    (out / "shard-000003.tar").write_bytes(b"short")
    (out / "shard-000000.tar").write_bytes(whole["shard-000000.tar"][::-1])
    report = view.get(str(out), shard_size=30_000)
    assert (report.fresh, report.kept) == (True, report.shards - 3)
    assert tree(out) == whole


def test_other_content_is_refused(many: Work, tmp_path: Path) -> None:
    """Another view, other options or foreign files are a conflict, which --force ends."""
    out = tmp_path / "out"
    view = many.ds.prepare()
    view.get(str(out), shard_size=30_000)
    other = many.ds.prepare(labels=["x"])
    for attempt in (
        lambda **force: other.get(str(out), **force),
        lambda **force: other.get(str(out), shard_size=60_000, **force),
        lambda **force: other.get(str(out), format="parquet", **force),
        lambda **force: other.get(str(out), format="files", **force),
        lambda **force: view.get(str(out), shard_size=30_000, **force),
    ):
        with pytest.raises(
            OtherContent,
            match="holds view|holds this view as webdataset|holds this view as parquet",
        ):
            attempt()
        attempt(force=True)
        assert not attempt().fresh
        assert view.get(str(tmp_path / "fresh"), shard_size=30_000)
    assert tree(out) == tree(tmp_path / "fresh")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "shard-000000.tar").write_text("mine")
    with pytest.raises(
        OtherContent, match=r"has shard-000000\.tar, which this get has not written"
    ):
        view.get(str(tmp_path / "mine"))
    assert tree(tmp_path / "mine") == {"shard-000000.tar": b"mine"}


def test_a_folder_with_other_files_keeps_them(many: Work, tmp_path: Path) -> None:
    """What is in the folder besides stays, and no ignore file is put beside it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    many.ds.prepare().get(str(tmp_path / "out"))
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "out" / ".dsmignore").exists()


def test_a_folder_in_the_work_tree_is_not_untracked(many: Work) -> None:
    """A view that is written into the work tree does not turn up in the status."""
    many.ds.prepare().get(str(many.root / "shards"))
    assert many.state()[2] == []


@pytest.mark.parametrize("layout", ["webdataset", "tar", "files", "parquet"])
def test_nothing_is_written_among_data(many: Work, tmp_path: Path, layout: str) -> None:
    """The root, and a folder in it that has files, are refused by whichever way they are named,
    also with `force`; no file is written there."""
    many.write({"train/a": b"a", "train/deep/b": b"b", "made/dataset.json": b"{}"})
    (tmp_path / "link").symlink_to(many.root / "train")
    before, view = many.files(), many.ds.prepare()
    outs = (many.root, many.root / "train", tmp_path / "link", many.root / "made")
    for out in outs:
        for force in (False, True):
            with pytest.raises(OtherContent, match="`dsm add` would take") as caught:
                view.get(str(out), format=layout, force=force)
            assert caught.value.hint == "give a new or empty folder with -o"
    assert many.files() == before


def test_folders_in_the_work_tree_that_may_be_written_to(many: Work) -> None:
    """New and empty ones, those made for a view, and those that .dsmignore leaves out."""
    many.write({"left/out/notes.txt": b"mine", ".dsmignore": b"left/\n"})
    (many.root / "empty").mkdir()
    view, other = many.ds.prepare(), many.ds.prepare(labels=["x"])
    for out in ("new/one", "empty", "left/out"):
        assert view.get(str(many.root / out)).fresh
        assert not view.get(str(many.root / out)).fresh
        assert other.get(str(many.root / out), force=True).fresh
        assert view.get(str(many.root / out), format="tar").fresh
    assert many.state()[2] == []
    (many.root / "new/one/.dsmignore").unlink()
    assert not other.get(str(many.root / "new/one")).fresh


def test_the_folder_of_another_dataset(many: Work) -> None:
    """Its root is refused as well."""
    many.repo.create_dataset("more", root="more")
    with pytest.raises(OtherContent, match="is the root of dataset more"):
        many.ds.prepare().get(str(many.root / "more"))


def test_options_that_make_no_sense(many: Work, tmp_path: Path) -> None:
    """Unknown formats, compressions and sizes are refused before anything is written."""
    view = many.ds.prepare()
    for options in (
        {"format": "zip"}, {"compression": "lzma"}, {"shard_size": 0},
        {"format": "files", "compression": "zstd"},
    ):  # fmt: skip
        with pytest.raises(
            InvalidInput,
            match=r"there is no (format|compression)|has at least one byte|is not compressed",
        ):
            view.get(str(tmp_path / "out"), **options)  # type: ignore[arg-type]
    for layout in ("files", "parquet"):
        with pytest.raises(InvalidInput, match="cannot be written to standard output"):
            view.get("-", format=layout, sink=io.BytesIO())
    assert not (tmp_path / "out").exists()


def test_a_stream_has_the_members_of_all_shards(many: Work, tmp_path: Path) -> None:
    """-o - writes one tar with everything that the shards hold."""
    view = many.ds.prepare()
    view.get(str(tmp_path / "out"), shard_size=30_000)
    shards = sorted((tmp_path / "out").glob("shard-*.tar"))
    assert len(shards) > 3
    sink = io.BytesIO()
    view.get("-", sink=sink)
    streamed = sink.getvalue()
    assert members(streamed) == [m for shard in shards for m in members(shard.read_bytes())]


# --- the real readers ---------------------------------------------------------------------------


@pytest.fixture
def awkward(work: Work, tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    """Shards of paths that readers could stumble over, and what they hold."""
    files = {path: f"content of {number}".encode() for number, path in enumerate(AWKWARD)}
    work.ds.add(files, labels=["x"])
    work.ds.add({"y.txt": b""}, labels=["x", "猫"])
    work.ds.commit("files")
    work.ds.prepare().get(str(tmp_path / "out"), shard_size=20_000)
    return tmp_path / "out", {**files, "y.txt": b""}


def test_webdataset_reads_every_example(awkward: tuple[Path, dict[str, bytes]]) -> None:
    """The package's own reader gives each example once, whole."""
    webdataset = pytest.importorskip("webdataset", reason="needs the package webdataset")
    folder, files = awkward
    urls = [str(path) for path in sorted(folder.glob("shard-*.tar"))]
    found = {}
    for sample in webdataset.WebDataset(urls, shardshuffle=False):
        told = json.loads(sample["json"])
        (payload,) = [
            data for name, data in sample.items()
            if name not in ("cls", "json") and not name.startswith("__")
        ]  # fmt: skip
        assert int(sample["cls"]) == (0 if told["labels"] == ["x"] else -1)
        found[told["path"]] = payload
    assert found == files


def test_readers_find_extensions_of_two_parts(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """webdataset and datasets know a field by both of its parts."""
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    webdataset = pytest.importorskip("webdataset", reason="needs the package webdataset")
    datasets = pytest.importorskip("datasets", reason="needs the package datasets")
    fill(work, {f"{n}.nii.gz": gzip.compress(b"scan %d" % n) for n in range(3)})
    work.ds.prepare().get(str(tmp_path / "out"))
    shard = str(tmp_path / "out" / "shard-000000.tar")
    samples = list(webdataset.WebDataset([shard], shardshuffle=False))
    assert [gzip.decompress(sample["nii.gz"]) for sample in samples] == [
        b"scan %d" % n for n in range(3)
    ]
    loaded = datasets.load_dataset(
        "webdataset", data_files=shard, split="train", cache_dir=str(tmp_path / "cache")
    )
    assert [row["nii.gz"] for row in loaded] == [b"scan %d" % n for n in range(3)]


def test_gnu_tar_lists_every_member(awkward: tuple[Path, dict[str, bytes]]) -> None:
    """GNU tar and Python list the same members, without a complaint."""
    if shutil.which("tar") is None:
        pytest.skip("needs tar")
    for shard in awkward[0].glob("shard-*.tar"):
        listed = subprocess.run(
            ["tar", "--quoting-style=literal", "--null", "-tf", shard],
            capture_output=True, check=True,
        )  # fmt: skip
        assert listed.stderr == b""
        names = [name for name, _ in members(shard.read_bytes())]
        assert listed.stdout.decode() == "".join(f"{name}\n" for name in names)


def test_datasets_loads_shards(work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`load_dataset("webdataset")` gives payload, class and JSON of every example."""
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the package datasets")
    fill(work, {f"c/{n}.txt": b"text %d" % n for n in range(20)}, labels=["x"])
    work.ds.prepare().get(str(tmp_path / "out"), shard_size=20_000)
    loaded = datasets.load_dataset(
        "webdataset", data_files=str(tmp_path / "out" / "shard-*.tar"), split="train",
        cache_dir=str(tmp_path / "cache"),
    )  # fmt: skip
    assert len(loaded) == 20
    for row in loaded:
        assert row["json"]["path"] == row["__key__"] + ".txt"
        assert row["cls"] == 0
