"""A folder that becomes a link while a command runs leads nothing outside, whatever the command."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path

import pytest
from files.systems import LACKS, take_away
from situations import Work
from tiers import thinned

from dsm.errors import DsmError
from dsm.maintenance.gc import apply_gc, plan_gc
from dsm.store import disk, disk_at

NAMES = ("f0", "f1", "f2", "sub/f3", "sub/f4")


def start(work: Work) -> None:
    """Two changesets; the second has other content, files of its own, and a file for a folder."""
    files = {f"d/{name}": f"one {name}" for name in NAMES}
    work.commit("one", **files, **{"d/turns": "a file", "d/goes/deep": "deep", "e/f0": "e"})
    shutil.rmtree(work.path("d"))
    files = {f"d/{name}": f"two {name}" for name in (*NAMES, "new")}
    work.commit("two", **files, **{"d/turns/x": "in a folder", "d/goes": "a file"})


def lose_files(work: Work) -> None:
    for name in NAMES:
        work.path(f"d/{name}").unlink()


def unsaved(work: Work) -> None:
    work.write({f"d/{name}": "unsaved" for name in NAMES})


def restored(work: Work) -> None:
    work.ds.restore(source=1, to="out")
    work.write({f"out/d/{name}": "something else" for name in NAMES})


def gotten(work: Work) -> None:
    work.ds.prepare(at="1").get(str(work.path("out")), format="files")


def left_over(work: Work) -> None:
    """What a restore that was killed leaves behind."""
    journal = '{"root": "%s"}\n{"n": 1, "path": "d/f0"}\n{"n": 2, "path": "d/sub/f3"}\n'
    token = "00000000000000aa"
    work.write(
        {
            f"d/.dsm-restore-{token}-1.part": "part", f"d/sub/.dsm-restore-{token}-2": "two sub/f3",
            f".dsm/local/tmp/{token}-restore.jsonl": journal % work.root,
        }
    )  # fmt: skip


def nothing(_: Work) -> None:
    """The work tree is as the second changeset has it."""


def restore_elsewhere(work: Work) -> None:
    work.ds.restore(source=1, to="out", force=True)


def get(work: Work, **query: object) -> None:
    view = work.ds.prepare(**query)  # type: ignore[arg-type]
    view.get(str(work.path("out")), format="files", force=True)


def move_into_a_folder(work: Work) -> None:
    work.path("m/d").mkdir(parents=True)
    work.ds.move("d", "m", force=True)


def move_that_fails(work: Work) -> None:
    """The stage cannot be written, so what was moved is moved back."""

    def observer(kind: str, path: str) -> None:
        if kind == "create" and "/stage/" in path:
            raise OSError(28, "No space left on device")

    with nested(observer):
        work.ds.move("d", "moved")


# Name: what is done before, the verb, and where the folder lies.
VERBS: dict[str, tuple[Callable[[Work], object], Callable[[Work], object], str]] = {
    "rm": (nothing, lambda work: work.ds.remove(["d"]), ""),
    "rm -f": (unsaved, lambda work: work.ds.remove(["d"], force=True), ""),
    "mv of a folder": (nothing, lambda work: work.ds.move("d/sub", "e/moved"), ""),
    "mv of files": (nothing, move_into_a_folder, ""),
    "mv of a file": (nothing, lambda work: work.ds.move("d/f0", "d/sub/moved"), ""),
    "mv over a file": (nothing, lambda work: work.ds.move("d/f0", "d/sub/f3", force=True), ""),
    "mv that fails": (nothing, move_that_fails, ""),
    "revert": (nothing, lambda work: work.ds.revert(2), ""),
    "restore": (lose_files, lambda work: work.ds.restore(), ""),
    "restore of another": (nothing, lambda work: work.ds.restore(source=1), ""),
    "restore by force": (unsaved, lambda work: work.ds.restore(force=True), ""),
    "restore elsewhere": (restored, restore_elsewhere, "out/"),
    "get of another view": (gotten, lambda work: get(work, paths=["d/f*"]), "out/data/"),
    "gc": (left_over, lambda work: apply_gc(work.repo, plan_gc(work.repo)), ""),
}


class Swap:
    """Replaces folders of the work tree by links to ones outside that look the same."""

    def __init__(self, work: Work, outside: Path):
        self.work, self.outside = work, outside
        shutil.rmtree(outside, ignore_errors=True)
        shutil.copytree(work.root, outside, symlinks=True, ignore=lambda *_: [".dsm"])
        for path in outside.rglob("*"):
            if path.is_file():
                path.write_bytes(b"precious, not of the dataset")
        self.before = self.look()
        self.turned = threading.Event()

    def look(self) -> dict[str, bytes]:
        return self.work.files(self.outside) | {
            f"{path.relative_to(self.outside)}/": b"" for path in self.outside.rglob("*") if path.is_dir()
        }  # fmt: skip

    def swap(self, folder: str) -> None:
        path = self.work.path(folder)
        if path.is_dir() and not path.is_symlink():
            path.rename(path.with_name(f"{path.name} moved"))
            path.symlink_to(self.outside / folder)

    def to_and_fro(self, folder: str, stop: threading.Event) -> None:
        path = self.work.path(folder)
        aside = path.with_name(f"{path.name} moved")
        while not stop.is_set():
            with contextlib.suppress(OSError):
                path.rename(aside)
            with contextlib.suppress(OSError):
                path.symlink_to(self.outside / folder)
                self.turned.set()
            with contextlib.suppress(OSError):
                path.unlink()
            with contextlib.suppress(OSError):
                aside.rename(path)


@contextlib.contextmanager
def nested(observer: disk.Observer) -> Iterator[None]:
    """Observes beside whoever observes already."""
    other = disk.before

    def both(kind: str, path: str) -> object:
        other_says = other(kind, path)
        observer(kind, path)
        return other_says

    with pytest.MonkeyPatch.context() as patched:
        for module in (disk, disk_at):
            patched.setattr(module, "before", both)
        yield


def at_primitive(number: int, act: Callable[[], object], seen: list[str]) -> disk.Observer:
    """Acts before the n-th primitive on a file of `d`; those on files of dsm, or of a view beside its data, make no difference."""

    def observer(kind: str, path: str) -> None:
        if ".dsm/" not in path and ("/out/" not in path or "/out/data/" in path):
            seen.append(f"{kind} {path}")
            if len(seen) == number:
                act()

    return observer


@pytest.fixture
def lay_out(make_work: Callable[..., Work], tmp_path: Path) -> Callable[[str], Work]:
    """Makes the state before a verb, each time as if it were the first."""
    made: dict[str, Path] = {}

    def lay(verb: str) -> Work:
        if verb not in made:
            template = make_work("template")
            start(template)
            VERBS[verb][0](template)
            template.repo.close()
            made[verb] = template.root
        shutil.rmtree(tmp_path / "work", ignore_errors=True)
        shutil.copytree(made[verb], tmp_path / "work", symlinks=True)
        if verb == "gc":
            left_over(work := make_work())  # its journal has another root now
            return work
        return make_work()

    return lay


@pytest.mark.parametrize(("folder", "verb"), thinned(product(["d", "d/sub"], VERBS)))
def test_swapped_before_any_primitive(
    lay_out: Callable[[str], Work], tmp_path: Path, verb: str, folder: str
) -> None:
    """Whichever write, rename or removal comes next, it stays in the folder that was meant."""
    _, act, lead = VERBS[verb]
    escaped: list[str] = []
    seen: list[str] = []
    number = 0
    while len(seen) >= number:
        number += 1
        work = lay_out(verb)
        swap = Swap(work, tmp_path / "outside")
        seen.clear()
        observer = at_primitive(number, partial(swap.swap, lead + folder), seen)
        with disk.observe(observer), contextlib.suppress(DsmError):
            act(work)
        if swap.look() != swap.before:
            escaped.append(f"{number} {seen[number - 1]}")
    assert escaped == []
    assert number > 1


@pytest.mark.parametrize("system", LACKS)
@pytest.mark.parametrize("verb", ["restore of another", "mv of files", "revert"])
def test_swapped_again_and_again(
    lay_out: Callable[[str], Work],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    system: str,
) -> None:
    """Beside a thread that never stops swapping, nothing is written, moved or removed outside."""
    take_away(monkeypatch, system)
    for _ in range(5):
        work = lay_out(verb)
        swap = Swap(work, tmp_path / "outside")
        stop = threading.Event()
        thread = threading.Thread(target=swap.to_and_fro, args=("d/sub", stop))
        thread.start()
        assert swap.turned.wait(300)
        try:
            with contextlib.suppress(DsmError):
                VERBS[verb][1](work)
        finally:
            stop.set()
            thread.join()
        assert swap.look() == swap.before
