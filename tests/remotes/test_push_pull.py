"""Pushing, fetching, pulling and cloning: what arrives is what was sent, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import dsm
from dsm.errors import AlreadyExists, Conflict, DamagedData, InvalidInput, NotFound, Refused
from dsm.remotes.address import open_backend
from dsm.remotes.contents import OtherRepository
from dsm.remotes.incoming import HistoryRewritten
from dsm.remotes.push import RemoteMoved
from dsm.remotes.tables import PACKS

from .conftest import Copy

Clones = Callable[..., Copy]


def pushed(origin: Copy, place: str) -> str:
    origin.repo.remotes.add("origin", place)
    origin.repo.push(tags=True)
    return place


def test_a_clone_is_the_same(origin: Copy, place: str, clone_of: Clones) -> None:
    """Changesets with their ids, content, files, tags, views and names; fsck finds nothing."""
    clone = clone_of(pushed(origin, place))
    assert [c.id for c in origin.dataset.log()] == [c.id for c in clone.dataset.log()]
    assert origin.contents() == clone.contents()
    assert origin.files() == clone.files()
    assert origin.dataset.tags() == clone.dataset.tags()
    assert origin.repo.view("owls").version == clone.repo.view("owls").version
    assert origin.repo.id == clone.repo.id
    assert clone.dataset.status().clean
    assert clone.sound()


def test_a_pull_brings_what_was_pushed(origin: Copy, every_place: str, clone_of: Clones) -> None:
    """New examples, changes and deletions, in the history and in the files."""
    clone = clone_of(pushed(origin, every_place))
    origin.commit("third", owl__1="other", wren__1=None, wren__2="new", big=os.urandom(3 << 20))
    origin.repo.push()
    report = clone.repo.pull()
    (pulled,) = report.datasets
    assert (pulled.first, pulled.last, pulled.written, pulled.removed) == (3, 3, 3, 1)
    assert origin.contents() == clone.contents()
    assert origin.files() == clone.files()
    assert clone.dataset.status().clean
    assert clone.sound()


def test_a_view_by_a_list_comes_with_its_list(
    origin: Copy, tmp_path: Path, clone_of: Clones
) -> None:
    """Prepared before the first push, or after: in a clone, and after a pull, it selects the same."""
    clone = clone_of(pushed(origin, str(tmp_path / "remote")))
    origin.dataset.prepare(pick=["wren/1"], name="picked")
    origin.repo.push()
    clone.repo.pull()
    for copy in (clone, clone_of(str(tmp_path / "remote"))):
        assert [example.path for example in copy.repo.view("picked")] == ["wren/1"]
        assert copy.sound()
    found, _ = origin.repo.check_remote()
    assert found.findings == []


def test_nothing_new_moves_nothing(origin: Copy, place: str, clone_of: Clones) -> None:
    """A second push, fetch or pull says so, by two requests for a fetch."""
    clone = clone_of(pushed(origin, place))
    again = origin.repo.push(tags=True)
    assert (again.changesets, again.transfer.packs) == (0, 0)
    fetched = clone.repo.fetch()
    assert [(d.dataset, d.head, d.ahead, d.behind) for d in fetched.datasets] == [
        ("birds", 2, 0, 0)
    ]
    assert fetched.transfer.requests == 2
    assert [d.changesets for d in clone.repo.pull().datasets] == [0]


def test_a_small_push_takes_few_requests(origin: Copy, place: str) -> None:
    """One commit onto a dataset that is there: 8 requests at most."""
    pushed(origin, place)
    origin.commit("third", **{f"new__{number}": f"text {number}" for number in range(10)})
    report = origin.repo.push()
    assert report.changesets == 1
    assert report.transfer.requests <= 8


def test_many_small_packs_go_up_as_one(origin: Copy, tmp_path: Path) -> None:
    """Twenty commits made twenty packs here, and one on the remote."""
    for number in range(20):
        origin.commit(f"number {number}", **{f"many__{number}": f"text {number}"})
    remote = pushed(origin, str(tmp_path / "remote"))
    assert len(open_backend(remote).entries(PACKS)) == 1


def test_what_was_never_committed_stays_here(origin: Copy, tmp_path: Path) -> None:
    """Neither what is staged nor what another dataset holds goes along with a push."""
    (origin.root / "secret").write_text("staged and secret " * 50)
    origin.dataset.add([str(origin.root / "secret")])
    origin.repo.create_dataset("other", root="other")
    (origin.root / "other").mkdir()
    (origin.root / "other" / "private").write_text("of another dataset " * 50)
    other = origin.repo.dataset("other")
    other.add([str(origin.root / "other" / "private")])
    other.commit("other")
    remote = pushed(origin, str(tmp_path / "remote"))
    clone = Copy(dsm.open(str(dsm.clone(remote, tmp_path / "clone").folder)))
    assert clone.repo.datasets() == ["birds"]
    from blake3 import blake3

    hidden = [b"staged and secret " * 50, b"of another dataset " * 50]
    assert len(clone.repo.store.missing(blake3(data).digest() for data in hidden)) == 2


def test_files_that_came_already_are_not_listed(
    origin: Copy, tmp_path: Path, clone_of: Clones
) -> None:
    """As after a pull that was killed: what stands there is what was to come."""
    clone = clone_of(pushed(origin, str(tmp_path / "remote")))
    (clone.root / "owl" / "1").write_text("theirs")
    (clone.root / "wren" / "9").write_text("theirs")
    origin.commit("third", owl__1="theirs", wren__9="theirs", wren__1=None)
    origin.repo.push()
    (pulled,) = clone.repo.pull().datasets
    assert (pulled.left, pulled.removed) == ((), 1)
    status = clone.dataset.status()
    assert (status.unstaged, status.untracked) == ((), ())
    assert origin.files() == clone.files()


def test_edited_files_stay_and_are_listed(origin: Copy, tmp_path: Path, clone_of: Clones) -> None:
    """A pull leaves alone what holds something else than the head had; nothing of it is lost."""
    clone = clone_of(pushed(origin, str(tmp_path / "remote")))
    (clone.root / "owl" / "1").write_text("edited here")
    (clone.root / "wren" / "9").write_text("untracked here")
    origin.commit("third", owl__1="theirs", wren__9="theirs", wren__1=None)
    origin.repo.push()
    (pulled,) = clone.repo.pull().datasets
    assert pulled.left == ("owl/1", "wren/9")
    assert clone.files()["owl/1"] == b"edited here"
    assert clone.files()["wren/9"] == b"untracked here"
    assert "wren/1" not in clone.files()
    assert [change.path for change in clone.dataset.status().unstaged] == ["owl/1", "wren/9"]


def test_a_clone_without_files_stays_without(
    origin: Copy, tmp_path: Path, clone_of: Clones
) -> None:
    """Also after a pull; content can be read, and restored on purpose."""
    clone = clone_of(pushed(origin, str(tmp_path / "remote")), files=False)
    assert clone.files() == {}
    origin.commit("third", owl__3="more")
    origin.repo.push()
    clone.repo.pull()
    assert clone.files() == {}
    assert origin.contents() == clone.contents()
    assert clone.dataset.status().clean
    clone.dataset.restore(paths=[str(clone.root / "owl")])
    assert {"owl/1", "owl/2", "owl/3"} == clone.files().keys()


def test_a_push_onto_what_others_pushed_is_refused(
    origin: Copy, place: str, clone_of: Clones
) -> None:
    """The second of two who pushed changeset 3 is told to pull, and the remote is as it was."""
    clone = clone_of(pushed(origin, place))
    origin.commit("mine", owl__7="mine")
    clone.commit("theirs", owl__8="theirs")
    origin.repo.push()
    before = {e.name: e.size for e in open_backend(place).entries("")}
    with pytest.raises(RemoteMoved) as caught:
        clone.repo.push()
    assert "dsm pull" in str(caught.value.hint)
    assert before == {e.name: e.size for e in open_backend(place).entries("")}


def test_a_dry_run_changes_nothing(origin: Copy, tmp_path: Path) -> None:
    """It says what would go up; there is no remote afterwards."""
    origin.repo.remotes.add("origin", str(tmp_path / "remote"), probe=False)
    report = origin.repo.push(dry_run=True)
    assert (report.changesets, report.dry_run) == (2, True)
    assert not (tmp_path / "remote").exists()


def test_only_the_named_datasets_come(origin: Copy, tmp_path: Path) -> None:
    """A clone of one dataset stays one when it is pulled; a name that is not there is told."""
    (origin.root / "other").mkdir()
    other = origin.repo.create_dataset("other", root="other")
    (origin.root / "other" / "a").write_text("a")
    other.add([str(origin.root / "other")])
    other.commit("other")
    remote = str(tmp_path / "remote")
    origin.repo.remotes.add("origin", remote)
    origin.repo.push(datasets=origin.repo.datasets())
    dsm.clone(remote, tmp_path / "one", datasets=["other"])
    with dsm.open(tmp_path / "one") as repo:
        assert repo.datasets() == ["other"]
        repo.pull()
        assert repo.datasets() == ["other"]
    dsm.clone(remote, tmp_path / "all")
    with dsm.open(tmp_path / "all") as repo:
        assert repo.datasets() == ["birds", "other"]
    for name, hint in (
        ("moon", "datasets there: birds, other"),
        ("bird", "did you mean birds?"),
    ):
        with pytest.raises(NotFound, match=f"has no dataset '{name}'") as caught:
            dsm.clone(remote, tmp_path / "none", datasets=["other", name])
        assert caught.value.hint == hint
    assert not (tmp_path / "none").exists()


def new_dataset(copy: Copy, name: str, content: str) -> None:
    """Makes a dataset with one changeset in a folder of its name."""
    dataset = copy.repo.create_dataset(name, root=name)
    folder = copy.root / name
    folder.mkdir()
    (folder / "a").write_text(content)
    dataset.add([str(folder)])
    dataset.commit(name)


def test_a_copy_limited_to_a_dataset_pushes_beside_the_others(
    origin: Copy, tmp_path: Path, clone_of: Clones
) -> None:
    """Names that others have there are refused, also in other letters; a new dataset is pulled from
    then on, and a push of what is there moves nothing."""
    new_dataset(origin, "other", "theirs")
    remote = str(tmp_path / "remote")
    origin.repo.remotes.add("origin", remote)
    origin.repo.push(datasets=origin.repo.datasets())
    one = clone_of(remote, datasets=["other"])
    for name in ("birds", "BIRDS"):
        (tmp_path / name).mkdir()
        twin = clone_of(remote, datasets=["other"])
        new_dataset(twin, name, "ours")
        with pytest.raises(Conflict, match="has another dataset 'birds'") as caught:
            twin.repo.push(datasets=[name])
        assert caught.value.hint == f"`dsm dataset rename {name} NEW` gives yours another name"
    new_dataset(one, "third", "new")
    assert one.repo.push(datasets=["third"]).datasets[0].last == 1
    again = one.repo.push(datasets=["third"])
    assert (again.datasets[0].last, again.transfer.packs) == (0, 0)
    whole = clone_of(remote)
    assert whole.repo.datasets() == ["birds", "other", "third"]
    third = whole.repo.dataset("third")
    (whole.root / "third" / "b").write_text("b")
    third.add([str(whole.root / "third")])
    third.commit("more")
    whole.repo.push(datasets=["third"])
    assert {each.dataset: each.last for each in one.repo.pull().datasets} == {
        "other": 0,
        "third": 2,
    }


def test_one_dataset_of_several_that_is_gone_is_named(origin: Copy, tmp_path: Path) -> None:
    """By fetch, pull and `status --remote`, until it is pushed again; the others are not asked for it."""
    new_dataset(origin, "other", "a")
    origin.repo.remotes.add("origin", str(tmp_path / "remote"))
    origin.repo.push(datasets=origin.repo.datasets())
    shutil.rmtree(tmp_path / "remote" / "datasets" / "other")
    message = "dataset other is missing on .*, where it was at changeset 1"
    for act in (origin.repo.fetch, origin.repo.pull, lambda: origin.repo.fetch(datasets=["other"])):
        with pytest.raises(HistoryRewritten, match=message):
            act()
    assert origin.repo.fetch(datasets=["birds"]).datasets[0].behind == 0
    origin.repo.push(datasets=["other"])
    assert [each.dataset for each in origin.repo.fetch().datasets] == ["birds", "other"]


def test_what_was_seen_goes_with_a_new_name(origin: Copy, tmp_path: Path, clone_of: Clones) -> None:
    """A remote that is renamed is still watched: how far it is, and that nobody rewrote it."""
    clone = clone_of(pushed(origin, str(tmp_path / "remote")))
    clone.commit("third", owl__3="three")
    clone.repo.remotes.rename("origin", "team")
    distance = clone.again().repo.distance()
    assert distance is not None
    assert (distance.remote, distance.ahead, distance.behind) == ("team", 1, 0)
    os.unlink(tmp_path / "remote/datasets/birds/changesets/00000002.json")
    with pytest.raises(HistoryRewritten, match="changeset 2 of dataset birds"):
        clone.again().repo.fetch()


def test_no_remote_is_renamed_under_a_pull(origin: Copy, tmp_path: Path, clone_of: Clones) -> None:
    """A pull that waits for a choice knows its remote by name."""
    clone = clone_of(pushed(origin, str(tmp_path / "remote")))
    for copy, text in ((origin, "one"), (clone, "other")):
        copy.commit("third", owl__1=text)
    origin.repo.push()
    with pytest.raises(Conflict):
        clone.repo.pull()
    with pytest.raises(Conflict, match="a pull is under way"):
        clone.repo.remotes.rename("origin", "team")
    clone.repo.abort_pull()
    assert clone.repo.remotes.rename("origin", "team").name == "team"


def test_a_renamed_dataset_keeps_its_folder_there(
    origin: Copy, tmp_path: Path, clone_of: Clones
) -> None:
    """It is known by its id; a clone has the name that the remote knows."""
    remote = pushed(origin, str(tmp_path / "remote"))
    origin.repo.rename_dataset("birds", "fowl")
    origin.commit("third", owl__5="five")
    origin.repo.push()
    clone = clone_of(remote)
    assert clone.repo.datasets() == ["birds"]
    assert clone.dataset.head == 3


def test_a_remote_of_another_repository_is_refused(origin: Copy, tmp_path: Path) -> None:
    """Neither pushed to nor pulled from, and so is a folder that holds something else."""
    remote = pushed(origin, str(tmp_path / "remote"))
    (tmp_path / "stranger").mkdir()
    stranger = Copy(dsm.init(tmp_path / "stranger"))
    stranger.commit("one", a="a")
    before = sorted((tmp_path / "remote").rglob("*"))
    with pytest.raises(OtherRepository, match=r"holds another repository \("):
        stranger.repo.remotes.add("origin", remote)
    assert stranger.repo.remotes.names() == []
    assert sorted((tmp_path / "remote").rglob("*")) == before
    stranger.repo.remotes.add("origin", str(tmp_path / "own"))
    with pytest.raises(OtherRepository):
        stranger.repo.remotes.set_url("origin", remote)
    assert stranger.repo.remotes.find().url == str(tmp_path / "own")
    stranger.repo.remotes.set_url("origin", remote, probe=False)
    for ask in (stranger.repo.push, stranger.repo.fetch, stranger.repo.pull):
        with pytest.raises(OtherRepository, match=r"holds another repository \("):
            ask()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("no remote")
    stranger.repo.remotes.set_url("origin", str(tmp_path / "photos"))
    with pytest.raises(Refused, match="not empty"):
        stranger.repo.push()


def test_a_clone_needs_room_and_a_remote(origin: Copy, tmp_path: Path) -> None:
    """A folder with files, and an address without a remote, are refused; nothing is left."""
    remote = pushed(origin, str(tmp_path / "remote"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    with pytest.raises(AlreadyExists, match="not empty"):
        dsm.clone(remote, tmp_path / "full")
    assert os.listdir(tmp_path / "full") == ["file"]
    with pytest.raises(NotFound, match="no dsm remote"):
        dsm.clone(str(tmp_path / "nowhere"), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    with pytest.raises(AlreadyExists, match="another repository"):
        (tmp_path / "own").mkdir()
        dsm.init(tmp_path / "own").close()
        dsm.clone(remote, tmp_path / "own")


def test_a_clone_is_finished_once(
    origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was interrupted goes on; one that is whole is told what brings news."""
    remote = pushed(origin, str(tmp_path / "remote"))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("dsm.remotes.clone._restore", interrupt)
        dsm.clone(remote, tmp_path / "copy", datasets=["birds"])
    dsm.clone(remote, tmp_path / "copy")
    with dsm.open(tmp_path / "copy") as repo:
        assert repo.remotes.find().datasets == ()
        assert Copy(repo).files() == origin.files()
    with pytest.raises(AlreadyExists, match="is a clone already"):
        dsm.clone(remote, tmp_path / "copy")


