"""Snapshots: the fold of all changesets up to one, however it is reached and whatever is cached."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pyarrow as pa
import pytest
from situations import Work

from dsm.errors import InvalidInput, NotFound
from dsm.history import snapshot as module
from dsm.maintenance.fsck import fsck
from dsm.model.example import Example
from dsm.store import disk


def cached(work: Work) -> list[Path]:
    return sorted(Path(work.repo.layout.cache("data")).iterdir())


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every snapshot that folds more than two changesets is cached."""
    monkeypatch.setattr(module, "OVERLAY_CHANGESETS", 2)


def grown(work: Work, changesets: int = 20) -> list[dict[str, tuple[bytes, tuple[str, ...]]]]:
    """A history of random changes; returns what each snapshot holds."""
    source = random.Random("history")
    state: dict[str, tuple[bytes, tuple[str, ...]]] = {}
    states = [dict(state)]
    for number in range(changesets):
        for _ in range(source.randint(1, 6)):
            path = f"dir{source.randint(0, 2)}/file{source.randint(0, 9)}"
            what = source.choice(["put", "put", "label", "drop"])
            if what == "put":
                data, labels = f"{number} {source.random()}".encode(), state.get(path, (b"", ()))[1]
                work.ds.add({path: data})
                state[path] = (data, labels)
            elif path in state and what == "label":
                label = source.choice(["cat", "dog"])
                work.ds.label([path], set=[label])
                state[path] = (state[path][0], (label,))
            elif path in state:
                work.ds.remove([path])
                del state[path]
        work.ds.commit(f"change {number}", allow_empty=True)
        states.append(dict(state))
    return states


def test_every_snapshot_is_the_fold_of_its_changesets(work: Work) -> None:
    """Last writer wins, at every number, in any order of asking."""
    states = grown(work)
    order = list(range(1, len(states)))
    random.Random(0).shuffle(order)
    for number in order:
        assert work.snapshot(number) == states[number], number
    assert work.ds.snapshots.table(0).num_rows == 0


def test_cached_snapshots_give_the_same(work: Work, eager: None) -> None:
    """With caches of older snapshots, damaged caches, or none: the same answers."""
    states = grown(work)
    for number in range(1, len(states)):
        assert work.snapshot(number) == states[number]
    assert len(cached(work)) >= 2
    rng = random.Random(3)
    for damage in range(12):
        for path in cached(work):
            data = bytearray(path.read_bytes())
            if damage % 4 == 0 and data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            elif damage % 4 == 1 and data:
                del data[rng.randrange(len(data)) :]
            elif damage % 4 == 2:
                data = bytearray()
            else:
                path.rename(path.with_name(path.name.replace("0", "1")))
                continue
            path.write_bytes(data)
        number = rng.randrange(1, len(states))
        assert work.snapshot(number) == states[number]
        assert work.snapshot() == states[-1]
    for path in cached(work):
        path.unlink()
    assert work.snapshot() == states[-1]


def test_the_cache_of_another_history_is_not_believed(work: Work, eager: None) -> None:
    """A cached snapshot belongs to one changeset id: one of another number or history is passed."""
    states = grown(work, 12)
    for number in range(1, 13):
        work.snapshot(number)
    kept = [path for path in cached(work) if path.name.startswith("0000")]
    (Path(work.repo.layout.cache("data")) / f"00000012-{'ab' * 32}.snapshot").write_bytes(
        kept[0].read_bytes()
    )
    own = work.ds.changeset(11).id
    (Path(work.repo.layout.cache("data")) / f"00000011-{own}.snapshot").write_bytes(b"DSMSNAP\1")
    for stray in ("x.snapshot", "²-x.snapshot", "-1-x.snapshot", "00000003.snapshot"):
        (Path(work.repo.layout.cache("data")) / stray).write_bytes(b"")
    assert work.snapshot(12) == states[12]
    assert work.snapshot(11) == states[11]


def test_caches_that_changed_places(work: Work, eager: None) -> None:
    """The file of one snapshot under the name of another is not believed, and fsck names it."""
    states = grown(work, 12)
    for number in range(1, 13):
        work.snapshot(number)
    one, other = cached(work)[-2:]
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    work.reopen()
    assert [f.kind for f in fsck(work.repo).findings] == ["cache", "cache"]
    for number in range(1, 13):
        assert work.snapshot(number) == states[number]


def test_few_caches_are_kept(work: Work, eager: None) -> None:
    """Old caches go as new ones come: their number grows with the logarithm of the history."""
    for number in range(1, 41):
        work.ds.add({"a": b"%d" % number})
        work.ds.commit("change")
        work.snapshot(number)
    assert 2 <= len(cached(work)) <= 9


