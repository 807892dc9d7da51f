"""Reading a view: every example once, in order or shuffled, the right bytes, in bounded memory."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from situations import Work

from dsm.errors import InvalidInput
from dsm.store import batch
from dsm.store.object_errors import ObjectDamaged, ObjectMissing
from dsm.views.reading import iterate, orders, window
from dsm.views.reading.shuffle import shuffled
from dsm.views.selection import columns, payloads
from dsm.views.view import View

COUNT = 2500  # more than two windows


def content(number: int) -> bytes:
    return b"example %d " % number * (number % 50)  # the first of fifty is empty


@pytest.fixture
def many(make_work: Callable[..., Work]) -> View:
    """A view of three packs: raw, compressed and small."""
    work = make_work()
    paths = [f"{number:04d}.bin" for number in range(COUNT)]
    for part in range(3):
        chosen = {paths[n]: content(n) for n in range(part, COUNT, 3)}
        work.ds.add(chosen, labels=["cat", "dog"][part:])
        work.ds.commit(f"part {part}")
    return work.ds.prepare()


def test_in_order(many: View) -> None:
    """Examples come sorted by path, each with its own bytes."""
    found = [(e.path, e.bytes) for e in iterate.iterate(many)]
    assert found == [(f"{n:04d}.bin", content(n)) for n in range(COUNT)]


def test_what_an_example_tells(make_work: Callable[..., Work]) -> None:
    """An example has the columns of the snapshot, and its bytes."""
    work = make_work(pattern="{split}/{label}/{_}.txt")
    work.ds.set_unmatched("unlabelled")
    work.write({"train/cat/a.txt": b"meow", "train/b.txt": b"?"})
    work.ds.add(["."])
    work.ds.commit("one")
    work.ds.label(["train/b.txt"], set=["dog", "ant"])
    work.ds.commit("two")
    b, cat = iterate.iterate(work.ds.prepare())
    known = work.ds.example("train/cat/a.txt")
    assert (cat.path, cat.bytes, cat.labels) == ("train/cat/a.txt", b"meow", ("cat",))
    assert (cat.oid, cat.size, cat.time) == (known.oid, 4, known.time)
    assert (cat.attributes, cat.annotation, cat.changeset) == ({"split": "train"}, None, 1)
    assert (b.attributes, b.labels, b.changeset) == ({}, ("ant", "dog"), 2)
    assert cat.open().read() == b"meow"
    assert repr(cat) == "<example 'train/cat/a.txt': cat; 4 bytes>"


@pytest.mark.parametrize(
    "order",
    [
        [5, 3, 3, 2499, 0], range(COUNT - 1, -1, -1), pa.array([7, 8, 1]), (),
        pa.chunked_array([[9, 8], [7]]), iter([1, 2]),
    ],
)  # fmt: skip
def test_in_a_given_order(many: View, order: object) -> None:
    """Any integers in any order, some of them twice, whatever holds them."""
    wanted = [1, 2] if hasattr(order, "__next__") else [int(str(n)) for n in order]  # type: ignore[attr-defined]
    found = [(e.path, e.bytes) for e in iterate.iterate(many, order)]  # type: ignore[arg-type]
    assert found == [(f"{n:04d}.bin", content(n)) for n in wanted]


def test_shuffled(many: View) -> None:
    """A seed gives every example once, in the order of that seed and epoch."""
    orders = {}
    for seed, epoch in [(0, 0), (0, 1), (1, 0)]:
        examples = list(iterate.iterate(many, seed=seed, epoch=epoch))
        orders[seed, epoch] = [e.path for e in examples]
        wanted = shuffled(COUNT, seed, epoch).to_pylist()
        assert orders[seed, epoch] == [f"{n:04d}.bin" for n in wanted]
        assert [e.bytes for e in examples] == [content(n) for n in wanted]
    assert len({tuple(order) for order in orders.values()}) == 3


def test_the_order_of_a_seed_is_specified() -> None:
    """Positions sorted by 8 bytes each of a keystream that anybody can compute."""
    assert shuffled(10, 1, 2).to_pylist() == specified(10, 1, 2)
    assert shuffled(10, 0, 0).to_pylist() == [6, 5, 9, 1, 2, 0, 3, 8, 4, 7]
    assert shuffled(0, 0).to_pylist() == []
    with pytest.raises(InvalidInput, match="or epoch 0 is not a 64-bit number"):
        shuffled(3, 1 << 63)


def specified(count: int, seed: int, epoch: int) -> list[int]:
    key = b"dsm order 1\n" + b"".join(n.to_bytes(8, "little", signed=True) for n in (seed, epoch))
    stream = blake3(key).digest(length=8 * count)
    words = [int.from_bytes(stream[8 * n : 8 * n + 8], "little") for n in range(count)]
    return sorted(range(count), key=words.__getitem__)


@given(st.integers(0, 300), st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, 1 << 40))
def test_an_order_has_every_position_once(count: int, seed: int, epoch: int) -> None:
    """It is a permutation, and the specified one."""
    order = shuffled(count, seed, epoch).to_pylist()
    assert order == specified(count, seed, epoch)
    assert sorted(order) == list(range(count))


def test_labels_of_any_table() -> None:
    """Labels are right for slices, chosen rows, lists of any length and none."""
    lists = [["a"], [], ["b", "c"], None, ["d"], ["e", "a"]]
    for held in (lists, [names for names in lists if names is not None]):
        table = pa.table({"labels": pa.array(held, pa.list_(pa.string()))})
        wanted = [tuple(names or ()) for names in held]
        for first, count in ((0, 6), (2, 2), (1, 0), (4, 2)):
            part = window.Window(None, table.slice(first, count))  # type: ignore[arg-type]
            assert part.labels == wanted[first : first + count]
        chosen = window.Window(None, table, columns.integers([4, 1, 2, 2]))  # type: ignore[arg-type]
        assert chosen.labels == [wanted[n] for n in (4, 1, 2, 2)]


def test_by_index(many: View) -> None:
    """Indices count in the order of paths; negative ones from the end."""
    for index in (0, 1, 1023, 1024, COUNT - 1, -1, -COUNT):
        example = iterate.example_at(many, index)
        assert (example.path, example.bytes) == (
            f"{index % COUNT:04d}.bin", content(index % COUNT),
        )  # fmt: skip
    assert [e.path for e in iterate.examples_at(many, slice(2, 8, 3))] == ["0002.bin", "0005.bin"]
    for index in (COUNT, -COUNT - 1):
        with pytest.raises(IndexError, match="a view of 2500 examples has no index"):
            iterate.example_at(many, index)


@pytest.mark.parametrize(
    ("order", "named"),
    [([COUNT], f"no index {COUNT}$"), ([0, -1], "no index -1$"), (pa.array([0, None]), "no index")],
)
def test_an_index_that_is_not_there(many: View, order: list[int], named: str) -> None:
    """An index outside of the view is an error that names it, and no other example."""
    with pytest.raises(IndexError, match=named):
        list(iterate.iterate(many, order))


def test_order_or_seed(many: View) -> None:
    """An order and a seed contradict each other."""
    with pytest.raises(InvalidInput, match="give an order or a seed, not both"):
        iterate.iterate(many, [1], seed=1)


def test_bytes_in_any_order_and_twice(many: View) -> None:
    """Bytes are right whichever are asked for, when, and how often."""
    kept = list(iterate.iterate(many))
    for number in (7, 7, 0, 2000, 1, 1999, 2001, 0, 2002):
        assert kept[number].bytes == content(number)


def test_nothing_is_read_for_those_who_ask_for_paths(
    many: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Iterating over paths and labels touches no object, and sparse reading reads what it needs."""
    read: list[int] = []
    real = batch.read_batch

    def counting(store: object, oids: list[bytes], sizes: list[int] | None) -> list[bytes | None]:
        read.append(len(oids))
        return real(store, oids, sizes)  # type: ignore[arg-type]

    monkeypatch.setattr(window, "read_batch", counting)
    assert len([e.path for e in iterate.iterate(many)]) == COUNT
    assert read == []
    for number, example in enumerate(iterate.iterate(many)):
        if number % 100 == 99:
            _ = example.bytes
    assert read == [1] * 25
    read.clear()
    for example in iterate.iterate(many):
        _ = example.bytes
    assert sum(read) == COUNT
    assert max(read) == window.AHEAD


