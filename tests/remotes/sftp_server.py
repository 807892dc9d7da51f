"""SFTP by asyncssh on loopback, and a server that fails in the ways of disks, lines and machines."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# What may happen to an answer: the connection ends before what was asked is done, or after.
ALWAYS = ("dropped", "lost")
READS = ("short", "flipped", "slow")
WRITES = ("refused", "disk full", "slow")
LISTINGS = ("lag", "repeat")
KINDS = (*ALWAYS, *READS, *WRITES, *LISTINGS)
SLOW_SECONDS = 0.02


@contextlib.contextmanager
def serving(home: Path, data: Path, factory: Any = True) -> Iterator[str]:
    """Serves a folder, with keys in `home`, which becomes the user's; gives its address."""
    import asyncssh

    (home / ".ssh").mkdir(mode=0o700)
    keys = {name: asyncssh.generate_private_key("ssh-ed25519") for name in ("host", "user")}
    keys["user"].write_private_key(str(home / ".ssh" / "id_ed25519"))
    allowed = home / "authorized_keys"
    keys["user"].write_public_key(str(allowed))
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def listen() -> Any:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[keys["host"]],
            authorized_client_keys=str(allowed), sftp_factory=factory,
        )  # fmt: skip

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(300)
    port = server.get_port()
    line = keys["host"].export_public_key().decode().strip()
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {line}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        yield f"ssh://tester@127.0.0.1:{port}{data}"
    loop.call_soon_threadsafe(server.close)


class Faults:
    """Which faults happen, at which rate, by a seed; `injected` counts them."""

    def __init__(self, seed: int) -> None:
        self.rate = 0.0
        self.kinds = frozenset(KINDS)
        self.injected: Counter[str] = Counter()
        self._random = random.Random(seed)

    def drawn(self, *possible: str) -> str | None:
        """The fault of an answer, if it is to have one."""
        some = [kind for kind in (*ALWAYS, *possible) if kind in self.kinds]
        if not some or self._random.random() >= self.rate:
            return None
        kind = self._random.choice(some)
        self.injected[kind] += 1
        return kind

    def flipped(self, data: bytes) -> bytes:
        """The bytes with one bit changed."""
        at = self._random.randrange(len(data))
        return data[:at] + bytes([data[at] ^ (1 << self._random.randrange(8))]) + data[at + 1 :]


def faulty(faults: Faults) -> Callable[[Any], Any]:
    """Makes the factory of a server that has these faults."""
    import asyncssh

    class FaultyServer(asyncssh.SFTPServer):  # type: ignore[misc]
        async def _asked(self, do: Callable[[], Any], *possible: str) -> tuple[Any, str | None]:
            kind = faults.drawn(*possible)
            if kind == "dropped":
                self._drop()
            if kind == "slow":
                await asyncio.sleep(SLOW_SECONDS)
            if kind == "refused":
                raise asyncssh.SFTPFailure("it failed")
            if kind == "disk full":
                raise OSError(errno.ENOSPC, "No space left on device")
            answer = do()
            if kind == "lost":
                self._drop()
            return answer, kind

        def _drop(self) -> None:
            self.connection.abort()
            raise asyncssh.SFTPConnectionLost("gone")

        async def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
            return (await self._asked(lambda: super(FaultyServer, self).open(path, pflags, attrs)))[
                0
            ]

        async def read(self, file: Any, offset: int, size: int) -> bytes:
            data, kind = await self._asked(
                lambda: super(FaultyServer, self).read(file, offset, size), *READS
            )
            if kind == "short":
                return bytes(data[: len(data) // 2])
            return faults.flipped(data) if kind == "flipped" and data else bytes(data)

        async def write(self, file: Any, offset: int, data: bytes) -> int:
            written = await self._asked(
                lambda: super(FaultyServer, self).write(file, offset, data), *WRITES
            )
            return int(written[0])

        async def posix_rename(self, old: bytes, new: bytes) -> None:
            await self._asked(lambda: super(FaultyServer, self).posix_rename(old, new), "refused")

        async def link(self, old: bytes, new: bytes) -> None:
            await self._asked(lambda: super(FaultyServer, self).link(old, new), "refused")

        async def fsync(self, file: Any) -> None:
            await self._asked(lambda: super(FaultyServer, self).fsync(file), *WRITES)

        async def remove(self, path: bytes) -> None:
            await self._asked(lambda: super(FaultyServer, self).remove(path), "refused")

        async def scandir(self, path: bytes) -> AsyncIterator[Any]:
            found = [each async for each in super().scandir(path)]
            _, kind = await self._asked(lambda: None, *LISTINGS)
            files = [each for each in found if each.filename not in (b".", b"..")]
            if kind == "lag" and files:
                found.remove(files[0])
            for each in found + (files if kind == "repeat" else []):
                yield each

    return FaultyServer
