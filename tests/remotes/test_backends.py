"""The contract that every kind of place keeps."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dsm.errors import InvalidInput
from dsm.remotes import webdav
from dsm.remotes.address import open_backend
from dsm.remotes.backend import (
    Backend,
    NotOnRemote,
    RemoteDamaged,
    RemoteFailed,
    RemoteRefused,
)
from dsm.remotes.listing_file import LISTING, write_listing
from dsm.remotes.probe import creates_exclusively

from .conftest import webdav_server
from .web_servers import Files, FilesByRange, Hub, on_hub, serving


@pytest.fixture
def backend(every_place: str) -> Backend:
    return open_backend(every_place)


class Reading:
    """What `Backend` promises to those who read. `writer` puts there what `backend` reads."""

    @pytest.fixture
    def writer(self, backend: Backend) -> Backend:
        return backend

    def test_what_was_put_is_read(self, backend: Backend, writer: Backend) -> None:
        """Bytes come back whole, by ranges, and from a position on."""
        writer.put("a/b.json", b"0123456789")
        assert backend.get("a/b.json", 10) == b"0123456789"
        assert backend.get("a/b.json", 10, 3, 3) == b"345"
        assert backend.get("a/b.json", 10, 7) == b"789"
        assert backend.get("a/b.json", 10, 8, 20) == b"89"

    def test_an_empty_file_is_a_file(self, backend: Backend, writer: Backend) -> None:
        """It is read, and listed with no bytes."""
        writer.put("empty", b"")
        assert backend.get("empty", 10) == b""
        self.listed(writer)
        assert [(e.name, e.size) for e in backend.entries("") if "/" not in e.name] == [
            ("empty", 0)
        ]

    def test_what_is_not_there_is_named(self, backend: Backend, writer: Backend) -> None:
        """Reading it raises NotOnRemote; listing its folder is empty."""
        writer.put("here", b"")
        self.listed(writer)
        with pytest.raises(NotOnRemote, match="gone"):
            backend.get("gone", 10)
        assert backend.entries("gone/") == []

    def test_a_listing_has_what_lies_below(self, backend: Backend, writer: Backend) -> None:
        """Sorted, with sizes, below a folder only, and nothing of a name that only begins alike."""
        for name in ("d/a/2", "d/a/1", "d/ab", "e/1"):
            writer.put(name, name.encode())
        self.listed(writer)
        assert [(e.name, e.size) for e in backend.entries("d/a/")] == [("d/a/1", 5), ("d/a/2", 5)]
        found = [e.name for e in backend.entries("") if e.name != LISTING]
        assert found == ["d/a/1", "d/a/2", "d/ab", "e/1"]

    def test_more_than_expected_is_refused(self, backend: Backend, writer: Backend) -> None:
        """A file that is longer than it may be is not taken into memory."""
        writer.put("a", b"0123456789")
        with pytest.raises(RemoteDamaged, match="longer than 5 bytes"):
            backend.get("a", 5)

    @pytest.mark.parametrize("name", ["../a", "/a", "a//b", "a/../b", "", "a\nb", "a\\b", "é"])
    def test_odd_names_are_refused(self, backend: Backend, name: str) -> None:
        """No name leads out of the place, or is spelt in two ways."""
        with pytest.raises(RemoteFailed, match="no name of a file"):
            next(iter(backend.read(name)))

    def listed(self, writer: Backend) -> None:
        """What has to be done before others can list what was written: nothing, as a rule."""


class TestBackend(Reading):
    """What `Backend` promises, of every kind of place."""

    def test_put_replaces(self, backend: Backend) -> None:
        """The last one who puts a name has it."""
        backend.put("a", b"one")
        backend.put("a", b"two")
        assert backend.get("a", 10) == b"two"

    def test_a_file_goes_up_whole(self, backend: Backend, tmp_path: Path) -> None:
        """Also one that is longer than what is read at once."""
        data = bytes(range(256)) * 40_000
        (tmp_path / "big").write_bytes(data)
        backend.put_file("packs/aa/big.pack", str(tmp_path / "big"))
        assert data == backend.get("packs/aa/big.pack", len(data))

    def test_what_is_gone_is_deleted(self, backend: Backend) -> None:
        """Removing what is not there is fine."""
        backend.delete("gone")
        assert backend.entries("") == []

    def test_create_says_whether_the_name_was_free(self, backend: Backend) -> None:
        """The second one, with other bytes or the same, changes nothing."""
        assert backend.create("x/1.json", b"mine") is True
        assert backend.create("x/1.json", b"other") is False
        assert backend.create("x/1.json", b"mine") is False
        assert backend.get("x/1.json", 10) == b"mine"

    def test_one_of_many_creates_a_name(self, every_place: str, backend: Backend) -> None:
        """Of threads with connections of their own exactly one wins, and its bytes are there."""
        others = [backend, *(open_backend(every_place) for _ in range(3))]
        texts = [f"writer {number}".encode() for number in range(4)]
        with ThreadPoolExecutor(4) as racers:
            won = list(
                racers.map(
                    lambda pair: pair[0].create("race", pair[1]), zip(others, texts, strict=True)
                )
            )
        assert won.count(True) == 1
        assert texts[won.index(True)] == backend.get("race", 100)

    def test_what_was_deleted_is_gone(self, backend: Backend) -> None:
        """Its name is free again."""
        backend.put("a", b"one")
        backend.delete("a")
        with pytest.raises(NotOnRemote, match="has no file a"):
            backend.get("a", 10)
        assert backend.create("a", b"two") is True

    def test_an_answer_that_was_lost_is_settled(self, backend: Backend) -> None:
        """Bytes of ours under the name mean that an earlier try of ours was the one."""
        assert backend.create("h", b"transaction 1") is True
        assert backend.create_settled("h", b"transaction 1") is True
        assert backend.create_settled("h", b"transaction 2") is False
        assert backend.create_settled("h", b"short") is False

    def test_the_probe_finds_the_place_fit(self, backend: Backend) -> None:
        """Names are created exclusively, and nothing of the test stays."""
        assert creates_exclusively(backend) is True
        assert backend.entries("") == []

    def test_requests_are_counted(self, backend: Backend) -> None:
        """One for each small thing that is asked."""
        before = backend.requests
        backend.put("a", b"one")
        backend.create("b", b"two")
        backend.get("a", 10)
        assert backend.requests - before == 3


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[str, Path]]]:
    """Addresses of each kind of server for reading, with the folder behind each."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in ("pages", "static", "hub")}
    handlers = {"pages": Files, "static": FilesByRange, "hub": Hub}
    with ExitStack() as stack:
        yield {
            kind: (stack.enter_context(serving(handlers[kind], folder))[0], folder)
            for kind, folder in folders.items()
        }


