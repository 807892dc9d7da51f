"""docs/reference/json.md against what the commands print: the same members, of the same types."""

from __future__ import annotations

import ast
import contextlib
import json
import math
import os
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import dsm as library
from dsm.answers.definitions import partition_answer
from dsm.answers.examples import diff_answer, record_fields_answer
from dsm.answers.maintenance import fsck_answer, gc_answer
from dsm.answers.remotes import aborted_answer, clone_answer, pull_answer, remote_gc_answer
from dsm.answers.runs import bisection_answer, exported_answer, moves_answer
from dsm.answers.staging import added_answer, applied_answer
from dsm.answers.status import status_answer
from dsm.cli import group
from dsm.cli.commands import COMMANDS
from dsm.errors import Conflict
from dsm.maintenance.reports import Finding, FsckReport, GcPlan
from dsm.model.changeset import Counts
from dsm.model.difference_report import Diff, RecordDifference
from dsm.model.example import Change, Example
from dsm.model.reports import AddReport, Problem
from dsm.model.restore_reports import AppliedRecords
from dsm.model.status_report import Status
from dsm.remotes.merging import MergePlan
from dsm.remotes.pruning import RemoteGc
from dsm.remotes.reports import (
    CloneReport,
    Collision,
    CollisionSide,
    DatasetPulled,
    PullAborted,
    PullReport,
    PullUnderWay,
    Renumbered,
    Transfer,
)
from dsm.runs.attribution import Move
from dsm.runs.exported import Exported
from dsm.runs.logger import RunLogger
from dsm.runs.run import End, Output, Start
from dsm.views.comparison.partition import Leak, Leakage, NearLeak, NearLeakage

from .conftest import Runner, write

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "json.md"
CONTRACT = """\
[dataset.photos.rules]
labels.vocabulary = ["cat"]
balance = { max-ratio = 1, severity = "warning", reason = "it learns both" }
"""
ROW = Example("a.jsonl#1", bytes(32), 8, 0, ("spam",), records="#")
RECORD_ADDED = Change("added", "a.jsonl#1", after=ROW)
CANARY = "canary-text-90c1"
Documents = dict[str, list[Any]]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_ID = re.compile(r"[0-9a-f]{64}")
_LINK = re.compile(r"\[[a-z ]+\]\(#([a-z-]+)\)")


@dataclass(frozen=True)
class Member:
    """A row of the page, with its type in words: "string", "array of object", "example"."""

    type: str
    nullable: bool
    optional: bool


