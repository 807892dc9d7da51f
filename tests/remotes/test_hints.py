"""What a user can do about a remote that fails: the hint says it, and it is so."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import dsm
from dsm.remotes.address import open_backend
from dsm.remotes.backend import AGAIN, NotOnRemote, RemoteDamaged, RemoteFailed

from .conftest import Copy

Clones = Callable[..., Copy]


def test_damage_names_what_mends_it(origin: Copy, remote: str, clone_of: Clones) -> None:
    """The hint of a damaged header says what `fsck` does, and that mends it."""
    clone = clone_of(remote)
    origin.commit("more", a="a")
    origin.repo.push()
    open_backend(remote).put("datasets/birds/changesets/00000003.json", b"{no document")
    with pytest.raises(RemoteDamaged) as caught:
        clone.repo.fetch()
    assert caught.value.hint is not None and "fsck --remote --repair" in caught.value.hint
    found, mended = origin.repo.check_remote(repair=True)
    assert (len(found.findings), len(mended)) == (1, 1)
    clone.repo.pull()
    assert clone.files() == origin.files()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_file_in_the_place_of_a_tag_has_a_hint(origin: Copy, remote: str) -> None:
    dataset = origin.dataset
    dataset.tag("other")
    os.mkfifo(Path(remote, "datasets", dataset.name, "tags", "other.json"))
    with pytest.raises(RemoteFailed, match=r"other\.json is taken") as caught:
        origin.repo.push(tags=True)
    assert caught.value.hint is not None and "move it away" in caught.value.hint


@pytest.mark.parametrize("scheme", ["http", "s3", "ssh"])
def test_where_nothing_answers_there_is_a_hint(
    scheme: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"{scheme}://127.0.0.1:{port}/birds"
    if scheme == "s3":
        request.getfixturevalue("s3_bucket")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setattr("dsm.remotes.object_store._RETRY", {"max_retries": 0})
        url = "s3://bucket/birds"
    elif scheme == "ssh":
        pytest.importorskip("asyncssh", reason="dsm-datasets[ssh] is not installed")
    monkeypatch.setattr("dsm.remotes.backend.PAUSE_SECONDS", 0.0)
    with pytest.raises(RemoteFailed) as caught:
        dsm.clone(url, tmp_path / "copy")
    assert caught.value.hint == AGAIN


def test_a_bucket_that_is_not_there_is_named(s3_bucket: str, origin: Copy) -> None:
    assert s3_bucket != "s3://no-such-bucket"
    with pytest.raises(NotOnRemote, match=r"s3://no-such-bucket/birds takes no files") as caught:
        origin.repo.remotes.add("far", "s3://no-such-bucket/birds")
    assert caught.value.hint is not None and "a bucket" in caught.value.hint
    with pytest.raises(RemoteFailed, match="404") as listed:
        open_backend("s3://no-such-bucket/birds").entries("")
    assert listed.value.hint == caught.value.hint
