"""Views through fsspec: what pandas, Arrow and others see, and the errors that they expect."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pytest
from blake3 import blake3
from situations import MOMENT, Work

from dsm.errors import InvalidInput, NotARepository, NotFound, Refused
from dsm.filesystem import DsmFileSystem

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
        fs.info("data@2/train/cat/1.txt"), fs.info("data@2/train/cat/2.txt"),
    ]  # fmt: skip
    assert fs.ls("data@cats", detail=False) == ["data@cats/train"]
    assert fs.ls("data@2/table.csv", detail=False) == ["data@2/table.csv"]


def test_info(pets: Work, fs: DsmFileSystem) -> None:
    """Size, type, and what dsm knows beside."""
    assert fs.info("data@1/train/cat/1.txt") == {
        "name": "data@1/train/cat/1.txt", "size": 3, "type": "file",
        "id": blake3(b"one").hexdigest(), "time": (time := pets.ds.example("train/cat/1.txt", 1).time),
        "mtime": time / 10**6, "labels": ["cat"], "attributes": {},
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
        ("data@/train.txt", FileNotFoundError),
    ],
)  # fmt: skip
def test_what_is_not_there(fs: DsmFileSystem, path: str, error: type[Exception]) -> None:
    """Python's own errors, so that callers of fsspec need know no others."""
    with pytest.raises(error) as caught:
        fs.open(path).read()
    assert str(caught.value)
    if error is not IsADirectoryError:
        assert isinstance(caught.value, (NotFound, InvalidInput))
        with pytest.raises(
            FileNotFoundError,
            match=r"has no example|has neither a view|there is no dataset|is not dataset@version",
        ):
            fs.ls(path)
        assert (fs.exists(path), fs.isdir(path), fs.isfile(path)) == (False, False, False)
        assert (fs.find(path), fs.glob(path + "/*"), list(fs.walk(path))) == ([], [], [])


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
        lambda: fs.put_file(__file__, "data@head/new"), lambda: fs.open("data@head/new", "w"),
        lambda: fs.open("data@head/train.txt", "r+b"), lambda: fs.open("data@head/train.txt", "ab"),
        lambda: fs.open("data@head/new", "xb"), lambda: fs.makedirs("data@head/new", exist_ok=True),
        lambda: fs.mkdirs("data@head/new"), lambda: fs.pipe({"data@head/new": b""}),
        lambda: fs.put(__file__, "data@head/new"), lambda: fs.upload(__file__, "data@head/new"),
        lambda: fs.cp("data@head/train.txt", "data@head/new"), lambda: fs.rmdir("data@head/train"),
        lambda: fs.copy("data@head/train.txt", "data@head/new"), lambda: fs.delete("data@head/train"),
        lambda: fs.rm_file("data@head/train.txt"), lambda: fs.move("data@head/a", "data@head/b"),
        lambda: fs.write_text("data@head/new", "x"), lambda: fs.write_bytes("data@head/new", b"x"),
        lambda: fs.rm("data@head/train", recursive=True),
        lambda: fs.get_mapper("data@head").update(new=b"x"),
    ):  # fmt: skip
        with pytest.raises(PermissionError) as caught:
            attempt()
        assert isinstance(caught.value, Refused)
    with pytest.raises(ValueError, match="'qb' is no mode to open a file in"):
        fs.open("data@head/train.txt", "q")
    assert len(fs.find("data@head")) == 6


