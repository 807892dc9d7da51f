"""Repositories with queries against real databases, used as people do: by processes of their own.

Each has a home folder and a folder for temporary files to itself, so that whatever is left behind
is found.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sources.conftest import (
    MISSING,
    PASSWORD,
    Server,
    any_source,
    duckdb,
    postgresql,
    server,
    sqlite,
    until,
)

import dsm
from dsm.api import now_us
from dsm.catalog import Catalog
from dsm.repo.environment import Environment
from dsm.sources import source as sources
from dsm.views.reading.example import ViewExample

__all__ = [
    "MISSING", "PASSWORD", "Server", "any_source", "duckdb", "postgresql", "server", "sqlite", "until",
]  # fmt: skip
ROW = "canary-row-51c9"


@dataclass(frozen=True)
class Done:
    """How a process ended and what it wrote."""

    status: int
    out: bytes
    err: str


@dataclass
class Project:
    """A repository with a source `pay` and dataset `data`, and processes that work with it."""

    folder: Path
    driver: str
    address: str
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in (self.root, self.home, self.temporary):
            each.mkdir(parents=True)
        dsm.init(self.root, dataset="data").close()
        (self.root / "stored.txt").write_text("a stored example")
        with dsm.open(self.root) as repo:
            repo.dataset().add([str(self.root / "stored.txt")])
            repo.dataset().commit("stored")
            repo.switch("data")
            sources.create(repo, "pay", self.driver, "environment", "ADDRESS", created=now_us())

    @property
    def root(self) -> Path:
        return self.folder / "work"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    @property
    def environment(self) -> dict[str, str]:
        """All that a process sees; a traceback of every thread follows a crash."""
        return {
            "PATH": os.environ["PATH"], "HOME": str(self.home), "TMPDIR": str(self.temporary),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1", "PYTHONFAULTHANDLER": "1", "ADDRESS": self.address,
            "DSM_AUTHOR": "Ada <ada@example.org>", "DSM_TRUST_SOURCES": "pay", **self.extra,
        }  # fmt: skip

    def start(
        self, *words: str, before: tuple[str, ...] = (), **more: Any
    ) -> subprocess.Popen[bytes]:
        """Starts `dsm WORDS`, or with a first word `-c` the Python program that is the second."""
        program = words if words[0] == "-c" else ("-m", "dsm", *words)
        environment = {**self.environment, **more.pop("environment", {})}
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen(
            [*before, sys.executable, *program], cwd=self.root, env=environment,
            stdin=subprocess.DEVNULL, **more,
        )  # fmt: skip

    def run(self, *words: str, **more: Any) -> Done:
        """Runs it to its end."""
        with self.start(*words, **more) as process:
            out, err = process.communicate()
        return Done(process.returncode, out or b"", (err or b"").decode(errors="replace"))

    def __call__(self, *words: str, status: int = 0, **more: Any) -> Done:
        """Runs it and expects how it ends."""
        done = self.run(*words, **more)
        assert status == done.status, done.err[-2000:] or done.out[:2000]
        return done

    def query(self, sql: str, *words: str, name: str = "spy", status: int = 0, **more: Any) -> Done:
        """Stages a query."""
        asked = ("add", "--source", "pay", "-e", sql, "--name", name, *words)
        return self(*asked, status=status, **more)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Catalog]:
        """The repository in this process, with the address of the source."""
        environment = Environment(
            clock=now_us, author=lambda _: "Ada", secret_of=lambda kind, name: self.address,
            trusted_sources=lambda: "pay",
        )  # fmt: skip
        with Catalog(str(self.root), environment) as repo:
            yield repo

    def view(
        self, sql: str, *, asked: dict[str, Any] | None = None, dataset: str = "", **roles: Any
    ) -> str:
        """Commits a query, to a dataset of its own if named; returns the version of a view."""
        with self.opened() as repo:
            made = repo.create_dataset(dataset) if dataset else repo.dataset("data")
            made.add_query("pay", sql, name="spy", **roles)
            made.commit("a query")
            return made.prepare(**(asked or {})).version

    def read(self, version: str) -> dict[str, ViewExample]:
        """Reads a view in this process; returns the examples of its queries by path."""
        with self.opened() as repo:
            examples = list(repo.view(version))
        found = {each.path: each for each in examples if each.path.startswith("spy/")}
        assert len(examples) - sum(each.path[:4] != "spy/" for each in examples) == len(found)
        return found

    def files(self) -> Iterator[tuple[Path, bytes]]:
        """Yields every file of the repository and of both folders."""
        for top in (self.root, self.home, self.temporary):
            for path in sorted(top.rglob("*")):
                if path.is_file() and not path.is_symlink():
                    yield path, path.read_bytes()

    def outcomes(self) -> list[tuple[str, str | None]]:
        """How the runs ended, newest first: outcome and code of the error."""
        from dsm.sources.receipts import receipts

        with dsm.open(self.root) as repo:
            return [(each.outcome, each.error) for each in receipts(repo)]


@pytest.fixture
def project(server: Server, tmp_path: Path) -> Project:
    """A new repository with the PostgreSQL server as its source."""
    return Project(tmp_path, "postgresql", server.address)


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """Makes repositories with other sources."""

    def make(driver: str, address: str, name: str = "another") -> Project:
        return Project(tmp_path / name, driver, address)

    return make


@pytest.fixture
def table(server: Server) -> Iterator[str]:
    """A table of 20,000 rows whose columns a test may change."""
    server.do(
        "DROP TABLE IF EXISTS visit CASCADE",
        "CREATE TABLE visit AS SELECT n AS id, 'canary-row-51c9 ' || n AS name, n % 7 AS ward, "
        "timestamptz '2026-01-01' + n * interval '1 hour' AS day FROM generate_series(1, 20000) n",
    )
    yield "visit"
    server.do("DROP TABLE IF EXISTS visit CASCADE")


def fails(project: Project, version: str, status: int, *words: str, **more: Any) -> str:
    """Gets a view that cannot be had; returns the message, which has no value of a row."""
    done = project("get", version, "-o", "-", *words, status=status, **more)
    assert ROW not in done.err
    assert "Traceback" not in done.err
    return done.err


def nothing_of_rows_in(output: bytes) -> bool:
    return b"spy/" not in output and ROW.encode() not in output
