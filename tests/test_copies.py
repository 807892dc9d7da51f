"""Copies by pickle and `copy`: of repositories, datasets, views, examples and errors, anywhere."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import os
import pickle
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import dsm
from dsm.errors import DsmError, NotARepository, NotFound, raised_again

FILES = {
    "cat/1.txt": b"one",
    "cat/2.txt": b"two",
    "dog/1.txt": b"",
    "dog/large.bin": bytes(2_000_000),
}


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A repository that is the current folder, opened by a relative path, with a view."""
    (tmp_path / "pets").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with dsm.init("pets", pattern="{label}/{_}") as repo:
        repo.dataset().add(FILES)  # type: ignore[arg-type]
        repo.dataset().commit("one")
        repo.dataset().prepare(name="all")
    with dsm.open("pets") as repo:
        yield repo


def by_pickle(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


def by_old_pickle(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing, protocol=2))


WAYS = [by_pickle, by_old_pickle, copy.deepcopy, copy.copy]
# What is copied, and what of it is compared.
THINGS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "repo": (lambda repo: repo, lambda repo: (repo.id, repo.datasets(), repo.view("all").digest)),
    "dataset": (
        lambda repo: repo.dataset(),
        lambda ds: (ds.name, ds.id, ds.root, ds.head, ds.read("cat/1.txt"), ds.snapshot().num_rows),
    ),
    "view": (
        lambda repo: repo.view("all"),
        lambda view: (view.version, view.digest, {e.path: e.bytes for e in view}),
    ),
    "new view": (
        lambda repo: repo.dataset().prepare(labels=["cat"], percent=0.5),
        lambda view: (view.version, len(view), [(e.path, e.labels) for e in view.iterate(seed=3)]),
    ),
    "view that was read": (
        lambda repo: [view := repo.view("all"), view[0].bytes, list(view.iterate(seed=1))][0],
        lambda view: [e.bytes for e in view],
    ),
    "view without sources": (
        lambda repo: repo.view("all").without_sources(),
        lambda view: (view.source_mode, len(view)),
    ),
    "example of a view": (
        lambda repo: repo.view("all")[1],
        lambda e: (e.path, e.oid, e.size, e.time, e.labels, e.attributes, e.annotation, e.changeset,
                   e.bytes, e.open().read()),
    ),
    "example of a dataset": (lambda repo: repo.dataset().example("cat/2.txt"), lambda e: e),
    "changeset": (lambda repo: repo.dataset().changeset(1), lambda changeset: changeset),
    "status": (lambda repo: repo.dataset().status(), lambda status: status),
    "diff": (lambda repo: repo.dataset().changes(1), lambda diff: diff),
    "tag": (lambda repo: repo.dataset().tag("v1"), lambda tag: tag),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", THINGS)
def test_a_copy_is_as_good(pets: Any, name: str, way: Callable[[Any], Any]) -> None:
    """Everything that people hold can be copied, and a copy answers as the original does."""
    made, told = THINGS[name]
    thing = made(pets)
    assert told(way(thing)) == told(thing)


