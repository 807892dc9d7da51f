"""Evaluating queries: the same examples as a slow evaluator, whatever is cached and in what form."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from blake3 import blake3
from histories import LABELS, PATHS, TIMES, Step, commit, fresh, steps
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from situations import Work
from tiers import LONG
from views.selection.slow_evaluator import fold, select
from views.stories import put

from dsm.errors import AnswerIsNo, NotFound
from dsm.history import merge, snapshot
from dsm.history.fold import Layer
from dsm.views.query.view_query import ViewQuery
from dsm.views.selection.evaluate import Evaluation
from dsm.views.view import View

OPS = ("=", "!=", "<", "<=", ">", ">=")
conditions = st.one_of(
    st.tuples(st.sampled_from(["width", "size"]), st.sampled_from(OPS),
              st.sampled_from([0, 300, 512, 300.5, 1000.25, 10**30, -(10**25), (1 << 53) + 1])),
    st.tuples(st.just("score"), st.sampled_from(OPS), st.sampled_from([0.1, 0.5, 2, -3.25, 7])),
    st.tuples(st.just("camera"), st.sampled_from(OPS), st.sampled_from(["left", "m", ""])),
    st.tuples(st.just("day"), st.sampled_from(["=", "!="]), st.booleans()),
    st.tuples(st.just("width"), st.just("in"), st.sets(st.sampled_from([0, 300, 7]), min_size=1)),
    st.tuples(st.just("camera"), st.just("in"),
              st.sets(st.sampled_from(["left", "right", "a,b"]), min_size=1)),
)  # fmt: skip
FILTERS: dict[str, st.SearchStrategy[Any]] = {
    "labels": st.sets(st.sampled_from(LABELS), min_size=1, max_size=2),
    "all_labels": st.booleans(),
    "exclude": st.sets(st.sampled_from(LABELS), min_size=1, max_size=2),
    "since": st.sampled_from(TIMES),
    "until": st.sampled_from(TIMES),
    "percent": st.sampled_from(["0.01", "0.3", "0.5", "0.999", "1", "33.3%"]),
    "paths": st.sets(
        st.sampled_from(
            ["a", "b/**", "*.jpg", "a/*.jpg", "**/*.txt", "*", "[!a]", "猫", "a/**/3.txt", "?"]
        ),
        min_size=1, max_size=2,
    ),
    "where": st.lists(conditions, min_size=1, max_size=2),
    "pick": st.sets(st.sampled_from(PATHS), min_size=1, max_size=5),
}  # fmt: skip


# Few filters at a time: many would leave nothing to compare.
def queries(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Queries with one filter, and perhaps a second: more would leave nothing to compare."""
    other = st.sampled_from([None, *sorted(FILTERS)])
    return other.flatmap(
        lambda second: st.fixed_dictionaries(
            {each: FILTERS[each] for each in {name, second or name}}
        )
    )


def written(condition: tuple[str, str, Any]) -> str:
    """A condition as people write it."""
    name, op, value = condition

    def one(value: Any) -> str:
        return f'"{value}"' if isinstance(value, str) else str(value).lower()

    if op == "in":
        return f"{name} in {', '.join(one(v) for v in sorted(value))}"
    return f"{name} {op} {one(value)}"


def plain(asked: dict[str, Any]) -> dict[str, Any]:
    """A query for the slow evaluator."""
    share = asked.get("percent")
    if share is not None and share.endswith("%"):
        share = f"{share[:-1]}e-2"
    return {**asked, "percent": share}


