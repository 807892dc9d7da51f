"""fsspec's own tests of a file system, as far as they concern one that is only read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from hashlib import md5
from typing import Any

import pytest
from fsspec.tests.abstract import AbstractFixtures, AbstractGetTests
from situations import Work

from dsm.filesystem import DsmFileSystem

SCENARIO_0 = ["file1", "file2", "subdir/subfile1", "subdir/subfile2", "subdir/nesteddir/nestedfile"]
EDGE_CASES = ["file1", "file2"] + [
    f"subdir{n}/{name}" for n in (0, 1) for name in ("subfile1", "subfile2", "nesteddir/nestedfile")
]
TEN = {f"{md5(str(n).encode()).hexdigest()}.txt": str(n).encode() for n in range(10)}


class TestGet(AbstractFixtures, AbstractGetTests):
    """Everything that fsspec's tests of `get` copy out of a file system; the files are committed."""

    @pytest.fixture
    def fs(self, work: Work) -> DsmFileSystem:
        return DsmFileSystem(repo=work.root)

    @pytest.fixture
    def fs_path(self) -> str:
        return "data@head"

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False

    def commit(self, work: Work, files: dict[str, bytes]) -> str:
        work.ds.add({f"source/{name}": data for name, data in files.items()})
        work.ds.commit("scenario")
        return "data@head/source"

    @pytest.fixture
    def fs_bulk_operations_scenario_0(self, work: Work) -> str:
        return self.commit(work, dict.fromkeys(SCENARIO_0, b""))

    @pytest.fixture
    def fs_glob_edge_cases_files(self, work: Work) -> str:
        return self.commit(work, dict.fromkeys(EDGE_CASES, b""))

    @pytest.fixture
    def fs_dir_and_file_with_same_name_prefix(self, work: Work) -> str:
        return self.commit(work, {"subdir.txt": b"", "subdir/subfile.txt": b""})

    @pytest.fixture
    def fs_10_files_with_hashed_names(self, work: Work) -> str:
        return self.commit(work, TEN)

    def test_get_directory_recursive(self, work: Work, fs: DsmFileSystem, tmp_path: Any) -> None:
        """As fsspec's test, which makes its source by `mkdir` and `touch`."""
        source = self.commit(work, {"file": b"one"})
        target = str(tmp_path / "target")
        for path in (source, source + "/"):
            fs.get(path, target, recursive=True)
            assert os.listdir(target) == ["file"]
            os.remove(f"{target}/file")
            fs.get(path, target + "/", recursive=True)
            found = ["file"] if path.endswith("/") else ["source"]
            assert os.listdir(target) == found
            shutil.rmtree(target)


def test_the_same_walks_as_a_folder(work: Work, tmp_path: Any) -> None:
    """walk, find, glob, du, ls and expand_path agree with fsspec over the same files in a folder."""
    from fsspec.implementations.dirfs import DirFileSystem
    from fsspec.implementations.local import LocalFileSystem

    names = [*EDGE_CASES, "subdir0.txt", "a b/c.csv", "é/ü.csv", "deep/er/and/deeper/x.csv"]
    files = {name: os.urandom(3 + number) for number, name in enumerate(names)}
    work.ds.add(files)
    work.ds.commit("one")
    for name, data in files.items():
        (tmp_path / "plain" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "plain" / name).write_bytes(data)
    ours = DirFileSystem("data@1", DsmFileSystem(repo=work.root))
    plain = DirFileSystem(str(tmp_path / "plain"), LocalFileSystem())

    def answers(fs: Any) -> list[Any]:
        return [
            sorted((top, sorted(folders), sorted(found)) for top, folders, found in fs.walk("")),
            [sorted(found) for *_, found in fs.walk("subdir0", maxdepth=1)],
            fs.find(""), fs.find("subdir1"), fs.find("subdir0/subfile1"), fs.find("nothing"),
            fs.find("", maxdepth=2), fs.find("", withdirs=True)[1:],
            {name: info["size"] for name, info in fs.find("subdir0", detail=True).items()},
            fs.glob("*"), fs.glob("**/*.csv"), fs.glob("subdir?/sub*1"), fs.glob("subdir[!0]/**"),
            fs.glob("*/"), fs.glob("nothing/*"), fs.glob("subdir0/subfile1"),
            fs.du("subdir0"), fs.du(""), len(fs.du("", total=False)),
            sorted(fs.ls("subdir0", detail=False)), fs.size("subdir0/subfile1"),
            fs.sizes(["file1", "file2"]), fs.expand_path("subdir0/*"),
            fs.expand_path(["subdir1", "file1"], recursive=True),
            [fs.exists(name) for name in ("", "deep", "deep/er/and/deeper/x.csv", "deep/x")],
            [fs.isdir(name) for name in ("", "deep", "file1", "deep/x", "subdir0.txt")],
            [fs.isfile(name) for name in ("", "deep", "file1", "deep/x", "subdir0.txt")],
            fs.cat(["file1", "file2"]), fs.cat("é/ü.csv"), fs.cat("subdir0/sub*"),
            fs.cat_file("a b/c.csv", 1, 3), fs.cat_file("a b/c.csv", -3), fs.head("a b/c.csv", 2),
            fs.cat_file("a b/c.csv", 2, -1), fs.tail("a b/c.csv", 2),
            fs.cat_ranges(["file1", "file2"], [0, 1], [2, 3]),
            [
                isinstance(found, FileNotFoundError)
                for found in fs.cat_ranges(["file1", "no"], 0, 2, on_error="return")
            ],
            fs.read_block("a b/c.csv", 1, 4), fs.read_bytes("file1"),
            sorted(fs.get_mapper("subdir0").items()),
        ]  # fmt: skip

    assert answers(ours) == answers(plain)
