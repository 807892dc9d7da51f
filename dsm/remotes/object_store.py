"""A remote in a bucket: S3 and what speaks its protocol, Google Cloud Storage, Azure.

By `obstore`, whose conditional writes are `If-None-Match: *` on S3 and Azure and generation 0 on
Google's: the server decides who of two creates a name. Credentials come from where the tools of
each provider look for them, and go nowhere else. docs/adr tells why this library.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn
from urllib.parse import urlsplit

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
from dsm.remotes.parallel import interruptible

# A pack goes up in parts of this size, so many at a time: both together bound the memory.
PART_BYTES, PARTS_AT_ONCE = 48 << 20, 4
EXTRAS = {"s3": "s3", "gs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure"}
_DENIED = re.compile(r"non-2xx status code: 40[13]\b")
_NO_BUCKET = (
    "is there a bucket or container of that name? Make it with the tools of its provider,"
    " or correct the address"
)
_RETRY = {"max_retries": 4}
_CLIENT = {"timeout": "300s", "connect_timeout": "10s"}


# The process that first used the library: its threads are not in one that is forked from it.
_used_in: int | None = None


def lost_by_fork() -> bool:
    """Whether this process was forked from one that had used the library, and so never may."""
    return _used_in not in (None, os.getpid())


class BucketBackend(Backend):
    """Files below a prefix of a bucket."""

    etag_is_md5 = True

    def __init__(self, url: str):
        super().__init__(url)
        try:
            import obstore
        except ImportError as error:
            extra = EXTRAS[urlsplit(url).scheme]
            raise InvalidInput(
                f"{url} needs a package that is not installed",
                hint=f"pip install 'dsm-datasets[{extra}]'",
            ) from error
        global _used_in
        _used_in = _used_in or os.getpid()
        self._ob = obstore
        self._store = _store_of(url)

    def _name(self, name: str) -> str:
        return self.checked(name)

    def read(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        self.count("read")
        if size == 0:
            return
        wanted: Any = None
        if size is not None:
            wanted = {"range": (start, start + size)}
        elif start:
            wanted = {"range": {"offset": start}}
        try:
            path = self._name(name)
            answer = interruptible(lambda: self._ob.get(self._store, path, options=wanted))
            parts = iter(answer.stream(min_chunk_size=STREAM_BYTES))
            while (part := interruptible(lambda: next(parts, None))) is not None:
                self.received += len(part)
                yield bytes(part)
        except Exception as error:
            self._raise("read", name, error)

    def put(self, name: str, data: bytes) -> None:
        self._asked(
            "write", name, lambda: self._ob.put(self._store, name, data, use_multipart=False)
        )
        self.sent += len(data)

    def put_file(self, name: str, path: str) -> None:
        size = os.path.getsize(path)
        if size <= PART_BYTES:
            with open(path, "rb") as file:
                self.put(name, file.read())
            return
        self.count("write", size // PART_BYTES + 2)

        def blocks() -> Iterator[bytes]:
            with open(path, "rb") as file:
                while block := file.read(STREAM_BYTES):
                    yield block
                    self.sent += len(block)

        try:
            self._asked("write", name, lambda: self._ob.put(
                self._store, name, blocks(), chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE,
            ))  # fmt: skip
        except NotOnRemote:
            # The upload was completed before, by a request whose answer was lost; or was not.
            raise RemoteFailed(f"{self.url} lost the parts of {name}") from None

    def create(self, name: str, data: bytes) -> bool:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            self._asked("create", name, lambda: self._ob.put(
                self._store, name, data, mode="create", use_multipart=False
            ))  # fmt: skip
        except (AlreadyExistsError, PreconditionError):
            return False
        self.sent += len(data)
        return True

    def named(self, name: str) -> Iterator[Entry]:
        self.count("read")
        try:
            path = self._name(name)
            yield _entry(interruptible(lambda: self._ob.head(self._store, path)))
        except FileNotFoundError:
            return
        except Exception as error:
            self._raise("read", name, error)

    def listing(self, prefix: str) -> Iterator[Entry]:
        try:
            found = self._ob.list(self._store, prefix.rstrip("/") or None, chunk_size=1000)
            pages = iter(found)
            self.count("list")  # also of nothing
            first = True
            while (page := interruptible(lambda: next(pages, None))) is not None:
                self.count("list", int(not first))
                first = False
                yield from map(_entry, page)
        except Exception as error:
            self._raise("list", prefix or "it", error)

    def delete(self, name: str) -> None:
        with contextlib.suppress(NotOnRemote):
            self._asked("delete", name, lambda: self._ob.delete(self._store, name))

    def _asked(self, what: str, name: str, ask: Callable[[], object]) -> None:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        self._name(name)
        self.count(what)
        try:
            interruptible(ask)
        except (AlreadyExistsError, PreconditionError):
            raise
        except Exception as error:
            self._raise(what, name, error)

    def _raise(self, what: str, name: str, error: Exception) -> NoReturn:
        """Raises an error of ours: what the library says is many lines, and may name headers."""
        from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

        if isinstance(error, (NotOnRemote, RemoteFailed, RemoteRefused)):
            raise error
        if isinstance(error, FileNotFoundError):
            if what in ("write", "create"):  # a new name cannot be missing: what is to hold it is
                raise NotOnRemote(f"{self.url} takes no files", hint=_NO_BUCKET) from None
            raise NotOnRemote(f"{self.url} has no file {name}") from None
        denied = isinstance(error, (PermissionDeniedError, UnauthenticatedError))
        if denied or _DENIED.search(str(error)):  # not every answer has a class of its own
            raise RemoteRefused(
                f"{self.url} does not let you {what} {name}",
                hint="check the credentials that the provider's own tools use",
            ) from None
        reason = _brief(error)
        hint = _NO_BUCKET if " 404 " in f"{reason} " else AGAIN
        raise RemoteFailed(f"cannot {what} {name} on {self.url}: {reason}", hint=hint) from None


def _entry(found: Any) -> Entry:
    return Entry(
        str(found["path"]), int(found["size"]), found["last_modified"].timestamp(),
        found.get("e_tag"),
    )  # fmt: skip


def _brief(error: Exception) -> str:
    """Returns the reason in a long message of the library: a status, or that nothing answers."""
    text = str(error)
    status = re.search(r"non-2xx status code: ([0-9]{3}[ A-Za-z]{0,40})", text)
    if status:
        return f"the server answered {status[1].strip()}"
    code = re.search(r"<Code>([A-Za-z]{1,60})</Code>", text)
    if code:
        return f"the server answered {code[1]}"
    for known in ("timed out", "connection refused", "dns error", "error sending request"):
        if known in text.lower():
            return known
    return printable(text.splitlines()[0][:160]) if text else type(error).__name__


def _store_of(url: str) -> Any:
    """Makes the library's object for an address. Raises InvalidInput."""
    from obstore.store import AzureStore, GCSStore

    parts = urlsplit(url)
    prefix = parts.path.strip("/") or None
    options: dict[str, Any] = {"client_options": dict(_CLIENT), "retry_config": dict(_RETRY)}
    try:
        if parts.scheme == "s3":
            return _s3_store(parts.netloc, prefix, options)
        if parts.scheme == "gs":
            # Google's own address is https; another one is named by the user's service account.
            options["client_options"]["allow_http"] = True
            return GCSStore(parts.netloc, prefix=prefix, **options)
        return AzureStore(parts.netloc, prefix=prefix, **options)
    except InvalidInput:
        raise
    except Exception as error:
        hint = None
        if "Account must be specified" in str(error):
            hint = "set AZURE_STORAGE_ACCOUNT_NAME, and a key or token in AZURE_STORAGE_…"
        raise InvalidInput(f"{url} cannot be used: {_brief(error)}", hint=hint) from None


def _s3_store(bucket: str, prefix: str | None, options: dict[str, Any]) -> Any:
    """Opens a bucket by what the AWS tools know: profile, environment, region and endpoint."""
    import botocore.session
    from botocore.configprovider import ConfiguredEndpointProvider
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Store

    session = botocore.session.Session()
    if session.get_credentials() is None:
        raise InvalidInput(
            "no AWS credentials were found",
            hint="run `aws configure`, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret",
        )
    options["credential_provider"] = Boto3CredentialProvider(session)
    options["region"] = session.get_config_variable("region") or "us-east-1"
    endpoint = ConfiguredEndpointProvider(
        full_config=session.full_config,
        scoped_config=session.get_scoped_config(),
        client_name="s3",
    ).provide()
    if endpoint is not None:
        options["endpoint"] = endpoint
        options["virtual_hosted_style_request"] = False
        if endpoint.startswith("http://"):
            options["client_options"] = {**options["client_options"], "allow_http": True}
    return S3Store(bucket, prefix=prefix, **options)