def check(view: View, expected: list[str]) -> None:
    table = view.table()
    assert table.column("path").to_pylist() == expected
    assert len(view) == len(expected)
    assert view.size == sum(table.column("size").to_pylist())
    counts: dict[str, int] = {}
    for labels in table.column("labels").to_pylist():
        for label in labels:
            counts[label] = counts.get(label, 0) + 1
    assert view.labels == dict(sorted(counts.items()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("histories")


relaxed = settings(
    max_examples=300 if LONG else 30, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(FILTERS))
@relaxed
@given(history=steps(), data=st.data())
def test_the_same_as_the_slow_evaluator(
    folder: Path, name: str, history: list[Step], data: st.DataObject
) -> None:
    """Random histories and queries select what plain Python selects."""
    asked = data.draw(queries(name), "query")
    since, until = asked.get("since"), asked.get("until")
    assume(since is None or until is None or since < until)
    work = fresh(folder)
    try:
        commit(work, history)
        numbers = list(range(1, len(history) + 1))
        given: dict[str, Any] = {**asked}
        given["where"] = [written(each) for each in asked.get("where", ())]
        if data.draw(st.integers(0, 3), "a list of changesets") == 3:
            numbers = data.draw(st.lists(st.sampled_from(numbers), min_size=1), "changesets")
            given["changesets"] = numbers
        elif data.draw(st.integers(0, 3), "an earlier one") == 3:
            given["at"] = data.draw(st.sampled_from(numbers), "at")
            numbers = list(range(1, given["at"] + 1))
        if "pick" in given:
            given["missing"] = "ignore"
        if not given.get("labels"):
            given.pop("all_labels", None)
        live = fold(history, numbers)
        expected = select(live, plain(asked))
        try:
            view = work.ds.prepare(**given)
        except AnswerIsNo:
            assert expected == []
        except NotFound as error:
            known = {label for e in live.values() for label in e.labels}
            missing_label = not set(asked.get("labels", ())) <= known
            assert missing_label or "attribute" in error.message
        else:
            assert expected
            check(view, expected)
            again = work.reopen().prepare(**given)
            assert (again.version, again.digest) == (view.version, view.digest)
            check(View(work.repo, "data", lambda: work.ds.snapshots, view.query), expected)
    finally:
        work.repo.close()
        shutil.rmtree(work.root)


@relaxed
@given(history=steps(8), cached=st.integers(0, 8))
def test_whatever_way_it_is_folded(folder: Path, history: list[Step], cached: int) -> None:
    """Folded at once, laid over a cache, in layers or merged on disk: one snapshot."""
    work = fresh(folder)
    try:
        after = commit(work, history)
        number = len(history)
        expected = sorted(after[number], key=str.encode)
        plain_table = work.ds.snapshots.table(number)
        assert plain_table.column("path").to_pylist() == expected
        whole = ViewQuery(work.ds.id, number, work.ds.log_.get(number).id)
        digest = View(work.repo, "data", lambda: work.ds.snapshots, whole).digest
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(snapshot, "MERGE_ROWS", -1)
            patch.setattr(merge, "RUN_ROWS", 4)
            patch.setattr(merge, "PIECE_ROWS", 2)
            patch.setattr(snapshot, "OVERLAY_ROWS", -1)
            snapshots = work.ds.snapshots
            if cached:
                snapshots.table(min(cached, number))
            assert snapshots.table(number).equals(plain_table)
            assert not [n for n in Path(work.repo.layout.temporary).iterdir() if "run" in n.name]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(snapshot, "FEW", 0)
            view = View(work.repo, "data", lambda: snapshots, whole)
            snapshots = work.ds.snapshots
            if 0 < cached < number:
                snapshots._bases[cached] = snapshots.table(cached)
                patch.setattr(type(snapshots), "_stays_unsaved", staticmethod(lambda *_: True))
                assert len(snapshots.layers(number)) in (1, 2)
            assert view.table().column("path").to_pylist() == expected
            assert view.digest == digest
    finally:
        work.repo.close()
        shutil.rmtree(work.root)


def test_the_digest_is_what_the_page_says(folder: Path) -> None:
    """Recomputed from docs/format/view.md with nothing but hashes and lengths."""
    work = fresh(folder)
    work.ds.add({"x": b"1", "y/z": b"22"}, labels=["é", "b"])
    work.ds.commit("one")
    work.ds.add({"plain": b"333"})
    work.ds.commit("two")
    examples = [("plain", b"333", []), ("x", b"1", ["b", "é"]), ("y/z", b"22", ["b", "é"])]

    def words(numbers: list[int]) -> bytes:
        return b"".join(n.to_bytes(8, "little") for n in numbers)

    labels = [label.encode() for _, _, mine in examples for label in mine]
    columns = [
        words([len(path.encode()) for path, _, _ in examples]),
        b"".join(path.encode() for path, _, _ in examples),
        b"".join(blake3(data).digest() for _, data, _ in examples),
        words([len(mine) for _, _, mine in examples]),
        words([len(label) for label in labels]),
        b"".join(labels),
    ]
    whole = blake3(b"dsm content 1\n" + words([3]))
    for column in columns:
        whole.update(blake3(column).digest())
    assert work.ds.prepare().digest == whole.hexdigest()


def test_equal_times_are_parted_by_hash(work: Work) -> None:
    """Of equal times the share takes those with the greatest hashes, from all folders, and says so."""
    paths = [f"{folder}/{n}" for folder in ("a", "b") for n in range(50)]
    put(work, {path: (path.encode(), [], 1, None) for path in paths} | {"new": (b"", [], 2, None)})
    work.ds.commit("at one time")
    view = work.ds.prepare(percent="0.5")
    newest = sorted(paths, key=lambda path: blake3(path.encode()).digest(), reverse=True)[:50]
    assert [e.path for e in view] == sorted([*newest, "new"])
    assert view.ties == work.repo.view(view.version).ties == (100, 50)
    assert {path[0] for path in newest} == {"a", "b"}
    smaller = {e.path for e in work.ds.prepare(percent="0.25")}
    assert smaller < {e.path for e in view}
    assert work.ds.prepare().ties is None
    assert work.ds.prepare(percent="0.0099").ties is None  # it ends between two times


@pytest.mark.parametrize("left_out", [[], [0], [999], [0, 1, 2, 500, 998], [*range(5, 400)]])
def test_all_but_a_few_rows(left_out: list[int]) -> None:
    """Rows are the selected ones, whether they are cut out of what is there or copied."""
    table = pa.table({"path": [f"{n:04d}" for n in range(1000)]})
    chosen = [n not in left_out for n in range(1000)]
    unknown = pa.array([each or None for each in chosen])
    for mask in (pa.array(chosen), pa.chunked_array([chosen[:300], chosen[300:]]), unknown):
        rows = Evaluation([Layer(table)], [mask], None, sum(chosen)).rows()
        assert rows.column("path").to_pylist() == [
            f"{n:04d}" for n in range(1000) if n not in left_out
        ]
