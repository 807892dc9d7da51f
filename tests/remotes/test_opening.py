"""Remotes that are opened without a clone: up to date, read, and never recorded in."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import dsm
from dsm import api
from dsm.__main__ import main
from dsm.errors import InvalidInput, NotFound, Refused
from dsm.remotes.contents import OtherRepository
from dsm.remotes.incoming import HistoryRewritten
from dsm.remotes.opening import OnlyRead

from .conftest import Copy


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def share(origin: Copy, tmp_path: Path) -> str:
    origin.repo.remotes.add("origin", str(tmp_path / "share"))
    origin.repo.push(tags=True)
    return f"file://{tmp_path}/share"


def test_every_place_is_opened(place: str, origin: Copy) -> None:
    """From every kind of place a version gives the examples that it gives where it was prepared."""
    origin.repo.remotes.add("origin", place)
    origin.repo.push()
    wanted = {example.path: example.bytes for example in origin.repo.view("owls")}
    with api.open_remote(place) as repo:
        assert {example.path: example.bytes for example in repo.view("owls")} == wanted


def test_a_view_that_was_not_pushed_is_named(share: str, origin: Copy) -> None:
    """It is told that the remote has none, and the push that its hint names brings it there."""
    version = origin.dataset.prepare(paths=["owl/1"]).version
    for wanted in (version, version[:12], "nobody"):
        with dsm.open(share) as repo, pytest.raises(NotFound) as caught:
            repo.view(wanted)
        assert caught.value.message == f"there is no view {wanted!r} at {share[7:]}"
        assert caught.value.hint is not None and caught.value.hint.startswith("`dsm push` in the")
    with pytest.raises(NotFound, match="there is no view 'nobody' here"):
        origin.repo.view("nobody")
    origin.repo.push()
    with dsm.open(share) as repo:
        assert [example.path for example in repo.view(version)] == ["owl/1"]


def test_it_is_brought_up_to_date(share: str, origin: Copy) -> None:
    """What is pushed later is there when the address is opened again, for few requests."""
    with dsm.open(share) as repo:
        assert repo.dataset().head == 2
    origin.commit("third", more="more")
    origin.repo.push()
    with dsm.open(share) as repo:
        assert (repo.dataset().head, repo.dataset().read("more")) == (3, b"more")


def test_many_open_it_at_once(share: str) -> None:
    """Four that open an address at the same time all have all of it."""

    def contents(_: int) -> dict[str, bytes]:
        with dsm.open(share) as repo:
            return {e.path: repo.dataset().read(e.path) for e in repo.dataset().ls()}

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(contents, range(4)))
    assert found == [{"owl/1": b"hoo" * 40, "owl/2": b"changed", "wren/1": b"tit"}] * 4


def test_nothing_is_recorded(share: str, origin: Copy, cache: Path) -> None:
    """Every verb that records is refused, and says how to get a copy; views can be asked for."""
    with dsm.open(share) as repo:
        dataset = repo.dataset()
        for verb in (
            lambda: dataset.tag("mine"), lambda: dataset.commit("x", allow_empty=True),
            lambda: dataset.set_target("labels", ["a"]), lambda: repo.create_dataset("other"),
            repo.push, repo.pull, dataset.restore, lambda: repo.config.set("user.name", "x"),
            lambda: dataset.splits.create("s", parts=["a=50%", "b=50%"]),
            lambda: repo.remove_dataset(dataset.name, confirmed=True),
        ):  # fmt: skip
            with pytest.raises(OnlyRead, match="is only read"):
                verb()
        view = dataset.prepare(paths=["wren/*"])
        assert [example.bytes for example in view] == [b"tit"]
    with dsm.open(share) as repo:
        assert [c.number for c in repo.dataset().log()] == [2, 1]
    assert [path.name for path in cache.iterdir()] == ["dsm"]


def test_get_without_a_clone(
    share: str, origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dsm get --from` writes what `dsm get` writes, wherever it is run."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    version = origin.repo.view("owls").version
    assert main(["-q", "get", version, "--from", share, "-o", str(tmp_path / "far")]) == 0
    origin.repo.view("owls").get(tmp_path / "near")
    assert {p.name: p.read_bytes() for p in (tmp_path / "far").glob("*.tar")} == {
        p.name: p.read_bytes() for p in (tmp_path / "near").glob("*.tar")
    }
    assert os.listdir(tmp_path / "empty") == []


def test_what_is_no_remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place without a remote, and an address that cannot be, are told."""
    with pytest.raises(NotFound, match="no dsm remote at"):
        dsm.open(f"file://{tmp_path}/nothing")
    with pytest.raises(InvalidInput, match="no password"):
        dsm.open("s3://user:secret@bucket/x")


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands for the machine's memory."""
    (tmp_path / "memory").mkdir()
    monkeypatch.setattr(api, "memory_folder", lambda: str(tmp_path / "memory"))
    return tmp_path / "memory"