@pytest.mark.parametrize("name", THINGS)
def test_a_copy_wakes_up_in_another_folder(
    pets: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it wakes up lies another repository: it is not taken for its own."""
    made, told = THINGS[name]
    expected, data = told(made(pets)) if name != "tag" else None, pickle.dumps(made(pets))
    monkeypatch.chdir(tmp_path / "elsewhere")
    dsm.init(".", dataset="pets").close()
    found = told(pickle.loads(data))
    assert expected in (None, found)


@pytest.mark.parametrize("kind", ["repo", "dataset", "view"])
def test_a_copy_shares_nothing(pets: Any, kind: str) -> None:
    """Closing a copy closes nothing of the original, and the other way about."""
    thing = THINGS[kind][0](pets)
    other = copy.deepcopy(thing)
    copied = other if kind == "repo" else other.repo if kind == "dataset" else other.repository
    assert copied is not pets and copied.store is not pets.store
    pets.close()
    assert THINGS[kind][1](other) == THINGS[kind][1](thing)


def test_a_copy_is_small(pets: Any) -> None:
    """What is sent of a repository, a dataset or a view is where it is, not what it holds."""
    view = pets.view("all")
    assert sum(len(e.bytes) for e in view) > 2_000_000
    for thing in (pets, pets.dataset(), view):
        assert len(pickle.dumps(thing)) < 2000


@pytest.mark.parametrize("kind", ["repo", "dataset", "view"])
def test_a_copy_of_what_is_gone(pets: Any, kind: str, tmp_path: Path) -> None:
    """Where its repository is gone, or another one has taken its place, a copy says so."""
    data = pickle.dumps(THINGS[kind][0](pets))
    (tmp_path / "pets").rename(tmp_path / "away")
    with pytest.raises((NotARepository, NotFound), match="there is no folder"):
        pickle.loads(data)
    dsm.init(tmp_path / "pets").close()
    with pytest.raises(NotFound, match="the repository that this copy was made of") as caught:
        pickle.loads(data)
    assert caught.value.message == (
        f"{tmp_path}/pets is not the repository that this copy was made of"
    )
    # Nor is one taken that lies above.
    (tmp_path / "pets").rename(tmp_path / "other")
    (tmp_path / "pets").mkdir()
    dsm.init(tmp_path).close()
    with pytest.raises(NotFound, match="the repository that this copy was made of"):
        pickle.loads(data)


def count(view: Any) -> tuple[int, int]:
    return os.getpid(), sum(len(e.bytes) for e in view)


def read(thing: Any, path: str) -> bytes:
    return thing.read(path)  # type: ignore[no-any-return]


def fail(ds: Any, path: str) -> None:
    ds.example(path)


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_worker_processes(pets: Any, method: str) -> None:
    """Workers that are started in any way take views and datasets, and their errors come back."""
    with multiprocessing.get_context(method).Pool(1) as pool:
        pid, total = pool.apply(count, [pets.view("all")])
        assert pid != os.getpid() and total == sum(map(len, FILES.values()))
        assert pool.apply(read, [pets.dataset(), "cat/1.txt"]) == b"one"
        with pytest.raises(NotFound, match="changeset 1 of pets has no example") as caught:
            pool.apply(fail, [pets.dataset(), "cat/3.txt"])
    assert caught.value.message == "changeset 1 of pets has no example cat/3.txt"
    assert caught.value.hint == "did you mean cat/2.txt?"


def test_a_view_of_another_program(pets: Any, tmp_path: Path) -> None:
    """A pickle is opened by a program that has imported nothing, in another folder."""
    program = """
import pickle, sys
view = pickle.load(sys.stdin.buffer)
print([e.path for e in view])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(pets.view("all")), capture_output=True,
        cwd=tmp_path / "elsewhere",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"{sorted(FILES)}\n"


# --- errors -----------------------------------------------------------------------------------


def error_classes() -> list[type[DsmError]]:
    for module in pkgutil.walk_packages(dsm.__path__, "dsm."):
        if module.name not in ("dsm.__main__", "dsm.torch"):
            import_module(module.name)
    found: list[type[DsmError]] = []
    left: list[type[DsmError]] = [DsmError]
    while left:
        found.append(left.pop())
        left += found[-1].__subclasses__()
    return found


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_errors_cross_processes(kind: type[DsmError]) -> None:
    """Every error keeps its class, message, hint and items, whatever its constructor takes."""
    error = raised_again(kind, ("a message",), {})
    DsmError.__init__(error, "a message", hint="do this", items=("a", "b"))
    error.oid = bytes(32)  # type: ignore[attr-defined]
    again = by_pickle(error)
    assert type(again) is kind
    assert (again.message, again.hint, again.items, str(again), again.oid) == (
        "a message", "do this", ("a", "b"), "a message", bytes(32),
    )  # fmt: skip
    assert again.__notes__ == ["hint: do this"]


def test_tracebacks_show_the_hint(pets: Any) -> None:
    """Who sees a traceback sees what to do, too; the text of the error is the message alone."""
    with pytest.raises(NotFound, match="changeset 1 of pets has no example") as caught:
        pets.dataset().example("cat/3.txt")
    assert str(caught.value) == "changeset 1 of pets has no example cat/3.txt"
    done = subprocess.run(
        [sys.executable, "-c", "import dsm; dsm.open('pets').dataset().example('cat/3.txt')"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr.splitlines()[-2:] == [
        "dsm.errors.NotFound: changeset 1 of pets has no example cat/3.txt",
        "hint: did you mean cat/2.txt?",
    ]


def test_every_error_is_tested() -> None:
    """The list of classes above is not empty by mistake."""
    assert len(error_classes()) > 20
    assert all(inspect.isclass(kind) for kind in error_classes())