def test_records_travel(tmp_path: Path, clone_of: Clones) -> None:
    """A JSON Lines file whose lines are examples comes back byte for byte, and its records too."""
    root = tmp_path / "texts"
    root.mkdir()
    lines = "".join(f'{{"text": "line {number}"}}\n' for number in range(3000))
    copy = Copy(dsm.init(root))
    (root / "a.jsonl").write_text(lines)
    copy.dataset.add([str(root / "a.jsonl")], records=True)
    copy.dataset.commit("records")
    clone = clone_of(pushed(copy, str(tmp_path / "remote")))
    assert lines.encode() == clone.files()["a.jsonl"]
    assert copy.contents() == clone.contents()
    assert clone.sound()


def test_remotes_are_named_and_renamed(origin: Copy, tmp_path: Path) -> None:
    """add, list, set-url, rename, default and remove; names that are taken or none are refused."""
    remotes = origin.repo.remotes
    remotes.add("origin", str(tmp_path / "one"))
    remotes.add("backup", str(tmp_path / "two"))
    assert [(e.name, e.default) for e in remotes.list()] == [("backup", False), ("origin", True)]
    with pytest.raises(AlreadyExists, match="there is a remote"):
        remotes.add("backup", str(tmp_path / "three"))
    with pytest.raises(InvalidInput, match="cannot be the name of a remote"):
        remotes.add("../x", str(tmp_path / "three"))
    with pytest.raises(InvalidInput, match="is this repository"):
        remotes.add("self", str(origin.root))
    with pytest.raises(NotFound) as caught:
        remotes.find("backpu")
    assert caught.value.hint == "did you mean backup?"
    assert remotes.rename("origin", "team").name == "team"
    assert remotes.default == "team"
    assert remotes.choose("backup").name == "backup"
    assert remotes.default == "backup"
    assert str(tmp_path / "four") == remotes.set_url("backup", str(tmp_path / "four")).url
    remotes.remove("backup")
    assert remotes.names() == ["team"]
    remotes.remove("team")
    with pytest.raises(NotFound, match="no remote"):
        origin.repo.push()