def test_nothing_is_kept_without_a_cache(
    place: str, origin: Copy, memory: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a cache, or a folder for one, everything can be read, and nothing stays anywhere."""
    origin.repo.remotes.add("origin", place)
    origin.repo.push()
    wanted = {example.path: example.bytes for example in origin.repo.view("owls")}
    with api.open_remote(place, cache=False) as repo:
        assert {example.path: example.bytes for example in repo.view("owls")} == wanted
        assert [e.bytes for e in repo.dataset().prepare(paths=["wren/*"])] == [b"tit"]
        with pytest.raises(OnlyRead):
            repo.dataset().tag("mine")
        (made,) = [path for path in memory.iterdir() if path.is_dir()]
        assert list((made / ".dsm").rglob("*.pack")) == []
        assert (made.stat().st_mode & 0o777, Path(repo.root)) == (0o700, made)
    assert (list(memory.iterdir()), cache.exists()) == ([], False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    with api.open_remote(place) as repo:
        assert {example.path: example.bytes for example in repo.view("owls")} == wanted
    assert list(memory.iterdir()) == []
    with pytest.raises(NotFound, match="no dsm remote at"):
        api.open_remote(str(cache / "nothing"), cache=False)
    assert list(memory.iterdir()) == []


def test_what_a_killed_process_left_is_removed(share: str, memory: Path) -> None:
    """By the next one that is opened so; what lives in another process stays, and so do other files."""
    code = (
        "import os, sys; from dsm import api; api.memory_folder = lambda: sys.argv[2];"
        "repo = api.open_remote(sys.argv[1], cache=False); print('open', flush=True);"
        "sys.stdin.read(); os._exit(9)"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, share, str(memory)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == b"open\n"
    (memory / "other").write_text("not ours")
    assert len(list(memory.iterdir())) == 5
    children[0].communicate()
    with dsm.open(share, cache=False) as repo:
        assert repo.dataset().read("wren/1") == b"tit"
        assert len(list(memory.iterdir())) == 5
    assert len(list(memory.iterdir())) == 3
    children[1].communicate()
    dsm.open(share, cache=False).close()
    assert [path.name for path in memory.iterdir()] == ["other"]


def test_an_address_that_changes_hands(share: str, origin: Copy, tmp_path: Path) -> None:
    """Another repository at the address, or an older state, is refused; the hint says how to go on."""
    with dsm.open(share):
        pass
    header = tmp_path / "share" / "datasets" / "birds" / "changesets" / "00000002.json"
    data = header.read_bytes()
    header.unlink()
    with pytest.raises(HistoryRewritten) as raised:
        dsm.open(share)
    assert "to begin anew" in (raised.value.hint or "")
    header.write_bytes(data)
    (tmp_path / "share").rename(tmp_path / "old")
    with dsm.init(tmp_path / "other") as other:
        Copy(other).commit("else", x="x")
        other.remotes.add("origin", str(tmp_path / "share"))
        other.push()
    with pytest.raises((OtherRepository, Refused), match=r"holds another repository"):
        dsm.open(share)
