"""tar, files and parquet: bytes that are specified, read by the tools that people have."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from situations import Work

from dsm.errors import Conflict, DamagedData, InvalidInput, StorageFailed
from dsm.views.writing.formats import stem_of
from dsm.views.writing.tar_header import header

# A grey pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c636800000082008177cd72b60000000049454e44ae426082"
)


def fill(work: Work, files: dict[str, bytes], **options: Any) -> None:
    work.ds.add(files, **options)
    work.ds.commit("files")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip


# --- tar ----------------------------------------------------------------------------------------


def test_the_index_tells_where_payloads_are(work: Work, tmp_path: Path) -> None:
    """Read at the offset of a line, there is the payload, also behind long names and large files."""
    files = {f"d/{n}.txt": b"%d" % n * n for n in range(50)}
    files |= {"n" * 150: b"long", "large.bin": bytes(range(256)) * (5 << 12), "é/空.txt": b""}
    fill(work, files, labels=["x"])
    view = work.ds.prepare()
    report = view.get(str(tmp_path), format="tar")
    assert report.path == str(tmp_path / f"{stem_of(view)}.tar")
    data = Path(report.path).read_bytes()
    found = {}
    for line in (tmp_path / f"{stem_of(view)}.index.jsonl").read_text().splitlines():
        told = json.loads(line)
        found[told["path"]] = data[told["offset"] : told["offset"] + told["size"]]
    assert found == files
    assert not view.get(str(tmp_path), format="tar", verify=True).fresh


def test_two_tars_in_one_folder(work: Work, tmp_path: Path) -> None:
    """Tars of several views lie side by side; neither minds the other."""
    fill(work, {"a": b"1"}, labels=["x"])
    fill(work, {"b": b"2"}, labels=["y"])
    views = [work.ds.prepare(), work.ds.prepare(labels=["x"])]
    paths = {view.get(str(tmp_path), format="tar").path for view in views}
    assert len(paths) == 2
    assert [view.get(str(tmp_path), format="tar", verify=True).fresh for view in views] == [
        False
    ] * 2


@pytest.mark.parametrize("layout", ["tar", "webdataset", "files", "parquet"])
def test_a_file_is_no_folder(work: Work, tmp_path: Path, layout: str) -> None:
    """A file where a folder is to be is refused with what to do, and stays as it is."""
    fill(work, {"a": b"1"})
    (tmp_path / "x.tar").write_bytes(b"mine")
    for out in ("x.tar", "x.tar/below", "x.tar/far/below"):
        with pytest.raises(InvalidInput, match=r"x\.tar is not a folder") as caught:
            work.ds.prepare().get(str(tmp_path / out), format=layout)
        assert caught.value.hint == "give a folder with -o"
    assert (tmp_path / "x.tar").read_bytes() == b"mine"


def test_gnu_tar_extracts_the_original_files(work: Work, tmp_path: Path) -> None:
    """What tar extracts is what was added."""
    if shutil.which("tar") is None:
        pytest.skip("needs tar")
    files = {"a/b.txt": b"1", "a b/é.txt": b"2", "d" * 120 + "/x": b"3"}
    fill(work, files)
    report = work.ds.prepare().get(str(tmp_path / "out"), format="tar")
    (tmp_path / "there").mkdir()
    subprocess.run(["tar", "-xf", report.path, "-C", tmp_path / "there"], check=True)
    assert contents(tmp_path / "there") == files


def test_a_compressed_tar(work: Work, tmp_path: Path) -> None:
    """--compression zstd writes one frame with the bytes of the plain tar."""
    import zstandard

    fill(work, {f"{n}": b"x" * 5000 for n in range(100)})
    view = work.ds.prepare()
    plain = view.get(str(tmp_path / "plain"), format="tar").path
    packed = view.get(str(tmp_path / "packed"), format="tar", compression="zstd").path
    assert packed.endswith(".tar.zst")
    data = zstandard.ZstdDecompressor().decompressobj().decompress(Path(packed).read_bytes())
    assert data == Path(plain).read_bytes()


def test_a_damaged_object_leaves_no_tar(work: Work, tmp_path: Path) -> None:
    """An object that is damaged in the store ends get; nothing is left under a final name."""
    fill(work, {f"{n}": b"%d" % n * 3000 for n in range(20)})
    view = work.ds.prepare()
    for pack in (work.root / ".dsm" / "packs").rglob("*.pack"):
        data = bytearray(pack.read_bytes())
        data[200] ^= 255
        pack.chmod(0o644)
        pack.write_bytes(data)
    work.reopen()
    view = work.repo.view(view.version)
    for layout in ("tar", "webdataset", "parquet", "files"):
        with pytest.raises(DamagedData, match="is not in the store"):
            view.get(str(tmp_path / layout), format=layout)
        names = {path.name for path in (tmp_path / layout).rglob("*") if path.is_file()}
        assert not names & {"dataset.json", "shard-000000.tar", "part-000000.parquet"}
        assert not any(name.endswith(".tar") for name in names)


# --- files --------------------------------------------------------------------------------------


def test_files_are_where_they_were(work: Work, tmp_path: Path) -> None:
    """data/ has every file under its path, examples.jsonl tells of each."""
    files = {"a/1.txt": b"one", "b": b"", "é/" + "n" * 200: b"x" * (3 << 20)}
    fill(work, files, labels=["x"])
    out = tmp_path / "out"
    view = work.ds.prepare()
    assert view.get(str(out), format="files").fresh
    assert contents(out / "data") == files
    lines = [json.loads(line) for line in (out / "examples.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == sorted(files, key=str.encode)
    assert not view.get(str(out), format="files", verify=True).fresh
    (out / "data" / "b").write_text("changed")
    with pytest.raises(DamagedData, match="is not what was written there") as caught:
        view.get(str(out), format="files", verify=True)
    assert caught.value.items == ("data/b",)


def test_force_removes_the_files_of_the_other_view(work: Work, tmp_path: Path) -> None:
    """Files of the view that was there go, files of nobody stay."""
    fill(work, {"cat/1": b"1", "dog/1": b"2"})
    first = work.ds.prepare()
    work.path("cat").mkdir(exist_ok=True)
    fill(work, {"cat/1": b"new", "owl": b"3"}, labels=["x"])
    second = work.ds.prepare(labels=["x"])
    out = tmp_path / "out"
    first.get(str(out), format="files")
    (out / "data" / "mine").write_text("mine")
    with pytest.raises(Conflict, match="holds view"):
        second.get(str(out), format="files")
    second.get(str(out), format="files", force=True)
    assert contents(out / "data") == {"cat/1": b"new", "owl": b"3", "mine": b"mine"}


def test_no_file_is_written_through_a_link(work: Work, tmp_path: Path) -> None:
    """A link in the place of a folder ends get; what it points to is untouched."""
    fill(work, {"cat/1": b"1"})
    out = tmp_path / "out"
    view = work.ds.prepare()
    view.get(str(out), format="files")
    shutil.rmtree(out / "data" / "cat")
    (tmp_path / "elsewhere").mkdir()
    (out / "data" / "cat").symlink_to(tmp_path / "elsewhere")
    (out / "dataset.json").unlink()
    with pytest.raises(Conflict, match="is a link or a file where a folder must be; nothing"):
        view.get(str(out), format="files", force=True)
    assert contents(tmp_path / "elsewhere") == {}


# --- parquet ------------------------------------------------------------------------------------


def images(work: Work) -> None:
    fill(work, {f"cat/{n}.png": PNG for n in range(3)}, labels=["cat"])
    fill(work, {"dog/é.PNG": PNG}, labels=["dog"])
    fill(work, {"both.png": PNG}, labels=["dog", "猫"])


def test_columns_of_parquet(work: Work, tmp_path: Path) -> None:
    """A row an example: payload, class, path, labels, time, annotation, object, size, changeset."""
    images(work)
    view = work.ds.prepare()
    view.get(str(tmp_path / "out"), format="parquet", shard_size=8000)
    parts = sorted((tmp_path / "out").glob("part-*.parquet"))
    assert len(parts) == 3
    rows = [row for part in parts for row in pq.read_table(part).to_pylist()]
    assert [row["path"] for row in rows] == [example.path for example in view]
    assert [row["label"] for row in rows] == [-1, 0, 0, 0, 1]
    assert all(row["image"]["bytes"] == PNG for row in rows)
    assert [row["object"] for row in rows] == [example.oid.hex() for example in view]
    assert len({pq.read_schema(part) for part in parts}) == 1
    assert rows[0]["labels"] == ["dog", "猫"]


@pytest.mark.parametrize(
    ("files", "column"),
    [
        ({"a.txt": b"\xc3\xa9", "b.md": b""}, "text"), ({"a.wav": b"RIFF"}, "audio"),
        ({"a.txt": b"a", "b.png": PNG}, "bytes"), ({"noext": b"\0"}, "bytes"),
    ],
)  # fmt: skip
def test_kinds_of_payload(work: Work, tmp_path: Path, files: dict[str, bytes], column: str) -> None:
    """The payload column is text, audio or image where all examples are, bytes elsewhere."""
    fill(work, files)
    work.ds.prepare().get(str(tmp_path / "out"), format="parquet")
    table = pq.read_table(tmp_path / "out" / "part-000000.parquet")
    assert table.column_names[0] == column
    found = [v["bytes"] if column == "audio" else v for v in table.column(0).to_pylist()]
    wanted = [data.decode() if column == "text" else data for _, data in sorted(files.items())]
    assert found == wanted


def test_text_that_is_none(work: Work, tmp_path: Path) -> None:
    """A text file that is not UTF-8 is named, and another format proposed."""
    fill(work, {"a.txt": b"\xff"})
    with pytest.raises(InvalidInput, match=r"a\.txt"):
        work.ds.prepare().get(str(tmp_path / "out"), format="parquet")


def test_datasets_loads_parquet(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`load_dataset("parquet")` gives images and class labels with their names."""
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the package datasets")
    pytest.importorskip("PIL", reason="needs the package pillow")
    images(work)
    work.ds.prepare().get(str(tmp_path / "out"), format="parquet")
    loaded = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "out" / "part-*.parquet"), split="train",
        cache_dir=str(tmp_path / "cache"),
    )  # fmt: skip
    assert loaded.features["label"].names == ["cat", "dog", "猫"]
    assert isinstance(loaded.features["image"], datasets.Image)
    assert loaded[1]["image"].size == (1, 1)
    assert [row["label"] for row in loaded] == [-1, 0, 0, 0, 1]


