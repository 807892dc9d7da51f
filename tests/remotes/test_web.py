"""Remotes by HTTP: cloned, pulled and opened from a server of files, and redirects that are refused."""

from __future__ import annotations

import http.server
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

import dsm
from dsm.remotes import web_requests
from dsm.remotes.address import open_backend
from dsm.remotes.backend import NotOnRemote, RemoteDamaged, RemoteFailed, RemoteRefused
from dsm.remotes.listing_file import LISTING, decode, encode, write_listing
from dsm.remotes.web_requests import NotFollowed, is_public

from .conftest import Copy
from .web_servers import Files, FilesByRange, answer, serving

Clones = Callable[..., Copy]


@pytest.fixture
def share(origin: Copy, tmp_path: Path) -> Path:
    """A folder that `origin` has been pushed to, with its tags."""
    origin.repo.remotes.add("origin", str(tmp_path / "share"))
    origin.repo.push(tags=True)
    return tmp_path / "share"


@pytest.mark.parametrize("handler", [Files, FilesByRange])
def test_a_remote_is_read_from_a_server_of_files(
    origin: Copy, share: Path, clone_of: Clones, handler: Any
) -> None:
    """Cloned, pulled from, and read on demand: what arrives is what was pushed, and a push is refused."""
    if handler is FilesByRange:  # which shows no folders
        origin.repo.write_listing()
    with serving(handler, share) as (url, asked):
        clone = clone_of(url)
        assert origin.contents() == clone.contents() == clone.files()
        assert clone.sound()
        assert [tag.name for tag in clone.dataset.tags()] == ["v1"]
        thin = clone_of(url, objects=False)
        assert thin.dataset.read("owl/2") == b"changed"
        origin.commit("third", owl__3="new")
        origin.repo.push()
        clone.repo.pull()
        assert clone.dataset.head == 3
        assert origin.contents() == clone.contents()
        checked, _ = clone.repo.check_remote(share=1.0)
        assert (checked.findings, checked.packs_read) == ([], checked.packs)
        del asked[:]
        with pytest.raises(RemoteRefused, match="is read, and never written"):
            clone.repo.push()
        assert asked == []  # nothing was asked of the server
        assert clone.repo.remotes.find("origin").read_only


def test_a_server_without_folders_says_what_it_needs(share: Path, tmp_path: Path) -> None:
    """Without pages and without a listing, the error tells the owner what to do."""
    with serving(FilesByRange, share) as (url, _):
        with pytest.raises(RemoteRefused, match="shows no pages of folders") as caught:
            dsm.clone(url, tmp_path / "copy")
    assert "dsm remote write-listing" in caught.value.hint


def test_gc_and_merges_keep_the_listing(origin: Copy, share: Path, clone_of: Clones) -> None:
    """A reader by a listing finds the packs that came of smaller ones."""
    origin.repo.write_listing()
    for number in range(3):
        origin.commit("more", **{f"more__{number}": f"text {number}"})
        origin.repo.push()
    origin.repo.gc_remote(prune=True)
    listed = set(decode([(share / LISTING).read_bytes()], ""))
    there = {e for e in open_backend(str(share)).entries("") if e.name != LISTING}
    assert {(e.name, e.size) for e in there} == {(e.name, e.size) for e in listed}
    with serving(FilesByRange, share) as (url, _):
        assert origin.contents() == clone_of(url).contents()


# --- redirects ------------------------------------------------------------------------------------


@contextmanager
def redirecting(to: str, folder: Path) -> Iterator[str]:
    """A server that answers each request by a redirect."""

    class Redirect(http.server.BaseHTTPRequestHandler):
        def __init__(self, *args: Any, directory: str):
            super().__init__(*args)

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            answer(self, HTTPStatus.FOUND, b"", {"Location": to + self.path})

        do_HEAD = do_GET

    with serving(Redirect, folder) as (url, _):
        yield url


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"]
)
def test_a_redirect_into_this_machine_is_not_followed(
    share: Path, tmp_path: Path, host: str
) -> None:
    """However it is spelt: the server that is asked for nothing of ours is not even connected to."""
    with serving(Files, share) as (secret, asked):
        port = secret.rpartition(":")[2]
        with redirecting(f"http://{host}:{port}", tmp_path) as url:
            with pytest.raises(NotFollowed, match="was not followed"):
                dsm.clone(url, tmp_path / "copy")
        assert asked == []