def test_what_an_opened_file_tells(fs: DsmFileSystem) -> None:
    """A file says that it is read and sought, and refuses to be written; nothing is lost silently."""
    with fs.open("data@1/train.txt", "rb") as file:
        assert (file.readable(), file.seekable(), file.writable(), file.closed) == (
            True, True, False, False,
        )  # fmt: skip
        assert (file.size, file.path, file.mode, file.name, file.full_name) == (
            6, "data@1/train.txt", "rb", "data@1/train.txt", "dsm://data@1/train.txt",
        )  # fmt: skip
        assert file.info() == fs.info("data@1/train.txt")
        for attempt in (
            lambda: file.write(b"HE"),
            lambda: file.writelines([b"x"]),
            lambda: file.truncate(1),
        ):
            with pytest.raises(io.UnsupportedOperation):
                attempt()
        buffer = bytearray(4)
        assert (file.readinto(buffer), bytes(buffer), file.tell()) == (4, b"befo", 4)
        assert (file.seek(1), file.read1(2), file.readline()) == (1, b"ef", b"ore")
        assert file.seek(2) == 2
        with pickle.loads(pickle.dumps(file)) as again:
            assert (again.tell(), again.read()) == (2, b"fore")
    assert file.closed
    with fs.open("data@2/table.csv", "r", newline="") as text:
        assert list(text) == CSV.decode().splitlines(keepends=True)
    with fs.open("data@2/table.csv", "rt", encoding="utf-16", errors="replace") as text:
        assert text.encoding == "utf-16"


# --- copies -----------------------------------------------------------------------------------


