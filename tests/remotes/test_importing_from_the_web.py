"""Importing over HTTP, by value and by reference, also where the server or the line does it wrong."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from tiers import LONG

from dsm.errors import DsmError, InvalidInput
from dsm.remotes import backend as contract
from dsm.remotes.backend import RemoteFailed, RemoteRefused
from dsm.remotes.foreign_file import Changed
from dsm.remotes.outside import ReferenceBroken
from dsm.remotes.web_requests import NotFollowed

from .conftest import Copy
from .fault_proxy import FaultProxy
from .test_importing import fill, staged, tar_of
from .web_servers import Files, answer, serving

LARGE = os.urandom(2_500_000)
FILES = {"cat/1 ä.txt": b"miaow", "cat/2.txt": b"purr", "dog #1.txt": b"wow", "big.bin": LARGE}


class Odd(Files):
    """A server with pages of folders and ranges, which does what a test says to its answers."""

    protocol_version = "HTTP/1.1"
    change: Any = None

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.is_dir() or not path.exists() or self.command == "HEAD":
            getattr(Files, f"do_{self.command}")(self)
            return
        data, headers = path.read_bytes(), {"Accept-Ranges": "bytes"}
        status = HTTPStatus.OK
        if wanted := self.headers.get("Range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or len(data) - 1), len(data) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            data, status = data[start : end + 1], HTTPStatus.PARTIAL_CONTENT
        if Odd.change is not None:
            data = Odd.change(path, data)
        answer(self, status, data, headers)

    do_HEAD = do_GET


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """The address of such a server, and its folder."""
    monkeypatch.setattr(contract, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(Odd, "change", None)
    for name, data in FILES.items():
        (tmp_path / "www" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "www" / name).write_bytes(data)
    with serving(Odd, tmp_path / "www") as (url, _):
        yield url, tmp_path / "www"


def expected() -> dict[str, bytes]:
    return {f"in/{name}": data for name, data in FILES.items()}


def kept(copy: Copy) -> dict[str, bytes]:
    return {path: data for path, data in copy.contents().items() if path.startswith("in/")}


def test_folders_files_and_archives(origin: Copy, web: tuple[str, Path]) -> None:
    """A folder by its pages, with odd letters; one file by its address; an archive; again what has
    another time or size alone."""
    url, folder = web
    assert origin.repo.import_from(url, "in").added == 4
    assert origin.repo.import_from(f"{url}/cat/1%20%C3%A4.txt", "one").added == 1
    assert origin.repo.import_from(f"{url}/dog%20%231.txt", "one").added == 1
    fill(str(folder), {"x.tar": tar_of({"m": b"member"})})
    assert origin.repo.import_from(f"{url}/x.tar", "members").added == 1
    origin.dataset.commit("imported")
    assert kept(origin) == expected()
    os.utime(folder / "cat" / "2.txt", (1, 1))
    (folder / "big.bin").unlink()
    reports = {each.into: each for each in origin.repo.update_imports()}
    assert (reports["in"].fetched, reports["in"].vanished) == (2, ("big.bin",))
    for words in ("http://you:secret@127.0.0.1/a", f"{url}/a?token=secret"):
        with pytest.raises(InvalidInput) as caught:
            origin.repo.import_from(words)
        assert "secret" not in str(caught.value)


def test_references_over_http(origin: Copy, web: tuple[str, Path]) -> None:
    """Read there; what was changed, also to as many bytes, or is gone is named, nothing handed out."""
    url, folder = web
    origin.repo.import_from(url, "in", reference=True)
    origin.dataset.commit("referenced")
    assert kept(origin.again()) == expected()
    (folder / "cat" / "1 ä.txt").write_bytes(b"MIAOW")
    (folder / "big.bin").write_bytes(LARGE[:-1] + bytes([LARGE[-1] ^ 1]))
    (folder / "cat" / "2.txt").unlink()
    copy = origin.again()
    for name, what in (
        ("cat/1 ä.txt", "was changed"),
        ("big.bin", "was changed"),
        ("cat/2.txt", "is gone"),
    ):
        with pytest.raises(ReferenceBroken, match=what) as caught:
            copy.dataset.read(f"in/{name}")
        assert f"{url}/{name}" in caught.value.message
    assert copy.dataset.read("in/dog #1.txt") == b"wow"


def test_bits_that_flip_on_the_way_of_a_reference(origin: Copy, web: tuple[str, Path]) -> None:
    """One that flips once is read again; one that always does is an error. So is a server that is
    gone, by another one."""
    url, _ = web
    origin.repo.import_from(url, "in", reference=True)
    origin.dataset.commit("referenced")
    flips = iter([True])

    def flip(path: Path, data: bytes) -> bytes:
        return bytes([data[0] ^ 4]) + data[1:] if next(flips, always) else data

    always = False
    Odd.change = staticmethod(flip)
    assert origin.dataset.read("in/cat/2.txt") == b"purr"
    always = True
    for name in ("cat/2.txt", "big.bin"):
        with pytest.raises(ReferenceBroken, match="was changed"):
            origin.again().dataset.read(f"in/{name}")
    copy = origin.again()
    copy.repo.references.trust("http://127.0.0.1:9")
    with pytest.raises(RemoteFailed, match="cannot reach"):
        copy.repo.import_from("http://127.0.0.1:9/x", "y", reference=True)


@contextmanager
def redirecting(folder: Path, to: str, switched: threading.Event) -> Iterator[str]:
    """A server that redirects elsewhere from a moment on."""

    class Redirect(Odd):
        def do_GET(self) -> None:
            if switched.is_set():
                answer(self, HTTPStatus.FOUND, b"", {"Location": to + self.path})
            else:
                super().do_GET()

        do_HEAD = do_GET

    with serving(Redirect, folder) as (url, _):
        yield url


@pytest.mark.parametrize("reference", [True, False])
def test_redirects_into_this_machine(
    origin: Copy, tmp_path: Path, web: tuple[str, Path], reference: bool
) -> None:
    """Neither an import nor the reading of a reference follows one; the target is not asked."""
    _, folder = web
    switched = threading.Event()
    with serving(Files, folder) as (secret, asked):
        with redirecting(folder, secret, switched) as there:
            origin.repo.import_from(there, "in", reference=reference)
            origin.dataset.commit("imported")
            switched.set()
            if reference:
                with pytest.raises(RemoteRefused, match="was not followed"):
                    origin.again().dataset.read("in/cat/2.txt")
            with pytest.raises(NotFollowed, match="was not followed"):
                origin.repo.import_from(f"{there}/cat", "more", reference=reference)
        assert asked == []


def test_a_file_that_changes_between_listing_and_reading(
    origin: Copy, web: tuple[str, Path]
) -> None:
    """To another size, or while several answers make it up: named, and nothing of it is staged."""
    url, _ = web

    def change(path: Path, data: bytes) -> bytes:
        if path.name == "big.bin":
            path.write_bytes(bytes(len(LARGE)))
            os.utime(path, (5, 5))
            return data[:1000]  # and the connection ends
        return data

    Odd.change = staticmethod(change)
    with pytest.raises(Changed, match=r"big\.bin on .* changed"):
        origin.repo.import_from(url, "in", reference=True)
    assert staged(origin) == {}


def test_imports_survive_faults(
    origin: Copy, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a bucket behind a proxy that drops, answers 500 and 503, cuts and flips: each try ends in
    an error of ours or in success, running again finishes, and no wrong byte is accepted."""
    monkeypatch.setattr(contract, "PAUSE_SECONDS", 0.0)
    quick = {"init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(milliseconds=2)}
    retry = {"max_retries": 0, "backoff": {**quick, "base": 2}}
    monkeypatch.setattr("dsm.remotes.object_store._RETRY", retry)
    draw, place = random.Random(11), f"{s3_bucket}/faults-{os.getpid()}"
    files = {f"f{n:02d}.bin": draw.randbytes(3_000) for n in range(30)}
    large = draw.randbytes(6 << 20)  # which comes in two ranges
    lines = b'{"id":1}\n{"id":2}\n'
    fill(place, {**files, "x.tar": tar_of(files), "lines.jsonl": lines, "large.bin": large})
    proxy = FaultProxy(os.environ["AWS_ENDPOINT_URL"], seed=7, patience=1.0)
    proxy.kinds = frozenset({"drop", "500", "503", "cut", "short", "flip"})
    wanted, round_ = 500 if LONG else 40, 0
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    try:
        while sum(proxy.injected.values()) < wanted:
            round_ += 1
            proxy.rate = 0.15
            for url, into in ((place, f"all{round_}"), (f"{place}/x.tar", f"tar{round_}")):
                for _ in range(200):
                    try:
                        origin.repo.import_from(
                            url, into, records="jsonl" if url == place else False
                        )
                        break
                    except DsmError:
                        continue
                else:
                    raise AssertionError("it never came through")
            proxy.rate = 0.0
            origin.dataset.commit(f"round {round_}")
            found = origin.contents()
            for name, data in files.items():
                assert found[f"all{round_}/{name}"] == found[f"tar{round_}/{name}"] == data
            assert found[f"all{round_}/large.bin"] == large
            assert sum(path.startswith(f"all{round_}/lines.jsonl#") for path in found) == 2
    finally:
        proxy.close()
    assert origin.sound()
