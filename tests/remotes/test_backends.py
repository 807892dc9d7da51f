"""The contract that every kind of place keeps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dsm.remotes.address import open_backend
from dsm.remotes.backend import Backend, NotOnRemote, RemoteDamaged, RemoteFailed
from dsm.remotes.probe import creates_exclusively


@pytest.fixture
def backend(every_place: str) -> Backend:
    return open_backend(every_place)


class TestBackend:
    """What `Backend` promises, of every kind of place."""

    def test_what_was_put_is_read(self, backend: Backend) -> None:
        """Bytes come back whole, by ranges, and from a position on."""
        backend.put("a/b.json", b"0123456789")
        assert backend.get("a/b.json", 10) == b"0123456789"
        assert backend.get("a/b.json", 10, 3, 3) == b"345"
        assert backend.get("a/b.json", 10, 7) == b"789"

    def test_an_empty_file_is_a_file(self, backend: Backend) -> None:
        """It is read, and listed with no bytes."""
        backend.put("empty", b"")
        assert backend.get("empty", 10) == b""
        assert [(e.name, e.size) for e in backend.entries("")] == [("empty", 0)]

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

    def test_what_is_not_there_is_named(self, backend: Backend) -> None:
        """Reading it raises NotOnRemote; removing it is fine; listing its folder is empty."""
        with pytest.raises(NotOnRemote, match="gone"):
            backend.get("gone", 10)
        backend.delete("gone")
        assert backend.entries("gone/") == []

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

    def test_a_listing_has_what_lies_below(self, backend: Backend) -> None:
        """Sorted, with sizes, below a folder only, and nothing of a name that only begins alike."""
        for name in ("d/a/2", "d/a/1", "d/ab", "e/1"):
            backend.put(name, name.encode())
        assert [(e.name, e.size) for e in backend.entries("d/a/")] == [("d/a/1", 5), ("d/a/2", 5)]
        assert [e.name for e in backend.entries("")] == ["d/a/1", "d/a/2", "d/ab", "e/1"]

    def test_what_was_deleted_is_gone(self, backend: Backend) -> None:
        """Its name is free again."""
        backend.put("a", b"one")
        backend.delete("a")
        with pytest.raises(NotOnRemote, match="has no file a"):
            backend.get("a", 10)
        assert backend.create("a", b"two") is True

    def test_more_than_expected_is_refused(self, backend: Backend) -> None:
        """A file that is longer than it may be is not taken into memory."""
        backend.put("a", b"0123456789")
        with pytest.raises(RemoteDamaged, match="longer than 5 bytes"):
            backend.get("a", 5)

    @pytest.mark.parametrize("name", ["../a", "/a", "a//b", "a/../b", "", "a\nb", "a\\b", "é"])
    def test_odd_names_are_refused(self, backend: Backend, name: str) -> None:
        """No name leads out of the place, or is spelt in two ways."""
        with pytest.raises(RemoteFailed, match="no name of a file"):
            backend.put(name, b"x")

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
                all_looked.wait(10)
            backend.put(name, data)
            return True

    backend.create = create  # type: ignore[method-assign]
    assert creates_exclusively(backend) is False


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
