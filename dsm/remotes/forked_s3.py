"""S3 in a process that was forked from one that had used it: for reading alone.

The threads of `obstore` do not outlive a fork, and waiting for them never ends. A worker of a data
loader is such a process. It reads by `botocore`, which opens connections of its own here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from dsm.model.names import printable
from dsm.remotes.backend import (
    AGAIN,
    Backend,
    Entry,
    NotOnRemote,
    RemoteFailed,
    RemoteRefused,
    is_plain,
)

T = TypeVar("T")

_MISSING = ("404", "NoSuchKey", "NotFound")
_FORBIDDEN = ("403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")
CONNECTIONS = 32
# Read at a time: what stays in the processor's cache until it is written.
PART_BYTES = 256 << 10


class ForkedS3Backend(Backend):
    """Files below a prefix of a bucket, which can be read and listed."""

    writable = False

    def __init__(self, url: str):
        super().__init__(url)
        import botocore.session
        from botocore.config import Config

        parts = urlsplit(url)
        self._bucket = parts.netloc
        self._prefix = parts.path.strip("/")
        session = botocore.session.Session()
        self._client: Any = session.create_client(
            "s3",
            region_name=session.get_config_variable("region") or "us-east-1",
            config=Config(
                max_pool_connections=CONNECTIONS, connect_timeout=10, read_timeout=60,
                retries={"total_max_attempts": 3},
            ),
        )  # fmt: skip

    def _key(self, name: str) -> str:
        if not is_plain(name):
            raise RemoteFailed(f"{name!r} is no name of a file on a remote")
        return f"{self._prefix}/{name}" if self._prefix else name

    def read(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        if size == 0:
            return
        last = "" if size is None else str(start + size - 1)
        wanted = {"Range": f"bytes={start}-{last}"} if start or last else {}
        key = self._key(name)
        answer = self._asked(
            "read", name, lambda: self._client.get_object(Bucket=self._bucket, Key=key, **wanted)
        )
        body = answer["Body"]
        try:
            while part := self._asked("read", name, lambda: body.read(PART_BYTES), again=False):
                self.received += len(part)
                yield part
        finally:
            body.close()

    def listing(self, prefix: str) -> Iterator[Entry]:
        lead = f"{self._prefix}/" if self._prefix else ""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=lead + prefix
        )
        walk = iter(pages)
        while page := self._asked("list", prefix or "it", lambda: next(walk, None), again=False):
            self.count("list")
            for each in page.get("Contents", ()):
                yield Entry(str(each["Key"]).removeprefix(lead), int(each["Size"]))

    def put(self, name: str, data: bytes) -> None:
        self._refuse()

    def put_file(self, name: str, path: str) -> None:
        self._refuse()

    def create(self, name: str, data: bytes) -> bool:
        self._refuse()

    def delete(self, name: str) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise RemoteRefused(
            f"{self.url} is only read in a process that was forked from one that used it",
            hint="push from a process of its own",
        )

    def _asked(self, what: str, name: str, ask: Callable[[], T], *, again: bool = True) -> T:
        self.count(what, int(again))
        try:
            return ask()
        except Exception as error:  # of botocore, or of what it is made of
            said: Any = getattr(error, "response", {})
            code = str(said.get("Error", {}).get("Code", ""))
            if code in _MISSING:
                raise NotOnRemote(f"{self.url} has no file {name}") from None
            if code in _FORBIDDEN:
                raise RemoteRefused(
                    f"{self.url} does not let you {what} {name}",
                    hint="check the credentials that the AWS tools use",
                ) from None
            reason = code or printable(str(error).splitlines()[0][:160] if str(error) else "")
            raise RemoteFailed(
                f"cannot {what} {name} on {self.url}: {reason or type(error).__name__}", hint=AGAIN
            ) from None
