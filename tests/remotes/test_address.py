"""What is the address of a remote, and what must not be in one."""

from __future__ import annotations

import pytest

from dsm.errors import InvalidInput
from dsm.remotes.address import check_url, open_backend
from dsm.remotes.backend import RemoteFailed


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../remote", "/home/you/remote"),
        ("/mnt/share/", "/mnt/share"),
        ("file:///mnt/a%20b", "/mnt/a b"),
        ("file://localhost/mnt/a", "/mnt/a"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("gs://bucket", "gs://bucket"),
        ("sftp://user@host/data", "sftp://user@host/data"),
        ("memory://x", "memory://x"),
        ("https://host:8443/a/", "https://host:8443/a"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("hf://datasets/team/birds@v1/data", "hf://datasets/team/birds@v1/data"),
    ],
)
def test_addresses_are_kept_in_one_form(given: str, kept: str) -> None:
    """Folders become full paths; a slash at the end says nothing."""
    assert kept == check_url(given, "/home/you/pets")


@pytest.mark.parametrize(
    "given",
    [
        "", "a\nb", "x" * 3000, "https://you@host/a", "https:///a", "hf://team/birds", "hf://datasets/birds", "dsm://a", "simplecache::s3://a/b",
        "zip://a.zip", "s3://", "s3:///a", "s3://bucket/../other", "s3://bucket/%2e%2e/other",
        "file://host/mnt", "gs://user@bucket/a", "local:///etc", "cached::file:///etc",
    ],
)  # fmt: skip
def test_what_is_no_place_for_a_remote_is_refused(given: str) -> None:
    """Among them chains of file systems, by which fsspec would reach into this machine."""
    with pytest.raises(
        InvalidInput,
        match=r"is a folder or a URL, in one line|dsm knows no remotes by|not a chain|names no (bucket|dataset|place)|goes up and down|names another machine|takes no user",
    ):
        check_url(given, "/home/you/pets")


@pytest.mark.parametrize(
    "given",
    [
        "sftp://user:hunter2@host/data",
        "https://you:hunter2@host/a",
        "https://host/a?token=hunter2",
        "s3://key:hunter2@bucket/a",
        "s3://bucket/a?secret=hunter2",
    ],
)
def test_secrets_in_an_address_are_refused_unseen(given: str) -> None:
    """The message says where credentials belong, and does not repeat them."""
    with pytest.raises(InvalidInput) as caught:
        check_url(given, "/home/you/pets")
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_what_its_address_does_not_open_is_refused() -> None:
    """A file system of fsspec that needs more than an address is a mistake of the user, told so."""
    with pytest.raises(InvalidInput, match="github://a/b cannot be used: ") as caught:
        open_backend(check_url("github://a/b", "/"))
    assert caught.value.hint == "mount it, and name the folder"


def test_a_place_that_is_not_there_is_named() -> None:
    """A file system that connects when it is opened tells which address did not answer."""
    with pytest.raises(RemoteFailed, match=r"cannot reach ftp://127\.0\.0\.1:1/data: "):
        open_backend("ftp://127.0.0.1:1/data")
