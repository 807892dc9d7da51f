"""Files that appear, or are saved, while dsm writes others: whatever nobody judged stays."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from files.systems import LACKS, take_away
from situations import Work

from dsm.files.restore import FilesChanged
from dsm.store import disk
from dsm.worktree import add, tree

MINE = b"an hour of work"


@contextmanager
def meanwhile(work: Callable[[], object], at: int = 1, operation: str = "") -> Iterator[list[str]]:
    """Runs `work` before the n-th primitive that changes a file of the work tree."""
    seen: list[str] = []

    def observer(kind: str, path: str) -> None:
        if ".dsm/" in path or operation not in kind:
            return
        seen.append(f"{kind} {path}")
        if len(seen) == at:
            work()

    with disk.observe(observer):
        yield seen


def primitives(work: Work, act: Callable[[], object]) -> int:
    with meanwhile(lambda: None) as seen:
        act()
    return len(seen)


def a_file(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(MINE)


def saved_in_place(path: Path) -> None:
    with open(path, "r+b" if path.exists() else "wb") as file:
        file.write(MINE)
        file.truncate()


def saved_by_rename(path: Path) -> None:
    path.with_name("saving").write_bytes(MINE)
    os.replace(path.with_name("saving"), path)


def a_link(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("elsewhere")


def a_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "work").write_bytes(MINE)


def a_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


APPEARANCES = {
    f.__name__: f for f in (a_file, saved_in_place, saved_by_rename, a_link, a_folder, a_pipe)
}


def kept(path: Path, how: str) -> bool:
    """Whether what appeared is still there."""
    if how == "a_link":
        return path.is_symlink() and os.readlink(path) == "elsewhere"
    if how == "a_folder":
        return (path / "work").read_bytes() == MINE
    if how == "a_pipe":
        return path.is_fifo()
    return path.read_bytes() == MINE


@pytest.mark.parametrize("system", LACKS)
@pytest.mark.parametrize("how", APPEARANCES)
def test_a_file_that_appears_while_others_are_restored(
    work: Work, monkeypatch: pytest.MonkeyPatch, how: str, system: str
) -> None:
    """Whatever takes a place that was free when restore looked keeps it; the others come back."""
    take_away(monkeypatch, system)
    work.commit("one", a="a", b="b", **{"dir/c": "c"})
    for name in ("a", "b", "dir/c"):
        work.path(name).unlink()
    with meanwhile(lambda: APPEARANCES[how](work.path("b"))), pytest.raises(FilesChanged) as caught:
        work.ds.restore()
    assert caught.value.items == ("b",)
    assert kept(work.path("b"), how)
    assert work.path("a").read_bytes() == b"a"
    assert work.path("dir/c").read_bytes() == b"c"
    assert set(os.listdir(work.root)) == {".dsm", "a", "b", "dir"}
    assert os.listdir(work.path("dir")) == ["c"]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("system", LACKS)
@pytest.mark.parametrize("how", APPEARANCES)
def test_a_file_that_is_saved_while_others_are_replaced(
    work: Work, monkeypatch: pytest.MonkeyPatch, how: str, system: str, force: bool
) -> None:
    """A file that is not any more what was judged is not replaced, by force neither."""
    take_away(monkeypatch, system)
    work.commit("one", a="a1", b="b1", c="c1")
    work.commit("two", a="a2", b="b2", c="c2")
    if force:
        work.write({"b": "unsaved, but seen by restore"})
    with meanwhile(lambda: APPEARANCES[how](work.path("b"))), pytest.raises(FilesChanged) as caught:
        work.ds.restore(source=1, force=force)
    assert caught.value.items == ("b",)
    assert kept(work.path("b"), how)
    assert (work.path("a").read_bytes(), work.path("c").read_bytes()) == (b"a1", b"c1")
    assert set(os.listdir(work.root)) == {".dsm", "a", "b", "c"}
    assert [change.path for change in work.ds.status().unstaged] in (["a", "b", "c"], ["a", "c"])


@pytest.mark.parametrize("how", APPEARANCES)
def test_a_file_that_is_saved_at_any_moment(make_work: Callable[..., Work], how: str) -> None:
    """Where names can be exchanged no moment is too late: what is saved is there in the end."""
    count, lost = 0, []
    for at in range(1, 30):
        work = make_work(f"{how}-{at}")
        work.commit("one", b="b1")
        work.commit("two", b="b2")
        try:
            with meanwhile(partial(APPEARANCES[how], work.path("b")), at) as seen:
                work.ds.restore(source=1)
        except FilesChanged:
            count += 1
        if len(seen) < at:
            break
        found = [path for path in work.root.iterdir() if path.name != ".dsm"]
        if not any(kept(path, how) for path in found if (path.is_dir() == (how == "a_folder"))):
            lost.append(seen[at - 1])
    # What is done to the temporary name after the last exchange comes too late to matter.
    assert lost == [] and count >= 2


def test_what_is_wanted_may_appear(work: Work) -> None:
    """Two restores beside each other want the same: neither is in the way of the other."""
    files = {f"d{n % 3}/f{n}": f"{n}" for n in range(12)}
    work.commit("one", **files)
    for name in files:
        work.path(name).unlink()
    with meanwhile(lambda: work.write(files), at=5):
        report = work.ds.restore()
    assert report.written == 12
    assert work.state() == ([], [], [])


def test_a_file_that_goes_while_it_is_replaced(work: Work) -> None:
    """A file that is removed meanwhile leaves a free place."""
    work.commit("one", a="a1")
    work.commit("two", a="a2")
    with meanwhile(work.path("a").unlink, operation="rename"):
        work.ds.restore(source=1)
    assert work.files() == {"a": b"a1"}


def test_saving_twice(work: Work) -> None:
    """Who saves again while the first save is put back loses neither."""
    work.commit("one", a="a1")
    work.commit("two", a="a2")
    contents = iter((b"first", b"second"))
    renames = 0

    def observer(kind: str, path: str) -> None:
        nonlocal renames
        if kind == "rename" and ".dsm/" not in path:
            renames += 1
            work.path("saving").write_bytes(next(contents))
            os.replace(work.path("saving"), work.path("a"))

    with (
        disk.observe(observer),
        pytest.raises(FilesChanged, match="a appeared or changed meanwhile, and stays as it is"),
    ):
        work.ds.restore(source=1)
    assert renames == 2
    assert sorted(work.files().values()) == [b"first", b"second"]


# --- what the times of a file do not tell -------------------------------------------------------------


@pytest.mark.parametrize("verb", ["restore", "revert", "clear"])
@pytest.mark.parametrize("closed", [False, True])
def test_an_edit_through_a_memory_map(
    work: Work, monkeypatch: pytest.MonkeyPatch, verb: str, closed: bool
) -> None:
    """Bytes that are stored nowhere stay, though the file's times may say that nothing changed."""
    for module in (add, tree):  # the index believes what it saw just now
        monkeypatch.setattr(module, "RACY_NS", -(10**10))
    work.commit("one", **({"b": "b", "a": "0" * 4096} if verb != "clear" else {"a": "a"}))
    name = "a/b" if verb == "clear" else "a"
    if verb == "clear":
        work.path("a").unlink()
    with mapped(work, name) as memory:
        memory[:4] = b"AAAA"
        work.commit("two")
        memory[:4] = b"WORK"  # the page can be written to already: the system is not asked again
        if closed:
            memory.close()
        if verb == "revert":
            work.ds.revert(2)
        else:
            with pytest.raises(FilesChanged) as caught:
                work.ds.restore(source=1)
            assert caught.value.items == (("a", "a/b") if verb == "clear" else ("a",))
    assert work.path(name).read_bytes()[:4] == b"WORK"


@contextmanager
def mapped(work: Work, name: str) -> Iterator[mmap.mmap]:
    if not work.path(name).exists():
        work.write({name: b"0" * 4096})
    with open(work.path(name), "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        yield memory
