"""Picked examples: exactly those, by lists that are stored and kept as long as they are needed."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from blake3 import blake3
from pyarrow import parquet
from situations import Work

from dsm.errors import AnswerIsNo, DamagedData, DsmError, InvalidInput, NotFound
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import apply_gc, explain, plan_gc
from dsm.store.disk import WriteFailed
from dsm.store.object_errors import ObjectMissing
from dsm.views.comparison.why import why
from dsm.views.filters import picks
from dsm.views.filters.picks import LISTS_MAX, Pick, PickFilter
from dsm.views.query.view_query import ViewQuery
from dsm.views.selection import lists
from dsm.views.selection.prepared import remove_record
from dsm.worktree import pick_file
from dsm.worktree.pick_file import read_picks
from dsm.worktree.publish import PacksVanished

OLD = "a/1.jpg"


@pytest.fixture
def zoo(work: Work) -> Work:
    """Eight examples, two with the same bytes, one with a path that few have; one gone since."""
    names = ["a/1.jpg", "a/2.jpg", "b\n.txt", "é.wav", "same1", "same2", "z"]
    files = {name: b"same" if name.startswith("same") else name.encode() for name in names}
    work.ds.add({**files, "gone": b"gone"}, labels=["cat"])
    work.ds.commit("eight")
    work.ds.remove(["gone"], keep_files=True, force=True)
    work.ds.add({"z": b"changed"}, labels=["dog"])
    work.ds.commit("one gone, one changed")
    return work


def paths(view: Any) -> list[str]:
    return [example.path for example in view]


def oid(data: bytes) -> str:
    return blake3(data).hexdigest()


def test_exactly_these(zoo: Work) -> None:
    """Paths, object ids, examples and Arrow columns pick the same, in any order, in one version."""
    ds = zoo.ds
    by_path = ds.prepare(pick=["same2", "./same1", "é.wav", "same1"])
    assert paths(by_path) == ["same1", "same2", "é.wav"]
    both = oid(b"same")
    spelt = [
        ["é.wav", both], [both.upper(), oid("é.wav".encode())], [bytes.fromhex(both), "é.wav"],
        list(by_path), pa.array(["é.wav", "same1", "same2"]), ds.ls(["same1", "same2", "é.wav"]),
    ]  # fmt: skip
    for given in spelt:
        assert ds.query(pick=given).version == by_path.version
    assert paths(zoo.reopen().prepare(pick="é.wav")) == ["é.wav"]
    assert paths(zoo.repo.view(by_path.version)) == ["same1", "same2", "é.wav"]


def test_what_is_unknown_is_listed_and_refused_or_dropped(zoo: Work) -> None:
    """Nothing that is unknown goes unnoticed, unless it is said that it may."""
    nobody = oid(b"nobody")
    with pytest.raises(NotFound, match=r"^3 of 4 that are picked are no examples") as caught:
        zoo.ds.prepare(pick=["gone", OLD, nobody, "no\x1b[31m"])
    assert caught.value.items == ("gone", nobody, "no\x1b[31m")
    with pytest.raises(NotFound, match=r"^gone is no example of changeset 2\n"):
        zoo.ds.prepare(pick=["gone"])
    dropped = zoo.ds.prepare(pick=["gone", OLD, nobody], missing="ignore")
    assert dropped.version == zoo.ds.query(pick=[OLD]).version
    assert zoo.ds.prepare(pick=["gone"], at=1).content.examples == 1
    assert zoo.ds.prepare(pick=["z"], changesets="2").content.examples == 1
    with pytest.raises(NotFound, match="those changesets"):
        zoo.ds.prepare(pick=[OLD], changesets="2")


BAD: list[tuple[dict[str, Any], type[DsmError], str]] = [
    ({"pick": []}, AnswerIsNo, "the list of picks is empty"),
    ({"pick": ["x"], "missing": "ignore"}, AnswerIsNo, "none of the 1"),
    ({"pick": [OLD], "missing": "maybe"}, InvalidInput, "no way to treat missing ones"),
    ({"missing": "ignore"}, InvalidInput, "nothing is picked"),
    ({"pick": [3]}, InvalidInput, "int is nothing to pick by"),
    ({"pick": [b"short"]}, InvalidInput, "bytes is nothing to pick by"),
    ({"pick": ["x" * 5000]}, InvalidInput, "is no path of an example"),
    ({"pick": ["a\0b"]}, InvalidInput, "is no path of an example"),
    ({"pick": ["\udc80"]}, InvalidInput, "is not UTF-8"),
    ({"pick": [""]}, InvalidInput, "is no path of an example"),
    ({"pick": [OLD], "labels": ["dog"]}, AnswerIsNo, "no example of changeset 2 fits"),
]


@pytest.mark.parametrize(("asked", "error", "message"), BAD)
def test_picks_that_make_no_sense(
    zoo: Work, asked: dict[str, Any], error: type[DsmError], message: str
) -> None:
    """Each ends in an error that says why, and nothing is recorded."""
    before = zoo.repo.views()
    with pytest.raises(error, match=message):
        zoo.ds.prepare(**asked)
    assert zoo.repo.views() == before


def test_picks_go_with_everything_else(zoo: Work) -> None:
    """Filters, segments, algebra and draws narrow what is picked; why and explain tell of it."""
    ds = zoo.ds
    ds.segments.create("hard", pick=["a/1.jpg", "a/2.jpg", "z"])
    assert paths(ds.prepare(segment="hard", labels=["cat"])) == ["a/1.jpg", "a/2.jpg"]
    found = ds.prepare(segment="hard", pick=["a/2.jpg", "same1", "z"])
    assert paths(found) == ["a/2.jpg", "z"]
    assert found.version == ds.query(pick=["z", "a/2.jpg", "same1"], segment="hard").version
    rest = ds.prepare() - found
    assert paths(ds.prepare(view=rest, sample=10)) == [
        "a/1.jpg", "b\n.txt", "same1", "same2", "é.wav",
    ]  # fmt: skip
    checks = [(check.clause, check.passed) for check in why(found, "same1").checks]
    assert sorted(checks) == [("pick", False), ("pick", True)]
    told = ds.prepare().explain(found).reasons
    counts = [(r.change, r.clause, r.count) for r in told]
    assert counts == [("dropped", "pick", 4), ("dropped", "pick", 1)]
    assert ViewQuery.from_json(found.query.to_json(), "here") == found.query


def test_lists_are_kept_while_they_are_needed(zoo: Work) -> None:
    """gc keeps the list of a view, of a view in a view and of a segment, and no longer than that."""
    ds = zoo.ds
    picked = ds.prepare(pick=["a/1.jpg", "z"], name="picked")
    (pick,) = picked.query.filters[0].picks  # type: ignore[attr-defined]
    inside = ds.prepare() - picked
    assert ds.prepare(view=inside, percent="99%", name="inside").content.examples == 5
    segment = ds.segments.create("hard", pick=["a/1.jpg", "z"])
    for forget in (
        lambda: remove_record(zoo.repo, "data", picked.version),
        lambda: remove_record(zoo.repo, "data", zoo.repo.view("inside").version),
        lambda: ds.segments.remove(segment.name),
    ):
        apply_gc(zoo.repo, plan_gc(zoo.repo))
        zoo.reopen()
        assert zoo.repo.store.missing([bytes.fromhex(pick.object)]) == set()
        assert fsck(zoo.repo, full=True).findings == ()
        assert "a list that it picks by" in "".join(explain(zoo.repo, pick.object))
        forget()
    apply_gc(zoo.repo, plan_gc(zoo.repo))
    zoo.reopen()
    assert zoo.repo.store.missing([bytes.fromhex(pick.object)]) == {bytes.fromhex(pick.object)}
    with pytest.raises(ObjectMissing, match="is not in the store"):
        zoo.ds.prepare(view=picked, percent="50%")


def test_gc_in_the_last_moment(zoo: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that gc takes after a view of it was evaluated: the view is refused, not recorded."""
    picked = zoo.ds.prepare(pick=["a/1.jpg", "z"])
    really = lists.publishing

    def late(repository: Any) -> Any:
        remove_record(zoo.repo, "data", picked.version)
        apply_gc(zoo.repo, plan_gc(zoo.repo))
        return really(repository)

    monkeypatch.setattr(lists, "publishing", late)
    with pytest.raises(PacksVanished, match="lists that are picked by are stored no more"):
        zoo.ds.prepare(view=picked, percent="50%")
    assert zoo.repo.views() == []
    assert zoo.ds.prepare(pick=["a/1.jpg", "z"]).content.examples == 2