def test_a_redirect_to_the_same_server_is_followed(share: Path, clone_of: Clones) -> None:
    """Python's own server redirects to the slash at the end of a folder; many do alike."""

    class Moved(Files):
        def do_GET(self) -> None:
            if not self.path.startswith("/new/"):
                return answer(self, HTTPStatus.FOUND, b"", {"Location": f"/new{self.path}"})
            self.path = self.path.removeprefix("/new")
            super().do_GET()
            return None

    with serving(Moved, share) as (url, _):
        assert open_backend(url).get("repo.json", 10_000) == (share / "repo.json").read_bytes()


def test_redirects_without_end_and_to_other_schemes_are_refused(tmp_path: Path) -> None:
    """A circle ends, and a redirect reaches no file of this machine."""
    with redirecting("", tmp_path) as url:
        with pytest.raises(RemoteFailed, match="again and again"):
            next(iter(open_backend(url).read("a")))
    with redirecting("file:///etc/passwd?", tmp_path) as url:
        with pytest.raises(NotFollowed, match="redirects to 'file:///etc"):
            next(iter(open_backend(url).read("a")))


def test_a_redirect_to_a_public_address_is_followed(
    share: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of releases that a content network delivers; the address that was judged is connected to."""
    real, asked_for = socket.getaddrinfo, []

    def resolved(host: str, port: int, **more: Any) -> Any:
        asked_for.append(host)
        return real("127.0.0.1" if host == "cdn.example" else host, port, **more)

    monkeypatch.setattr(web_requests.socket, "getaddrinfo", resolved)
    with serving(Files, share) as (cdn, _):
        port = cdn.rpartition(":")[2]
        with redirecting(f"http://cdn.example:{port}", tmp_path) as url:
            with pytest.raises(NotFollowed):
                open_backend(url).get("repo.json", 10_000)
            monkeypatch.setattr(web_requests, "is_public", lambda address: True)
            got = open_backend(url).get("repo.json", 10_000)
    assert got == (share / "repo.json").read_bytes()
    assert asked_for.count("cdn.example") == 2


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("64:ff9b::808:808", True),
        ("127.0.0.1", False), ("10.1.2.3", False), ("169.254.169.254", False), ("100.64.0.1", False),
        ("0.0.0.0", False), ("224.0.0.1", False), ("::1", False), ("fe80::1%eth0", False), ("fd00::1", False),
        ("::ffff:10.0.0.1", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False),
    ],
)  # fmt: skip
def test_what_is_a_public_address(address: str, public: bool) -> None:
    """Private, local and multicast ones are not, nor those that lead to one within another protocol."""
    assert is_public(address) is public


# --- answers that are not what they should be -----------------------------------------------------


def answering(status: int, data: bytes, headers: dict[str, str]) -> Any:
    """A handler that says the same to everybody."""

    class Same(http.server.BaseHTTPRequestHandler):
        def __init__(self, *args: Any, directory: str):
            super().__init__(*args)

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(data)

    return Same


@pytest.mark.parametrize(
    ("status", "headers", "kind", "said"),
    [
        (200, {"Content-Length": "9000"}, RemoteFailed, "cut short|IncompleteRead"),
        (200, {"Content-Encoding": "gzip"}, RemoteFailed, "an encoding that was not asked for"),
        (206, {"Content-Range": "bytes 5-9/10"}, RemoteFailed, "other bytes"),
        (206, {}, RemoteFailed, "other bytes"),
        (401, {}, RemoteRefused, "does not let you"),
        (403, {}, RemoteRefused, "does not let you"),
        (404, {}, NotOnRemote, "has no file"),
        (500, {}, RemoteFailed, "answered 500"),
        (200, {}, RemoteDamaged, "longer than 3 bytes"),
    ],
)
def test_wrong_answers_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, headers: dict[str, str],
    kind: type[Exception], said: str,
) -> None:  # fmt: skip
    """Bodies that are cut short, encoded, too long or other parts than asked for are not taken."""
    from dsm.remotes import backend as contract

    monkeypatch.setattr(contract, "PAUSE_SECONDS", 0.0)
    with serving(answering(status, b"0123456789", headers), tmp_path) as (url, _):
        with pytest.raises(kind, match=said):
            open_backend(url).get("a", 3 if kind is RemoteDamaged else 9000)


def test_links_that_lead_elsewhere_are_passed_over(tmp_path: Path) -> None:
    """A page of a folder names what lies in it; addresses of other places are none of its files."""
    links = (
        "a", "../b", "/etc/passwd", "http://127.0.0.1/c", "//host/d", "%2e%2e/e", "f%2Fg", "h%0Ai", "j?k", "l#m", "n\\o",
        "javascript:p", "./q", "/packs/r", "x" * 2000, "é", "",
    )  # fmt: skip
    page = "".join(f'<a href="{link}">x</a>' for link in links)
    page += "<a>none</a><b href='s'>"
    html = {"Content-Type": "text/html"}

    class Pages(Files):
        def do_GET(self) -> None:
            if self.path == "/packs/":
                return answer(self, HTTPStatus.OK, page.encode(), html)
            return super().do_GET()

        def do_HEAD(self) -> None:
            answer(self, HTTPStatus.OK, b"123", {})

    with serving(Pages, tmp_path) as (url, _):
        found = [entry.name for entry in open_backend(url).entries("packs/")]
    assert found == ["packs/a", "packs/q", "packs/r"]


def test_pages_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders within folders, and a page that goes on and on."""
    from dsm.remotes import web

    monkeypatch.setattr(web, "FOLDERS_MAX", 50)
    monkeypatch.setattr(web, "PAGE_BYTES_MAX", 5000)
    html = {"Content-Type": "text/html"}
    deep = b'<a href="a/">x</a><a href="b/">x</a>'
    with serving(answering(200, deep, html), tmp_path) as (url, _):
        backend = open_backend(url)
        backend._has_listing = False  # type: ignore[attr-defined]
        with pytest.raises(RemoteDamaged, match="has no end"):
            backend.entries("packs/")
    with serving(answering(200, deep * 1000, html), tmp_path) as (url, _):
        backend = open_backend(url)
        backend._has_listing = False  # type: ignore[attr-defined]
        with pytest.raises(RemoteDamaged, match="page of packs/ .* has no end"):
            backend.entries("packs/")


def test_a_listing_survives_its_bytes(tmp_path: Path) -> None:
    """However it is cut into parts it says the same, and what is cut short or changed is refused."""
    backend = open_backend(str(tmp_path))
    for name in ("repo.json", "packs/aa/x.pack", "datasets/a b/dataset.json"):
        backend.put(name, name.encode())
    assert write_listing(backend) == 3
    entries = [e for e in backend.entries("") if e.name != LISTING]
    data = encode(entries)
    wanted = [(e.name, e.size) for e in entries]
    for step in (1, 7, 1000):
        parts = [data[at : at + step] for at in range(0, len(data), step)]
        assert wanted == [(e.name, e.size) for e in decode(parts, "")]
    for wrong in (
        data[:-1], data[:20], b"", b"x" + data, data + b"1 a\n", data.replace(b"end 3", b"end 4"), b"y" * 9000,
        data.replace(b"9 repo", b"-9 repo"), data.replace(b"repo", b"r\xc3\xa9po"),
    ):  # fmt: skip
        with pytest.raises(RemoteDamaged):
            list(decode([wrong], "it"))
