"""The documents that name sources, and where addresses are read from."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from situations import Work

from dsm import api
from dsm.errors import AlreadyExists, DamagedData, InvalidInput, NotFound, StorageFailed
from dsm.format import document
from dsm.maintenance.fsck import fsck
from dsm.sources import source
from dsm.sources.failures import SecretMissing
from dsm.store import disk

from .conftest import PASSWORD


def made(work: Work, name: str = "pay", kind: str = "environment", secret: str = "PAY") -> Path:
    source.create(work.repo, name, "postgresql", kind, secret, created=1)
    return work.root / ".dsm" / "sources" / f"{name}.json"


def test_a_source_is_a_sealed_document(work: Work) -> None:
    """What was created is found, by name, in one file that is created once."""
    path = made(work)
    found = source.find(work.repo, "pay")
    assert (
        found.name, found.driver, found.kind, found.secret, found.created
    ) == ("pay", "postgresql", "environment", "PAY", 1)  # fmt: skip
    assert {
        "created": 1, "driver": "postgresql", "format": 1, "name": "pay", "source": found.id,
        "secret": {"kind": "environment", "name": "PAY"},
    } == document.decode(path.read_bytes(), "x")  # fmt: skip
    before = path.read_bytes()
    for name in ("pay", "PAY"):
        with pytest.raises(AlreadyExists, match="there is a source 'pay' already"):
            made(work, name)
    assert before == path.read_bytes()


def test_a_source_can_be_forgotten(work: Work) -> None:
    """After remove the name is free; a name that is not there has near matches."""
    made(work, "payments")
    with pytest.raises(NotFound) as caught:
        source.find(work.repo, "paymnts")
    assert caught.value.hint == "did you mean payments?"
    source.remove(work.repo, "payments")
    assert source.names(work.repo) == []
    with pytest.raises(NotFound, match="there is no source"):
        source.remove(work.repo, "payments")
    made(work, "payments")
    assert source.names(work.repo) == ["payments"]


@pytest.mark.parametrize(
    ("name", "kind", "secret"),
    [
        (f"postgresql://u:{PASSWORD}@h", "environment", "PAY"),
        ("pay", "environment", f"postgresql://u:{PASSWORD}@h"),
        ("pay", "environment", f"PAY={PASSWORD}"),
        ("pay", "environment", f"u@{PASSWORD}"),
        ("pay", "environment", "1PAY"),
        ("pay", "environment", ""),
        ("pay", "keyring", f"x://{PASSWORD}"),
        ("pay", "keyring", ""),
        ("pay", "file", "relative.uri"),
        ("pay", "file", f"postgresql://u:{PASSWORD}@h"),
        ("../pay", "environment", "PAY"),
        ("", "environment", "PAY"),
    ],
)
def test_addresses_are_refused(work: Work, name: str, kind: str, secret: str) -> None:
    """What looks like an address is refused without being repeated, and nothing is written."""
    with pytest.raises(InvalidInput) as caught:
        made(work, name, kind, secret)
    assert PASSWORD not in str(caught.value) + str(caught.value.hint) + str(caught.value.items)
    assert source.names(work.repo) == []


@pytest.mark.parametrize("driver", ["/tmp/evil.so", "evil.so", "../x", "os", "A", "x y", ""])
def test_a_driver_is_a_name(work: Work, driver: str) -> None:
    """A repository is shared: a path in it would load whatever lies there."""
    if driver == "os":  # a name that can be imported is no driver: only adbc_driver_<name> is tried
        source.create(work.repo, "x", driver, "environment", "PAY", created=1)
        return
    with pytest.raises(InvalidInput, match="a driver is named by small letters, digits, - and"):
        source.create(work.repo, "x", driver, "environment", "PAY", created=1)


def test_a_file_in_the_repository_is_refused(work: Work) -> None:
    """`dsm add` would store the address."""
    with pytest.raises(InvalidInput, match="lies in the repository"):
        made(work, "pay", "file", str(work.root / "pay.uri"))


def test_a_damaged_document_is_found(work: Work) -> None:
    """By reading it, and by fsck."""
    path = made(work)
    assert fsck(work.repo).findings == ()
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data.replace(b"PAY", b"PAX"))
    with pytest.raises(DamagedData, match="is damaged: its contents do not fit its seal"):
        source.find(work.repo, "pay")
    found = {
        (finding.kind, os.path.basename(finding.where)) for finding in fsck(work.repo).findings
    }
    assert {("document", "pay.json")} == found
    source.remove(work.repo, "pay")


def test_a_planted_document_is_checked(work: Work) -> None:
    """A document that a repository brings along passes the same checks as what is typed."""
    path = made(work)
    fields = document.decode(path.read_bytes(), "x")
    for key, value in (
        ("driver", "/tmp/evil.so"), ("secret", {"kind": "environment", "name": "A=B"}),
        ("secret", {"kind": "command", "name": "sh"}), ("secret", "PAY"), ("created", "1"),
    ):  # fmt: skip
        path.unlink()
        path.write_bytes(document.encode({**fields, key: value}))
        with pytest.raises(DamagedData, match=r"pay\.json(:| belongs| lacks| has a field)"):
            source.find(work.repo, "pay")


def test_every_write_may_fail(make_work: Callable[..., Work]) -> None:
    """Whichever write of add or remove fails, the source is there whole or not at all."""
    outcomes = set()
    for number in range(1, 30):
        work = make_work(f"work{number}")
        calls = 0

        def fail(operation: str, path: str) -> None:
            nonlocal calls
            calls += 1
            if calls == number:
                raise OSError(errno.EIO, "made to fail")

        try:
            with disk.observe(fail):
                made(work)
                source.remove(work.repo, "pay")
        except StorageFailed:
            outcomes.add(tuple(source.names(work.repo)))
        assert fsck(work.repo).findings == ()
        for name in source.names(work.repo):
            source.remove(work.repo, name)
        made(work)
        if calls < number:
            break
    assert outcomes == {(), ("pay",)}
    assert calls < number


def test_where_addresses_come_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A variable, a file and a keyring's entry, without the white space around."""
    monkeypatch.setenv("PAY", f" {PASSWORD}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "pay.uri").write_text(PASSWORD + "\n")
    ring = {("db", "reader"): PASSWORD}
    fake = SimpleNamespace(get_password=lambda service, user: ring.get((service, user)))
    monkeypatch.setitem(sys.modules, "keyring", fake)
    for kind, name in (("environment", "PAY"), ("file", "~/pay.uri"), ("keyring", "db:reader")):
        assert api.secret_of(kind, name) == PASSWORD
    for kind, name in (("environment", "NO"), ("file", "~/no"), ("keyring", "db:other")):
        with pytest.raises(SecretMissing) as caught:
            api.secret_of(kind, name)
        assert caught.value.exit_status == 6
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SecretMissing) as caught:
        api.secret_of("keyring", "db:reader")
    assert caught.value.hint == "pip install keyring"
