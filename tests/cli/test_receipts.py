"""dsm receipts, and fsck --no-spill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import dsm as library
from dsm.sources import receipts
from dsm.sources.query import define
from dsm.sources.source import Source

from .conftest import Runner, write

TIME = 1_767_225_600_000_000
CANARY = "canary-text-4711"


@pytest.fixture
def runs(two_changesets: Path, dsm: Runner) -> list[str]:
    """Ids of a complete, a failed and an unfinished run of a query; the first two of a view."""
    version = dsm("prepare", "--label", "cat", "--name", "baseline").out.strip().splitlines()[-1]
    columns = pa.schema([("id", pa.int64())])
    query = define("fraud", "pay", "SELECT id FROM t", columns, purpose="research")
    source = Source("0" * 32, "pay", "sqlite", "environment", "PAY_URI", 0)
    with library.open(".") as repo:
        begun = [
            receipts.Log(repo, author="Ada", clock=lambda: TIME + seconds * 1_000_000).begin(
                query, source, dataset=dataset, version=of, changeset=1, consumer="get",
                columns=columns,
            )
            for seconds, dataset, of in ((0, "photos", version), (1, "photos", version),
                                         (2, "speech", "cd" * 32))
        ]  # fmt: skip
    begun[0].end("complete", 1204, 96_320, 1.25, "ef" * 32)
    begun[1].end("failed", 3, 120, 0.1, None, receipts.StorageFailed("a row of canary"))
    return [each.id for each in begun]


def test_the_table(runs: list[str], dsm: Runner) -> None:
    """One line a run, newest first, with what people ask for."""
    version = dsm("receipts", "--json").json["receipts"][2]["version"][:12]
    said = dsm("receipts")
    assert [line.rstrip() for line in said.lines] == [
        "when                  who  dataset  version       query  source  for   rows    bytes   time"
        "  outcome",
        "2026-01-01T00:00:02Z  Ada  speech   cdcdcdcdcdcd  fraud  pay     get      -        -      -"
        "  unfinished",
        f"2026-01-01T00:00:01Z  Ada  photos   {version}  fraud  pay     get      3    120 B  0.1 s"
        "  failed (storage)",
        f"2026-01-01T00:00:00Z  Ada  photos   {version}  fraud  pay     get  1,204  96.3 kB  1.2 s"
        "  complete",
    ]


def test_json_tells_everything(runs: list[str], dsm: Runner) -> None:
    """Every field of a receipt is there; the message of an error is not."""
    found = dsm("receipts", "--json").json["receipts"]
    assert [each["id"] for each in found] == runs[::-1]
    del found[2]["version"]
    assert found[2] == {
        "id": runs[0], "time": "2026-01-01T00:00:00Z", "author": "Ada", "dataset": "photos",
        "query": "fraud", "changeset": 1, "source": "pay", "source_id": "0" * 32,
        "driver": "sqlite", "purpose": "research", "consumer": "get", "outcome": "complete",
        "rows": 1204, "bytes": 96320, "duration": 1.25,
        "columns": [{"name": "id", "type": "int64"}], "digest": "ef" * 32, "error": None,
    }  # fmt: skip
    assert set(receipts.Receipt.__slots__) == {*found[2], "version"}
    assert (found[1]["outcome"], found[1]["error"]) == ("failed", "storage")


def test_choosing(runs: list[str], dsm: Runner) -> None:
    """By view, also one that was forgotten; by dataset; the newest few."""

    def ids(*words: str) -> list[str]:
        return [each["id"] for each in dsm("receipts", *words, "--json").json["receipts"]]

    version = dsm("view", "list", "--json").json["views"][0]["version"]
    assert ids("baseline") == ids(version[:8]) == [runs[1], runs[0]]
    assert ids("-n", "1") == [runs[2]]
    assert ids("-d", "photos") == [runs[1], runs[0]]
    assert ids("cdcdcdcd") == [runs[2]]
    dsm("view", "rm", "baseline")
    assert ids(version) == [runs[1], runs[0]]
    assert dsm("receipts", "baseline", status=4).out == ""
    assert dsm("receipts", "ab" * 32, status=4).out == ""
    assert dsm("receipts", "-d", "nowhere", status=4).out == ""


def test_no_receipt(two_changesets: Path, dsm: Runner) -> None:
    """Without a run there is nothing to list, which is no failure."""
    assert dsm("receipts").lines == []
    assert dsm("receipts", "--json").json == {"receipts": []}


# --- fsck --no-spill ---------------------------------------------------------------------------


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for temporary files, and an empty home."""
    for name in ("temporary", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "temporary"


def test_no_spill_exits_0_when_nothing_is_found(
    two_changesets: Path, temporary: Path, dsm: Runner
) -> None:
    """FILE lies in the folder for temporary files and is not taken for a spill."""
    write(temporary / "texts", f"{CANARY}\n\nanother text\n")
    said = dsm("fsck", "--no-spill", str(temporary / "texts"))
    assert (said.out, said.err.startswith("none of 2 texts found in ")) == ("", True)


def test_no_spill_exits_1_and_tells_lines_only(
    two_changesets: Path, temporary: Path, dsm: Runner
) -> None:
    """What is found is told by place, line and example; the text is not shown."""
    write(temporary / "texts", f"another text\n{CANARY}\n")
    write(two_changesets / "cat/9.txt", f"dear {CANARY}")
    dsm("add", "cat/9.txt")
    write(temporary / "left", CANARY)
    write(temporary.parent / "home/.cache/dsm/old", CANARY)
    said = dsm("fsck", "--no-spill", str(temporary / "texts"), status=1)
    assert CANARY not in said.out + said.err
    assert said.lines[0].startswith("found line 2 in object ")
    assert said.lines[1:] == [
        "    photos@0: cat/9.txt",
        f"found line 2 in file {temporary}/left",
        f"found line 2 in file {temporary.parent}/home/.cache/dsm/old",
    ]
    report = dsm("fsck", "--no-spill", str(temporary / "texts"), "--json", status=1).json
    assert [(each["kind"], each["lines"]) for each in report["found"]] == [
        ("object", [2]), ("file", [2]), ("file", [2]),
    ]  # fmt: skip
    assert report["found"][0]["examples"] == [
        {"dataset": "photos", "changeset": 0, "path": "cat/9.txt"}
    ]


@pytest.mark.parametrize("committed", [False, True])
def test_no_spill_in_a_process_of_its_own(
    empty_repo: Path, temporary: Path, committed: bool, dsm: Runner
) -> None:
    """Each place in which people write is told by its example: path, label, attribute, annotation."""
    rows = [
        {"path": "a.txt", "label": "canary-label"}, {"path": "canary-path.txt", "label": "fine"},
        {"path": "b.txt", "attr.who": "canary-attribute"},
        {"path": "c.txt", "annotation": {"note": ["canary-annotation"]}},
    ]  # fmt: skip
    for row in rows:
        write(empty_repo / str(row["path"]), f"content of {row}".replace("canary", "other"))
    write(empty_repo / "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    dsm("add", *(str(row["path"]) for row in rows), "--labels", "rows.jsonl")
    if committed:
        dsm("commit", "-m", "rows")
    (empty_repo / "rows.jsonl").unlink()
    canaries = ("canary-label", "canary-path", "canary-attribute", "canary-annotation")
    write(temporary / "texts", "".join(f"{canary}\n" for canary in canaries))
    done = subprocess.run(
        [sys.executable, "-m", "dsm", "fsck", "--no-spill", str(temporary / "texts"), "--json"],
        capture_output=True, text=True, cwd=empty_repo,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )  # fmt: skip
    assert (done.returncode, (done.stdout + done.stderr).count("canary-")) == (1, 0), done.stderr
    found = json.loads(done.stdout)["found"]
    assert {line for each in found for line in each["lines"]} == {1, 2, 3, 4}
    named = {example["path"] for each in found for example in each["examples"]}
    assert named == {"a.txt", "….txt", "b.txt", "c.txt"}


def test_no_spill_reads_standard_input(two_changesets: Path, temporary: Path, dsm: Runner) -> None:
    """`-` is standard input, so that the texts need lie in no file."""
    reading, writing = os.pipe()
    os.write(writing, f"{CANARY}\n".encode())
    os.close(writing)
    before = os.dup(0)
    os.dup2(reading, 0)
    try:
        assert dsm("fsck", "--no-spill", "-").err.startswith("none of 1 text found in ")
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reading)


def test_no_spill_exits_7_when_something_cannot_be_searched(
    two_changesets: Path, temporary: Path, dsm: Runner
) -> None:
    """Nothing found in what could not be read is no answer."""
    write(temporary / "texts", CANARY)
    pack = next((two_changesets / ".dsm/packs").rglob("*.pack"))
    pack.chmod(0o644)
    os.truncate(pack, 40)
    said = dsm("fsck", "--no-spill", str(temporary / "texts"), status=7)
    assert "not searched: .dsm/packs/" in said.err


def test_no_spill_refuses(two_changesets: Path, temporary: Path, dsm: Runner) -> None:
    """Short texts, a file that is not there, and --full beside it."""
    write(temporary / "texts", "abc\n")
    said = dsm("fsck", "--no-spill", str(temporary / "texts"), status=2)
    assert "line 1 of " in said.err and "abc" not in said.err
    dsm("fsck", "--no-spill", str(temporary / "none"), status=4)
    dsm("fsck", "--full", "--no-spill", str(temporary / "texts"), status=2)
