"""Looking after a remote: checks, repair both ways, and gc beside pushes."""

from __future__ import annotations

import contextlib
import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from tiers import thinned

import dsm
from dsm.errors import DamagedData
from dsm.maintenance.fsck import fsck
from dsm.maintenance.repair import repair
from dsm.remotes.address import open_backend
from dsm.remotes.backend import Backend
from dsm.remotes.folder import FolderBackend
from dsm.remotes.incoming import HistoryRewritten
from dsm.remotes.remote import Remote
from dsm.remotes.tables import CONDEMNED, PACKS

from .conftest import Copy

Clones = Callable[..., Copy]


@pytest.fixture
def pushed(origin: Copy, tmp_path: Path) -> Backend:
    """A remote with three changesets in two packs, one of a large file in pieces."""
    origin.repo.remotes.add("origin", str(tmp_path / "remote"))
    origin.repo.push(tags=True)
    origin.commit("third", big=os.urandom(3 << 20), bigger=os.urandom(18 << 20))
    origin.repo.push()
    return open_backend(str(tmp_path / "remote"))


@pytest.fixture
def small(origin: Copy, tmp_path: Path) -> Backend:
    """A remote with two small changesets."""
    origin.repo.remotes.add("origin", str(tmp_path / "remote"))
    origin.repo.push()
    return open_backend(str(tmp_path / "remote"))


def names(backend: Backend, part: str) -> list[str]:
    return [entry.name for entry in backend.entries("") if part in entry.name]


def flip(backend: Backend, name: str, at: int) -> None:
    data = bytearray(backend.get(name, 1 << 30))
    data[at] ^= 0x10
    backend.put(name, bytes(data))


def findings(copy: Copy, share: float = 0.0) -> list[tuple[str, str]]:
    found, _ = copy.repo.check_remote(share=share)
    return [(each.kind, each.where) for each in found.findings]


def test_a_sound_remote_has_no_findings(origin: Copy, pushed: Backend) -> None:
    """Neither by its structure nor when every byte is read; what was looked at is counted."""
    assert findings(origin) == []
    found, mended = origin.repo.check_remote(share=1.0, repair=True)
    assert (found.findings, mended) == ([], ())
    assert (found.datasets, found.changesets) == (1, 3)
    assert (found.packs_read, found.size_read) == (found.packs, found.size)
    half, _ = origin.repo.check_remote(share=0.01)
    assert half.packs_read in (1, 2)  # the small one may be drawn first
    assert os.listdir(Path(origin.repo.path) / "local" / "remotes" / ".partial") == []


