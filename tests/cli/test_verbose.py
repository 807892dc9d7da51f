"""`--verbose` tells what is done, and nothing that must stay where it is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from .conftest import Runner

SECRET, ROW = "canary-file-77", "canary-row-51c9"


def test_steps_and_times(dsm: Runner, two_changesets: Path) -> None:
    """Each step is a line on standard error; the answer stays the same."""
    plain, told = dsm("ls"), dsm("ls", "--verbose")
    assert told.out == plain.out
    lines = told.err.splitlines()
    assert "snapshot 2: " in lines[0] and lines[-1].endswith("in all")
    assert dsm("status", "-v").err.endswith("in all\n")
    assert dsm("ls").err == ""


def test_neither_rows_nor_addresses(
    dsm: Runner, two_changesets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked and how much came is told; not the values, and not where from."""
    pytest.importorskip(
        "adbc_driver_sqlite", reason="needs dsm-datasets[sources]: pip install '.[test]'"
    )
    database = tmp_path / f"{SECRET}.db"
    with sqlite3.connect(database) as db:
        db.execute("CREATE TABLE pay (id INTEGER, name TEXT)")
        db.executemany("INSERT INTO pay VALUES (?, ?)", [(n, f"{ROW}{n}") for n in range(5)])
    monkeypatch.setenv("PAY", str(database))
    dsm("source", "add", "pay", "--driver", "sqlite", "--uri-env", "PAY")
    said = dsm("add", "-v", "--source", "pay", "-e", "SELECT * FROM pay WHERE id < :most",
               "--param", "most=424242", "--key-col", "id", "--label-col", "name")  # fmt: skip
    dsm("commit", "-m", "query")
    version = dsm("prepare", "-q").out.strip()
    told = dsm("get", "-v", version, "-o", "-")
    assert "SELECT * FROM pay WHERE id < :most" in told.err
    assert "5 rows came, 5 passed on, receipt" in told.err
    for text in (SECRET, ROW, "424242"):
        assert text not in told.err + said.err
