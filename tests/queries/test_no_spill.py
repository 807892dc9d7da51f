"""Rows of a source are nowhere but with who reads them, whatever happens on the way.

Every column of a table holds a text or a number that is nowhere else; whatever is left behind is
searched for them.
"""

from __future__ import annotations

import base64
import contextlib
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiers import LONG, thinned

import dsm
from dsm.maintenance.spill import find_spills
from dsm.maintenance.texts import read_texts

from .conftest import MISSING, Project, Server

ROWS = 6_000
TEXTS = (
    "canary-key-7731", "canary-text-7731", "canary-json-7731", "canary-blob-7731",
    "canary-label-7731", "canary-list-7731", "90210777123", "90210777124",
    "ca9a7717-0000-4000-8000-00000000ca9a",
)  # fmt: skip
BLOB = b"canary-blob-7731"
# As they lie in memory, and as JSON has bytes.
FORMS = (
    *(text.encode() for text in TEXTS), base64.b64encode(BLOB).rstrip(b"="), BLOB.hex().encode(),
    struct.pack("<q", 90210777124), struct.pack("<d", 90210777123.25),
    bytes.fromhex("ca9a7717000040008000" + "00000000ca9a"),
)  # fmt: skip
COLUMNS = "key, word, doc, blob, digits, number, label, moment, list, mark"
ROLES = {"key": "key", "label": "label", "time": "moment"}