class TestReadOnly(Reading):
    """Web servers that show folders, those that do not, and the Hub: what is read, and no more."""

    @pytest.fixture(params=["pages", "static", "hub"])
    def kind(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def writer(self, kind: str, served: dict[str, tuple[str, Path]]) -> Backend:
        _, folder = served[kind]
        for each in folder.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        return open_backend(str(folder))

    @pytest.fixture
    def backend(
        self, kind: str, writer: Backend, served: dict[str, tuple[str, Path]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> Backend:  # fmt: skip
        address, _ = served[kind]
        if kind != "hub":
            return open_backend(address)
        on_hub(monkeypatch, address)
        return open_backend(f"hf://datasets/{Hub.dataset}")

    def listed(self, writer: Backend) -> None:
        write_listing(writer)

    def test_who_sends_parts_is_found_out(
        self, kind: str, backend: Backend, writer: Backend
    ) -> None:
        """A server that sends whole files is not asked for their parts side by side."""
        writer.put("a", b"0123456789")
        assert backend.get("a", 10, 3, 3) == b"345"
        assert backend.reads_ranges is (kind != "pages")

    def test_nothing_is_written(self, backend: Backend, writer: Backend, tmp_path: Path) -> None:
        """Whatever would write is refused, and says where to push to instead."""
        (tmp_path / "file").write_bytes(b"x")
        for write in (
            lambda: backend.put("a", b"x"), lambda: backend.create("a", b"x"),
            lambda: backend.put_file("a", str(tmp_path / "file")), lambda: backend.delete("a"),
        ):  # fmt: skip
            with pytest.raises(RemoteRefused, match="is read, and never written"):
                write()
        assert (backend.writable, writer.entries("")) == (False, [])


def test_a_place_that_ignores_the_condition_is_found_out() -> None:
    """The probe tells a place where the second writer of a name overwrites the first."""
    backend = open_backend("memory://careless")
    backend.create = lambda name, data: backend.put(name, data) or True  # type: ignore[method-assign,func-returns-value]
    assert creates_exclusively(backend) is False


def test_a_place_that_looks_before_it_writes_is_found_out() -> None:
    """To look whether a name is free, and then to write it, lets two win: the probe sees it."""
    import threading

    backend = open_backend("memory://looking")
    all_looked = threading.Barrier(4)

    def create(name: str, data: bytes) -> bool:
        try:
            backend.get(name, 100)
            return False
        except NotOnRemote:
            if threading.current_thread() is not threading.main_thread():
                all_looked.wait(300)
            backend.put(name, data)
            return True

    backend.create = create  # type: ignore[method-assign]
    assert creates_exclusively(backend) is False


def test_what_the_probe_could_not_write_is_told() -> None:
    """Where nothing may be written, the error is of the writing, not of the tidying after it."""
    backend = open_backend("memory://closed")

    def refuse(what: str) -> Callable[..., Any]:
        def refused(*_: object) -> None:
            raise RemoteRefused(f"cannot {what} here")

        return refused

    backend.create = refuse("create")  # type: ignore[method-assign]
    backend.delete = refuse("remove")  # type: ignore[method-assign]
    with pytest.raises(RemoteRefused, match="cannot create here"):
        creates_exclusively(backend)


@pytest.mark.parametrize("status", [401, 403])
def test_a_bucket_that_says_no_is_asked_once(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """401 and 403 are refusals, with what to check, and not failures that may pass."""
    pytest.importorskip("obstore", reason="dsm-datasets[gcs] is not installed")

    class No(Files):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_error(status)

        do_GET = do_PUT

    acts: tuple[Callable[[Backend], object], ...] = (
        lambda b: b.put("a", b"x"), lambda b: b.get("a", 1), lambda b: b.entries(""),
    )  # fmt: skip
    with serving(No, Path(".")) as (address, asked):
        key = {"private_key": "", "private_key_id": "", "client_email": "", "disable_oauth": True}
        monkeypatch.setenv(
            "GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps({**key, "gcs_base_url": address})
        )
        for act in acts:
            with pytest.raises(RemoteRefused, match="does not let you") as caught:
                act(open_backend("gs://bucket/x"))
            assert caught.value.hint is not None and "credentials" in caught.value.hint
        assert len(asked) == len(acts)


def test_an_account_of_azure_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in no address; the message says where it is looked for."""
    pytest.importorskip("obstore", reason="dsm-datasets[azure] is not installed")
    for name in [name for name in os.environ if name.startswith("AZURE")]:
        monkeypatch.delenv(name)
    with pytest.raises(InvalidInput, match="Account must be specified") as caught:
        open_backend("az://container/birds").get("a", 1)
    assert caught.value.hint is not None and "AZURE_STORAGE_ACCOUNT_NAME" in caught.value.hint


def test_webdav_asks_for_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that wants a name refuses, and no password of ~/.netrc is sent in the clear."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".netrc").write_text("machine 127.0.0.1 login ada password hunter2\n")
    (tmp_path / "home" / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("dsm.remotes.backend.PAUSE_SECONDS", 0.0)
    users: dict[str, object] = {"*": {"ada": {"password": "hunter2"}}}
    (tmp_path / "data").mkdir()
    with webdav_server(tmp_path / "data", users) as address:
        with pytest.raises(RemoteRefused, match="does not let you create a"):
            open_backend(address).create("a", b"x")
        # As by HTTPS, where it is sent.
        monkeypatch.setitem(webdav.SCHEMES, "webdavs", "http")
        monkeypatch.setattr(webdav, "is_encrypted", lambda _: True)
        opened = open_backend(address.replace("webdav:", "webdavs:"))
        assert opened.create("a", b"x") is True


def test_a_file_that_did_not_come_whole_has_no_name(
    webdav_host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A put to WebDAV that ends in the middle leaves nothing under its name, nor beside it."""
    backend = open_backend(f"{webdav_host}/half")

    def half(fs: Any, path: str) -> None:
        fs.pipe_file(path, b"ha")
        raise ConnectionError("the line was cut")

    with monkeypatch.context() as patch:
        patch.setattr(webdav, "_pipe", lambda _: half)
        for write in (backend.put, backend.create):
            with pytest.raises(RemoteFailed, match="the line was cut"):
                write("packs/a", b"half")
    assert backend.entries("") == []
    backend.foreign = True  # temporary names, too
    assert backend.entries("") == []


def test_folders_refuse_links_on_the_way(tmp_path: Path) -> None:
    """What lies behind a link in a remote's folder is not written to, and not read."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "remote").mkdir()
    (tmp_path / "remote" / "packs").symlink_to(tmp_path / "elsewhere")
    backend = open_backend(str(tmp_path / "remote"))
    with pytest.raises(RemoteFailed, match="symbolic link"):
        backend.put("packs/aa/x.pack", b"data")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert backend.entries("") == []
