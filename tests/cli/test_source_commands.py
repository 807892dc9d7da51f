"""source add, list, show, test and remove; nothing of an address leaves the process."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Runner

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "canary-pw-19bd"
ROW = "canary-row-88e2"


@pytest.fixture
def wards(empty_repo: Path, dsm: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A source `wards`: an SQLite file whose path holds a canary, in WARDS_URI."""
    pytest.importorskip("adbc_driver_sqlite", reason="needs dsm-datasets[sources]")
    path = tmp_path / f"{PASSWORD}.db"
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE patient (id INTEGER, name TEXT, weight REAL)")
        made.execute("INSERT INTO patient VALUES (1, ?, 70.5)", (ROW,))
        made.commit()
    monkeypatch.setenv("WARDS_URI", str(path))
    dsm("source", "add", "wards", "--driver", "sqlite", "--uri-env", "WARDS_URI")
    return empty_repo


def test_add_list_show_remove(empty_repo: Path, dsm: Runner) -> None:
    """The life of a source, in text and JSON."""
    assert dsm("source").lines == []
    dsm("source", "add", "pay", "--driver", "postgresql", "--uri-env", "PAY_URI")
    dsm("source", "add", "sales", "--driver", "duckdb", "--keyring", "sales-db:reader")
    dsm("source", "add", "w", "--driver", "sqlite", "--uri-file", "/etc/wards.uri")
    assert dsm("source", "list").lines == [
        "pay    postgresql  variable PAY_URI",
        "sales  duckdb      keyring sales-db:reader",
        "w      sqlite      file /etc/wards.uri",
    ]
    found = dsm("source", "list", "--json").json["sources"]
    assert found[0] == dsm("source", "show", "pay", "--json").json
    assert found[0]["secret"] == {"kind": "environment", "name": "PAY_URI"}
    assert "address:  variable PAY_URI" in dsm("source", "show", "pay").lines
    dsm("source", "remove", "pay")
    dsm("source", "show", "pay", status=4)
    assert [each["name"] for each in dsm("source", "list", "--json").json["sources"]] == [
        "sales",
        "w",
    ]


def test_what_add_refuses(empty_repo: Path, dsm: Runner) -> None:
    """No address, no two places for it, no file in the repository; exit status 2 and a hint."""
    base = ("source", "add", "pay", "--driver", "postgresql")
    for words in (
        base,
        (*base, "--uri-env", "A", "--keyring", "b"),
        (*base, "--uri-env", f"postgresql://u:{PASSWORD}@h/db"),
        (*base, "--uri-file", str(empty_repo / "pay.uri")),
        ("source", "add", f"postgresql://u:{PASSWORD}@h", "--driver", "sqlite", "--uri-env", "A"),
        ("source", "add", "pay", "--driver", f"postgresql://u:{PASSWORD}@h", "--uri-env", "A"),
    ):
        said = dsm(*words, status=2)
        assert PASSWORD not in said.err + said.out
        assert "hint: " in said.err
    assert dsm("source").lines == []


def test_queries_are_in_every_form_of_a_comparison(wards: Path, dsm: Runner) -> None:
    """Text, letters, counts, JSON and exit status of diff, show and log tell of a query."""
    words = ("--source", "wards", "-e", "SELECT * FROM patient", "--key-col", "id")
    dsm("add", *words, "--name", "weights")
    table = [" weights/ | query added", " 1 query changed"]
    assert table == dsm("diff", "--staged", "--stat").lines
    dsm("commit", "-m", "patients")
    dsm("add", *words, "--name", "weights", "--purpose", "study")
    dsm("commit", "-m", "why")
    table = [" weights/ | query modified", " 1 query changed"]
    assert table == dsm("diff", "1", "2", "--stat", "--exit-code", status=1).lines
    assert table == dsm("show", "--stat").lines[-2:] == dsm("log", "-n", "1", "--stat").lines[-2:]
    letters = ["M\tweights/"]
    assert letters == dsm("diff", "1", "2", "--name-status").lines
    assert letters == dsm("show", "--name-status").lines[-1:]
    (logged,) = dsm("log", "-n", "1", "--stat", "--json").json["changesets"]
    assert [(query["kind"], query["name"]) for query in logged["queries"]] == [
        ("modified", "weights")
    ]
    for said in (dsm("diff", "1", "2", "--json"), dsm("show", "--json")):
        assert said.json["queries"] == logged["queries"]