def test_a_cache_that_cannot_be_written_costs_only_time(work: Work, eager: None) -> None:
    """Where the cache folder is gone or taken by a file, snapshots are folded each time."""
    states = grown(work, 8)
    folder = Path(work.repo.layout.cache("data"))
    for path in cached(work):
        path.unlink()
    folder.rmdir()
    assert work.snapshot(8) == states[8]
    for path in cached(work):
        path.unlink()
    folder.rmdir()
    folder.write_bytes(b"a file")
    assert work.snapshot(8) == states[8]


@pytest.fixture
def folds(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[int]]]:
    """What is folded: how many rows the base has (-1: there is none), and which changesets."""
    seen: list[tuple[int, list[int]]] = []
    really = module.fold

    def fold(base: pa.Table | None, parts: list[pa.Table], types: object) -> pa.Table:
        numbers = [part.column("changeset")[0].as_py() for part in parts]
        seen.append((-1 if base is None else base.num_rows, numbers))
        return really(base, parts, types)

    monkeypatch.setattr(module, "fold", fold)
    return seen


@pytest.mark.parametrize("kept", ["on disk", "in memory"])
def test_a_saved_snapshot_is_the_base_of_later_ones(
    work: Work, eager: None, folds: list[tuple[int, list[int]]], kept: str
) -> None:
    """A snapshot begins at the newest one before it that is known, and folds the later manifests
    only: be that one in the cache, or in memory because the cache could not be written."""
    for number in range(1, 10):
        work.ds.add({f"{number}": b"%d" % number})
        work.ds.commit("change")
    snapshots = work.reopen().snapshots

    def fail(operation: str, path: str) -> None:
        if "/snapshot-" in path:
            raise OSError(28, "No space left on device")

    folds.clear()
    with disk.observe(fail if kept == "in memory" else lambda *_: None):
        snapshots.table(4)
        assert bool(cached(work)) == (kept == "on disk")
        if kept == "on disk":
            snapshots = work.reopen().snapshots
        for number in (6, 4, 7, 9):
            assert snapshots.table(number).num_rows == number
    later = [(4, [5, 6]), (4, [5, 6, 7]), (7, [8, 9])]
    assert folds == [(-1, [1, 2, 3, 4]), *later]


def test_the_table_has_every_column(work: Work) -> None:
    """Path, object, size, time, labels, annotation, typed attributes, and who put it."""
    work.write({"labels.jsonl": '{"path": "a", "label": "x", "width": 3, "ok": true, "time": "1970-01-01T00:00:05Z"}\n'
                                '{"path": "b", "annotation": {"k": [1]}, "s": "t", "f": 0.5}\n',
                "a": "1", "b": "22"})  # fmt: skip
    work.ds.add(["a", "b"], label_file=str(work.path("labels.jsonl")))
    work.ds.commit("one")
    work.ds.label(["b"], add=["y"])
    work.ds.commit("two")
    table = work.ds.snapshot()
    assert table.column_names == [
        "path", "object", "offset", "length", "size", "time", "labels", "annotation",
        "attr.f", "attr.ok", "attr.s", "attr.width", "time_given", "records", "changeset",
    ]  # fmt: skip
    assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"
    rows = table.to_pylist()
    assert [row["labels"] for row in rows] == [["x"], ["y"]]
    assert [row["changeset"] for row in rows] == [1, 2]
    assert [row["attr.width"] for row in rows] == [3, None]
    assert [row["attr.f"] for row in rows] == [None, 0.5]
    assert rows[1]["annotation"] == '{"k":[1]}'
    assert rows[0]["time"].timestamp() == 5
    assert [row["time_given"] for row in rows] == [True, None]


@pytest.mark.parametrize("many", [False, True])
def test_looking_up_paths_agrees_with_the_table(work: Work, many: bool) -> None:
    """Few paths are found by searching, many by one pass: the answers are the snapshot's."""
    states = grown(work)
    ds = work.ds
    for number, state in enumerate(states):
        if number:
            asked = (
                [f"dir{d}/file{f}" for d in range(3) for f in range(10)] if many else ["dir1/file3"]
            )
            found = ds.snapshots.lookup(number, [*asked, "nowhere", "dir1"])
            assert {path: example.labels for path, example in found.items()} == {
                path: labels for path, (_, labels) in state.items() if path in asked
            }
            assert all(isinstance(example, Example) for example in found.values())
            objects = ds.snapshots.objects(number, [*asked, "nowhere", "dir1"])
            assert objects == {path: example.oid for path, example in found.items()}