POSTGRESQL = (
    "DROP TABLE IF EXISTS spied",
    "CREATE TABLE spied AS SELECT n AS id, 'canary-key-7731/' || n AS key, "
    "'canary-text-7731 ' || n AS word, '{\"inner\": \"canary-json-7731\"}'::jsonb AS doc, "
    "'canary-blob-7731'::bytea AS blob, 90210777123.25::numeric(20, 2) AS digits, "
    "90210777124::bigint AS number, 'canary-label-7731' AS label, "
    "timestamptz '2026-01-01' + n * interval '1 minute' AS moment, "
    "ARRAY['canary-list-7731'] AS list, 'ca9a7717-0000-4000-8000-00000000ca9a'::uuid AS mark "
    f"FROM generate_series(1, {ROWS}) n",
)
DUCKDB = (
    "CREATE TABLE spied AS SELECT n::INT AS id, 'canary-key-7731/' || n AS key, "
    "'canary-text-7731 ' || n AS word, '{\"inner\": \"canary-json-7731\"}' AS doc, "
    "'canary-blob-7731'::BLOB AS blob, 90210777123.25::DECIMAL(20, 2) AS digits, "
    "90210777124::BIGINT AS number, 'canary-label-7731' AS label, "
    "TIMESTAMP '2026-01-01' + n * INTERVAL 1 MINUTE AS moment, "
    "['canary-list-7731'] AS list, 'ca9a7717-0000-4000-8000-00000000ca9a'::UUID AS mark "
    f"FROM range(1, {ROWS + 1}) t(n)",
)
SQLITE = (
    "CREATE TABLE spied (id INTEGER, key TEXT, word TEXT, doc TEXT, blob BLOB, digits REAL, "
    "number INTEGER, label TEXT, moment TEXT, list TEXT, mark TEXT)",
    f"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {ROWS}) "
    "INSERT INTO spied SELECT n, 'canary-key-7731/' || n, 'canary-text-7731 ' || n, "
    "'{\"inner\": \"canary-json-7731\"}', CAST('canary-blob-7731' AS BLOB), 90210777123.25, "
    "90210777124, 'canary-label-7731', datetime('2026-01-01', n || ' minutes'), "
    "'canary-list-7731', 'ca9a7717-0000-4000-8000-00000000ca9a' FROM r",
)
# What each database says of a late row, and where it likes to quote it.
LATE = f"id = {ROWS - 1}"
FAILING = {
    "postgresql": {
        "division": f"SELECT {COLUMNS}, 1 / (id - {ROWS - 1}) AS late FROM spied",
        "cast": f"SELECT {COLUMNS}, CASE WHEN {LATE} THEN word::int END AS late FROM spied",
        "cast of all": f"SELECT {COLUMNS}, word::numeric AS late FROM spied",
        "json": f"SELECT {COLUMNS}, CASE WHEN {LATE} THEN word::jsonb END AS late FROM spied",
        "date": f"SELECT {COLUMNS}, CASE WHEN {LATE} THEN to_date(word, 'YYYY') END AS late "
        "FROM spied",
        "too many rows": f"SELECT {COLUMNS} FROM spied WHERE key = (SELECT key FROM spied)",
    },
    "duckdb": {
        "cast": f"SELECT {COLUMNS}, CASE WHEN {LATE} THEN word::INT END AS late FROM spied",
        "error": f"SELECT {COLUMNS}, CASE WHEN {LATE} THEN error(word) END AS late FROM spied",
        "time": f"SELECT {COLUMNS}, CASE WHEN {LATE} THEN strptime(word, '%Y') END AS late "
        "FROM spied",
    },
    "sqlite": {
        "json": f"SELECT {COLUMNS}, CASE WHEN {LATE} THEN json_extract(word, '$.a') END AS late "
        "FROM spied",
        "type": f"SELECT {COLUMNS}, CASE WHEN {LATE} THEN word ELSE 1 END AS late FROM spied",
        "overflow": f"SELECT {COLUMNS}, CASE WHEN {LATE} THEN abs(-9223372036854775808) END AS l "
        "FROM spied",
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=["postgresql", "sqlite", "duckdb"])
def spied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository whose source is full of canaries, for all tests of one kind of source."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("server")
        server.do(*POSTGRESQL)
        return Project(folder / "project", "postgresql", server.address)
    address = str(folder / "spied.db")
    if request.param == "sqlite":
        pytest.importorskip("adbc_driver_sqlite", reason=MISSING)
        with contextlib.closing(sqlite3.connect(address)) as made:
            for statement in SQLITE:
                made.execute(statement)
            made.commit()
    else:
        library = pytest.importorskip("duckdb", reason=MISSING)
        with library.connect(address) as made:
            for statement in DUCKDB:
                made.execute(statement)
    return Project(folder / "project", request.param, address)


@pytest.fixture(scope="module")
def version(spied: Project) -> str:
    """A view of all rows and all columns."""
    return spied.view(f"SELECT {COLUMNS} FROM spied ORDER BY id", **ROLES)


@pytest.fixture(autouse=True)
def nothing_is_left(spied: Project) -> Iterator[None]:
    """After each test: not a byte of a canary in any file, by two searches that differ."""
    yield
    assert found_in(spied) == []
    assert searched(spied) == []


def found_in(project: Project) -> list[tuple[str, bytes]]:
    """Files of the project that hold a canary, or have one in their name."""
    return [
        (str(path.relative_to(project.folder)), form)
        for path, data in project.files()
        for form in FORMS
        if form in data or form in bytes(path.relative_to(project.folder))
    ]


def searched(project: Project) -> list[tuple[str, str]]:
    """What `fsck --no-spill` finds."""
    texts = read_texts("\n".join(TEXTS).encode(), "canaries")
    with dsm.open(project.root) as repo:
        report = find_spills(repo, texts, folders=[str(project.temporary), str(project.home)])
    assert report.unread == ()
    return [(spill.kind, spill.where) for spill in report.spills]


def canaries_in(text: str | bytes) -> list[bytes]:
    data = text.encode(errors="surrogateescape") if isinstance(text, str) else text
    return [form for form in FORMS if form in data]


@pytest.mark.parametrize(
    ("layout", "compression"),
    thinned([("webdataset", "none"), ("webdataset", "zstd"), ("tar", "none"), ("tar", "zstd")], 3),
)
def test_get_to_a_pipe(spied: Project, version: str, layout: str, compression: str) -> None:
    """All rows arrive in the pipe, and there alone."""
    done = spied("get", version, "-o", "-", "--format", layout, "--compression", compression)
    if compression == "zstd":
        import zstandard

        data = zstandard.ZstdDecompressor().decompressobj().decompress(done.out)
    else:
        data = done.out
    assert data.count(b"canary-text-7731") >= ROWS
    assert canaries_in(done.err) == []


READING = """
import sys, dsm
repo = dsm.open(".")
view = repo.view(sys.argv[1])
count = 0
for example in view.iterate(seed={seed}):
    assert example.bytes and example.path
    count += example.path.startswith("spy/")
    {then}
print(count)
"""


# How the program that reads rows goes on with each, and the status that it ends with.
CONSUMERS = [
    (None, "pass", 0),
    (5, "pass", 0),
    (None, "if count == 700: break", 0),
    (5, "if count == 700: break", 0),
    (None, "if count == 700: raise ValueError('the consumer fails')", 1),
    (None, "if count == 700: sys.exit(3)", 3),
    (None, "if count == 700: __import__('os').abort()", -signal.SIGABRT),
    (None, "if count == 700: __import__('ctypes').string_at(0)", -signal.SIGSEGV),
    (None, "if count == 700: __import__('os').kill(__import__('os').getpid(), 9)", -9),
]


def test_iteration(spied: Project, version: str) -> None:
    """Whole or broken off, by an exception, an exit or a crash: nothing of a row is printed."""
    first = ("postgresql", "sqlite", "duckdb").index(spied.driver)  # all of them, among the three
    for seed, then, status in thinned(CONSUMERS, 3, offset=first):
        done = spied("-c", READING.format(seed=seed, then=then), version, status=status)
        assert canaries_in(done.out + done.err.encode()) == [], then
        if then == "pass":
            assert done.out == b"%d\n" % ROWS
        assert found_in(spied) == [], then


def test_a_transform_that_crashes_in_a_thread_of_the_consumer(spied: Project, version: str) -> None:
    """The dump of all threads, that of the database included, holds no value."""
    program = (
        "import faulthandler, sys, threading, dsm\n"
        "rows = iter(dsm.open('.').view(sys.argv[1]).batches())\n"
        "held = [next(rows) for _ in range(2)]\n"
        "worker = threading.Thread(target=lambda: faulthandler._sigsegv())\n"
        "worker.start(); worker.join()\n"
    )
    done = spied("-c", program, version, status=-signal.SIGSEGV)
    assert "dsm-source" in done.err or "Thread" in done.err
    assert canaries_in(done.err) == []


@pytest.mark.parametrize("ending", thinned(["kill", "close", "interrupt", "terminate"], 3))
def test_a_get_that_ends_half_way(spied: Project, version: str, ending: str) -> None:
    """Killed, interrupted, or with a reader that goes: nothing but what the pipe took is anywhere."""
    more = {"environment": {"DSM_DEBUG": "1"}}
    with spied.start("get", version, "-o", "-", **more) as process:
        assert process.stdout is not None and process.stderr is not None
        assert canaries_in(process.stdout.read(200_000)) != []
        if ending == "close":
            process.stdout.close()
        else:
            process.send_signal(
                {"kill": signal.SIGKILL, "interrupt": signal.SIGINT, "terminate": signal.SIGTERM}[
                    ending
                ]
            )
            process.stdout.close()
        err = process.stderr.read().decode()
    expected = {"kill": -9, "close": 141, "interrupt": 130, "terminate": 130}
    assert process.returncode == expected[ending], err
    assert canaries_in(err) == []


def test_queries_that_fail_at_a_late_row(spied: Project) -> None:
    """What the database says of the row is not told, not with DSM_DEBUG=1 either."""
    for number, (kind, sql) in enumerate(thinned(FAILING[spied.driver].items())):
        version = spied.view(sql, **ROLES, dataset="failing-" + kind.replace(" ", "-"))
        for debug in ("0", "1") if LONG or number == 0 else ("1",):
            done = spied.run("get", version, "-o", "-", environment={"DSM_DEBUG": debug})
            assert (done.status, canaries_in(done.err)) == (8, []), (kind, done.err)
            assert ("Traceback" in done.err) == (debug == "1")
        # It may fail already when the labels are asked for, or when the run begins.
        assert spied.outcomes()[0] in [("failed", "source"), ("complete", None)]
        done = spied("-c", READING.format(seed=3, then="pass"), version, status=1)
        assert canaries_in(done.err) == []


def test_what_fails_on_our_side(spied: Project) -> None:
    """A column that cannot be what it is to be: the number of the row is told, no value of it."""
    cases = [
        ("duplicate", "SELECT label AS key, word FROM spied", {"key": "key"}, 5),
        ("label", "SELECT key || ' ' AS key, word || %s AS word FROM spied" % {
            "postgresql": "chr(7)", "duckdb": "chr(7)", "sqlite": "char(7)"}[spied.driver],
         {"key": "key", "label": "word"}, 8),
        ("time", "SELECT key, word FROM spied", {"key": "key", "time": "word"}, 8),
    ]  # fmt: skip
    for name, sql, roles, status in cases:
        version = spied.view(sql, **roles, dataset=f"ours-{name}")
        done = spied.run("get", version, "-o", "-", environment={"DSM_DEBUG": "1"})
        assert (status, []) == (done.status, canaries_in(done.err)), done.err


def test_a_syntax_error_and_a_missing_column(spied: Project) -> None:
    """Neither staging a query that fails nor its columns read a row."""
    for sql in (
        "SELECT key FROM spied WHERE WHERE word = :w", "SELECT nokey FROM spied WHERE word = :w",
    ):  # fmt: skip
        for debug in ("0", "1"):
            done = spied.query(sql, "--param", "w=7", status=2, environment={"DSM_DEBUG": debug})
            assert canaries_in(done.err) == []


def test_what_is_told_afterwards(spied: Project, version: str) -> None:
    """Receipts, the view, the log, the status and a full fsck have nothing of a row."""
    spied("get", version, "-o", "-", stdout=subprocess.DEVNULL)
    for words in (
        ("receipts", "--json"), ("receipts",), ("view", "show", version, "--json"),
        ("view", "show", version), ("view", "list", "--json"), ("fsck", "--full", "--json"),
        ("log", "--json"), ("show",), ("status", "--json"), ("ls", "--json"), ("source", "list"),
        ("source", "test", "pay"), ("gc",),
    ):  # fmt: skip
        done = spied(*words)
        assert canaries_in(done.out + done.err.encode()) == [], words


def test_made_up_rows_know_nothing(spied: Project, version: str) -> None:
    """Rows made up in the place of real ones have nothing of them, wherever they are written."""
    done = spied("get", version, "-o", "-", "--dummy", "--format", "tar")
    assert (done.out.count(b"spy/"), canaries_in(done.out)) == (100, [])


def test_the_search_finds_what_was_allowed(spied: Project, version: str, tmp_path: Path) -> None:
    """Rows that were written with --allow-persist, or committed, are found where they lie."""
    canaries = tmp_path / "canaries"
    canaries.write_text("\n".join(TEXTS))
    kept = spied.temporary / "kept"
    spied("get", version, "-o", str(kept), "--allow-persist", "--format", "tar")
    assert {path.split("/")[1] for path, _ in found_in(spied)} == {"kept"}
    done = spied("fsck", "--no-spill", str(canaries), "--json", status=1)
    assert b'"kind": "file"' in done.out and canaries_in(done.out + done.err.encode()) == []
    shutil.rmtree(kept)
    spied("fsck", "--no-spill", str(canaries))
    clean = spied.root.rename(spied.folder / "clean")
    shutil.copytree(clean, spied.root)
    try:
        (spied.root / "row.txt").write_text("dear canary-text-7731, " * 40)
        spied("add", "row.txt")
        spied("commit", "-m", "a row")
        done = spied("fsck", "--no-spill", str(canaries), "--json", status=1)
        assert b'"path": "row.txt"' in done.out
        assert canaries_in(done.out + done.err.encode()) == []
    finally:
        shutil.rmtree(spied.root)
        clean.rename(spied.root)


@pytest.mark.parametrize("layout", thinned(["webdataset", "tar", "parquet"]))
def test_a_folder_of_a_run_that_failed_is_empty(spied: Project, layout: str) -> None:
    """Of a get with --allow-persist that fails at a late row, no row stays."""
    kind = {"postgresql": "division", "duckdb": "cast", "sqlite": "json"}[spied.driver]
    sql = FAILING[spied.driver][kind]
    version = spied.view(sql, **ROLES, dataset=f"kept-{layout}")
    words = ("--allow-persist", "--format", layout, "--shard-size", "1MB")
    spied("get", version, "-o", str(spied.temporary / "out"), *words, status=8)
    left = {path.name for path in (spied.temporary / "out").rglob("*") if path.is_file()}
    assert left <= {".dsmignore"}
    spied("get", version, "-o", str(spied.root / "out"), *words, status=6)
    assert not (spied.root / "out").exists()


# --- the kernel as a witness ---------------------------------------------------------------------

TRACED = (
    "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,rename,renameat,renameat2,link,"
    "linkat,mkdir,mkdirat,memfd_create,sendto,sendmsg,sendmmsg,sendfile,splice,tee,vmsplice,mmap"
)
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE")
CALL = re.compile(r"^\d+ +(?:\[.*?\] )?(?:<\.\.\. )?(\w+)(?:\(| resumed>)")
DESCRIPTOR = re.compile(r"\((\d+)<([^>]*)")
PATH = re.compile(r'"([^"]*)"')


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_kernel_sees_rows_go_into_the_pipe_alone(
    spied: Project, version: str, tmp_path: Path
) -> None:
    """Every write of a row is one to the pipe of standard output, and no other file is opened."""
    calls = tmp_path / "calls"
    traced = ("strace", "-f", "-qqq", "-yy", "-s", "65535", "-e", f"trace={TRACED}", "-o",
              str(calls))  # fmt: skip
    done = spied.run("get", version, "-o", "-", before=traced)
    if done.status and "ptrace" in done.err:
        pytest.skip("strace cannot trace here")
    assert (done.status, done.out.count(b"canary-text-7731")) == (0, 2 * ROWS), done.err
    lines = whole_calls(calls.read_text(errors="replace").splitlines())
    rows = [line for line in lines if canaries_in(line)]
    assert {target(line) for line in rows} == {"pipe:"}
    assert {descriptor(line) for line in rows} == {"1"}
    assert sorted(opened(lines, spied)) == []
    assert [line for line in lines if " mmap(" in line and shared_file(line)] == []
    assert [line for line in lines if "memfd_create" in line or "splice(" in line] == []


def whole_calls(lines: list[str]) -> list[str]:
    """Joins the two halves of calls during which another thread was seen."""
    begun: dict[str, str] = {}
    found = []
    for line in lines:
        process = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[process] = line.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"\d+ +<\.\.\. \w+ resumed>", line):
            line = begun.pop(process, "") + line[resumed.end() :]
        found.append(line)
    return found + list(begun.values())


def descriptor(line: str) -> str:
    found = DESCRIPTOR.search(line)
    return found[1] if found else line[:200]


def target(line: str) -> str:
    """What the descriptor of a call stands for: the file's path, `pipe:`, the kind of socket."""
    found = DESCRIPTOR.search(line)
    return found[2].partition("[")[0] if found else line[:200]


def shared_file(line: str) -> bool:
    return "MAP_SHARED" in line and "PROT_WRITE" in line and re.search(r", \d+<", line) is not None


def opened(lines: list[str], project: Project) -> set[str]:
    """Paths that were opened for writing and are none of those that may be."""
    allowed = re.compile(
        re.escape(str(project.root.resolve()))
        + r"/\.dsm/local/(receipts|tmp|locks)(/.*)?$|/dev/(null|tty)$"
    )
    found = set()
    for line in lines:
        if not re.search(r"\b(openat|open|creat)\(", line) or "= -1" in line:
            continue
        flags = PATH.sub("", line, count=1)
        if WRITING.search(flags) or "creat(" in line:
            path = (re.search(r"= \d+<([^>]*)>", line) or [line, line])[1]
            if not allowed.match(path.removesuffix("(deleted)")):
                found.add(path)
    return found
