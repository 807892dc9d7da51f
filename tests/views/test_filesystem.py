"""Views through fsspec: what pandas, Arrow and others see, and the errors that they expect."""

from __future__ import annotations

import io
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pytest
from blake3 import blake3
from situations import MOMENT, Work

from dsm.errors import InvalidInput, NotARepository, NotFound, Refused
from dsm.filesystem import HELD_BYTES, DsmFileSystem, _Streamed

CSV = b"name,age\nada,36\nalan,41\n"


@pytest.fixture(autouse=True)
def registered() -> None:
    """As the entry point does for an installed package."""
    fsspec.register_implementation("dsm", DsmFileSystem, clobber=True)


@pytest.fixture
def pets(work: Work) -> Work:
    """Two changesets, a tag and a view with a name."""
    work.ds.add({"train/cat/1.txt": b"one", "train/cat/2.txt": b"two"}, labels=["cat"])
    work.ds.add({"table.csv": CSV, "train-b.txt": b"between", "train.txt": b"before"})
    work.ds.commit("one")
    work.ds.tag("v1")
    work.ds.add({"train/cat/1.txt": b"ONE", "train/dog/é.txt": b""}, labels=["cat"])
    work.ds.commit("two")
    work.ds.prepare(labels=["cat"], at=1, name="cats")
    return work


@pytest.fixture
def fs(pets: Work) -> DsmFileSystem:
    return DsmFileSystem(repo=pets.root)


def opened(work: Work, url: str, **options: Any) -> Any:
    return fsspec.open(url, repo=str(work.root), **options)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("head", b"ONE"),
        ("2", b"ONE"),
        ("1", b"one"),
        ("v1", b"one"),
        ("head~1", b"one"),
        ("cats", b"one"),
    ],
)
def test_open(pets: Work, version: str, expected: bytes) -> None:
    """A changeset, a tag or a view's name stands after the @."""
    with opened(pets, f"dsm://data@{version}/train/cat/1.txt") as file:
        assert file.read() == expected


def test_open_by_version(pets: Work) -> None:
    """A whole version, or a prefix of it, opens a view."""
    version = pets.ds.prepare(labels=["cat"]).version
    for text in (version, version[:8], version.upper()[:20]):
        with opened(pets, f"dsm://data@{text}/train/cat/2.txt", mode="rt") as file:
            assert file.read() == "two"


def test_head_moves_and_the_rest_stays(pets: Work, fs: DsmFileSystem) -> None:
    """An opened file system sees new changesets under `head`."""
    assert fs.cat("data@head/train/cat/1.txt") == b"ONE"
    pets.ds.add({"train/cat/1.txt": b"three"})
    pets.ds.commit("three")
    assert fs.cat("data@head/train/cat/1.txt") == b"three"
    assert fs.cat("data@2/train/cat/1.txt") == b"ONE"


def test_ls(fs: DsmFileSystem) -> None:
    """Folders are what paths have in common; files come with their sizes."""
    assert fs.ls("", detail=False) == ["data@head"]
    assert fs.ls("dsm://data@head", detail=False) == [
        "data@head/table.csv", "data@head/train", "data@head/train-b.txt", "data@head/train.txt",
    ]  # fmt: skip
    assert fs.ls("data@1/train/", detail=False) == ["data@1/train/cat"]
    assert fs.ls("data@2/train/cat") == [
        {"name": "data@2/train/cat/1.txt", "size": 3, "type": "file"},
        {"name": "data@2/train/cat/2.txt", "size": 3, "type": "file"},
    ]
    assert fs.ls("data@cats", detail=False) == ["data@cats/train"]
    assert fs.ls("data@2/table.csv", detail=False) == ["data@2/table.csv"]


def test_info(pets: Work, fs: DsmFileSystem) -> None:
    """Size, type, and what dsm knows beside."""
    assert fs.info("data@1/train/cat/1.txt") == {
        "name": "data@1/train/cat/1.txt", "size": 3, "type": "file",
        "id": blake3(b"one").hexdigest(), "time": pets.ds.example("train/cat/1.txt", 1).time,
        "labels": ["cat"], "attributes": {},
    }  # fmt: skip
    for folder in ("", "data@1", "data@1/train", "data@1/train/"):
        assert fs.info(folder) == {"name": folder.rstrip("/"), "size": 0, "type": "directory"}
    assert (fs.isdir("data@1/train"), fs.isfile("data@1/train"), fs.exists("data@1/no")) == (
        True,
        False,
        False,
    )
    assert fs.checksum("data@1/train/cat/1.txt") == blake3(b"one").hexdigest()
    assert fs.modified("data@1/table.csv") > datetime.fromtimestamp(MOMENT // 10**6 - 1, UTC)


def test_find_walk_and_glob(fs: DsmFileSystem) -> None:
    """What fsspec builds on ls works."""
    assert fs.find("data@head/train") == [
        "data@head/train/cat/1.txt", "data@head/train/cat/2.txt", "data@head/train/dog/é.txt",
    ]  # fmt: skip
    assert fs.glob("data@head/train/*/?.txt") == fs.find("data@head/train")
    assert fs.cat(["data@1/train.txt", "data@1/train-b.txt"]) == {
        "data@1/train.txt": b"before", "data@1/train-b.txt": b"between",
    }  # fmt: skip
    assert fs.cat_file("data@1/train.txt", 2, -1) == b"for"
    assert fs.cat_file("data@2/train/dog/é.txt") == b""


def test_files_can_be_copied_out(fs: DsmFileSystem, tmp_path: Path) -> None:
    """A folder of a view is copied as fsspec copies."""
    fs.get("data@1/train/cat/", str(tmp_path / "out"), recursive=True)
    assert (tmp_path / "out" / "1.txt").read_bytes() == b"one"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("data@head/nothing", FileNotFoundError),
        ("data@head/train/cat/1.tx", FileNotFoundError),
        ("data@9/train.txt", FileNotFoundError),
        ("data@unheard-of/train.txt", FileNotFoundError),
        ("nobody@head/train.txt", FileNotFoundError),
        ("data@0123456789abcdef/train.txt", FileNotFoundError),
        ("data@head/train", IsADirectoryError),
        ("data@head", IsADirectoryError),
        ("", IsADirectoryError),
        ("data/train.txt", InvalidInput),
        ("@head/train.txt", InvalidInput),
    ],
)  # fmt: skip
def test_what_is_not_there(fs: DsmFileSystem, path: str, error: type[Exception]) -> None:
    """Python's own errors, so that callers of fsspec need know no others."""
    with pytest.raises(error) as caught:
        fs.open(path).read()
    assert str(caught.value)
    if error is FileNotFoundError:
        assert isinstance(caught.value, NotFound)
        with pytest.raises(FileNotFoundError):
            fs.ls(path)


