"""A defect of the program leaves a file that tells where it was, and nothing of anybody's data."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dsm.datasets import Dataset
from dsm.errors import DsmError, NotFound
from dsm.store import disk
from dsm.store.workers import start

from .conftest import Runner, Said, write

CANARY = "canary-7f31"
LINES = (
    "commit -m canary-7f31 --author canary-7f31 --source=canary-7f31",
    "commit --note canary-7f31 -m canary-7f31 -a",
    "commit -mcanary-7f31 cat/canary-7f31.txt",
)


@dataclass(frozen=True)
class Failing:
    """A job of a worker that meets what nobody expected."""

    text: str

    def run(self, next_order: Callable[[], object]) -> Iterator[object]:
        yield {}[self.text]


def crash(kind: str) -> None:
    """Raises an error of a kind, with a canary wherever one may be."""
    canary = CANARY
    if kind == "message":
        raise KeyError(canary)
    if kind == "note":
        error = RuntimeError("note")
        error.add_note(canary)
        raise error
    if kind == "cause":
        raise RuntimeError("wrapped") from ValueError(canary)
    if kind == "context":
        try:
            raise NotFound(canary, hint=canary, items=(canary,))
        except NotFound:
            raise TypeError from None
    if kind == "group":
        raise ExceptionGroup(
            canary, [KeyError(canary), ExceptionGroup(canary, [OSError(5, canary)])]
        )
    if kind == "name":
        raise type(canary, (ValueError,), {"__module__": canary})(canary)
    if kind == "code":
        code = compile(
            f"def {canary.replace('-', '_')}():\n    raise KeyError('{canary}')", canary, "exec"
        )
        names: dict[str, Any] = {"__name__": f"dsm.{canary}"}
        exec(code, names)
        names[canary.replace("-", "_")]()
    if kind == "json":
        json.loads('{"row": ' + canary)
    if kind == "text":
        canary.encode().decode("utf-16")
        (canary + "ü").encode("ascii")
    if kind == "deep":
        crash("deep")
    if kind == "ours":
        raise DsmError(canary, hint=canary, items=(canary,))
    if kind == "worker":
        (worker,) = start([Failing(canary)])
        try:
            worker.hear()
        finally:
            worker.end()


KINDS = (
    "message", "note", "cause", "context", "group", "name", "code", "json", "text", "deep", "ours",
    "worker",
)  # fmt: skip


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes `dsm commit` meet a defect of a kind."""

    def break_(kind: str) -> None:
        monkeypatch.setattr(Dataset, "commit", lambda *_, **__: crash(kind))

    return break_


def log_of(said: Said, repo: Path) -> Path:
    """Returns the file that a message names."""
    found = re.search(r"^hint: please report it with (\S+), which", said.err, re.MULTILINE)
    assert found is not None, said.err
    assert Path(found[1]).parent == repo / ".dsm/local/crashes"
    return Path(found[1])


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_private_is_told(
    dsm: Runner, two_changesets: Path, broken: Callable[[str], None], kind: str
) -> None:
    """No message, name, note or word of the command line gets into the file or onto the screen."""
    broken(kind)
    for line in LINES:
        said = dsm(*line.split(" "), status=70)
        assert CANARY not in said.out + said.err
        log = log_of(said, two_changesets)
        text = log.read_text()
        assert CANARY not in text and CANARY.replace("-", "_") not in text
        assert str(two_changesets) not in text and "photos" not in text
        assert "\n  dsm/cli/dispatch.py:" in text or kind == "deep"
        assert (len(text) < 20_000, text.isascii()) == (True, True)


def test_what_is_told(dsm: Runner, two_changesets: Path, broken: Callable[[str], None]) -> None:
    """Kind and place on the screen; in the file, which its owner alone may read, the calls too."""
    broken("message")
    said = dsm("commit", "-m", CANARY, "--note=x", status=70)
    first, hint = said.err.splitlines()
    assert re.fullmatch(r"bug: KeyError in dsm\.cli\.commit, line \d+ \(dsm .*, Python .*\)", first)
    log = log_of(said, two_changesets)
    assert log.stat().st_mode & 0o777 == 0o600
    lines = log.read_text().splitlines()
    assert "command    commit -m --note" in lines
    assert re.fullmatch(r"libraries  .*blake3 \d.*", lines[6])
    calls = lines[lines.index("KeyError") + 1 :]
    assert [re.sub(r":\d+ ", " ", call) for call in calls] == [
        "  dsm/__main__.py _run",
        "  dsm/cli/dispatch.py run",
        "  dsm/cli/commit.py command",
        "  calls in other packages: 2",
    ]
    assert hint == f"hint: please report it with {log}, which holds no names of files and no data"