def test_pandas_and_duckdb_read_parquet(work: Work, tmp_path: Path) -> None:
    """Both see one row an example."""
    images(work)
    work.ds.prepare().get(str(tmp_path / "out"), format="parquet", shard_size=8000)
    pandas = pytest.importorskip("pandas", reason="needs the package pandas")
    frame = pandas.read_parquet(tmp_path / "out" / "part-000000.parquet")
    assert list(frame["path"]) == ["both.png", "cat/0.png"]
    duckdb = pytest.importorskip("duckdb", reason="needs the package duckdb")
    counted = duckdb.sql(
        f"select label, count(*) from '{tmp_path}/out/part-*.parquet' group by 1 order by 1"
    ).fetchall()
    assert counted == [(-1, 1), (0, 3), (1, 1)]


@pytest.mark.parametrize("out", ["", ".dsm", ".dsm/views"])
def test_nothing_is_written_among_the_files_of_the_repository(work: Work, out: str) -> None:
    """What is not named, or lies in `.dsm`, is refused as a folder to write to."""
    fill(work, {"a": b"1"})
    with pytest.raises(InvalidInput, match=r"keeps its own files|no folder is named"):
        work.ds.prepare().get(str(work.root / out) if out else "")
    assert not (work.root / ".dsm" / "dataset.json").exists()
    assert not (work.root / ".dsm" / "views").exists()


