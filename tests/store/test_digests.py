"""Hashes by all processors, in processes that are forked."""

from __future__ import annotations

import io
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from situations import Work

import dsm
from dsm.history import snapshot, snapshot_file
from dsm.records.increment import _Window
from dsm.remotes.outgoing import _require_sound
from dsm.store.digests import threaded_hasher

PACKAGE = Path(dsm.__file__).parent
DATA = bytes(range(256)) * 4096


def hashed() -> None:
    assert threaded_hasher().update(DATA).digest() == blake3(DATA).digest()


def in_a_fork(act: Callable[[], object]) -> int:
    """Runs it in a child; returns how that ended. One that waits for ever is killed."""
    child = os.fork()
    if not child:
        status = 1
        try:
            signal.alarm(120)
            act()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_fork_hashes_what_its_parent_has_hashed(tmp_path: Path) -> None:
    """The threads of the parent are not there in a child, which does not wait for them."""
    pack = tmp_path / blake3(DATA).hexdigest()
    pack.write_bytes(DATA)

    def window() -> None:
        read = _Window(io.BytesIO(DATA))
        read.peek(0, len(DATA))
        assert read.whole.digest() == blake3(DATA).digest()

    for act in (hashed, lambda: _require_sound(pack.name, str(pack)), window):
        act()
        assert in_a_fork(act) == 0
        assert in_a_fork(lambda act=act: in_a_fork(act) and os._exit(2)) == 0  # type: ignore[misc]


def test_a_fork_reads_the_snapshot_that_its_parent_has_read(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker of a data loader does that opens the repository anew."""
    monkeypatch.setattr(snapshot_file, "HASH_BYTES", 1 << 14)
    monkeypatch.setattr(snapshot.Snapshots, "_stays_unsaved", lambda *_: False)
    work.ds.add({f"{number}": b"%d" % number for number in range(500)})
    work.ds.commit("many")
    rows = work.ds.snapshot()
    assert work.reopen().snapshot().equals(rows)
    assert in_a_fork(lambda: work.reopen().snapshot().equals(rows) or os._exit(2)) == 0


def test_threads_are_asked_for_in_one_place() -> None:
    """Whoever hashes by all processors goes by what knows of forks."""
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py") if re.search("max_threads|blake3.AUTO", path.read_text())
    }  # fmt: skip
    assert found == {"store/digests.py"}