def test_a_worker_tells_where_it_failed(
    dsm: Runner, two_changesets: Path, broken: Callable[[str], None]
) -> None:
    """The kind and the calls of another process arrive, and its message does not."""
    broken("worker")
    text = log_of(dsm("commit", "-m", "x", status=70), two_changesets).read_text()
    lines = text.splitlines()
    told = lines[lines.index("  in the worker process:") + 1 :]
    assert told[0] == "    KeyError"
    assert re.fullmatch(r"      dsm/store/workers\.py:\d+ serve", told[1])


def test_causes_are_told_by_kind(
    dsm: Runner, two_changesets: Path, broken: Callable[[str], None]
) -> None:
    """What led to an error is there by its class, code or number."""
    broken("context")
    text = log_of(dsm("commit", "-m", "x", status=70), two_changesets).read_text()
    assert "\nafter dsm.errors.NotFound (not-found)\n" in text
    broken("group")
    text = log_of(dsm("commit", "-m", "x", status=70), two_changesets).read_text()
    assert "\nExceptionGroup\n" in text and "\nafter OSError (EIO)\n" in text
    broken("name")
    said = dsm("commit", "-m", "x", status=70)
    assert said.err.startswith("bug: a kind of ValueError in dsm.cli.commit, line ")


def test_the_newest_ten_are_kept(
    dsm: Runner, two_changesets: Path, broken: Callable[[str], None]
) -> None:
    """A defect in a loop does not fill the disk; what is not ours stays, and fsck minds none."""
    folder = two_changesets / ".dsm/local/crashes"
    folder.mkdir()
    for day in range(1, 13):
        write(folder / f"202001{day:02}T000000Z-00000000.txt", "old")
    write(folder / "notes.txt", "mine")
    broken("message")
    log = log_of(dsm("commit", "-m", "x", status=70), two_changesets)
    kept = [f"202001{day:02}T000000Z-00000000.txt" for day in range(4, 13)]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*kept, log.name, "notes.txt"])
    assert dsm("fsck", "--full").out == ""


def test_outside_a_repository(dsm: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written, and the hint says how to see more."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dsm.api.init", lambda *_, **__: crash("message"))
    said = dsm("init", status=70)
    assert said.err.splitlines()[1] == (
        "hint: run it again with DSM_DEBUG=1 for the traceback, and please report that"
    )
    assert (list(tmp_path.iterdir()), CANARY in said.err) == ([], False)


@pytest.mark.parametrize("planted", ["local", "crashes", "file"])
def test_no_link_is_followed(
    dsm: Runner, two_changesets: Path, tmp_path: Path, broken: Callable[[str], None], planted: str
) -> None:
    """Where the folder is a link or a file, nothing is written, there or behind it; a link is refused."""
    outside = tmp_path / "outside"
    local = two_changesets / ".dsm/local"
    broken("message")
    if planted == "local":
        local.rename(outside)
        local.symlink_to(outside)
        before = sorted(os.listdir(outside))
    else:
        outside.mkdir()
        before = []
        if planted == "file":
            (local / "crashes").write_text("")
        else:
            (local / "crashes").symlink_to(outside)
    said = dsm("commit", "-m", "x", status=70 if planted == "file" else 7)
    assert "please report it with" not in said.err
    assert sorted(os.listdir(outside)) == before


def test_a_repository_that_cannot_be_written(
    dsm: Runner, two_changesets: Path, broken: Callable[[str], None]
) -> None:
    """Whichever write fails, the defect is told all the same, and by the same status."""
    broken("message")
    operations: list[str] = []

    def failing(number: int) -> Callable[[str, str], object]:
        seen = 0

        def observer(operation: str, _: str) -> object:
            nonlocal seen
            seen += 1
            operations.append(operation)
            if seen == number:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            return None

        return observer

    for number in range(1, 10):
        operations.clear()
        with disk.observe(failing(number)):
            said = dsm("commit", "-m", "x", status=70)
        assert said.err.startswith("bug: KeyError in dsm.cli.commit")
        assert CANARY not in said.err
        if len(operations) < number:
            break
        assert said.err.splitlines()[1].startswith("hint: run it again with DSM_DEBUG=1")
    assert operations == ["create folder", "create folder", "create", "write", "close"]
