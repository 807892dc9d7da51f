"""A remote on a machine that is reached by SSH: files by SFTP, nothing has to run there.

A file is written under another name, synced, and then linked (`hardlink@openssh.com`): of two who
create one name, the file system there lets one win. Keys, agent, known hosts and settings are those
of OpenSSH. The one module that knows `asyncssh`; its loop runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import stat
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

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
from dsm.store.turns import CHANGING

T = TypeVar("T")
TEMPORARY = "tmp"
CONNECT_SECONDS, KEEPALIVE_SECONDS = 15, 15
# What waits longer has lost its server.
ANSWER_SECONDS = 300


class SftpBackend(Backend):
    """Files below a folder of another machine; connects when the first thing is asked."""

    def __init__(self, url: str):
        super().__init__(url)
        try:
            import asyncssh
        except ImportError as error:
            raise InvalidInput(
                f"{url} needs a package that is not installed",
                hint="pip install 'dsm-datasets[ssh]'",
            ) from error
        parts = urlsplit(url)
        self._ssh = asyncssh
        self._host, self._user = parts.hostname or "", parts.username
        try:
            self._port = parts.port
        except ValueError:
            raise InvalidInput(f"{url} has a port that is none") from None
        path = unquote(parts.path)
        # As git has it: /~/ is the home of the user there.
        self._root = path[3:] if path.startswith("/~/") else path or "/"
        self._lock = threading.Lock()
        self._connection: Any = None
        self._client: Any = None
        self._process = 0  # which has the connection: it does not outlive a fork

    # --- the contract ---

    def read(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        path = self._path(name)
        if size == 0:
            return
        self.count("read")
        client = self._connected()
        file = self._told("read", name, client, lambda: client.open(path, "rb"))
        try:
            while size is None or size > 0:
                step = min(STREAM_BYTES, STREAM_BYTES if size is None else size)
                part = self._told("read", name, client, partial(file.read, step, start))
                if not part:
                    return
                start += len(part)
                size = None if size is None else size - len(part)
                self.received += len(part)
                yield part
        finally:
            self._told("read", name, client, file.close)

    def put(self, name: str, data: bytes) -> None:
        self._write(name, iter([data]), replace=True)

    def put_file(self, name: str, path: str) -> None:
        with open(path, "rb") as file:
            self._write(name, iter(lambda: file.read(STREAM_BYTES), b""), replace=True)

    def create(self, name: str, data: bytes) -> bool:
        return self._write(name, iter([data]), replace=False)

    def _write(self, name: str, blocks: Iterator[bytes], *, replace: bool) -> bool:
        final = self._path(name)
        temporary = posixpath.join(self._root, TEMPORARY, f"{os.urandom(12).hex()}.new")

        async def write(sftp: Any) -> bool:
            for folder in (temporary, final):
                await _soon(sftp.makedirs(posixpath.dirname(folder), exist_ok=True))
            try:
                async with sftp.open(temporary, "xb") as file:
                    for block in blocks:
                        await _soon(file.write(block))
                        self.sent += len(block)
                    await self._synced(file)
                if replace:
                    await _soon(sftp.posix_rename(temporary, final))
                    return True
                return await self._claimed(sftp, temporary, final)
            except BaseException:  # a full disk must not keep what does not fit
                with contextlib.suppress(self._ssh.Error, TimeoutError):
                    await _soon(sftp.remove(temporary))
                raise

        self.count("write" if replace else "create")
        client = self._connected()
        # However long all of it takes: each step of it has its time.
        return self._told("write", name, client, lambda: write(client), None)

    async def _synced(self, file: Any) -> None:
        with contextlib.suppress(self._ssh.SFTPOpUnsupported):  # not every server offers it
            await _soon(file.fsync())

    async def _claimed(self, sftp: Any, temporary: str, final: str) -> bool:
        try:
            await _soon(sftp.link(temporary, final))
            made = True
        except self._ssh.SFTPError as error:
            if isinstance(error, self._ssh.SFTPOpUnsupported) or not await sftp.lexists(final):
                raise
            made = False
        await _soon(sftp.remove(temporary))
        return made

    def listing(self, prefix: str) -> Iterator[Entry]:
        self.count("list")
        yield from self._below(posixpath.join(self._root, prefix).rstrip("/") or "/", prefix)

    def _below(self, folder: str, prefix: str) -> Iterator[Entry]:
        async def scan(sftp: Any) -> list[Any]:
            return [entry async for entry in sftp.scandir(folder)]

        client = self._connected()
        try:
            entries = self._told("list", prefix or "it", client, lambda: scan(client))
        except NotOnRemote:
            return
        for entry in entries:
            name, mode = prefix + str(entry.filename), entry.attrs.permissions or 0
            if entry.filename in (".", ".."):
                continue
            if stat.S_ISDIR(mode):
                if name != TEMPORARY:
                    yield from self._below(posixpath.join(folder, entry.filename), name + "/")
            elif stat.S_ISREG(mode):
                yield _entry(name, entry.attrs)

    def named(self, name: str) -> Iterator[Entry]:
        path = self._path(name)
        try:
            attrs = self._asked("read", name, lambda sftp: sftp.lstat(path))
        except NotOnRemote:
            return
        if stat.S_ISREG(attrs.permissions or 0):
            yield _entry(name, attrs)

    def delete(self, name: str) -> None:
        path = self._path(name)
        try:
            self._asked("delete", name, lambda sftp: sftp.remove(path))
        except NotOnRemote:
            return

    # --- asking ---

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, self.checked(name))

    def _asked(self, what: str, name: str, ask: Callable[[Any], Awaitable[T]]) -> T:
        self.count(what)
        client = self._connected()
        return self._told(what, name, client, lambda: ask(client))

    def _told(
        self, what: str, name: str, client: Any, ask: Callable[[], Awaitable[T]],
        patience: float | None = ANSWER_SECONDS,
    ) -> T:  # fmt: skip
        """Returns what a coroutine does; errors are those of the contract."""
        ssh = self._ssh
        try:
            return _waited(ask(), patience)
        except (ssh.SFTPNoSuchFile, ssh.SFTPNoSuchPath):
            raise NotOnRemote(f"{self.url} has no file {name}") from None
        except ssh.SFTPPermissionDenied:
            raise RemoteRefused(f"{self.url} does not let you {what} {name}") from None
        except (RemoteRefused, RemoteFailed):
            raise
        except (ssh.Error, OSError, TimeoutError) as error:
            if not isinstance(error, ssh.SFTPError) or isinstance(error, ssh.SFTPConnectionLost):
                self._lost(client)
            raise RemoteFailed(
                f"cannot {what} {name} on {self.url}: {_brief(error)}", hint=AGAIN
            ) from None

    def _lost(self, client: Any) -> None:
        """Lets the next try connect anew, unless another thread has done that already."""
        with self._lock:
            if self._client is client:
                self._client = None
                _loop().call_soon_threadsafe(self._connection.abort)

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None or self._process != os.getpid():
                self._client, self._process = self._connect(), os.getpid()
            return self._client

    def _connect(self) -> Any:
        ssh = self._ssh
        more: dict[str, Any] = {} if self._user is None else {"username": self._user}
        if self._port is not None:
            more["port"] = self._port

        async def connect() -> Any:
            self._connection = await ssh.connect(
                self._host, connect_timeout=CONNECT_SECONDS,
                keepalive_interval=KEEPALIVE_SECONDS, **more,
            )  # fmt: skip
            return await self._connection.start_sftp_client()

        try:
            return _waited(connect())
        except ssh.HostKeyNotVerifiable:
            raise RemoteRefused(
                f"{self._host} is no host that you know",
                hint=f"`ssh {self._host}` shows its key, and keeps it when you say it is right",
            ) from None
        except ssh.PermissionDenied:
            raise RemoteRefused(
                f"{self._host} does not let you in", hint="check that `ssh` gets in without asking"
            ) from None
        except (ssh.Error, OSError, TimeoutError) as error:
            raise RemoteFailed(f"cannot reach {self._host}: {_brief(error)}", hint=AGAIN) from None


def _entry(name: str, attrs: Any) -> Entry:
    modified = None if attrs.mtime is None else float(attrs.mtime)
    return Entry(name, int(attrs.size or 0), modified)


def _brief(error: BaseException) -> str:
    text = str(error)
    return printable(text.splitlines()[0][:160]) if text else type(error).__name__


# The loop of a process, whose thread does not outlive a fork.
_loops: dict[int, asyncio.AbstractEventLoop] = {}


def _loop() -> asyncio.AbstractEventLoop:
    process = os.getpid()
    with CHANGING:
        if process not in _loops:
            _loops[process] = asyncio.new_event_loop()
            threading.Thread(target=_loops[process].run_forever, daemon=True).start()
        return _loops[process]


async def _soon(asked: Awaitable[T]) -> T:
    """Waits for one step of something longer. Raises TimeoutError."""
    return await asyncio.wait_for(asked, ANSWER_SECONDS)


def _waited(asked: Awaitable[T], patience: float | None = ANSWER_SECONDS) -> T:
    """Runs a coroutine in the thread of the loop, and waits for it. Raises TimeoutError."""

    async def run() -> T:
        return await asked

    future = asyncio.run_coroutine_threadsafe(run(), _loop())
    try:
        return future.result(patience)
    except BaseException:
        future.cancel()  # what nobody waits for any more must not write on
        raise