def test_what_was_lost_on_a_remote_is_brought_back(
    origin: Copy, tmp_path: Path, clone_of: Clones
) -> None:
    """Each file of a remote in turn: after its loss a push brings it back, and a clone is whole."""
    remote = pushed(origin, str(tmp_path / "remote"))
    backend = open_backend(remote)
    names = [e.name for e in backend.entries("") if not e.name.startswith("datasets/birds/views")]
    for name in names:
        backend.delete(name)
        origin.repo.push(tags=True)
        there = [e.name for e in backend.entries("")]
        assert name in there or name.startswith(PACKS), name
    assert clone_of(remote).sound()


def test_a_pack_that_was_spoilt_here_is_not_pushed(
    origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it would travel as it is or in parts: no file of it gets there, and no changeset."""
    from dsm.remotes import outgoing

    origin.commit("third", third=os.urandom(40_000))
    pack = max(
        Path(origin.repo.path, "packs").rglob("*.pack"), key=lambda path: path.stat().st_size
    )
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    os.chmod(pack, 0o600)
    pack.write_bytes(bytes(data))
    origin = origin.again()
    for name, whole_from in (("parts", 1 << 30), ("whole", 1000)):
        monkeypatch.setattr(outgoing, "WHOLE_FROM_BYTES", whole_from)
        origin.repo.remotes.add(name, str(tmp_path / name))
        with pytest.raises(DamagedData, match="is damaged") as caught:
            origin.repo.push(name)
        assert "fsck" in (caught.value.hint or "")
        there = open_backend(str(tmp_path / name)).entries("")
        assert [
            e.name for e in there if e.name.startswith("datasets/") or pack.name in e.name
        ] == []


def test_what_the_last_transfer_took(origin: Copy, place: str, tmp_path: Path) -> None:
    """Requests by kind and bytes of the last push, fetch, pull or clone, also of one that failed."""
    origin.repo.remotes.add("origin", place)
    pushed = origin.repo.push().transfer
    last = origin.repo.remote_stats().last
    assert last is not None and (last.command, last.ended) == ("push", True)
    assert sum(last.requests.values()) == pushed.requests
    assert {"create", "write", "list"} <= last.requests.keys()
    assert last.sent > pushed.size and last.duration > 0
    origin.repo.push(dry_run=True)
    assert origin.repo.remote_stats().last == last
    cloned = dsm.clone(place, tmp_path / "copy").transfer
    with dsm.open(tmp_path / "copy") as repo:
        last = repo.remote_stats().last
        assert last is not None and (last.command, last.ended) == ("clone", True)
        assert last.received > cloned.size > 0 and last.sent == 0
        Copy(repo).commit("mine", mine="mine")
        origin.commit("theirs", theirs="theirs")
        origin.repo.push()
        with pytest.raises(RemoteMoved):
            repo.push()
        last = repo.remote_stats().last
        assert last is not None and (last.command, last.ended) == ("push", False)
        for act in (repo.fetch, repo.pull):
            act()
            last = repo.remote_stats().last
            assert last is not None and last.command == act.__name__


def test_names_that_stand_for_something_else_there(
    origin: Copy, tmp_path: Path, clone_of: Callable[[str], Copy]
) -> None:
    """A tag or a name of a view that both sides gave is told by push and by pull, and stays on each;
    what the remote says of it is read once."""
    origin.repo.remotes.add("origin", str(tmp_path / "remote"))
    origin.repo.push(tags=True)
    clone = clone_of(str(tmp_path / "remote"))
    for copy, number in ((origin, 1), (clone, 2)):
        copy.dataset.tag("same", number)
        copy.dataset.prepare(at=number, name="view")
    origin.repo.push(tags=True)
    told = ("views/view.name.json", "tags/same.json")
    (pulled,) = clone.repo.pull().datasets
    assert pulled.differing == told
    again = clone.repo.push(tags=True)
    assert again.datasets[0].differing == told
    before = clone.repo.pull().transfer.requests
    assert before == clone.repo.fetch().transfer.requests
    assert (clone.dataset.resolve("same"), origin.dataset.resolve("same")) == (2, 1)
    (same,) = origin.repo.push(tags=True).datasets
    assert same.differing == ()


def test_a_place_that_was_emptied_is_named(origin: Copy, tmp_path: Path) -> None:
    """Where a remote was and nothing is, as without its disk, all say so, and none makes it anew but
    a push that is told to."""
    origin.repo.remotes.add("origin", str(tmp_path / "remote"))
    assert origin.repo.fetch().datasets == ()
    origin.repo.push()
    shutil.rmtree(tmp_path / "remote")
    acts: list[Callable[[], object]] = [
        origin.repo.fetch, origin.repo.pull, origin.repo.push,
        lambda: origin.repo.fetch(datasets=["birds"]), lambda: origin.repo.push(dry_run=True),
    ]  # fmt: skip
    for act in acts:
        with pytest.raises(
            HistoryRewritten, match="there is nothing at .*, where dataset birds was"
        ):
            act()
    assert not (tmp_path / "remote").exists()
    (told,) = origin.repo.push(recreate=True).datasets
    assert (told.first, told.last) == (1, origin.dataset.head)
    assert origin.repo.pull().datasets[0].changesets == 0
    assert origin.repo.check_remote(share=1.0)[0].findings == []


def test_a_place_that_others_took_is_not_recreated(origin: Copy, tmp_path: Path) -> None:
    """Where something else lies by now, a push that is told to make the remote anew refuses."""
    place = tmp_path / "remote"
    origin.repo.remotes.add("origin", str(place))
    origin.repo.push()
    shutil.rmtree(place)
    place.mkdir()
    (place / "README").write_text("where the disk is mounted")
    with pytest.raises(HistoryRewritten):
        origin.repo.push()
    with pytest.raises(Refused, match="is not empty, and no remote: it holds README"):
        origin.repo.push(recreate=True)
    assert [each.name for each in place.iterdir()] == ["README"]


def test_an_identity_that_was_lost_is_put_back(origin: Copy, tmp_path: Path) -> None:
    """Where its datasets are, a remote is no place that was emptied."""
    origin.repo.remotes.add("origin", str(tmp_path / "remote"))
    origin.repo.push()
    (tmp_path / "remote" / "repo.json").unlink()
    (told,) = origin.repo.push().datasets
    assert told.last == 0
    assert (tmp_path / "remote" / "repo.json").exists()
