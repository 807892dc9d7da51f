"""Names that differ in letter case only: one of them can be created, whoever races and dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from situations import Work

import dsm.api
from dsm.errors import AlreadyExists, DsmError
from dsm.maintenance.fsck import fsck
from dsm.repo import documents
from dsm.sources import source
from dsm.store import disk

RACERS = 12
# Ready before it waits for its turn: the end of the pipe wakes all of them at once.
RACER = """
import os, sys
from dsm import api
from dsm.errors import DsmError
from dsm.sources import source
root, what, name = sys.argv[1:]
repo = api.open(root) if what != "init" else None
os.write(1, b"ready\\n")
sys.stdin.read()
try:
    if what == "dataset":
        repo.create_dataset(name)
    elif what == "source":
        source.create(repo, name, "sqlite", "environment", "X", created=0)
    else:
        api.init(root, dataset=name)
except DsmError as error:
    print(error.code, error.message)
else:
    print("created")
"""


def race(root: Path, what: str, names: list[str]) -> list[tuple[str, str]]:
    """Lets one process for each name begin at the same moment; returns (name, what it said)."""
    reading, writing = os.pipe()
    running = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(root), what, name],
            stdin=reading, stdout=subprocess.PIPE, text=True,
        )
        for name in names
    ]  # fmt: skip
    os.close(reading)
    for each in running:
        assert each.stdout is not None and each.stdout.readline() == "ready\n"
    os.close(writing)
    return [
        (name, each.communicate()[0].strip()) for name, each in zip(names, running, strict=True)
    ]


@pytest.mark.parametrize(
    ("what", "there"),
    [
        ("dataset", lambda repo: repo.datasets()),
        ("source", lambda repo: source.names(repo)),
    ],
)
def test_of_racing_processes_one_wins(
    what: str, there: Callable[[object], list[str]], work: Work
) -> None:
    """Of twelve that create a name in several spellings, one does; the others are told of it."""
    spellings = ["case", "Case", "cASE", "CASE"] * (RACERS // 4)
    said = race(work.root, what, spellings)
    created = [name for name, answer in said if answer == "created"]
    assert len(created) == 1
    assert [name for name in there(work.repo) if name.casefold() == "case"] == created
    others = Counter(answer.split()[0] for _, answer in said if answer != "created")
    assert others == {"already-exists": RACERS - 1}
    assert fsck(work.repo).findings == ()


def test_racing_inits_all_succeed(tmp_path: Path) -> None:
    """`init` of a dataset that comes in between is done, like one of a dataset that was there."""
    said = race(tmp_path, "init", ["one", "two"] * (RACERS // 2))
    assert {answer for _, answer in said} == {"created"}
    with dsm.api.open(tmp_path) as repo:
        assert repo.datasets() == ["one", "two"]
        assert fsck(repo).findings == ()


def test_init_of_a_name_in_another_spelling(tmp_path: Path) -> None:
    """It is refused as taken, also when it is the first thing that is asked."""
    dsm.api.init(tmp_path, dataset="Case").close()
    with pytest.raises(AlreadyExists, match="'case' differs only in letter case"):
        dsm.api.init(tmp_path, dataset="case")


def test_a_creation_that_ends_at_any_call_blocks_nobody_for_good(
    make_work: Callable[..., Work],
) -> None:
    """Whatever call does not happen: the same name can be created, or was; another spelling of it
    never stands beside it; and no fault is left."""
    ended, calls = False, 0
    while not ended:
        work = make_work(f"work{calls}")
        left = calls

        def fails(operation: str, path: str) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise OSError(5, "it was cut off here")
            return None

        with disk.observe(fails):
            try:
                work.repo.create_dataset("Case")
                ended = True
            except DsmError:
                calls += 1
        work.reopen()
        assert fsck(work.repo).findings == ()
        there = "Case" in work.repo.datasets()
        assert there or not ended
        if not there:
            work.repo.create_dataset("Case")
        with pytest.raises(AlreadyExists, match="'cASE' differs only in letter case"):
            work.repo.create_dataset("cASE")
        assert [n for n in work.repo.datasets() if n.casefold() == "case"] == ["Case"]
    assert calls > 20


def test_an_interrupted_creation_says_how_to_go_on(work: Work) -> None:
    """A claim without a document is noted by fsck, and names the spelling that can be created."""
    documents.datasets(work.repo.layout).claim("Case")
    with pytest.raises(AlreadyExists, match="'Case' is being created, or") as caught:
        work.repo.create_dataset("cASE")
    assert caught.value.hint == "create that one, or choose another name"
    report = fsck(work.repo)
    assert report.findings == ()
    assert "the name Case is kept for a dataset whose creation was interrupted" in report.notes


def test_a_name_that_was_removed_is_free_in_every_spelling(work: Work) -> None:
    """A source that was removed leaves no claim, and one that was cut off in it stays taken."""
    source.create(work.repo, "Pay", "sqlite", "environment", "X", created=0)
    source.remove(work.repo, "Pay")
    source.create(work.repo, "pAY", "sqlite", "environment", "X", created=0)
    known = documents.sources(work.repo.layout)
    assert known.claims is not None
    known.claims.remove("pay")  # as far as an interrupted removal comes
    with pytest.raises(AlreadyExists, match="there is a source 'pAY' already"):
        source.create(work.repo, "pay", "sqlite", "environment", "X", created=0)
    assert (source.names(work.repo), fsck(work.repo).findings) == (["pAY"], ())


def test_documents_from_before_claims_keep_their_names(work: Work) -> None:
    """A dataset without a claim, as it was written before, is read, and its twin is refused."""
    work.repo.create_dataset("Case")
    claims = documents.datasets(work.repo.layout).claims
    assert claims is not None
    claims.remove("case")
    assert work.reopen() is not None and "Case" in work.repo.datasets()
    with pytest.raises(AlreadyExists, match="there is a dataset 'Case' already: 'case'"):
        work.repo.create_dataset("case")
    assert claims.read("case") is None


def test_damaged_claims_are_found(work: Work) -> None:
    """fsck names a claim that is no document, and one of another name."""
    work.repo.create_dataset("Case")
    claims = documents.datasets(work.repo.layout).claims
    assert claims is not None
    claims.create("other", {"name": "Case"})
    path = Path(claims.path("case"))
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data.replace(b"Case", json.dumps("x").encode()))
    found = {
        (finding.kind, os.path.basename(finding.where)) for finding in fsck(work.repo).findings
    }
    assert found == {("document", "case.json"), ("document", "other.json")}
