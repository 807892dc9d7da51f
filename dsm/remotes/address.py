"""Addresses of remotes: what is one, what must not be in one, and which module opens it."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit

from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.remotes.backend import Backend, RemoteFailed

URL_CHARS_MAX = 2000
WEB = ("http", "https")
BUCKETS = ("s3", "gs", "az", "abfs", "abfss")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/")
# Addresses that only look like a place for files: each would reach something else of this machine.
_REFUSED = ("dsm", "local", "cached", "simplecache", "blockcache", "filecache",
            "data", "reference", "zip", "tar", "libarchive")  # fmt: skip


def check_url(url: str, folder: str) -> str:
    """Returns the address as it is kept: of a folder its full path, counted from `folder`.

    Raises InvalidInput for what is none, or holds a password.
    """
    if not url or len(url) > URL_CHARS_MAX or not url.isprintable():
        raise InvalidInput(
            "the address of a remote is a folder or a URL, in one line",
            hint="such as /mnt/team/data or s3://bucket/data",
        )
    if "::" in url:
        raise InvalidInput("a remote has one address, not a chain of them by ::")
    found = _SCHEME.match(url)
    if found is None:
        return os.path.normpath(os.path.join(folder, url))
    scheme = found[1].lower()
    if scheme in _REFUSED:
        raise InvalidInput(
            f"dsm knows no remotes by {printable(scheme)}",
            hint="a folder, s3://, gs://, az://, or a file system of fsspec such as sftp://",
        )
    parts = urlsplit(url)
    if parts.password is not None or parts.query or parts.fragment:
        raise InvalidInput(
            "the address of a remote holds no password and no parameters: settings are read by"
            " others, and shown",
            hint="credentials are found where the provider's own tools look for them: a profile,"
            " the environment, an agent",
        )
    if parts.username is not None and scheme in (*BUCKETS, *WEB):
        raise InvalidInput(f"{scheme}://{parts.hostname or ''} takes no user")
    if scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise InvalidInput(f"{url} names another machine; write file:///PATH")
        return os.path.normpath(unquote(parts.path))
    if not parts.netloc:
        raise InvalidInput(f"{url} names no {'bucket' if scheme in BUCKETS else 'place'}")
    if scheme == "hf" and (parts.netloc != "datasets" or parts.path.strip("/").count("/") < 1):
        raise InvalidInput(f"{url} names no dataset", hint="write hf://datasets/OWNER/NAME")
    if any(part in (".", "..") for part in unquote(parts.path).split("/")):
        raise InvalidInput(f"{url} goes up and down: write the address without . and ..")
    return url.rstrip("/")


def is_read_only(url: str) -> bool:
    """Whether what lies at a checked address is read, and never written."""
    return urlsplit(url).scheme in (*WEB, "hf") and not os.path.isabs(url)


def open_backend(url: str) -> Backend:
    """Opens what lies at a checked address; nothing is asked of it yet.

    Raises InvalidInput, and RemoteFailed in a process that was forked at the wrong time.
    """
    if os.path.isabs(url):
        from dsm.remotes.folder import FolderBackend

        return FolderBackend(url, url)
    if urlsplit(url).scheme in ("ssh", "sftp"):
        from dsm.remotes.sftp import SftpBackend

        return SftpBackend(url)
    if urlsplit(url).scheme in BUCKETS:
        from dsm.remotes.object_store import BucketBackend, lost_by_fork

        if not lost_by_fork():
            return BucketBackend(url)
        if urlsplit(url).scheme == "s3":
            from dsm.remotes.forked_s3 import ForkedS3Backend

            return ForkedS3Backend(url)
        raise RemoteFailed(
            f"{url} cannot be read in a process that was forked from one that had read it",
            hint="start workers anew, as by DataLoader(…, multiprocessing_context='forkserver')",
        )
    if urlsplit(url).scheme in WEB:
        from dsm.remotes.web import WebBackend

        return WebBackend(url)
    if urlsplit(url).scheme in ("webdav", "webdavs"):
        from dsm.remotes.webdav import WebdavBackend

        return WebdavBackend(url)
    from dsm.remotes.fsspec_files import FsspecBackend

    return FsspecBackend(url)