@pytest.mark.parametrize("how", thinned(["flip", "truncate", "gone"]))
def test_any_damage_is_found_and_mended(
    origin: Copy, pushed: Backend, clone_of: Clones, how: str
) -> None:
    """Each file of a remote in turn: it is named, a copy that has it puts it back, and a clone is whole."""
    for name in names(pushed, ""):
        whole = pushed.get(name, 1 << 30)
        if how == "flip":
            flip(pushed, name, len(whole) // 2)
        elif how == "truncate":
            pushed.put(name, whole[: len(whole) // 2])
        else:
            pushed.delete(name)
        gone_document = how == "gone" and any(f"/{k}/" in name for k in ("views", "tags"))
        found = findings(origin, 1.0)
        if gone_document:
            assert found == []  # a remote without it is whole; a push brings it
            origin.repo.push(tags=True)
        else:
            assert found != [], name
            origin.repo.check_remote(share=1.0, repair=True)
        assert findings(origin, 1.0) == [], name
    clone = clone_of(pushed.url)
    assert origin.contents() == clone.contents()
    assert clone.sound()


@pytest.mark.parametrize(
    "lost", ["datasets", "datasets/birds", "datasets/birds/changesets", "packs"]
)
def test_what_was_seen_there_is_missed(
    origin: Copy, pushed: Backend, clone_of: Clones, tmp_path: Path, lost: str
) -> None:
    """A remote that lost all its changesets looks like an empty one, but not to who saw them: fsck
    names each and puts all of it back, also from a copy that never pushed, and gc frees nothing."""
    clone = clone_of(pushed.url)
    headers = [f"datasets/birds/changesets/{number:08d}.json" for number in (1, 2, 3)]
    shutil.rmtree(tmp_path / "remote" / lost)
    if lost == "datasets":
        shutil.rmtree(tmp_path / "remote" / "packs")
    found = findings(clone)
    if lost == "packs":
        assert {kind for kind, _ in found} == {"object"}
    else:
        assert [where for kind, where in found if kind == "changeset"] == headers
        for prune in (False, True):
            with pytest.raises(HistoryRewritten, match="changeset 3 of dataset birds is missing"):
                clone.repo.gc_remote(grace_days=0, prune=prune)
    clone.repo.check_remote(repair=True)
    assert findings(clone, 1.0) == []
    assert clone_of(pushed.url).contents() == origin.contents()
    clone.repo.gc_remote(prune=True)


def test_a_header_comes_after_what_it_names(
    origin: Copy, pushed: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever clones while a remote is mended sees no changeset without its manifest and objects."""
    shutil.rmtree(tmp_path / "remote" / "datasets")
    shutil.rmtree(tmp_path / "remote" / "packs")
    put: list[str] = []
    write = FolderBackend._write

    def noted(self: FolderBackend, name: str, *args: object, **named: object) -> bool:
        put.append(name.split("/")[-2 if name.startswith("datasets/birds/") else 0])
        return write(self, name, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(FolderBackend, "_write", noted)
    origin.repo.check_remote(repair=True)
    kinds = [kind for kind in put if kind in ("packs", "manifests", "changesets")]
    assert sorted(kinds, key=["packs", "manifests", "changesets"].index) == kinds
    assert kinds.count("changesets") == 3


def test_a_header_with_a_high_number_takes_no_memory(origin: Copy, small: Backend) -> None:
    """One name in a listing says nothing of how many others there should be."""
    small.put("datasets/birds/changesets/99999999.json", b"{}")
    tracemalloc.start()
    found = findings(origin)
    assert tracemalloc.get_traced_memory()[1] < 150 << 20
    tracemalloc.stop()
    assert ("changeset", "datasets/birds/changesets/99999999.json") in found


def test_damage_is_told_with_its_examples(origin: Copy, pushed: Backend) -> None:
    """A lost pack names the examples and changesets that need it; a copy without them mends nothing."""
    small = min(pushed.entries(PACKS), key=lambda entry: entry.size)
    pushed.delete(small.name)
    found, _ = origin.repo.check_remote()
    assert {each.kind for each in found.findings} == {"object"}
    hit = {example for each in found.findings for example in each.examples}
    assert ("birds", 1, "owl/1") in hit and ("birds", 2, "wren/1") in hit
    assert not any(path == "big" for _, _, path in hit)


def test_a_damaged_copy_is_repaired(origin: Copy, pushed: Backend, clone_of: Clones) -> None:
    """Each file of a copy's history and content in turn, flipped or gone: it comes back from the remote."""
    clone = clone_of(pushed.url)
    base = Path(clone.repo.path)
    kinds = ("packs/*/*.pack", "datasets/*/changesets/*.json", "datasets/*/manifests/*.parquet")
    for path in [path for kind in kinds for path in sorted(base.glob(kind))]:
        if not path.exists():
            continue  # a pack that was put aside
        whole = path.read_bytes()
        for how in ("flip", "gone"):
            path.unlink()
            if how == "flip":
                middle = len(whole) // 2
                path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :])
            clone = clone.again()
            assert fsck(clone.repo, full=True).findings != (), path
            done = repair(Remote(clone.repo, clone.repo.remotes.find()))
            assert not done.nothing, path
            clone = clone.again()
            assert fsck(clone.repo, full=True).findings == (), path
            if not path.exists():
                break
    assert origin.contents() == clone.contents()
    again = repair(Remote(clone.repo, clone.repo.remotes.find()))
    assert again.nothing


def test_what_neither_has_is_told(origin: Copy, pushed: Backend, clone_of: Clones) -> None:
    """A pack that is lost on both sides: the repair says what is missing, and what is left stays."""
    clone = clone_of(pushed.url)
    lost = min(pushed.entries(PACKS), key=lambda entry: entry.size)
    pushed.delete(lost.name)
    for path in (Path(clone.repo.path) / "packs").rglob("*.pack"):
        if path.stat().st_size < 100_000:
            path.unlink()
    clone = clone.again()
    with pytest.raises(DamagedData, match="lacks"):
        repair(Remote(clone.repo, clone.repo.remotes.find()))


# --- gc ---------------------------------------------------------------------------------------------


def orphan(
    origin: Copy, backend: Backend, monkeypatch: pytest.MonkeyPatch,
    content: str | bytes = "lost content " * 50,
) -> set[str]:  # fmt: skip
    """Pushes, and dies before the header; returns the files that nothing refers to by that."""
    before = set(names(backend, ""))
    origin.commit("lost", lost=content)
    with monkeypatch.context() as patch:
        patch.setattr("dsm.remotes.push._push_header", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            origin.repo.push()
    return set(names(backend, "")) - before


def test_garbage_is_condemned_then_removed(
    origin: Copy, pushed: Backend, tmp_path: Path, clone_of: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an interrupted push left gets a marker, and goes when that is old; nothing else does."""
    clone = clone_of(pushed.url)
    left = orphan(origin, pushed, monkeypatch)
    assert len(left) == 2  # a pack and a manifest
    plan = clone.repo.gc_remote()
    assert {name for name, _ in plan.condemned} == left
    assert names(pushed, CONDEMNED) == []
    clone.repo.gc_remote(prune=True)
    assert len(names(pushed, CONDEMNED)) == 2
    again = clone.repo.gc_remote(prune=True)
    assert ({name for name, _ in again.waiting}, again.removed) == (left, ())
    for name in names(pushed, CONDEMNED):
        os.utime(tmp_path / "remote" / name, (1, 1))
    done = clone.repo.gc_remote(prune=True)
    assert {name for name, _ in done.removed} == left
    assert left & set(names(pushed, "")) == set() and names(pushed, CONDEMNED) == []
    assert findings(clone, 1.0) == []
    assert origin.repo.push().changesets == 1
    clone.repo.pull()
    assert origin.contents() == clone.contents()


def test_a_push_does_not_count_on_what_is_condemned(
    origin: Copy, pushed: Backend, tmp_path: Path, clone_of: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sends again what only a condemned pack holds; the next gc removes that one, and nothing is lost."""
    clone = clone_of(pushed.url)
    orphan(origin, pushed, monkeypatch)
    clone.repo.gc_remote(prune=True)
    report = origin.repo.push()
    assert (report.changesets, report.transfer.packs) == (1, 1)
    for name in names(pushed, CONDEMNED):
        os.utime(tmp_path / "remote" / name, (1, 1))
    clone.repo.gc_remote(prune=True)
    assert findings(clone, 1.0) == []
    fresh = clone_of(pushed.url)
    assert origin.contents() == fresh.contents()


def test_a_slow_push_is_not_overtaken(
    origin: Copy, pushed: Backend, tmp_path: Path, clone_of: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push that had listed a pack before gc condemned it, and records then, lifts the marker."""
    clone = clone_of(pushed.url)
    real = dsm.remotes.push._push_header  # type: ignore[attr-defined]

    def beside(*arguments: object) -> None:
        clone.repo.gc_remote(prune=True)
        assert names(pushed, CONDEMNED) != []
        real(*arguments)

    origin.commit("slow", slow="slow content " * 50)
    with monkeypatch.context() as patch:
        patch.setattr("dsm.remotes.push._push_header", beside)
        origin.repo.push()
    for name in names(pushed, CONDEMNED):
        os.utime(tmp_path / "remote" / name, (1, 1))
    done = clone.repo.gc_remote(prune=True)
    assert (done.removed, len(done.lifted)) == ((), 2)
    assert findings(clone, 1.0) == []


@pytest.fixture
def half_dead(
    origin: Copy, small: Backend, clone_of: Clones, monkeypatch: pytest.MonkeyPatch
) -> tuple[Copy, str]:
    """A copy, and the one pack of its remote, most of which nothing refers to."""
    clone = clone_of(small.url)
    orphan(origin, small, monkeypatch, os.urandom(500_000))
    clone.repo.merge_packs()
    (pack,) = [entry.name for entry in small.entries(PACKS)]
    return clone, pack


def aged(remote: Path, backend: Backend) -> None:
    for name in names(backend, CONDEMNED):
        os.utime(remote / name, (1, 1))


def test_packs_that_are_mostly_dead_are_rewritten(
    half_dead: tuple[Copy, str], small: Backend, tmp_path: Path, clone_of: Clones
) -> None:
    """What is needed goes into a new pack; the old one is marked, and goes when the mark is old."""
    clone, old = half_dead
    plan = clone.repo.gc_remote()
    ((name, size, needed),) = plan.rewritten
    assert (name, needed < size / 2) == (old[9:-5], True)
    assert [entry.name for entry in small.entries(PACKS)] == [old]
    assert clone.repo.gc_remote(prune=True).rewritten == plan.rewritten
    assert len([n for n in names(small, PACKS) if n.endswith(".pack")]) == 2
    assert findings(clone, 1.0) == []
    waiting = clone.repo.gc_remote(prune=True)
    assert (waiting.rewritten, old in dict(waiting.waiting)) == ((), True)
    aged(tmp_path / "remote", small)
    clone.repo.gc_remote(prune=True)
    (left,) = small.entries(PACKS)
    assert left.size < size / 2
    assert findings(clone, 1.0) == []
    assert clone.contents() == clone_of(small.url).contents()


def test_a_push_that_counted_on_what_is_dead_keeps_it(
    origin: Copy, half_dead: tuple[Copy, str], small: Backend, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, clone_of: Clones,
) -> None:  # fmt: skip
    """It had listed the old pack before that was rewritten without what it needs of it."""
    clone, old = half_dead
    real = dsm.remotes.push._push_header  # type: ignore[attr-defined]

    def beside(*arguments: object) -> None:
        assert len(clone.repo.gc_remote(prune=True).rewritten) == 1
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("dsm.remotes.push._push_header", beside)
        assert origin.repo.push().transfer.packs == 0
    aged(tmp_path / "remote", small)
    done = clone.repo.gc_remote(prune=True)
    assert old not in dict(done.removed)
    assert findings(clone, 1.0) == []
    assert origin.contents() == clone_of(small.url).contents()


def test_a_rewrite_that_is_killed_loses_nothing(
    half_dead: tuple[Copy, str], small: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever write or removal on the remote is the last: it is whole, and the next run finishes."""
    from dsm.remotes.folder import FolderBackend

    clone, old = half_dead
    shutil.copytree(tmp_path / "remote", tmp_path / "before")
    for last in range(1, 30):
        shutil.rmtree(tmp_path / "remote")
        shutil.copytree(tmp_path / "before", tmp_path / "remote")
        with monkeypatch.context() as patch:
            done = [0]

            def counted(real: Callable[..., object], done: list[int], last: int) -> object:
                def call(*arguments: object, **more: object) -> object:
                    done[0] += 1
                    if done[0] > last:
                        raise KeyboardInterrupt
                    return real(*arguments, **more)

                return call

            for verb in ("_write", "delete"):
                real = getattr(FolderBackend, verb)
                patch.setattr(FolderBackend, verb, counted(real, done, last))
            with contextlib.suppress(KeyboardInterrupt):
                clone.repo.gc_remote(prune=True, grace_days=0)
        assert findings(clone, 1.0) == []
        clone.repo.gc_remote(prune=True, grace_days=0)
        assert findings(clone, 1.0) == []
        assert old not in names(small, PACKS)
        assert len(small.entries(PACKS)) == 1
        if done[0] <= last:
            break
    assert last > 5


def test_small_packs_are_merged(origin: Copy, pushed: Backend) -> None:
    """gc does what merge-packs does, too; a dry run only says so."""
    for number in range(4):
        origin.commit(f"small {number}", **{f"small__{number}": f"{number}" * 200})
        origin.repo.push()
    plan = origin.repo.gc_remote()
    assert (len(plan.merge.packs), plan.merge.made) == (5, 0)
    assert origin.repo.gc_remote(prune=True).merge.made == 1
    assert findings(origin, 1.0) == []
