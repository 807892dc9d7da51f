"""A remote on a WebDAV server: `webdavs://host/path`, or `webdav://` without encryption.

What is written goes to a name of its own first and is moved, so that nobody finds half a file. A
name is created by a move that must not replace; whether a server keeps to that when two move at the
same time is found out by the probe. The one module that knows `webdav4`.
"""

from __future__ import annotations

import contextlib
import netrc
import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from dsm.errors import InvalidInput
from dsm.remotes.backend import Entry
from dsm.remotes.fsspec_files import FsspecBackend

SCHEMES = {"webdav": "http", "webdavs": "https"}
TEMPORARY = "tmp"


class WebdavBackend(FsspecBackend):
    """Files below an address of a WebDAV server."""

    def _connected(self, url: str) -> tuple[Any, str]:
        try:
            from webdav4.fsspec import WebdavFileSystem
        except ImportError:
            raise InvalidInput(
                f"{url} needs a package that is not installed",
                hint="pip install 'dsm-datasets[webdav]'",
            ) from None
        parts = urlsplit(url)
        scheme = SCHEMES[parts.scheme]
        # A password goes encrypted only; a proxy of the environment would read what is private.
        auth = _known_user(parts.hostname or "") if is_encrypted(scheme) else None
        options = {"trust_env": False, "timeout": 60.0}
        fs = WebdavFileSystem(f"{scheme}://{parts.netloc}", auth=auth, **options)
        self._folders: set[str] = set()
        return fs, unquote(parts.path).strip("/")

    def put(self, name: str, data: bytes) -> None:
        self._asked("write", name, lambda: self._moved(name, _pipe(data), replaces=True))
        self.sent += len(data)

    def put_file(self, name: str, path: str) -> None:
        def send(fs: Any, temporary: str) -> None:
            fs.put_file(path, temporary)

        self._asked("write", name, lambda: self._moved(name, send, replaces=True))

    def create(self, name: str, data: bytes) -> bool:
        made = self._asked("create", name, lambda: self._moved(name, _pipe(data), replaces=False))
        self.sent += len(data) if made else 0
        return made

    def listing(self, prefix: str) -> Iterator[Entry]:
        for entry in super().listing(prefix):
            if self.foreign or prefix or not entry.name.startswith(f"{TEMPORARY}/"):
                yield entry

    def _moved(self, name: str, send: Callable[[Any, str], object], *, replaces: bool) -> bool:
        """Writes a file under a name of its own, and moves it; False when its name is taken."""
        from webdav4.client import ResourceAlreadyExists, ResourceNotFound

        path = self._path(name)
        temporary = f"{self._root}/{TEMPORARY}/{os.urandom(12).hex()}.new"
        for each in (path, temporary):
            self._make_folder(each.rpartition("/")[0])
        try:
            send(self._fs, temporary)
            self._fs.client.move(temporary, path, overwrite=replaces)
            return True
        except BaseException as error:
            self._folders.clear()  # somebody may have removed them
            with contextlib.suppress(Exception):
                self._fs.client.remove(temporary)
            if isinstance(error, ResourceAlreadyExists) and not replaces:
                return False
            if isinstance(error, ResourceNotFound):
                raise ConnectionError(f"{temporary} is gone") from None
            raise

    def _make_folder(self, path: str) -> None:
        if path not in self._folders:
            self._fs.makedirs(path, exist_ok=True)
            self._folders.add(path)


def is_encrypted(scheme: str) -> bool:
    """Whether a password may be sent."""
    return scheme == "https"


def _pipe(data: bytes) -> Callable[[Any, str], object]:
    def send(fs: Any, temporary: str) -> None:
        fs.pipe_file(temporary, data)

    return send


def _known_user(host: str) -> tuple[str, str] | None:
    """Returns what `~/.netrc` says for a host, as curl has it."""
    with contextlib.suppress(OSError, netrc.NetrcParseError):
        found = netrc.netrc().authenticators(host)
        if found is not None:
            return found[0], found[2] or ""
    return None
