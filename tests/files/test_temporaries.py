"""Temporary files are known by their journal: what users call likewise is theirs, and stays."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from dying import killed_at
from files.systems import LACKS, take_away
from situations import Work

from dsm.files.temporaries import JOURNAL, TEMPORARY, Temporaries, is_temporary, leftovers
from dsm.maintenance.gc import apply_gc, plan_gc
from dsm.maintenance.reports import GcPlan
from dsm.store import disk
from dsm.store.lease import living

LIKE_OURS = (
    ".dsm-restore-", ".dsm-restore-notes.md", ".dsm-restore-1-1", ".dsm-restore-0123456789abcdef-1",
    ".dsm-restore-0123456789abcdef-1.part", "dir/.dsm-restore-fedcba9876543210-2",
)  # fmt: skip


def prune(work: Work) -> GcPlan:
    return apply_gc(work.repo, plan_gc(work.repo))


def test_files_of_users_with_names_like_ours(work: Work) -> None:
    """They are added, committed and restored like any other file, and gc leaves them alone."""
    files = dict.fromkeys(LIKE_OURS, b"mine")
    work.write(files)
    assert prune(work).files == ()
    assert work.state()[2] == sorted(LIKE_OURS)
    work.ds.add(["."])
    work.ds.commit("one")
    assert work.contents() == files
    assert prune(work).files == ()
    assert work.files() == files
    for name in LIKE_OURS:
        work.path(name).unlink()
    work.ds.restore()
    assert work.files() == files


@pytest.fixture
def template(make_work: Callable[..., Work]) -> Path:
    """Two versions of a file, and a folder outside of the work tree that has the second."""
    work = make_work("template")
    work.commit("one", **{"dir/a": "one"})
    work.commit("two", **{"dir/a": "two"})
    work.ds.restore(to="../elsewhere")
    work.repo.close()
    return work.root


@pytest.mark.parametrize(
    ("system", "to"), [*((system, None) for system in LACKS), ("all there", "../elsewhere")]
)
def test_leftovers_of_a_killed_restore(
    make_work: Callable[..., Work],
    template: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    to: str | None,
) -> None:
    """Killed at any moment, a restore leaves the old file or the new one; gc removes the rest."""
    take_away(monkeypatch, system)
    left = number = 0
    alive = False
    while not alive:
        number += 1
        root = template.parent / f"work {number}"
        shutil.copytree(template, root)
        work = make_work(root.name)
        act = partial(work.ds.restore, source=1, to=to, force=True)
        alive = not killed_at(number, act)
        folder = root / (to or ".") / "dir"
        assert (folder / "a").read_bytes() in (b"one", b"two")
        left += len(os.listdir(folder)) > 1
        assert work.state() in (([], [], []), ([], [("m", "dir/a")], []))
        prune(work)
        assert os.listdir(folder) == ["a"]
        assert os.listdir(work.repo.layout.temporary) == []
    assert left > 0


def test_gc_beside_a_restore(work: Work) -> None:
    """The temporary file of a process that is alive stays, at any moment of its life."""
    work.commit("one", a="one", b="one")
    work.commit("two", a="two", b="two")
    found: list[list[str]] = []

    def collect(kind: str, path: str) -> None:
        if ".dsm/" not in path:
            before = sorted(os.listdir(work.root))
            plan = plan_gc(work.repo)
            assert [name for name, _ in plan.files if not name.endswith(".pack")] == []
            apply_gc(work.repo, plan)
            found.append(before)
            assert sorted(os.listdir(work.root)) == before

    observing = False

    def observer(kind: str, path: str) -> None:
        nonlocal observing
        if not observing:  # what gc does itself is not observed
            observing = True
            collect(kind, path)
            observing = False

    with disk.observe(observer):
        work.ds.restore(source=1)
    assert any(name.startswith(TEMPORARY) for names in found for name in names)
    assert work.files() == {"a": b"one", "b": b"one"}


def test_what_was_displaced_and_is_stored_nowhere_stays(work: Work) -> None:
    """A restore that died between exchange and comparison may hold what was just saved."""
    work.commit("one", a="one")
    token = "00000000000000aa"
    name = f"{TEMPORARY}{token}-1"
    journal = f".dsm/local/tmp/{token}{JOURNAL}"
    lines = [{"root": str(work.root)}, {"n": 1, "path": "a"}]
    work.write({name: "saved in the last moment", journal: "\n".join(map(json.dumps, lines))})
    assert work.ds.status().clean
    plan = prune(work)
    assert [os.path.basename(path) for path, _ in plan.files] == [os.path.basename(journal)]
    (note,) = plan.notes
    assert note == (
        f"{work.path(name)} stays: its content is stored nowhere. A restore that was killed found it"
        " as a"
    )
    # Now it is a file like any other.
    assert work.ds.status().untracked == (name,)
    assert prune(work).notes == ()
    assert work.path(name).read_bytes() == b"saved in the last moment"


@pytest.mark.parametrize(
    "lines",
    [
        b"", b"{", b"[]\n[]\n", b'{"root": 1}\n', b'{"root": "/", "n": 1}\n{"n": "x", "path": "a"}\n',
        b'{"root": "%s"}\n{"n": 1, "path": "../outside/f"}\n', b'{"root": "%s"}\n{"n": 1, "path": 5}\n',
        b'{"root": "%s"}\n{"n": 1, "path": "nul\\u0000"}\n{"n": 1, "path": "\\ud800"}\n',
        b'{"root": "%s"}\n{"n": 1, "path": "link/f"}\n', b'{"root": "\\ud800"}\n{"n": 1, "path": "a"}\n',
        b"\xff\xfe\n" * 3, b"[" * 60_000 + b"\n", b'{"root": "' + b"/" * 100_000, b'{"root": "%s"}\n{"n": 1}\n{"path": "a"}\n',
    ],
)  # fmt: skip
def test_planted_journals_remove_nothing(work: Work, tmp_path: Path, lines: bytes) -> None:
    """Whatever a journal says, nothing outside and nothing of another name goes."""
    (tmp_path / "outside").mkdir()
    token = "00000000000000aa"
    name = f"{TEMPORARY}{token}-1.part"
    (tmp_path / "outside" / name).write_bytes(b"precious")
    (tmp_path / "outside/f").write_bytes(b"precious")
    work.commit("one", a="a")
    os.symlink(tmp_path / "outside", work.path("link"))
    work.write({f".dsm/local/tmp/{token}{JOURNAL}": lines.replace(b"%s", str(work.root).encode())})
    prune(work)
    assert work.files(tmp_path / "outside") == {"f": b"precious", name: b"precious"}
    assert work.path("a").read_bytes() == b"a"
    assert os.listdir(work.repo.layout.temporary) == []


def test_a_journal_says_whose_a_file_is(tmp_path: Path) -> None:
    """A name is a temporary's as long as its process, or the journal that this left, is there."""
    folder = str(tmp_path)
    with Temporaries(folder, "/somewhere") as temporaries:
        names = [temporaries.name("a/b"), temporaries.name("c", part=True)]
        assert [is_temporary(folder, name) for name in names] == [True, True]
        assert len(living(folder)) == 1
        assert list(leftovers(folder, living(folder))) == []
        assert [is_temporary(folder, name) for name in LIKE_OURS] == [False] * len(LIKE_OURS)
    assert [is_temporary(folder, name) for name in names] == [False, False]
    assert os.listdir(folder) == []


def test_where_nothing_can_be_written_down(tmp_path: Path) -> None:
    """Without a place for journals there are names all the same."""
    with Temporaries(str(tmp_path / "missing"), "/somewhere") as temporaries:
        first, second = temporaries.name("a"), temporaries.name("a")
    assert first != second
    assert first.startswith(TEMPORARY)