def test_a_list_that_is_missing_or_none_is_found(zoo: Work) -> None:
    """fsck tells which view lacks its list; bytes that are no list select nothing, with an error."""
    before = set(Path(zoo.repo.layout.packs).rglob("*.pack"))
    view = zoo.ds.prepare(pick=["a/1.jpg", "z"])
    fields = view.query.to_json()
    at = ViewQuery(zoo.ds.id, 2, zoo.ds.changeset(2).id)
    held_by: list[tuple[str, int, type[DsmError], str]] = [
        (oid(b"gone"), 1, DamagedData, "no list"),
        (fields["picks"][0]["object"], 3, DamagedData, "2 paths, not 3"),
        (oid(b"never stored"), 1, ObjectMissing, "not in the store"),
    ]
    for held, count, error, message in held_by:
        query = ViewQuery(at.dataset, at.at, at.at_id, (PickFilter((Pick(held, count),)),))
        broken = type(view)(zoo.repo, "data", lambda: zoo.ds.snapshots, query)
        with pytest.raises(error, match=message):
            list(broken)
    for wrong in (
        [], [{"object": "00", "examples": 1}], [{"object": "0" * 64, "examples": 0}],
        [{"object": "0" * 64, "examples": True}], [{"object": "0" * 64, "examples": 1, "more": 1}],
        fields["picks"] * 2, fields["picks"] * (LISTS_MAX + 1), {"object": 1}, "picks",
    ):  # fmt: skip
        with pytest.raises(DamagedData, match=r"^here (is not a view's query|asks for something)"):
            ViewQuery.from_json({**fields, "picks": wrong}, "here")
    (pack,) = set(Path(zoo.repo.layout.packs).rglob("*.pack")) - before
    pack.unlink()
    zoo.reopen()
    told = [(f.kind, f.examples) for f in fsck(zoo.repo).findings]
    assert ("object", (("data", -1, f"view {view.version[:12]}"),)) in told