def test_the_message_names_what_is_near(fs: DsmFileSystem) -> None:
    """A misspelt path is answered with the right one."""
    with pytest.raises(FileNotFoundError) as caught:
        fs.cat_file("data@head/tabel.csv")
    assert str(caught.value) == "data@head has no example tabel.csv"
    assert caught.value.hint == "did you mean table.csv?"  # type: ignore[attr-defined]


def test_views_are_not_written(fs: DsmFileSystem) -> None:
    """Every way to write is refused."""
    for attempt in (
        lambda: fs.open("data@head/new", "wb"), lambda: fs.rm("data@head/train.txt"),
        lambda: fs.mkdir("data@head/new"), lambda: fs.pipe_file("data@head/new", b""),
        lambda: fs.touch("data@head/new"), lambda: fs.mv("data@head/a", "data@head/b"),
        lambda: fs.put_file(__file__, "data@head/new"),
    ):  # fmt: skip
        with pytest.raises(PermissionError) as caught:
            attempt()
        assert isinstance(caught.value, Refused)


def test_the_repository_above(
    pets: Work, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Without the option `repo` it is found from the current folder upwards, each time anew."""
    below = pets.root / "deep" / "down"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    with fsspec.open("dsm://data@head/train.txt") as file:
        assert file.read() == b"before"
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(NotARepository):
        fsspec.open("dsm://data@head/train.txt")
    with pytest.raises(FileNotFoundError):
        fsspec.open("dsm://data@head/train.txt", repo="no/such/folder")


def test_a_large_object_is_streamed_and_seekable(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forwards and backwards, the bytes are those of the object."""
    data = blake3(b"large").digest(length=12 << 20)
    work.ds.add({"large.bin": data})
    work.ds.commit("one")
    monkeypatch.setattr("dsm.filesystem.HELD_BYTES", 1 << 20)
    assert HELD_BYTES >= 1 << 20
    with opened(work, "dsm://data@head/large.bin") as file:
        assert file.seekable()
        assert file.seek(-10, io.SEEK_END) == len(data) - 10
        assert file.read() == data[-10:]
        assert (file.seek(5), file.read(5), file.tell()) == (5, data[5:10], 10)
        assert file.seek(1 << 20, io.SEEK_CUR) == 10 + (1 << 20)
        assert file.read() == data[10 + (1 << 20) :]
        assert (file.seek(0), file.read()) == (0, data)
        assert file.read() == b""


def test_streams_go_back_by_beginning_again() -> None:
    """Any walk through a stream reads what a file in memory reads."""
    data = bytes(range(256)) * 20
    plain = io.BytesIO(data)
    streamed = io.BufferedReader(_Streamed(lambda: io.BytesIO(data), len(data)), 64)
    for at, size in [(0, 10), (5000, 200), (5119, 10), (6000, 3), (1, 1), (2, 4000), (0, -1)]:
        assert streamed.seek(at) == plain.seek(at)
        assert streamed.read(size) == plain.read(size)


def test_pandas_and_arrow_read(pets: Work) -> None:
    """pandas.read_csv by address, and Arrow's readers over the file system."""
    import pyarrow.csv
    import pyarrow.fs
    import pyarrow.parquet

    arrow = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(DsmFileSystem(repo=pets.root)))
    with arrow.open_input_file("data@head/table.csv") as file:
        table = pyarrow.csv.read_csv(file)
    assert table.to_pydict() == {"name": ["ada", "alan"], "age": [36, 41]}
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    pets.ds.add({"tables/1.parquet": sink.getvalue().to_pybytes()})
    pets.ds.commit("a table")
    assert pyarrow.parquet.read_table("data@head/tables", filesystem=arrow).equals(table)
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    options = {"repo": str(pets.root)}
    frame = pandas.read_csv("dsm://data@head/table.csv", storage_options=options)
    assert frame.to_dict("list") == {"name": ["ada", "alan"], "age": [36, 41]}


def test_the_entry_point_is_declared() -> None:
    """An installed dsm is known to fsspec without a line of code."""
    root = Path(__file__).resolve().parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["fsspec.specs"] == {"dsm": "dsm.filesystem.DsmFileSystem"}
