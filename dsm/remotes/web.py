"""A remote on a web server, for reading alone: a folder remote that any server of files shows.

Which files there are is told by the remote's own listing (`listing_file.py`), or else by the pages
that most servers show for folders. Sizes are asked for one by one, where somebody needs them.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import quote, unquote, urlsplit

from dsm.model.names import printable
from dsm.remotes.backend import (
    AGAIN,
    NARROWER,
    STREAM_BYTES,
    Backend,
    Entry,
    NotOnRemote,
    RemoteDamaged,
    RemoteFailed,
    RemoteRefused,
    is_plain,
    is_safe,
)
from dsm.remotes.listing_file import LISTING, decode
from dsm.remotes.parallel import side_by_side
from dsm.remotes.web_requests import Answer, WebRequests, brief

PAGE_BYTES_MAX, FOLDERS_MAX = 16 << 20, 100_000
_GONE = (404, 410)
_FORBIDDEN = (401, 403, 407)
_RANGE = re.compile(r"bytes ([0-9]{1,19})-[0-9]{1,19}/([0-9]{1,19}|\*)")


class WebBackend(Backend):
    """Files below an address of the web, which are read and listed."""

    writable = False
    reads_ranges = False  # until the server said or did so

    def __init__(self, url: str):
        super().__init__(url)
        self._requests = WebRequests(url)
        self._has_listing = True
        parts = urlsplit(url)
        path = quote(parts.path.rstrip("/"), safe="/%!$&'()*+,;=:@~")
        self._base = f"{parts.scheme}://{parts.netloc}{path}/"

    def _at(self, name: str) -> str:
        return self._base + quote(name, errors="surrogateescape")

    def read(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        at = self._at(self.checked(name))
        if size == 0:
            return
        end = "" if size is None else str(start + size - 1)
        wanted = {"Range": f"bytes={start}-{end}"} if start or end else {}
        answer = self._asked("GET", name, at, wanted)
        try:
            if answer.status == 416:  # there are no bytes from there on
                return
            ahead = start if answer.status == 200 else 0
            if answer.status == 206:
                found = _RANGE.fullmatch(answer.header("Content-Range"))
                if found is None or int(found[1]) != start:
                    raise RemoteFailed(f"{self.url} sent other bytes of {name} than were asked for")
                self.reads_ranges = True
            yield from self._wanted(answer, name, ahead, size)
        finally:
            self._requests.done(answer)

    def _wanted(self, answer: Answer, name: str, ahead: int, size: int | None) -> Iterator[bytes]:
        """Yields what is wanted of a body of which `ahead` bytes are not: not all know ranges."""
        for part in self._body(answer, name):
            self.received += len(part)
            skipped, ahead = part[ahead:], max(0, ahead - len(part))
            taken = skipped if size is None else skipped[:size]
            if taken:
                yield taken
            if size is not None:
                size -= len(taken)
                if not size:
                    return

    def _body(self, answer: Answer, name: str) -> Iterator[bytes]:
        """Yields a body to its end, which has the length that was announced."""
        if answer.header("Content-Encoding") not in ("", "identity"):
            raise RemoteFailed(f"{self.url} sent {name} in an encoding that was not asked for")
        announced = answer.header("Content-Length")
        left = int(announced) if announced.isdigit() and len(announced) < 20 else None
        try:
            while part := answer.response.read(STREAM_BYTES):
                left = None if left is None else left - len(part)
                yield part
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise RemoteFailed(
                f"cannot read {name} on {self.url}: {brief(error)}", hint=AGAIN
            ) from None
        if left:
            raise RemoteFailed(f"{name} on {self.url} was cut short, by {left:,} bytes", hint=AGAIN)

    def _asked(
        self, method: str, name: str, at: str, headers: dict[str, str],
        gone: tuple[int, ...] = _GONE,
    ) -> Answer:  # fmt: skip
        self.count("list" if at.endswith("/") else "read")
        answer = self._requests.ask(method, at, headers)
        if answer.status in (200, 206, 416):
            return answer
        answer.close()
        if answer.status in gone:
            raise NotOnRemote(f"{self.url} has no file {printable(name)}")
        if answer.status in _FORBIDDEN:
            raise RemoteRefused(
                f"{self.url} does not let you read {printable(name)}",
                hint="a user name and a password for the host belong into ~/.netrc",
            )
        raise RemoteFailed(
            f"cannot read {printable(name)} on {self.url}: the server answered {answer.status}",
            hint=AGAIN,
        )

    # --- which files there are ---

    def listing(self, prefix: str) -> Iterator[Entry]:
        if self._has_listing and not self.foreign:
            try:
                yield from (
                    each for each in decode(self.read(LISTING), f"{LISTING} on {self.url}")
                    if each.name.startswith(prefix)
                )  # fmt: skip
                return
            except NotOnRemote:
                self._has_listing = False
        yield from self._walked(prefix)

    def named(self, name: str) -> Iterator[Entry]:
        with contextlib.suppress(NotOnRemote):
            yield self._sized(name)

    def _walked(self, prefix: str) -> Iterator[Entry]:
        """Yields the files that the pages of folders name, level by level."""
        level, count = [prefix], 0
        # How long the files of datasets are, nobody asks; and they are many.
        sized = not prefix.startswith("datasets/") or self.foreign
        while level:
            below: list[str] = []
            for folder, names in zip(level, side_by_side(self._page, level), strict=True):
                if names is None and prefix == folder and not self.foreign:
                    self._require_pages(prefix)
                below += [name for name in names or () if name.endswith("/")]
                files = [name for name in names or () if not name.endswith("/")]
                if sized:
                    yield from (e for e in side_by_side(self._found, files) if e is not None)
                else:
                    yield from (Entry(name, 0) for name in files)
            count += len(below)
            if count > FOLDERS_MAX:
                raise RemoteDamaged(f"the listing of {self.url} has no end", hint=NARROWER)
            level = below

    def _found(self, name: str) -> Entry | None:
        return next(self.named(name), None)

    def _sized(self, name: str) -> Entry:
        answer = self._asked("HEAD", name, self._at(self.checked(name)), {})
        length, time = answer.header("Content-Length"), answer.header("Last-Modified")
        etag = answer.header("ETag") or None
        if answer.header("Accept-Ranges").strip().lower() == "bytes":
            self.reads_ranges = True
        answer.response.read()
        self._requests.done(answer)
        if not length.isdigit() or len(length) > 19:
            raise RemoteFailed(f"{self.url} does not say how long {printable(name)} is")
        modified = None
        with contextlib.suppress(TypeError, ValueError):
            modified = email.utils.parsedate_to_datetime(time).timestamp()
        return Entry(name, int(length), modified, etag)

    def _page(self, folder: str) -> list[str] | None:
        """Returns the names that the page of a folder links to; None when there is no page."""
        wanted = {"Cache-Control": "no-cache"}
        try:
            answer = self._asked("GET", folder, self._at(folder), wanted, (*_GONE, 403))
        except NotOnRemote:
            return None
        parts, total = [], 0
        try:
            if not answer.header("Content-Type").startswith("text/html"):
                return None
            for part in self._body(answer, folder):
                total += len(part)
                if total > PAGE_BYTES_MAX:
                    raise RemoteDamaged(
                        f"the page of {folder or '/'} on {self.url} has no end", hint=NARROWER
                    )
                parts.append(part)
        finally:
            self._requests.done(answer)
        self.received += total
        links = _Links()
        links.feed(b"".join(parts).decode("utf-8", "replace"))
        found = {name for link in links.found if (name := self._below(folder, link)) is not None}
        return sorted(found)

    def _below(self, folder: str, link: str) -> str | None:
        """Returns what a link of the page of a folder names in that folder; None for another."""
        if any(each in link for each in "?#\\"):
            return None
        if link.startswith("/"):
            base = urlsplit(self._at(folder)).path
            if not link.startswith(base):
                return None
            link = link[len(base) :]
        plain = unquote(link.removeprefix("./"), errors="surrogateescape")
        name = plain.removesuffix("/")
        if ":" in name.partition("/")[0] and not self.foreign:
            return None
        fits = (is_safe if self.foreign else is_plain)(folder + name)
        return folder + plain if fits and "/" not in name else None

    def _require_pages(self, folder: str) -> None:
        """Raises RemoteRefused unless a folder may just not be there yet."""
        if folder.startswith("datasets/") and folder.count("/") == 1:
            raise RemoteRefused(
                f"{self.url} does not say which files it has: its server shows no pages of folders",
                hint="whoever owns the remote writes a listing into it by `dsm remote"
                " write-listing`, or turns the pages on",
            )

    # --- what cannot be done ---

    def put(self, name: str, data: bytes) -> None:
        self.refuse_writing()

    def put_file(self, name: str, path: str) -> None:
        self.refuse_writing()

    def create(self, name: str, data: bytes) -> bool:
        self.refuse_writing()

    def delete(self, name: str) -> None:
        self.refuse_writing()


class _Links(HTMLParser):
    """The addresses that a page links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for key, value in attrs if key == "href" and value]