def test_a_link_that_leads_nowhere(work: Work, tmp_path: Path) -> None:
    """It is no folder to write to; one to a folder is."""
    fill(work, {"a": b"1"})
    view, out = work.ds.prepare(), tmp_path / "out"
    out.symlink_to(tmp_path / "there")
    with pytest.raises(StorageFailed, match="No such file"):
        view.get(str(out))
    (tmp_path / "there").mkdir()
    assert view.get(str(out)).fresh
    assert (tmp_path / "there" / "shard-000000.tar").exists()


# --- large files --------------------------------------------------------------------------------


def test_a_member_over_eight_gigabytes_is_announced() -> None:
    """The header of a file over 8 GB says its size, where octal digits do not suffice."""
    for size in (8 << 30, (9 << 30) + 5):
        raw = header("big.bin", size)
        with tarfile.open(fileobj=io.BytesIO(raw)) as reader:
            member = reader.next()
            assert member is not None and member.size == size


# --- Croissant ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["webdataset", "tar", "files", "parquet"])
def test_croissant_is_valid(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    """The reference validator finds nothing wrong, and the description names no machine."""
    images(work)
    for name in ("a.json", "a/d.json", "ad", "payload.png", "x/payload", "ypayload.txt"):
        work.ds.add({name: b"{}"})
    work.ds.commit("names")
    view = work.ds.prepare()
    view.get(str(tmp_path), format=layout, croissant=True, shard_size=8000)
    (path,) = tmp_path.glob("*croissant.json")
    described = json.loads(path.read_text())
    assert described["identifier"] == view.version
    assert str(tmp_path) not in path.read_text()
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the package mlcroissant")
    from mlcroissant._src.operation_graph.operations import extract

    # It keeps what it unpacked by the name alone, for the shard of another view, too.
    monkeypatch.setattr(extract, "EXTRACT_PATH", type(extract.EXTRACT_PATH)(tmp_path / "unpacked"))
    dataset = mlcroissant.Dataset(jsonld=str(path))
    assert not dataset.metadata.ctx.issues.errors
    rows = list(dataset.records("examples"))
    assert len(rows) == 11
    if layout == "webdataset":
        paths = {json.loads(row["examples/json"])["path"] for row in rows}
    else:
        paths = {row["examples/path"].decode() for row in rows}
    assert paths == {example.path for example in view}


def test_files_that_went_come_back(work: Work) -> None:
    """A folder that lost files is not complete: the next `get` writes those that are not there."""
    work.ds.add({"a/1": b"1", "a/2": b"22", "b": b"333"})
    work.ds.commit("three")
    view, out = work.ds.prepare(), work.root.parent / "lost"
    assert view.get(str(out), format="files").fresh
    assert not view.get(str(out), format="files").fresh
    (out / "data" / "a" / "1").unlink()
    assert view.get(str(out), format="files").fresh
    assert (out / "data" / "a" / "1").read_bytes() == b"1"
    shutil.rmtree(out / "data")
    assert view.get(str(out), format="files", verify=True).fresh
    assert (out / "data" / "b").read_bytes() == b"333"