def sections() -> dict[str, list[str]]:
    """Returns the lines below each heading of the second and third level."""
    parts = re.split(r"^##+ (.+)\n", PAGE.read_text(), flags=re.MULTILINE)
    return {name: text.splitlines() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def members(heading: str) -> dict[str, Member]:
    """Returns all members of a document by path, those of its shapes and of its arrays too."""
    found: dict[str, Member] = {}
    named = {name.lower().replace(" ", "-"): name for name in sections()}
    for line in sections()[heading]:
        if line.startswith("| `"):
            path, kind, null, meaning = [cell.strip() for cell in line.strip("|").split(" |")][:4]
            path = path.strip("`")
            shape = _LINK.search(kind)
            base = _LINK.sub("object", kind)
            found[path] = Member(base, bool(null), meaning.startswith("With `--"))
            if shape:
                inner = path + ("[]" if base.startswith("array") else "")
                for name, member in members(named[shape[1]]).items():
                    found[f"{inner}.{name}"] = member
        elif shape := re.match(r".*The members of an? " + _LINK.pattern, line) or re.match(
            r".*the members of an? " + _LINK.pattern, line
        ):
            found |= members(named[shape[1]])
    # Arrays and objects that the page names by what is in them.
    for path, member in list(found.items()):
        for end in re.finditer(r"\[\]\.|\.", path):
            kind = "array of object" if end[0] == "[]." else "object"
            found.setdefault(path[: end.start()], Member(kind, False, member.optional))
    return found


def fits(value: Any, kind: str) -> bool:
    """Whether a value, which is not null, is of a type of the page."""
    if kind.startswith("array of "):
        inner = kind.removeprefix("array of ")
        return isinstance(value, list) and all(fits(each, inner) for each in value)
    if kind == "time":
        return isinstance(value, str) and _TIME.fullmatch(value) is not None
    if kind == "id":
        return isinstance(value, str) and _ID.fullmatch(value) is not None
    types: dict[str, Any] = {
        "string": str, "text": str, "integer": int, "number": (int, float), "boolean": bool,
        "object": dict, "any": object,
    }  # fmt: skip
    return isinstance(value, types[kind]) and (kind == "boolean" or not isinstance(value, bool))


def differences(value: Any, declared: dict[str, Member], at: str, seen: set[str]) -> Iterator[str]:
    """Yields what a printed object has otherwise than the page says."""
    start = at + "." if at else ""
    below = {p[len(start) :] for p in declared if p.startswith(start)}
    expected = {name for name in below if not re.search(r"[.\[]", name)}
    for name in expected - set(value):
        if not declared[start + name].optional:
            yield f"{start}{name} is missing"
    for name, inner in value.items():
        path = start + name
        seen.add(path)
        member = declared.get(path)
        if member is None:
            yield f"{path} is not on the page"
        elif inner is None:
            if not (member.nullable or member.type == "any"):
                yield f"{path} is null"
        elif not fits(inner, member.type):
            yield f"{path} is no {member.type}: {inner!r}"
        elif member.type == "array of object":
            for each in inner:
                yield from differences(each, declared, path + "[]", seen)
        elif member.type == "object" and any(p.startswith(path + ".") for p in declared):
            yield from differences(inner, declared, path, seen)


def documented() -> list[str]:
    return [name for name in sections() if name.startswith("dsm ")]


def with_json() -> Iterator[str]:
    """Yields each command that takes --json."""
    waiting = [(f"dsm {name}", group.load(name)) for name in COMMANDS]
    for name, command in waiting:
        waiting += [(f"{name} {k}", c) for k, c in getattr(command, "commands", {}).items()]
        if any("--json" in option.opts for option in command.params):
            yield name


# --- a repository in which everything happened ---------------------------------------------------


@pytest.fixture
def printed(
    dsm: Runner, two_changesets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Documents:
    """Documents of every section of the page."""
    pytest.importorskip("adbc_driver_sqlite", reason="needs dsm-datasets[sources]")
    found: Documents = {}

    def take(
        line: str, *more: str, of: str | None = None, status: int = 0, document: Any = None
    ) -> None:
        document = document or dsm(*line.split(), *more, "--json", status=status).json
        found.setdefault(of or f"dsm {line}", []).append(document)

    _changes(dsm, take, two_changesets)
    _queries(dsm, take, tmp_path, monkeypatch)
    _views(dsm, take, tmp_path)
    _remotes(take, tmp_path)
    take("drift", "1", "head")
    _upkeep(take, tmp_path, monkeypatch)
    found["dsm status"].append(_rare(found["dsm status"][0]))
    sides = CollisionSide("modified", "0" * 64, 1, ("a",)), CollisionSide("nested", nested="a/b")
    both = Collision("photos", "a", *sides, "theirs")
    pulled = DatasetPulled(
        "photos", 3, 3, renumbered=(Renumbered(3, 4, "0" * 64),), settled=(both,)
    )
    transfer = Transfer(1, 2, 3)
    refused = PullReport("origin", "/r", (pulled,), transfer, (replace(both, side=None),))
    found["dsm pull"].append(pull_answer(refused))
    given_up = PullAborted("photos", "origin", 2, 3, left=("a",))
    found["dsm pull --abort"] = [aborted_answer((given_up,))]
    found["dsm clone"].append(clone_answer(CloneReport("/c", "/r", (pulled,), transfer)))
    finding = Finding("pack", "a", "is damaged", (("photos", 1, "cat/1.txt"),))
    found["dsm fsck"].append(fsck_answer(FsckReport(True, 1, 1, 1, (finding,), ("note",))))
    plan = GcPlan((("a", 1),), (("b", 2, 1),), (("c", 1),), 2, 1, 3, notes=("note",))
    found["dsm gc"].append(gc_answer(plan, pruned=True))
    merge = MergePlan("origin", "/r", (("a", 1),))
    dead = RemoteGc("origin", "/r", 1.0, (), (), (), (), merge, (("a", 2, 1),))
    found["dsm gc --remote"].append(remote_gc_answer(dead, pruned=True))
    return found


def _rare(status: Any) -> dict[str, object]:
    unread = Problem("cat", "Permission denied")
    return status_answer(
        Status(
            status["dataset"],
            status["head"],
            status["examples"],
            (RECORD_ADDED,),
            (RECORD_ADDED,),
            (),
            failed=(unread,),
        ),
        lock=("it names changeset 1, which is not here",),
        pull=PullUnderWay("origin", 2),
    )


def _changes(dsm: Runner, take: Any, folder: Path) -> None:
    take("dataset show")
    take("dataset list")
    take("config get", "user.name", status=1)
    take("config set", "user.name", "Ada")
    take("config get", "user.name")
    take("config list")
    take("config set", "user.email", "ada@example.org")
    take("config unset", "user.email")
    take("init", "--dataset", "speech")
    take("dataset create", "text", "--pattern", "{label}/{name}.txt", "--root", "text")
    take("dataset rename", "text", "texts")
    take("dataset rm", "texts")
    take("switch", "photos")
    take("mv", "-n", "cat/2.txt", "cat/two.txt")
    take("mv", "cat/2.txt", "cat/two.txt")
    take("diff", "--staged")
    take("restore", "--apply", of="dsm restore --apply")
    applied = applied_answer("photos", [AppliedRecords("a.jsonl", 1, 2, 3)], dry_run=True)
    take("", of="dsm restore --apply", document=applied)
    take("diff", "--records", of="dsm diff --records")
    records = tuple(
        RecordDifference(Change("added", "a.jsonl#1", **{side: ROW}), {"id": (None, math.nan)})
        for side in ("before", "after")
    )
    told = record_fields_answer(Diff("1", "2", (), records=records), 2)
    take("", of="dsm diff --records", document={**told, "records": list(told["records"])})
    told = diff_answer(Diff("1", "2", (RECORD_ADDED,)))
    take("", of="dsm diff", document={**told, "changes": list(told["changes"])})
    shown = {**dsm("show", "1", "--json").json, "records_files": told["records_files"]}
    take("", of="dsm show", document=shown)
    take("status")
    write(folder / "dsm.toml", "[dataset.photos.rules]\nsize.on = 'commit'\n")
    take("commit", "-m", "moved", "--source", "s3://shop", "--note", "renamed")
    (folder / "dsm.toml").unlink()
    take("label", "cat/3.txt", "--set", "lynx")
    Path("said.csv").write_text("path,label\ncat/3.txt,lynx\nnone,cat\n")
    take("label", "--labels", "said.csv")
    Path("said.csv").unlink()
    take("commit", "-m", "a lynx")
    take("revert", "-n", "4", of="dsm revert --dry-run")
    take("revert", "4")
    take("rollback", "-n", "4", of="dsm rollback --dry-run")
    take("tag", "v1", "1", "-m", "as trained")
    take("tag", "v2", "1")
    take("tag", "-d", "v2")
    take("tag")
    _staged(dsm, take, folder)
    write(folder / "dsm.toml", CONTRACT)
    take("check", status=1)
    take("check", "--staged")
    write(folder / "metrics.json", '{"f1": 0.5, "loss": NaN}')
    told = ["--metrics", "metrics.json", "--fail-if", "f1 < 0.9", "--fail-if", "loss > 1"]
    take("check", *told, of="dsm check --metrics", status=1)
    (folder / "metrics.json").unlink()
    write(folder / "old.toml", "[dataset.photos.rules]\nsize = {}\n")
    take("check", "--schema-diff", "old.toml", of="dsm check --schema-diff", status=1)
    (folder / "old.toml").unlink()
    (folder / "dsm.toml").unlink()
    take("stats", "head")
    take("stats", "1..")
    take("drift", "1", "3")
    take("log")
    take("log", "--stat")
    take("log", "--patch")
    take("ls")
    for number in "12345":
        take("show", number)
    write(folder / "cat/1.txt", "changed again")
    write(folder / "new.txt", "new")
    take("status")
    take("diff")
    take("diff", "1", "3")


def _staged(dsm: Runner, take: Any, folder: Path) -> None:
    """Stages changes and takes them back: the files are as before."""
    write(folder / "cat/1.txt", "to be staged")
    write(folder / ".dsmignore", "secret.txt\n")
    for name in ("secret.txt", "cat/ONE.txt", "cat/one.txt"):
        write(folder / name, "x")
    os.mkfifo(folder / "pipe")
    take("add", "-n", "-A", ".")
    Path("r.csv").write_text("id,topic\n1,a\n2,b\n")
    take("add", "-n", "r.csv", "--records", "--key-field", "id", "--label-field", "topic")
    Path("r.csv").unlink()
    take("add", "cat/1.txt", "secret.txt", status=1)
    take("rm", "-n", "dog/1.txt")
    take("rm", "dog/1.txt")
    take("restore", "--staged", of="dsm restore --staged")
    take("restore", "-n", "--force")
    take("restore", "--force")
    take("lock")
    write(folder / "cat/1.txt", "to be restored")
    take("restore", "--locked", "-n", "--force", of="dsm restore --locked")
    take("restore", "--locked", "--force", of="dsm restore --locked")
    for name in ("secret.txt", "cat/ONE.txt", "cat/one.txt", "pipe", ".dsmignore", "dsm.lock"):
        (folder / name).unlink()
    failed = AddReport(Counts(), 0, 0, 0, 0, 0, failed=(Problem("a", "Permission denied"),))
    take("", of="dsm add", document=added_answer("photos", failed, dry_run=False))


def _queries(dsm: Runner, take: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / "wards.db"
    _execute(database, "CREATE TABLE patient (id INTEGER, name TEXT, weight REAL)")
    _execute(database, "INSERT INTO patient VALUES (1, 'a', 70.5)")
    monkeypatch.setenv("WARDS_URI", str(database))
    take("source add", "wards", "--driver", "sqlite", "--uri-env", "WARDS_URI")
    take("source add", "gone", "--driver", "sqlite", "--uri-env", "WARDS_URI")
    take("source remove", "gone")
    take("source list")
    take("source show", "wards")
    take("source trust", "wards", "--revoke")
    take("source trust", "wards")
    take("source test", "wards")
    take("source test", "wards", "-e", "SELECT * FROM patient")
    words = ["--source", "wards", "-e", "SELECT * FROM patient WHERE id > :a", "--param", "a=0"]
    take("add", *words, "--key-col", "id", of="dsm add --source")
    take("status")
    take("diff", "--staged")
    dsm("commit", "-m", "patients")
    more = ["--label-col", "name", "--max-rows", "9", "--timeout", "9", "--purpose", "study"]
    take("add", *words, "--key-col", "id", *more, of="dsm add --source")
    dsm("commit", "-m", "and why")
    take("revert", "-n", "7", of="dsm revert --dry-run")
    for number in "136":
        take("rollback", "-n", number, of="dsm rollback --dry-run")
    take("show")
    take("log", "--stat")
    take("diff", "6", "7")
    take("source check")
    take("status", "--sources")
    dsm("prepare", "--at", "6", "--name", "before")
    dsm("prepare", "--name", "rows")
    with library.open(".") as repo:
        assert [len(list(repo.view("rows"))) for _ in range(2)] == [6, 6]
    take("view show", "rows")
    _execute(database, "ALTER TABLE patient RENAME COLUMN weight TO mass")
    take("source check", status=1)
    with (
        library.open(".") as repo,
        pytest.raises(Conflict, match="source wards: the columns changed since they were"),
    ):
        list(repo.view("rows"))
    take("receipts")
    _runs(dsm, take)


def run_of(name: str) -> Any:
    with library.open(".") as repo:
        return repo.runs.find(name)


def _runs(dsm: Runner, take: Any) -> None:
    with library.open(".") as repo:
        view = repo.views()[0]
        for name, value in (("first", 0.5), ("second", math.nan)):
            start = Start(name, [name], 1, "Ada", {"lr": name}, "c" * 40, True, "3.11", {})
            run = repo.runs.begin(start)
            repo.runs.note_view(run.id, view)
            RunLogger(repo, run.id).log_metric("loss", value, 1)
            run.end(End(0, 2, 1, {"f1": value, name: 1.0}, [Output("m", 1, "0" * 64)]))
        repo.runs.begin(replace(start, name=None, commit=None, clean=None)).release()
    take("runs list")
    take("runs show", "first")
    take("runs best", "f1")
    take("runs plot", "loss", "first", "second")
    take("runs compare", "first", "second")
    exported = Exported(run_of("first"), "0" * 32, True)
    take("runs export", document=exported_answer([exported]))
    with library.open(".") as repo:
        example = next(iter(repo.view(view.version).without_sources())).path
    Path("p.csv").write_text(f"path,label\n{example},cat\nnone,cat\n")
    take("predictions add", "first", "p.csv")
    take("predictions list", "first")
    _evaluations(dsm, take, view.version)
    take("predictions rm", "first")
    take("lineage")
    take("used", "cat/1.txt")
    take("runs rm", "first")
    for name in ("start", "good", "bad", "run"):
        document = bisection_answer(
            "0" * 64, "labels", ends=(1, 3), trial=("0" * 64, 2, ["cat"]), first_bad=3,
            candidates=["cat"], enough=["cat"], culprit="cat", counts=(1, 1),
        )  # fmt: skip
        take(f"bisect {name}", document=document)
    move = Move("photos", 1, 2, before=0.5, after=0.25, run_before="0" * 16, run_after="1" * 16)
    take("attribute", document=moves_answer("f1", [move]))


def _evaluations(dsm: Runner, take: Any, view: str) -> None:
    with library.open(".") as repo:
        examples = [(e.path, e.labels) for e in repo.view(view).without_sources()]
        paths, sure = [path for path, _ in examples], [[0.75, 0.25]] * len(examples)
        sure[0] = [0.25, 0.75]
        for run, chances in (("first", sure), ("second", sure[::-1])):
            repo.predictions.add(
                run, paths, probabilities=chances, classes=["cat", "dog"], replace=True
            )
    words = [
        "--by",
        "name",
        "--sensitive",
        "name",
        "--positive",
        "cat",
        "--baseline",
        "second",
        "--fail-if",
    ]
    take("evaluate", "first", *words, "accuracy < 0")
    take("failures", "first", "--name", "wrong")
    take("failures", "first")
    take("labels suspect", "first")
    take("suggest", "first", "--labelled", "-n", "2")
    dsm("label", "cat/1.txt", "--attr", "ann=cat", "--attr", "bob=dog")
    dsm("commit", "-m", "labelled twice")
    dsm("prepare", "--name", "twice")
    take("labels agreement", "twice", "--annotator", "ann", "--annotator", "bob")


def _remotes(take: Any, tmp_path: Path) -> None:
    remote = str(tmp_path / "remote")
    take("remote add", "first", remote)
    take("remote rename", "first", "origin")
    take("remote set-url", "origin", remote)
    take("remote default", "origin")
    take("remote show", "origin")
    take("remote add", "other", str(tmp_path / "other"))
    take("remote remove", "other")
    take("push", "-n", "--all")
    take("push", "--all", "--tags")
    take("remote list")
    write(Path("of-a-second-pack.txt"), "second pack")
    take("add", "of-a-second-pack.txt")
    take("commit", "-m", "of a second pack")
    take("push")
    take("remote stats")
    take("gc", "--remote", of="dsm gc --remote")
    take("remote merge-packs", "-n")
    take("remote merge-packs")
    take("remote write-listing")
    take("fetch")
    take("status")
    take("pull")
    _imports(take, tmp_path)
    _remote_upkeep(take, tmp_path / "remote")
    _references(take, tmp_path)
    take("clone", remote, str(tmp_path / "clone"))
    take("clone", remote, str(tmp_path / "one"), "--dataset", "even")
    take("clone", remote, str(tmp_path / "lazy"), "--no-objects")
    here = os.getcwd()
    take("-C", str(tmp_path / "lazy"), "-d", "photos", "fetch", "--objects", of="dsm fetch")
    take("-C", str(tmp_path / "lazy"), "-d", "photos", "status", of="dsm status")
    os.chdir(here)


def _imports(take: Any, tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt", ".hidden"):
        write(tmp_path / "outside" / name, name)
    take("import", str(tmp_path / "outside"), "--into", "outside")
    (tmp_path / "outside" / "two.txt").unlink()
    take("import", str(tmp_path / "outside"), "--into", "outside")
    write(tmp_path / "lines" / "Ä.csv", "id,label\n1,a\n")
    write(tmp_path / "lines" / "ä.csv", "id,label\n1,a\n")
    take("import", str(tmp_path / "lines"), "--into", "lines", "--records", "--key-field", "id")
    take("update-import")
    take("commit", "-m", "imported")


def _references(take: Any, tmp_path: Path) -> None:
    take("reference", "list", of="dsm reference list")
    write(tmp_path / "outside" / "fresh.txt", "its bytes are nowhere else")
    take("import", "--reference", str(tmp_path / "outside"), "--into", "there")
    take("reference", "list", of="dsm reference list")
    take("fsck", "--references", of="dsm fsck")
    take("commit", "-m", "referenced")
    take("fetch", "--objects", "there", of="dsm fetch")


def _remote_upkeep(take: Any, remote: Path) -> None:
    take("fsck", "--remote", "--full", of="dsm fsck --remote")
    packs = {path: path.read_bytes() for path in remote.rglob("*.pack")}
    for path in packs:
        path.unlink()
    take("fsck", "--remote", "--repair", of="dsm fsck --remote")
    take("fsck", "--repair", of="dsm fsck --repair")
    (manifests,) = remote.glob("datasets/even/manifests")
    write(manifests / f"{'0' * 64}.parquet", "of no changeset")
    for name in ("old", "young"):
        write(remote / "probe" / name, name)
    os.utime(remote / "probe" / "old", (1, 1))
    take("gc", "--remote", of="dsm gc --remote")
    take("gc", "--remote", "--prune", of="dsm gc --remote")


def _execute(database: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute(statement)
        connection.commit()


def _views(dsm: Runner, take: Any, tmp_path: Path) -> None:
    take("prepare", "--at", "1", "--name", "first")
    take("prepare", "--at", "3", "--label", "cat", "--percent", "70%", "--name", "second")
    take("prepare")
    with library.open(".") as repo:
        even = repo.create_dataset("even", root="even")
        even.add({"a": b"1", "b": b"2"})
        even.commit("at one time")
    take("prepare", "-d", "even", "--percent", "50%")
    take("view list")
    take("view show", "first")
    take("view stats", "first")
    for words in (("first", "second"), ("second", "first"), ("before", "rows")):
        take("view diff", *words)
        take("view explain", *words)
    for name, status in (("cat/1.txt", 0), ("cat/two.txt", 0), ("dog/2.txt", 1), ("dog/1.txt", 1)):
        take("why", name, "--view", "second", status=status)
    take("sweep", "second", "--newest", "20%,100%")
    take("ablate", "second", "--drop", "changeset")
    take("get", "first", "-o", str(tmp_path / "out"))
    take("lock", "-n")
    write(Path(".dsm/hooks/pre-commit"), "")
    take("hooks list")
    os.unlink(".dsm/hooks/pre-commit")
    take("split create", "s", "--parts", "a=50%,b=50%", "--stratify", "label")
    take("split create", "t", "--time", "a=..2020,b=2020..2021", "--description", "old ones")
    take("split create", "u", "--folds", "3")
    take("split list")
    for name in "stu":
        take("split show", name, "--since", "1")
    with library.open(".") as repo:
        split = repo.dataset().split("u")
        near = NearLeakage(1, (NearLeak(("fold1", "a"), ("fold2", "c"), 0.99),), unknown=3)
        leak = Leak("0f" * 32, 2, (("fold1", "a"), ("fold2", "b")))
        leaks = Leakage(1, 2, (leak,), near)
        told = partition_answer("photos", split, split.partition(), {("a", "b"): 1}, leaks)
    take("", of="dsm split show", document=told)
    take("split rm", "t")
    take("segment create", "cats", "--label", "cat", "--description", "all cats")
    take("segment create", "none", "--path", "nowhere/**")
    take("segment create", "more", "--path", "cat/**")
    take("segment list")
    take("segment show", "cats")
    take("segment stats", "--by", "label")
    take("segment stats", "none")
    take("segment coverage")
    take("segment rename", "more", "most")
    take("segment rm", "most")
    take("rm", "-n", "--query", "wards")
    take("view name", "first", "one")
    take("view rename", "one", "uno")
    take("view unname", "uno")
    take("view rm", "before", "second")


def _upkeep(take: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take("fsck")
    take("gc")
    for name in ("temporary", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write(tmp_path / "texts", "second cat/1, longer\n")
    take("fsck", "--no-spill", str(tmp_path / "texts"), of="dsm fsck --no-spill", status=1)
    with library.open(".") as repo:
        wanted = repo.dataset().example("cat/3.txt").oid.hex()
    take("gc", "--explain", wanted, of="dsm gc --explain")
    take("rollback", "3")


# --- the tests -----------------------------------------------------------------------------------


def test_every_command_with_json_has_a_section() -> None:
    """A command that takes --json is on the page, and no other."""
    assert sorted({name.split(" --")[0] for name in documented()}) == sorted(with_json())


def test_the_page_has_the_members_that_are_printed(printed: Documents) -> None:
    """Every member that a command prints is on the page with its type, and is null only where the
    page says so; every member of the page is printed."""
    assert set(printed) == set(documented())
    wrong = []
    for heading, documents in printed.items():
        declared, seen = members(heading), set[str]()
        for document in documents:
            wrong += [f"{heading}: {each}" for each in differences(document, declared, "", seen)]
        wrong += [f"{heading}: {path} is never printed" for path in sorted(set(declared) - seen)]
    assert sorted(set(wrong)) == []


def test_documents_are_ascii(dsm: Runner, empty_repo: Path) -> None:
    """Other characters are escaped, as the page says."""
    write(empty_repo / "grün.txt", "x")
    said = dsm("status", "--json")
    assert (said.out.isascii(), json.loads(said.out)["untracked"]) == (True, ["grün.txt"])


def test_commands_print_answers_of_the_library() -> None:
    """No command makes up a document of its own: a server could not give the same one."""
    folder = Path(group.__file__).parent
    calls = [
        node.args[0]
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print_json"
    ]
    made = [ast.unparse(each) for each in calls]
    named = [re.match(r"(?:\w+_answer\(|answer$)", text) is not None for text in made]
    assert [text for text, ok in zip(made, named, strict=True) if not ok] == []
    assert len(made) > 25