def test_where_nothing_can_be_written_nothing_is_picked(
    zoo: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list has to be stored: a view of another user's cache would refer to nothing."""

    def refuse(*_: object) -> Any:
        raise WriteFailed("write", "packs", PermissionError(errno.EACCES, "no"))

    monkeypatch.setattr(lists, "publishing", refuse)
    before = zoo.repo.views()
    with pytest.raises(WriteFailed, match="cannot write packs: no"):
        zoo.ds.prepare(pick=[OLD])
    assert zoo.repo.views() == before


def test_a_large_list_lies_in_pieces(zoo: Work) -> None:
    """A list above the size of a chunk is stored, read, kept and checked like any large object."""
    names = [f"n/{at:07}" for at in range(9000)]
    zoo.ds.add({name: b"n" for name in names})
    zoo.ds.commit("many")
    view = zoo.ds.prepare(pick=names)
    (pick,) = view.query.filters[0].picks  # type: ignore[attr-defined]
    assert (len(view), pick.examples) == (9000, 9000)
    apply_gc(zoo.repo, plan_gc(zoo.repo))
    assert len(paths(zoo.reopen().prepare(pick=names))) == 9000
    assert fsck(zoo.repo, full=True).findings == ()


# --- files ----------------------------------------------------------------------------------------


def written(folder: Path, name: str, data: Any) -> str:
    place = folder / name
    if isinstance(data, pa.Table):
        parquet.write_table(data, place)
    else:
        place.write_bytes(data)
    return str(place)


def test_files_of_picks(tmp_path: Path) -> None:
    """Lines, NUL-ended names, a column of CSV, TSV or Parquet: each says the same."""
    expected = ["a,b", "c d", "é"]
    table = pa.table({"n": [1, 2, 3, 3], "image": [*expected, "é"]})
    coded = table.set_column(1, "image", table.column("image").dictionary_encode())
    assert read_picks(written(tmp_path, "l", "a,b\r\n\nc d\né".encode())) == expected
    assert read_picks(written(tmp_path, "z", "\ufeffa,b\0c d\0é\0".encode())) == expected
    csv = b'n,image\n1,"a,b"\n2,c d\n3,\xc3\xa9\n4,\n'
    assert read_picks(written(tmp_path, "t.csv", csv), "image") == expected
    tsv = "image\tn\na,b\t1\nc d\t2\né\t3\n".encode()
    assert read_picks(written(tmp_path, "t.tsv", tsv), "image") == expected
    assert read_picks(written(tmp_path, "t.txt", tsv), "image") == expected
    assert read_picks(written(tmp_path, "p.csv", b"label,path\nx,a\n")) == ["a"]
    assert read_picks(written(tmp_path, "o.csv", b"whatever\nb\n")) == ["b"]
    for each in (table, coded):
        assert read_picks(written(tmp_path, "t.parquet", each), "image") == expected
    ids = pa.table({"object": pa.array([b"\x01" * 32], pa.binary(32))})
    assert read_picks(written(tmp_path, "i.parquet", ids)) == ["01" * 32]


def test_hostile_files_are_refused_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no list, or larger than a list may be, ends in one error, before it is in memory."""
    bad: list[tuple[str, Any, str | None, str]] = [
        ("x.csv", b"a,b\n1,2\n", None, "does not say which column picks"),
        ("x.csv", b"imagee,b\n1,2\n", "image", "has no column 'image'"),
        ("x.csv", b"a,a\n1,2\n", "a", "has no column 'a'"),
        ("x.csv", b"path\n" + b"x" * 200_000, None, "field larger than"),
        ("x.txt", b"a\nb\xff\n", None, "line 2: the text is not UTF-8"),
        ("x.parquet", b"PAR1 no", None, "cannot be read"),
        ("x.parquet", pa.table({"path": [1]}), None, "has the type int64"),
        ("missing", None, None, "there is no file"),
    ]
    for name, data, column, message in bad:
        place = str(tmp_path / name) if data is None else written(tmp_path, name, data)
        with pytest.raises(DsmError, match=message):
            read_picks(place, column)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_picks(str(tmp_path))
    # 64 MB of text that fit into a few hundred bytes.
    wide = pa.table({"path": pa.array(["x" * 65536] * 1000)})
    bomb = written(tmp_path, "bomb.parquet", wide)
    assert read_picks(bomb) == ["x" * 65536]
    monkeypatch.setattr(pick_file, "BYTES_MAX", 60_000)
    with pytest.raises(InvalidInput, match="has 1,000 rows of"):
        read_picks(bomb)
    with pytest.raises(InvalidInput, match="longer than 60,000 bytes"):
        read_picks(written(tmp_path, "long", b"x\n" * 40_000))
    monkeypatch.setattr(pick_file, "ENTRIES_MAX", 10)
    with pytest.raises(InvalidInput, match="more than 10 entries"):
        read_picks(written(tmp_path, "many", b"x\n" * 11))


def test_a_list_that_claims_to_be_small_is_bounded(
    zoo: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object that is larger than a list may be is not read to find out that it is none."""
    view = zoo.ds.prepare(pick=["a/1.jpg", "z"])
    monkeypatch.setattr(picks, "LIST_BYTES_MAX", 3)
    with pytest.raises(DamagedData, match="has more than 3 bytes"):
        zoo.reopen().prepare(view=view, percent="99%")


def test_the_command(zoo: Work) -> None:
    """A list comes from a file or a pipe; the version is that of the library."""

    def run(*words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dsm", *words],
            input=given, capture_output=True, text=True, cwd=zoo.root, check=False,
        )  # fmt: skip

    expected = zoo.ds.query(pick=["a/1.jpg", "z"]).version
    done = run("prepare", "-q", "--pick", "-", given="z\na/1.jpg\n")
    assert (done.returncode, done.stdout) == (0, expected + "\n")
    (zoo.root.parent / "wrong.csv").write_text("image,score\nz,1\na/1.jpg,2\nno,3\n")
    words = ["prepare", "--pick", "../wrong.csv", "--pick-column", "image"]
    done = run(*words)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.splitlines()[0] == "error: no is no example of changeset 2"
    done = run(*words, "--missing", "ignore", "--json")
    assert json.loads(done.stdout)["version"] == expected
    done = run("prepare", "--pick-column", "image")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2, "error: --pick-column belongs to --pick",
    )  # fmt: skip
