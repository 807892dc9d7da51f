"""A remote that an older dsm wrote (tests/golden/remote) stays readable, and can be pushed to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from .conftest import Copy

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "remote"
HEAD = "a7f22d8d5ce5b391105bc2e25186b224e412701ff5d2a2d8bd87f8045712b77a"
CONTENTS = {
    "large.bin": bytes(3_000_000), "owl/1.txt": b"hoohoo\n", "wren/2.txt": b"chirp\n",
    "r.jsonl#a": b'{"id":"a","n":1}', "r.jsonl#b": b'{"id":"b","n":2}',
}  # fmt: skip


def test_a_remote_of_an_older_version_is_read(
    tmp_path: Path, clone_of: Callable[..., Copy]
) -> None:
    """Changesets with their ids, content, records, a tag and a view; it checks as sound, and takes more."""
    place = str(tmp_path / "remote")
    shutil.copytree(GOLDEN, place)
    clone = clone_of(place)
    assert [c.message for c in clone.dataset.log()] == ["second", "first birds"]
    assert clone.dataset.changeset("head").id == HEAD
    assert CONTENTS.items() <= clone.contents().items()
    assert clone.dataset.changeset("v1").number == 1
    assert [example.path for example in clone.repo.view("owls")] == ["owl/1.txt"]
    assert clone.sound()
    found, _ = clone.repo.check_remote(share=1.0)
    assert found.findings == []
    clone.commit("third", new="new")
    assert clone.repo.push().changesets == 1
    assert clone_of(place).contents() == clone.contents()
