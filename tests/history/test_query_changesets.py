"""Queries are staged, committed, compared and reverted like examples; no source is asked."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from situations import Work

from dsm.errors import AnswerIsNo, Conflict, DamagedData, InvalidInput, NotFound
from dsm.format import document
from dsm.history.conflicts import ChangedMeanwhile
from dsm.history.revert import TouchedLater
from dsm.maintenance.fsck import fsck
from dsm.sources.query import SourceQuery, define
from dsm.worktree.staging import stage_query

SCHEMA = pa.schema([("id", pa.int64()), ("amount", pa.float64()), ("fraud", pa.bool_())])


def query(name: str = "fraud", sql: str = "SELECT 1", **asked: Any) -> SourceQuery:
    return define(name, "pay", sql, SCHEMA, **{"key": "id", "label": "fraud", **asked})


def stage(work: Work, *queries: SourceQuery) -> list[str]:
    return [stage_query(work.ds.tree, each.name, each.to_json()) for each in queries]


def names(work: Work, reference: int | None = None) -> dict[str, str]:
    return {name: each.sql for name, each in work.ds.queries(reference).items()}


def test_a_query_is_a_changeset(work: Work) -> None:
    """It is staged, shown by status, committed as kind query, and stands from then on."""
    work.commit("one", a="1")
    assert stage(work, query()) == ["added"]
    status = work.ds.status()
    assert [(c.kind, c.name) for c in status.staged_queries] == [("added", "fraud")]
    assert (status.clean, status.queries) == (False, ())
    made = work.ds.commit("two")
    assert (made.kind, made.counts.rows, made.examples) == ("query", 0, 1)
    assert (dict(made.queries), list(made.documents)) == ({"fraud": 2}, ["fraud"])
    assert dict(made.attributes) == {"amount": "float"}
    assert work.ds.status().clean
    assert (names(work), names(work, 1)) == ({"fraud": "SELECT 1"}, {})
    work.commit("three", b="2")
    assert (names(work), work.ds.changeset(3).documents) == ({"fraud": "SELECT 1"}, {})
    assert fsck(work.repo, full=True).findings == ()


def test_files_and_a_query_in_one_changeset(work: Work) -> None:
    """What is staged together is committed together."""
    work.write({"a": "1"})
    work.ds.add(["."])
    stage(work, query())
    made = work.ds.commit("both")
    assert (made.kind, made.counts.added, names(work)) == ("query", 1, {"fraud": "SELECT 1"})


def test_what_staging_answers(work: Work) -> None:
    """Added, modified, unchanged and deleted are told against the head; going back forgets."""
    stage(work, query())
    work.ds.commit("one")
    assert stage(work, query()) == ["unchanged"]
    assert stage(work, query(sql="SELECT 2")) == ["modified"]
    assert stage(work, query()) == ["unchanged"]
    assert work.ds.status().clean
    assert stage_query(work.ds.tree, "fraud", None) == "deleted"
    assert [c.kind for c in work.ds.status().staged_queries] == ["deleted"]
    assert work.ds.unstage() == 1
    assert work.ds.status().clean
    with pytest.raises(NotFound, match="no query fruad"):
        stage_query(work.ds.tree, "fruad", None)
    work.ds.remove_query("fraud")
    assert (work.ds.commit("two").kind, names(work)) == ("query", {})
    with pytest.raises(AnswerIsNo, match="nothing to commit"):
        work.ds.commit("three")


def test_unstaging_one_of_two(work: Work) -> None:
    """A query is unstaged by its name; files and other queries stay."""
    work.write({"a": "1"})
    work.ds.add(["."])
    stage(work, query("one"), query("two"))
    assert work.ds.unstage([str(work.root / "one")]) == 1
    assert [c.name for c in work.ds.status().staged_queries] == ["two"]
    assert work.state()[0] == [("a", "a")]
    work.ds.commit("x")
    assert names(work) == {"two": "SELECT 1"}
    assert work.ds.unstage([str(work.root / "two")]) == 0
    with pytest.raises(NotFound, match="one"):
        work.ds.unstage([str(work.root / "one")])


def test_committing_paths_leaves_queries_staged(work: Work) -> None:
    """`commit PATH` takes these files alone."""
    work.commit("one", a="1")
    stage(work, query())
    work.write({"a": "2", "b": "3"})
    work.ds.add(["."])
    assert work.ds.commit("two", paths=[str(work.root / "a")]).kind == "files"
    assert [c.name for c in work.ds.status().staged_queries] == ["fraud"]
    work.ds.commit("three", paths=[str(work.root / "b")])
    assert [c.name for c in work.ds.status().staged_queries] == ["fraud"]
    assert work.ds.commit("four").kind == "query"


def test_differences(work: Work) -> None:
    """A diff tells queries beside examples: staged, between changesets, and against files."""
    work.commit("one", a="1")
    stage(work, query())
    staged = work.ds.diff(staged=True)
    assert [(c.kind, c.name, c.after and c.after["sql"]) for c in staged.queries] == [
        ("added", "fraud", "SELECT 1")
    ]
    work.ds.commit("two")
    stage(work, query(sql="SELECT 2"))
    work.ds.commit("three")
    told = [(c.kind, c.name) for c in work.ds.diff(1, 3).queries]
    assert told == [("added", "fraud")]
    assert [c.kind for c in work.ds.diff(2, 3).queries] == ["modified"]
    assert [c.kind for c in work.ds.diff(3, 1).queries] == ["deleted"]
    assert [c.kind for c in work.ds.diff(1).queries] == ["added"]
    assert work.ds.diff().queries == ()
    assert [c.kind for c in work.ds.changes(3).queries] == ["modified"]
    assert [c.number for c in work.ds.log(paths=[str(work.root / "fraud")])] == [3, 2]


def test_reverts(work: Work) -> None:
    """Undoing puts back the query that stood before, or takes it away; later changes are kept."""
    stage(work, query())
    work.ds.commit("one")
    stage(work, query(sql="SELECT 2"))
    work.ds.commit("two")
    with pytest.raises(TouchedLater) as refused:
        work.ds.revert(1)
    assert refused.value.items == ("fraud/",)
    with pytest.raises(AnswerIsNo, match="changeset 1 is already undone"):
        work.ds.revert(1, force=True)
    assert work.ds.revert(2).kind == "revert"
    assert names(work) == {"fraud": "SELECT 1"}
    work.ds.revert(1)
    assert names(work) == {}
    work.ds.revert(4)
    assert names(work) == {"fraud": "SELECT 1"}
    work.ds.rollback(2)
    assert names(work) == {"fraud": "SELECT 2"}
    assert fsck(work.repo, full=True).findings == ()


def test_two_commit_the_same_query(work: Work) -> None:
    """Who staged against an older head is told; the same text twice is no conflict."""
    work.commit("one", a="1")
    other = work.repo.dataset("data")
    stage(work, query(sql="mine"))
    mine = work.ds.tree.stage.load()
    work.ds.unstage()
    stage(work, query(sql="SELECT theirs"))
    other.commit("theirs")
    work.ds.tree.stage.write(1, mine.rows(), {"fraud": query(sql="SELECT mine").to_json()})
    with pytest.raises(ChangedMeanwhile) as refused:
        work.ds.commit("mine")
    assert refused.value.items == ("fraud",)
    assert names(work) == {"fraud": "SELECT theirs"}


def test_names_are_folders(work: Work) -> None:
    """The examples of a query lie below its name, where no stored example may be."""
    work.commit("one", **{"fraud/1": "x"})
    with pytest.raises(Conflict, match="examples at or below fraud"):
        stage(work, query())
    for name in ("", "a/b", "..", ".dsm", "x" * 200):
        with pytest.raises(InvalidInput, match="cannot name a query"):
            query(name)


def test_attributes_have_one_type(work: Work) -> None:
    """A column that would be an attribute of another type is refused; int and float widen."""
    work.write({"labels.csv": "path,amount\na,many\n", "a": "1"})
    work.ds.add([str(work.root / "a")], label_file=str(work.root / "labels.csv"))
    work.ds.commit("one")
    stage(work, query())
    with pytest.raises(InvalidInput, match="attribute amount of query fraud is float"):
        work.ds.commit("two")


@pytest.mark.parametrize(
    "asked",
    [
        {"key": "nope"}, {"label": "amount"}, {"time": "id"}, {"payload": ("x",)},
        {"extension": "jpg"}, {"extension": "jpg", "payload": ("id",)}, {"max_rows": 0},
        {"timeout": 0}, {"extension": "../x"}, {"purpose": "x" * 2000}, {"sql": "x" * 70_000},
        {"parameters": {"a": [1]}}, {"sql": "\ud800"},
    ],
)  # fmt: skip
def test_queries_that_are_refused(asked: dict[str, Any]) -> None:
    """Roles go to columns that there are and that fit."""
    with pytest.raises(
        InvalidInput,
        match=r"has no column|cannot be a (label|time)|is one column|neither text nor|is a whole number|seconds|letters and digits|longer than|not valid UTF-8",
    ):
        query(**asked)


def test_a_hostile_document_is_damage(work: Work) -> None:
    """A header whose queries make no sense is refused, and fsck names it."""
    stage(work, query())
    work.ds.commit("one")
    path = work.root / ".dsm/datasets/data/changesets/00000001.json"
    fields = json.loads(path.read_bytes())
    good = fields["queries"]
    for bad in (
        {"live": {"fraud": 2}, "documents": good["documents"]},
        {"live": {"../x": 1}, "documents": {"../x": good["documents"]["fraud"]}},
        {"live": {"fraud": 1}, "documents": {}},
        {"live": {}, "documents": good["documents"]},
        {"live": [], "documents": {}},
    ):
        damaged = {k: v for k, v in fields.items() if k not in ("seal", "format")}
        path.chmod(0o644)
        path.write_bytes(document.encode({**damaged, "queries": bad}))
        work.reopen()
        with pytest.raises(DamagedData, match="is damaged"):
            work.ds.changeset(1)
        assert [f.kind for f in fsck(work.repo).findings] == ["changeset"]
    worse = {**good["documents"]["fraud"], "key": "nope"}
    path.write_bytes(
        document.encode(
            {**damaged, "queries": {"live": {"fraud": 1}, "documents": {"fraud": worse}}}
        )
    )
    work.reopen()
    with pytest.raises(DamagedData, match="query fraud is damaged"):
        work.ds.queries()
    assert "fraud" in fsck(work.repo).findings[0].what