def test_large_and_small_changes_over_a_large_snapshot(work: Work) -> None:
    """Splicing few rows into many, and merging many, give the same as folding from the start."""
    first = {f"{n:05d}": b"" for n in range(3000)}
    work.ds.add(first)
    work.ds.commit("many")
    assert work.ds.snapshot().num_rows == 3000
    expected = dict(first)
    changes: list[dict[str, bytes | None]] = [
        {"00000": b"x", "02999": b"y", "a": b"z", "!": b"w", "01500": None},
        {"": b""} and {"00001x": b"1", "00001": None, "00002": None, "0": b"0"},
        {f"{n:05d}": b"m" for n in range(0, 3000, 2)},
        {"~": b"last"},
    ]
    for change in changes:
        work.ds.add({path: data for path, data in change.items() if data is not None})
        gone = [path for path, data in change.items() if data is None]
        if gone:
            work.ds.remove(gone)
        work.ds.commit("few")
        for path, data in change.items():
            if data is None:
                del expected[path]
            else:
                expected[path] = data
        table = work.reopen().snapshot()
        paths = table.column("path").to_pylist()
        assert paths == sorted(expected)
        sizes = dict(zip(paths, table.column("size").to_pylist(), strict=True))
        assert sizes == {path: len(data) for path, data in expected.items()}
    assert work.ds.ls(["00001x"]).__next__().size == 1


def test_int_attributes_that_become_float(work: Work) -> None:
    """Where later rows make an attribute float, earlier integers are floats in the snapshot."""
    work.write({"one.jsonl": '{"path": "a", "x": 1}\n{"path": "b", "x": 9007199254740992}\n',
                "two.jsonl": '{"path": "c", "x": 0.5}\n', "a": "", "b": "", "c": ""})  # fmt: skip
    work.ds.add(["a", "b"], label_file=str(work.path("one.jsonl")))
    work.ds.commit("one")
    work.ds.add(["c"], label_file=str(work.path("two.jsonl")))
    work.ds.commit("two")
    assert work.ds.snapshot(1).column("attr.x").type == pa.int64()
    values = work.ds.snapshot(2).column("attr.x").to_pylist()
    assert values == [1.0, 9007199254740992.0, 0.5]
    assert work.ds.example("b", 1).attributes == {"x": 9007199254740992}


def test_no_integer_loses_digits_by_a_later_float(work: Work) -> None:
    """An attribute does not become float while an example has an integer that no float can hold."""
    work.write({"one.jsonl": '{"path": "a", "x": 9007199254740993}\n',
                "two.jsonl": '{"path": "b", "x": 0.5}\n', "a": "", "b": ""})  # fmt: skip
    work.ds.add(["a"], label_file=str(work.path("one.jsonl")))
    work.ds.commit("one")
    work.ds.add(["b"], label_file=str(work.path("two.jsonl")))
    with pytest.raises(InvalidInput, match="'a' has 9007199254740993, which would lose digits"):
        work.ds.commit("two")
    assert work.ds.snapshot().column("attr.x").to_pylist() == [9007199254740993]
    work.ds.remove(["a"])
    work.ds.commit("three")
    assert work.ds.snapshot().column("attr.x").to_pylist() == [0.5]


def test_an_attribute_that_changes_its_type_is_refused(work: Work) -> None:
    """It is not staged, be it the head or the stage that has the other type; the path is named."""
    work.write({"one.jsonl": '{"path": "a", "x": 1}\n', "two.jsonl": '{"path": "b", "x": "one"}\n',
                "a": "", "b": ""})  # fmt: skip
    work.ds.add(["a"], label_file=str(work.path("one.jsonl")))
    work.ds.commit("one")
    for dry_run in (True, False):
        with pytest.raises(InvalidInput, match="attribute 'x' of 'b' is string, but it is int"):
            work.ds.add(["b"], label_file=str(work.path("two.jsonl")), dry_run=dry_run)
    with pytest.raises(InvalidInput, match="attribute 'x' of 'b' is string, but it is int"):
        work.ds.add({"b": b""}, label_file=str(work.path("two.jsonl")))
    assert work.state()[0] == []
    work.write({"three.jsonl": '{"path": "b", "y": "one"}\n', "four.jsonl": '{"path": "c", "y": 1}',
                "five.jsonl": '{"path": "b", "y": 1}', "c": ""})  # fmt: skip
    work.ds.add(["b"], label_file=str(work.path("three.jsonl")))
    with pytest.raises(InvalidInput, match="attribute 'y' of 'c' is int, but it is string"):
        work.ds.add(["c"], label_file=str(work.path("four.jsonl")))
    work.ds.add(["b"], label_file=str(work.path("five.jsonl")))
    work.ds.commit("two")
    assert work.ds.snapshot().column("attr.x").to_pylist() == [1, None]
    assert work.ds.snapshot().column("attr.y").to_pylist() == [None, 1]


@pytest.mark.parametrize("path", ["", "nowhere", "/a", "../a", "a\udcff", "a\0b", "A", "x" * 5000])
def test_examples_that_are_not_there(work: Work, path: str) -> None:
    """Whatever is asked for, the answer is an error of ours."""
    work.commit("one", a="a", b="b")
    for ask in (work.ds.example, work.ds.read, work.ds.open):
        with pytest.raises(
            (NotFound, InvalidInput),
            match=r"a path is empty|has no example|the path .* (is absolute|has the component|contains a NUL|is [0-9,]+ bytes long)|is not UTF-8",
        ):
            ask(path)
    assert os.path.isdir(work.root)
