"""Both sides committed: a pull puts this copy's changesets on top, or says what collides."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from tiers import LONG

import dsm
from dsm.errors import InvalidInput
from dsm.maintenance import gc
from dsm.remotes.collisions import HistoriesDiverged
from dsm.remotes.push import RemoteMoved
from dsm.store import disk

from .conftest import Copy

Clones = Callable[..., Copy]


@pytest.fixture
def pair(origin: Copy, tmp_path: Path, clone_of: Clones) -> tuple[Copy, Copy]:
    """Two copies of one remote that are the same."""
    origin.repo.remotes.add("origin", str(tmp_path / "remote"))
    origin.repo.push(tags=True)
    return origin, clone_of(str(tmp_path / "remote"))


def test_changesets_are_put_on_top(pair: tuple[Copy, Copy]) -> None:
    """Two of each side that do not touch: four follow, in both copies the same, and all files."""
    one, two = pair
    one.commit("one a", owl__3="a")
    one.commit("one b", owl__1="of one")
    one.repo.push()
    two.commit("two a", wren__3="a")
    two.commit("two b", wren__1=None)
    (pulled,) = two.repo.pull().datasets
    assert [(each.old, each.new) for each in pulled.renumbered] == [(3, 5), (4, 6)]
    assert [c.message for c in two.dataset.log()] == [
        "two b",
        "two a",
        "one b",
        "one a",
        "second",
        "first",
    ]
    assert two.files() == two.contents()
    assert two.dataset.status().clean
    assert two.sound()
    two.repo.push()
    one.repo.pull()
    assert [c.id for c in one.dataset.log()] == [c.id for c in two.dataset.log()]
    assert one.files() == two.files()


def test_transactions_survive(pair: tuple[Copy, Copy]) -> None:
    """A changeset keeps its transaction, message, author and time; number, parent and id change."""
    one, two = pair
    one.commit("theirs", a="a")
    one.repo.push()
    two.commit("mine", b="b")
    before = two.dataset.changeset("head")
    two.repo.pull()
    after = two.dataset.changeset("head")
    assert (before.transaction, before.message, before.time) == (
        after.transaction,
        after.message,
        after.time,
    )
    assert (before.number + 1, 5) == (after.number, after.examples)
    assert before.id != after.id


def test_what_was_pinned_is_carried_over(pair: tuple[Copy, Copy]) -> None:
    """Tags and views of renumbered changesets speak of the same changeset as before."""
    one, two = pair
    one.commit("theirs", a="a")
    one.repo.push()
    two.commit("mine", owl__9="nine")
    two.dataset.tag("mine", 3, "kept")
    two.dataset.prepare(paths=["owl/*"], name="nines")
    (pulled,) = two.repo.pull().datasets
    assert pulled.carried == ("tag mine", "view nines")
    assert two.dataset.resolve("mine") == 4
    assert two.dataset.changeset("mine").message == "mine"
    view = two.repo.view("nines")
    assert (view.query.at, [e.path for e in view]) == (4, ["owl/1", "owl/2", "owl/9"])
    assert two.dataset.resolve("v1") == 1
    assert two.sound()


def test_collisions_are_listed_and_nothing_moves(pair: tuple[Copy, Copy]) -> None:
    """Examples that both changed differently are named; the copy is as it was."""
    one, two = pair
    one.commit("theirs", owl__1="theirs", owl__2="same")
    one.repo.push()
    two.commit("mine", owl__1="mine", owl__2="same")
    before = ([c.id for c in two.dataset.log()], two.files())
    with pytest.raises(HistoriesDiverged) as caught:
        two.repo.pull()
    assert caught.value.items == ("owl/1",)
    two = two.again()
    assert before == ([c.id for c in two.dataset.log()], two.files())
    assert two.dataset.status().clean
    assert two.sound()


@pytest.mark.parametrize(("side", "content"), [("ours", b"mine"), ("theirs", b"theirs")])
def test_a_side_may_be_chosen(pair: tuple[Copy, Copy], side: str, content: bytes) -> None:
    """What both changed is as one side has it; what was the same on both is said once."""
    one, two = pair
    one.commit("theirs", owl__1="theirs", owl__2="same", only__theirs="1")
    one.repo.push()
    two.commit("mine", owl__1="mine", owl__2="same", only__mine="1")
    (pulled,) = two.repo.pull(side=side).datasets
    assert pulled.dropped == ("owl/1",)
    assert content == two.contents()["owl/1"] == two.files()["owl/1"]
    assert {"only/theirs", "only/mine"} <= two.contents().keys()
    assert two.dataset.status().clean
    assert two.sound()
    counts = two.dataset.changeset("head").counts
    assert (1, 1 if side == "ours" else 0) == (counts.added, counts.modified)


def test_an_example_is_no_folder_as_well(pair: tuple[Copy, Copy]) -> None:
    """A file here where the remote has a folder can give way, and cannot be put on top."""
    one, two = pair
    one.commit("theirs", new__file="theirs")
    one.repo.push()
    two.commit("mine", new="mine")
    for side in (None, "ours"):
        with pytest.raises(HistoriesDiverged) as caught:
            two.repo.pull(side=side)
        assert caught.value.items == ("new",)
    two.repo.pull(side="theirs")
    assert "new/file" in two.contents() and "new" not in two.contents()
    assert two.sound()


def test_what_is_staged_is_kept_apart(pair: tuple[Copy, Copy]) -> None:
    """With staged changes, nothing is renumbered: the pull says what to do first."""
    one, two = pair
    one.commit("theirs", a="a")
    one.repo.push()
    two.commit("mine", b="b")
    (two.root / "c").write_text("staged")
    two.dataset.add([str(two.root / "c")])
    with pytest.raises(HistoriesDiverged, match="staged changes"):
        two.repo.pull()
    assert [change.path for change in two.dataset.status().staged] == ["c"]


def test_edited_files_stay(pair: tuple[Copy, Copy]) -> None:
    """An edit that was not committed is left alone when changesets are put on top."""
    one, two = pair
    one.commit("theirs", owl__1="theirs")
    one.repo.push()
    two.commit("mine", b="b")
    (two.root / "owl" / "1").write_text("edited")
    (pulled,) = two.repo.pull().datasets
    assert pulled.left == ("owl/1",)
    assert two.files()["owl/1"] == b"edited"
    assert [change.path for change in two.dataset.status().unstaged] == ["owl/1"]


def test_a_crash_at_any_write_leaves_one_or_the_other(pair: tuple[Copy, Copy]) -> None:
    """After any write that fails, the history is the old one or the new one, and a pull finishes."""
    one, two = pair
    one.commit("theirs", a="a")
    one.repo.push()
    two.commit("mine", b="b")
    two.dataset.tag("mine", 3)
    old = [c.id for c in two.dataset.log()]
    calls = 0

    def count(operation: str, path: str) -> None:
        nonlocal calls
        calls += 1

    class Stop(BaseException):
        pass

    for stop in range(0, 400, 1 if LONG else 7):
        calls = 0

        def fail(operation: str, path: str, stop: int = stop) -> None:
            count(operation, path)
            if calls > stop:
                raise Stop

        try:
            with disk.observe(fail):
                two.repo.pull()
            done = True
        except Stop:
            done = False
        two = two.again()
        now = [c.id for c in two.dataset.log()]
        assert now == old or (len(now) == 4 and now[1:] == [c.id for c in one.dataset.log()])
        if now != old:
            break
        assert not done
    two.repo.pull()
    assert two.sound()
    assert two.dataset.changeset("mine").message == "mine"
    gc.apply_gc(two.repo, gc.plan_gc(two.repo))
    assert [
        n for n in os.listdir(Path(two.repo.path) / "datasets") if n.startswith(".removed-")
    ] == []


def test_many_push_at_once(origin: Copy, shared_place: str, tmp_path: Path) -> None:
    """Clones that commit, pull and push side by side: nothing is lost, no number skipped."""
    writers, each = (8, 10) if LONG else (3, 2)
    place = shared_place
    origin.repo.remotes.add("origin", place)
    origin.repo.push()
    for writer in range(writers):
        dsm.clone(place, tmp_path / f"writer-{writer}")

    def work(writer: int) -> None:
        with dsm.open(tmp_path / f"writer-{writer}") as repo:
            for number in range(each):
                name = f"by-{writer}-{number}"
                repo.dataset().add({name: name.encode() * 50})
                repo.dataset().commit(name)
                for _ in range(200):
                    try:
                        repo.push()
                        break
                    except RemoteMoved:
                        repo.pull()
                else:
                    raise AssertionError("never came through")

    with ThreadPoolExecutor(writers) as workers:
        list(workers.map(work, range(writers)))
    origin.repo.pull()
    messages = [c.message for c in origin.dataset.log()]
    assert 2 + writers * each == len(messages)
    wanted = {f"by-{writer}-{number}" for writer in range(writers) for number in range(each)}
    assert wanted | {"first", "second"} == set(messages)
    assert wanted <= origin.contents().keys()
    assert origin.sound()


def diverged(one: Copy, two: Copy) -> None:
    """Four examples that both changed, each in another way, and one that only `two` has."""
    one.commit("theirs", owl__1="theirs", owl__2=None, new="theirs", wren__1="theirs")
    one.repo.push()
    two.commit("mine", owl__1="mine", owl__2="mine", new="mine", only="mine")
    two.commit("mine again", wren__1=None)


def test_each_example_may_have_its_side(pair: tuple[Copy, Copy]) -> None:
    """Globs settle some, a name alone wins over a glob's letters, and the rest goes by the side; the
    report says what each side had."""
    one, two = pair
    diverged(one, two)
    with pytest.raises(HistoriesDiverged) as caught:
        two.repo.pull(ours=["owl/*"], theirs=["new"])
    assert caught.value.items == ("wren/1",)
    assert caught.value.report is not None
    told = [
        (c.path, c.side, c.ours.change, c.theirs.change) for c in caught.value.report.collisions
    ]
    assert told == [
        ("new", "theirs", "added", "added"),
        ("owl/1", "ours", "modified", "modified"),
        ("owl/2", "ours", "modified", "deleted"),
        ("wren/1", None, "deleted", "modified"),
    ]
    (pulled,) = two.repo.pull(ours=["owl/*"], theirs=["new"], side="ours").datasets
    assert [(c.path, c.side) for c in pulled.settled][-1] == ("wren/1", "ours")
    assert pulled.settled[1].theirs.object == dsm_id(b"theirs")
    wanted = {"new": b"theirs", "only": b"mine", "owl/1": b"mine", "owl/2": b"mine"}
    assert wanted == two.contents() == two.files()
    assert two.dataset.status().clean and two.sound()
    head = two.dataset.changeset("head")
    assert (head.examples, head.counts.deleted) == (4, 1)


def dsm_id(data: bytes) -> str:
    return blake3(data).hexdigest()


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"ours": ["owl/1"], "theirs": ["owl/*"]}, "ours and theirs"),
        ({"ours": ["nothing"], "side": "theirs"}, "no example that nothing takes"),
        ({"ours": [""]}, "no path"),
        ({"theirs": ["a["]}, "fits no path"),
        ({"side": "both"}, "'ours' or 'theirs'"),
    ],
)
def test_choices_that_make_no_sense(
    pair: tuple[Copy, Copy], choices: dict[str, Any], words: str
) -> None:
    """Two sides for one example, or a glob that takes none of them, is refused, and nothing moves."""
    one, two = pair
    diverged(one, two)
    before = ([c.id for c in two.dataset.log()], two.files())
    with pytest.raises(InvalidInput, match=words):
        two.repo.pull(**choices)
    assert before == ([c.id for c in two.dataset.log()], two.files())


def test_choices_without_a_collision(pair: tuple[Copy, Copy]) -> None:
    """Where nothing collides, choices that were made ahead do no harm."""
    one, two = pair
    one.commit("theirs", a="a")
    one.repo.push()
    two.commit("mine", b="b")
    (pulled,) = two.repo.pull(ours=["owl/*"], side="theirs").datasets
    assert (len(pulled.renumbered), pulled.settled) == (1, ())


def test_names_with_letters_of_globs(pair: tuple[Copy, Copy]) -> None:
    """An example named as it is listed is that one, whatever its name would mean as a glob."""
    one, two = pair
    one.commit("theirs", **{"a[1]": "theirs", "a1": "theirs"})
    one.repo.push()
    two.commit("mine", **{"a[1]": "mine", "a1": "mine"})
    two.repo.pull(ours=["a[1]"], theirs=["a1"])
    assert (two.contents()["a[1]"], two.contents()["a1"]) == (b"mine", b"theirs")


def test_nothing_goes_over_the_line_before_it_is_settled(pair: tuple[Copy, Copy]) -> None:
    """A pull that is refused has downloaded no pack."""
    one, two = pair
    one.commit("theirs", owl__1=os.urandom(3000))
    one.repo.push()
    two.commit("mine", owl__1="mine")
    packs = sorted(os.listdir(Path(two.repo.path) / "packs"))
    with pytest.raises(HistoriesDiverged):
        two.repo.pull()
    assert packs == sorted(os.listdir(Path(two.repo.path) / "packs"))


def rows(copy: Copy) -> list[Any]:
    """The records of the file."""
    return [e for e in copy.dataset.ls() if e.path.startswith("rows.jsonl#")]


LINES = '{"id": "a", "label": "x"}\n{"id": "b", "label": "x"}\n{"id": "c", "label": "x"}\n'


@pytest.fixture
def with_records(pair: tuple[Copy, Copy]) -> tuple[Copy, Copy]:
    """Two copies that have a records file as well, and are the same."""
    one, two = pair
    (one.root / "rows.jsonl").write_text(LINES)
    one.dataset.add([one.root / "rows.jsonl"], records=True, key_field="id")
    one.dataset.commit("rows")
    one.repo.push()
    two.repo.pull()
    return one, two


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_a_records_file_is_settled_with_its_records(
    with_records: tuple[Copy, Copy], side: str
) -> None:
    """A records file that both edited is as one side has it, byte for byte, with all its records."""
    one, two = with_records
    (one.root / "rows.jsonl").write_text(LINES.replace('"a", "label": "x"', '"a", "label": "t"'))
    one.dataset.add([one.root / "rows.jsonl"])
    one.dataset.label([one.root / "rows.jsonl#c"], set=["theirs"])
    one.dataset.commit("theirs")
    one.repo.push()
    (two.root / "rows.jsonl").write_text(LINES + '{"id": "d", "label": "m"}\n')
    two.dataset.add([two.root / "rows.jsonl"])
    two.dataset.commit("mine")
    two.commit("mine later", later="later")
    with pytest.raises(HistoriesDiverged) as caught:
        two.repo.pull()
    assert caught.value.items == ("rows.jsonl",)
    with pytest.raises(InvalidInput, match="settled together"):
        two.repo.pull(ours=["rows.jsonl#a"])
    kept = rows(one if side == "theirs" else two)
    kept = [(e.path, e.oid, e.labels) for e in kept]
    content = ((one if side == "theirs" else two).root / "rows.jsonl").read_bytes()
    two.repo.pull(**{side: ["rows.jsonl"]})
    assert kept == [(e.path, e.oid, e.labels) for e in rows(two)]
    assert content == (two.root / "rows.jsonl").read_bytes()
    assert two.dataset.status().clean and two.sound()
    assert two.dataset.changeset("head").examples == len(list(two.dataset.ls()))


def test_labels_of_records_are_settled_one_by_one(with_records: tuple[Copy, Copy]) -> None:
    """Records that both labelled anew, in a file that nobody edited, each have their side."""
    one, two = with_records
    for copy, word in ((one, "theirs"), (two, "mine")):
        copy.dataset.label([copy.root / f"rows.jsonl#{key}" for key in "ab"], set=[word])
        copy.dataset.commit(word)
    one.repo.push()
    with pytest.raises(HistoriesDiverged) as caught:
        two.repo.pull(ours=["rows.jsonl#a"])
    assert caught.value.items == ("rows.jsonl#b",)
    two.repo.pull(ours=["rows.jsonl#a"], theirs=["rows.jsonl#b"])
    labels = {e.path[-1]: e.labels for e in rows(two)}
    assert labels == {"a": ("mine",), "b": ("theirs",), "c": ()}
    assert two.sound()


def test_the_same_records_file_on_both_sides(pair: tuple[Copy, Copy]) -> None:
    """Added alike by both, it is counted once."""
    for copy in pair:
        (copy.root / "rows.jsonl").write_text(LINES)
        copy.dataset.add([copy.root / "rows.jsonl"], records=True, key_field="id")
        copy.dataset.commit("rows")
    one, two = pair
    one.repo.push()
    two.repo.pull()
    assert two.dataset.changeset("head").records_files == 1
    assert two.dataset.changeset("head").examples == 3 + 3
    assert two.sound()


def test_exact_shares_are_not_dealt_out_anew_unasked(pair: tuple[Copy, Copy]) -> None:
    """A split with exact shares of a changeset that would be renumbered is named, and nothing moves;
    splits by hash and segments outlive it."""
    one, two = pair
    one.commit("theirs", a="a")
    one.repo.push()
    two.commit("mine", b="b", c="c")
    two.dataset.splits.create("old", parts=["train=50%", "test=50%"], exact=True, at=2)
    two.dataset.splits.create("hashed", parts=["train=50%", "test=50%"])
    two.dataset.segments.create("mine", paths=["b"])
    two.dataset.splits.create("new", parts=["train=50%", "test=50%"], exact=True)
    before = [c.id for c in two.dataset.log()]
    with pytest.raises(HistoriesDiverged) as caught:
        two.repo.pull(side="ours")
    assert (caught.value.items, before) == (("new",), [c.id for c in two.dataset.log()])
    two.dataset.splits.remove("new")
    two.repo.pull()
    for split in ("old:train", "hashed:train"):
        assert len(two.dataset.prepare(split=split)) > 0
    assert [e.path for e in two.dataset.prepare(segment=["mine"])] == ["b"]
    assert two.sound()