def test_bytes_read_ahead_are_limited(many: View, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held ahead stays below a limit, whatever the order; large examples pass alone."""
    monkeypatch.setattr(window, "AHEAD_BYTES", 1000)
    most = 0
    for order in (None, range(COUNT - 1, -1, -1)):
        seen = []
        for example in iterate.iterate(many, order):
            seen.append(example.bytes)
            held = [data for data in example._rows.ahead if data]  # type: ignore[union-attr]
            most = max(most, sum(map(len, held)))
        wanted = [content(n) for n in (order or range(COUNT))]
        assert seen == wanted
    assert 0 < most <= 1000


def test_large_examples_are_streamed(work: Work) -> None:
    """An example in many chunks is opened as a stream, and read whole when asked for."""
    large = blake3(b"large").digest(length=12 << 20)
    work.ds.add({"a": b"first", "b": large, "c": b"last"})
    work.ds.commit("one")
    view = work.ds.prepare()
    a, b, c = iterate.iterate(view)
    assert (a.bytes, b.bytes, c.bytes) == (b"first", large, b"last")
    with b.open() as file:
        assert (file.read(5), file.read()) == (large[:5], large[5:])
    assert [e.bytes for e in iterate.iterate(view, seed=3)].count(large) == 1


def test_examples_can_be_sent_to_another_process(many: View) -> None:
    """A pickled example has its bytes and all it knew, without the repository."""
    example = iterate.example_at(many, 123)
    sent = pickle.loads(pickle.dumps(example))
    names = ("path", "oid", "size", "time", "labels", "attributes", "annotation", "changeset")
    for name in (*names, "bytes", "bytes"):
        assert getattr(sent, name) == getattr(example, name)
    assert sent.open().read() == content(123)
    assert pickle.loads(pickle.dumps(sent)).bytes == content(123)


def test_a_damaged_object_is_never_handed_out(work: Work) -> None:
    """A flipped bit raises ObjectDamaged for that example, and the others are read."""
    work.ds.add({f"{n}.jpg": blake3(b"%d" % n).digest(length=3000) for n in range(5)})
    work.ds.commit("one")
    view = work.ds.prepare()
    good = [e.bytes for e in iterate.iterate(view)]
    (pack,) = Path(work.repo.layout.packs).rglob("*.pack")
    data = bytearray(pack.read_bytes())
    data[data.index(good[2]) + 100] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
    view = work.reopen().prepare()
    with pytest.raises(ObjectDamaged) as caught:
        list(e.bytes for e in iterate.iterate(view))
    assert caught.value.oid == blake3(good[2]).digest()
    for number in (0, 1, 3, 4):
        assert iterate.example_at(view, number).bytes == good[number]


def test_a_missing_object_is_told(work: Work) -> None:
    """Without its pack an example cannot be read, and the error names the object."""
    work.ds.add({"a": b"alone"})
    work.ds.commit("one")
    (pack,) = Path(work.repo.layout.packs).rglob("*.pack")
    pack.unlink()
    with pytest.raises(ObjectMissing, match="is not in the store"):
        _ = next(iter(iterate.iterate(work.reopen().prepare()))).bytes


def test_packs_may_move_while_reading(many: View) -> None:
    """Objects that now lie in another pack, as after gc, are found there."""
    store = many.repository.store
    iterator = iterate.iterate(many)
    assert next(iterator).bytes == content(0)
    for number, pack in enumerate(list(store.lookup.packs)):
        pack.close()
        path = Path(pack.path)
        path.rename(path.with_name(f"{path.parent.name}{number:062x}.pack"))
    assert [e.bytes for e in iterator] == [content(n) for n in range(1, COUNT)]


def test_no_example_at_all(work: Work) -> None:
    """A view whose table is empty has no windows."""
    work.ds.add({"a": b"1"})
    work.ds.commit("one")
    view = work.ds.prepare()
    view.__dict__["_table"] = view.table().slice(0, 0)
    assert list(iterate.iterate(view)) == []
    assert list(iterate.iterate(view, seed=1)) == []
    assert iterate.examples_at(view, slice(0, 5)) == []


@pytest.mark.parametrize("key", ["id", None])
def test_records_are_read_in_any_order(
    work: Work, key: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Records are what their lines are, in the order of the file, of keys that are hashes, and
    shuffled, in windows that grow, and as a file again."""
    monkeypatch.setattr(window, "WINDOW", 64)
    monkeypatch.setattr(orders, "WINDOW", 64)
    monkeypatch.setattr(payloads, "BATCH_EXAMPLES", 64)
    lines = [b'{"id": "%05d", "text": "%s"}' % (n, b"word " * (n % 200)) for n in range(1500)]
    work.write({"t.jsonl": b"\n".join(lines)})
    work.ds.add(["t.jsonl"], records=True, key_field=key)
    work.ds.commit("one")
    work.reopen()
    view = work.ds.prepare()
    keys = {line: line[8:13] if key else blake3(line).hexdigest()[:16].encode() for line in lines}
    expected = sorted(lines, key=keys.__getitem__)
    assert expected == [example.bytes for example in iterate.iterate(view)]
    assert expected == [batch["content"][n].as_py() for batch in iterate.batches(view)
                        for n in range(len(batch))]  # fmt: skip
    windows = orders.in_windows(
        view.repository.store, view.table(), None, 1, 0, classes=lambda: view.stored_classes
    )
    order = shuffled(1500, 1).to_pylist()
    sizes = []
    for rows in windows:
        sizes.append(len(rows))
        taken, order = order[: len(rows)], order[len(rows) :]
        assert [expected[n] for n in taken] == [example.bytes for example in rows.examples()]
    assert (sizes[:4], order) == ([64, 128, 256, 512], [])
    view.get(str(tmp_path / "out"), format="jsonl")
    written = b"".join(path.read_bytes() for path in sorted((tmp_path / "out").glob("*.jsonl")))
    assert b"\n".join(expected) + b"\n" == written