def test_test_shows_columns(wards: Path, dsm: Runner) -> None:
    """The source answers; a query shows its columns, from -e and from a file, and no row."""
    assert dsm("source", "test", "wards").lines == ["source wards answers"]
    sql = "SELECT * FROM patient WHERE id > :least"
    (wards / "q.sql").write_text(sql)
    for words in (("-e", sql), ("--query", "q.sql")):
        said = dsm("source", "test", "wards", *words, "--param", "least=0")
        assert said.lines == ["id      int64", "name    string", "weight  double"]
    said = dsm("source", "test", "wards", "-e", sql, "--param", "least=0", "--json")
    assert said.json["columns"][0] == {"name": "id", "type": "int64"}
    assert None is dsm("source", "test", "wards", "--json").json["columns"]


def test_test_says_no(wards: Path, dsm: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mistakes are 2, a missing address 6, a datastore that is not there 8."""
    test = ("source", "test", "wards")
    assert (
        "column that does not exist: nme"
        in dsm(*test, "-e", "SELECT nme FROM patient", status=2).err
    )
    assert "second statement" in dsm(*test, "-e", "SELECT 1; SELECT 2", status=2).err
    dsm(*test, "-e", "SELECT :a", status=2)
    dsm(*test, "-e", "SELECT :a", "--param", "a", status=2)
    dsm(*test, "--param", "a=1", status=2)
    dsm(*test, "-e", "SELECT 1", "--query", "q.sql", status=2)
    dsm("source", "test", "ward", status=4)
    monkeypatch.setenv("WARDS_URI", f"/nowhere/{PASSWORD}")
    said = dsm(*test, status=8)
    assert PASSWORD not in said.err
    monkeypatch.delenv("WARDS_URI")
    assert "hint: export WARDS_URI=" in dsm(*test, status=6).err


def test_a_missing_driver_has_an_install_line(
    empty_repo: Path, dsm: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line of cause, one that installs it."""
    monkeypatch.setitem(sys.modules, "adbc_driver_manager", None)
    monkeypatch.setenv("PAY_URI", "x")
    dsm("source", "add", "pay", "--driver", "postgresql", "--uri-env", "PAY_URI")
    said = dsm("source", "test", "pay", status=8)
    assert said.err.splitlines() == [
        "error: the driver for postgresql is not installed",
        "hint: pip install 'dsm-datasets[sources]'",
    ]


def test_a_database_among_the_files_is_not_stored(
    wards: Path, dsm: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By folder or by name it is refused, with what lies beside it; .dsmignore lets the rest in."""
    monkeypatch.setenv("WARDS_URI", f"file:{wards}/data/wards.db?mode=ro")
    (wards / "data").mkdir()
    for name in ("wards.db", "wards.db-wal", "notes.txt"):
        (wards / "data" / name).write_text(ROW)
    for words in (
        ("add", "."), ("add", "-n", "data"), ("add", "data/wards.db"),
        ("commit", "-m", "all", "."), ("commit", "-m", "it", "data/wards.db"),
    ):  # fmt: skip
        said = dsm(*words, status=6).err.splitlines()
        assert said[0] == (
            "error: data/wards.db is a database of source wards, whose rows are not stored"
        )
        assert said[1].startswith("hint: name it in .dsmignore")
    (wards / "data" / ".dsmignore").write_text("wards.db\n")
    assert "wards.db-wal is" in dsm("add", ".", status=6).err
    (wards / "data" / ".dsmignore").write_text("wards.db*\n")
    dsm("add", ".")
    assert [line.split()[-1] for line in dsm("add", "-n", ".").lines] == []
    assert "`dsm source remove wards`" in dsm("add", "data/wards.db", status=6).err
    monkeypatch.setenv("WARDS_URI", "/elsewhere/wards.db")
    dsm("add", "-f", "data/wards.db")


def test_a_staged_query_as_json(wards: Path, dsm: Runner) -> None:
    """What is staged, its columns, and what the next commit does to it."""
    asked = ("add", "--source", "wards", "-e", "SELECT * FROM patient", "--key-col", "id", "--json")
    found = dsm(*asked, "--dry-run").json
    assert (found["name"], found["change"], found["key"]) == ("wards", "checked", "id")
    assert found["columns"][1] == {"name": "name", "type": "string"}
    assert dsm(*asked).json["change"] == "added"
    dsm("commit", "-m", "the query")
    assert dsm(*asked).json["change"] == "unchanged"
    assert "needs a source" in dsm("add", "--key-col", "id", ".", status=2).err


def test_made_up_rows_have_a_folder_of_their_own(wards: Path, dsm: Runner) -> None:
    """So that the stored part, or the rows, of the same view can lie beside it."""
    (wards / "note.txt").write_text("a note")
    dsm("add", "note.txt")
    dsm("add", "--source", "wards", "-e", "SELECT * FROM patient", "--key-col", "id")
    dsm("commit", "-m", "both")
    version = dsm("prepare", "-q").out.strip()
    made = dsm("get", version, "--dummy", "--dummy-rows", "2").out.strip()
    assert made == dsm("get", version, "--skip-sources").out.strip() + "-dummy"


def test_nothing_is_left_behind(wards: Path, tmp_path: Path) -> None:
    """With DSM_DEBUG, for good and bad queries, no canary is in a stream, in .dsm or in TMPDIR."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "DSM_DEBUG": "1", "TMPDIR": str(temporary)}
    streams = b""
    for address, sql in (
        (env["WARDS_URI"], "SELECT * FROM patient"),
        (env["WARDS_URI"], "SELECT nope FROM patient"),
        (env["WARDS_URI"], "SELECT json_extract(name, '$') FROM patient"),
        (f"/nowhere/{PASSWORD}.db", "SELECT 1"),
        (f"nonsense://u:{PASSWORD}@h", "SELECT 1"),
    ):
        words = [sys.executable, "-m", "dsm", "source", "test", "wards", "-e", sql]
        done = subprocess.run(
            words, capture_output=True, env={**env, "WARDS_URI": address}, cwd=wards
        )
        streams += done.stdout + done.stderr
    assert b"Traceback" in streams
    kept = b"".join(path.read_bytes() for path in (wards / ".dsm").rglob("*") if path.is_file())
    for canary in (PASSWORD.encode(), ROW.encode()):
        assert canary not in streams
        assert canary not in kept
    assert list(temporary.rglob("*")) == []


def test_listing_loads_no_driver(wards: Path, dsm: Runner) -> None:
    """Naming and listing sources needs neither Arrow nor a driver."""
    code = (
        "import sys\nfrom dsm.__main__ import main\nmain(['source', 'list'])\n"
        "heavy = {'pyarrow', 'adbc_driver_manager', 'keyring'}\n"
        "sys.exit(sorted(heavy & {m.split('.')[0] for m in sys.modules}) or 0)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=env, cwd=wards)
    assert (done.returncode, done.stdout) == (0, b"wards  sqlite  variable WARDS_URI\n")


def test_query_files_with_a_byte_order_mark(wards: Path, dsm: Runner) -> None:
    """The mark of UTF-8 and line ends of Windows say nothing; UTF-16 is told by its name."""
    sql = "SELECT id\r\nFROM patient\r\n"
    Path("q.sql").write_bytes(b"\xef\xbb\xbf" + sql.encode())
    assert dsm("source", "test", "wards", "--query", "q.sql").lines == ["id  int64"]
    for encoding in ("utf-16", "utf-16-be"):
        mark = b"" if encoding == "utf-16" else b"\xfe\xff"
        Path("q.sql").write_bytes(mark + sql.encode(encoding))
        said = dsm("source", "test", "wards", "--query", "q.sql", status=2)
        assert said.err == "error: q.sql is UTF-16 text\nhint: save it as UTF-8 text\n"
    Path("q.sql").write_bytes(b"SELECT '\xff'")
    assert (
        "q.sql is not UTF-8 text"
        in dsm("source", "test", "wards", "--query", "q.sql", status=2).err
    )