def sent(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


@pytest.fixture
def two(make_work: Callable[..., Work]) -> tuple[Work, Work]:
    """Two repositories that have an example of the same address."""
    works = make_work("a"), make_work("b")
    for work in works:
        work.ds.add({"x.txt": f"of {work.root.name}".encode()})
        work.ds.commit("one")
    return works


def test_a_copy_names_the_same_repository_everywhere(
    two: tuple[Work, Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems, files, mappings and caches that are copied open the repository they were of."""
    a, b = two
    monkeypatch.chdir(a.root)
    address = "dsm://data@1/x.txt"
    fs = fsspec.filesystem("dsm")
    kept: list[tuple[Any, Callable[[Any], bytes]]] = [
        (fs, lambda fs: fs.cat("data@1/x.txt")),
        (DsmFileSystem("."), lambda fs: fs.cat("data@1/x.txt")),
        (DsmFileSystem("../a"), lambda fs: fs.cat("data@1/x.txt")),
        (fsspec.open(address), lambda file: file.open().read()),
        (fsspec.open(address, repo="."), lambda file: file.open().read()),
        (fsspec.open_files("dsm://data@1/*"), lambda files: files[0].open().read()),
        (fsspec.open(f"simplecache::{address}"), lambda file: file.open().read()),
        (fsspec.get_mapper("dsm://data@1"), lambda mapping: mapping["x.txt"]),
        (fs.open("data@1/x.txt"), lambda file: file.read()),
        (fsspec.filesystem("dir", fs=fs, path="data@1"), lambda fs: fs.cat("x.txt")),
    ]
    json, fields = fs.to_json(), fs.to_dict()
    packed = [pickle.dumps(thing) for thing, _ in kept]
    copies = [copy.deepcopy(thing) for thing, _ in kept]
    monkeypatch.chdir(b.root)
    for (_, read), data, copied in zip(kept, packed, copies, strict=True):
        assert (read(pickle.loads(data)), read(copied)) == (b"of a", b"of a")
    assert DsmFileSystem.from_json(json).cat("data@1/x.txt") == b"of a"
    assert DsmFileSystem.from_dict(fields).cat("data@1/x.txt") == b"of a"
    assert fs.storage_options == {"repo": str(a.root)}
    assert fsspec.filesystem("dsm").cat("data@1/x.txt") == b"of b"


def test_copies_are_equal_and_strangers_are_not(
    two: tuple[Work, Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equality, hash and token go by the repository, however it was named, not by the options."""
    a, b = two
    monkeypatch.chdir(a.root)
    here, named = fsspec.filesystem("dsm"), DsmFileSystem(repo=a.root)
    monkeypatch.chdir(b.root)
    elsewhere = fsspec.filesystem("dsm")
    assert here == named == sent(here) and here != elsewhere
    assert len({here, named, sent(named), elsewhere}) == 2
    assert here.__dask_tokenize__() == named.__dask_tokenize__() != elsewhere.__dask_tokenize__()
    assert here.fsid == named.fsid != elsewhere.fsid


def test_a_copy_refuses_another_repository(two: tuple[Work, Work]) -> None:
    """Where another repository has taken the place of its own, or none is left, a copy says so."""
    a, b = two
    fs = DsmFileSystem(a.root)
    data = pickle.dumps(fs)
    a.repo.close()
    a.root.rename(a.root.with_name("gone"))
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        pickle.loads(data)
    b.repo.close()
    b.root.rename(a.root)
    with pytest.raises(FileNotFoundError) as caught:
        pickle.loads(data)
    assert str(caught.value) == f"{a.root} is not the repository that this copy was made of"


def test_a_copy_in_another_process_and_folder(two: tuple[Work, Work]) -> None:
    """A worker that is started afresh in another folder reads the same bytes."""
    a, b = two
    program = """
import pickle, sys
fs, file = pickle.load(sys.stdin.buffer)
with file as opened:
    print(fs.cat("data@1/x.txt"), opened.read())
"""
    packed = pickle.dumps((DsmFileSystem(a.root), opened(a, "dsm://data@1/x.txt")))
    done = subprocess.run(
        [sys.executable, "-c", program], input=packed, capture_output=True, cwd=b.root
    )
    assert (done.stdout, done.stderr) == (b"b'of a' b'of a'\n", b"")


def test_the_option_wins_over_the_folder(
    two: tuple[Work, Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository that is named, by an option or by fsspec's settings, is not looked for."""
    a, b = two
    monkeypatch.chdir(a.root)
    address = "dsm://data@1/x.txt"
    with fsspec.open(address, repo=b.root) as file:
        assert file.read() == b"of b"
    with fsspec.open(f"simplecache::{address}", dsm={"repo": str(b.root)}) as file:
        assert file.read() == b"of b"
    monkeypatch.setitem(fsspec.config.conf, "dsm", {"repo": str(b.root)})
    with fsspec.open(address) as file:
        assert file.read() == b"of b"
    assert fsspec.filesystem("dsm").cat("data@1/x.txt") == b"of b"
    assert fsspec.filesystem("dsm", repo=".").cat("data@1/x.txt") == b"of a"


@pytest.mark.parametrize("chain", ["simplecache", "filecache"])
def test_caches_of_fsspec(pets: Work, tmp_path: Path, chain: str) -> None:
    """fsspec's caches lie over a view; a new head is not taken for the old one."""
    options = {"cache_storage": str(tmp_path / "cache")}
    if chain == "filecache":
        options["check_files"] = True  # type: ignore[assignment]

    def read(address: str) -> bytes:
        with fsspec.open(
            f"{chain}::{address}", dsm={"repo": str(pets.root)}, **{chain: options}
        ) as file:
            return file.read()  # type: ignore[no-any-return]

    assert read("dsm://data@1/train/cat/1.txt") == b"one"
    if chain == "filecache":
        assert read("dsm://data@head/train.txt") == b"before"
        pets.ds.add({"train.txt": b"after"})
        pets.ds.commit("three")
        assert read("dsm://data@head/train.txt") == b"after"


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
    with pytest.raises(NotARepository, match=r"is not in a dsm repository \(no \.dsm here"):
        fsspec.open("dsm://data@head/train.txt")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        fsspec.open("dsm://data@head/train.txt", repo="no/such/folder")


def test_a_large_object_is_streamed_and_seekable(work: Work) -> None:
    """Forwards and backwards, the bytes are those of the object."""
    data = blake3(b"large").digest(length=12 << 20)
    work.ds.add({"large.bin": data})
    work.ds.commit("one")
    with opened(work, "dsm://data@head/large.bin") as file:
        assert file.seekable()
        assert file.seek(-10, io.SEEK_END) == len(data) - 10
        assert file.read() == data[-10:]
        assert (file.seek(5), file.read(5), file.tell()) == (5, data[5:10], 10)
        assert file.seek(1 << 20, io.SEEK_CUR) == 10 + (1 << 20)
        assert file.read() == data[10 + (1 << 20) :]
        assert (file.seek(0), file.read()) == (0, data)
        assert file.read() == b""


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
