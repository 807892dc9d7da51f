"""A remote by fsspec: whatever address it knows and dsm has no module of its own for.

This is the one file that knows fsspec. Whether such a place can create a name exclusively is found
out by a probe (`probe.py`), never assumed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.remotes.backend import (
    AGAIN,
    STREAM_BYTES,
    Backend,
    Entry,
    NotOnRemote,
    RemoteFailed,
    RemoteRefused,
)

T = TypeVar("T")

# What changes with the content of a file: the last one is the Hub's.
_ETAGS = ("ETag", "etag", "md5Hash", "blob_id")


class FsspecBackend(Backend):
    """Files below an address that fsspec knows."""

    def __init__(self, url: str):
        super().__init__(url)
        self._fs, root = self._connected(url)
        self._root = str(root).rstrip("/")
        # The Hub keeps files in git, where nothing is created exclusively.
        self.writable = not url.startswith("hf:")

    def _connected(self, url: str) -> tuple[Any, str]:
        """Returns the file system of an address, and where in it that is.

        Raises InvalidInput, RemoteFailed.
        """
        import fsspec

        try:
            found: tuple[Any, str] = fsspec.core.url_to_fs(url)
            return found
        except ImportError as error:
            wanted = "pip install 'dsm-datasets[hf]'" if url.startswith("hf:") else str(error)
            raise InvalidInput(
                f"{url} needs a package that is not installed", hint=printable(wanted[:200])
            ) from None
        except ValueError as error:
            raise InvalidInput(f"{url} cannot be used: {printable(str(error)[:200])}") from None
        except TypeError as error:  # what it needs stands in no address
            raise InvalidInput(
                f"{url} cannot be used: {printable(str(error)[:200])}",
                hint="mount it, and name the folder",
            ) from None
        except OSError as error:  # some connect at once
            raise RemoteFailed(
                f"cannot reach {url}: {printable(str(error)[:200])}", hint=AGAIN
            ) from None

    def _path(self, name: str) -> str:
        name = self.checked(name)
        return f"{self._root}/{name}"

    def read(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        path = self._path(name)
        while size is None or size > 0:
            step = STREAM_BYTES if size is None else min(size, STREAM_BYTES)
            part = self._range(name, path, start, start + step)
            if not part:
                return
            self.received += len(part)
            yield part
            start += len(part)
            size = None if size is None else size - len(part)
            if len(part) < step:
                return

    def _range(self, name: str, path: str, start: int, end: int) -> bytes:
        return self._asked(
            "read", name, lambda: bytes(self._fs.cat_file(path, start=start, end=end))
        )

    def put(self, name: str, data: bytes) -> None:
        path = self._path(name)

        def write() -> None:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(path, data)

        self._asked("write", name, write)
        self.sent += len(data)

    def put_file(self, name: str, path: str) -> None:
        target = self._path(name)

        def write() -> None:
            self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._fs.put_file(path, target)

        self._asked("write", name, write)

    def create(self, name: str, data: bytes) -> bool:
        path = self._path(name)

        def write() -> bool:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                self._fs.pipe_file(path, data, mode="create")
                return True
            except FileExistsError:
                return False

        made = self._asked("create", name, write)
        self.sent += len(data) if made else 0
        return made

    def listing(self, prefix: str) -> Iterator[Entry]:
        start = f"{self._root}/{prefix}".rstrip("/")
        self._fs.invalidate_cache()  # what was listed before may be another state
        try:
            found: dict[str, Any] = self._asked(
                "list", prefix or "it", lambda: self._fs.find(start, detail=True)
            )
        except NotOnRemote:
            return
        lead = self._root + "/"
        for path, fields in found.items():
            if path.startswith(lead):
                yield _entry(path[len(lead) :], fields)

    def named(self, name: str) -> Iterator[Entry]:
        path = self._path(name)
        self._fs.invalidate_cache()
        with contextlib.suppress(NotOnRemote):
            fields: dict[str, Any] = self._asked("read", name, lambda: self._fs.info(path))
            if fields.get("type") != "directory":
                yield _entry(name, fields)

    def delete(self, name: str) -> None:
        path = self._path(name)
        with contextlib.suppress(NotOnRemote):
            self._asked("delete", name, lambda: self._fs.rm_file(path))

    def _asked(self, what: str, name: str, ask: Callable[[], T]) -> T:
        self.count(what)
        if what not in ("read", "list") and not self.writable:
            self.refuse_writing()
        try:
            return ask()
        except FileNotFoundError:
            raise NotOnRemote(f"{self.url} has no file {name}") from None
        except PermissionError:
            raise RemoteRefused(f"{self.url} does not let you {what} {name}") from None
        except Exception as error:  # every file system has errors of its own
            if getattr(error, "status_code", None) in (401, 403):
                raise RemoteRefused(f"{self.url} does not let you {what} {name}") from None
            reason = printable(str(error).splitlines()[0][:160]) if str(error) else ""
            told = f"{type(error).__name__}{': ' + reason if reason else ''}"
            raise RemoteFailed(f"cannot {what} {name} on {self.url}: {told}", hint=AGAIN) from None


def _entry(name: str, fields: dict[str, Any]) -> Entry:
    return Entry(name, int(fields.get("size") or 0), _modified(fields), _etag(fields))


def _modified(fields: dict[str, Any]) -> float | None:
    """Returns when a file was written, by whichever field its file system has."""
    for key in ("mtime", "modified", "LastModified", "last_modified", "created"):
        value: Any = fields.get(key)
        if isinstance(value, (int, float)):
            return float(value)
        if hasattr(value, "timestamp"):
            return float(value.timestamp())
    return None


def _etag(fields: dict[str, Any]) -> str | None:
    found = next((fields[key] for key in _ETAGS if fields.get(key)), None)
    return str(found) if found else None
